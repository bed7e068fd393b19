//! News of our mail counts where a bounce token proves which mail it is about, and nowhere else.

use super::exchange::{ANN, Exchange, mail};
use super::peer::Peer;
use replyd::conversation::delivery::{DeliveryState, SuppressionReason};
use replyd::conversation::model::{AuthorKind, Direction, Outcome};
use replyd::store::outgoing::{EventKind, QueueEntry};
use std::fmt::Write as _;

/// An RFC 3464 report with one block for each recipient.
fn report(blocks: &str, message_id: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example.org\r\nTo: x@y.example\r\nSubject: Undelivered Mail Returned to Sender\r\n\
         Message-ID: <report-{}@mx.example.org>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nThe mail system could not deliver.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n{blocks}\r\n\
         --b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\nSubject: Re: Order 7\r\n\r\n--b--\r\n",
        blocks.len()
    )
}

fn block(recipient: &str, action: &str, status: &str) -> String {
    format!(
        "Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; 550 {status} the host's words\r\n\r\n"
    )
}

fn bounce_address(exchange: &Exchange, sent: &QueueEntry) -> String {
    exchange.site.store.keys().bounce_address(sent.id, "reply.acme.example")
}

async fn suppressed(exchange: &Exchange) -> Vec<(String, SuppressionReason)> {
    let rows = exchange.site.store.suppressions(None).await.expect("suppressions");
    rows.into_iter().map(|row| (row.email, row.reason)).collect()
}

#[tokio::test]
async fn only_our_own_token_opens_the_bounce_address() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let ours = bounce_address(&exchange, &sent);
    let forged = ours.replacen(|digit| ('1'..='9').contains(&digit), "0", 1);
    let elsewhere = ours.replace("reply.acme.example", "reply.bolt.example");
    let mut peer = Peer::ready(&exchange.site).await;
    peer.asks("MAIL FROM:<>", "250").await;
    for (to, expected) in
        [(forged.as_str(), "550 5.1.1"), (&elsewhere, "550 5.1.1"), (&ours.to_uppercase().replace('+', "-"), "250")]
    {
        peer.asks(&format!("RCPT TO:<{to}>"), expected).await;
    }
}

#[tokio::test]
async fn a_failure_is_a_fact_on_the_message_the_address_and_the_contact_once() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let report = report(&block(ANN, "failed", "5.1.1"), &sent.message_id);
    let entry = exchange.offers("", &[&bounce_address(&exchange, &sent)], &report, "250").await.remove(0);
    assert_eq!((entry.outcome, entry.reason.as_str()), (Outcome::Filed, "bounce token of a mail of the conversation"));
    let failed = exchange.entry(sent.id).await;
    assert_eq!(failed.state, DeliveryState::Failed);
    assert!(failed.reason.as_deref().is_some_and(|reason| reason.contains("5.1.1")), "{:?}", failed.reason);
    assert_eq!(suppressed(&exchange).await, [(ANN.to_owned(), SuppressionReason::BadAddress)]);
    assert!(exchange.conversation().await.contact.bounced.is_some());
    let activity = exchange.last().await;
    assert_eq!((activity.direction, activity.author.kind), (Direction::Activity, AuthorKind::System));
    assert!(activity.text.starts_with("Delivery to ann@example.org failed: 5.1.1"), "{}", activity.text);
    let notice = exchange.queue().await.pop().and_then(|entry| entry.notice).expect("Sara is told");
    assert!(notice.contains("did not arrive") && notice.contains("came back: 5.1.1"), "{notice}");
    let seen = (exchange.messages().await.len(), exchange.events().await.len(), exchange.queue().await.len());
    assert_eq!(exchange.events().await.iter().filter(|event| event.kind == EventKind::Bounce).count(), 1);
    // The same report again, and the same entry replayed, tell nothing new.
    exchange.offers("", &[&bounce_address(&exchange, &sent)], &report, "250").await;
    exchange.site.store.replay(entry.id).await.expect("it may be asked for");
    let again = (exchange.messages().await.len(), exchange.events().await.len(), exchange.queue().await.len());
    assert_eq!(again, seen);
}

#[tokio::test]
async fn a_report_without_our_token_is_read_and_changes_nothing() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let report = report(&block(ANN, "failed", "5.1.1"), &sent.message_id);
    for to in [exchange.contact_address().await, "support@acme.example".to_owned()] {
        exchange.offers("", &[&to], &report, "250").await;
        assert_eq!(exchange.last().await.direction, Direction::Activity, "{to}");
    }
    assert_eq!(exchange.entry(sent.id).await.state, DeliveryState::Delivered);
    assert_eq!(suppressed(&exchange).await, []);
    assert_eq!(exchange.conversation().await.contact.bounced, None);
}

#[tokio::test]
async fn another_recipient_in_the_report_costs_nobody_their_mail() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let report = report(&block("victim@example.net", "failed", "5.1.1"), &sent.message_id);
    exchange.offers("", &[&bounce_address(&exchange, &sent)], &report, "250").await;
    let failed = exchange.entry(sent.id).await;
    assert_eq!(failed.state, DeliveryState::Failed);
    assert!(failed.reason.as_deref().is_some_and(|reason| reason.contains("about victim@example.net")));
    assert_eq!(suppressed(&exchange).await, []);
}

#[tokio::test]
async fn delays_and_arrivals_are_noted_and_complaints_end_the_mail() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let to = bounce_address(&exchange, &sent);
    for (action, status) in [("delayed", "4.4.1"), ("delivered", "2.0.0")] {
        exchange.offers("", &[&to], &report(&block(ANN, action, status), &sent.message_id), "250").await;
        let entry = exchange.entry(sent.id).await;
        assert_eq!(entry.state, DeliveryState::Delivered, "{action}");
        assert!(entry.reason.as_deref().is_some_and(|reason| reason.contains(status)), "{:?}", entry.reason);
    }
    assert_eq!(suppressed(&exchange).await, []);
    let complaint = report(&format!("Feedback-Type: abuse\r\nOriginal-Rcpt-To: {ANN}\r\n"), &sent.message_id)
        .replace("message/delivery-status", "message/feedback-report")
        .replace("report-type=delivery-status", "report-type=feedback-report");
    exchange.offers("fbl@example.org", &[&to], &complaint, "250").await;
    assert_eq!(suppressed(&exchange).await, [(ANN.to_owned(), SuppressionReason::Complaint)]);
}

#[tokio::test]
async fn a_hundred_thousand_recipients_are_read_to_their_bound() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let mut blocks = String::new();
    for number in 0..100_000 {
        write!(
            blocks,
            "Final-Recipient: rfc822; v{number}@example.net\r\nAction: failed\r\nStatus: 5.999999.1\r\n\r\n"
        )
        .expect("a string grows");
    }
    let report = report(&blocks, &sent.message_id);
    let entry = exchange.offers("", &[&bounce_address(&exchange, &sent)], &report, "250").await.remove(0);
    assert_eq!(entry.outcome, Outcome::Filed);
    let activity = exchange.last().await;
    let bounce = activity.email.and_then(|email| email.bounce).expect("the facts");
    assert!(bounce.recipients.len() <= 1000, "{}", bounce.recipients.len());
    assert_eq!(suppressed(&exchange).await, []);
}

#[tokio::test]
async fn a_persons_words_to_the_bounce_address_are_not_lost_and_a_machines_are_no_news() {
    let exchange = Exchange::begun().await;
    let sent = exchange.answered().await;
    let to = bounce_address(&exchange, &sent);
    exchange.offers(ANN, &[&to], &mail(ANN, "Re: Order 7", "Thank you!"), "250").await;
    let message = exchange.last().await;
    assert_eq!((message.author.kind, message.text.as_str()), (AuthorKind::Contact, "Thank you!"));
    let before = exchange.messages().await.len();
    let away = mail(ANN, "Out of office", "away").replace("MIME", "Auto-Submitted: auto-replied\r\nMIME");
    let entry = exchange.offers("", &[&to], &away, "250").await.remove(0);
    assert_eq!((entry.outcome, entry.conversation_id), (Outcome::Filed, None));
    assert_eq!(exchange.messages().await.len(), before);
    assert_eq!(exchange.entry(sent.id).await.state, DeliveryState::Delivered);
}
