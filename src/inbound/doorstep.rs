//! Mail that another door than SMTP did not take: the ledger and the log learn of it as of any other.

use super::ledger::{self, End, Offer, Origin};
use super::services::Services;
use crate::conversation::model::Outcome;

/// A mail that was brought and not taken.
#[derive(Debug, Clone)]
pub struct Untaken<'a> {
    /// `Rejected` or `Deferred`.
    pub outcome: Outcome,
    /// In words for an operator: what was wrong and what to do.
    pub reason: &'a str,
    /// What the peer was told.
    pub said: &'a str,
    pub envelope_from: Option<&'a str>,
    pub envelope_to: Option<&'a str>,
    /// Known when one account alone opened the door.
    pub account: Option<&'a str>,
    pub message_id: Option<&'a str>,
    pub size: Option<u64>,
    pub sha256: Option<[u8; 32]>,
}

/// Counts, logs and enters it.
pub fn not_taken(services: &Services, origin: &Origin, untaken: &Untaken<'_>) {
    let offer = Offer {
        envelope_from: untaken.envelope_from,
        envelope_to: untaken.envelope_to,
        account: untaken.account,
        message_id: untaken.message_id,
        size: untaken.size,
        sha256: untaken.sha256,
        auth: None,
    };
    let end = End::Answered { outcome: untaken.outcome, said: untaken.said, reason: untaken.reason };
    ledger::refuse(services, origin, &offer, end);
}
