//! Whether a page of our own sent a request. A cookie comes with requests that any page makes; what tells them apart is
//! `Origin`, which browsers set and pages cannot (Fetch §3.1).

use crate::http::error::ApiError;
use axum::http::{HeaderMap, header};

/// Refuses what another page sent, and what does not say which page sent it.
pub fn check(headers: &HeaderMap, public_url: &str) -> Result<(), ApiError> {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    if origin.is_some_and(|origin| is_ours(origin, headers, public_url)) {
        return Ok(());
    }
    let message = "this was not sent by the desk's own page: open it at http.public_url";
    Err(ApiError::forbidden(message).with_code("foreign_origin"))
}

/// Ours is what `http.public_url` names, and the host that was asked: a browser sends a cookie to no other host than the one
/// it came from, so a page of that host may use it. A TLS proxy may change `Host`; then the configured name counts.
fn is_ours(origin: &str, headers: &HeaderMap, public_url: &str) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let authority = origin.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    let same = |authority: &str| !host.is_empty() && authority.eq_ignore_ascii_case(host);
    let asked = authority.is_some_and(|(scheme, authority)| same(authority) && fits(scheme, host, public_url));
    asked || origin.eq_ignore_ascii_case(&origin_of(public_url))
}

/// Where the desk is reached by TLS, a page that came without it may be anybody's on the way; only this machine's own needs none.
fn fits(scheme: &str, host: &str, public_url: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|octet| octet.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    scheme == "https"
        || !public_url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
        || ["127.0.0.1", "[::1]", "localhost"].contains(&name)
}

/// Scheme and authority of a URL, without a port that its scheme has anyway (RFC 6454 §6.1).
fn origin_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let usual = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    format!("{scheme}://{}", authority.strip_suffix(usual).unwrap_or(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_our_own_pass() {
        for (origin, host, expected) in [
            (Some("https://chat.example.com"), "chat.example.com", true),
            (Some("https://chat.example.com"), "127.0.0.1:8025", true),
            (Some("http://127.0.0.1:8025"), "127.0.0.1:8025", true),
            (Some("https://CHAT.example.com"), "127.0.0.1:8025", true),
            (Some("http://localhost"), "localhost", true),
            (Some("http://chat.example.com"), "chat.example.com", false),
            (Some("https://evil.example"), "chat.example.com", false),
            (Some("https://chat.example.com.evil.example"), "chat.example.com", false),
            (Some("https://chat.example.com:8443"), "chat.example.com", false),
            (Some("null"), "chat.example.com", false),
            (Some("null"), "null", false),
            (Some(""), "", false),
            (Some("http://"), "", false),
            (None, "chat.example.com", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a header value"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("a header value"));
            }
            let checked = check(&headers, "https://chat.example.com:443/help");
            assert_eq!(checked.is_ok(), expected, "{origin:?} at {host:?}");
        }
    }
}
