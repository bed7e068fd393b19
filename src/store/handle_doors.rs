//! The handle's methods that doors beside SMTP need.

use super::StoreError;
use super::handle::Store;
use super::sqlite::used_signatures;
use crate::clock::UnixMs;

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
}
