//! SPF records as text → terms (RFC 7208 §4.6.1, §5, §6, §12). A record is read whole before any of it is
//! evaluated: a syntax error anywhere is a permerror (RFC 7208 §4.6).

use super::macros::DomainSpec;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A record that breaks the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxError;

/// What a match of a directive means (RFC 7208 §4.6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// Prefix lengths for both address families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub ip4: u8,
    pub ip6: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(DomainSpec),
    A(Option<DomainSpec>, Prefixes),
    Mx(Option<DomainSpec>, Prefixes),
    Ptr(Option<DomainSpec>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(DomainSpec),
}

/// A record, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    pub directives: Vec<(Qualifier, Mechanism)>,
    pub redirect: Option<DomainSpec>,
}

/// RFC 7208 §4.5: the version is followed by a space or by nothing.
pub(super) fn is_spf(text: &[u8]) -> bool {
    let version = b"v=spf1";
    text.get(..version.len()).is_some_and(|start| start.eq_ignore_ascii_case(version))
        && matches!(text.get(version.len()), None | Some(b' '))
}

impl Record {
    /// Reads a text of which [`is_spf`] holds.
    pub fn parse(text: &[u8]) -> Result<Record, SyntaxError> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii()).ok_or(SyntaxError)?;
        let mut record = Record::default();
        let mut explained = false;
        for term in text.get("v=spf1".len()..).unwrap_or_default().split(' ').filter(|term| !term.is_empty()) {
            match modifier(term) {
                Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                    let target = DomainSpec::parse(value)?;
                    // RFC 7208 §6: redirect and exp stand at most once.
                    if record.redirect.replace(target).is_some() {
                        return Err(SyntaxError);
                    }
                }
                Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                    // The explanation is the sender's text and is shown to nobody, so it is not asked for.
                    DomainSpec::parse(value)?;
                    if std::mem::replace(&mut explained, true) {
                        return Err(SyntaxError);
                    }
                }
                Some((_, value)) => DomainSpec::check_macro_string(value)?,
                None => record.directives.push(directive(term)?),
            }
        }
        Ok(record)
    }
}

/// RFC 7208 §12 `name "=" macro-string`, name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ).
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(fine)).then_some((name, value))
}

fn directive(term: &str) -> Result<(Qualifier, Mechanism), SyntaxError> {
    let (qualifier, rest) = match term.split_at_checked(1) {
        Some(("+", rest)) => (Qualifier::Pass, rest),
        Some(("-", rest)) => (Qualifier::Fail, rest),
        Some(("~", rest)) => (Qualifier::SoftFail, rest),
        Some(("?", rest)) => (Qualifier::Neutral, rest),
        _ => (Qualifier::Pass, term),
    };
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    Ok((qualifier, mechanism(&name.to_ascii_lowercase(), rest)?))
}

fn mechanism(name: &str, rest: &str) -> Result<Mechanism, SyntaxError> {
    match name {
        "all" if rest.is_empty() => Ok(Mechanism::All),
        "include" => Ok(Mechanism::Include(DomainSpec::parse(argument(rest)?)?)),
        "exists" => Ok(Mechanism::Exists(DomainSpec::parse(argument(rest)?)?)),
        "a" => domain_and_prefixes(rest).map(|(domain, prefixes)| Mechanism::A(domain, prefixes)),
        "mx" => domain_and_prefixes(rest).map(|(domain, prefixes)| Mechanism::Mx(domain, prefixes)),
        "ptr" if rest.is_empty() => Ok(Mechanism::Ptr(None)),
        "ptr" => Ok(Mechanism::Ptr(Some(DomainSpec::parse(argument(rest)?)?))),
        "ip4" => {
            let (address, prefix) = network(argument(rest)?, 32)?;
            Ok(Mechanism::Ip4(address.parse().map_err(|_| SyntaxError)?, prefix))
        }
        "ip6" => {
            let (address, prefix) = network(argument(rest)?, 128)?;
            Ok(Mechanism::Ip6(address.parse().map_err(|_| SyntaxError)?, prefix))
        }
        _ => Err(SyntaxError),
    }
}

fn argument(rest: &str) -> Result<&str, SyntaxError> {
    rest.strip_prefix(':').ok_or(SyntaxError)
}

fn network(text: &str, max: u8) -> Result<(&str, u8), SyntaxError> {
    match text.split_once('/') {
        Some((address, digits)) => Ok((address, prefix(digits, max)?)),
        None => Ok((text, max)),
    }
}

/// RFC 7208 §12 dual-cidr-length: `/n`, `//n` or `/n//n`, at the end; a domain-spec may itself hold slashes.
fn domain_and_prefixes(rest: &str) -> Result<(Option<DomainSpec>, Prefixes), SyntaxError> {
    let (rest, ip6) = match rest.rsplit_once("//") {
        Some((rest, digits)) if is_digits(digits) => (rest, prefix(digits, 128)?),
        _ => (rest, 128),
    };
    let (rest, ip4) = match rest.rsplit_once('/') {
        Some((rest, digits)) if is_digits(digits) => (rest, prefix(digits, 32)?),
        _ => (rest, 32),
    };
    let domain = if rest.is_empty() { None } else { Some(DomainSpec::parse(argument(rest)?)?) };
    Ok((domain, Prefixes { ip4, ip6 }))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

/// RFC 7208 §12: no leading zeros.
fn prefix(digits: &str, max: u8) -> Result<u8, SyntaxError> {
    let plain = is_digits(digits) && (digits == "0" || !digits.starts_with('0'));
    let value = digits.parse::<u8>().map_err(|_| SyntaxError)?;
    if plain && value <= max { Ok(value) } else { Err(SyntaxError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_break_the_grammar() {
        for terms in [
            "ip4:1.2.3.4/33",
            "ip4:1.2.3.4/032",
            "ip4:1.2.3",
            "ip4",
            "ip4:",
            "ip6:::1/129",
            "ip6:1",
            "a:",
            "a:museum",
            "a:museum.",
            "a:111.222.33.44",
            "a:example.-com",
            "a:example.com:8080",
            "a/24/64",
            "a/33",
            "a//129",
            "mx:",
            "all.",
            "all:x.example",
            "all/8",
            "include",
            "include:",
            "include:x.example/24",
            "exists",
            "ptr:",
            "ptr/0",
            "a:%{x}.example",
            "a:%",
            "a:%{",
            "a:%{s",
            "a:%{d0}.example",
            "a:%{c}.example",
            "bogus",
            "-",
            "redirect=",
            "redirect=a.example redirect=a.example",
            "exp=a.example exp=a.example",
            "x=%",
            "x=%{y}",
            "a:\u{7f}.example",
            "1up=foo",
            "a:foo.example.com\0",
        ] {
            assert_eq!(Record::parse(format!("v=spf1 {terms} -all").as_bytes()), Err(SyntaxError), "{terms:?}");
        }
        assert_eq!(Record::parse("v=spf1 a:b\u{200b}.example -all".as_bytes()), Err(SyntaxError));
    }

    #[test]
    fn records_that_keep_it() {
        for terms in [
            "",
            "-all",
            "A:x.example/24//64 MX//0",
            "a:foo:bar/baz.example.com",
            "?PTR",
            "exists:%{l1r+}.%{d}",
            "include:%{d}",
            "ip6:::ffff:1.2.3.4/0",
            "moo.cow-far_out=man:dog/cat",
            "x=",
            "redirect=%{d2}.a.example.",
            "a:%%%_%-.example",
            "a:e.xn--zckzah",
            "  -all  ",
        ] {
            assert!(Record::parse(format!("v=spf1 {terms}").as_bytes()).is_ok(), "{terms:?}");
        }
    }

    #[test]
    fn the_version_stands_alone() {
        for (text, expected) in
            [("v=spf1", true), ("V=SPF1 -all", true), ("v=spf10", false), ("v=spf1mx", false), (" v=spf1", false)]
        {
            assert_eq!(is_spf(text.as_bytes()), expected, "{text}");
        }
    }
}
