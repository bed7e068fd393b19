//! What a remote host answers, read octet by octet to a code and escaped, bounded words; the reader never holds more than
//! one reply and gives up at the first octet that cannot belong to one (RFC 5321 §4.2).
//!
//! A host's words are data: nothing in them is ever part of a command, a log line or a terminal (CVE-2020-8794).

use crate::limits::{REMOTE_WORDS_OCTETS_MAX, REPLY_LINE_OCTETS_MAX, REPLY_LINES_MAX};
use std::fmt::{self, Write as _};

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteReply {
    /// 200 to 599.
    pub code: u16,
    /// Without the code, control characters escaped; at least one.
    lines: Vec<String>,
}

/// RFC 2034: subject and detail of an enhanced status code. Its class is that of the reply code, whatever the host wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enhanced {
    pub subject: u16,
    pub detail: u16,
}

/// Why octets are no reply. The connection cannot be used after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    #[error("a line of a reply has more than {REPLY_LINE_OCTETS_MAX} octets")]
    LineTooLong,
    #[error("a reply has more than {REPLY_LINES_MAX} lines")]
    TooManyLines,
    #[error("\"{0}\" is no line of an SMTP reply")]
    NotAReply(String),
    #[error("one reply has the codes {0} and {1}")]
    MixedCodes(u16, u16),
}

impl RemoteReply {
    /// Every line's words, for a host's capabilities.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// 2, 3, 4 or 5.
    pub fn class(&self) -> u16 {
        self.code / 100
    }

    /// As the first line gives it.
    pub fn enhanced(&self) -> Option<Enhanced> {
        split_enhanced(self.lines.first()?).map(|(enhanced, _)| enhanced)
    }

    /// All lines as one text without codes, what is repeated at the head of each line aside.
    pub fn words(&self) -> String {
        let strip = |line: &String| split_enhanced(line).map_or(line.clone(), |(_, rest)| rest.to_owned());
        self.lines.iter().map(strip).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// The same reply without a secret that the host repeats.
    pub fn without(mut self, secret: &str) -> RemoteReply {
        if !secret.is_empty() {
            self.lines.iter_mut().for_each(|line| *line = line.replace(secret, "(secret)"));
        }
        self
    }
}

/// One line of at most [`REMOTE_WORDS_OCTETS_MAX`] octets: `550 5.1.1 no such user`.
impl fmt::Display for RemoteReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.code.to_string();
        if let Some(enhanced) = self.enhanced() {
            let _ = write!(text, " {}.{enhanced}", self.class());
        }
        for word in [" ", &self.words()] {
            text.push_str(word);
        }
        f.write_str(capped(text.trim_end(), REMOTE_WORDS_OCTETS_MAX))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.subject, self.detail)
    }
}

/// Puts a reply together from whatever pieces it comes in.
#[derive(Debug, Default)]
pub struct ReplyReader {
    line: Vec<u8>,
    code: Option<u16>,
    lines: Vec<String>,
}

impl ReplyReader {
    /// Takes octets up to the end of one reply, and says how many it took; what is behind them belongs to the next one.
    pub fn feed(&mut self, octets: &[u8]) -> Result<(usize, Option<RemoteReply>), ReplyFault> {
        let mut taken = 0;
        while let Some(rest) = octets.get(taken..).filter(|rest| !rest.is_empty()) {
            let end = memchr::memchr(b'\n', rest);
            let piece = rest.get(..end.map_or(rest.len(), |at| at + 1)).unwrap_or(rest);
            if self.line.len() + piece.len() > REPLY_LINE_OCTETS_MAX {
                return Err(ReplyFault::LineTooLong);
            }
            self.line.extend_from_slice(piece);
            taken += piece.len();
            if end.is_some()
                && let Some(reply) = self.line_ended()?
            {
                return Ok((taken, Some(reply)));
            }
        }
        Ok((taken, None))
    }

    /// Whether a reply has begun and not ended.
    pub fn is_amid(&self) -> bool {
        self.code.is_some() || !self.line.is_empty()
    }

    fn line_ended(&mut self) -> Result<Option<RemoteReply>, ReplyFault> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(parsed) = ReplyLine::parse(line) else { return Err(ReplyFault::NotAReply(excerpt(line))) };
        let code = *self.code.get_or_insert(parsed.code);
        if code != parsed.code {
            return Err(ReplyFault::MixedCodes(code, parsed.code));
        }
        if self.lines.len() == REPLY_LINES_MAX {
            return Err(ReplyFault::TooManyLines);
        }
        self.lines.push(escaped(parsed.text));
        if parsed.goes_on {
            return Ok(None);
        }
        self.code = None;
        Ok(Some(RemoteReply { code, lines: std::mem::take(&mut self.lines) }))
    }
}

struct ReplyLine<'a> {
    code: u16,
    goes_on: bool,
    text: &'a [u8],
}

impl ReplyLine<'_> {
    /// `250-text`, `250 text`, and `250` alone, which RFC 5321 §4.2 asks clients to bear.
    fn parse(line: &[u8]) -> Option<ReplyLine<'_>> {
        let (digits, rest) = line.split_at_checked(3)?;
        let digits = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
        let code = digits.parse().ok().filter(|code| (200..=599).contains(code))?;
        match rest.split_first() {
            None => Some(ReplyLine { code, goes_on: false, text: b"" }),
            Some((b' ', text)) => Some(ReplyLine { code, goes_on: false, text }),
            Some((b'-', text)) => Some(ReplyLine { code, goes_on: true, text }),
            Some(_) => None,
        }
    }
}

/// Text of a remote host as it may be stored and shown: UTF-8, what could steer a terminal or a log escaped.
pub fn escaped(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for c in String::from_utf8_lossy(octets).chars() {
        if c.is_control() || is_direction(c) { text.extend(c.escape_default()) } else { text.push(c) }
    }
    text
}

/// Marks that make a line read otherwise than it is written.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The longest head of a text that fits.
pub fn capped(text: &str, octets_max: usize) -> &str {
    text.get(..text.floor_char_boundary(octets_max)).unwrap_or(text)
}

fn excerpt(line: &[u8]) -> String {
    escaped(line.get(..EXCERPT_OCTETS).unwrap_or(line))
}

const EXCERPT_OCTETS: usize = 100;

/// `5.1.1 text`: the code and what follows it.
fn split_enhanced(line: &str) -> Option<(Enhanced, &str)> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut numbers = word.trim_start_matches('#').split('.');
    let class = numbers.next()?;
    let mut number = || numbers.next().filter(|n| (1..=3).contains(&n.len()))?.parse::<u16>().ok();
    let enhanced = Enhanced { subject: number()?, detail: number()? };
    (matches!(class, "2" | "4" | "5") && numbers.next().is_none()).then(|| (enhanced, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Option<RemoteReply>, ReplyFault> {
        ReplyReader::default().feed(octets).map(|(_, reply)| reply)
    }

    fn check(octets: &str, expected: &str) {
        let reply = read(octets.as_bytes()).expect("a reply").expect("a whole one");
        assert_eq!(reply.to_string(), expected, "{octets:?}");
        let mut reader = ReplyReader::default();
        let singly = octets.bytes().find_map(|octet| reader.feed(&[octet]).expect("a reply").1);
        assert_eq!(singly, Some(reply), "octet by octet: {octets:?}");
    }

    fn refused(octets: impl AsRef<[u8]>, expected: &str) {
        assert_eq!(read(octets.as_ref()).expect_err("no reply").to_string(), expected);
    }

    #[test]
    fn a_reply_is_one_text_whatever_its_lines() {
        check("250 ok\r\n", "250 ok");
        check("250\r\n", "250");
        check("250 ok\n", "250 ok");
        check("550-5.7.26 unauthenticated\r\n550 5.7.26 mail.\r\n", "550 5.7.26 unauthenticated mail.");
        check("550 #5.1.1 gone\r\n", "550 5.1.1 gone");
        check("220-\r\n220 mx ESMTP\r\n", "220 mx ESMTP");
        check("421 4.3.2 a\0b\x1b[31m\u{202e}c\rd\r\n", "421 4.3.2 a\\u{0}b\\u{1b}[31m\\u{202e}c\\rd");
    }

    #[test]
    fn octets_behind_a_reply_are_left() {
        let mut reader = ReplyReader::default();
        assert_eq!(reader.feed(b"250 a\r\n250 b\r\n").unwrap().0, 7);
        assert_eq!(reader.feed(b"25").unwrap(), (2, None));
        assert!(reader.is_amid());
    }

    #[test]
    fn what_is_no_reply_ends_the_reading() {
        refused("099 x\r\n", "\"099 x\" is no line of an SMTP reply");
        refused("99 x\r\n", "\"99 x\" is no line of an SMTP reply");
        refused("999 x\r\n", "\"999 x\" is no line of an SMTP reply");
        refused("2500 x\r\n", "\"2500 x\" is no line of an SMTP reply");
        refused("\r\n", "\"\" is no line of an SMTP reply");
        refused("<html>\x07\r\n", "\"<html>\\u{7}\" is no line of an SMTP reply");
        refused("553-\n$(reboot)\r\n", "\"$(reboot)\" is no line of an SMTP reply");
        refused("250-a\r\n550 b\r\n", "one reply has the codes 250 and 550");
    }

    #[test]
    fn a_line_and_the_number_of_lines_are_bounded() {
        let line = |octets: usize| format!("250 {}\r\n", "x".repeat(octets - 6));
        assert!(read(line(REPLY_LINE_OCTETS_MAX).as_bytes()).unwrap().is_some());
        refused(line(REPLY_LINE_OCTETS_MAX + 1), "a line of a reply has more than 2048 octets");
        refused(vec![b'2'; REPLY_LINE_OCTETS_MAX + 1], "a line of a reply has more than 2048 octets");
        let lines = |count: usize| "250-x\r\n".repeat(count - 1) + "250 x\r\n";
        assert_eq!(read(lines(REPLY_LINES_MAX).as_bytes()).unwrap().unwrap().lines().len(), REPLY_LINES_MAX);
        refused(lines(REPLY_LINES_MAX + 1), "a reply has more than 64 lines");
    }

    #[test]
    fn what_is_shown_is_bounded_and_keeps_no_secret() {
        let long = format!("550-{0}\r\n550 {0}\r\n", "ä".repeat(900));
        let reply = read(long.as_bytes()).unwrap().unwrap();
        assert!(reply.to_string().len() <= REMOTE_WORDS_OCTETS_MAX);
        let told = read(b"535 5.7.8 hunter2 is wrong\r\n").unwrap().unwrap().without("hunter2");
        assert_eq!(told.to_string(), "535 5.7.8 (secret) is wrong");
    }
}
