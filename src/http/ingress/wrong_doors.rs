//! Requests to doors that nobody has set up, and to paths that are none: a wrong URL at a provider loses every mail, so an
//! operator must see it; and anybody may send them, so that the log shows one a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub struct WrongDoors {
    logged: Mutex<Option<Instant>>,
}

impl WrongDoors {
    /// Whether this one may be logged.
    pub fn may_log(&self, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let may = logged.is_none_or(|at| now.saturating_duration_since(at) >= ONE_IN);
        if may {
            *logged = Some(now);
        }
        may
    }
}

const ONE_IN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn one_a_minute_is_logged() {
        let (doors, now) = (WrongDoors::default(), Clock::System.monotonic());
        let told: Vec<bool> =
            [0, 1, 59, 60, 61, 120].iter().map(|second| doors.may_log(now + Duration::from_secs(*second))).collect();
        assert_eq!(told, [true, false, false, true, false, true]);
    }
}
