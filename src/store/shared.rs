//! What the handle, the writer and the checkpointer share: health, counters, announcements, the refusals that wait.

use super::StoreError;
use super::counters::Counting;
use super::fresh::Fresh;
use super::outgoing::OutgoingSettings;
use super::sqlite::ids::Ids;
use super::sqlite::refusals::Refusals;
use crate::clock::Clock;
use crate::conversation::keys::Keys;
use arc_swap::ArcSwap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// State of one open store.
#[derive(Debug)]
pub struct Shared {
    pub clock: Clock,
    pub ids: Ids,
    pub database: PathBuf,
    pub keys: Keys,
    pub counting: Counting,
    pub refusals: Refusals,
    pub fresh: Fresh,
    pub outgoing: ArcSwap<OutgoingSettings>,
    /// The domain that was looked at last for due mail: see `sqlite::claim`.
    pub last_domain: Mutex<String>,
    /// Grows when there may be accepted mail to file.
    pub accepted_mail: watch::Sender<u64>,
    /// Grows when mail to be sent was queued or may be due earlier.
    pub outgoing_mail: watch::Sender<u64>,
    /// Grows when a mail that waits for the chat, or a held message, may be due earlier.
    pub timers: watch::Sender<u64>,
    /// Grows when subscriptions changed, or a bridge has to look anew at what it owes.
    pub hooks: watch::Sender<u64>,
    /// Grows when an agent asked for a link to sign in with.
    pub sign_in_letters: watch::Sender<u64>,
    /// Grows with every commit.
    pub committed: watch::Sender<u64>,
    trouble: Mutex<Option<StoreError>>,
}

impl Shared {
    pub fn new(clock: Clock, ids: Ids, database: PathBuf, keys: Keys) -> Shared {
        Shared {
            clock,
            ids,
            database,
            keys,
            counting: Counting::default(),
            refusals: Refusals::default(),
            fresh: Fresh::default(),
            outgoing: ArcSwap::default(),
            last_domain: Mutex::default(),
            accepted_mail: watch::channel(0).0,
            outgoing_mail: watch::channel(0).0,
            timers: watch::channel(0).0,
            hooks: watch::channel(0).0,
            sign_in_letters: watch::channel(0).0,
            committed: watch::channel(0).0,
            trouble: Mutex::new(None),
        }
    }

    /// Why nothing may be accepted.
    pub fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that the disk or the database failed; damage stays until a restart, whatever comes after.
    pub fn fell_ill(&self, error: &StoreError) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_none() {
            tracing::error!(%error, "the store accepts nothing until this is mended");
        }
        if !matches!(*trouble, Some(StoreError::Damaged(_))) {
            *trouble = Some(error.clone());
        }
    }

    /// Notes that a commit reached the disk.
    pub fn recovered(&self) {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.take().is_some() {
            tracing::warn!("the store has recovered: a commit reached the disk");
        }
    }
}
