//! An agent needs nothing but a mail client, and nobody else is taken for the agent.

use super::exchange::{ANN, BEN, Exchange, SARA, mail};
use replyd::conversation::delivery::{DeliveryState, MailKind};
use replyd::conversation::model::{AuthorKind, Direction, Outcome, Status, Via};
use replyd::inbound::Door;
use replyd::mail::content;
use replyd::mail::parsed::ParsedMail;

/// As clients write it below an answer.
const QUOTE: &str = "\n\n-- \nSara, Acme, sara@acme.example\n\nOn Fri, 20 Nov 2026 at 10:12, Acme <support@acme.example> wrote:\n\
    > Where is my teapot?\n> -- \n> verdict: unproven\n";

#[tokio::test]
async fn an_agents_answer_goes_to_the_customer_without_quotes_signature_and_address() {
    let exchange = Exchange::begun().await;
    assert_eq!(exchange.queued().await, [(MailKind::Notification, SARA.to_owned())]);
    let answer = exchange.of_sara(&format!("It ships today.{QUOTE}"));
    let entry = exchange.offers(SARA, &[&exchange.agent_address().await], &answer, "250").await.remove(0);
    assert_eq!((entry.outcome, entry.reason.as_str()), (Outcome::Filed, "reply token of an agent"));
    let message = exchange.last().await;
    assert_eq!((message.direction, message.via), (Direction::Outgoing, Via::Email));
    assert_eq!((message.author.kind, message.author.name.as_deref()), (AuthorKind::Agent, Some("Sara")));
    assert_eq!((message.text.as_str(), message.html), ("It ships today.", None));
    assert!(message.quoted.contains("Where is my teapot?") && message.signature.contains("Sara, Acme"));
    assert_eq!(message.delivery.map(|delivery| delivery.state), Some(DeliveryState::Queued));
    assert_eq!(exchange.queued().await[1..], [(MailKind::Answer, ANN.to_owned())]);
}

fn text_of(octets: &[u8]) -> String {
    content::read(&ParsedMail::parse(octets), &[]).text
}

#[tokio::test]
async fn a_customer_sees_neither_an_agents_address_nor_what_agents_are_told() {
    let exchange = Exchange::begun().await;
    let told = text_of(&exchange.composed(exchange.notification().await.id).await);
    assert!(told.contains("Where is my teapot?") && told.contains("Author not proven"), "{told}");
    let quote: String = told.lines().map(|line| format!("> {line}\n")).collect();
    let plain = |line: &str| format!("It ships today.\n\n{line}\n\n{quote}");
    let outlook = format!(
        "It ships today.\n\nFrom: Acme <support@acme.example>\nSent: Friday, November 20, 2026 10:12 AM\nTo: Sara <{SARA}>\n\
         Subject: Order 7\n\n{told}"
    );
    for body in [
        plain("On Fri, 20 Nov 2026 at 10:12, Acme <support@acme.example> wrote:"),
        plain("Am 20.11.2026 um 10:12 schrieb Acme <support@acme.example>:"),
        outlook,
    ] {
        exchange.offers(SARA, &[&exchange.agent_address().await], &exchange.of_sara(&body), "250").await;
        assert_eq!(exchange.last().await.text, "It ships today.", "{body}");
        let answer = exchange.queue().await.pop().expect("an answer");
        assert_eq!(answer.recipient, ANN);
        let octets = exchange.composed(answer.id).await;
        for words in [String::from_utf8_lossy(&octets).into_owned(), text_of(&octets)] {
            let is_told = words.to_lowercase().contains(SARA) || words.contains("Author not proven");
            assert!(!is_told, "{words}");
        }
        assert!(text_of(&octets).contains("It ships today."));
    }
}

/// What clients make of answers between the lines, signatures and keys; the customer sees the words and nothing else.
#[tokio::test]
async fn whatever_the_client_adds_no_customer_sees_an_agents_address_or_token() {
    let exchange = Exchange::begun().await;
    let token = exchange.agent_address().await;
    let told = text_of(&exchange.composed(exchange.notification().await.id).await);
    let between: String = told.lines().map(|line| format!("> {line}\n")).collect();
    let between = format!("Hello Ann,\n\n{between}\nIt ships today.\n\nSara <Sara@Acme.example>\n> ok?\nYes.");
    let plain = |body: &str| ("text/plain; charset=utf-8", body.to_owned());
    let with = |kind: &'static str, file: &str| {
        let text = "Content-Type: text/plain\r\n\r\nIt ships today.";
        (kind, format!("--b\r\n{text}\r\n--b\r\n{file}\r\n--b--\r\n"))
    };
    let card = "Content-Type: text/vcard; name=sara.vcf\r\n\r\nEMAIL:sara@acme.example";
    let key = "Content-Type: application/pgp-keys; name=\"OpenPGP_0x12.asc\"\r\n\r\nuid sara@acme.example";
    let smime =
        |media_type: &str| format!("Content-Type: {media_type}; name=smime.p7s\r\n\r\ncert of sara@acme.example");
    let named = "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"from sara@acme.example.pdf\"\r\n\r\n%PDF";
    for (media_type, body) in [
        plain(&between),
        plain(&format!("It ships today.\n\nOn Friday, Ann via Acme <mailto:{token}> wrote:\n> hm\nok\n> ha\nyes")),
        plain("It ships today.\n\nBest regards\nSara Smith\nSupport | sara@acme.example | +49 30 1234"),
        plain("It ships today. Write to SARA+desk@ACME.example<mailto:sara%2Bdesk@acme.example> or\nben@acme.example"),
        plain(&format!("It ships today. Answer to {} then", token.replace('+', "%2B"))),
        with(
            "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b",
            &smime("application/pkcs7-signature"),
        ),
        with("multipart/mixed; boundary=b", &smime("application/x-pkcs7-signature")),
        with("multipart/mixed; boundary=b", card),
        with("multipart/mixed; boundary=b", key),
        with("multipart/mixed; boundary=b", named),
    ] {
        let answer = mail(SARA, "Re: Order 7", &body).replace("text/plain; charset=utf-8", media_type);
        let entry = exchange.offers(SARA, &[&token], &exchange.sign(&answer, "acme.example"), "250").await.remove(0);
        assert_eq!(entry.reason, "reply token of an agent", "{body}");
        let answer = exchange.queue().await.pop().expect("an answer");
        assert_eq!(answer.recipient, ANN);
        let octets = exchange.composed(answer.id).await;
        let seen = ParsedMail::parse(&octets);
        let parts = seen.parts.iter().map(|part| String::from_utf8_lossy(part.octets()).into_owned());
        let names = seen.parts.iter().filter_map(|part| part.file_name.clone());
        let all: String = parts.chain(names).chain([String::from_utf8_lossy(&octets).into_owned()]).collect();
        let all = all.to_lowercase();
        assert!(text_of(&octets).contains("It ships today."), "{body}");
        let hex = token.get(6..38).expect("a token");
        for hidden in
            [SARA, BEN, "sara+desk", "sara%2bdesk", hex, "author not proven", "address is not shown", "#snooze"]
        {
            assert!(!all.contains(hidden), "{hidden} of {body}\n{all}");
        }
        let message = exchange.last().await;
        let kept = format!("{} {} {}", message.text, message.quoted, message.signature).to_lowercase();
        assert!(!body.contains("smith") || kept.contains(SARA), "folded, not lost: {kept}");
    }
}

/// Words of mail in a file are the agent's to look at again; nothing of it goes out meanwhile.
#[tokio::test]
async fn a_file_that_tells_an_agents_address_is_not_sent_and_the_agent_is_told() {
    let exchange = Exchange::begun().await;
    let token = exchange.agent_address().await;
    for file in [
        format!("Content-Type: message/rfc822\r\n\r\nReply-To: {token}\r\nSubject: Order 7\r\n\r\nhm"),
        "Content-Type: text/calendar; name=meet.ics\r\n\r\nORGANIZER;CN=Sara:mailto:sara@ac\r\n me.example".to_owned(),
    ] {
        let body = format!("--b\r\nContent-Type: text/plain\r\n\r\nSee there.\r\n--b\r\n{file}\r\n--b--\r\n");
        let answer =
            mail(SARA, "Re: Order 7", &body).replace("text/plain; charset=utf-8", "multipart/mixed; boundary=b");
        let entry = exchange.offers(SARA, &[&token], &exchange.sign(&answer, "acme.example"), "250").await.remove(0);
        assert!(entry.reason.contains("holds an agent's address or reply address"), "{}", entry.reason);
        assert_eq!(exchange.last().await.direction, Direction::Note);
        let queued = exchange.queued().await;
        assert!(queued.iter().all(|(_, to)| to == SARA), "{queued:?}");
    }
}

#[tokio::test]
async fn html_and_files_of_an_agent_come_along() {
    let exchange = Exchange::begun().await;
    let html = "<div>It <b>ships</b> today.</div><br><div class=\"gmail_quote\"><div class=\"gmail_attr\">On Friday \
        Acme wrote:</div><blockquote>Where is my teapot?</blockquote></div>";
    let body = format!(
        "--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n--b\r\nContent-Type: application/pdf\r\n\
         Content-Disposition: attachment; filename=\"label.pdf\"\r\n\r\n%PDF\r\n--b--\r\n"
    );
    let plain = mail(SARA, "Re: Order 7", &body);
    let mixed = plain.replace("text/plain; charset=utf-8", "multipart/mixed; boundary=b");
    let answer = exchange.sign(&mixed, "acme.example");
    exchange.offers(SARA, &[&exchange.agent_address().await], &answer, "250").await;
    let message = exchange.last().await;
    assert_eq!((message.direction, message.text.as_str()), (Direction::Outgoing, "It ships today."));
    assert_eq!(message.attachments.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["label.pdf"]);
}

#[tokio::test]
async fn what_is_not_proven_to_be_the_agents_is_refused_with_a_sentence() {
    let exchange = Exchange::begun().await;
    let token = exchange.agent_address().await;
    let (unsigned, of_ben) = (mail(SARA, "Re: x", "#resolve"), mail(BEN, "Re: x", "#resolve"));
    let proof = "550 5.7.1 nothing proves that the agent wrote this mail";
    let not_hers = "550 5.7.1 this reply address belongs to an agent";
    for (mail, expected) in [
        (unsigned.clone(), proof),
        (exchange.sign(&unsigned, "evil.example"), proof),
        (exchange.of_sara("#resolve").replace("#resolve", "#note"), proof),
        (exchange.sign(&of_ben, "acme.example"), not_hers),
        (mail_of_ann(), not_hers),
        (unsigned.replacen("From: ", "From: ben@acme.example, ", 1), not_hers),
        (mail("sara@slow.example", "Re: x", "later"), not_hers),
    ] {
        let entry = exchange.offers(SARA, &[&token], &mail, expected).await.remove(0);
        assert_eq!((entry.outcome, entry.reason.as_str()), (Outcome::Rejected, "not proven to be the agent's"));
    }
    assert_eq!(exchange.messages().await.len(), 1);
    assert_eq!(exchange.queued().await.len(), 1);
    assert_eq!(exchange.conversation().await.status, Status::Open);
}

fn mail_of_ann() -> String {
    mail(ANN, "Re: x", "I found your address")
}

#[tokio::test]
async fn dns_trouble_defers_an_agents_mail() {
    let exchange = Exchange::begun().await;
    let sly = exchange.site.store.agents(None).await.expect("agents").into_iter().find(|agent| agent.name == "Sly");
    let sly = replyd::store::NewAgent { by_mail: true, inboxes: None, ..wishes(sly.expect("Sly")) };
    exchange.site.store.add_agent(sly).await.expect("Sly wants mail");
    exchange.offers(ANN, &[&exchange.contact_address().await], &mail(ANN, "Re: x", "and now?"), "250").await;
    let queue = exchange.queue().await;
    let token = queue.iter().find(|entry| entry.recipient == "sara@slow.example").expect("Sly is told").reply_token;
    let answer = mail("sara@slow.example", "Re: x", "later");
    let to = token.address("reply.acme.example");
    let entry = exchange.offers("sara@slow.example", &[&to], &answer, "451 4.7.5").await.remove(0);
    assert_eq!(entry.outcome, Outcome::Deferred);
}

fn wishes(agent: replyd::conversation::agent::Agent) -> replyd::store::NewAgent {
    let replyd::conversation::agent::Agent { account, email, name, inboxes, by_mail, .. } = agent;
    replyd::store::NewAgent { account, email, name, inboxes, by_mail }
}

#[tokio::test]
async fn one_refusal_for_all_where_there_is_one_answer_and_one_each_by_lmtp() {
    let exchange = Exchange::begun().await;
    let to = [exchange.agent_address().await, "support@acme.example".to_owned()];
    let to = [to[0].as_str(), to[1].as_str()];
    let unsigned = mail(SARA, "Re: x", "hello both");
    let entries = exchange.offers(SARA, &to, &unsigned, "550 5.7.1 nothing proves").await;
    assert!(entries.iter().all(|entry| entry.outcome == Outcome::Rejected), "{entries:?}");
    let entries = exchange.offers_by(Door::Lmtp, SARA, &to, &unsigned, &["550 5.7.1 nothing proves", "250"]).await;
    let mut outcomes: Vec<Outcome> = entries.iter().map(|entry| entry.outcome).collect();
    outcomes.sort_by_key(|outcome| *outcome == Outcome::Filed);
    assert_eq!(outcomes, [Outcome::Rejected, Outcome::Filed]);
}

#[tokio::test]
async fn an_answer_to_the_token_and_the_inbox_is_sent_once() {
    let exchange = Exchange::begun().await;
    let to = exchange.agent_address().await;
    let answer = mail(SARA, "Re: Order 7", "It ships today.").replace("x@y.example", &format!("<{to}>"));
    let answer = exchange.sign(&answer, "acme.example");
    let entries = exchange.offers(SARA, &[&to, "support@acme.example"], &answer, "250").await;
    assert!(entries.iter().all(|entry| entry.outcome == Outcome::Filed), "{entries:?}");
    assert_eq!(exchange.messages().await.len(), 2);
    assert_eq!(exchange.queued().await[1..], [(MailKind::Answer, ANN.to_owned())]);
}

#[tokio::test]
async fn commands_do_what_they_say() {
    let exchange = Exchange::begun().await;
    let token = exchange.agent_address().await;
    let says = async |body: &str| {
        exchange.offers(SARA, &[&token], &exchange.of_sara(body), "250").await.remove(0);
        exchange.conversation().await
    };
    assert_eq!(says(&format!("#resolve{QUOTE}")).await.status, Status::Resolved);
    let snoozed = says("#snooze 2d\n#assign ben@acme.example").await;
    let until = snoozed.snoozed_until.expect("a time").0 - replyd::clock::Clock::System.now().0;
    assert!((172_000_000..=172_800_000).contains(&until), "{until}");
    assert_eq!((snoozed.status, snoozed.assignee.as_deref()), (Status::Snoozed, Some(BEN)));
    assert_eq!(exchange.messages().await.len(), 1, "commands alone are no message");
    says("#note\nShe is angry.").await;
    let note = exchange.last().await;
    assert_eq!((note.direction, note.text.as_str()), (Direction::Note, "She is angry."));
    assert_eq!(exchange.queued().await.len(), 1, "nothing goes to the customer");
    let resolved = says("#resolve\n\nIt is fixed, and #1234 is on its way.").await;
    assert_eq!(resolved.status, Status::Resolved);
    assert_eq!(exchange.last().await.text, "It is fixed, and #1234 is on its way.");
    assert_eq!(exchange.queued().await[1..], [(MailKind::Answer, ANN.to_owned())]);
}

#[tokio::test]
async fn a_command_that_cannot_be_done_sends_nothing_and_is_explained_once() {
    let exchange = Exchange::begun().await;
    let token = exchange.agent_address().await;
    for (count, body) in ["#asign ben@acme.example\nTake it please.", "#assign who@acme.example\nTake it please."]
        .into_iter()
        .enumerate()
    {
        let entry = exchange.offers(SARA, &[&token], &exchange.of_sara(body), "250").await.remove(0);
        assert!(entry.reason.starts_with("reply token of an agent: "), "{}", entry.reason);
        let note = exchange.last().await;
        assert_eq!((note.direction, note.text.as_str()), (Direction::Note, body));
        let queue = exchange.queue().await;
        assert_eq!(queue.len(), 2 + count, "{queue:?}");
        let notice = queue.last().expect("a notice");
        assert_eq!((notice.kind, notice.recipient.as_str()), (MailKind::Notice, SARA));
        assert_eq!(notice.reply_token.address("reply.acme.example"), token, "an answer to it is tried again");
        let words = notice.notice.as_deref().expect("words");
        assert!(words.contains("> Take it please.") && words.contains("#resolve"), "{words}");
    }
    assert_eq!(exchange.conversation().await.assignee, None);
}

#[tokio::test]
async fn an_agents_vacation_notice_is_no_answer() {
    let exchange = Exchange::begun().await;
    let (token, notification) = (exchange.agent_address().await, exchange.notification().await);
    let vacation = mail(SARA, "Automatic reply: Order 7", "I am away.")
        .replace("MIME-Version", "Auto-Submitted: auto-replied\r\nMIME-Version")
        .replace("Subject", &format!("In-Reply-To: <{}>\r\nSubject", notification.message_id));
    let signed = exchange.sign(&vacation, "acme.example");
    // Some send it to the reverse-path, some to Reply-To, some to From.
    let bounce = exchange.site.store.keys().bounce_address(notification.id, "reply.acme.example");
    for (to, mail) in [(token.as_str(), &signed), (&bounce, &vacation), ("support@acme.example", &vacation)] {
        let entry = exchange.offers("", &[to], mail, "250").await.remove(0);
        assert_eq!((entry.outcome, entry.conversation_id), (Outcome::Filed, None), "{to}");
        assert!(entry.reason.starts_with("an automatic"), "{}", entry.reason);
    }
    assert_eq!(exchange.messages().await.len(), 1);
    assert_eq!(exchange.queued().await.len(), 1);
}

#[tokio::test]
async fn an_agent_who_answers_elsewhere_is_not_taken_for_the_customer() {
    let exchange = Exchange::begun().await;
    let notification = exchange.notification().await;
    let threaded = format!("In-Reply-To: <{}>\r\nSubject", notification.message_id);
    let answer = mail(SARA, "Re: Order 7", "It ships today.").replacen("Subject", &threaded, 1);
    let signed = exchange.sign(&answer, "acme.example");
    for (count, to) in ["support@acme.example".to_owned(), exchange.contact_address().await].into_iter().enumerate() {
        let signed = format!("X-Count: {count}\r\n{signed}");
        let entry = exchange.offers(SARA, &[&to], &signed, "250").await.remove(0);
        assert!(entry.reason.contains("only what you send to the reply address"), "{}", entry.reason);
        let note = exchange.last().await;
        assert_eq!((note.direction, note.author.kind), (Direction::Note, AuthorKind::Agent));
    }
    let queued = exchange.queued().await;
    assert!(queued[1..].iter().all(|(kind, to)| *kind == MailKind::Notice && to == SARA), "{queued:?}");
    // Without proof it is somebody's, as any stranger's mail to the inbox is.
    let unproven = answer.replace("It ships today.", "It ships tomorrow.");
    let entry = exchange.offers(SARA, &["support@acme.example"], &unproven, "250").await.remove(0);
    assert_eq!(entry.outcome, replyd::conversation::model::Outcome::Filed, "another mail, not a copy of the first");
    assert_ne!(entry.conversation_id, Some(exchange.conversation));
}

#[tokio::test]
async fn our_own_mail_that_comes_back_is_nobodys_word() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let own = mail("support@acme.example", "Re: Order 7", "It ships today.");
    let id_at = own.find("Message-ID: <").expect("an id") + "Message-ID: <".len();
    let id_end = id_at + own[id_at..].find('>').expect("its end");
    let by_id = format!("{}{}{}", &own[..id_at], sent.message_id, &own[id_end..]);
    let mark = replyd::conversation::links::loop_mark(exchange.site.store.keys(), "acme", sent.id);
    let by_mark = own.replacen("Subject", &format!("X-Replyd-Loop: {mark}\r\nSubject"), 1);
    let before = (exchange.messages().await.len(), exchange.queued().await.len());
    for to in [exchange.contact_address().await, "support@acme.example".to_owned()] {
        for own in [&by_id, &by_mark] {
            let entry = exchange.offers("", &[&to], own, "250").await.remove(0);
            assert_eq!((entry.reason.as_str(), entry.conversation_id), ("a mail of ours that came back", None), "{to}");
        }
    }
    assert_eq!((exchange.messages().await.len(), exchange.queued().await.len()), before);
    // A client that sends on with all fields, or a stranger who has read one of our mails: a person's words, all the same.
    let copied =
        mail(ANN, "Re: Order 7", "Where is it?").replacen("Subject", &format!("X-Replyd-Loop: {mark}\r\nSubject"), 1);
    let entry = exchange.offers(ANN, &[&exchange.contact_address().await], &copied, "250").await.remove(0);
    assert_eq!(entry.conversation_id, Some(exchange.conversation), "{}", entry.reason);
    assert_eq!(exchange.last().await.text, "Where is it?");
}

#[tokio::test]
async fn machines_that_write_to_us_cause_no_mail() {
    let exchange = Exchange::begun().await;
    let token = exchange.contact_address().await;
    let resolve = exchange.of_sara("#resolve");
    exchange.offers(SARA, &[&exchange.agent_address().await], &resolve, "250").await;
    let away = mail(ANN, "Out of office", "away").replace("MIME", "Auto-Submitted: auto-replied\r\nMIME");
    exchange.offers("", &[&token], &away, "250").await;
    // Our own reply address as the sender: an answer would come back to us.
    exchange.offers(ANN, &[&token], &mail(&token, "Re: x", "to yourself"), "250").await;
    exchange.offers(ANN, &["support@acme.example"], &mail("support@acme.example", "x", "to yourself"), "250").await;
    assert_eq!(exchange.queued().await.len(), 1, "only Ann's first message was told");
    assert_eq!(exchange.conversation().await.status, Status::Resolved);
    assert_eq!(exchange.messages().await.len(), 3);
}

#[tokio::test]
async fn a_removed_agent_writes_no_more() {
    let exchange = Exchange::begun().await;
    let token = exchange.agent_address().await;
    let sara = exchange.notification().await.agent_id.expect("an agent");
    exchange.site.store.remove_agent(sara).await.expect("removed");
    let mut peer = super::peer::Peer::ready(&exchange.site).await;
    peer.asks(&format!("MAIL FROM:<{SARA}>"), "250").await;
    peer.asks(&format!("RCPT TO:<{token}>"), "550 5.1.6").await;
}
