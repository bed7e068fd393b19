//! The ledger: one entry per mail and recipient that was offered to us, with outcome, reason and the reply we gave.

use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::model::{Ingress, Outcome};
use std::net::IpAddr;

/// One entry as it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    pub id: Id,
    pub received_at: UnixMs,
    pub ingress: Ingress,
    /// Which SMTP session: the same word stands in the log lines.
    pub session: String,
    pub remote_ip: Option<IpAddr>,
    pub helo: Option<String>,
    /// TLS version and cipher suite, if any.
    pub tls: Option<String>,
    /// `None` before MAIL; empty for the null reverse-path.
    pub envelope_from: Option<String>,
    pub envelope_to: Option<String>,
    pub account: Option<String>,
    pub message_id: Option<String>,
    pub size: Option<u64>,
    /// Lower case hex, of the raw mail.
    pub sha256: Option<String>,
    pub outcome: Outcome,
    pub reason: String,
    /// `250 2.0.0 …`, as the peer saw it.
    pub reply: String,
    /// `AuthResults` of `sender_auth`.
    pub auth: Option<serde_json::Value>,
    /// It came with REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    pub raw_id: Option<Id>,
    /// Until when the octets of a mail are kept that was not accepted; `None` where they are not, or are kept for good.
    pub kept_until: Option<UnixMs>,
    pub conversation_id: Option<Id>,
    pub message_id_stored: Option<Id>,
    /// Filing attempts that a crash or an error ended.
    pub attempts: u32,
}

/// A mail that was not accepted: written without waiting, in the next commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub ingress: Ingress,
    pub session: String,
    pub remote_ip: Option<IpAddr>,
    pub helo: Option<String>,
    pub tls: Option<String>,
    pub envelope_from: Option<String>,
    pub envelope_to: Option<String>,
    pub account: Option<String>,
    pub message_id: Option<String>,
    pub size: Option<u64>,
    pub sha256: Option<String>,
    /// `Rejected` or `Deferred`.
    pub outcome: Outcome,
    pub reason: String,
    pub reply: String,
    pub auth: Option<serde_json::Value>,
}

/// Some inboxes of an account. A mail that was filed belongs to its conversation's inbox; any other to the inbox whose address
/// it was for, if it was for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerInboxes {
    pub names: Vec<String>,
    /// In lower case.
    pub addresses: Vec<String>,
}

/// What the ledger is asked for.
#[derive(Debug, Clone, Default)]
pub struct LedgerQuery {
    pub account: Option<String>,
    /// Of these inboxes only; needs an account.
    pub inboxes: Option<LedgerInboxes>,
    pub outcome: Option<Outcome>,
    /// Received at this time or later.
    pub from: Option<UnixMs>,
    /// Received before this time.
    pub until: Option<UnixMs>,
    /// Substring of envelope sender or recipient, or a whole Message-ID.
    pub query: Option<String>,
    pub before: Option<Id>,
    pub limit: usize,
}
