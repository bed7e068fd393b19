//! Attempts that run, and which of them give way: a host that keeps us waiting keeps only its own mail waiting. While there
//! are places, hosts have all the time that RFC 5321 §4.5.3.2 gives them; when mail of other sites waits for a place, those
//! that have not come to speak, or not come to the end, for long are left, and tried again later.

use super::letter::Reached;
use crate::conversation::id::Id;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// In the order in which they began.
#[derive(Debug, Default)]
pub struct Running {
    begun: VecDeque<Begun>,
}

/// What an attempt shares with whoever may end it.
#[derive(Debug, Clone)]
pub struct Leash {
    pub reached: Arc<Reached>,
    /// Cancelled: others wait for its place.
    pub gives_way: CancellationToken,
}

#[derive(Debug)]
struct Begun {
    entry: Id,
    at: Instant,
    leash: Leash,
}

impl Running {
    pub fn begin(&mut self, entry: Id, at: Instant) -> Leash {
        let leash = Leash { reached: Arc::default(), gives_way: CancellationToken::new() };
        self.begun.push_back(Begun { entry, at, leash: leash.clone() });
        leash
    }

    pub fn ended(&mut self, entry: Id) {
        self.begun.retain(|begun| begun.entry != entry);
    }

    /// So many mails wait for a place that is not their own site's: as many attempts that hang end, the oldest first.
    pub fn give_way(&mut self, waiting: usize, now: Instant) {
        let hanging = self.begun.iter().filter(|begun| begun.hangs(now));
        hanging.take(waiting).for_each(|begun| begun.leash.gives_way.cancel());
    }
}

impl Begun {
    /// A host that may have the mail is waited for: whoever leaves it sends the mail twice.
    fn hangs(&self, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.at);
        let patience = if self.leash.reached.is_open() { SENDING_MAX } else { OPENING_MAX };
        age >= patience && !self.leash.reached.is_data_sent()
    }
}

/// From the first connection to a host that listens. Tarpits that greet later are tried again when it is quiet.
const OPENING_MAX: Duration = Duration::from_secs(20);
/// And to the end of the content: the largest mail over a slow line.
const SENDING_MAX: Duration = Duration::from_secs(150);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_that_hang_give_way_to_as_many_as_wait() {
        let (mut running, start) = (Running::default(), Instant::now());
        let leashes: Vec<Leash> = (0..6).map(|number| running.begin(Id(number), start)).collect();
        leashes[0].reached.note_data_sent();
        leashes[1].reached.note_open();
        running.ended(Id(5));
        let given = |leashes: &[Leash]| {
            let cancelled = |leash: &&Leash| leash.gives_way.is_cancelled();
            leashes.iter().map(|leash| cancelled(&leash)).collect::<Vec<_>>()
        };
        running.give_way(9, start + OPENING_MAX - Duration::from_millis(1));
        assert_eq!(given(&leashes), [false; 6]);
        running.give_way(1, start + OPENING_MAX);
        assert_eq!(given(&leashes), [false, false, true, false, false, false]);
        running.ended(Id(2));
        running.give_way(9, start + OPENING_MAX);
        assert_eq!(given(&leashes), [false, false, true, true, true, false]);
        running.give_way(9, start + SENDING_MAX);
        assert_eq!(given(&leashes), [false, true, true, true, true, false]);
    }
}
