//! `application/x-www-form-urlencoded`, decoded while it comes. Pure. A `%` without two digits behind it stands for
//! itself: a mail is not lost for it.

use super::piece::{Kind, Malformed, Name, Piece};
use memchr::{memchr, memchr2};

/// The decoder of one body.
#[derive(Debug, Default)]
pub struct Form {
    place: Place,
    name: Vec<u8>,
    /// An escape that is not complete: nothing, `%`, or `%` and a digit.
    escape: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Name,
    Value,
}

impl Form {
    pub fn feed(&mut self, octets: &[u8]) -> Result<Vec<Piece>, Malformed> {
        let mut pieces = Vec::new();
        let mut rest = octets;
        while !rest.is_empty() {
            if self.place == Place::Name && self.name.is_empty() && self.escape.is_empty() {
                // Between separators is no parameter, however many there are.
                let nothing = rest.iter().take_while(|octet| **octet == b'&').count();
                rest = rest.get(nothing..).unwrap_or_default();
            }
            let end = self.separator(rest);
            let (text, tail) = rest.split_at(end);
            self.decode(text, &mut pieces)?;
            let Some((separator, tail)) = tail.split_first() else { break };
            self.separate(*separator, &mut pieces);
            rest = tail;
        }
        Ok(pieces)
    }

    /// The body is complete.
    pub fn finish(mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.separate(b'&', &mut pieces);
        pieces
    }

    fn separator(&self, rest: &[u8]) -> usize {
        let found = match self.place {
            Place::Name => memchr2(b'&', b'=', rest),
            Place::Value => memchr(b'&', rest),
        };
        found.unwrap_or(rest.len())
    }

    fn separate(&mut self, separator: u8, pieces: &mut Vec<Piece>) {
        let escape = std::mem::take(&mut self.escape);
        match self.place {
            Place::Name => {
                self.name.extend(escape);
                let name = std::mem::take(&mut self.name);
                if name.is_empty() && separator == b'&' {
                    return;
                }
                pieces.push(Piece::Name(Name::of(&String::from_utf8_lossy(&name), Kind::Text)));
                self.place = Place::Value;
                if separator == b'&' {
                    self.separate(separator, pieces);
                }
            }
            Place::Value => {
                if !escape.is_empty() {
                    pieces.push(Piece::Octets(escape));
                }
                pieces.push(Piece::End);
                self.place = Place::Name;
            }
        }
    }

    fn decode(&mut self, text: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Malformed> {
        let mut decoded = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&first, tail)) = rest.split_first() {
            if !self.escape.is_empty() {
                self.escape.push(first);
                rest = tail;
                if self.escape.len() == 3 {
                    unescape(&std::mem::take(&mut self.escape), &mut decoded);
                }
                continue;
            }
            let plain = memchr2(b'%', b'+', rest).unwrap_or(rest.len());
            decoded.extend_from_slice(rest.get(..plain).unwrap_or_default());
            rest = rest.get(plain..).unwrap_or_default();
            if let Some((&special, tail)) = rest.split_first() {
                rest = tail;
                match special {
                    b'+' => decoded.push(b' '),
                    _ => self.escape.push(special),
                }
            }
        }
        match self.place {
            Place::Name => {
                self.name.extend(decoded);
                if self.name.len() > NAME_OCTETS_MAX {
                    return Err(Malformed("the name of a parameter is too long"));
                }
            }
            Place::Value if decoded.is_empty() => {}
            Place::Value => pieces.push(Piece::Octets(decoded)),
        }
        Ok(())
    }
}

/// `%` and two octets.
fn unescape(escape: &[u8], decoded: &mut Vec<u8>) {
    let digit = |at: usize| escape.get(at).and_then(|octet| char::from(*octet).to_digit(16));
    match (digit(1), digit(2)) {
        (Some(high), Some(low)) => decoded.push(u8::try_from(high * 16 + low).unwrap_or(0)),
        _ => decoded.extend_from_slice(escape),
    }
}

const NAME_OCTETS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Names and values, whatever the cuts.
    fn decoded(body: &str, step: usize) -> Vec<(String, Vec<u8>)> {
        let mut form = Form::default();
        let mut pieces = Vec::new();
        for cut in body.as_bytes().chunks(step) {
            pieces.extend(form.feed(cut).expect("short names"));
        }
        pieces.extend(form.finish());
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        for piece in pieces {
            match (piece, found.last_mut()) {
                (Piece::Name(name), _) => found.push((name.word, Vec::new())),
                (Piece::Octets(octets), Some((_, value))) => value.extend(octets),
                (Piece::Octets(_) | Piece::End, _) => {}
            }
        }
        found
    }

    fn check(body: &str, expected: &[(&str, &[u8])]) {
        let expected: Vec<_> = expected.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        for step in [1, 2, 3, 1000] {
            assert_eq!(decoded(body, step), expected, "{body} in steps of {step}");
        }
    }

    #[test]
    fn names_and_values_come_decoded_however_they_are_cut() {
        check("a=1&b=2", &[("a", b"1"), ("b", b"2")]);
        check("a+b=c+d%20e%0D%0A%ff&x=", &[("a b", b"c d e\r\n\xff"), ("x", b"")]);
        check("&&a&b==&", &[("a", b""), ("b", b"=")]);
        check("", &[]);
        check("=x", &[("", b"x")]);
    }

    #[test]
    fn an_escape_that_is_none_stands_for_itself() {
        check("a=100%&b=%zz%4", &[("a", b"100%"), ("b", b"%zz%4")]);
    }

    #[test]
    fn arrays_and_objects_are_no_text_and_names_are_bounded() {
        let name = |written| Name::of(written, Kind::Text);
        assert_eq!((name("a[]").word.as_str(), name("a[b]").kind), ("a", Kind::Other));
        assert_eq!((name("a").kind, name("[").kind), (Kind::Text, Kind::Text));
        assert!(Form::default().feed(&vec![b'x'; NAME_OCTETS_MAX + 1]).is_err());
        assert!(Form::default().feed(&vec![b'x'; NAME_OCTETS_MAX]).is_ok());
    }
}
