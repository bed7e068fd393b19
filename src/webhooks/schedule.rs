//! When something that a receiver did not take is sent again, and when it never is. Pure.

use super::lanes::TurnEnd;
use super::receiver::later;
use crate::clock::UnixMs;
use crate::retry;
use std::time::Duration;

/// Waits between attempts, and how long there are any.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub waits: &'static [Duration],
    pub give_up: Duration,
}

pub const WEBHOOK: Schedule = Schedule { waits: retry::WEBHOOK, give_up: retry::WEBHOOK_GIVE_UP };
pub const BRIDGE: Schedule = Schedule { waits: retry::BRIDGE, give_up: retry::BRIDGE_GIVE_UP };

/// A failure as the schedule needs it.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    /// With this one.
    pub attempts: u32,
    /// When trying ends.
    pub give_up_at: UnixMs,
    /// The receiver's own wish.
    pub retry_after: Option<Duration>,
}

/// What follows a failure.
pub fn after(failure: &Failure, schedule: &Schedule, now: UnixMs, draw: u32) -> TurnEnd {
    let wait = retry::jittered(retry::wait(schedule.waits, failure.attempts), draw);
    let due_at = later(now, wait.max(failure.retry_after.unwrap_or_default().min(retry::RETRY_AFTER_MAX)));
    if due_at > failure.give_up_at { TurnEnd::GivenUp } else { TurnEnd::Failed { due_at } }
}

/// Retry-After (RFC 9110 §10.2.3): seconds, or a date.
pub fn retry_after(text: &str, now: UnixMs) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    u64::try_from(date.saturating_sub(now.0)).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u32 = u32::MAX / 2;

    fn check(attempts: u32, give_up_at: i64, retry_after: Option<u64>, expected: Option<i64>) {
        let retry_after = retry_after.map(Duration::from_secs);
        let failure = Failure { attempts, give_up_at: UnixMs(give_up_at * 1000), retry_after };
        let due = match after(&failure, &WEBHOOK, UnixMs(0), MIDDLE) {
            TurnEnd::Failed { due_at } => Some((due_at.0 + 500) / 1000),
            TurnEnd::GivenUp | TurnEnd::Taken | TurnEnd::Aside { .. } => None,
        };
        assert_eq!(due, expected, "{failure:?}");
    }

    #[test]
    fn waits_grow_a_receiver_may_ask_for_longer_ones_and_there_is_an_end() {
        check(1, 9999, None, Some(5));
        check(3, 9999, None, Some(120));
        check(99, 9999, None, Some(7200));
        check(1, 9999, Some(60), Some(60));
        check(3, 9999, Some(1), Some(120));
        check(1, 9999, Some(86_400), Some(3600));
        check(1, 4, None, None);
    }

    #[test]
    fn a_receivers_wish_is_seconds_or_a_date() {
        let now = UnixMs(784_111_777_000);
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        for text in ["", "-1", "soon", "1.5", "99999999999999", "Sun, 06 Nov 1994 08:49:27 GMT"] {
            assert_eq!(retry_after(text, now), None, "{text}");
        }
    }
}
