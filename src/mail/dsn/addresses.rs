//! Mail addresses in running text and in the fields of reports.
//!
//! Not a check of validity (`mail::address` does that): what a server wrote about is what we look up.

/// Octets of a local part (RFC 5321 §4.5.3.1.1 has 64; VERP addresses of the field are longer).
const LOCAL_OCTETS_MAX: usize = 200;
const DOMAIN_OCTETS_MAX: usize = 255;

/// An address where it stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sighting<'a> {
    pub start: usize,
    pub end: usize,
    pub address: &'a str,
}

/// Every ASCII address of a text, in order. Only ASCII, so that text in other scripts that stands right beside an
/// address is not taken for a part of it.
pub(super) fn sightings(text: &str) -> impl Iterator<Item = Sighting<'_>> {
    let bytes = text.as_bytes();
    text.match_indices('@').filter_map(move |(at, _)| {
        let start = local_start(bytes, at)?;
        let end = domain_end(bytes, at + 1)?;
        Some(Sighting { start, end, address: text.get(start..end)? })
    })
}

fn local_start(bytes: &[u8], at: usize) -> Option<usize> {
    let before = bytes.get(at.saturating_sub(LOCAL_OCTETS_MAX)..at)?;
    if before.last() == Some(&b'"') {
        let open = before.get(..before.len() - 1)?.iter().rposition(|b| *b == b'"')?;
        return Some(at - (before.len() - open));
    }
    let run = before.iter().rev().take_while(|b| is_local(**b)).count();
    let local = before.get(before.len() - run..)?;
    // X.400 wraps and URLs are no mailbox.
    let skipped = match local.to_ascii_lowercase() {
        l if l.starts_with(b"smtp=") => 5,
        l if l.starts_with(b"/") || l.windows(2).any(|pair| pair == b"//") => return None,
        l => l.iter().take_while(|b| matches!(b, b'\'' | b'`' | b'*' | b'=' | b'|' | b'.' | b'-' | b'{')).count(),
    };
    (run > skipped).then(|| at - run + skipped)
}

fn domain_end(bytes: &[u8], start: usize) -> Option<usize> {
    let after = bytes.get(start..bytes.len().min(start + DOMAIN_OCTETS_MAX))?;
    if after.first() == Some(&b'[') {
        return after.iter().take(64).position(|b| *b == b']').map(|close| start + close + 1);
    }
    let run = after.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')).count();
    let domain = after.get(..run)?;
    let trimmed = domain.iter().rposition(|b| b.is_ascii_alphanumeric()).map(|last| last + 1)?;
    let domain = domain.get(..trimmed)?;
    let top = domain.rsplit(|b| *b == b'.').next()?;
    let fine = domain.contains(&b'.') && top.len() >= 2 && top.iter().any(u8::is_ascii_alphabetic);
    fine.then_some(start + trimmed)
}

fn is_local(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b)
}

/// The address of a report's field: `rfc822; User@Example.com`, with the type's encoding undone.
pub(super) fn of_field(value: &str) -> Option<String> {
    let (kind, address) = match value.split_once(';') {
        Some((kind, rest)) => (kind.trim().to_ascii_lowercase(), rest),
        None => (String::new(), value),
    };
    let address = bare(address)?;
    if !address.contains('@') && kind == "unknown" {
        return Some(address.to_lowercase());
    }
    let address = match kind.as_str() {
        "utf-8" => from_utf8_form(&address),
        _ => from_xtext(&address),
    };
    let address = address.to_lowercase();
    let whole = address.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    (whole && !address.starts_with('/') && address.len() <= LOCAL_OCTETS_MAX + 1 + DOMAIN_OCTETS_MAX).then_some(address)
}

/// Whether a field's address is in a form that mail is sent to, rather than a local or X.400 name.
pub(super) fn is_mailed_to(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| domain.contains('.') || domain.contains(':'))
}

/// Takes brackets, quotes, labels and comments off an address.
fn bare(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = match (text.find('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => text.get(open + 1..close)?,
        _ => text,
    };
    let inner = inner.trim().trim_matches(|c: char| "<>'[](),;".contains(c) || c.is_whitespace());
    let inner = ["smtp:", "mailto:", "rfc822;", "rfc822:"].iter().fold(inner, |left, label| {
        left.get(..label.len())
            .filter(|head| head.eq_ignore_ascii_case(label))
            .map_or(left, |_| left.get(label.len()..).unwrap_or_default())
    });
    let word = if inner.starts_with('"') {
        inner
    } else {
        inner.split_whitespace().find(|word| word.contains('@')).unwrap_or(inner)
    };
    let clean: String = word.chars().filter(|c| !c.is_control()).take(LOCAL_OCTETS_MAX + DOMAIN_OCTETS_MAX).collect();
    let clean = clean.trim_matches(|c: char| "<>'".contains(c)).trim_end_matches('.');
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// Undoes xtext (RFC 3461 §4). Many MTAs write a raw `+` into the field, so only what an encoder must encode is
/// decoded: `user+2Btag@x` becomes `user+tag@x`, while `reply+42@x` stays.
fn from_xtext(address: &str) -> String {
    let mut decoded = address.replace("+2B", "+\u{0}").replace("+3D", "=").replace("+20", " ");
    if !decoded.contains('@') {
        decoded = decoded.replace("+40", "@");
    }
    decoded.replace('\u{0}', "")
}

/// Undoes the `\x{HEX}` of utf-8-addr-xtext (RFC 6533 §3).
fn from_utf8_form(address: &str) -> String {
    let mut pieces = address.split("\\x{");
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let point = piece.split_once('}').and_then(|(hex, rest)| {
            let point = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)?;
            (!point.is_control()).then_some((point, rest))
        });
        match point {
            Some((point, rest)) => {
                decoded.push(point);
                decoded.push_str(rest);
            }
            None => decoded.push_str(piece),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_running_text() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(sightings(text).map(|s| s.address).collect::<Vec<_>>(), expected, "{text}");
        };
        check("<a@b.example>: unknown", &["a@b.example"]);
        check("dda:SMTP=user@example.COM; on Fri", &["user@example.COM"]);
        check("宛先：neko@example.jp です", &["neko@example.jp"]);
        check("to 'a.b@c.example'.", &["a.b@c.example"]);
        check("\"a b\"@c.example", &["\"a b\"@c.example"]);
        check("user@[192.0.2.1] no", &["user@[192.0.2.1]"]);
        check("root@localhost @ a@ @b.example", &[]);
    }

    #[test]
    fn fields_give_bare_lower_case_addresses() {
        let check = |value: &str, expected: Option<&str>| assert_eq!(of_field(value).as_deref(), expected, "{value}");
        check("rfc822; User@Example.COM", Some("user@example.com"));
        check("RFC822;<a@b.example> (Bob)", Some("a@b.example"));
        check("<a@b.example>", Some("a@b.example"));
        check("rfc822;reply+2Babc@x.example", Some("reply+abc@x.example"));
        check("rfc822;reply+42@x.example", Some("reply+42@x.example"));
        check("utf-8; \\x{4f8b}@x.example", Some("例@x.example"));
        check("X400; /S=a/ADMD=b/", None);
        check("rfc822;", None);
    }
}
