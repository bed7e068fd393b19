//! Two accounts of one installation write to each other as strangers do: what one sends is the other's mail, and no loop.

use super::exchange::{Exchange, SARA};
use replyd::conversation::delivery::{MailKind, Posting};
use replyd::conversation::id::Id;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Via};
use replyd::store::NewAgent;
use replyd::store::outgoing::{AttemptEnd, AttemptOutcome, Claim, Outgoing, QueueEntry};
use replyd::store::unit::{NewConversation, NewMessage};
use std::time::Duration;

const ACME: &str = "support@acme.example";
const BOLT: &str = "help@bolt.example";

fn says(text: String) -> NewMessage {
    NewMessage {
        uploads: Vec::new(),
        posting: Posting { to_contact: Some(Duration::ZERO), ..Posting::default() },
        direction: Direction::Outgoing,
        author: Author { kind: AuthorKind::Agent, name: Some("Bo".into()), email: None },
        via: Via::Api,
        text,
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
    }
}

/// Bolt writes to Acme's inbox.
async fn begun(exchange: &Exchange) -> Id {
    let new = NewConversation {
        account: "bolt".into(),
        inbox: "help".into(),
        channel: Channel::Email,
        contact_name: None,
        contact_email: Some(ACME.into()),
        contact_identifier: None,
        subject: Some("An offer".into()),
        messages: vec![says("Do you need screws?".into())],
    };
    exchange.site.store.new_conversation(new).await.expect("a conversation").id
}

/// The answers that are due, each with its octets; they count as delivered.
async fn sent(exchange: &Exchange) -> Vec<(QueueEntry, String)> {
    let store = &exchange.site.store;
    let claimed = store.claim_due(Claim { limit: 10, per_domain: 10, busy: Vec::new() }).await.expect("claimed");
    let mut sent = Vec::new();
    for entry in claimed {
        let octets = exchange.composed(entry.id).await;
        let email = exchange.messages().await.remove(0).email.expect("Ann's mail");
        store.data_sent(entry.id, Some(Outgoing { octets: octets.clone(), email })).await.expect("sent");
        let end = AttemptEnd {
            outcome: AttemptOutcome::Delivered,
            remote: None,
            remote_reply: None,
            tls: None,
            reason: "taken".into(),
            transcript: String::new(),
        };
        store.attempt_ended(entry.id, end).await.expect("ended");
        sent.push((entry, String::from_utf8(octets).expect("ASCII")));
    }
    sent
}

/// The body ends with the line end that the end of data brings.
fn body(mail: &str) -> &str {
    mail.strip_suffix("\r\n").unwrap_or(mail)
}

#[tokio::test]
async fn what_one_account_sends_is_a_persons_mail_to_the_other_and_its_own_when_it_comes_back() {
    let exchange = Exchange::begun().await;
    begun(&exchange).await;
    let mails = sent(&exchange).await;
    let (_, mail) = mails.iter().find(|(entry, _)| entry.account == "bolt").expect("bolt's answer");
    let entry = exchange.offers("bounce@reply.bolt.example", &[ACME], body(mail), "250").await.remove(0);
    assert_eq!(entry.reason, "inbox address");
    let there = entry.conversation_id.expect("a conversation of acme's");
    let message = exchange.site.store.messages(there, 10).await.expect("messages").remove(0);
    assert_eq!((message.author.kind, message.text.trim()), (AuthorKind::Contact, "Do you need screws?"));
    let told = |(kind, to): &(MailKind, String)| *kind == MailKind::Notification && to == SARA;
    assert_eq!(exchange.queued().await.iter().filter(|mail| told(mail)).count(), 2, "Sara is told of it");
    let back = exchange.offers("", &[BOLT], body(mail), "250").await.remove(0);
    assert_eq!((back.reason.as_str(), back.conversation_id), ("a mail of ours that came back", None));
}

#[tokio::test]
async fn what_one_account_tells_its_agents_wakes_nobody_at_the_other() {
    let exchange = Exchange::begun().await;
    let agent = NewAgent {
        account: "bolt".into(),
        email: ACME.into(),
        name: "Acme's desk".into(),
        inboxes: None,
        by_mail: true,
    };
    exchange.site.store.add_agent(agent).await.expect("an agent");
    let mail = super::exchange::mail("carl@example.org", "Nuts", "Have you nuts?");
    exchange.offers("carl@example.org", &[BOLT], &mail, "250").await;
    let mails = sent(&exchange).await;
    let (_, told) = mails.iter().find(|(entry, _)| entry.recipient == ACME).expect("bolt's agent is told");
    let queued = exchange.queued().await.len();
    let entry = exchange.offers("bounce@reply.bolt.example", &[ACME], body(told), "250").await.remove(0);
    assert!(entry.conversation_id.is_some(), "{}", entry.reason);
    assert_eq!(exchange.queued().await.len(), queued, "a machine's mail is told to nobody");
}

/// Both have a machine at their desk that answers whatever comes.
#[tokio::test]
async fn two_accounts_that_answer_each_other_end_at_the_budget_of_a_conversation() {
    let exchange = Exchange::begun().await;
    begun(&exchange).await;
    let store = &exchange.site.store;
    let mut rounds = 0;
    loop {
        let mails = sent(&exchange).await;
        let Some((entry, mail)) = mails.iter().find(|(entry, _)| entry.kind == MailKind::Answer) else { break };
        let from = format!("bounce@reply.{}.example", entry.account);
        let filed = exchange.offers(&from, &[&entry.recipient], body(mail), "250").await.remove(0);
        let conversation = filed.conversation_id.expect("it is filed");
        store.append_message(conversation, says(format!("answer {rounds}"))).await.expect("an answer");
        rounds += 1;
        assert!(rounds < 100, "nothing ends it");
    }
    let held: Vec<QueueEntry> = exchange.queue().await.into_iter().filter(|entry| entry.held).collect();
    assert!(rounds > 20 && held.iter().any(|entry| entry.kind == MailKind::Answer), "{rounds} rounds, {held:?}");
}
