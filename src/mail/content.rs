//! What a mail brings to its reader: the body as text, as HTML, split by who wrote it, and the attachments.
//!
//! Decides which parts are body and which are attachments (RFC 2046, 2183, 2387, 2392). Sanitising HTML is left to
//! `html`, off this path: it costs more than all the rest.

use super::file_name;
use super::flowed::{self, BreakSpace};
use super::html_text;
use super::parameters::percent_decode;
use super::parsed::{Body, ParsedMail, Part};
use super::quoted::{self, SplitInput};
use aws_lc_rs::digest;
use std::borrow::Cow;
use std::collections::HashSet;

/// A mail's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The whole body as text.
    pub text: String,
    /// The body's HTML as it came: sanitise it before anyone sees it.
    pub html: Option<String>,
    /// What the person wrote; the subject if there is no body.
    pub visible: String,
    pub quoted: String,
    pub signature: String,
    pub attachments: Vec<Attachment>,
    pub defects: Vec<&'static str>,
}

/// A file that came with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Cleaned.
    pub name: String,
    pub media_type: String,
    pub size: usize,
    /// Shown inside of the HTML, which refers to it.
    pub inline: bool,
    pub content_id: Option<String>,
    /// Hex, of the decoded octets.
    pub sha256: String,
    /// Where its octets are: `mail.parts[part_index].octets()`.
    pub part_index: usize,
}

/// Reads a mail's content; `known` are texts that we ourselves mailed in this conversation.
pub fn read(mail: &ParsedMail, known: &[String]) -> Content {
    let selection = Selection::of(mail);
    let plain = selection.has_plain().then(|| selection.text(mail));
    let html = selection.html(mail);
    let split = quoted::split(SplitInput { text: plain.as_deref(), html: html.as_deref(), known });
    let text = plain.or_else(|| html.as_deref().map(html_text::text_of)).unwrap_or_default();
    let attachments = attachments(mail, &selection.attachments, html.as_deref());
    let mut content = Content {
        text,
        html,
        visible: split.visible,
        quoted: split.quoted,
        signature: split.signature,
        attachments,
        defects: mail.defects.clone(),
    };
    if content.text.trim().is_empty() && is_blank(&content) {
        content.visible = mail.subject().unwrap_or_default().trim().to_owned();
    }
    content
}

fn is_blank(content: &Content) -> bool {
    [&content.visible, &content.quoted, &content.signature].iter().all(|text| text.trim().is_empty())
}

/// Which parts are what.
#[derive(Debug, Default)]
struct Selection {
    pieces: Vec<Piece>,
    attachments: Vec<usize>,
}

/// One stretch of the body in the forms it was sent in.
#[derive(Debug, Clone, Default)]
struct Piece {
    plain: Vec<usize>,
    html: Vec<usize>,
}

impl Selection {
    fn of(mail: &ParsedMail) -> Selection {
        let children = Children::of(mail);
        let mut selection = Selection::default();
        if !mail.parts.is_empty() {
            selection.visit(mail, &children, 0);
        }
        if selection.pieces.is_empty() {
            selection.promote_file(mail);
        }
        selection
    }

    /// Gateways from text messages (MMS) send what the person wrote as a named part and nothing else.
    fn promote_file(&mut self, mail: &ParsedMail) {
        let readable = |&index: &usize| {
            let part = mail.parts.get(index);
            part.is_some_and(|part| is_readable(part) && part.disposition.as_deref() != Some("attachment"))
        };
        if let Some(at) = self.attachments.iter().position(readable) {
            let index = self.attachments.remove(at);
            self.pieces.push(Piece::of(mail, index));
        }
    }

    /// Recursion is bounded by the depth the structure was read with.
    fn visit(&mut self, mail: &ParsedMail, children: &Children, index: usize) {
        let Some(part) = mail.parts.get(index) else { return };
        match &part.body {
            Body::Multipart if part.media_type == "multipart/alternative" => self.alternative(mail, children, index),
            Body::Multipart if part.media_type == "multipart/related" => self.related(mail, children, index),
            Body::Multipart => children.of_part(index).iter().for_each(|&child| self.visit(mail, children, child)),
            Body::Text(_) if is_body(part) => self.pieces.push(Piece::of(mail, index)),
            Body::Text(_) | Body::Message | Body::Binary(_) => self.attachments.push(index),
        }
    }

    /// RFC 2046 §5.1.4: the same content in several forms. One form may come in several stretches (Apple Mail puts
    /// HTML between images), so all plain texts are one form and all HTML the other.
    fn alternative(&mut self, mail: &ParsedMail, children: &Children, index: usize) {
        let mut inner = Selection::default();
        for &child in children.of_part(index) {
            inner.visit(mail, children, child);
        }
        self.attachments.append(&mut inner.attachments);
        let mut plain: Vec<usize> = inner.pieces.iter().flat_map(|piece| piece.plain.iter().copied()).collect();
        let html: Vec<usize> = inner.pieces.iter().flat_map(|piece| piece.html.iter().copied()).collect();
        let is_blank =
            |&index: &usize| mail.parts.get(index).is_none_or(|part| part.text().unwrap_or_default().trim().is_empty());
        // Senders that write HTML only send an empty text beside it.
        if !html.is_empty() && plain.iter().all(is_blank) {
            plain.clear();
        }
        if !plain.is_empty() || !html.is_empty() {
            self.pieces.push(Piece { plain, html });
        }
    }

    /// RFC 2387: one root, and what it refers to.
    fn related(&mut self, mail: &ParsedMail, children: &Children, index: usize) {
        let all = children.of_part(index);
        let start = mail.parts.get(index).and_then(|part| part.parameter("start"));
        let is_start = |&&child: &&usize| {
            let id = mail.parts.get(child).and_then(|part| part.content_id.as_deref());
            id.is_some() && id == start.map(|start| start.trim_matches(['<', '>']))
        };
        // RFC 2387 §3.2: the first, where none is named; senders who put a picture first mean the text all the same.
        let may_be_root =
            |&&child: &&usize| mail.parts.get(child).is_some_and(|part| part.is_multipart() || is_body(part));
        let root = all.iter().find(is_start).or_else(|| all.iter().find(may_be_root)).copied();
        for &child in all {
            let refers = mail.parts.get(child).is_some_and(|part| part.content_id.is_some() && part.text().is_some());
            if Some(child) != root && refers { self.attachments.push(child) } else { self.visit(mail, children, child) }
        }
    }

    fn has_plain(&self) -> bool {
        self.pieces.iter().any(|piece| !piece.plain.is_empty())
    }

    fn text(&self, mail: &ParsedMail) -> String {
        join(self.pieces.iter().map(|piece| match piece.plain.as_slice() {
            [] => html_text::text_of(&piece.html(mail)).into(),
            plain => joined(plain.iter().filter_map(|&index| plain_text(mail.parts.get(index)?))),
        }))
    }

    /// `None` if no piece was sent as HTML; else every piece, so that the HTML shows no less than the text.
    fn html(&self, mail: &ParsedMail) -> Option<String> {
        self.pieces.iter().find(|piece| !piece.html.is_empty())?;
        Some(join(self.pieces.iter().map(|piece| match piece.plain.as_slice() {
            plain if piece.html.is_empty() => {
                let text = joined(plain.iter().filter_map(|&index| plain_text(mail.parts.get(index)?)));
                format!("<pre>{}</pre>", escape(&text)).into()
            }
            _ => piece.html(mail),
        })))
    }
}

impl Piece {
    fn of(mail: &ParsedMail, index: usize) -> Piece {
        match mail.parts.get(index).map(|part| part.media_type.as_str()) {
            Some("text/html") => Piece { html: vec![index], plain: Vec::new() },
            Some(_) | None => Piece { plain: vec![index], html: Vec::new() },
        }
    }

    fn html<'m>(&self, mail: &'m ParsedMail) -> Cow<'m, str> {
        joined(self.html.iter().filter_map(|&index| mail.parts.get(index)?.text().map(Cow::Borrowed)))
    }
}

/// The parts inside each part, found once: asking for them one by one is quadratic in a mail of many parts.
struct Children(Vec<Vec<usize>>);

impl Children {
    fn of(mail: &ParsedMail) -> Children {
        let mut children = vec![Vec::new(); mail.parts.len()];
        for (index, part) in mail.parts.iter().enumerate() {
            if let Some(list) = part.parent.and_then(|parent| children.get_mut(parent)) {
                list.push(index);
            }
        }
        Children(children)
    }

    fn of_part(&self, index: usize) -> &[usize] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }
}

/// Whether a text part is something to read rather than a file. The root is: there is nothing else to read.
fn is_body(part: &Part) -> bool {
    let is_attachment = part.disposition.as_deref() == Some("attachment");
    !is_attachment && (part.parent.is_none() || is_readable(part) && part.file_name.is_none())
}

/// A multipart that has no parts is text.
fn is_readable(part: &Part) -> bool {
    matches!(part.media_type.as_str(), "text/plain" | "text/html") || part.media_type.starts_with("multipart/")
}

fn plain_text(part: &Part) -> Option<Cow<'_, str>> {
    let text = part.text()?;
    let flowed = part.parameter("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed"));
    if !flowed {
        return Some(text.into());
    }
    let delete = part.parameter("delsp").is_some_and(|delsp| delsp.eq_ignore_ascii_case("yes"));
    Some(flowed::unflow(text, if delete { BreakSpace::Delete } else { BreakSpace::Keep }).into())
}

fn join<'a>(pieces: impl Iterator<Item = Cow<'a, str>>) -> String {
    joined(pieces).into_owned()
}

/// The pieces one below the other; a single one, the usual case, is not copied.
fn joined<'a>(mut pieces: impl Iterator<Item = Cow<'a, str>>) -> Cow<'a, str> {
    let mut joined = pieces.next().unwrap_or_default();
    for piece in pieces {
        let text = joined.to_mut();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&piece);
    }
    joined
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn attachments(mail: &ParsedMail, indices: &[usize], html: Option<&str>) -> Vec<Attachment> {
    let references = html.map(References::of).unwrap_or_default();
    let part = |&index: &usize| mail.parts.get(index).map(|part| (index, part));
    let numbered = indices.iter().filter_map(part).zip(1..);
    numbered.map(|((index, part), number)| attachment(part, index, number, &references)).collect()
}

fn attachment(part: &Part, part_index: usize, number: usize, references: &References<'_>) -> Attachment {
    let octets = part.octets();
    let sha256 = digest::digest(&digest::SHA256, octets);
    Attachment {
        name: part
            .file_name
            .as_deref()
            .and_then(file_name::clean)
            .unwrap_or_else(|| file_name::unnamed(&part.media_type, number)),
        media_type: part.media_type.clone(),
        size: octets.len(),
        inline: references.name(part),
        content_id: part.content_id.clone(),
        sha256: data_encoding::HEXLOWER.encode(sha256.as_ref()),
        part_index,
    }
}

/// What the HTML shows from inside of the mail: `cid:` URLs and Content-Locations (RFC 2392, RFC 2557).
#[derive(Default)]
struct References<'a> {
    ids: HashSet<Vec<u8>>,
    html: &'a str,
}

impl<'a> References<'a> {
    fn of(html: &'a str) -> References<'a> {
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>' | '<' | ')' | '\\');
        // Browsers read the scheme in any case; mail clients write it in lower case.
        let urls = html.split("cid:").skip(1).chain(html.split("CID:").skip(1));
        let ids = urls.filter_map(|rest| rest.split(ends).next()).map(|id| percent_decode(&id.replace("&amp;", "&")));
        References { ids: ids.collect(), html }
    }

    fn name(&self, part: &Part) -> bool {
        let id = part.content_id.as_deref();
        let by_id = id.is_some_and(|id| self.ids.contains(id.as_bytes()) || self.ids.contains(&percent_decode(id)));
        let location = || part.field("content-location").map(str::trim).filter(|location| location.len() > 3);
        by_id || !self.html.is_empty() && location().is_some_and(|location| self.html.contains(location))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_mail(raw: &str) -> Content {
        read(&ParsedMail::parse(raw.as_bytes()), &[])
    }

    /// `expected` is the text and, of each attachment, name, size and whether it is inline.
    fn check(raw: &str, text: &str, expected: &[(&str, usize, bool)]) {
        let content = read_mail(raw);
        let attachments: Vec<(&str, usize, bool)> =
            content.attachments.iter().map(|a| (a.name.as_str(), a.size, a.inline)).collect();
        assert_eq!((content.text.as_str(), attachments.as_slice()), (text, expected), "{raw}");
    }

    fn multipart(kind: &str, parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--b{kind}\n{part}\n")).collect();
        format!("Content-Type: multipart/{kind}; boundary=b{kind}\n\n{parts}--b{kind}--\n")
    }

    const PLAIN: &str = "Content-Type: text/plain\n\nplain";
    const HTML: &str = "Content-Type: text/html\n\n<p>html <img src=\"cid:i%40x\"></p>";
    const IMAGE: &str = "Content-Type: image/png\nContent-ID: <i@x>\n\nPNG";
    const PDF: &str = "Content-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\nPDF!";

    #[test]
    fn alternatives_are_one_text_and_mixed_parts_follow_each_other() {
        let both = multipart("alternative", &[PLAIN, HTML]);
        check(&both, "plain", &[]);
        assert!(read_mail(&both).html.is_some_and(|html| html.contains("<p>html")));
        check(&multipart("mixed", &[PLAIN, PDF, PLAIN]), "plain\nplain", &[("a.pdf", 4, false)]);
        let calendar = "Content-Type: text/calendar\n\nBEGIN:VCALENDAR";
        check(&multipart("alternative", &[PLAIN, calendar]), "plain", &[("attachment-1.ics", 15, false)]);
    }

    #[test]
    fn html_alone_is_the_text_too() {
        assert_eq!(read_mail(HTML).text.trim(), "html");
        let footer = read_mail(&multipart("mixed", &[HTML, PLAIN]));
        assert!(footer.text.contains("html") && footer.text.contains("plain"), "{footer:?}");
        assert!(footer.html.is_some_and(|html| html.contains("<pre>plain</pre>")));
    }

    #[test]
    fn words_are_found_where_clients_hide_them() {
        let blank = "Content-Type: text/plain\n\n \n";
        assert_eq!(read_mail(&multipart("alternative", &[blank, HTML])).text.trim(), "html");
        let named = "Content-Type: text/plain; name=text_0.txt\n\nsent from a phone";
        check(&multipart("mixed", &[IMAGE, named]), "sent from a phone", &[("attachment-1.png", 3, false)]);
        let file = "Content-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nfile";
        check(&multipart("mixed", &[file]), "", &[("a.txt", 4, false)]);
    }

    #[test]
    fn a_picture_is_inline_only_where_the_html_shows_it() {
        let related = multipart("related", &[HTML, IMAGE]);
        check(&multipart("alternative", &[PLAIN, &related]), "plain", &[("attachment-1.png", 3, true)]);
        check(&multipart("mixed", &[PLAIN, IMAGE]), "plain", &[("attachment-1.png", 3, false)]);
        let other = "Content-Type: image/png\nContent-Disposition: inline\nContent-ID: <other@x>\n\nPNG";
        check(
            &multipart("alternative", &[PLAIN, &multipart("related", &[HTML, other])]),
            "plain",
            &[("attachment-1.png", 3, false)],
        );
        let identified = "Content-Type: text/html\nContent-ID: <root@x>\n\n<p>html <img src=\"cid:i@x\"></p>";
        assert!(read_mail(&multipart("related", &[IMAGE, identified])).text.contains("html"));
        let located = "Content-Type: text/html\n\n<img src=\"http://h/p.png\">";
        let image = "Content-Type: image/png\nContent-Location: http://h/p.png\n\nPNG";
        assert!(read_mail(&multipart("related", &[located, image])).attachments[0].inline);
    }

    #[test]
    fn files_are_attachments_whatever_they_are() {
        let notes = "Content-Type: text/plain; name=notes.txt\n\nnotes";
        let page = "Content-Type: text/html\nContent-Disposition: attachment\n\n<p>";
        let mail = "Content-Type: message/rfc822\n\nSubject: s\n\nhidden";
        let tnef = "Content-Type: application/ms-tnef; name=winmail.dat\n\nTNEF";
        let empty = "Content-Type: application/pdf; name=empty.pdf\n\n";
        check(
            &multipart("mixed", &[PLAIN, notes, page, mail, tnef, empty]),
            "plain",
            &[
                ("notes.txt", 5, false),
                ("attachment-2.html", 3, false),
                ("attachment-3.eml", 18, false),
                ("winmail.dat", 4, false),
                ("empty.pdf", 0, false),
            ],
        );
    }

    #[test]
    fn attachments_keep_their_octets_to_the_last() {
        let raw = multipart(
            "mixed",
            &["Content-Type: text/csv; charset=iso-8859-1; name=a.csv\nContent-Transfer-Encoding: base64\n\n5A0KAA=="],
        );
        let mail = ParsedMail::parse(raw.as_bytes());
        let attachment = &read(&mail, &[]).attachments[0];
        assert_eq!(mail.parts[attachment.part_index].octets(), b"\xe4\r\n\0");
        assert_eq!(attachment.sha256, "bd23eee377f6c063b6448ff36f2a30c1b0c687525e3abdc7f771636829110b79");
    }

    #[test]
    fn something_is_shown_of_every_mail() {
        assert_eq!(read_mail("Subject: Please call me\n\n").visible, "Please call me");
        assert_eq!(read_mail(&format!("Subject: The file\n{}", multipart("mixed", &[PDF]))).visible, "The file");
        assert_eq!(read_mail("").visible, "");
        assert_eq!(read_mail("just words").visible, "just words");
    }

    #[test]
    fn flowed_text_is_unwrapped() {
        check("Content-Type: text/plain; format=Flowed\n\na \nb\n", "a b\n", &[]);
        check("Content-Type: text/plain; format=flowed; delsp=YES\n\na \nb\n", "ab\n", &[]);
        check("Content-Type: text/plain\n\na \nb\n", "a \nb\n", &[]);
    }
}
