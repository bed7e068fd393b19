//! Small mails that were just accepted, so that filing need not read them back: every commit empties the page caches of
//! the reading connections, and a look-up then costs more than reading the mail. Copies only: the row is the truth, and
//! what is not here is read from there.

use crate::conversation::id::Id;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Raw mails by their id; the oldest go first when there is no room.
#[derive(Debug, Default)]
pub struct Fresh {
    mails: Mutex<Mails>,
}

#[derive(Debug, Default)]
struct Mails {
    by_id: BTreeMap<Id, Arc<Vec<u8>>>,
    octets: usize,
}

impl Fresh {
    /// Keeps a mail, if it is small. A mail whose commit then fails is never asked for: no row names it.
    pub fn keep(&self, id: Id, octets: &Arc<Vec<u8>>) {
        if octets.len() > MAIL_OCTETS_MAX {
            return;
        }
        let mut mails = self.lock();
        mails.octets += octets.len();
        mails.by_id.insert(id, Arc::clone(octets));
        while mails.octets > OCTETS_MAX || mails.by_id.len() > MAILS_MAX {
            let Some((_, oldest)) = mails.by_id.pop_first() else { return };
            mails.octets -= oldest.len();
        }
    }

    /// Gives the mail away: most are read once.
    pub fn take(&self, id: Id) -> Option<Vec<u8>> {
        let mut mails = self.lock();
        let octets = mails.by_id.remove(&id)?;
        mails.octets -= octets.len();
        drop(mails);
        Some(Arc::unwrap_or_clone(octets))
    }

    /// A panic while the lock was held cannot happen between the two fields: arithmetic and maps only.
    fn lock(&self) -> MutexGuard<'_, Mails> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is larger is rare, and reading it back is cheap beside reading it.
const MAIL_OCTETS_MAX: usize = 64 * 1024;
const OCTETS_MAX: usize = 4 * 1024 * 1024;
const MAILS_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(size: usize) -> Arc<Vec<u8>> {
        Arc::new(vec![7; size])
    }

    #[test]
    fn a_mail_is_given_away_once() {
        let fresh = Fresh::default();
        fresh.keep(Id(1), &mail(3));
        assert_eq!((fresh.take(Id(1)), fresh.take(Id(1))), (Some(vec![7; 3]), None));
    }

    #[test]
    fn the_oldest_go_first_and_large_ones_are_not_kept() {
        let fresh = Fresh::default();
        let full = i64::try_from(OCTETS_MAX / MAIL_OCTETS_MAX).expect("a few");
        for id in 0..=full {
            fresh.keep(Id(id), &mail(MAIL_OCTETS_MAX));
        }
        fresh.keep(Id(full + 1), &mail(MAIL_OCTETS_MAX + 1));
        assert!(fresh.take(Id(0)).is_none() && fresh.take(Id(1)).is_some(), "one too many");
        assert!(fresh.take(Id(full)).is_some() && fresh.take(Id(full + 1)).is_none(), "one too large");
    }
}
