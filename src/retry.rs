//! When something that failed for now is tried again. Pure: a table and a jitter that the caller drew.

use std::time::Duration;

/// Filing is local work: a failure is a busy or unhealthy store, so tries come early and then settle.
pub const FILING: &[Duration] = &[
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

/// Mail that a host did not take. A chat's answer is urgent: the first retry is early, and outlasts most greylisting.
pub const DELIVERY: &[Duration] = &[
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
    Duration::from_secs(4 * 3600),
];

/// A mail site that said "too much" or did not answer: how long no connection is made to it.
pub const SITE: &[Duration] =
    &[Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

/// What must be written down and could not be: the peer has answered, so nothing is done again but the writing.
pub const RECORDING: &[Duration] =
    &[Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(10)];

/// An event that a subscriber did not take: most failures are a deployment's, over in seconds or minutes.
pub const WEBHOOK: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
    Duration::from_secs(2 * 3600),
];

/// A mail that another system's ingress did not take.
pub const BRIDGE: &[Duration] = &[
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(3600),
];

/// How long an event is told again. Events are kept for longer.
pub const WEBHOOK_GIVE_UP: Duration = Duration::from_secs(3 * 86_400);

/// How long a mail waits for the other side of a bridge before an operator has to look; it is kept after that too.
pub const BRIDGE_GIVE_UP: Duration = Duration::from_secs(30 * 86_400);

/// How long one mail that the other side refuses, while it takes others, holds up its own conversation.
pub const BRIDGE_ASIDE: Duration = Duration::from_secs(5 * 60);

/// The longest that a receiver's Retry-After is believed.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long a mail of ours is tried (RFC 5321 §4.5.4.1: 4 to 5 days at least).
pub const GIVE_UP: Duration = Duration::from_secs(5 * 86_400);

/// Before mail that may have arrived in an earlier run is sent again: its answer may still come as a bounce.
pub const UNCERTAIN: Duration = Duration::from_secs(300);

/// When an agent is told that mail does not get through: a chat answer is urgent, and five days are no news.
pub const TROUBLE: Duration = Duration::from_secs(3600);

/// The wait before try number `attempt` (1 is the first retry); past the table its last entry counts.
pub fn wait(schedule: &[Duration], attempt: u32) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    schedule.get(index).or(schedule.last()).copied().unwrap_or_default()
}

/// `wait` give or take a tenth, so that what failed together does not come again together. `draw` is any number, evenly
/// drawn by the caller.
pub fn jittered(wait: Duration, draw: u32) -> Duration {
    wait.mul_f64(0.9 + 0.2 * f64::from(draw) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_is_tried_early_and_then_every_four_hours() {
        let minutes: Vec<u64> = (1..=9).map(|attempt| wait(DELIVERY, attempt).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 5, 15, 30, 60, 120, 240, 240, 240]);
    }

    #[test]
    fn a_draw_moves_a_wait_by_a_tenth_at_most() {
        let wait = Duration::from_secs(1000);
        let seconds = |draw| jittered(wait, draw).as_secs_f64().round();
        assert_eq!([seconds(0), seconds(u32::MAX / 2), seconds(u32::MAX)], [900.0, 1000.0, 1100.0]);
    }
}
