//! `check_host()` of RFC 7208: may this host send for this domain? Written here because mail-auth 0.13 knows no
//! limit on void lookups and lets the first of two records win.
//!
//! What a result means for the author of a mail is decided in `verdict`.

mod evaluate;
mod macros;
mod record;

use super::results::SpfResult;
use crate::dns::Questions;
use crate::mail::address::canonical_domain;
use evaluate::Evaluation;
use std::net::IpAddr;

/// The identity that was checked, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpfOutcome {
    pub result: SpfResult,
    /// The domain that the result speaks of, in lower case; empty if there is none.
    pub domain: String,
}

/// The domain of the reverse-path, or of the HELO if the path is null (RFC 7208 §2.4).
pub(super) fn checked_domain(helo: &str, mail_from: &str) -> String {
    let domain = mail_from.rsplit_once('@').map_or(mail_from, |(_, domain)| domain);
    ascii_domain(if mail_from.is_empty() { helo } else { domain })
}

/// Checks [`checked_domain`].
pub(super) async fn check(questions: &Questions<'_>, ip: IpAddr, helo: &str, mail_from: &str) -> SpfOutcome {
    // RFC 7208 §4.3: no local part is `postmaster`.
    let local = mail_from.rsplit_once('@').map_or("", |(local, _)| local);
    let local = if local.is_empty() { "postmaster" } else { local };
    let domain = checked_domain(helo, mail_from);
    if !is_checkable(&domain) {
        return SpfOutcome { result: SpfResult::None, domain };
    }
    // RFC 7208 §5: an IPv4-mapped address is an IPv4 address.
    let result = Evaluation::new(questions, ip.to_canonical(), local, &domain, helo).check_host().await;
    SpfOutcome { result, domain }
}

fn ascii_domain(domain: &str) -> String {
    if domain.is_ascii() { domain.to_ascii_lowercase() } else { canonical_domain(domain).unwrap_or_default() }
}

/// RFC 7208 §4.3: malformed and single-label names and address literals have no record to look for.
fn is_checkable(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    domain.contains('.')
        && domain.len() <= 253
        && !domain.starts_with('[')
        && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63)
}
