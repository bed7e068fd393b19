//! The script that a site puts into its pages, and the style of our own page with nothing but the chat.

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use std::sync::LazyLock;

#[utoipa::path(get, path = "/widget/v1/widget.js", params(("inbox" = String, Query)), security(()),
    responses((status = 200, description = "the widget's script", content_type = "text/javascript"),
        (status = 304, description = "the one with this ETag is still good")))]
pub async fn script(headers: HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    // RFC 9110 §13.1.2: a list of tags, weak ones too, compared weakly.
    let is_known = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == TAG.as_str());
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if is_known { "" } else { SCRIPT };
    (status, HEADERS, [(header::ETAG, TAG.as_str())], body).into_response()
}

const SCRIPT: &str = include_str!("widget.js");

/// Of the content: an upgrade is seen within the minutes of `max-age`.
static TAG: LazyLock<String> = LazyLock::new(|| {
    let digest = HEXLOWER.encode(digest(&SHA256, SCRIPT.as_bytes()).as_ref());
    format!("\"{}\"", digest.get(..32).unwrap_or_default())
});

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
    (header::CACHE_CONTROL, "public, max-age=300"),
    // A site that isolates itself (COEP) may still load it.
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
];
