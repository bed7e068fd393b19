//! Whether the data directory has room for another mail. Asked before content is taken, and answered from a look that
//! is at most a second old: statvfs(2) at every mail would cost more than the rest of the question.

use crate::limits::Limits;
use crate::store::{FreeSpace, Store};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[derive(Debug, Default)]
pub struct SpaceGuard {
    seen: Mutex<Option<(Instant, Option<FreeSpace>)>>,
}

const LOOK_VALID_FOR: Duration = Duration::from_secs(1);

impl SpaceGuard {
    /// Whether a mail of this size leaves what must stay free. Space that cannot be read is no reason to refuse: the
    /// commit itself will tell.
    pub fn has_room(&self, octets: u64, store: &Store, limits: &Limits, now: Instant) -> bool {
        self.free(store, now).is_none_or(|free| leaves_enough(free, octets, limits))
    }

    fn free(&self, store: &Store, now: Instant) -> Option<FreeSpace> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match *seen {
            Some((at, free)) if now.saturating_duration_since(at) < LOOK_VALID_FOR => free,
            _ => {
                let free = store.free_space().ok();
                *seen = Some((now, free));
                free
            }
        }
    }
}

fn leaves_enough(free: FreeSpace, octets: u64, limits: &Limits) -> bool {
    // File systems without an inode table report none in all and none free.
    let inodes_fine = free.inodes == 0 || free.inodes >= limits.disk_free_inodes_min;
    inodes_fine && free.octets >= limits.disk_free_octets_min.saturating_add(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_must_leave_the_minimum_free() {
        let limits = Limits { disk_free_octets_min: 1000, disk_free_inodes_min: 10, ..Limits::default() };
        let check = |octets, inodes, size, expected| {
            assert_eq!(
                leaves_enough(FreeSpace { octets, inodes }, size, &limits),
                expected,
                "{octets} {inodes} {size}"
            );
        };
        check(1000, 10, 0, true);
        check(999, 10, 0, false);
        check(1500, 10, 500, true);
        check(1500, 10, 501, false);
        check(5000, 9, 0, false);
        check(5000, 0, 0, true);
        check(u64::MAX, 10, u64::MAX, true);
    }
}
