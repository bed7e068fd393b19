//! Knows the containers in which mail clients put what they quote and sign, and reads an HTML body into lines by them.
//!
//! Containers prove more than words do, but clients let people write into them: answers between the quotations of one
//! Gmail reply stand inside its `gmail_quote`.

use super::super::html_lines::{HtmlLine, Role, lines_of};
use super::super::html_token::Tag;
use super::attribution;
use super::lines::{self, Line};

/// A body's lines, and whether a client's container was among them.
pub struct Read {
    pub lines: Vec<Line<'static>>,
    pub evidence: Evidence,
}

/// What the body's structure tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    Container,
    None,
}

pub fn read(html: &str) -> Read {
    let lines = lines_of(html, role);
    let marked = |line: &HtmlLine| line.role != Role::Plain || line.cited;
    let evidence = if lines.iter().any(marked) { Evidence::Container } else { Evidence::None };
    let mut lines = lines::of_html(lines);
    open_answered_containers(&mut lines);
    Read { lines, evidence }
}

/// What an element says about the text in it, by the marks clients leave.
fn role(tag: &Tag<'_>) -> Role {
    let id = plain_name(tag.attribute("id"));
    if tag.name == "blockquote" {
        let marks = tag.attribute("type") == "cite" || tag.has("cite");
        let named =
            tag.attribute("class").contains("quote") || tag.attribute("style").contains("border-left") || id == "qt";
        return Role::Quotation { cited: marks || named };
    }
    // Most tags of a large body: nothing is looked up for them.
    if tag.is_bare() && tag.name != "includetail" {
        return Role::Plain;
    }
    let classes = || tag.attribute("class").split_ascii_whitespace().map(plain_name);
    let names = [id, tag.attribute("name"), tag.attribute("data-marker")];
    let named =
        |list: &[&str]| names.iter().any(|name| list.contains(name)) || classes().any(|class| list.contains(&class));
    if named(SIGNATURES) || tag.attribute("data-signatureblock") == "true" {
        return Role::Signature;
    }
    if named(HISTORY_STARTS) || is_yahoo(tag) {
        return if named(&["yahoo_quoted"]) || is_yahoo(tag) { Role::History } else { Role::HistoryToEnd };
    }
    // Outlook draws a line above the header fields it copies; their names are in the sender's language.
    let style = tag.attribute("style");
    if tag.name == "div" && style.contains("border-top:solid") && style.contains("padding:3.0pt 0") {
        return Role::HistoryToEnd;
    }
    if named(HISTORIES) || tag.name == "includetail" { Role::History } else { Role::Plain }
}

/// Yahoo gives its container a number behind its name, or before it.
fn is_yahoo(tag: &Tag<'_>) -> bool {
    tag.attribute("id").contains("yahoo_quoted") || tag.attribute("class").ends_with("yahoo_quoted")
}

/// Webmail renames what it shows inside itself: `x_divRplyFwdMsg`, `m_-12gmail_quote`, `yiv34…`, `ecx…`.
fn plain_name(name: &str) -> &str {
    let name = name.strip_prefix("x_").or_else(|| name.strip_prefix("ecx")).unwrap_or(name);
    for (mark, end) in [("m_", is_message_number as fn(char) -> bool), ("yiv", |letter| letter.is_ascii_digit())] {
        if let Some(rest) = name.strip_prefix(mark) {
            let rest = rest.trim_start_matches(end);
            if rest.len() + mark.len() < name.len() {
                return rest;
            }
        }
    }
    name
}

fn is_message_number(letter: char) -> bool {
    letter.is_ascii_digit() || letter == '-'
}

/// A container that holds an attribution, a quotation and then words outside of it was answered within: its lines are
/// left to the rules for lines.
fn open_answered_containers(lines: &mut [Line<'_>]) {
    let mut start = 0;
    while start < lines.len() {
        let is_history = |line: &Line<'_>| line.role == Role::History;
        let Some(offset) = lines.get(start..).unwrap_or_default().iter().position(is_history) else { return };
        let from = start + offset;
        let length = lines.get(from..).unwrap_or_default().iter().take_while(|line| is_history(line)).count();
        let end = from + length;
        if is_answered(lines, from, end) {
            lines.iter_mut().take(end).skip(from).for_each(|line| line.role = Role::Plain);
        }
        start = end;
    }
}

fn is_answered(lines: &[Line<'_>], from: usize, end: usize) -> bool {
    let Some(container) = lines.get(from..end) else { return false };
    let Some(quotation) = container.iter().position(|line| line.depth > 0) else { return false };
    let written = |line: &&Line<'_>| !line.is_blank();
    let Some(first) = container.iter().take(quotation).position(|line| !line.is_blank()) else { return false };
    let introduced = attribution::at(lines, from + first).is_some_and(|(next, _)| next <= from + quotation)
        && container.iter().take(quotation).filter(written).count() <= 3;
    let answer = container.iter().skip(quotation).position(|line| line.depth == 0 && !line.is_blank());
    introduced && answer.is_some()
}

const SIGNATURES: &[&str] = &[
    "gmail_signature",
    "gmail_signature_prefix",
    "AppleMailSignature",
    "moz-signature",
    "Signature",
    "signature",
    "ms-outlook-mobile-signature",
    "protonmail_signature_block",
    "tutanota_signature",
    "messageSignatureSection",
    "mailbox_signature",
    "bloop_sign",
    "__SIG_PRE__",
    "__SIG_POST__",
    "hey_signature",
    "zmail_signature",
    "front-signature",
    "Zm-_Id_-Sgn",
    "mb_sig",
    "ymail_android_signature",
    "yahoo-signature",
    "edo-signature",
    "missive_signature",
    "sh-signature",
];

/// Containers that end where the quoted mail ends.
const HISTORIES: &[&str] = &[
    "gmail_quote",
    "gmail_quote_container",
    "gmail_attr",
    "yahoo_quoted",
    "protonmail_quote",
    "tutanota_quote",
    "moz-cite-prefix",
    "moz-forward-container",
    "zmail_extra",
    "quote",
    "messageReplySection",
    "OLK_SRC_BODY_SECTION",
    "__QUOTED_TEXT__",
    "__HEADERS__",
    "cm_quote",
    "front-blockquote",
    "hs_reply",
    "hey_quote",
    "isReplyContent",
    "ntes-mailmaster-quote",
    "original-content",
    "reply-intro",
    "mail_android_quote",
    "zimbra_quote",
    "mb_quote",
    "mailspring-quote",
    "nylas-quote",
    "gmail_forward",
    "edo-original-message",
    "edo-original",
    "missive_quote",
];

/// Elements after which everything is earlier mail.
const HISTORY_STARTS: &[&str] = &[
    "divRplyFwdMsg",
    "appendonsend",
    "stopSpelling",
    "ms-outlook-mobile-reference-message",
    "mail-editor-reference-message-container",
    "replySplit",
    "divtagdefaultreference",
];
