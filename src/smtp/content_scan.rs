//! What can be said of content while it passes: header size, fields, hops, and defects. It holds no content and its
//! findings do not depend on how the octets were cut.
//!
//! The header ends at the first empty line, CR LF or bare LF, because that is how mail parsers read it.

use memchr::{memchr, memchr2};

/// Enough of a line to know a `Received` field by.
const HEAD_OCTETS: usize = 9;

/// RFC 5322 §2.1.1: without the CR LF.
const LINE_OCTETS_MAX: usize = 998;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Header,
    Body,
}

/// The findings so far.
#[derive(Debug)]
pub struct ContentScan {
    part: Part,
    /// Octets of the header's finished lines.
    header_octets: usize,
    pub fields: usize,
    pub hops: usize,
    pub control_in_header: bool,
    bare_lf: bool,
    bare_cr: bool,
    nul: bool,
    long_line: bool,
    eight_bit: bool,
    /// Of the line being read.
    line_octets: usize,
    head: [u8; HEAD_OCTETS],
    /// The last octet was CR.
    after_cr: bool,
}

impl Default for ContentScan {
    fn default() -> ContentScan {
        ContentScan {
            part: Part::Header,
            header_octets: 0,
            fields: 0,
            hops: 0,
            control_in_header: false,
            bare_lf: false,
            bare_cr: false,
            nul: false,
            long_line: false,
            eight_bit: false,
            line_octets: 0,
            head: [0; HEAD_OCTETS],
            after_cr: false,
        }
    }
}

impl ContentScan {
    pub fn scan(&mut self, octets: &[u8]) {
        self.eight_bit |= !octets.is_ascii();
        let mut rest = octets;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (piece, tail) = rest.split_at(end);
            self.scan_piece(piece);
            rest = tail;
        }
    }

    /// Octets of the header, the line being read included unless it may turn out to be the empty one.
    pub fn header_octets(&self) -> usize {
        match self.part {
            Part::Header if self.line_octets > 2 => self.header_octets + self.line_octets,
            Part::Header | Part::Body => self.header_octets,
        }
    }

    /// The content is complete: the last line may lack its end.
    pub fn finish(&mut self) {
        if self.after_cr {
            self.found_bare_cr();
        }
        if self.line_octets > 0 {
            self.end_line(self.line_octets);
        }
    }

    /// Short names, in a fixed order.
    pub fn defects(&self) -> Vec<&'static str> {
        let found = [
            (self.bare_lf, "bare_lf"),
            (self.bare_cr, "bare_cr"),
            (self.nul, "nul"),
            (self.long_line, "long_line"),
            (self.eight_bit, "eight_bit"),
        ];
        found.into_iter().filter(|(found, _)| *found).map(|(_, name)| name).collect()
    }

    /// A line, or a part of one: LF stands at its end or nowhere.
    fn scan_piece(&mut self, piece: &[u8]) {
        if self.after_cr && piece.first() != Some(&b'\n') {
            self.found_bare_cr();
        }
        if self.part == Part::Header {
            self.keep_head(piece);
        }
        self.line_octets += piece.len();
        match piece.strip_suffix(b"\n") {
            Some(line) => {
                let (text, end) = match line.strip_suffix(b"\r") {
                    Some(text) => (text, 2),
                    None if line.is_empty() && self.after_cr => (line, 2),
                    None => (line, 1),
                };
                self.bare_lf |= end == 1;
                self.after_cr = false;
                self.scan_text(text);
                self.end_line(self.line_octets - end);
            }
            None => {
                self.after_cr = piece.ends_with(b"\r");
                self.scan_text(piece.strip_suffix(b"\r").unwrap_or(piece));
            }
        }
    }

    /// One search finds both rarities; only a line that has one is looked at twice.
    fn scan_text(&mut self, text: &[u8]) {
        if memchr2(b'\r', 0, text).is_none() {
            return;
        }
        if memchr(b'\r', text).is_some() {
            self.found_bare_cr();
        }
        if memchr(0, text).is_some() {
            self.nul = true;
            self.control_in_header |= self.part == Part::Header;
        }
    }

    fn found_bare_cr(&mut self) {
        self.bare_cr = true;
        self.control_in_header |= self.part == Part::Header;
    }

    fn keep_head(&mut self, piece: &[u8]) {
        let free = self.head.get_mut(self.line_octets..).unwrap_or_default();
        free.iter_mut().zip(piece).for_each(|(slot, octet)| *slot = *octet);
    }

    fn end_line(&mut self, text_octets: usize) {
        self.long_line |= text_octets > LINE_OCTETS_MAX;
        if self.part == Part::Header {
            if text_octets == 0 {
                self.part = Part::Body;
            } else {
                self.header_octets += self.line_octets;
                self.end_header_line(text_octets);
            }
        }
        self.line_octets = 0;
    }

    fn end_header_line(&mut self, text_octets: usize) {
        let [first, ..] = self.head;
        if matches!(first, b' ' | b'\t') {
            return;
        }
        self.fields += 1;
        let [name @ .., colon] = self.head;
        // RFC 5322 §4.5.8: the obsolete form has white space before the colon.
        let named = name.eq_ignore_ascii_case(b"received") && matches!(colon, b':' | b' ' | b'\t');
        self.hops += usize::from(named && text_octets >= HEAD_OCTETS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &[u8], header: (usize, usize, usize), control_in_header: bool, defects: &[&str]) {
        for piece in 1..=content.len() {
            let mut scan = ContentScan::default();
            content.chunks(piece).for_each(|part| scan.scan(part));
            scan.finish();
            assert_eq!((scan.header_octets(), scan.fields, scan.hops), header, "{:?}", content.escape_ascii());
            assert_eq!(scan.control_in_header, control_in_header, "{:?}", content.escape_ascii());
            assert_eq!(scan.defects(), defects, "{:?} by {piece}", content.escape_ascii());
        }
    }

    #[test]
    fn header_lines_fields_and_hops_are_counted() {
        check(b"A: b\r\n c\r\nreceived: x\r\nReceived : y\r\n\r\nReceived: z\r\n", (37, 3, 2), false, &[]);
        check(b"\r\nbody", (0, 0, 0), false, &[]);
        check(b"Received: only", (14, 1, 1), false, &[]);
        check(b"Receive\r\nReceivedX: y\r\n\r\n", (23, 2, 0), false, &[]);
    }

    #[test]
    fn defects_are_named_and_a_control_in_the_header_is_told_apart() {
        check(b"A: b\n\nc\r\n", (5, 1, 0), false, &["bare_lf"]);
        check(b"A: b\r\n\r\nc\rd\r\r\n", (6, 1, 0), false, &["bare_cr"]);
        check(b"A: b\rc\r\n\r\n", (8, 1, 0), true, &["bare_cr"]);
        check(b"A: \0\r\n\r\n", (6, 1, 0), true, &["nul"]);
        check(b"A: b\r\n\r\n\0\xff\r\n", (6, 1, 0), false, &["nul", "eight_bit"]);
        check(b"A: b\r\n\r\nc\r", (6, 1, 0), false, &["bare_cr"]);
    }

    #[test]
    fn a_line_of_998_octets_is_not_long() {
        let mut content = b"A: b\r\n\r\n".to_vec();
        content.extend([b'x'; 998]);
        content.extend(b"\r\n");
        check(&content, (6, 1, 0), false, &[]);
        content.insert(10, b'x');
        check(&content, (6, 1, 0), false, &["long_line"]);
    }
}
