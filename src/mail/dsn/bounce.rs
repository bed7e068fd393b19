//! The facts of a bounce, and the bounds on what a peer can put into them.

use super::status;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Recipients kept of one bounce; a report of ours never names more than one.
pub const RECIPIENTS_MAX: usize = 1000;

/// Octets kept of a remote server's words.
pub const DIAGNOSTIC_OCTETS_MAX: usize = 2048;

/// What a bounce says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounce {
    pub kind: BounceKind,
    /// Whether trying again is pointless for at least one recipient.
    pub hard: bool,
    /// Message-ID of the mail that bounced, without angle brackets.
    pub original_message_id: Option<String>,
    pub recipients: Vec<BouncedRecipient>,
}

impl Bounce {
    /// A bounce of this kind; `hard` follows from its recipients.
    pub(super) fn new(
        kind: BounceKind,
        recipients: Vec<BouncedRecipient>,
        original_message_id: Option<String>,
    ) -> Bounce {
        let recipients = merged(recipients);
        let hard = kind == BounceKind::Failure && recipients.iter().any(status::is_hard);
        Bounce { kind, hard, original_message_id, recipients }
    }
}

/// One recipient of a bounce.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl BouncedRecipient {
    /// Whether trying this recipient again is pointless: the address is at fault.
    pub fn is_hard(&self) -> bool {
        status::is_hard(self)
    }
}

/// Each recipient once, the first word about it first; later ones fill what it left open.
fn merged(recipients: Vec<BouncedRecipient>) -> Vec<BouncedRecipient> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<BouncedRecipient> = Vec::new();
    for next in recipients {
        if let Some(known) = places.get(&next.recipient).and_then(|place| kept.get_mut(*place)) {
            known.status = known.status.take().or(next.status);
            known.action = known.action.take().or(next.action);
            known.diagnostic = known.diagnostic.take().or(next.diagnostic);
        } else if kept.len() < RECIPIENTS_MAX {
            places.insert(next.recipient.clone(), kept.len());
            kept.push(next);
        }
    }
    kept
}

/// Words of a remote server made fit for logs and pages: no controls, single spaces, at most 2 KiB.
pub(super) fn diagnostic(text: &str) -> Option<String> {
    let mut words = String::new();
    // Twice the bound is read, so that squeezed white space does not cut the text short and a huge one is not walked.
    for c in text.chars().take(DIAGNOSTIC_OCTETS_MAX * 2) {
        if c.is_whitespace() || c.is_control() || is_direction_override(c) {
            if !words.is_empty() && !words.ends_with(' ') {
                words.push(' ');
            }
        } else if words.len() + c.len_utf8() <= DIAGNOSTIC_OCTETS_MAX {
            words.push(c);
        } else {
            break;
        }
    }
    words.truncate(words.trim_end().len());
    (!words.is_empty()).then_some(words)
}

/// Characters that make a line read other than it stands (the Trojan Source attack).
fn is_direction_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
