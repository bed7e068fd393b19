//! What replyd makes of one raw mail, as the JSON of `replyd inspect` and as lines for a person.

use super::wanted::header_tokens;
use crate::clock::UnixMs;
use crate::mail::automatic::{Class, Classification, classify};
use crate::mail::content::{self, Attachment};
use crate::mail::dsn::{self, Bounce};
use crate::mail::html;
use crate::mail::msg_id::MsgId;
use crate::mail::parsed::{Mailbox, ParsedMail};
use serde::Serialize;

/// Everything that can be said of a mail without asking anyone.
#[derive(Debug, Serialize)]
pub struct Inspection {
    pub message_id: Option<MsgId>,
    pub in_reply_to: Vec<MsgId>,
    pub references: Vec<MsgId>,
    pub subject: Option<String>,
    /// RFC 3339 in UTC; absent if the mail's date cannot be read.
    pub date: Option<String>,
    pub from: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub reply_tokens: Vec<String>,
    pub text: String,
    pub html: Option<String>,
    pub visible_text: String,
    pub quoted_text: String,
    pub signature: String,
    pub attachments: Vec<AttachmentShown>,
    pub class: Class,
    pub class_reason: String,
    pub bounce: Option<Bounce>,
    pub defects: Vec<&'static str>,
}

/// An attachment without its octets.
#[derive(Debug, Serialize)]
pub struct AttachmentShown {
    pub name: String,
    #[serde(rename = "type")]
    pub media_type: String,
    pub size: usize,
    pub inline: bool,
    pub content_id: Option<String>,
    pub sha256: String,
}

/// Reads any bytes.
pub fn inspect(raw: &[u8]) -> Inspection {
    let mail = ParsedMail::parse(raw);
    let content = content::read(&mail, &[]);
    let html = content.html.as_deref().and_then(html::sanitise);
    let mut defects = content.defects;
    if content.html.is_some() && html.is_none() {
        defects.push("html_too_costly");
        defects.sort_unstable();
    }
    let bounce = dsn::read(&mail);
    let Classification { class, reason: class_reason } = classify(&mail, bounce.as_ref(), None, &[]);
    Inspection {
        message_id: mail.message_id(),
        in_reply_to: mail.in_reply_to(),
        references: mail.references(),
        subject: mail.subject().map(str::to_owned),
        date: mail.date().map(UnixMs::rfc3339),
        from: mail.mailboxes("from"),
        to: mail.mailboxes("to"),
        cc: mail.mailboxes("cc"),
        reply_to: mail.mailboxes("reply-to"),
        reply_tokens: header_tokens(&mail).iter().map(ToString::to_string).collect(),
        text: content.text,
        html,
        visible_text: content.visible,
        quoted_text: content.quoted,
        signature: content.signature,
        attachments: content.attachments.into_iter().map(AttachmentShown::from).collect(),
        class,
        class_reason,
        bounce,
        defects,
    }
}

impl From<Attachment> for AttachmentShown {
    fn from(attachment: Attachment) -> Self {
        let Attachment { name, media_type, size, inline, content_id, sha256, part_index: _ } = attachment;
        AttachmentShown { name, media_type, size, inline, content_id, sha256 }
    }
}
