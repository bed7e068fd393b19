//! Boundary lines of multiparts (RFC 2046 §5.1.1): where a part ends and what begins behind it.

use super::headers;

/// A multipart whose end has not come yet.
pub struct Open {
    pub boundary: Vec<u8>,
    pub part: usize,
}

/// A boundary line.
pub struct Delimiter {
    pub start: usize,
    pub end: usize,
    /// Which of the open multiparts it belongs to.
    pub open: usize,
    pub closing: bool,
}

/// RFC 2046 §5.1.1 allows 70; real clients stay below, and each `--` line is compared with every open one.
pub const BOUNDARY_OCTETS_MAX: usize = 1024;

/// The octets from `body` up to the line end before the delimiter, which belongs to it (RFC 2046 §5.1.1).
pub fn content<'a>(octets: &'a [u8], body: usize, next: Option<&Delimiter>) -> &'a [u8] {
    let end = next.map_or(octets.len(), |next| before_line(octets, body, next.start));
    octets.get(body..end).unwrap_or_default()
}

/// The last part without a closing delimiter that was glued to its last line by a sender who forgot the line end.
pub fn without_glued_delimiter<'a>(content: &'a [u8], open: &[Open]) -> &'a [u8] {
    let trimmed = content.trim_ascii_end();
    let glued = open
        .iter()
        .filter(|open| !open.boundary.is_empty())
        .rev()
        .find_map(|open| trimmed.strip_suffix(b"--")?.strip_suffix(open.boundary.as_slice())?.strip_suffix(b"--"));
    glued.unwrap_or(content)
}

pub fn before_line(octets: &[u8], body: usize, line: usize) -> usize {
    let before = octets.get(body..line).unwrap_or_default();
    let before = before.strip_suffix(b"\n").map_or(before, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    body + before.len()
}

pub fn next_delimiter(octets: &[u8], from: usize, open: &[Open]) -> Option<Delimiter> {
    if open.is_empty() {
        return None;
    }
    let mut at = from;
    while let Some(line) = headers::line(octets, at) {
        if let Some((open, closing)) = delimiter(line, open) {
            return Some(Delimiter { start: at, end: at + line.len(), open, closing });
        }
        at += line.len();
    }
    None
}

/// The innermost open multipart wins, so equal boundaries on several levels have one reading.
pub fn delimiter(line: &[u8], open: &[Open]) -> Option<(usize, bool)> {
    let rest = line.strip_prefix(b"--")?.trim_ascii_end();
    let closed = rest.strip_suffix(b"--");
    // An empty boundary is one that was not declared: nothing belongs to it.
    let declared = open.iter().enumerate().rev().filter(|(_, open)| !open.boundary.is_empty());
    declared.into_iter().find_map(|(index, open)| {
        if rest == open.boundary {
            return Some((index, false));
        }
        (closed == Some(open.boundary.as_slice())).then_some((index, true))
    })
}

/// The boundary that a multipart uses instead of the one it declares: a `--` line with a part's header behind it.
pub fn undeclared_boundary(content: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    while let Some(line) = headers::line(content, at) {
        at += line.len();
        let boundary = line.strip_prefix(b"--").map(<[u8]>::trim_ascii_end);
        let fine = |boundary: &&[u8]| !boundary.is_empty() && boundary.len() <= BOUNDARY_OCTETS_MAX;
        if let Some(boundary) = boundary.filter(fine).filter(|_| begins_part(content, at)) {
            return Some(boundary.to_vec());
        }
    }
    None
}

fn begins_part(content: &[u8], at: usize) -> bool {
    let next = headers::line(content, at).filter(|next| !next.trim_ascii().is_empty());
    let next = next.or_else(|| headers::line(content, at + headers::line(content, at)?.len()));
    next.and_then(|next| next.get(..8)).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
}
