//! A mail taken apart into its parts (RFC 2045, 2046) in one pass over its lines, without recursion.
//!
//! Own walker instead of mail-parser's: that one searches to the end of the mail for every boundary that never
//! comes (quadratic), takes a boundary in the middle of a line, and frees enclosed mails by recursion, which
//! 30,000 of them turn into a dead process. Here every line is looked at once, nesting is a list, and what is
//! beyond the bounds stays in the raw bytes and leaves a defect.

use super::defects::Defects;
use super::headers::{self, Field};
use super::parsed::{Body, Part};
use super::transfer::TransferEncoding;
use super::{charset, parameters};
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

/// A multipart whose end has not come yet.
struct Open {
    boundary: Vec<u8>,
    part: usize,
}

/// An enclosed mail whose end has not come yet.
struct OpenMessage {
    part: usize,
    start: usize,
    /// Multiparts that were open around it.
    outside: usize,
}

/// A boundary line.
struct Delimiter {
    start: usize,
    end: usize,
    /// Which of the open multiparts it belongs to.
    open: usize,
    closing: bool,
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
                    let next = next_delimiter(octets, body, &open);
                    if next.as_ref().is_none_or(|next| next.open + 1 != open.len()) {
                        self.without_parts(octets, body, next.as_ref(), index);
                        open.pop();
                    }
                    next
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
            if !boundary.is_empty() && boundary.len() <= BOUNDARY_OCTETS_MAX {
                return Shape::Multipart(boundary.as_bytes().to_vec());
            }
            self.defects.add("multipart_without_boundary");
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

    /// A multipart in which its boundary never comes is what stands there: text.
    fn without_parts(&mut self, octets: &[u8], body: usize, next: Option<&Delimiter>, index: usize) {
        self.defects.add("multipart_without_parts");
        let content = content(octets, body, next);
        if let Some(part) = self.parts.get_mut(index) {
            part.size = content.len();
            part.body = Body::Text(line_feeds(charset::decode(content, None).0));
        }
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

/// RFC 2046 §5.1.1 allows 70; real clients stay below, and each `--` line is compared with every open one.
const BOUNDARY_OCTETS_MAX: usize = 1024;

/// The octets from `body` up to the line end before the delimiter, which belongs to it (RFC 2046 §5.1.1).
fn content<'a>(octets: &'a [u8], body: usize, next: Option<&Delimiter>) -> &'a [u8] {
    let end = next.map_or(octets.len(), |next| before_line(octets, body, next.start));
    octets.get(body..end).unwrap_or_default()
}

/// The last part without a closing delimiter that was glued to its last line by a sender who forgot the line end.
fn without_glued_delimiter<'a>(content: &'a [u8], open: &[Open]) -> &'a [u8] {
    let trimmed = content.trim_ascii_end();
    let glued = open
        .iter()
        .rev()
        .find_map(|open| trimmed.strip_suffix(b"--")?.strip_suffix(open.boundary.as_slice())?.strip_suffix(b"--"));
    glued.unwrap_or(content)
}

fn before_line(octets: &[u8], body: usize, line: usize) -> usize {
    let before = octets.get(body..line).unwrap_or_default();
    let before = before.strip_suffix(b"\n").map_or(before, |rest| rest.strip_suffix(b"\r").unwrap_or(rest));
    body + before.len()
}

fn next_delimiter(octets: &[u8], from: usize, open: &[Open]) -> Option<Delimiter> {
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
fn delimiter(line: &[u8], open: &[Open]) -> Option<(usize, bool)> {
    let rest = line.strip_prefix(b"--")?.trim_ascii_end();
    let closed = rest.strip_suffix(b"--");
    open.iter().enumerate().rev().find_map(|(index, open)| {
        if rest == open.boundary {
            return Some((index, false));
        }
        (closed == Some(open.boundary.as_slice())).then_some((index, true))
    })
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

impl Part {
    /// A part known by its header; its body is still to be read.
    fn new(parent: Option<usize>, fields: Vec<Field>, in_digest: bool, defects: &mut Defects) -> Part {
        let structured = |name: &str| {
            let mut same = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
            let first = same.next().map(Field::structured);
            (first, same.next().is_some())
        };
        let (content_type, twice) = structured("content-type");
        if twice {
            defects.add("multiple_content_type");
        }
        if structured("content-transfer-encoding").1 {
            defects.add("multiple_content_transfer_encoding");
        }
        let default_type = if in_digest { "message/rfc822" } else { "text/plain" };
        let (media_type, parameters) = content_type.map(parameters::parse).unwrap_or_default();
        let (disposition, disposition_parameters) =
            structured("content-disposition").0.map(parameters::parse).unwrap_or_default();
        let named = |list: &[(String, String)], name: &str| {
            list.iter().find(|(n, value)| n == name && !value.trim().is_empty()).map(|(_, value)| value.clone())
        };
        let file_name = named(&disposition_parameters, "filename").or_else(|| named(&parameters, "name"));
        let media_type = media_type_or(media_type, default_type, file_name.is_some());
        let content_id = structured("content-id").0.map(|id| id.trim_matches(['<', '>', ' ']).to_owned());
        let body = match media_type.as_str() {
            kind if kind.starts_with("multipart/") => Body::Multipart,
            "message/rfc822" | "message/global" => Body::Message,
            _ => Body::Binary(Vec::new()),
        };
        Part {
            parent,
            media_type,
            parameters,
            disposition: Some(disposition).filter(|disposition| !disposition.is_empty()),
            file_name,
            content_id: content_id.filter(|id| !id.is_empty()),
            fields,
            body,
            octets: None,
            size: 0,
        }
    }

    fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    fn is_message(&self) -> bool {
        matches!(self.media_type.as_str(), "message/rfc822" | "message/global")
    }

    /// `text/*`, and the reports in `message/*`, which are lines of fields (RFC 3464, 5965, 8098).
    fn is_textual(&self) -> bool {
        let is_report = self.media_type.starts_with("message/") && !self.is_message();
        is_report || self.media_type.starts_with("text/") || self.is_multipart()
    }

    fn transfer_encoding(&self) -> TransferEncoding {
        TransferEncoding::of(self.field("content-transfer-encoding"))
    }
}

/// RFC 2045 §5.2: what is no `type/subtype` is plain text, unless it comes as a file.
fn media_type_or(media_type: String, default: &str, named: bool) -> String {
    let token = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic());
    match media_type.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) => media_type,
        _ if media_type == "multipart" => "multipart/mixed".to_owned(),
        _ if media_type.is_empty() => default.to_owned(),
        _ if named && media_type != "text" => "application/octet-stream".to_owned(),
        _ => "text/plain".to_owned(),
    }
}
