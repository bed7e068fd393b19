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
