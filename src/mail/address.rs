//! A mailbox as SMTP and headers name it: local part and domain, checked (RFC 5321 §4.1.2, RFC 6531).

use std::fmt;

/// A mailbox. The domain is lower case in A-label form without a trailing dot, or an address literal in brackets;
/// the local part is unquoted and keeps its case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    local: String,
    domain: String,
}

/// Why a text is not a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("no @ between local part and domain")]
    NoAt,
    #[error("local part is empty or longer than 64 octets")]
    LocalLength,
    #[error("local part holds a character that needs quotes or is never allowed")]
    LocalCharacter,
    #[error("domain is empty, too long or not a host name")]
    Domain,
}

impl Address {
    /// Parses `local@domain` or `"quoted local"@domain`, as between the brackets of a path.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (local, domain) = match text.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted)?,
            None => {
                let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
                check_atoms(local)?;
                (local.to_owned(), domain)
            }
        };
        if local.is_empty() || local.len() > 64 {
            return Err(AddressError::LocalLength);
        }
        Ok(Address { local, domain: canonical_domain(domain)? })
    }

    /// Unquoted, case kept.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Lower case, A-labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The form that two spellings of one mailbox share: all lower case. Local parts are case-sensitive by
    /// RFC 5321 §2.4, but no mailbox provider makes two of them, and people type them as they like.
    pub fn key(&self) -> String {
        self.to_string().to_lowercase()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if check_atoms(&self.local).is_ok() {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        let escaped = self.local.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"@{}", self.domain)
    }
}

impl std::str::FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Address::parse(text)
    }
}

/// The canonical form of a domain or address literal: one key for every spelling of one domain.
pub fn canonical_domain(domain: &str) -> Result<String, AddressError> {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return canonical_literal(literal).ok_or(AddressError::Domain);
    }
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    // RFC 5890: only names with non-ASCII letters need mapping; every other name is compared as it stands.
    let ascii = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(domain).map_err(|_| AddressError::Domain)?
    };
    if is_host_name(&ascii) { Ok(ascii) } else { Err(AddressError::Domain) }
}

/// RFC 1123 §2.1 names, with the underscores that real senders use.
pub fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        let fine = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(fine)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn canonical_literal(literal: &str) -> Option<String> {
    match literal.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")) {
        Some(_) => literal.get(5..)?.parse::<std::net::Ipv6Addr>().ok().map(|ip| format!("[IPv6:{ip}]")),
        None => literal.parse::<std::net::Ipv4Addr>().ok().map(|ip| format!("[{ip}]")),
    }
}

/// RFC 5322 §3.2.3 atext with dots anywhere (real mailboxes have leading and doubled dots), and RFC 6531 letters.
fn check_atoms(local: &str) -> Result<(), AddressError> {
    let fine =
        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c) || (!c.is_ascii() && !c.is_control());
    if local.chars().all(fine) { Ok(()) } else { Err(AddressError::LocalCharacter) }
}

/// RFC 5321 §4.1.2 Quoted-string: unquoted local part, and the domain behind the `@` that follows it.
fn split_quoted(rest: &str) -> Result<(String, &str), AddressError> {
    let mut local = String::new();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let domain = rest.get(at + 1..).and_then(|tail| tail.strip_prefix('@')).ok_or(AddressError::NoAt)?;
                return Ok((local, domain));
            }
            '\\' => local
                .push(chars.next().map(|(_, c)| c).filter(|c| !c.is_control()).ok_or(AddressError::LocalCharacter)?),
            c if c.is_control() => return Err(AddressError::LocalCharacter),
            c => local.push(c),
        }
    }
    Err(AddressError::NoAt)
}

/// The address without its sub-address (`jane+shop@…`, RFC 5233): the mailbox, as far as anybody can tell.
pub fn without_detail(email: &str) -> String {
    let Some((local, domain)) = email.rsplit_once('@') else { return email.to_owned() };
    match local.split_once('+') {
        Some((user, _)) if !user.is_empty() && !user.starts_with('"') => format!("{user}@{domain}"),
        _ => email.to_owned(),
    }
}

/// The form by which a mailbox is found, also where its address was written as nothing that can be parsed.
pub fn email_key(email: &str) -> String {
    Address::parse(email.trim()).map_or_else(|_| email.trim().to_lowercase(), |address| address.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, AddressError>) {
        assert_eq!(Address::parse(text).map(|a| a.to_string()), expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn spellings_of_one_mailbox_share_one_form() {
        check("a@B.example.", Ok("a@b.example"));
        check("a@BÜCHER.example", Ok("a@xn--bcher-kva.example"));
        check("\"reply+00ff\"@d.example", Ok("reply+00ff@d.example"));
        check("\"a b\"@d.example", Ok("\"a b\"@d.example"));
        check("u@[192.0.2.1]", Ok("u@[192.0.2.1]"));
        check("u@[ipv6:2001:DB8::1]", Ok("u@[IPv6:2001:db8::1]"));
    }

    #[test]
    fn what_is_no_mailbox_is_refused_not_repaired() {
        check("a", Err(AddressError::NoAt));
        check("@d.example", Err(AddressError::LocalLength));
        check(&format!("{}@d.example", "x".repeat(65)), Err(AddressError::LocalLength));
        for local in ["a\rb", "a b", "a<b", "a\0", "a\"b", "a@b"] {
            check(&format!("{local}@d.example"), Err(AddressError::LocalCharacter));
        }
        for domain in ["", ".", "a..b", "-a.b", "[300.1.1.1]", "[x]", "a b", "a\u{200b}/b"] {
            check(&format!("a@{domain}"), Err(AddressError::Domain));
        }
        check("\"\r\"@d.example", Err(AddressError::LocalCharacter));
    }
}
