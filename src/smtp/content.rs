//! The content of one transaction on its way through, by DATA or BDAT: counted, scanned and held to its limits.
//!
//! A mail that breaks a limit is swallowed to its end and refused there, because only then does the peer listen.
//! Which refusal it earns depends on the content alone and not on how it was cut into segments.

use super::content_scan::ContentScan;
use super::question::ContentSummary;
use super::reply::{self, Reply};
use super::session::Output;
use crate::limits::Limits;

#[derive(Debug)]
pub(super) struct Content {
    octets: u64,
    scan: ContentScan,
    too_large: bool,
    smuggling: bool,
    held: Held,
}

/// What the shell holds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Octets,
    Discarded,
}

/// Why content is refused at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ContentRefusal {
    Reply(Reply),
    /// What follows cannot be trusted to be commands.
    Close(Reply),
}

impl Content {
    pub(super) fn new() -> Content {
        Content { octets: 0, scan: ContentScan::default(), too_large: false, smuggling: false, held: Held::Nothing }
    }

    /// After unstuffing.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// The shell holds octets of it.
    pub(super) fn is_held(&self) -> bool {
        self.held == Held::Octets
    }

    /// A dot line beside a bare CR or LF was read.
    pub(super) fn found_smuggling(&mut self) {
        self.smuggling = true;
    }

    /// Takes the next octets, and says what the shell is to do with them.
    pub(super) fn take(&mut self, octets: Vec<u8>, limits: &Limits) -> Option<Output> {
        let room = usize::try_from(limits.mail_octets_max.saturating_sub(self.octets)).unwrap_or(usize::MAX);
        self.octets += octets.len() as u64;
        self.scan.scan(octets.get(..room).unwrap_or(&octets));
        self.too_large |= octets.len() > room;
        if self.refusal(limits).is_none() {
            self.held = if octets.is_empty() { self.held } else { Held::Octets };
            return (!octets.is_empty()).then_some(Output::Content(octets));
        }
        let held = std::mem::replace(&mut self.held, Held::Discarded);
        (held == Held::Octets).then_some(Output::DiscardContent)
    }

    /// Why the content cannot be taken, as far as it is known.
    pub(super) fn refusal(&self, limits: &Limits) -> Option<ContentRefusal> {
        if self.smuggling {
            return Some(ContentRefusal::Close(reply::dot_line_beside_bare_line_end()));
        }
        let reply = if self.too_large {
            reply::mail_too_large()
        } else if self.scan.header_octets() > limits.header_octets_max || self.scan.fields > limits.header_fields_max {
            reply::header_too_large()
        } else if self.scan.hops > limits.hops_max {
            reply::too_many_hops()
        } else if self.scan.control_in_header {
            reply::control_in_header()
        } else {
            return None;
        };
        Some(ContentRefusal::Reply(reply))
    }

    /// The content is complete.
    pub(super) fn finish(&mut self, limits: &Limits) -> Result<ContentSummary, ContentRefusal> {
        self.scan.finish();
        if let Some(refusal) = self.refusal(limits) {
            return Err(refusal);
        }
        // RFC 5322 §3.6: a mail has fields. One that begins with its body, or is empty, is a broken client's.
        if self.scan.fields == 0 {
            return Err(ContentRefusal::Reply(reply::no_header()));
        }
        Ok(ContentSummary { octets: self.octets, defects: self.scan.defects() })
    }
}
