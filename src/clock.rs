//! The one reader of time. Everything else takes time as an argument, so tests own the clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// Whole seconds since the Unix epoch.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// RFC 3339 in UTC with milliseconds, as every time in the API is written.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .unwrap_or(jiff::Timestamp::MIN)
            .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            .to_string()
    }

    /// A time as people and programs write it: RFC 3339, any offset.
    pub fn from_rfc3339(text: &str) -> Option<UnixMs> {
        text.parse::<jiff::Timestamp>().ok().map(|time| UnixMs(time.as_millisecond()))
    }
}

/// Where wall-clock and monotonic time come from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// A test's: wall-clock milliseconds that only the test moves.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at` until [`Clock::set`] moves it.
    pub fn fixed(at: UnixMs) -> Clock {
        Clock::Fixed(Arc::new(AtomicI64::new(at.0)))
    }

    /// Moves a fixed clock; a system clock is not moved.
    pub fn set(&self, at: UnixMs) {
        if let Clock::Fixed(now) = self {
            now.store(at.0, Ordering::SeqCst);
        }
    }

    /// Wall-clock time: for what is stored or shown.
    pub fn now(&self) -> UnixMs {
        match self {
            Clock::System => UnixMs(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            ),
            Clock::Fixed(now) => UnixMs(now.load(Ordering::SeqCst)),
        }
    }

    /// Monotonic time: for deadlines and durations.
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
