//! When a mail that did not get through is tried again, and when that ends. Pure: the time and the draw are arguments.

use super::hop::NO_SUCH_DOMAIN_ASKED_AGAIN;
use crate::clock::UnixMs;
use crate::conversation::delivery::SuppressionReason;
use crate::retry;
use crate::store::outgoing::{AttemptOutcome, QueueEntry};
use std::time::Duration;

/// What an attempt came to, before it is decided whether another follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Delivered,
    /// Tried again; `after`: what the host asked for, such as a greylisting's wait.
    Later {
        after: Option<Duration>,
    },
    /// The content was sent and no answer came: tried again, and said to be uncertain.
    Uncertain,
    /// A host that refuses everybody may be overloaded or mistaken: later on the first day, then never.
    LaterOnTheFirstDay,
    /// The domain does not exist: asked once more, for it may be brand-new or its zone broken, then never.
    AskedAgainOnce,
    /// Ours or the config's: a few times, since it may be of the moment, then never.
    Defect,
    Never {
        suppress: Option<SuppressionReason>,
    },
}

/// What the queue does with the mail. `reason` is what this attempt says: the same words a second time settle what is asked
/// once more.
pub fn outcome(verdict: Verdict, entry: &QueueEntry, reason: &str, now: UnixMs, draw: u32) -> AttemptOutcome {
    let usual = || retry::jittered(retry::wait(retry::DELIVERY, entry.attempts), draw);
    let never = AttemptOutcome::Failed { suppress: None };
    let (wait, uncertain) = match verdict {
        Verdict::Delivered => return AttemptOutcome::Delivered,
        Verdict::Never { suppress } => return AttemptOutcome::Failed { suppress },
        Verdict::Later { after } => (after.unwrap_or_else(usual), false),
        Verdict::Uncertain => (usual(), true),
        Verdict::LaterOnTheFirstDay if age(entry, now) >= FIRST_DAY => return never,
        Verdict::LaterOnTheFirstDay => (usual(), false),
        Verdict::AskedAgainOnce if entry.reason.as_deref() == Some(reason) => return never,
        Verdict::AskedAgainOnce => (NO_SUCH_DOMAIN_ASKED_AGAIN, false),
        Verdict::Defect if entry.attempts >= DEFECTS_MAX => return never,
        Verdict::Defect => (usual(), false),
    };
    if now >= entry.give_up_at || entry.attempts >= ATTEMPTS_MAX {
        return never;
    }
    // The last attempt is at the end of the time, not where the table would have it.
    AttemptOutcome::Deferred { due_at: later(now, wait).min(entry.give_up_at), uncertain }
}

/// `wait` after `now`.
pub fn later(now: UnixMs, wait: Duration) -> UnixMs {
    UnixMs(now.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
}

fn age(entry: &QueueEntry, now: UnixMs) -> Duration {
    Duration::from_millis(u64::try_from(now.0.saturating_sub(entry.created_at.0)).unwrap_or(0))
}

const FIRST_DAY: Duration = Duration::from_secs(86_400);
const DEFECTS_MAX: u32 = 4;
/// Five days of the table are about 35; a mail that ends the process at each attempt ends here.
const ATTEMPTS_MAX: u32 = 60;

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::conversation::delivery::{DeliveryState, MailKind, RecipientKind};
    use crate::conversation::id::Id;
    use crate::conversation::reply_token::ReplyToken;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 24 * 60 * MINUTE;

    /// An entry of the time 0 that is given up after five days.
    pub fn entry(attempts: u32) -> QueueEntry {
        QueueEntry {
            id: Id(1),
            account: "acme".into(),
            conversation_id: Id(2),
            kind: MailKind::Answer,
            recipient: "jane@customer.example".into(),
            recipient_kind: RecipientKind::Contact,
            agent_id: None,
            domain: "customer.example".into(),
            messages: vec![Id(3)],
            notice: None,
            reply_token: ReplyToken::from_digits(&"7".repeat(32)).expect("digits"),
            message_id: "1.x@mx.example.com".into(),
            require_tls: false,
            state: DeliveryState::Queued,
            phase: None,
            held: false,
            uncertain: false,
            urgent: false,
            created_at: UnixMs(0),
            due_at: None,
            give_up_at: UnixMs(5 * DAY),
            attempts,
            last_attempt_at: None,
            remote: None,
            remote_reply: None,
            tls: None,
            reason: None,
            transcript: None,
            bounced_at: None,
            bounce_diagnostic: None,
            raw_id: None,
        }
    }

    fn deferred(minutes: i64) -> AttemptOutcome {
        AttemptOutcome::Deferred { due_at: UnixMs(minutes * MINUTE), uncertain: false }
    }

    /// Neither earlier nor later than the table.
    const MIDDLE: u32 = u32::MAX / 2;

    fn minutes_from_now(verdict: Verdict, entry: &QueueEntry, now: UnixMs) -> Option<i64> {
        match outcome(verdict, entry, "reason", now, MIDDLE) {
            AttemptOutcome::Deferred { due_at, .. } => Some((due_at.0 - now.0 + 500) / MINUTE),
            _ => None,
        }
    }

    #[test]
    fn later_follows_the_table_or_what_the_host_asked_for() {
        let usual = Verdict::Later { after: None };
        for (attempts, minutes) in [(1, 1), (2, 5), (3, 15), (4, 30), (5, 60), (6, 120), (7, 240), (20, 240)] {
            assert_eq!(minutes_from_now(usual, &entry(attempts), UnixMs(0)), Some(minutes), "{attempts}");
        }
        let asked = Verdict::Later { after: Some(Duration::from_secs(180)) };
        assert_eq!(minutes_from_now(asked, &entry(7), UnixMs(0)), Some(3));
    }

    #[test]
    fn the_last_attempt_is_at_the_end_of_the_time() {
        let usual = Verdict::Later { after: None };
        assert_eq!(outcome(usual, &entry(30), "", UnixMs(5 * DAY - MINUTE), MIDDLE), deferred(5 * DAY / MINUTE));
        assert_eq!(outcome(usual, &entry(30), "", UnixMs(5 * DAY), MIDDLE), AttemptOutcome::Failed { suppress: None });
        assert_eq!(minutes_from_now(usual, &entry(ATTEMPTS_MAX), UnixMs(0)), None, "poison");
    }

    #[test]
    fn a_host_that_refuses_everybody_is_believed_after_a_day() {
        let refused = Verdict::LaterOnTheFirstDay;
        assert_eq!(minutes_from_now(refused, &entry(7), UnixMs(DAY - 1)), Some(240));
        assert_eq!(minutes_from_now(refused, &entry(7), UnixMs(DAY)), None);
    }

    #[test]
    fn a_domain_that_does_not_exist_is_asked_for_once_more() {
        let mut entry = entry(3);
        entry.reason = Some("greylisted".into());
        assert_eq!(minutes_from_now(Verdict::AskedAgainOnce, &entry, UnixMs(0)), Some(15));
        entry.reason = Some("reason".into());
        assert_eq!(minutes_from_now(Verdict::AskedAgainOnce, &entry, UnixMs(0)), None);
    }

    #[test]
    fn a_mail_that_breaks_its_composer_is_not_tried_for_days() {
        assert_eq!(minutes_from_now(Verdict::Defect, &entry(3), UnixMs(0)), Some(15));
        assert_eq!(minutes_from_now(Verdict::Defect, &entry(4), UnixMs(0)), None);
    }

    #[test]
    fn what_is_settled_stays_settled() {
        let suppress = Some(SuppressionReason::BadAddress);
        let late = UnixMs(9 * DAY);
        assert_eq!(outcome(Verdict::Delivered, &entry(1), "", late, 0), AttemptOutcome::Delivered);
        assert_eq!(outcome(Verdict::Never { suppress }, &entry(1), "", late, 0), AttemptOutcome::Failed { suppress });
        let AttemptOutcome::Deferred { uncertain, .. } = outcome(Verdict::Uncertain, &entry(1), "", UnixMs(0), 0)
        else {
            panic!("it is sent again")
        };
        assert!(uncertain);
    }
}
