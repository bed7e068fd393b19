//! Octets that wait to be read, and where a command line ends in them.
//!
//! RFC 5321 §2.3.8: a line ends with CR LF. A bare LF ends a line too, but one that is refused, so that its peer gets
//! an answer and nothing of it runs. A line over its limit is thrown away up to its CR LF, and no part of it is held.

use crate::limits::COMMAND_LINE_OCTETS_MAX;
use memchr::memchr;

/// Capacity an idle session may keep.
const IDLE_CAPACITY_OCTETS: usize = 4096;

/// An over-long line may go on this long before the connection is closed.
const DISCARDED_OCTETS_MAX: usize = 32 * COMMAND_LINE_OCTETS_MAX;

#[derive(Debug, Default)]
pub(super) struct Input {
    octets: Vec<u8>,
    start: usize,
    /// Octets behind `start` that hold no LF, so that a line fed octet by octet is searched once.
    searched: usize,
    discarded: usize,
}

/// What stands at the front.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Incomplete,
    /// The octets of the line and its CR LF.
    Ended(usize),
    /// The octets of the line and its bare LF.
    EndedBare(usize),
    TooLong,
    /// A first octet that no command line has: TLS, RDP, a PROXY header.
    NotText,
}

/// How far throwing away an over-long line came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Discard {
    More,
    Ended,
    TooMuch,
}

impl Input {
    /// What was read goes first: a peer that always leaves half a command behind must not make the buffer grow.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.octets.drain(..self.start);
        self.start = 0;
        self.octets.extend_from_slice(octets);
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    pub(super) fn starts_with_verb(&self, verb: &[u8]) -> bool {
        self.unread().get(..verb.len()).is_some_and(|start| start.eq_ignore_ascii_case(verb))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start >= self.octets.len()
    }

    pub(super) fn clear(&mut self) {
        *self = Input::default();
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        self.searched = 0;
        if self.is_empty() {
            self.octets.clear();
            self.start = 0;
        }
    }

    /// Gives back what a burst made grow.
    pub(super) fn shrink(&mut self) {
        if self.is_empty() && self.octets.capacity() > IDLE_CAPACITY_OCTETS {
            self.octets = Vec::new();
        }
    }

    pub(super) fn line(&mut self) -> Line {
        let unread = self.unread();
        match unread.first() {
            None => return Line::Incomplete,
            Some(b'\r' | b'\n' | b' '..=b'~') => {}
            Some(_) => return Line::NotText,
        }
        let within = unread.get(..COMMAND_LINE_OCTETS_MAX).unwrap_or(unread);
        match memchr(b'\n', within.get(self.searched..).unwrap_or_default()) {
            Some(at) => {
                let length = self.searched + at + 1;
                let ended = within.get(..length).is_some_and(|line| line.ends_with(b"\r\n"));
                if ended { Line::Ended(length) } else { Line::EndedBare(length) }
            }
            None if within.len() == COMMAND_LINE_OCTETS_MAX => Line::TooLong,
            None => {
                self.searched = within.len();
                Line::Incomplete
            }
        }
    }

    /// Throws away an over-long line. A bare LF in it does not end it: its tail must not run as a command.
    pub(super) fn discard_line(&mut self) -> Discard {
        let unread = self.unread();
        let end = memchr::memmem::find(unread, b"\r\n").map(|at| at + 2);
        let last_cr = usize::from(unread.ends_with(b"\r"));
        let count = end.unwrap_or(unread.len() - last_cr);
        self.discarded += count;
        self.consume(count);
        if self.discarded > DISCARDED_OCTETS_MAX {
            return Discard::TooMuch;
        }
        match end {
            Some(_) => {
                self.discarded = 0;
                Discard::Ended
            }
            None => Discard::More,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(octets: &[u8]) -> Line {
        let (mut whole, mut fed) = (Input::default(), Input::default());
        whole.push(octets);
        let mut by_octet = Line::Incomplete;
        for octet in octets {
            fed.push(&[*octet]);
            by_octet = fed.line();
            if by_octet != Line::Incomplete {
                break;
            }
        }
        let line = whole.line();
        assert_eq!(line, by_octet, "{:?}", octets.escape_ascii());
        line
    }

    #[test]
    fn a_line_ends_with_cr_lf_or_is_refused() {
        assert_eq!(line(b"NOOP\r\nQUIT\r\n"), Line::Ended(6));
        assert_eq!(line(b"NOOP\nQUIT\r\n"), Line::EndedBare(5));
        assert_eq!(line(b"NOOP\rQUIT\r\n"), Line::Ended(11));
        assert_eq!(line(b"NOOP\r"), Line::Incomplete);
        assert_eq!(line(b"\x16\x03\x01"), Line::NotText);
        assert_eq!(line(b"\xffA"), Line::NotText);
    }

    #[test]
    fn a_line_of_2048_octets_is_read_and_one_more_is_not() {
        let text = |octets: usize| [vec![b'x'; octets - 2], b"\r\n".to_vec()].concat();
        assert_eq!(line(&text(2048)), Line::Ended(2048));
        assert_eq!(line(&text(2049)), Line::TooLong);
    }

    #[test]
    fn an_over_long_line_is_thrown_away_to_its_cr_lf_and_no_further() {
        let mut input = Input::default();
        for part in [&b"xxx\nMAIL\r"[..], b"x\r", b"\nQUIT"] {
            assert_ne!(input.discard_line(), Discard::Ended);
            input.push(part);
        }
        assert_eq!(input.discard_line(), Discard::Ended);
        assert_eq!(input.unread(), b"QUIT");
    }

    #[test]
    fn half_a_command_left_behind_does_not_make_the_buffer_grow() {
        let mut input = Input::default();
        for _ in 0..1000 {
            input.push(b"OP\r\nNO");
            let Line::Ended(length) = input.line() else { panic!("a line ended") };
            input.consume(length);
        }
        assert!(input.octets.capacity() < 100, "{}", input.octets.capacity());
    }

    #[test]
    fn an_endless_line_holds_nothing_and_ends() {
        let mut input = Input::default();
        for _ in 0..DISCARDED_OCTETS_MAX / 1024 {
            input.push(&[b'x'; 1024]);
            assert_eq!(input.discard_line(), Discard::More);
            assert!(input.is_empty());
        }
        input.push(b"x");
        assert_eq!(input.discard_line(), Discard::TooMuch);
    }
}
