//! Bridges in their checked form: whose mail goes to another system, and for which recipients mail is taken that only that
//! system knows.

use super::secret::Secret;
use super::target::Target;
use crate::mail::address::Address;
use serde::Deserialize;

/// Another system's relay ingress that gets raw mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    pub url: Target,
    pub password: Secret,
    pub mode: BridgeMode,
    pub allow_private: bool,
    /// Whom the other system knows and we do not; none for an inbox, whose one address is ours.
    pub recipients: BridgeRecipients,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeMode {
    /// Filed here as well.
    #[default]
    Also,
    /// Not filed here.
    Only,
}

/// Recipients of the other system; each way of knowing them counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeRecipients {
    pub pattern: Option<LocalPattern>,
    /// Canonical keys.
    pub list: Vec<String>,
    pub hook: Option<RecipientHook>,
}

/// Asks the other system whether it knows a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientHook {
    pub url: Target,
    /// Sent as a bearer token.
    pub token: Option<Secret>,
    pub allow_private: bool,
}

/// A local part with a UUID in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPattern {
    before: String,
    after: String,
}

impl BridgeRecipients {
    /// Whether they name this recipient without asking anybody; a pattern holds at the inbound domain alone.
    pub fn name(&self, address: &Address, inbound_domain: &str) -> bool {
        self.list.contains(&address.key()) || self.name_by_pattern(address, inbound_domain)
    }

    /// Whether it is an address of the pattern's form.
    pub fn name_by_pattern(&self, address: &Address, inbound_domain: &str) -> bool {
        let fits = |pattern: &LocalPattern| address.domain() == inbound_domain && pattern.fits(address.local());
        self.pattern.as_ref().is_some_and(fits)
    }

    /// Whether a listed address has this domain.
    pub fn has_domain(&self, domain: &str) -> bool {
        self.list.iter().any(|address| address.rsplit_once('@').is_some_and(|(_, own)| own == domain))
    }
}

impl LocalPattern {
    /// `reply+<uuid>` and the like: what an address may hold, around one `<uuid>`.
    pub fn parse(text: &str) -> Option<LocalPattern> {
        let (before, after) = text.split_once(UUID)?;
        let fine = |c: char| c.is_ascii_alphanumeric() || "+-_.=".contains(c);
        let pattern = LocalPattern { before: before.to_ascii_lowercase(), after: after.to_ascii_lowercase() };
        (text.len() <= 40 && before.chars().chain(after.chars()).all(fine)).then_some(pattern)
    }

    pub fn fits(&self, local: &str) -> bool {
        let local = local.to_ascii_lowercase();
        let middle = local.strip_prefix(&self.before).and_then(|rest| rest.strip_suffix(&self.after));
        middle.is_some_and(is_uuid)
    }
}

/// RFC 9562 §4, in lower case.
fn is_uuid(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    let fine = |(at, octet): (usize, u8)| {
        if hyphens.contains(&at) { octet == b'-' } else { octet.is_ascii_hexdigit() }
    };
    text.len() == 36 && text.bytes().enumerate().all(fine)
}

const UUID: &str = "<uuid>";

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &str = "reply+00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn a_pattern_fits_whole_local_parts_in_any_case() {
        let pattern = LocalPattern::parse("reply+<uuid>").expect("a pattern");
        assert!(pattern.fits(REPLY) && pattern.fits(&REPLY.to_uppercase()));
        for local in [
            "reply+",
            "reply+<uuid>",
            "reply+00112233445566778899aabbccddeeff",
            "reply+0011223344556-677-8899-aabbccddeeff",
            "reply+00112233-4455-6677-8899-aabbccddeeff0",
            "xreply+00112233-4455-6677-8899-aabbccddeeff",
            "reply+g0112233-4455-6677-8899-aabbccddeeff",
        ] {
            assert!(!pattern.fits(local), "{local}");
        }
        let both = LocalPattern::parse("t-<uuid>.in").expect("a pattern");
        assert!(both.fits("T-00112233-4455-6677-8899-aabbccddeeff.in"));
    }

    #[test]
    fn a_pattern_has_one_uuid_and_what_an_address_may_hold() {
        for text in ["reply+", "<uuid><uuid>", "a b<uuid>", "<uuid>@x", "*<uuid>", "<UUID>"] {
            assert_eq!(LocalPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_list_counts_at_its_own_domains_and_a_pattern_at_the_inbound_domain() {
        let pattern = LocalPattern::parse("reply+<uuid>");
        let recipients = BridgeRecipients { pattern, list: vec!["help@acme.example".into()], hook: None };
        for (address, expected) in [
            (format!("{REPLY}@in.example"), true),
            (format!("{REPLY}@acme.example"), false),
            ("Help@ACME.example".to_owned(), true),
            ("help@in.example".to_owned(), false),
        ] {
            assert_eq!(recipients.name(&Address::parse(&address).unwrap(), "in.example"), expected, "{address}");
        }
    }
}
