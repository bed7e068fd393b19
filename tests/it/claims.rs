//! An address that a visitor typed is a claim: what a mail proves of it, what nobody gains by it, and how much mail it may cause.

use super::filing::{House, mail, reply_address};
use replyd::clock::UnixMs;
use replyd::conversation::delivery::{DeliveryState, MailChoice, MailKind, Posting};
use replyd::conversation::model::{Author, AuthorKind, Channel, Conversation, Direction, Via};
use replyd::store::NewAgent;
use replyd::store::outgoing::{QueueEntry, QueueQuery};
use replyd::store::unit::NewMessage;
use replyd::store::visitors::{
    Claim, ContactChanges, Grounds, Identification, NewVisitor, Said, Saying, Surroundings, Target, Visitor,
};
use std::time::Duration;

const JANE: &str = "jane@x.example";
const EVE: &str = "eve@evil.example";

fn written(direction: Direction, kind: AuthorKind, posting: Posting) -> NewMessage {
    NewMessage {
        direction,
        author: Author { kind, name: None, email: None },
        via: Via::Widget,
        text: "Hello".into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting,
    }
}

fn claim(email: &str) -> Claim {
    Claim { email: Some(email.into()), ..Claim::default() }
}

/// A browser in which this address is typed with the first message.
async fn chat(house: &House, number: u8, email: Option<&str>, posting: Posting) -> (Visitor, Conversation) {
    let (store, surroundings) = (house.store(), Surroundings::default());
    let sha256 = [number; 32];
    let new = NewVisitor { account: "acme".into(), inbox: "website".into(), sha256, surroundings };
    let visitor = store.add_visitor(new).await.unwrap();
    let talk = says(house, &visitor, email, posting).await;
    (store.visitor_by_id(visitor.id).await.unwrap(), talk)
}

async fn says(house: &House, visitor: &Visitor, email: Option<&str>, posting: Posting) -> Conversation {
    let said = says_in(house, visitor, Target::New, email, posting).await;
    house.store().conversation(said.conversation).await.unwrap()
}

async fn says_in(house: &House, visitor: &Visitor, target: Target, email: Option<&str>, posting: Posting) -> Said {
    let saying = Saying {
        visitor: visitor.id,
        target,
        message: written(Direction::Incoming, AuthorKind::Contact, posting),
        claim: email.map(claim).unwrap_or_default(),
        page: None,
        channel: Channel::Widget,
    };
    house.store().visitor_says(saying).await.unwrap()
}

async fn again(house: &House, talk: &Conversation) -> Conversation {
    house.store().conversation(talk.id).await.unwrap()
}

/// A new mail of Jane's to the account, in its own conversation.
async fn janes_own(house: &House) -> Conversation {
    let entry = house.offer(&mail(&format!("Jane <{JANE}>"), "", "my secret"), "support@acme.example").await;
    house.store().conversation(entry.conversation_id.unwrap()).await.unwrap()
}

async fn jane_answers(house: &House, talk: &Conversation) {
    house.offer(&mail(JANE, "", "Who is this?"), &reply_address(talk)).await;
}

async fn becomes(house: &House, visitor: &Visitor, identifier: &str, email: Option<&str>) -> Visitor {
    let identification = Identification {
        account: "acme".into(),
        inbox: "website".into(),
        present: Some(visitor.id),
        sha256: [99; 32],
        identifier: identifier.into(),
        email: email.map(str::to_owned),
        name: None,
        surroundings: Surroundings::default(),
    };
    house.store().identify_visitor(identification).await.unwrap().visitor
}

#[tokio::test]
async fn an_authentic_answer_proves_a_typed_address_and_an_unproven_one_does_not() {
    let house = House::new();
    let (_, talk) = chat(&house, 1, Some(JANE), Posting::default()).await;
    let addresses = async || {
        let contact = again(&house, &talk).await.contact;
        (contact.email, contact.claimed_email)
    };
    house.offer(&mail(JANE, "X-Test: unproven\r\n", "It is me"), &reply_address(&talk)).await;
    assert_eq!(addresses().await, (None, Some(JANE.to_owned())));
    jane_answers(&house, &talk).await;
    assert_eq!(addresses().await, (Some(JANE.to_owned()), None));
}

#[tokio::test]
async fn a_browser_does_not_bend_the_mail_of_a_person_who_answered_to_it() {
    let house = House::new();
    let (eve, talk) = chat(&house, 1, Some(JANE), Posting::default()).await;
    jane_answers(&house, &talk).await;
    let own = janes_own(&house).await;
    assert_eq!(own.contact.id, talk.contact.id, "one person, as far as anybody knows");
    let renamed = Claim { name: Some("Eve".into()), ..Claim::default() };
    for claim in [renamed, claim(EVE)] {
        house.store().change_visitor(eve.id, ContactChanges { claim, mail: None }).await.unwrap();
    }
    let (own, talk) = (again(&house, &own).await, again(&house, &talk).await);
    assert_eq!(own.contact.mail_address(), Some(JANE));
    assert_eq!(own.contact.name.as_deref(), Some("Jane"));
    assert_eq!((talk.contact.mail_address(), &talk.contact.email), (Some(EVE), &None), "what it began is its own");
    let later = says(&house, &eve, None, Posting::default()).await;
    assert_ne!(later.contact.id, own.contact.id);
}

#[tokio::test]
async fn a_name_at_the_site_brings_nobody_elses_record() {
    let house = House::new();
    let (eve, talk) = chat(&house, 1, Some(JANE), Posting::default()).await;
    jane_answers(&house, &talk).await;
    let eve = becomes(&house, &eve, "eve", None).await;
    let own = janes_own(&house).await;
    assert_ne!(own.contact.id, eve.contact.id);
    assert_eq!((own.contact.identifier.as_deref(), own.contact.email.as_deref()), (None, Some(JANE)));
    let seen = house.store().visitor_state(&eve).await.unwrap().conversations;
    assert_eq!(seen.iter().map(|known| known.id).collect::<Vec<_>>(), [talk.id]);
}

#[tokio::test]
async fn whom_the_site_names_does_not_take_an_address_by_an_answer() {
    let house = House::new();
    let (eve, _) = chat(&house, 1, None, Posting::default()).await;
    let eve = becomes(&house, &eve, "eve", Some(JANE)).await;
    let talk = says(&house, &eve, None, Posting::default()).await;
    jane_answers(&house, &talk).await;
    let contact = again(&house, &talk).await.contact;
    assert_eq!((contact.email, contact.claimed_email.as_deref()), (None, Some(JANE)));
    assert_ne!(janes_own(&house).await.contact.id, contact.id);
}

#[tokio::test]
async fn a_chat_goes_to_the_person_who_was_known_and_shows_nothing_of_theirs() {
    let house = House::new();
    let own = janes_own(&house).await;
    let (eve, talk) = chat(&house, 1, Some(JANE), Posting::default()).await;
    assert_ne!(talk.contact.id, own.contact.id);
    jane_answers(&house, &talk).await;
    assert_eq!(again(&house, &talk).await.contact.id, own.contact.id);
    let said = says_in(&house, &eve, Target::Named(talk.id), None, Posting::default()).await;
    assert_eq!(said.message.message.author.name, None, "what Jane is called is not told, nor said in her name");
    house.store().change_visitor(eve.id, ContactChanges { claim: claim(EVE), mail: None }).await.unwrap();
    assert_eq!(again(&house, &own).await.contact.mail_address(), Some(JANE));
    let seen = house.store().visitor_state(&eve).await.unwrap().conversations;
    assert_eq!(seen.iter().map(|known| (known.id, known.grounds)).collect::<Vec<_>>(), [(talk.id, Grounds::Started)]);
}

async fn mails(house: &House, kind: MailKind) -> Vec<QueueEntry> {
    let query = QueueQuery { limit: 500, ..QueueQuery::default() };
    let mut items = house.store().queue(query).await.unwrap().items;
    items.retain(|entry| entry.kind == kind);
    items
}

fn held(mails: &[QueueEntry]) -> usize {
    mails.iter().filter(|mail| mail.held).count()
}

/// As many chats as may write to a typed address within an hour, and one more; each is answered so.
async fn answered_chats(house: &House, posting: &Posting) {
    for number in 0..21 {
        let (_, talk) = chat(house, number, Some(JANE), Posting::default()).await;
        let answer = written(Direction::Outgoing, AuthorKind::Agent, posting.clone());
        house.store().append_message(talk.id, answer).await.unwrap();
    }
}

#[tokio::test]
async fn many_chats_do_not_fill_a_strangers_mailbox() {
    let delay = Some(Duration::from_secs(120));
    let house = House::new();
    answered_chats(&house, &Posting { to_contact: delay, mail: MailChoice::Now, ..Posting::default() }).await;
    let at_once = mails(&house, MailKind::Answer).await;
    assert_eq!((at_once.len(), held(&at_once)), (21, 1), "{at_once:?}");
    assert!(at_once.iter().any(|mail| mail.reason.as_ref().is_some_and(|words| words.contains("nobody proved"))));
    let house = House::new();
    answered_chats(&house, &Posting { to_contact: delay, ..Posting::default() }).await;
    house.services.clock.set(UnixMs(house.services.clock.now().0 + 121_000));
    house.store().continuity_due().await.unwrap();
    let after_a_while = mails(&house, MailKind::Answer).await;
    assert!(after_a_while.iter().all(|mail| mail.state == DeliveryState::Queued), "{after_a_while:?}");
    assert_eq!((after_a_while.len(), held(&after_a_while)), (21, 1));
}

#[tokio::test]
async fn many_chats_do_not_fill_an_agents_mailbox() {
    let house = House::new();
    let (account, email) = ("acme".into(), "sara@agents.example".into());
    let agent = NewAgent { account, email, name: "Sara".into(), inboxes: None, by_mail: true };
    house.store().add_agent(agent).await.unwrap();
    let (visitor, _) = chat(&house, 1, None, Posting::default()).await;
    for _ in 0..201 {
        says(&house, &visitor, None, Posting { notify_agents: true, ..Posting::default() }).await;
    }
    let told = mails(&house, MailKind::Notification).await;
    assert_eq!((told.len(), held(&told)), (201, 1));
}
