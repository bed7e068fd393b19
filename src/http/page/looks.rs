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

/// As [`HEADERS`], for a page that stands in one of the three panes.
pub const PANE_HEADERS: [(HeaderName, &str); 3] = [
    HEADERS[0],
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    ),
    HEADERS[2],
];

/// A page runs its own script, takes its own style, shows its own frames, and reaches nothing else.
pub const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];
