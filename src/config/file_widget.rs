//! The widget of an inbox as written. What each key means stands in `config.example.toml`.

use super::secret::SecretSource;
use super::units::Name;
use super::widget::{IdentityRule, PreChatKind, WidgetPosition};
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Widget {
    pub colour: Option<Colour>,
    pub position: Option<WidgetPosition>,
    pub title: Option<Words>,
    pub greeting: Option<Words>,
    #[serde(default)]
    pub origins: Vec<Origin>,
    pub identity_secret: Option<Spanned<SecretSource>>,
    pub identity: Option<Spanned<IdentityRule>>,
    pub email_collect: Option<bool>,
    #[serde(default)]
    pub pre_chat: Vec<PreChatField>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreChatField {
    pub name: Spanned<Name>,
    pub label: Words,
    pub kind: Spanned<PreChatKind>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub options: Vec<Words>,
    pub pattern: Option<Spanned<String>>,
}

/// `#rgb` or `#rrggbb`.
#[derive(Debug)]
pub struct Colour(pub String);

/// A line that people read.
#[derive(Debug)]
pub struct Words(pub String);

/// Scheme, host and port, as a browser writes them into `Origin` (RFC 6454 §6.2).
#[derive(Debug)]
pub struct Origin(pub String);

fn colour(text: &str) -> Option<Colour> {
    let digits = text.strip_prefix('#')?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let twice = |digit: char| [digit, digit];
    let full: String = match digits.len() {
        3 => digits.chars().flat_map(twice).collect(),
        6 => digits.to_owned(),
        _ => return None,
    };
    Some(Colour(format!("#{}", full.to_ascii_lowercase())))
}

fn words(text: &str) -> Option<Words> {
    let text = text.trim();
    let fine = text.chars().count() <= WORDS_MAX && !text.chars().any(char::is_control);
    fine.then(|| Words(text.to_owned()))
}

fn origin(text: &str) -> Option<Origin> {
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let fine = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if rest.is_empty() || rest.starts_with(':') || !rest.chars().all(fine) {
        return None;
    }
    // A browser leaves the usual port out.
    let usual = if scheme == "https" { ":443" } else { ":80" };
    Some(Origin(format!("{scheme}://{}", rest.strip_suffix(usual).unwrap_or(rest))))
}

macro_rules! written_as_text {
    ($($kind:ty, $parse:expr, $allowed:expr;)+) => {
        $(impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $parse(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom($allowed))
            }
        })+
    };
}

written_as_text! {
    Colour, colour, "a colour such as \"#1f5fd0\" is expected";
    Words, words, "one line of at most 300 characters is expected";
    Origin, origin, "the origin of a site is expected: scheme, host, and port if it is an unusual one, such as \"https://shop.example\"";
}

const WORDS_MAX: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        for (text, expected) in [
            ("https://Shop.example/", Some("https://shop.example")),
            ("https://shop.example:443", Some("https://shop.example")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("shop.example", None),
            ("https://shop.example/chat", None),
            ("https://*.shop.example", None),
            ("https://u@shop.example", None),
            ("javascript://x", None),
            ("https://", None),
        ] {
            assert_eq!(origin(text).map(|origin| origin.0).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn colours_have_one_form() {
        for (text, expected) in
            [("#ABC", Some("#aabbcc")), ("#1f5fd0", Some("#1f5fd0")), ("red", None), ("#12", None), ("#ggg", None)]
        {
            assert_eq!(colour(text).map(|colour| colour.0).as_deref(), expected, "{text}");
        }
    }
}
