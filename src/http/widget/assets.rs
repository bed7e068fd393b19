//! The script that a site puts into its pages, and the style of our own page with nothing but the chat.

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::LazyLock;

#[utoipa::path(get, path = "/widget/v1/widget.js", params(("inbox" = String, Query)), security(()),
    responses((status = 200, description = "the widget's script", content_type = "text/javascript"),
        (status = 304, description = "the one with this ETag is still good")))]
pub async fn script(headers: HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    // RFC 9110 §13.1.2: a list of tags, weak ones too, compared weakly.
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let is_known = known.split(',').any(|tag| opaque(tag) == opaque(&TAG));
    let tag = [(header::ETAG, TAG.as_str())];
    if is_known {
        return (StatusCode::NOT_MODIFIED, HEADERS, tag).into_response();
    }
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|codings| codings.to_str().ok()).unwrap_or_default();
    match PACKED.clone().filter(|_| takes_gzip(accepted)) {
        Some(packed) => (HEADERS, tag, [(header::CONTENT_ENCODING, "gzip")], packed).into_response(),
        None => (HEADERS, tag, SCRIPT).into_response(),
    }
}

/// RFC 9110 §12.5.3: a coding that is named, unless its weight is zero.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|part| {
        let (coding, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        coding.trim().eq_ignore_ascii_case("gzip") && weight != Some(0.0)
    })
}

/// A quarter of the octets, for pages that everybody waits for. Packed once.
static PACKED: LazyLock<Option<Bytes>> = LazyLock::new(|| {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(SCRIPT.as_bytes()).and_then(|()| packer.finish()).ok().map(Bytes::from)
});

const SCRIPT: &str = include_str!("widget.js");

/// Of the content: an upgrade is seen within the minutes of `max-age`.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let digest = HEXLOWER.encode(digest(&SHA256, SCRIPT.as_bytes()).as_ref());
    // Weak: RFC 9110 §8.8.1, the packed octets are others than the plain ones.
    format!("W/\"{}\"", digest.get(..32).unwrap_or_default())
});

const HEADERS: [(HeaderName, &str); 4] = [
    (header::VARY, "accept-encoding"),
    (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
    (header::CACHE_CONTROL, "public, max-age=300"),
    // A site that isolates itself (COEP) may still load it.
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
];
