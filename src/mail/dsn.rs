//! Bounces read to facts: RFC 3464 reports, RFC 5965 complaints, and the non-standard forms of the field.

use serde::Serialize;

/// What a bounce says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BounceKind {
    /// At least one recipient failed for good.
    Failure,
    /// Still being tried.
    Delayed,
    /// A success notification.
    Delivered,
    /// An abuse report (ARF, RFC 5965).
    Feedback,
}

/// The facts of one bounce; the JSON of `replyd inspect` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bounce {
    pub kind: BounceKind,
    /// Whether trying again is pointless for at least one recipient.
    pub hard: bool,
    /// Message-ID of the mail that bounced, without angle brackets.
    pub original_message_id: Option<String>,
    pub recipients: Vec<BouncedRecipient>,
}

/// One recipient of a bounce.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BouncedRecipient {
    /// Lower case, without angle brackets.
    pub recipient: String,
    /// RFC 3463 code as it stands in the mail.
    pub status: Option<String>,
    /// `failed`, `delayed`, `delivered`, `relayed` or `expanded` (RFC 3464 §2.3.3).
    pub action: Option<String>,
    /// The remote server's words, control characters removed, at most 2 KiB.
    pub diagnostic: Option<String>,
}
