//! An agent who works by mail learns by mail that an answer does not get through, once, and nobody learns it of that mail.

use super::exchange::{ANN, Exchange, SARA};
use replyd::conversation::delivery::{DeliveryState, MailKind, SuppressionReason};
use replyd::mail::content;
use replyd::mail::parsed::ParsedMail;
use replyd::store::outgoing::{AttemptOutcome, QueueEntry};

const FAILED: AttemptOutcome = AttemptOutcome::Failed { suppress: None };

impl Exchange {
    /// Sara's answer, queued; Ann's first mail was told her.
    async fn with_answer(text: &str) -> Exchange {
        let exchange = Exchange::begun().await;
        assert_eq!(exchange.attempts(AttemptOutcome::Delivered, "taken").await, 1);
        let to = exchange.agent_address().await;
        exchange.offers(SARA, &[&to], &exchange.of_sara(text), "250").await;
        exchange
    }

    async fn notices(&self) -> Vec<QueueEntry> {
        self.queue().await.into_iter().filter(|entry| entry.kind == MailKind::Notice).collect()
    }
}

#[tokio::test]
async fn the_agent_is_told_once_that_an_answer_failed() {
    let exchange = Exchange::with_answer("It ships today.").await;
    assert_eq!(exchange.attempts(FAILED, "550 5.1.1 no such user").await, 1);
    let notice = exchange.notices().await.remove(0);
    assert_eq!((notice.recipient.as_str(), notice.state), (SARA, DeliveryState::Queued));
    let octets = exchange.composed(notice.id).await;
    let text = content::read(&ParsedMail::parse(&octets), &[]).text;
    for part in [ANN, "did not arrive", "550 5.1.1 no such user", "> It ships today.", "queue retry", "(250 ok)"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(String::from_utf8_lossy(&octets).contains("Auto-Submitted: auto-generated"));

    // A notice that fails is nobody's answer.
    assert_eq!(exchange.attempts(FAILED, "550 5.1.1 no such user").await, 1);
    assert_eq!(exchange.attempts(FAILED, "").await, 0);
    assert_eq!(exchange.notices().await.len(), 1);
}

#[tokio::test]
async fn a_notification_that_fails_is_told_to_nobody() {
    let exchange = Exchange::begun().await;
    exchange.attempts(FAILED, "550 5.1.1 no such user").await;
    assert_eq!(exchange.queue().await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_not_even_tried_is_told_too() {
    let exchange = Exchange::with_answer("It ships today.").await;
    let suppress = Some(SuppressionReason::BadAddress);
    exchange.attempts(AttemptOutcome::Failed { suppress }, "550 5.1.1 no such user").await;
    let to = exchange.agent_address().await;
    exchange.offers(SARA, &[&to], &exchange.of_sara("And another thing."), "250").await;
    let notices = exchange.notices().await;
    let words = notices.last().and_then(|notice| notice.notice.clone()).expect("words");
    assert_eq!(notices.len(), 2);
    assert!(words.contains("suppression clear") && words.contains("> And another thing."), "{words}");
}
