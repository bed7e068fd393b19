//! A mail taken apart into its parts (RFC 2045, 2046) in one pass over its lines, without recursion.
//!
//! Own walker instead of mail-parser's: that one searches to the end of the mail for every boundary that never
//! comes (quadratic), takes a boundary in the middle of a line, and frees enclosed mails by recursion, which
//! 30,000 of them turn into a dead process. Here every line is looked at once, nesting is a list, and what is
//! beyond the bounds stays in the raw bytes and leaves a defect.

use super::charset;
use super::defects::Defects;
use super::delimiter::{
    BOUNDARY_OCTETS_MAX, Delimiter, Open, before_line, content, delimiter, next_delimiter, undeclared_boundary,
    without_glued_delimiter,
};
use super::headers;
use super::part::{Body, Part};
use super::transfer::TransferEncoding;
use std::borrow::Cow;

/// How much structure one mail may have.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub depth_max: usize,
    pub parts_max: usize,
}

/// Takes `raw` apart; the root part comes first.
pub fn read(raw: &[u8], bounds: Bounds, defects: &mut Defects) -> Vec<Part> {
    let mut walker = Walker { bounds, defects, parts: Vec::new(), places: Vec::new(), encoded: Vec::new() };
    walker.walk(raw, None);
    // Enclosed mails that were base64 or quoted-printable: RFC 2046 §5.2.1 forbids it, clients do it.
    while let Some((octets, parent)) = walker.encoded.pop() {
        walker.walk(&octets, Some(parent));
    }
    walker.parts
}

struct Walker<'d> {
    bounds: Bounds,
    defects: &'d mut Defects,
    parts: Vec<Part>,
    /// Of each part.
    places: Vec<Place>,
    encoded: Vec<(Vec<u8>, usize)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    depth: usize,
    /// Inside of an enclosed mail: its octets are kept once, with that mail.
    enclosed: bool,
    /// Children without a Content-Type are mails (RFC 2046 §5.1.5).
    digest: bool,
}

/// An enclosed mail whose end has not come yet.
struct OpenMessage {
    part: usize,
    start: usize,
    /// Multiparts that were open around it.
    outside: usize,
}

impl Walker<'_> {
    fn walk(&mut self, octets: &[u8], parent: Option<usize>) {
        let mut open: Vec<Open> = Vec::new();
        let mut messages: Vec<OpenMessage> = Vec::new();
        let mut parent = parent;
        let mut at = headers::skip_preamble(octets, self.defects);
        while self.has_room() {
            let (fields, body) = headers::read(octets, at, |line| delimiter(line, &open).is_some(), self.defects);
            let place = self.place(parent);
            let part = Part::new(parent, fields, self.is_in_digest(parent), self.defects);
            let index = self.parts.len();
            let next = match self.shape(&part, place) {
                Shape::Multipart(boundary) => {
                    let digest = part.media_type == "multipart/digest";
                    self.push(part, Place { digest, ..place });
                    open.push(Open { boundary, part: index });
                    self.first_delimiter(octets, body, &mut open)
                }
                Shape::Message => {
                    self.push(part, place);
                    messages.push(OpenMessage { part: index, start: body, outside: open.len() });
                    parent = Some(index);
                    at = body + headers::skip_preamble(octets.get(body..).unwrap_or_default(), self.defects);
                    continue;
                }
                Shape::Leaf => {
                    let next = next_delimiter(octets, body, &open);
                    let content = content(octets, body, next.as_ref());
                    let content = if next.is_none() { without_glued_delimiter(content, &open) } else { content };
                    self.leaf(part, content, place);
                    next
                }
            };
            let Some(begin) = self.next_part(octets, next, &mut open, &mut messages) else {
                break;
            };
            (parent, at) = begin;
        }
        let end = octets.len();
        messages.drain(..).for_each(|message| self.close_message(octets, &message, end));
    }

    /// Closes what a delimiter closes; answers where the next part begins, and in which multipart.
    fn next_part(
        &mut self,
        octets: &[u8],
        mut next: Option<Delimiter>,
        open: &mut Vec<Open>,
        messages: &mut Vec<OpenMessage>,
    ) -> Option<(Option<usize>, usize)> {
        loop {
            let Some(delimiter) = next else {
                if !open.is_empty() {
                    self.defects.add("missing_end_boundary");
                }
                return None;
            };
            if open.len() > delimiter.open + 1 {
                self.defects.add("missing_end_boundary");
            }
            while let Some(message) = messages.pop_if(|message| message.outside > delimiter.open) {
                self.close_message(octets, &message, before_line(octets, message.start, delimiter.start));
            }
            open.truncate(delimiter.open + 1);
            if !delimiter.closing {
                let more = delimiter.end < octets.len();
                return more.then(|| (open.last().map(|open| open.part), delimiter.end));
            }
            open.pop();
            if open.is_empty() {
                return None;
            }
            next = next_delimiter(octets, delimiter.end, open);
        }
    }

    fn shape(&mut self, part: &Part, place: Place) -> Shape {
        let container = part.is_multipart() || part.is_message();
        if container && place.depth >= self.bounds.depth_max {
            self.defects.add("nested_too_deep");
            return Shape::Leaf;
        }
        if part.is_multipart() {
            let boundary = part.parameter("boundary").unwrap_or_default().trim_ascii_end();
            if boundary.is_empty() || boundary.len() > BOUNDARY_OCTETS_MAX {
                self.defects.add("multipart_without_boundary");
                return Shape::Multipart(Vec::new());
            }
            return Shape::Multipart(boundary.as_bytes().to_vec());
        }
        match part.is_message() && part.transfer_encoding() == TransferEncoding::Identity {
            true => Shape::Message,
            false => Shape::Leaf,
        }
    }

    fn leaf(&mut self, mut part: Part, octets: &[u8], place: Place) {
        let (decoded, broken) = part.transfer_encoding().decode(octets);
        if broken {
            self.defects.add("transfer_encoding_broken");
        }
        if part.is_message() && place.depth < self.bounds.depth_max {
            part.body = Body::Message;
            let decoded = decoded.into_owned();
            if !place.enclosed {
                part.octets = Some(decoded.clone());
            }
            self.encoded.push((decoded, self.parts.len()));
        } else if part.is_textual() {
            self.text(&mut part, decoded, place);
        } else {
            part.size = decoded.len();
            part.body = Body::Binary(if place.enclosed { Vec::new() } else { decoded.into_owned() });
        }
        self.push(part, place);
    }

    fn text(&mut self, part: &mut Part, decoded: Cow<'_, [u8]>, place: Place) {
        part.size = decoded.len();
        let label = part.parameter("charset").map(str::to_owned).or_else(|| html_charset(part, &decoded));
        let (text, repaired) = charset::decode(&decoded, label.as_deref());
        if repaired {
            self.defects.add("charset_repaired");
        }
        let text = line_feeds(text);
        let may_be_attachment = part.file_name.is_some()
            || part.disposition.as_deref() == Some("attachment")
            || !matches!(part.media_type.as_str(), "text/plain" | "text/html");
        if may_be_attachment && !place.enclosed && *decoded != *text.as_bytes() {
            part.octets = Some(decoded.into_owned());
        }
        part.body = Body::Text(text);
    }

    /// Where the first part of the multipart that was opened last begins. If its boundary never comes, the one
    /// that stands there is taken (gateways rewrite one of the two); failing that it is text.
    fn first_delimiter(&mut self, octets: &[u8], body: usize, open: &mut Vec<Open>) -> Option<Delimiter> {
        let next = next_delimiter(octets, body, open);
        let last = open.len();
        if next.as_ref().is_some_and(|next| next.open + 1 == last && !next.closing) {
            return next;
        }
        let content = content(octets, body, next.as_ref());
        let Some(innermost) = open.last_mut() else { return next };
        if let Some(boundary) = undeclared_boundary(content) {
            self.defects.add("boundary_mismatch");
            innermost.boundary = boundary;
            return next_delimiter(octets, body, open);
        }
        self.defects.add("multipart_without_parts");
        if let Some(part) = self.parts.get_mut(innermost.part) {
            part.size = content.len();
            part.body = Body::Text(line_feeds(charset::decode(content, None).0));
        }
        // Its own closing delimiter still closes it.
        if next.as_ref().is_none_or(|next| next.open + 1 != last) {
            open.pop();
        }
        next
    }

    fn close_message(&mut self, octets: &[u8], message: &OpenMessage, end: usize) {
        let enclosed = self.places.get(message.part).is_some_and(|place| place.enclosed);
        if let Some(part) = self.parts.get_mut(message.part) {
            let content = octets.get(message.start..end).unwrap_or_default();
            part.size = content.len();
            part.octets = (!enclosed).then(|| content.to_vec());
        }
    }

    fn push(&mut self, part: Part, place: Place) {
        self.parts.push(part);
        self.places.push(place);
    }

    fn has_room(&mut self) -> bool {
        let room = self.parts.len() < self.bounds.parts_max;
        if !room {
            self.defects.add("too_many_parts");
        }
        room
    }

    fn place(&self, parent: Option<usize>) -> Place {
        let Some((part, place)) = parent.and_then(|at| Some((self.parts.get(at)?, self.places.get(at)?))) else {
            return Place::default();
        };
        Place { depth: place.depth + 1, enclosed: place.enclosed || part.is_message(), digest: false }
    }

    fn is_in_digest(&self, parent: Option<usize>) -> bool {
        parent.and_then(|at| self.places.get(at)).is_some_and(|place| place.digest)
    }
}

enum Shape {
    Multipart(Vec<u8>),
    Message,
    Leaf,
}

/// LF line ends and no NUL: what every later reader of text relies on.
fn line_feeds(text: Cow<'_, str>) -> String {
    if !text.contains(['\r', '\0']) {
        return text.into_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find(['\r', '\0']) {
        let (before, tail) = rest.split_at(at);
        clean.push_str(before);
        if tail.starts_with('\r') && !tail.starts_with("\r\n") {
            clean.push('\n');
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

/// `<meta … charset=…>` of an HTML part that declares none in its header and is not UTF-8.
fn html_charset(part: &Part, octets: &[u8]) -> Option<String> {
    if part.media_type != "text/html" || std::str::from_utf8(octets).is_ok() {
        return None;
    }
    let head = String::from_utf8_lossy(octets.get(..1024).unwrap_or(octets)).to_ascii_lowercase();
    let (_, value) = head.split_once("charset=")?;
    let value = value.trim_start_matches(['"', '\'']);
    value.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.:".contains(c)).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line per part: depth by dashes, type, and the text's first line.
    fn outline(raw: &str, bounds: Bounds) -> (Vec<String>, Vec<&'static str>) {
        let mut defects = Defects::default();
        let parts = read(raw.as_bytes(), bounds, &mut defects);
        let depth = |part: &Part| {
            let mut part = part;
            let mut depth = 0;
            while let Some(parent) = part.parent {
                part = &parts[parent];
                depth += 1;
            }
            depth
        };
        let line = |part: &Part| {
            let text = part.text().map(|text| format!(" {:?}", text)).unwrap_or_default();
            format!("{}{}{text}", "-".repeat(depth(part)), part.media_type)
        };
        let lines = parts.iter().map(line).collect();
        (lines, defects.into_sorted())
    }

    fn check(raw: &str, expected: &[&str], defects: &[&str]) {
        let bounds = Bounds { depth_max: 64, parts_max: 1000 };
        let (lines, found) = outline(raw, bounds);
        assert_eq!((lines, found.as_slice()), (expected.iter().map(|s| (*s).to_owned()).collect(), defects), "{raw:?}");
    }

    const AB: &str = "Content-Type: multipart/mixed; boundary=a\r\n\r\n";

    #[test]
    fn parts_come_in_order_and_know_their_parent() {
        check(
            &format!(
                "{AB}preamble\r\n--a\r\n\r\none\r\n--a\r\nContent-Type: text/html\r\n\r\ntwo\r\n--a--\r\nepilogue"
            ),
            &["multipart/mixed", "-text/plain \"one\"", "-text/html \"two\""],
            &[],
        );
        check(
            &format!("{AB}--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nin\r\n--a\r\n\r\nout\r\n--a--"),
            &["multipart/mixed", "-message/rfc822", "--text/plain \"in\"", "-text/plain \"out\""],
            &[],
        );
        check(
            "Content-Type: multipart/digest; boundary=a\n\n--a\n\nSubject: x\n\nin\n--a--",
            &["multipart/digest", "-message/rfc822", "--text/plain \"in\""],
            &[],
        );
    }

    #[test]
    fn enclosed_mails_keep_their_octets() {
        let raw = format!("{AB}--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nin\r\n--a--\r\n");
        let parts = read(raw.as_bytes(), Bounds { depth_max: 64, parts_max: 9 }, &mut Defects::default());
        assert_eq!(parts[1].octets(), b"Subject: x\r\n\r\nin");
        let raw = "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKaW4=\n";
        let parts = read(raw.as_bytes(), Bounds { depth_max: 64, parts_max: 9 }, &mut Defects::default());
        assert_eq!((parts[0].octets(), parts[1].text()), (&b"Subject: x\n\nin"[..], Some("in")));
    }

    #[test]
    fn boundaries_have_one_reading() {
        // The same on two levels: the inner one is open, so it is the inner one's.
        check(
            &format!("{AB}--a\r\n{AB}--a\r\n\r\nx\r\n--a--\r\n--a\r\n\r\ny\r\n--a--"),
            &["multipart/mixed", "-multipart/mixed", "--text/plain \"x\"", "-text/plain \"y\""],
            &[],
        );
        // A prefix of another is another.
        check(&format!("{AB}--a\r\n\r\nx\r\n--ab\r\n--a--"), &["multipart/mixed", "-text/plain \"x\\n--ab\""], &[]);
        // Only a whole line is one.
        check(
            &format!("{AB}--a\r\n\r\nx --a\r\n --a\r\n--a \t\r\n\r\ny\r\n--a--"),
            &["multipart/mixed", "-text/plain \"x --a\\n --a\"", "-text/plain \"y\""],
            &[],
        );
        // An outer boundary ends what is inside.
        check(
            &format!(
                "{AB}--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--a--"
            ),
            &["multipart/mixed", "-multipart/mixed", "--text/plain \"x\"", "-text/plain \"y\""],
            &["missing_end_boundary"],
        );
    }

    #[test]
    fn broken_containers_are_text() {
        check(&format!("{AB}just text"), &["multipart/mixed \"just text\""], &["multipart_without_parts"]);
        check(
            "Content-Type: multipart/mixed\r\n\r\ntext",
            &["multipart/mixed \"text\""],
            &["multipart_without_boundary", "multipart_without_parts"],
        );
        check(
            "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\ntext",
            &["multipart/mixed \"--\\ntext\""],
            &["multipart_without_boundary", "multipart_without_parts"],
        );
        check(&format!("{AB}--a\r\n\r\ncut"), &["multipart/mixed", "-text/plain \"cut\""], &["missing_end_boundary"]);
        check(
            &format!("{AB}--a\r\n\r\nglued--a--"),
            &["multipart/mixed", "-text/plain \"glued\""],
            &["missing_end_boundary"],
        );
        check(
            &format!("{AB}--other\r\nContent-Type: text/html\r\n\r\nx\r\n--other--"),
            &["multipart/mixed", "-text/html \"x\""],
            &["boundary_mismatch"],
        );
        check(&format!("{AB}words\r\n--a--\r\n"), &["multipart/mixed \"words\""], &["multipart_without_parts"]);
        check("", &["text/plain \"\""], &[]);
        check("Content-Type: a/b/ c\r\n\r\nx", &["a/b/"], &[]);
        check("Content-Type: nonsense\r\n\r\nx", &["text/plain \"x\""], &[]);
    }

    #[test]
    fn bounds_hold_at_n_and_n_plus_one() {
        let nested = |levels: usize| "Content-Type: message/rfc822\r\n\r\n".repeat(levels) + "\r\nx";
        let bounds = Bounds { depth_max: 3, parts_max: 1000 };
        assert_eq!(outline(&nested(3), bounds).1, [""; 0]);
        assert_eq!(outline(&nested(4), bounds).1, ["nested_too_deep"]);
        let many = |parts: usize| format!("{AB}{}--a--", "--a\r\n\r\nx\r\n".repeat(parts));
        let bounds = Bounds { depth_max: 3, parts_max: 5 };
        assert_eq!(outline(&many(4), bounds).1, [""; 0]);
        let (lines, defects) = outline(&many(5), bounds);
        assert_eq!((lines.len(), defects.as_slice()), (5, &["too_many_parts"][..]));
    }
}
