//! The widget of an inbox, checked: how it looks, which sites may hold it, how a site proves who its visitor is, and what is
//! asked before a chat.

use super::secret::Secret;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widget {
    /// `#rrggbb`.
    pub colour: String,
    pub position: WidgetPosition,
    /// Empty: the inbox's display name.
    pub title: String,
    pub greeting: String,
    /// Sites that may hold the widget, as a browser names them; empty: any.
    pub origins: Vec<String>,
    /// What identifiers are signed with.
    pub identity_secret: Option<Secret>,
    pub identity: IdentityRule,
    /// Whether a visitor without an address is asked for one.
    pub email_collect: bool,
    pub pre_chat: Vec<PreChatField>,
}

impl Default for Widget {
    fn default() -> Widget {
        Widget {
            colour: "#1f5fd0".to_owned(),
            position: WidgetPosition::Right,
            title: String::new(),
            greeting: String::new(),
            origins: Vec::new(),
            identity_secret: None,
            identity: IdentityRule::Optional,
            email_collect: true,
            pre_chat: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WidgetPosition {
    Right,
    Left,
}

/// Whether only visitors whom the site vouches for may chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentityRule {
    Optional,
    Required,
}

/// A question of the form before a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreChatField {
    pub name: String,
    pub label: String,
    pub kind: PreChatKind,
    pub required: bool,
    /// Of a select.
    pub options: Vec<String>,
    pub pattern: Option<Pattern>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreChatKind {
    Text,
    Email,
    Phone,
    Select,
    Checkbox,
}

/// What a whole value has to look like. Matching takes time in proportion to the value whatever the pattern, and what a
/// pattern may cost in memory is bounded when the config is read.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    /// `None` for what is no pattern, or a pattern that costs too much.
    pub fn parse(source: &str) -> Option<Pattern> {
        if source.len() > PATTERN_OCTETS_MAX {
            return None;
        }
        // Alone first: with the anchors around it `a)|(b` would read as something else.
        build(source)?;
        Some(Pattern { source: source.to_owned(), regex: build(&format!("^(?:{source})$"))? })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    pub fn fits(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

fn build(source: &str) -> Option<Regex> {
    RegexBuilder::new(source)
        .size_limit(COMPILED_OCTETS_MAX)
        .dfa_size_limit(COMPILED_OCTETS_MAX)
        .nest_limit(16)
        .build()
        .ok()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

const PATTERN_OCTETS_MAX: usize = 200;
const COMPILED_OCTETS_MAX: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_whole_values() {
        for (source, value, expected) in [
            ("[0-9]{6}", "123456", true),
            ("[0-9]{6}", "1234567", false),
            ("a|b", "ab", false),
            ("A-\\d+", "A-17", true),
            ("ü+", "üü", true),
            ("(a+)+b", &"a".repeat(900), false),
        ] {
            assert_eq!(Pattern::parse(source).map(|pattern| pattern.fits(value)), Some(expected), "{source} {value}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_or_costs_too_much_is_refused() {
        for source in ["(", "a)|(b", "[", "(((a{1000}){1000}){1000})", "\\w{5000}", "(?=a)", &"a".repeat(201)] {
            assert!(Pattern::parse(source).is_none(), "{source}");
        }
    }
}
