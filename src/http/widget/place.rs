//! Which inbox a widget belongs to, and which sites may hold it. `Origin` keeps a site that is not listed from showing the
//! widget as its own; it is no proof of anything, because only browsers tell the truth in it.

use super::refused::Refused;
use crate::config::checked::{Config, Inbox};
use crate::conversation::model::Channel;
use crate::http::desk::origin;
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use axum::http::{HeaderMap, StatusCode, header};

/// An inbox of channel widget.
#[derive(Debug, Clone)]
pub struct Place {
    pub account: String,
    pub inbox: Inbox,
}

impl Place {
    /// By `account/inbox`, or by the inbox's name alone where only one account has it.
    pub fn named(config: &Config, name: &str) -> Result<Place, Refused> {
        let (account, inbox) = match name.split_once('/') {
            Some((account, inbox)) => (Some(account), inbox),
            None => (None, name),
        };
        let mut found =
            widgets(config).filter(|(of, known)| known.name == inbox && account.is_none_or(|own| own == *of));
        match (found.next(), found.next()) {
            (Some((account, inbox)), None) => Ok(Place { account: account.to_owned(), inbox: inbox.clone() }),
            _ => Err(ApiError::not_found("inbox").into()),
        }
    }

    /// The inbox of a visitor or conversation; `None` when it is no longer in the config as one with a widget.
    pub fn of(config: &Config, account: &str, inbox: &str) -> Option<Place> {
        let found = widgets(config).find(|(of, known)| *of == account && known.name == inbox);
        found.map(|(account, inbox)| Place { account: account.to_owned(), inbox: inbox.clone() })
    }

    /// Refuses a page of a site that is not listed. Our own hosted page, and callers that are no browsers, pass.
    pub fn admits(&self, surface: &Surface, headers: &HeaderMap) -> Result<(), Refused> {
        let Some(from) = headers.get(header::ORIGIN) else { return Ok(()) };
        let listed = &self.inbox.widget.origins;
        let is_listed = || from.to_str().is_ok_and(|from| listed.iter().any(|known| known.eq_ignore_ascii_case(from)));
        if listed.is_empty() || is_listed() || origin::check(headers, &surface.config.load().http.public_url).is_ok() {
            return Ok(());
        }
        let message = "this site is not among the widget's origins in the config of its inbox";
        Err(Refused::new(StatusCode::FORBIDDEN, "origin_forbidden", message))
    }

    /// Whether a URL is a page of a site that is listed.
    pub fn has_page(&self, url: &str) -> bool {
        let of_page = origin_of(url);
        of_page.is_some_and(|of_page| self.inbox.widget.origins.contains(&of_page))
    }
}

/// Every inbox with a widget, with its account.
pub fn widgets(config: &Config) -> impl Iterator<Item = (&str, &Inbox)> {
    config
        .accounts
        .iter()
        .flat_map(|account| account.inboxes.iter().map(move |inbox| (account.name.as_str(), inbox)))
        .filter(|(_, inbox)| inbox.channel == Channel::Widget)
}

/// Scheme, host and port of a page's address, as a browser would name its origin.
pub fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#', '\\']).next().filter(|authority| !authority.is_empty())?;
    // A user name would let `https://shop.example@evil.example` pass for the shop.
    if !["http", "https"].contains(&scheme.as_str()) || authority.contains('@') {
        return None;
    }
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.to_ascii_lowercase();
    Some(format!("{scheme}://{}", authority.strip_suffix(usual).unwrap_or(&authority)))
}

/// A page's address that is fit to be kept: what a browser writes into `location.href`. That never has a backslash before the
/// query, and what is no browser takes one for a part of the host (`https://shop.example\@evil.example`).
pub fn page_address(page: Option<String>) -> Option<String> {
    let fine = |page: &String| {
        page.len() <= PAGE_OCTETS_MAX
            && page.bytes().all(|octet| octet.is_ascii_graphic())
            && origin_of(page).is_some()
            && !page.split(['?', '#']).next().is_some_and(|path| path.contains('\\'))
    };
    page.filter(fine)
}

const PAGE_OCTETS_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_kept_as_browsers_write_it() {
        for (page, kept) in [
            ("https://shop.example/a?b=\\#c", true),
            ("https://shop.example\\@evil.example/", false),
            ("https://shop.example/\\evil.example", false),
            ("https://shop.example/a b", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(page_address(Some(page.to_owned())).is_some(), kept, "{page}");
        }
    }

    #[test]
    fn a_pages_origin_is_what_a_browser_says_it_is() {
        for (url, expected) in [
            ("https://shop.example/a?b#c", Some("https://shop.example")),
            ("https://Shop.Example:443", Some("https://shop.example")),
            ("http://localhost:3000/x", Some("http://localhost:3000")),
            ("https://shop.example@evil.example/", None),
            ("https://evil.example\\@shop.example/", Some("https://evil.example")),
            ("https://evil.example#@shop.example/", Some("https://evil.example")),
            ("javascript://shop.example/%0aalert(1)", None),
            ("//shop.example", None),
            ("https:///shop.example", None),
        ] {
            assert_eq!(origin_of(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn only_addresses_of_pages_are_kept() {
        for (page, kept) in [
            ("https://shop.example/a?b=c#d", true),
            ("https://shop.example/a b", false),
            ("https://shop.example/\r\nX: y", false),
            ("data:text/html,x", false),
            ("about:blank", false),
        ] {
            assert_eq!(page_address(Some(page.into())).is_some(), kept, "{page}");
        }
        assert!(page_address(Some(format!("https://shop.example/{}", "a".repeat(2048)))).is_none());
    }
}
