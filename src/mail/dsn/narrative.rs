//! What delivery software wrote itself, without the mail that it returns.

use crate::mail::parsed::{Body, ParsedMail};

/// Octets of text that are read: 1,000 recipients with a line or two each.
const NARRATIVE_OCTETS_MAX: usize = 256 * 1024;

/// A bounce's own words, and the returned mail as far as it stands in the same text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Narrative {
    pub text: String,
    pub returned: String,
}

/// Parts of the mail itself, not of mails enclosed in it: a bounce of a bounce speaks of the outer one.
pub(super) fn outer(mail: &ParsedMail) -> Vec<usize> {
    let mut enclosed = vec![false; mail.parts.len()];
    let mut outer = Vec::new();
    for (index, part) in mail.parts.iter().enumerate() {
        let inside = part.parent.filter(|parent| *parent < index).is_some_and(|parent| {
            enclosed.get(parent).copied().unwrap_or(true)
                || mail.parts.get(parent).is_some_and(|p| p.body == Body::Message)
        });
        if let Some(flag) = enclosed.get_mut(index) {
            *flag = inside;
        }
        if !inside {
            outer.push(index);
        }
    }
    outer
}

/// The bounce's words: its plain texts, else its HTML.
pub(super) fn of(mail: &ParsedMail) -> Narrative {
    let outer = outer(mail);
    let texts = |wanted: &str| -> String {
        let parts = outer.iter().filter_map(|index| mail.parts.get(*index)).filter(|part| part.media_type == wanted);
        parts
            .filter_map(|part| part.text())
            .fold(String::new(), |all, text| if all.len() > NARRATIVE_OCTETS_MAX { all } else { all + text + "\n" })
    };
    let plain = texts("text/plain");
    if !plain.trim().is_empty() {
        return split(&plain);
    }
    let html = texts("text/html");
    if !html.trim().is_empty() {
        return split(&text_of_html(&html));
    }
    let rest = outer.iter().filter_map(|index| mail.parts.get(*index)).find_map(|part| match &part.body {
        Body::Text(text) => Some(text.clone()),
        Body::Binary(bytes) => {
            Some(String::from_utf8_lossy(bytes.get(..NARRATIVE_OCTETS_MAX).unwrap_or(bytes)).into_owned())
        }
        Body::Multipart | Body::Message => None,
    });
    rest.map_or_else(Narrative::default, |text| split(&text))
}

fn split(text: &str) -> Narrative {
    let mut end = text.len().min(NARRATIVE_OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end).unwrap_or_default();
    let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if begins_returned_mail(line) {
            let (own, returned) = text.split_at(at);
            return Narrative { text: own.to_owned(), returned: returned.to_owned() };
        }
        at += line.len();
    }
    Narrative { text, returned: String::new() }
}

/// Lines behind which the returned mail stands.
fn begins_returned_mail(line: &str) -> bool {
    let line = line.trim();
    if line.len() > 160 || line.is_empty() {
        return false;
    }
    let lower = line.to_lowercase();
    if HEADERS.iter().any(|name| lower.starts_with(name)) {
        return true;
    }
    let words = lower.trim_matches(|c: char| !c.is_alphanumeric());
    if HEADINGS.contains(&words) {
        return true;
    }
    if lower.contains("transcript") {
        return false;
    }
    let set_off = lower.starts_with(['-', '|', '*', '=', '_', '#']);
    let announced = lower.ends_with([':', '-', '.', '*', '=', '_']) || lower.len() < 40;
    set_off && FOLLOWS.iter().any(|phrase| lower.contains(phrase))
        || announced && ANNOUNCEMENTS.iter().any(|phrase| lower.contains(phrase))
}

/// First fields of a returned header.
#[rustfmt::skip]
const HEADERS: &[&str] =
    &[
    "received: ", "received:from", "return-path: <", "return-path:<", "x-originating-ip:",
    "begin forwarded message",
];

/// Headings that are the whole line, decoration aside.
#[rustfmt::skip]
const HEADINGS: &[&str] = &[
    "original message", "returned message", "returned mail", "undelivered message", "unsent message",
    "original mail", "original mail info", "message header", "message headers", "mail header", "original header",
    "original headers", "forwarded message", "bounced e-mail", "message contents", "original message headers",
    "original message header", "ursprüngliche nachricht", "originalnachricht", "message d'origine",
    "mensaje original", "mensagem original", "messaggio originale", "исходное сообщение", "оригинальное сообщение",
    "元のメッセージ",
];

/// Phrases that announce it in a line set off by dashes.
#[rustfmt::skip]
const FOLLOWS: &[&str] = &[
    "copy of", "message follows", "message header follow", "headers follow", "header follows", "text follows",
    "mail follows", "is following", "message below", "lines of the message", "original message", "returned message",
    "returned mail", "unsent message", "kopie der", "copie du message", "copia del", "cópia da", "копия", "原信件",
    "原邮件", "原郵件",
];

/// Phrases that announce it in a sentence.
#[rustfmt::skip]
const ANNOUNCEMENTS: &[&str] = &[
    "this is a copy of", "here is a copy of", "included is a copy of", "below is a copy of",
    "this line is a copy of", "copy of the original message below", "message follows", "headers follow",
    "header follows", "original mail as follows", "header of the original message is following",
    "original message headers", "original message header", "top 20 lines of the message", "message reads (in part)",
    "summary of the undelivered message", "kopie der nachricht folgt", "es folgt eine kopie", "voici une copie",
    "esta es una copia", "ниже этой линии", "ниже приведена копия",
];

/// HTML as lines of text: tags dropped, blocks ended by a new line, the entities that addresses meet.
fn text_of_html(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        text.push_str(before);
        let name: String = tag.chars().skip(1).take(8).map(|c| c.to_ascii_lowercase()).collect();
        rest = match ["style", "script", "title"].iter().find(|skipped| name.starts_with(*skipped)) {
            Some(skipped) => behind_element(tag, skipped),
            None => tag.find('>').and_then(|close| tag.get(close + 1..)).unwrap_or_default(),
        };
        let name = name.trim_start_matches('/');
        if ["br", "p", "div", "tr", "td", "li", "h", "table", "pre", "ul"].iter().any(|block| name.starts_with(block)) {
            text.push('\n');
        }
    }
    text.push_str(rest);
    [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#64;", "@"), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text, |text, (entity, plain)| if text.contains(entity) { text.replace(entity, plain) } else { text })
}

/// What stands behind `</name`; an element that never ends swallows the rest.
fn behind_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find("</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            return rest.find('>').and_then(|close| rest.get(close + 1..)).unwrap_or_default();
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_returned_mail_is_split_off() {
        let check = |text: &str, own: &str| assert_eq!(split(text).text, own, "{text}");
        check("failed: a@b.example\n--- Below this line is a copy of the message.\nTo: x\n", "failed: a@b.example\n");
        check("failed\r\r----- Original message -----\rTo: x\r", "failed\n\n");
        check(
            "The original message was received at Thu\nfrom x\n",
            "The original message was received at Thu\nfrom x\n",
        );
        check("no\nReceived: from a by b\n", "no\n");
        check(
            "delete your text from the attached returned message.\n",
            "delete your text from the attached returned message.\n",
        );
        check("These did not receive a copy of your message:\n", "These did not receive a copy of your message:\n");
        check("Message headers follow.\n", "");
    }

    #[test]
    fn html_becomes_lines() {
        assert_eq!(
            text_of_html("<style>p{}</style><p>not reach:<BR>&nbsp;a@b.example&lt;x&gt;</p>").trim(),
            "not reach:\n a@b.example<x>"
        );
        assert_eq!(text_of_html("<style>never ends <p>"), "");
    }
}
