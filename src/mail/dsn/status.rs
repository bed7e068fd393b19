//! RFC 3463 status codes: found in fields and in a server's words, weighed against each other, read as hard or soft.
//!
//! Codes are kept as they stand in the mail; none is made up from an SMTP reply code.

use super::bounce::BouncedRecipient;
use super::phrases;

/// Text searched for a code: a server's reply names it at once.
const SEARCHED_OCTETS_MAX: usize = 16 * 1024;

/// The code of a `Status` field, which may carry a comment behind it.
pub(super) fn of_field(value: &str) -> Option<String> {
    let value = value.trim_start_matches(|c: char| c.is_whitespace() || c == '"' || c == '(');
    code_at(value.as_bytes(), 0).and_then(|end| value.get(..end)).map(str::to_owned)
}

/// The code a server gave beside its reply code: `550 5.1.1`, `550-5.1.1`, `550 #5.1.1`.
pub(super) fn of_reply(text: &str) -> Option<&str> {
    first(codes(text).filter(|code| follows_reply_code(code.before)))
}

/// Any code in a text, one beside a reply code before all others.
pub(super) fn of_text(text: &str) -> Option<&str> {
    of_reply(text).or_else(|| first(codes(text).filter(|code| is_introduced(code.before))))
}

/// The first code of a failure: a transcript is full of `250 2.1.0`.
fn first<'a>(codes: impl Iterator<Item = Code<'a>>) -> Option<&'a str> {
    let mut success = None;
    for code in codes {
        if !code.code.starts_with('2') {
            return Some(code.code);
        }
        success = success.or(Some(code.code));
    }
    success
}

/// What holds when field and diagnostic differ: the remote server's own code is nearer to the cause than what
/// the reporting MTA made of it, and any specific code says more than `5.0.0`.
pub(super) fn weighed(field: Option<String>, diagnostic: Option<&str>) -> Option<String> {
    let of_server = diagnostic.and_then(of_reply);
    if let Some(code) = of_server.filter(|code| !is_generic(code) || field.is_none()) {
        return Some(code.to_owned());
    }
    match field {
        Some(code) if !is_generic(&code) => Some(code),
        field => diagnostic.and_then(of_text).map(str::to_owned).or(field),
    }
}

/// `x.0.0` says no more than the class.
pub(super) fn is_generic(code: &str) -> bool {
    code.ends_with(".0.0")
}

/// Whether trying this recipient again is pointless: the address is at fault, not its mailbox's fill, a policy,
/// a filter, a route or the mail. In doubt it is not: a customer wrongly given up is never written to again.
pub(super) fn is_hard(recipient: &BouncedRecipient) -> bool {
    let status = recipient.status.as_deref().unwrap_or("5.0.0");
    if !matches!(recipient.action.as_deref(), None | Some("failed")) || !status.starts_with('5') {
        return false;
    }
    let words = recipient.diagnostic.as_deref().unwrap_or_default().to_lowercase();
    let unknown = phrases::any(&words, phrases::UNKNOWN_USER);
    let soft = phrases::any(&words, phrases::SOFT);
    match status {
        "5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10" | "5.2.1" | "5.4.4" | "5.7.27" => unknown || !soft,
        "5.1.7" | "5.1.8" | "5.2.2" | "5.2.3" | "5.3.4" | "5.4.7" => false,
        _ => unknown && !soft,
    }
}

struct Code<'a> {
    before: &'a [u8],
    code: &'a str,
}

fn codes(text: &str) -> impl Iterator<Item = Code<'_>> {
    let bytes = text.as_bytes();
    let searched = bytes.len().min(SEARCHED_OCTETS_MAX);
    (0..searched).filter_map(move |start| {
        let before = bytes.get(..start)?;
        let free = before.last().is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'/' | b'_' | b'@'));
        let end = if free { code_at(bytes, start)? } else { return None };
        Some(Code { before, code: text.get(start..end)? })
    })
}

/// The end of an RFC 3463 code that begins at `start`: class 2, 4 or 5, then two numbers of at most three digits.
fn code_at(bytes: &[u8], start: usize) -> Option<usize> {
    if !matches!(bytes.get(start), Some(b'2' | b'4' | b'5')) || bytes.get(start + 1) != Some(&b'.') {
        return None;
    }
    let subject = digits(bytes, start + 2)?;
    let detail = if bytes.get(subject) == Some(&b'.') { digits(bytes, subject + 1)? } else { return None };
    // `5.1.1.7` is an IP address or a version.
    let goes_on = match (bytes.get(detail), bytes.get(detail + 1)) {
        (Some(b'.'), Some(next)) => next.is_ascii_alphanumeric(),
        (Some(next), _) => next.is_ascii_alphanumeric() || *next == b'_',
        (None, _) => false,
    };
    (!goes_on).then_some(detail)
}

fn digits(bytes: &[u8], start: usize) -> Option<usize> {
    let count = bytes.get(start..)?.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    (1..=3).contains(&count).then_some(start + count)
}

fn follows_reply_code(before: &[u8]) -> bool {
    let end =
        before.iter().rposition(|b| !matches!(b, b' ' | b'\t' | b'-' | b'#' | b':' | b'\'' | b'(' | b'<' | b'\n'));
    let Some(digits) = end.and_then(|end| before.get(end.checked_sub(2)?..=end)) else { return false };
    let free = before.len() == 3
        || end.and_then(|end| before.get(end.checked_sub(3)?)).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'.');
    free && matches!(digits, [b'4' | b'5' | b'2', second, third] if second.is_ascii_digit() && third.is_ascii_digit())
}

/// Whether what stands before a number makes it a status code rather than a version or a date.
fn is_introduced(before: &[u8]) -> bool {
    let Some(last) = before.last() else { return true };
    if matches!(last, b'(' | b'#' | b'[' | b':' | b'\'' | b'"' | b'\n' | b'\r' | b';' | b'=') {
        return true;
    }
    let tail = before.get(before.len().saturating_sub(24)..).unwrap_or_default();
    let tail = String::from_utf8_lossy(tail).to_ascii_lowercase();
    let line = tail.rsplit(['\n', '\r']).next().unwrap_or_default().trim_end_matches([' ', '\t', '-']);
    line.is_empty()
        || line.ends_with([':', ';'])
        || ["code", "error", "status", "dsn", "said", "reason", "ndr"].iter().any(|word| line.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_versions_and_ip_addresses() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(of_text(text), expected, "{text}");
        check("550 5.1.1 <a@b.example>... User unknown", Some("5.1.1"));
        check("550-5.7.26 This mail is unauthenticated", Some("5.7.26"));
        check("user unknown (#5.1.1)", Some("5.1.1"));
        check("see DSN code 5.1.10 in Exchange Online", Some("5.1.10"));
        check("5.1.0 - Unknown address error 550-'5.7.1 no", Some("5.7.1"));
        check("connect to 5.6.7.8: timed out", None);
        check("Sendmail 5.61.2 said no", None);
        check("550 status 5.999999.1", None);
        check("", None);
    }

    #[test]
    fn the_remote_servers_code_beats_the_reporting_mtas() {
        let check = |field: Option<&str>, diagnostic: Option<&str>, expected: Option<&str>| {
            assert_eq!(weighed(field.map(str::to_owned), diagnostic).as_deref(), expected);
        };
        check(Some("5.0.0"), Some("smtp; 550 5.1.1 unknown"), Some("5.1.1"));
        check(Some("5.1.1"), Some("smtp; 550 5.7.1 listed"), Some("5.7.1"));
        check(Some("5.1.1"), Some("smtp; 550 5.0.0 no"), Some("5.1.1"));
        check(Some("5.0.0"), Some("smtp; 5.3.0 - Other mail system problem"), Some("5.3.0"));
        check(Some("5.0.0"), None, Some("5.0.0"));
        check(None, Some("550 no such user"), None);
    }

    #[test]
    fn only_a_faulty_address_is_hard() {
        let check = |status: Option<&str>, words: &str, expected: bool| {
            let recipient = BouncedRecipient {
                status: status.map(str::to_owned),
                diagnostic: Some(words.to_owned()),
                ..BouncedRecipient::default()
            };
            assert_eq!(is_hard(&recipient), expected, "{status:?} {words}");
        };
        check(Some("5.1.1"), "user unknown", true);
        check(Some("5.2.2"), "mailbox full", false);
        check(Some("5.7.1"), "blocked by spam filter", false);
        check(Some("4.4.7"), "expired", false);
        check(None, "550 no such user here", true);
        check(None, "552 mailbox quota exceeded", false);
        check(Some("5.0.0"), "554 blocked using dnsbl", false);
    }
}
