//! The end of DATA, and dots: which octets between `354` and the end are content (RFC 5321 §4.5.2, §4.1.1.4).
//!
//! The end is exactly CR LF `.` CR LF, where the first CR LF may be the one that ended `DATA`. Everything else is
//! content, kept octet for octet save the stuffed dot. What other servers take for the end (SMTP smuggling,
//! CVE-2023-51764 and its family) is a dot line beside a bare CR or LF: it is content here, and it is remembered so
//! that the mail is refused once its true end has come. Who counts, scans or stores content is not decided here.

use memchr::memchr2;

/// Where in a line the next octet stands. The names say what has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// 1. CR LF, or nothing yet: a dot here is stuffing or the end.
    LineStart,
    /// 2. CR CR LF: a line start, but one beside a bare CR.
    LineStartAfterBareCr,
    /// 3. Inside a line: only CR and LF matter, so all else is skipped by the block.
    Text,
    /// 4. CR: the next octet says whether it is bare.
    Cr,
    /// 5. CR CR: the first one was bare.
    CrAfterBareCr,
    /// 6. A bare LF: some servers would call this a line start.
    AfterBareLf,
    /// 7. A dot after a bare CR or LF: content, and suspicious.
    BareDot,
    /// 8. LineStart and a dot, which is withheld.
    Dot,
    /// 9. LineStartAfterBareCr and a dot, which is withheld.
    DotAfterBareCr,
    /// 10. Dot and CR, both withheld: LF ends the content.
    DotCr,
}

/// What becomes of the octet that was looked at.
enum Fate {
    Keep,
    Withhold,
    /// The CR withheld before it was content after all, and so is this octet.
    KeepWithCr,
    End,
}

/// How far a call to [`DataReader::read`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// All octets were content.
    More,
    /// The end stands before the octet with this index.
    Ended(usize),
}

/// Reads content up to its end, across any split of the octets.
#[derive(Debug)]
pub(super) struct DataReader {
    state: State,
    smuggling: bool,
}

impl DataReader {
    pub(super) fn new() -> DataReader {
        DataReader { state: State::LineStart, smuggling: false }
    }

    /// A dot line stood beside a bare CR or LF.
    pub(super) fn saw_smuggling(&self) -> bool {
        self.smuggling
    }

    /// Appends the content in `octets` to `content`.
    pub(super) fn read(&mut self, octets: &[u8], content: &mut Vec<u8>) -> Progress {
        let run = |from: usize, to: usize| octets.get(from..to).unwrap_or_default();
        // `octets[kept..at]` is content that waits to be copied as one run.
        let (mut kept, mut at) = (0, 0);
        loop {
            if self.state == State::Text {
                at += memchr2(b'\r', b'\n', run(at, octets.len())).unwrap_or(octets.len() - at);
            }
            let Some(&octet) = octets.get(at) else { break };
            let (fate, state) = self.step(octet);
            self.state = state;
            match fate {
                Fate::Keep => {}
                Fate::Withhold => {
                    content.extend_from_slice(run(kept, at));
                    kept = at + 1;
                }
                Fate::KeepWithCr => content.push(b'\r'),
                Fate::End => return Progress::Ended(at + 1),
            }
            at += 1;
        }
        content.extend_from_slice(run(kept, octets.len()));
        Progress::More
    }

    fn step(&mut self, octet: u8) -> (Fate, State) {
        use State::*;
        let dot_line_may_end = matches!(octet, b'\r' | b'\n');
        self.smuggling |= match self.state {
            // Rows `LF . x` and `CR . x`: the dot line begins at a bare end, whichever way it ends.
            BareDot => dot_line_may_end,
            DotAfterBareCr => dot_line_may_end,
            // `CRLF . LF` and `CRLF . CR x`: it ends in a bare one.
            Dot => octet == b'\n',
            DotCr => octet != b'\n',
            LineStart | LineStartAfterBareCr | Text | Cr | CrAfterBareCr | AfterBareLf => false,
        };
        match (self.state, octet) {
            (DotCr, b'\n') => (Fate::End, LineStart),
            (DotCr, b'\r') => (Fate::KeepWithCr, CrAfterBareCr),
            (DotCr, b'.') => (Fate::KeepWithCr, BareDot),
            (DotCr, _) => (Fate::KeepWithCr, Text),
            (LineStart, b'.') => (Fate::Withhold, Dot),
            (LineStartAfterBareCr, b'.') => (Fate::Withhold, DotAfterBareCr),
            (Dot | DotAfterBareCr, b'\r') => (Fate::Withhold, DotCr),
            (Cr | CrAfterBareCr | AfterBareLf, b'.') => (Fate::Keep, BareDot),
            (Cr, b'\n') => (Fate::Keep, LineStart),
            (CrAfterBareCr, b'\n') => (Fate::Keep, LineStartAfterBareCr),
            (Cr | CrAfterBareCr, b'\r') => (Fate::Keep, CrAfterBareCr),
            (_, b'\r') => (Fate::Keep, Cr),
            (_, b'\n') => (Fate::Keep, AfterBareLf),
            (_, _) => (Fate::Keep, Text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, octets left behind the end (`None`: no end), and whether smuggling was seen.
    fn read(octets: &[u8], piece: usize) -> (Vec<u8>, Option<usize>, bool) {
        let (mut reader, mut content, mut at) = (DataReader::new(), Vec::new(), 0);
        for part in octets.chunks(piece) {
            if let Progress::Ended(used) = reader.read(part, &mut content) {
                return (content, Some(octets.len() - at - used), reader.saw_smuggling());
            }
            at += part.len();
        }
        (content, None, reader.saw_smuggling())
    }

    #[track_caller]
    fn check(octets: &[u8], content: &[u8], left: Option<usize>, smuggling: bool) {
        for piece in 1..=octets.len().max(1) {
            assert_eq!(read(octets, piece), (content.to_vec(), left, smuggling), "{:?}/{piece}", octets.escape_ascii());
        }
    }

    #[test]
    fn the_end_is_five_octets_and_nothing_else() {
        check(b".\r\nQUIT", b"", Some(4), false);
        check(b"\r\n.\r\n", b"\r\n", Some(0), false);
        check(b"a\r\n.\r\nQUIT\r\n", b"a\r\n", Some(6), false);
        check(b"a\r\n.\0\r\n.\r\n", b"a\r\n\0\r\n", Some(0), false);
        check(b"a\r\n. \r\n.\r\n", b"a\r\n \r\n", Some(0), false);
        check(b"a\0\r\n.\r\n", b"a\0\r\n", Some(0), false);
        check(b"a\n\r\n.\r\n", b"a\n\r\n", Some(0), false);
        for dot in ["\x0b.\x0b", "\x0c.\x0c", "\u{85}.\u{85}", "\u{2028}.\u{2028}"] {
            check(dot.as_bytes(), dot.as_bytes(), None, false);
        }
    }

    #[test]
    fn dots_are_unstuffed_at_line_starts_only() {
        check(b"..x\r\n.y\r\na.b\r\n...\r\n.\r\n", b".x\r\ny\r\na.b\r\n..\r\n", Some(0), false);
        check(b"a\n.x\r.y\r\n.\r\n", b"a\n.x\r.y\r\n", Some(0), false);
    }

    #[test]
    fn a_dot_line_beside_a_bare_cr_or_lf_is_content_and_is_remembered() {
        for v in ["\n.\n", "\n.\r\n", "\n.\r", "\r.\r", "\r.\n", "\r.\r\n", "\n\n.\r\n"] {
            let sent = format!("a{v}b\r\n.\r\n");
            check(sent.as_bytes(), format!("a{v}b\r\n").as_bytes(), Some(0), true);
        }
        for v in ["\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", "\r\r\n.\r\r\n", "\r\n.\r.\r\n"] {
            let sent = format!("a{v}b\r\n.\r\n");
            check(sent.as_bytes(), format!("a{}b\r\n", v.replacen("\n.", "\n", 1)).as_bytes(), Some(0), true);
        }
        check(b"a\r\r\n.\r\nb", b"a\r\r\n", Some(1), true);
    }

    /// The same by plain reading of the rule, all octets at hand: content, octets behind the end, smuggling.
    fn read_plainly(octets: &[u8]) -> Option<(Vec<u8>, usize, bool)> {
        let sent = [b"\r\n", octets].concat();
        let end = sent.windows(5).position(|five| five == b"\r\n.\r\n")? + 5;
        let text = &sent[..end];
        let is_end = |octet: u8| octet == b'\r' || octet == b'\n';
        let hostile = |at: usize| {
            let beside = text[at] == b'.' && is_end(text[at - 1]) && is_end(text[at + 1]);
            let before_is_bare = !text[..at].ends_with(b"\r\n") || text[..at].ends_with(b"\r\r\n");
            beside && (before_is_bare || !text[at + 1..].starts_with(b"\r\n"))
        };
        let smuggling = (2..end - 1).any(hostile);
        let mut content = Vec::new();
        let mut rest = &text[2..end - 3];
        while !rest.is_empty() {
            let line_end = rest.windows(2).position(|two| two == b"\r\n").map_or(rest.len(), |at| at + 2);
            let (line, tail) = rest.split_at(line_end);
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
            rest = tail;
        }
        Some((content, sent.len() - end, smuggling))
    }

    #[test]
    fn every_short_text_of_cr_lf_dot_and_letter_is_read_as_the_rule_says() {
        const ALPHABET: [u8; 4] = *b"\r\n.x";
        for number in 0..4u32.pow(8) {
            let mut text: Vec<u8> = (0..8).map(|place| ALPHABET[(number >> (2 * place) & 3) as usize]).collect();
            text.extend_from_slice(b"\r\n.\r\n");
            let (content, left, smuggling) = read_plainly(&text).expect("the end is there");
            for piece in [1, 3, text.len()] {
                assert_eq!(read(&text, piece), (content.clone(), Some(left), smuggling), "{:?}", text.escape_ascii());
            }
        }
    }
}
