//! The handle's methods that doors beside SMTP need.

use super::StoreError;
use super::handle::Store;
use super::ledger::LedgerEntry;
use super::sqlite::accept::Octets;
use super::sqlite::kept::{self, KeptSum};
use super::sqlite::used_signatures;
use super::unit::{Acceptance, Keeping};
use crate::clock::UnixMs;
use crate::conversation::id::Id;

/// A one-time signature and what it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureUse {
    /// Digest of the signature.
    pub digest: [u8; 32],
    /// Digest of what it came with.
    pub used_for: [u8; 32],
}

/// Whose a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureClaim {
    /// Nobody had used it.
    New,
    /// It was used for the same before.
    Known,
    /// It was used for something else.
    Taken,
}

impl Store {
    /// Notes what a one-time signature is used for.
    pub async fn claim_signature(&self, claim: SignatureUse, expires_at: UnixMs) -> Result<SignatureClaim, StoreError> {
        let SignatureUse { digest, used_for } = claim;
        self.engine.write(0, move |writing| used_signatures::claim(writing, &digest, &used_for, expires_at)).await
    }

    /// Takes a claim back, because what it was for was not taken.
    pub async fn release_signature(&self, claim: SignatureUse) -> Result<(), StoreError> {
        let SignatureUse { digest, used_for } = claim;
        self.engine.write(0, move |writing| used_signatures::release(writing, &digest, &used_for)).await
    }

    /// Keeps a mail for a while that nobody here takes; returns when it is on disk.
    pub async fn keep(&self, mut keeping: Keeping) -> Result<(), StoreError> {
        let (octets, size) = self.settle(&mut keeping.mail).await?;
        let weight = if let Octets::Memory(octets) = &octets { octets.len() } else { 0 };
        let dropped = self.engine.write(weight, move |writing| kept::keep(writing, &keeping, &octets, size)).await?;
        self.remove_files(dropped).await;
        Ok(())
    }

    /// Accepts a kept mail for recipients that were found by now, under the id of its entry, and announces it.
    pub async fn take_kept(&self, entry: Id, mail: Acceptance) -> Result<LedgerEntry, StoreError> {
        self.engine.write(0, move |writing| kept::take(writing, entry, &mail)).await
    }

    /// How much is kept that nobody took.
    pub async fn kept_mails(&self) -> Result<KeptSum, StoreError> {
        self.engine.readers.read(kept::sum).await
    }

    /// Of raw mails that no row names any more. What cannot be removed is collected when the store opens.
    pub(super) async fn remove_files(&self, dropped: Vec<Id>) {
        for id in dropped {
            let _ = tokio::fs::remove_file(self.engine.data_dir.mail_file(id)).await;
        }
    }
}
