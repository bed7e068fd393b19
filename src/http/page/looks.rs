//! How the demo's pages write times and sizes, and the headers that every one of them has.

use crate::clock::UnixMs;
use axum::http::{HeaderName, header};
use jiff::Timestamp;

/// `20 Nov, 14:05 UTC`
pub fn clock_time(at: UnixMs) -> String {
    strftime(at, "%-d %b, %H:%M UTC")
}

fn strftime(at: UnixMs, format: &str) -> String {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::MIN).strftime(format).to_string()
}

pub fn octets(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / 1_048_576),
    }
}

/// Headers of a page with this content security policy.
pub const fn page(policy: &'static str) -> [(HeaderName, &'static str); 3] {
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
    ]
}
