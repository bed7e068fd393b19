//! How one attempt at one host ended.

use super::outcome::{Fate, Judgement, Stage};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub judgement: Judgement,
    /// The last step begun.
    pub stage: Stage,
    /// `mx.example [192.0.2.1]:25`
    pub remote: String,
    /// As the host said it, escaped and bounded; what went wrong where it said nothing.
    pub reply: String,
    /// `TLSv1.3 TLS_AES_256_GCM_SHA384, certificate matches mx.example (dane)`, or `none`.
    pub tls: String,
    /// What was said, content and secrets aside; bounded.
    pub transcript: String,
    /// A kept connection had ended before this mail began: the same host is worth a new connection at once.
    pub stale: bool,
}

impl Attempt {
    pub fn is_delivered(&self) -> bool {
        self.judgement.result == Fate::Delivered
    }
}
