//! A read mail as a message: its text by who wrote it, its attachments, what is kept of its header. Pure.

use crate::conversation::delivery::Posting;
use crate::conversation::id::Id;
use crate::conversation::model::{Attachment, Author, AuthorKind, Direction, Email, Via};
use crate::mail::automatic::Classification;
use crate::mail::content::{self, Content};
use crate::mail::dsn::{Bounce, BounceKind, BouncedRecipient};
use crate::mail::parsed::{Mailbox, ParsedMail};
use crate::store::ledger::LedgerEntry;
use crate::store::unit::NewMessage;

/// What a message is made of.
pub struct Parts<'a> {
    pub entry: &'a LedgerEntry,
    pub raw_id: Id,
    pub mail: &'a ParsedMail,
    pub classification: &'a Classification,
    pub bounce: Option<&'a Bounce>,
    pub author: AuthorKind,
    /// What we mailed in the conversation.
    pub known: &'a [String],
}

/// Makes the message.
pub fn compose(parts: &Parts<'_>) -> NewMessage {
    let content = content::read(parts.mail, parts.known);
    let from = parts.mail.mailboxes("from").into_iter().next();
    let system = parts.author == AuthorKind::System;
    let author = Author {
        kind: parts.author,
        name: from.as_ref().filter(|_| !system).and_then(|mailbox| mailbox.name.clone()),
        email: from.filter(|_| !system).map(|mailbox| mailbox.email),
    };
    let email = email(parts, &content);
    let Content { html, visible, quoted, signature, attachments, .. } = content;
    // A report's own words stay readable below the sentence that says what it means.
    let (text, quoted) = match parts.bounce.filter(|_| system) {
        Some(bounce) => (bounce_sentence(bounce), [visible, quoted].join("\n\n").trim().to_owned()),
        None => (visible, quoted),
    };
    NewMessage {
        direction: if system { Direction::Activity } else { Direction::Incoming },
        author,
        via: Via::Email,
        text,
        html: html.filter(|html| html.len() <= HTML_OCTETS_MAX),
        quoted,
        signature,
        attachments: attachments.into_iter().map(attachment).collect(),
        email: Some(email),
        idempotency_key: None,
        uploads: Vec::new(),
        posting: Posting::default(),
    }
}

fn email(parts: &Parts<'_>, content: &Content) -> Email {
    let Parts { entry, mail, .. } = parts;
    let texts = |name: &str| mail.mailboxes(name).iter().map(shown).collect();
    let mut defects: Vec<String> = content.defects.iter().map(ToString::to_string).collect();
    if content.html.as_ref().is_some_and(|html| html.len() > HTML_OCTETS_MAX) {
        defects.push("html_too_large".to_owned());
    }
    Email {
        message_id: mail.message_id().map(|id| id.to_string()),
        in_reply_to: mail.in_reply_to().iter().map(ToString::to_string).collect(),
        references: mail.references().iter().map(ToString::to_string).collect(),
        from: texts("from"),
        reply_to: texts("reply-to"),
        to: texts("to"),
        cc: texts("cc"),
        subject: mail.subject().map(str::to_owned),
        envelope_from: entry.envelope_from.clone().unwrap_or_default(),
        envelope_to: entry.envelope_to.clone().unwrap_or_default(),
        class: parts.classification.class,
        class_reason: parts.classification.reason.clone(),
        bounce: parts.bounce.cloned(),
        auth: entry.auth.clone().unwrap_or_default(),
        ingress: Some(entry.ingress),
        raw_id: parts.raw_id,
        defects,
    }
}

fn shown(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) => format!("{name} <{}>", mailbox.email),
        None => mailbox.email.clone(),
    }
}

fn attachment(file: content::Attachment) -> Attachment {
    Attachment {
        id: Id(0),
        name: file.name,
        media_type: file.media_type,
        size: file.size as u64,
        inline: file.inline,
        content_id: file.content_id,
        sha256: file.sha256,
        part: u32::try_from(file.part_index).unwrap_or(u32::MAX),
    }
}

/// A bounce in one line: `Delivery to a@b.example failed: 5.1.1 (no such user)`.
pub fn bounce_sentence(bounce: &Bounce) -> String {
    let what = match bounce.kind {
        BounceKind::Failure => "failed",
        BounceKind::Delayed => "is delayed",
        BounceKind::Delivered => "succeeded",
        BounceKind::Feedback => return "A recipient's provider reported a mail of ours as unwanted".to_owned(),
    };
    let Some(first) = bounce.recipients.first() else { return format!("Delivery {what}") };
    let BouncedRecipient { recipient, status, diagnostic, .. } = first;
    let status = status.as_ref().map(|status| format!(": {status}")).unwrap_or_default();
    let diagnostic = diagnostic.as_ref().map(|words| format!(" ({words})")).unwrap_or_default();
    let others = match bounce.recipients.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("Delivery to {recipient} {what}{status}{diagnostic}{others}")
}

/// HTML beyond this stays in the raw mail: no page shows it, and every reading of the conversation would carry it.
const HTML_OCTETS_MAX: usize = 1024 * 1024;
