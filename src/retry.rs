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

/// The wait before try number `attempt` (1 is the first retry); past the table its last entry counts.
pub fn wait(schedule: &[Duration], attempt: u32) -> Duration {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    schedule.get(index).or(schedule.last()).copied().unwrap_or_default()
}
