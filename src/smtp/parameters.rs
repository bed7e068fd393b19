//! The path and the parameters of MAIL and RCPT (RFC 5321 §4.1.2, 1870, 6152, 3030, 6531, 8689), and xtext (RFC 3461 §4).

use super::question::{BodyType, MailCommand};
use super::reply::{self, Reply};
use crate::mail::address::{Address, AddressError};

/// What stands between angle brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    Null,
    Postmaster,
    Mailbox(Address),
    /// RFC 5321 appendix C. Refused whole: to drop the route would turn one address into another.
    SourceRoute,
    Wrong(AddressError),
}

/// Splits `FROM:<path> parameters` into path and parameters. Real senders put spaces behind the colon.
pub(super) fn split_path<'a>(argument: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let named = argument.get(..keyword.len()).is_some_and(|start| start.eq_ignore_ascii_case(keyword));
    let rest = argument.get(keyword.len()..).filter(|_| named)?;
    let rest = rest.trim_start_matches(' ').strip_prefix('<')?;
    let end = path_end(rest)?;
    let (path, behind) = (rest.get(..end)?, rest.get(end + 1..)?);
    (behind.is_empty() || behind.starts_with(' ')).then_some((path, behind))
}

/// Where the `>` stands that is not inside quotes.
fn path_end(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

pub(super) fn parse_path(path: &str) -> Path {
    if path.is_empty() {
        Path::Null
    } else if path.eq_ignore_ascii_case("postmaster") {
        Path::Postmaster
    } else if path.starts_with('@') {
        Path::SourceRoute
    } else {
        Address::parse(path).map_or_else(Path::Wrong, Path::Mailbox)
    }
}

/// MAIL's parameters. The reverse-path is left null.
pub(super) fn parse_mail(text: &str) -> Result<MailCommand, Reply> {
    let mut mail = MailCommand { reverse_path: None, size: None, body: None, smtputf8: false, require_tls: false };
    for parameter in text.split(' ').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        let wrong = || reply::bad_argument("SIZE=octets BODY=7BIT|8BITMIME|BINARYMIME SMTPUTF8 REQUIRETLS, each once");
        match name.to_ascii_uppercase().as_str() {
            "SIZE" if mail.size.is_none() => mail.size = Some(parse_size(value.unwrap_or_default(), wrong)?),
            "BODY" if mail.body.is_none() => mail.body = Some(parse_body(value).ok_or_else(wrong)?),
            "SMTPUTF8" if !mail.smtputf8 && value.is_none() => mail.smtputf8 = true,
            "REQUIRETLS" if !mail.require_tls && value.is_none() => mail.require_tls = true,
            "SIZE" | "BODY" | "SMTPUTF8" | "REQUIRETLS" => return Err(wrong()),
            _ => return Err(reply::parameter_not_known(name)),
        }
    }
    Ok(mail)
}

/// RFC 1870 §3: up to 20 digits. A number that no u64 holds is a size, and too large.
fn parse_size(value: &str, wrong: impl Fn() -> Reply) -> Result<u64, Reply> {
    if value.is_empty() || value.len() > 20 || !value.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(wrong());
    }
    value.parse().map_err(|_| reply::mail_too_large())
}

fn parse_body(value: Option<&str>) -> Option<BodyType> {
    match value?.to_ascii_uppercase().as_str() {
        "7BIT" => Some(BodyType::SevenBit),
        "8BITMIME" => Some(BodyType::EightBitMime),
        "BINARYMIME" => Some(BodyType::BinaryMime),
        _ => None,
    }
}

/// Decodes xtext. `None`: not xtext, or it hides a control character (a line end in a header or a log).
pub(super) fn decode_xtext(text: &str) -> Option<String> {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(octet) = rest.next() {
        match octet {
            b'+' => decoded.push(hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?),
            b'=' => return None,
            b'!'..=b'~' => decoded.push(octet),
            _ => return None,
        }
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains(char::is_control))
}

/// RFC 3461 §4: upper-case digits only.
fn hex_digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(Option<u64>, Option<BodyType>, bool), u16>) {
        let got = parse_mail(text).map(|mail| (mail.size, mail.body, mail.smtputf8)).map_err(|reply| reply.code);
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn parameters_are_read_strictly() {
        check("", Ok((None, None, false)));
        check(" SIZE=10 body=8bitmime SMTPUTF8", Ok((Some(10), Some(BodyType::EightBitMime), true)));
        check(" BODY=BINARYMIME", Ok((None, Some(BodyType::BinaryMime), false)));
        check(" SIZE=0", Ok((Some(0), None, false)));
        check(" SIZE=18446744073709551615", Ok((Some(u64::MAX), None, false)));
        check(" SIZE=18446744073709551616", Err(552));
        for wrong in ["SIZE=1 SIZE=1", "SIZE=-1", "SIZE=+1", "SIZE=", "SIZE", "SIZE=1x", "SIZE=000000000000000000001"] {
            check(wrong, Err(501));
        }
        for wrong in [
            "BODY=FOO",
            "BODY",
            "BODY=7BIT BODY=7BIT",
            "SMTPUTF8=1",
            "SMTPUTF8 SMTPUTF8",
            "REQUIRETLS=1",
            "REQUIRETLS REQUIRETLS",
        ] {
            check(wrong, Err(501));
        }
        for unknown in ["AUTH=<>", "RET=HDRS", "ENVID=+ZZ", "X", "=", "SIZES=1", &"A=1 ".repeat(200)] {
            check(unknown, Err(555));
        }
    }

    #[test]
    fn requiretls_is_kept() {
        let of = |text| parse_mail(text).map(|mail| mail.require_tls).map_err(|reply| reply.code);
        assert_eq!((of(" SIZE=1 requiretls"), of("")), (Ok(true), Ok(false)));
    }

    #[test]
    fn xtext_hides_nothing() {
        assert_eq!(decode_xtext("a+2Bb").as_deref(), Some("a+b"));
        assert_eq!(decode_xtext("+C3+BC").as_deref(), Some("ü"));
        for wrong in ["+00", "+0D+0A", "+ZZ", "+2", "+", "+2b", "a=b", "a b", "+FF", "ü"] {
            assert_eq!(decode_xtext(wrong), None, "{wrong}");
        }
    }
}
