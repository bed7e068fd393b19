//! A read mail as a message: its text by who wrote it, its attachments, what is kept of its header. Pure.

use super::agent_mail::{self, AgentMail, Effect};
use super::bounce;
use super::discretion;
use super::route::Writer;
use crate::conversation::delivery::Posting;
use crate::conversation::id::Id;
use crate::conversation::model::{Attachment, Author, AuthorKind, Direction, Email, Via};
use crate::mail::automatic::{Class, Classification};
use crate::mail::content::{self, Content};
use crate::mail::dsn::Bounce;
use crate::mail::parsed::{Mailbox, ParsedMail};
use crate::store::ledger::LedgerEntry;
use crate::store::outgoing::AgentOrder;
use crate::store::unit::{AgentRef, NewMessage};

/// What a message is made of.
pub struct Parts<'a> {
    pub entry: &'a LedgerEntry,
    pub raw_id: Id,
    pub mail: &'a ParsedMail,
    pub classification: &'a Classification,
    pub bounce: Option<&'a Bounce>,
    pub writer: &'a Writer,
    /// What was mailed in the conversation.
    pub known: &'a [String],
    /// Registered addresses of the account's agents; needed for an agent's mail only.
    pub agents: &'a [String],
    /// Those of them that no customer is to see.
    pub hidden: &'a [String],
    /// What mail a message of this direction causes.
    pub posting: &'a dyn Fn(Direction) -> Posting,
}

/// A message, and what its mail asks besides.
#[derive(Debug, Default)]
pub struct Composed {
    pub message: Option<NewMessage>,
    pub orders: Vec<AgentOrder>,
    /// Why an agent's mail was not sent on.
    pub refused: Option<String>,
}

/// Makes the message.
pub fn compose(parts: &Parts<'_>) -> Composed {
    let content = content::read(parts.mail, parts.known);
    match parts.writer {
        Writer::Agent(agent) => {
            let files = content.attachments.iter().filter(|file| !discretion::is_credential(file));
            let telling = files.clone().find(|file| discretion::tells(parts.mail, file, parts.hidden));
            let telling = telling.map(|file| file.name.as_str());
            let effect = agent_mail::effect(&AgentMail { telling, ..agent_mail(parts, &content) });
            by_agent(parts, content, agent, effect)
        }
        Writer::AgentElsewhere(agent) => {
            let mail = agent_mail(parts, &content);
            let effect = match parts.classification.class {
                Class::Human => agent_mail::elsewhere(&mail, parts.entry.envelope_to.as_deref().unwrap_or_default()),
                Class::AutoReply | Class::Bounce | Class::List => agent_mail::kept(&mail),
            };
            by_agent(parts, content, agent, effect)
        }
        Writer::Contact | Writer::Participant => by_sender(parts, content),
        Writer::Machine => by_machine(parts, content),
    }
}

fn by_sender(parts: &Parts<'_>, content: Content) -> Composed {
    let from = parts.mail.mailboxes("from").into_iter().next();
    let author = Author {
        kind: parts.writer.kind(),
        name: from.as_ref().and_then(|mailbox| mailbox.name.clone()),
        email: from.map(|mailbox| mailbox.email),
    };
    let message = message(parts, Direction::Incoming, author, content);
    Composed { message: Some(message), ..Composed::default() }
}

fn by_machine(parts: &Parts<'_>, mut content: Content) -> Composed {
    // A report's own words stay readable below the sentence that says what it means.
    if let Some(bounce) = parts.bounce {
        let words = [content.visible, content.quoted].join("\n\n").trim().to_owned();
        (content.visible, content.quoted) = (bounce::sentence(bounce), words);
    }
    let author = Author { kind: AuthorKind::System, name: None, email: None };
    let message = message(parts, Direction::Activity, author, content);
    Composed { message: Some(message), ..Composed::default() }
}

fn agent_mail<'a>(parts: &'a Parts<'_>, content: &'a Content) -> AgentMail<'a> {
    let Parts { mail, entry, agents, hidden, .. } = parts;
    AgentMail { content, subject: mail.subject(), received_at: entry.received_at, agents, hidden, telling: None }
}

/// The HTML of an agent's mail holds quotes, signature and addresses that no customer is to see: what goes on is the text.
fn by_agent(parts: &Parts<'_>, mut content: Content, agent: &AgentRef, effect: Effect) -> Composed {
    let author = Author { kind: AuthorKind::Agent, name: Some(agent.name.clone()), email: Some(agent.email.clone()) };
    let Effect { message: made, folded, orders, refused } = effect;
    let message = made.map(|(direction, text)| {
        content.visible = text;
        content.quoted = [folded, content.quoted].join("\n\n").trim().to_owned();
        if direction == Direction::Outgoing {
            outgoing(&mut content.attachments, parts.hidden);
        }
        NewMessage { html: None, ..message(parts, direction, author, content) }
    });
    Composed { message, orders, refused }
}

/// Files as they may go out; all of them stay in the raw mail.
fn outgoing(files: &mut Vec<content::Attachment>, hidden: &[String]) {
    files.retain(|file| !discretion::is_credential(file));
    for file in files {
        file.name = discretion::file_name(&file.name, hidden);
    }
}

fn message(parts: &Parts<'_>, direction: Direction, author: Author, content: Content) -> NewMessage {
    let email = email(parts, &content);
    let Content { html, visible, quoted, signature, attachments, .. } = content;
    // A machine's mail is answered by nobody: agents see it when they look.
    let class = parts.classification.class;
    let is_told = class == Class::Human || direction == Direction::Outgoing;
    NewMessage {
        direction,
        author,
        via: Via::Email,
        text: visible,
        html: html.filter(|html| html.len() <= HTML_OCTETS_MAX),
        quoted,
        signature,
        attachments: attachments.into_iter().map(attachment).collect(),
        email: Some(email),
        idempotency_key: None,
        uploads: Vec::new(),
        posting: Posting {
            require_tls: parts.entry.require_tls,
            ..if is_told { (parts.posting)(direction) } else { Posting::default() }
        },
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

/// HTML beyond this stays in the raw mail: no page shows it, and every reading of the conversation would carry it.
const HTML_OCTETS_MAX: usize = 1024 * 1024;
