//! `multipart/form-data` (RFC 7578), decoded while it comes: octets are held for one delimiter or one part's header only,
//! and each is looked at once. Pure.
//!
//! Ours, because what axum brings gathers a part's header without a bound and searches all of it anew with every packet.

use super::piece::{Kind, Malformed, Name, Piece};
use crate::mail::parameters;
use memchr::memmem;

/// The decoder of one body.
#[derive(Debug)]
pub struct Multipart {
    /// CRLF, two hyphens, and the boundary (RFC 2046 §5.1.1).
    delimiter: Vec<u8>,
    place: Place,
    /// Where a delimiter was seen that may turn out to be none.
    within: Place,
    held: Vec<u8>,
    /// Of a header in `held`, what was looked through: packets may be of one octet.
    searched: usize,
    parts: usize,
    doubtful: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Preamble,
    /// Behind a delimiter: the end of its line, or two hyphens for the last one.
    Delimiter,
    Header,
    Value,
    /// A part that is no parameter.
    Nameless,
    Epilogue,
}

impl Multipart {
    /// The decoder that this `Content-Type` asks for.
    pub fn of(content_type: &str) -> Result<Multipart, Malformed> {
        let (_, parameters) = parameters::parse(content_type);
        let boundary = parameters.into_iter().find(|(name, _)| name == "boundary").map(|(_, value)| value);
        let boundary = boundary.filter(|boundary| (1..=BOUNDARY_OCTETS_MAX).contains(&boundary.len()));
        let boundary = boundary.ok_or(Malformed("multipart without a boundary"))?;
        // The first delimiter may stand at the very beginning: as if a line had ended before it.
        let held = b"\r\n".to_vec();
        let (delimiter, place) = (format!("\r\n--{boundary}").into_bytes(), Place::Preamble);
        Ok(Multipart { delimiter, place, within: place, held, searched: 0, parts: 0, doubtful: false })
    }

    /// The body goes on behind its end: somebody who knew the boundary may have written that end into a value.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    pub fn feed(&mut self, octets: &[u8]) -> Result<Vec<Piece>, Malformed> {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(octets);
        let (mut at, mut pieces) = (0, Vec::new());
        while let Some(step) = self.step(held.get(at..).unwrap_or_default(), &mut pieces)? {
            at += step;
        }
        held.drain(..at);
        self.held = held;
        Ok(pieces)
    }

    /// The body is complete.
    pub fn finish(self) -> Result<Vec<Piece>, Malformed> {
        match self.place {
            Place::Epilogue => Ok(Vec::new()),
            _ => Err(Malformed("the multipart body ends before its last delimiter")),
        }
    }

    /// Octets that are done with; `None` when more are needed.
    fn step(&mut self, held: &[u8], pieces: &mut Vec<Piece>) -> Result<Option<usize>, Malformed> {
        match self.place {
            Place::Preamble | Place::Nameless | Place::Value => Ok(self.value(held, pieces)),
            Place::Delimiter => self.behind_delimiter(held, pieces),
            Place::Header => self.header(held, pieces),
            Place::Epilogue => Ok(self.epilogue(held)),
        }
    }

    fn epilogue(&mut self, held: &[u8]) -> Option<usize> {
        self.doubtful |= memmem::find(held, &self.delimiter).is_some();
        let done = held.len().saturating_sub(self.delimiter.len() - 1);
        (done > 0).then_some(done)
    }

    fn value(&mut self, held: &[u8], pieces: &mut Vec<Piece>) -> Option<usize> {
        let found = memmem::find(held, &self.delimiter);
        // What might be the beginning of a delimiter waits for its rest.
        let done = found.unwrap_or(held.len().saturating_sub(self.delimiter.len() - 1));
        if self.place == Place::Value && done > 0 {
            pieces.push(Piece::Octets(held.get(..done).unwrap_or_default().to_vec()));
        }
        if found.is_none() {
            return (done > 0).then_some(done);
        }
        self.within = std::mem::replace(&mut self.place, Place::Delimiter);
        Some(done + self.delimiter.len())
    }

    fn behind_delimiter(&mut self, held: &[u8], pieces: &mut Vec<Piece>) -> Result<Option<usize>, Malformed> {
        if held.starts_with(b"--") {
            self.end_value(pieces);
            self.place = Place::Epilogue;
            return Ok(Some(2));
        }
        // RFC 2046 §5.1.1: white space only. A longer boundary of a mail in the value may begin as this one does.
        let padding = held.iter().take_while(|octet| matches!(octet, b' ' | b'\t')).count();
        let is_longer = match held.get(padding..).unwrap_or_default() {
            [] | [b'\r'] | [b'\r', b'\n', ..] => false,
            [b'-'] if padding == 0 => false,
            _ => true,
        };
        if is_longer {
            self.place = self.within;
            if self.place == Place::Value {
                pieces.push(Piece::Octets(self.delimiter.clone()));
            }
            return Ok(Some(0));
        }
        match memmem::find(held, b"\r\n") {
            Some(at) => {
                self.end_value(pieces);
                self.place = Place::Header;
                self.parts += 1;
                if self.parts > PARTS_MAX {
                    return Err(Malformed("the multipart body has too many parts"));
                }
                // The line end stays: a header without a field begins with the empty line at once.
                Ok(Some(at))
            }
            None if held.len() > PADDING_OCTETS_MAX => Err(Malformed("a delimiter of the multipart body has no end")),
            None => Ok(None),
        }
    }

    fn end_value(&self, pieces: &mut Vec<Piece>) {
        if self.within == Place::Value {
            pieces.push(Piece::End);
        }
    }

    fn header(&mut self, held: &[u8], pieces: &mut Vec<Piece>) -> Result<Option<usize>, Malformed> {
        let header = held.get(..held.len().min(HEADER_OCTETS_MAX)).unwrap_or_default();
        let from = std::mem::replace(&mut self.searched, header.len().saturating_sub(3));
        let found = memmem::find(header.get(from..).unwrap_or_default(), b"\r\n\r\n").map(|at| from + at);
        let Some(end) = found else {
            let bounded = held.len() < HEADER_OCTETS_MAX;
            return if bounded { Ok(None) } else { Err(Malformed("the header of a part is too long")) };
        };
        self.searched = 0;
        self.place = match name(&String::from_utf8_lossy(header.get(..end).unwrap_or_default())) {
            Some(name) => {
                pieces.push(Piece::Name(name));
                Place::Value
            }
            None => Place::Nameless,
        };
        Ok(Some(end + 4))
    }
}

/// The parameter of a part.
fn name(header: &str) -> Option<Name> {
    let field = header.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    })?;
    let (_, parameters) = parameters::parse(field);
    let of = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match of("filename") {
        // A form's file field in which nothing was chosen.
        Some("") => None,
        Some(_) => of("name").map(|name| Name::of(name, Kind::Other)),
        None => of("name").map(|name| Name::of(name, Kind::Text)),
    }
}

const BOUNDARY_OCTETS_MAX: usize = 200;
const HEADER_OCTETS_MAX: usize = 8 * 1024;
const PADDING_OCTETS_MAX: usize = 256;
const PARTS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(body: &[u8], step: usize) -> Result<Vec<(Name, Vec<u8>)>, Malformed> {
        let mut multipart = Multipart::of("multipart/form-data; boundary=\"b b\"").expect("a boundary");
        let mut pieces = Vec::new();
        for cut in body.chunks(step) {
            pieces.extend(multipart.feed(cut)?);
            assert!(multipart.held.len() <= HEADER_OCTETS_MAX + step);
        }
        pieces.extend(multipart.finish()?);
        let mut found: Vec<(Name, Vec<u8>)> = Vec::new();
        for piece in pieces {
            match (piece, found.last_mut()) {
                (Piece::Name(name), _) => found.push((name, Vec::new())),
                (Piece::Octets(octets), Some((_, value))) => value.extend(octets),
                (Piece::Octets(_) | Piece::End, _) => {}
            }
        }
        Ok(found)
    }

    fn check(body: &str, expected: &[(&str, Kind, &str)]) {
        let shown = |(name, value): &(Name, Vec<u8>)| {
            (name.word.clone(), name.kind, String::from_utf8_lossy(value).into_owned())
        };
        let expected: Vec<_> = expected.iter().map(|(n, k, v)| ((*n).to_owned(), *k, (*v).to_owned())).collect();
        for step in [1, 2, 7, 100_000] {
            let found = decoded(body.as_bytes(), step).expect("well-formed");
            assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected, "steps of {step}");
        }
    }

    #[test]
    fn parts_are_found_however_they_are_cut() {
        check(
            "preamble\r\n--b b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\n\r\n--b b \r\n\
             content-type: text/plain\r\nContent-Disposition: form-data; name=mail\r\n\r\nX: y\r\n\r\nbody\r\n\r\n--b b--\r\nepilogue\r\n--b b",
            &[("a", Kind::Text, "1\r\n--b\r\n"), ("mail", Kind::Text, "X: y\r\n\r\nbody\r\n")],
        );
        check(
            "--b b\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--b b\r\nX: nameless\r\n\r\nz\r\n--b b\r\n\
             Content-Disposition: form-data; name=\"f\"; filename=\"a.eml\"\r\n\r\nz\r\n--b b--",
            &[("empty", Kind::Text, ""), ("f", Kind::Other, "z")],
        );
        check("--b b--", &[]);
        check("--b b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--b b--", &[]);
    }

    #[test]
    fn a_longer_boundary_within_a_value_is_text_of_it() {
        check(
            "--b b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b b2\r\n--b b-\r\n--b b \t x\r\n\r\n--b b2--\r\n\r\n--b b--",
            &[("a", Kind::Text, "1\r\n--b b2\r\n--b b-\r\n--b b \t x\r\n\r\n--b b2--\r\n")],
        );
    }

    #[test]
    fn a_body_that_goes_on_behind_its_end_is_doubtful() {
        let part = "--b b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        for (body, expected) in [
            (format!("{part}--b b--\r\n"), false),
            (format!("{part}--b b--\r\nepilogue\r\n--b\r\n"), false),
            (format!("{part}--b b--\r\n{part}--b b--\r\n"), true),
        ] {
            for step in [1, 7, 1000] {
                let mut multipart = Multipart::of("multipart/form-data; boundary=\"b b\"").expect("a boundary");
                body.as_bytes().chunks(step).for_each(|cut| drop(multipart.feed(cut).expect("well-formed")));
                assert_eq!(multipart.is_doubtful(), expected, "{body} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_part_without_a_header_is_no_parameter() {
        check("--b b\r\n\r\nvalue\r\n--b b--", &[]);
    }

    #[test]
    fn what_is_cut_short_is_told() {
        let whole = b"--b b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nvalue\r\n--b b--";
        for length in 0..whole.len() - 1 {
            assert!(decoded(&whole[..length], 5).is_err(), "cut at {length}");
        }
        assert!(decoded(&whole[..], 5).is_ok());
    }

    #[test]
    fn headers_delimiters_and_parts_are_bounded() {
        let long = format!("--b b\r\nX: {}", "x".repeat(HEADER_OCTETS_MAX));
        assert!(decoded(long.as_bytes(), 1000).is_err());
        let padded = format!("--b b{}", " ".repeat(PADDING_OCTETS_MAX + 1));
        assert!(decoded(padded.as_bytes(), 1000).is_err());
        let many = "--b b\r\nX: y\r\n\r\n\r\n".repeat(PARTS_MAX + 1);
        assert!(decoded(format!("{many}--b b--").as_bytes(), 1000).is_err());
        let fewer = "--b b\r\nX: y\r\n\r\n\r\n".repeat(PARTS_MAX);
        assert!(decoded(format!("{fewer}--b b--").as_bytes(), 1000).is_ok());
        for content_type in ["multipart/form-data", "multipart/form-data; boundary=\"\""] {
            assert!(Multipart::of(content_type).is_err());
        }
    }
}
