//! SPF domain specifications and their macros (RFC 7208 §7), checked when read, expanded within the bounds of a name.

use super::record::SyntaxError;
use std::net::IpAddr;

/// RFC 1035 §2.3.4, without the root's dot.
const NAME_OCTETS_MAX: usize = 253;
/// An expansion longer than this is cut from the left anyway (RFC 7208 §7.3); what is built meanwhile stays bounded.
const EXPANSION_OCTETS_MAX: usize = 8192;

/// A domain-spec, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainSpec(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro { letter: char, url_escaped: bool, keep: Option<usize>, reversed: bool, delimiters: String },
}

/// What macros stand for.
#[derive(Debug, Clone)]
pub(super) struct MacroValues<'a> {
    pub ip: IpAddr,
    pub local: &'a str,
    pub sender_domain: &'a str,
    pub helo: &'a str,
    /// Of the record that is evaluated.
    pub domain: &'a str,
    /// The validated name of the client, or `unknown`.
    pub client_name: &'a str,
}

impl DomainSpec {
    /// RFC 7208 §7.1 domain-spec: ends in a macro or in a dot and a top label.
    pub fn parse(text: &str) -> Result<DomainSpec, SyntaxError> {
        let pieces = pieces(text)?;
        match pieces.last() {
            Some(Piece::Macro { .. }) => Ok(DomainSpec(pieces)),
            Some(Piece::Literal(literal)) if ends_in_top_label(literal) => Ok(DomainSpec(pieces)),
            _ => Err(SyntaxError),
        }
    }

    /// The value of a modifier that we do not know: only its syntax counts (RFC 7208 §6).
    pub fn check_macro_string(text: &str) -> Result<(), SyntaxError> {
        pieces(text).map(|_| ())
    }

    pub fn asks_client_name(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro { letter: 'p', .. }))
    }

    /// The name, cut from the left to fit (RFC 7208 §7.3).
    pub fn expand(&self, values: &MacroValues<'_>) -> String {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(literal) => name.push_str(literal),
                Piece::Macro { letter, url_escaped, keep, reversed, delimiters } => {
                    let text = transform(&value(*letter, values), *keep, *reversed, delimiters);
                    if *url_escaped { escape_into(&mut name, &text) } else { name.push_str(&text) }
                }
            }
            if name.len() > EXPANSION_OCTETS_MAX {
                return String::new();
            }
        }
        fit(name)
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, SyntaxError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        rest = match (c, after.chars().next()) {
            ('%', Some('{')) => {
                let (body, tail) = after.get(1..).and_then(|body| body.split_once('}')).ok_or(SyntaxError)?;
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(macro_of(body)?);
                tail
            }
            ('%', Some(escape @ ('%' | '_' | '-'))) => {
                literal.push_str(match escape {
                    '%' => "%",
                    '_' => " ",
                    _ => "%20",
                });
                after.get(1..).unwrap_or_default()
            }
            ('\u{21}'..='\u{24}' | '\u{26}'..='\u{7e}', _) => {
                literal.push(c);
                after
            }
            _ => return Err(SyntaxError),
        };
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// RFC 7208 §7.1: letter, digits, `r`, delimiters. `c`, `r` and `t` belong to explanations only.
fn macro_of(body: &str) -> Result<Piece, SyntaxError> {
    let mut chars = body.chars();
    let written = chars.next().filter(|c| "slodiphvSLODIPHV".contains(*c)).ok_or(SyntaxError)?;
    let rest = chars.as_str();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(digits);
    let keep = match digits {
        "" => None,
        digits => {
            Some(digits.parse::<usize>().unwrap_or(usize::MAX)).filter(|keep| *keep > 0).map(Some).ok_or(SyntaxError)?
        }
    };
    let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(delimiters) => (true, delimiters),
        None => (false, rest),
    };
    if !delimiters.chars().all(|c| ".-+,/_=".contains(c)) {
        return Err(SyntaxError);
    }
    let delimiters = if delimiters.is_empty() { "." } else { delimiters };
    Ok(Piece::Macro {
        letter: written.to_ascii_lowercase(),
        url_escaped: written.is_ascii_uppercase(),
        keep,
        reversed,
        delimiters: delimiters.to_owned(),
    })
}

/// RFC 7208 §7.1 domain-end: `"." toplabel [ "." ]`; a top label is not all digits and has no hyphen at its ends.
fn ends_in_top_label(literal: &str) -> bool {
    let literal = literal.strip_suffix('.').unwrap_or(literal);
    let Some((_, label)) = literal.rsplit_once('.') else { return false };
    !label.is_empty()
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
        && !label.bytes().all(|octet| octet.is_ascii_digit())
}

fn value(letter: char, values: &MacroValues<'_>) -> String {
    match letter {
        's' => format!("{}@{}", values.local, values.sender_domain),
        'l' => values.local.to_owned(),
        'o' => values.sender_domain.to_owned(),
        'd' => values.domain.to_owned(),
        'i' => dotted(values.ip),
        'p' => values.client_name.to_owned(),
        'h' => values.helo.to_owned(),
        _ if values.ip.is_ipv4() => "in-addr".to_owned(),
        _ => "ip6".to_owned(),
    }
}

/// RFC 7208 §7.3: an IPv6 address is its nibbles with dots between them.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let nibbles: Vec<String> = ip
                .octets()
                .iter()
                .flat_map(|octet| [octet >> 4, octet & 15])
                .map(|nibble| format!("{nibble:x}"))
                .collect();
            nibbles.join(".")
        }
    }
}

fn transform(text: &str, keep: Option<usize>, reversed: bool, delimiters: &str) -> String {
    let mut parts: Vec<&str> = text.split(|c| delimiters.contains(c)).collect();
    if reversed {
        parts.reverse();
    }
    let from = parts.len().saturating_sub(keep.unwrap_or(usize::MAX));
    parts.get(from..).unwrap_or_default().join(".")
}

/// RFC 7208 §7.3: an upper-case letter asks for RFC 3986 escapes of all but the unreserved characters.
fn escape_into(name: &mut String, text: &str) {
    for octet in text.bytes() {
        match octet {
            b'-' | b'.' | b'_' | b'~' => name.push(char::from(octet)),
            octet if octet.is_ascii_alphanumeric() => name.push(char::from(octet)),
            octet => name.push_str(&format!("%{octet:02X}")),
        }
    }
}

fn fit(name: String) -> String {
    let mut rest = name.strip_suffix('.').unwrap_or(&name);
    while rest.len() > NAME_OCTETS_MAX {
        let Some((_, shorter)) = rest.split_once('.') else { return String::new() };
        rest = shorter;
    }
    rest.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str, ip: &str) -> String {
        DomainSpec::parse(text).unwrap().expand(&MacroValues {
            ip: ip.parse().unwrap(),
            local: "strong-bad",
            sender_domain: "email.example.com",
            helo: "mx.example.org",
            domain: "email.example.com",
            client_name: "mx.example.org",
        })
    }

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 7208 §7.4
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
            ("%{S}.a.example", "strong-bad%40email.example.com.a.example"),
        ] {
            assert_eq!(expand(text, "192.0.2.3"), expected, "{text}");
        }
        assert_eq!(
            expand("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01"),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
        );
    }

    #[test]
    fn an_expansion_is_never_longer_than_a_name() {
        assert_eq!(expand(&format!("{}b.example", "%{d}.".repeat(40)), "192.0.2.3").len(), 247);
        assert_eq!(expand(&"%{s}".repeat(2000), "192.0.2.3"), "");
        assert_eq!(expand("%{d99999999999999999999999}", "192.0.2.3"), "email.example.com");
    }
}
