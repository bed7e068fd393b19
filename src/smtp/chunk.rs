//! BDAT (RFC 3030 §2): the chunk's header, and how much of its octets is still to come.

use super::reply::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHeader {
    pub(super) octets: u64,
    pub(super) position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Inner,
    Last,
}

/// A chunk whose octets are being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) header: ChunkHeader,
    pub(super) left: u64,
    pub(super) fate: Fate,
}

/// What becomes of the octets. They are read in any case: they must not run as commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    /// Swallow them, then say this.
    Refuse(Reply),
    /// The same, and it counts as the peer's error.
    RefuseAsError(Reply),
}

impl Chunk {
    pub(super) fn new(header: ChunkHeader, fate: Fate) -> Chunk {
        Chunk { header, left: header.octets, fate }
    }
}

/// Parses `octets [LAST]`. RFC 3030 §2: chunk-size = 1*DIGIT; 20 digits hold every number there is room for.
pub(super) fn parse_header(text: &str) -> Option<ChunkHeader> {
    let text = text.strip_prefix(' ')?.trim_end_matches(' ');
    let (size, position) = match text.split_once(' ') {
        None => (text, Position::Inner),
        Some((size, last)) if last.eq_ignore_ascii_case("LAST") => (size, Position::Last),
        Some(_) => return None,
    };
    let digits = !size.is_empty() && size.len() <= 20 && size.bytes().all(|octet| octet.is_ascii_digit());
    let octets = size.parse().ok().filter(|_| digits)?;
    Some(ChunkHeader { octets, position })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_header_is_read_or_its_length_is_unknown() {
        let header = |octets, position| Some(ChunkHeader { octets, position });
        assert_eq!(parse_header(" 5"), header(5, Position::Inner));
        assert_eq!(parse_header(" 0 last "), header(0, Position::Last));
        assert_eq!(parse_header(" 007 LAST"), header(7, Position::Last));
        assert_eq!(parse_header(" 9223372036854775808"), header(1 << 63, Position::Inner));
        for wrong in ["", " ", " -1", " +5", " 0x10", " 18446744073709551616", " 5 LAST x", " LAST", " 5 FIRST"] {
            assert_eq!(parse_header(wrong), None, "{wrong:?}");
        }
    }
}
