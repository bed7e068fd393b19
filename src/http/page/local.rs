//! Who may open the demo's pages and act on them: a browser on this machine that shows these very pages.

use super::mailboxes::DemoPages;
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use axum::http::{HeaderMap, header};
use std::net::IpAddr;

/// The demo, for a reader at a loopback name: another site's page must not read it by pointing its own name at
/// 127.0.0.1 (DNS rebinding).
pub fn demo<'a>(surface: &'a Surface, headers: &HeaderMap) -> Result<&'a DemoPages, ApiError> {
    let demo = surface.demo.as_ref().ok_or_else(|| ApiError::not_found("page"))?;
    if !is_local(headers) {
        return Err(ApiError::forbidden("the demo answers on loopback names only"));
    }
    Ok(demo)
}

/// The same for what opens the desk: the connection itself must come from this machine. A demo listens on loopback only;
/// this holds even if somebody forwards its port.
pub fn demo_from_this_machine<'a>(
    surface: &'a Surface,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
) -> Result<&'a DemoPages, ApiError> {
    let demo = demo(surface, headers)?;
    match peer {
        Some(peer) if peer.is_loopback() && FORWARDED.iter().all(|name| !headers.contains_key(*name)) => Ok(demo),
        _ => Err(ApiError::forbidden("the demo is for a browser on this machine only")),
    }
}

/// The same for what changes something: the page that asks must be ours. Every browser of today names the asking page's
/// origin with a POST; a page of elsewhere cannot leave it out or choose it.
pub fn demo_from_own_page<'a>(surface: &'a Surface, headers: &HeaderMap) -> Result<&'a DemoPages, ApiError> {
    let demo = demo(surface, headers)?;
    let origin = text(headers, "origin").strip_prefix("http://");
    if origin.is_none_or(|origin| origin != text(headers, "host")) {
        return Err(ApiError::forbidden("only the demo's own pages may do this"));
    }
    Ok(demo)
}

fn is_local(headers: &HeaderMap) -> bool {
    let host = text(headers, header::HOST.as_str());
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

/// What a proxy puts into a request that it brings from elsewhere.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn the_demo_answers_to_loopback_names_only() {
        for (host, expected) in [
            ("localhost:8025", true),
            ("127.0.0.1:1", true),
            ("[::1]:8025", true),
            ("evil.example:8025", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_local(&headers(&[("host", host)])), expected, "{host}");
        }
    }
}
