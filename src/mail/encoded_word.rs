//! RFC 2047 encoded words in header values, and what makes a header value safe to show: one line, no controls.

use super::{charset, transfer};
use std::borrow::Cow;

/// Decodes every encoded word; controls become spaces, so a decoded CRLF never makes a second line.
pub fn decode(value: &str) -> Cow<'_, str> {
    match decode_words(value) {
        Cow::Borrowed(value) => one_line(value),
        Cow::Owned(value) => Cow::Owned(one_line(&value).into_owned()),
    }
}

/// Controls, line and paragraph separators become spaces: a header value is one line on every screen and in every log.
pub fn one_line(value: &str) -> Cow<'_, str> {
    let breaks = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
    if value.contains(breaks) { value.replace(breaks, " ").into() } else { value.into() }
}

struct Word<'a> {
    charset: &'a str,
    octets: Vec<u8>,
    rest: &'a str,
}

fn decode_words(value: &str) -> Cow<'_, str> {
    let mut text = String::new();
    let mut rest = value;
    // Octets of words that follow each other in one charset: a character may be split between them, which
    // RFC 2047 §5 forbids and half of all clients do.
    let mut pending: Option<(&str, Vec<u8>)> = None;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        let Some(word) = parse_word(from) else {
            flush(&mut text, &mut pending);
            text.push_str(before);
            text.push_str("=?");
            rest = from.get(2..).unwrap_or_default();
            continue;
        };
        // RFC 2047 §6.2: white space between encoded words is not shown.
        if pending.is_none() || !before.trim().is_empty() {
            flush(&mut text, &mut pending);
            text.push_str(before);
        }
        match &mut pending {
            Some((charset, octets)) if charset.eq_ignore_ascii_case(word.charset) => octets.extend(word.octets),
            _ => {
                flush(&mut text, &mut pending);
                pending = Some((word.charset, word.octets));
            }
        }
        rest = word.rest;
    }
    if text.is_empty() && pending.is_none() {
        return value.into();
    }
    flush(&mut text, &mut pending);
    text.push_str(rest);
    text.into()
}

fn flush(text: &mut String, pending: &mut Option<(&str, Vec<u8>)>) {
    if let Some((label, octets)) = pending.take() {
        text.push_str(&charset::decode(&octets, Some(label)).0);
    }
}

/// `=?charset*language?encoding?text?=`; `text` stands where `=?` does.
fn parse_word(text: &str) -> Option<Word<'_>> {
    let body = text.strip_prefix("=?")?;
    let window = body.get(..CHARSET_OCTETS_MAX).unwrap_or(body);
    let (charset, _) = window.split_once('?')?;
    let mut after = body.get(charset.len() + 1..)?.chars();
    let encoding = after.next()?;
    let payload = after.as_str().strip_prefix('?')?;
    let end = payload.find('?')?;
    let rest = payload.get(end..)?.strip_prefix("?=")?;
    let payload = payload.get(..end)?;
    let octets = match encoding {
        'b' | 'B' => transfer::base64(payload.as_bytes()).0,
        'q' | 'Q' => q_decode(payload),
        _ => return None,
    };
    // RFC 2231 §5: a language may follow the charset.
    let charset = charset.split('*').next().unwrap_or(charset);
    (!charset.is_empty() && charset.bytes().all(|octet| octet.is_ascii_graphic())).then_some(Word {
        charset,
        octets,
        rest,
    })
}

/// RFC 2047 §4.2: quoted-printable without line ends, `_` for the space.
fn q_decode(payload: &str) -> Vec<u8> {
    let spaced = payload.replace('_', " ");
    let mut octets = Vec::with_capacity(spaced.len());
    transfer::decode_line(spaced.as_bytes(), &mut octets);
    octets
}

/// No registered charset name is longer; without a bound, text full of `=?` would be searched over and over.
const CHARSET_OCTETS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(decode(value), expected, "{value:?}");
    }

    #[test]
    fn words_are_decoded_and_the_space_between_them_dropped() {
        check("=?utf-8?Q?K=C3=A4se_heute?=", "Käse heute");
        check("a =?utf-8?b?w6Q=?= =?utf-8?b?w7Y=?= b", "a äö b");
        check("=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä");
        check("=?iso-8859-1*de?q?=E4?=", "ä");
        check("=?utf-8?q?a?= mid =?utf-8?q?b?=", "a mid b");
        check("\"=?utf-8?q?a?=\"", "\"a\"");
    }

    #[test]
    fn what_is_no_word_stays() {
        check("=?utf-8?x?abc?=", "=?utf-8?x?abc?=");
        check("=?utf-8?q?abc", "=?utf-8?q?abc");
        check("1 =? 2", "1 =? 2");
        check("=?=?=?utf-8?q?a?=", "=?=?a");
        check("=??q?a?=", "=??q?a?=");
    }

    #[test]
    fn a_decoded_line_end_makes_no_second_line() {
        check("=?utf-8?q?a=0D=0ABcc:_x=00y?=", "a  Bcc: x y");
        check("=?utf-8?b?4oCo?=", " ");
        check("esc\u{1b}[31m", "esc [31m");
    }

    #[test]
    fn a_megabyte_of_word_beginnings_is_linear() {
        let hostile = "=?".repeat(500_000);
        assert_eq!(decode(&hostile).len(), 1_000_000);
        let hostile = "=?a?q?".repeat(200_000);
        assert_eq!(decode(&hostile).len(), 1_200_000);
    }
}
