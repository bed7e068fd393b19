//! `value; name=value; …` of Content-Type and Content-Disposition: RFC 2045 §5.1, RFC 2231 continuations and charsets.
//!
//! Where a name is given in several ways one defined way wins, for showing and for every check alike:
//! `name*` before `name*0…` before `name`, and of equals the first.

use super::{charset, encoded_word, transfer};
use std::borrow::Cow;

/// Parameters one field may have, and pieces one parameter may be cut into: no client comes near.
pub const PARAMETERS_MAX: usize = 200;

/// The leading value in lower case, and the parameters with names in lower case.
pub fn parse(field: &str) -> (String, Vec<(String, String)>) {
    let mut pieces = split(field).into_iter();
    let first = pieces.next().unwrap_or_default();
    // `multipart/mixed boundary=x`: the semicolon is forgotten often enough that losing the parts is the worse reading.
    let (value, forgotten) = first.trim().split_once(char::is_whitespace).unwrap_or((first.trim(), ""));
    let value = value.to_ascii_lowercase();
    let mut raw: Vec<(Name, String)> = Vec::new();
    for piece in std::iter::once(forgotten.to_owned()).chain(pieces).take(PARAMETERS_MAX + 1) {
        if let Some((name, value)) = piece.split_once('=') {
            raw.push((Name::parse(name.trim()), unquote(value.trim()).into_owned()));
        }
    }
    (value, merge(raw))
}

/// A parameter's name taken apart: `filename*1*` is the second piece, percent-encoded.
struct Name {
    base: String,
    piece: Option<usize>,
    extended: bool,
}

impl Name {
    fn parse(name: &str) -> Name {
        let lower = name.to_ascii_lowercase();
        let (rest, extended) = lower.strip_suffix('*').map_or((lower.as_str(), false), |rest| (rest, true));
        let (base, number) = rest.split_once('*').map_or((rest, None), |(base, number)| (base, Some(number)));
        let piece = number.and_then(|number| number.parse().ok());
        Name { base: base.to_owned(), piece, extended }
    }
}

fn merge(raw: Vec<(Name, String)>) -> Vec<(String, String)> {
    let mut merged: Vec<(String, String)> = Vec::new();
    for (name, value) in &raw {
        if merged.iter().any(|(base, _)| *base == name.base) {
            continue;
        }
        let same = || raw.iter().filter(|(other, _)| other.base == name.base);
        let whole = same().find(|(other, _)| other.extended && other.piece.is_none());
        let value = match whole {
            Some((_, value)) => extended(value),
            None if same().any(|(other, _)| other.piece.is_some()) => continuation(same()),
            None => encoded_word::decode(value).into_owned(),
        };
        merged.push((name.base.clone(), value));
    }
    merged
}

/// RFC 2231 §3: pieces count from 0 without gaps; what comes behind a gap is not part of the value.
fn continuation<'a>(pieces: impl Iterator<Item = &'a (Name, String)>) -> String {
    let mut ordered: Vec<(usize, bool, &str)> =
        pieces.filter_map(|(name, value)| Some((name.piece?, name.extended, value.as_str()))).collect();
    ordered.sort_by_key(|(piece, ..)| *piece);
    ordered.dedup_by_key(|(piece, ..)| *piece);
    let first_extended = ordered.first().is_some_and(|(_, extended, _)| *extended);
    let mut label = None;
    let mut octets = Vec::new();
    // Some clients count from 1.
    let first = ordered.first().map_or(0, |(piece, ..)| (*piece).min(1));
    for (expected, (piece, extended, value)) in (first..).zip(ordered) {
        if piece != expected {
            break;
        }
        let value = match label {
            None if extended => {
                let (charset, rest) = charset_and_text(value);
                label = Some(charset);
                rest
            }
            _ => value,
        };
        if extended { octets.extend(percent_decode(value)) } else { octets.extend_from_slice(value.as_bytes()) }
    }
    let text = charset::decode(&octets, label.filter(|label| !label.is_empty())).0;
    // RFC 2047 words in continuations are wrong and common.
    if first_extended { encoded_word::one_line(&text).into_owned() } else { encoded_word::decode(&text).into_owned() }
}

/// RFC 2231 §4: `charset'language'percent-encoded`.
fn extended(value: &str) -> String {
    let (label, text) = charset_and_text(value);
    let octets = percent_decode(text);
    encoded_word::one_line(&charset::decode(&octets, Some(label).filter(|label| !label.is_empty())).0).into_owned()
}

fn charset_and_text(value: &str) -> (&str, &str) {
    let mut pieces = value.splitn(3, '\'');
    match (pieces.next(), pieces.next(), pieces.next()) {
        (Some(charset), Some(_), Some(text)) => (charset, text),
        _ => ("", value),
    }
}

/// `%41` to `A`; a `%` that begins nothing stands for itself.
pub fn percent_decode(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&octet, tail)) = rest.split_first() {
        rest = match (octet, tail) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                octets.push(transfer::hex(*high) << 4 | transfer::hex(*low));
                tail
            }
            _ => {
                octets.push(octet);
                tail
            }
        };
    }
    octets
}

/// Cuts at semicolons outside of quotes; comments outside of quotes are dropped.
fn split(field: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped, mut comments) = (false, false, 0usize);
    for c in field.chars() {
        let escape = std::mem::take(&mut escaped);
        match c {
            '\\' if !escape && (quoted || comments > 0) => escaped = true,
            '"' if !escape && comments == 0 => quoted = !quoted,
            '(' if !quoted && !escape && begins_comment(&pieces) => comments += 1,
            ')' if comments > 0 && !escape => {
                comments -= 1;
                continue;
            }
            ';' if !quoted && comments == 0 => {
                if pieces.len() > PARAMETERS_MAX {
                    return pieces;
                }
                pieces.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(piece) = pieces.last_mut().filter(|_| comments == 0) {
            piece.push(c);
        }
    }
    pieces
}

/// An unquoted `name=report (1).pdf` is a file name, not a comment: comments stand before a value, not inside one.
fn begins_comment(pieces: &[String]) -> bool {
    pieces.last().is_none_or(|piece| !piece.contains('=') || piece.trim_end().ends_with('"'))
}

/// RFC 5322 §3.2.4, forgiving: Windows paths arrive with single backslashes, so only `\"` and `\\` are escapes.
fn unquote(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"') else {
        return value.into();
    };
    let inner = closing_quote(inner).and_then(|end| inner.get(..end)).unwrap_or(inner);
    if inner.contains('\\') { inner.replace("\\\"", "\"").replace("\\\\", "\\").into() } else { inner.into() }
}

fn closing_quote(inner: &str) -> Option<usize> {
    let mut escaped = false;
    inner
        .char_indices()
        .find(|&(_, c)| {
            c == '"' && !std::mem::take(&mut escaped) || {
                escaped = c == '\\' && !escaped;
                false
            }
        })
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(field: &str, value: &str, expected: &[(&str, &str)]) {
        let (found, parameters) = parse(field);
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!((found.as_str(), parameters.as_slice()), (value, expected), "{field:?}");
    }

    #[test]
    fn plain_and_quoted_values() {
        check(
            "Text/Plain; Charset=\"utf-8\"; format=flowed",
            "text/plain",
            &[("charset", "utf-8"), ("format", "flowed")],
        );
        check("attachment; filename=\"a;b \\\"c\\\".txt\"", "attachment", &[("filename", "a;b \"c\".txt")]);
        check("attachment; filename=my report (1).pdf", "attachment", &[("filename", "my report (1).pdf")]);
        check("text/plain (comment; x=y); charset=a", "text/plain", &[("charset", "a")]);
        check("text/plain; charset=a; charset=b", "text/plain", &[("charset", "a")]);
        check("a; name=\"=?utf-8?q?=C3=A4?=.txt\"", "a", &[("name", "ä.txt")]);
        check("a; name=\"unclosed", "a", &[("name", "unclosed")]);
        check("multipart/mixed boundary=\"b\"", "multipart/mixed", &[("boundary", "b")]);
        check("", "", &[]);
    }

    #[test]
    fn rfc_2231_has_one_winner() {
        check("a; name*=utf-8'en'%c3%a4.txt; name=x", "a", &[("name", "ä.txt")]);
        check("a; name=x; name*=utf-8''%c3%a4.txt", "a", &[("name", "ä.txt")]);
        check("a; n*0*=utf-8''%c3%a4; n*1=b%; n*2*=%20c", "a", &[("n", "äb% c")]);
        check("a; n*1=b; n*0=a; n*3=d", "a", &[("n", "ab")]);
        check("a; n*0=a; n*0=z; n*1=b", "a", &[("n", "ab")]);
        check("a; n*=plain", "a", &[("n", "plain")]);
        check("a; n*=utf-8''%0d%0ax", "a", &[("n", "  x")]);
    }

    #[test]
    fn many_pieces_are_bounded() {
        let field: String = (0..100_000).map(|n| format!("; n*{n}*=x")).collect();
        let (_, parameters) = parse(&format!("a{field}"));
        assert_eq!(parameters.first().map(|(_, value)| value.len()), Some(PARAMETERS_MAX));
    }
}
