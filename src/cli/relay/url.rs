//! The address of an ingress, read into what a request needs. Pure.

/// `http://host:port/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub tls: Tls,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    /// As it stands in `Host`.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS, and the server's certificate must be good for its name.
    Verified,
    None,
}

pub fn parse(text: &str) -> Result<Url, String> {
    let wrong = || format!("URL {text:?} is no address that begins with http:// or https://");
    let text_after = |scheme: &str| {
        let head = text.get(..scheme.len()).filter(|head| head.eq_ignore_ascii_case(scheme));
        head.and_then(|_| text.get(scheme.len()..))
    };
    let (tls, rest, usual) = match (text_after("https://"), text_after("http://")) {
        (Some(rest), _) => (Tls::Verified, rest, 443),
        (None, Some(rest)) => (Tls::None, rest, 80),
        (None, None) => return Err(wrong()),
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let (host, port) = split(authority).ok_or_else(wrong)?;
    let port = if port.is_empty() { usual } else { port.parse().map_err(|_| wrong())? };
    // A request is lines: nothing may end one.
    let fine = text.bytes().all(|octet| octet.is_ascii_graphic()) && !host.is_empty() && !authority.contains('@');
    let url = Url { tls, host: host.to_owned(), port, authority: authority.to_owned(), path };
    fine.then_some(url).ok_or_else(wrong)
}

/// Host and port; an IPv6 address stands in brackets (RFC 3986 §3.2.2).
fn split(authority: &str) -> Option<(&str, &str)> {
    match authority.strip_prefix('[') {
        Some(literal) => {
            let (host, rest) = literal.split_once(']')?;
            if rest.is_empty() { Some((host, "")) } else { Some((host, rest.strip_prefix(':')?)) }
        }
        None => Some(authority.split_once(':').unwrap_or((authority, ""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_into_their_parts() {
        for (text, tls, host, port, path) in [
            ("https://a.example/x/y?z=1", Tls::Verified, "a.example", 443, "/x/y?z=1"),
            ("HTTP://a.example:8080", Tls::None, "a.example", 8080, "/"),
            ("http://127.0.0.1:1/p#f", Tls::None, "127.0.0.1", 1, "/p"),
            ("https://[::1]:8443/p", Tls::Verified, "::1", 8443, "/p"),
            ("https://[::1]", Tls::Verified, "::1", 443, "/"),
            ("http://a.example?q", Tls::None, "a.example", 80, "/?q"),
        ] {
            let url = parse(text).expect(text);
            assert_eq!((url.tls, url.host.as_str(), url.port, url.path.as_str()), (tls, host, port, path), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_or_would_break_the_request_is_refused() {
        for text in [
            "",
            "a.example",
            "ftp://a.example/",
            "https://",
            "https:///x",
            "https://a b/",
            "http://a:x/",
            "http://a:99999/",
            "https://u:p@a.example/",
            "http://a/\r\nX: y",
            "http://[::1",
            "http://[::1]x",
            "http://ü.example/",
            "hßtp://",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
