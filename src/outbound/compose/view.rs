//! What a template is given: every word of the mail, made ready, and nothing that the recipient is not to see.

use super::addressing::agent_name;
use super::attachments::Attachments;
use super::composed::ComposeError;
use super::fields;
use super::history;
use super::hypertext;
use super::sender::{Desk, Sender};
use super::words::{Words, time};
use crate::conversation::delivery::{MailKind, RecipientKind};
use crate::conversation::language::Language;
use crate::conversation::links;
use crate::conversation::model::{AuthorKind, Channel, Message, Status, Via};
use crate::conversation::told;
use crate::mail::html;
use crate::store::outgoing::ToCompose;
use minijinja::Value;
use serde::Serialize;

/// The root of a template's names; `docs/SENDING.md` tells operators of each.
#[derive(Debug, Serialize)]
pub struct View {
    pub language: &'static str,
    /// The account's or inbox's display name.
    pub name: String,
    pub subject: String,
    pub words: Words,
    pub messages: Vec<Said>,
    pub history: Vec<Quoted>,
    /// The one-click link of continuity mail.
    pub unsubscribe: Option<String>,
    /// The link that opens the chat, in the contact's own mail alone.
    pub resume: Option<String>,
    /// Of a notification.
    pub contact: Option<Person>,
    pub verdict: Option<Verdict>,
    pub status: Option<&'static str>,
    pub assignee: Option<String>,
    /// Of a notice.
    pub notice: Option<Notice>,
}

/// A message.
#[derive(Debug, Serialize)]
pub struct Said {
    pub speaker: String,
    pub time: String,
    pub text: String,
    /// Safe.
    pub html: Value,
    /// Files that are links, not parts of this mail.
    pub links: Vec<Link>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Link {
    pub name: String,
    pub size: String,
    pub url: String,
    pub until: String,
}

/// A message of before.
#[derive(Debug, Serialize)]
pub struct Quoted {
    /// `On 2026-11-20 10:04 UTC, Jane wrote:`
    pub attribution: String,
    /// Every line behind `> `.
    pub text: String,
    pub html: Value,
}

#[derive(Debug, Serialize)]
pub struct Person {
    pub name: Option<String>,
    pub email: Option<String>,
}

/// What is known of who wrote a mail.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// `authentic`, `unproven`, `forged`, `undetermined`.
    pub word: String,
    /// The same as a sentence.
    pub sentence: String,
}

#[derive(Debug, Serialize)]
pub struct Notice {
    pub text: String,
    pub html: Value,
}

impl View {
    pub fn of(
        to: &ToCompose,
        subject: &str,
        attachments: &Attachments,
        desk: &Desk,
        sender: &Sender,
    ) -> Result<View, ComposeError> {
        let voice = desk.voice(&to.conversation.inbox);
        // Agents are spoken to in the language of the commands that they may write.
        let language = if to.entry.kind == MailKind::Answer { voice.language } else { Language::En };
        let words = Words::of(language);
        let notification = to.entry.kind == MailKind::Notification;
        Ok(View {
            language: language.tag(),
            name: voice.display_name.clone(),
            subject: subject.to_owned(),
            words: *words,
            messages: all_said(to, attachments, &voice.display_name),
            history: history::of(to, voice, words),
            unsubscribe: is_continuity(to)
                .then(|| links::unsubscribe_url(&sender.keys, &sender.public_url, to.entry.id)),
            resume: resume(to, desk, sender),
            contact: notification.then(|| contact(to)),
            verdict: notification.then(|| to.messages.last().map(verdict)).flatten(),
            status: notification.then(|| status(to.conversation.status)),
            assignee: to.assignee.as_ref().filter(|_| notification).and_then(|agent| fields::name(&agent.name)),
            notice: notice(to)?,
        })
    }
}

/// Whoever follows it sees this conversation: nobody but the contact gets it. Where another channel carries the chat, there
/// is a page to open only if the inbox names one.
fn resume(to: &ToCompose, desk: &Desk, sender: &Sender) -> Option<String> {
    let has_page = match to.conversation.channel {
        Channel::Widget => true,
        Channel::Api => desk.has_resume_page(&to.conversation.inbox),
        Channel::Email => false,
    };
    let is_contacts = to.entry.kind == MailKind::Answer && to.entry.recipient_kind == RecipientKind::Contact;
    let until = links::until(to.entry.created_at, links::RESUME_LIFE);
    (has_page && is_contacts).then(|| links::resume_url(&sender.keys, &sender.public_url, to.conversation.id, until))
}

/// A mail that came about because nobody looked at the chat: its recipient wrote no mail, so they can say no to more. Who
/// wrote by mail asked for the answer by mail; participants never did otherwise.
pub fn is_continuity(to: &ToCompose) -> bool {
    let is_chat = matches!(to.conversation.channel, Channel::Widget | Channel::Api);
    let is_contacts = to.entry.kind == MailKind::Answer && to.entry.recipient_kind == RecipientKind::Contact;
    is_chat && is_contacts && !to.thread.iter().any(|mail| mail.incoming)
}

/// What an agent sends is sent whole. Strangers' words to agents end somewhere: a mail of 25 MB of text would become one of
/// 70 MB to each agent, which no host takes and which costs us more than its sender.
fn all_said(to: &ToCompose, attachments: &Attachments, display_name: &str) -> Vec<Said> {
    let mut room = if to.entry.kind == MailKind::Notification { TOLD_OCTETS_MAX } else { usize::MAX };
    let one = |message| {
        let said = said(message, to, attachments, display_name, room);
        room = room.saturating_sub(said.text.len());
        said
    };
    to.messages.iter().map(one).collect()
}

fn said(message: &Message, to: &ToCompose, attachments: &Attachments, display_name: &str, room: usize) -> Said {
    let whole = hypertext::clean(&message.text);
    let text = within(&whole, room);
    let own_html = message.html.as_deref().filter(|html| html.len() <= room && text.len() == whole.len());
    Said {
        // One line here too, or a name could speak for somebody else.
        speaker: fields::name(&speaker(message, to, display_name)).unwrap_or_else(|| display_name.to_owned()),
        time: time(message.created_at),
        html: Value::from_safe_string(html_of(own_html.filter(|_| message.via != Via::Email), &text)),
        text,
        links: attachments.links_of(message),
    }
}

/// HTML as an agent gave it through the API. What came by mail is shown as its text: its HTML holds what the mail quoted,
/// which is what agents are told and contacts are not.
fn html_of(own: Option<&str>, text: &str) -> String {
    own.filter(|html| html.len() <= html::HTML_OCTETS_MAX)
        .and_then(hypertext::of_html)
        .unwrap_or_else(|| hypertext::of_text(text))
}

/// As much of a text as there is room for, and where the rest is.
fn within(text: &str, room: usize) -> String {
    if text.len() <= room {
        return text.to_owned();
    }
    let head = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
    format!("{}\n\n[…] {CUT}", head.trim_end())
}

const CUT: &str = "The message goes on: read the rest in the conversation.";
/// Of all messages that one mail tells an agent of.
const TOLD_OCTETS_MAX: usize = 256 * 1024;

fn speaker(message: &Message, to: &ToCompose, display_name: &str) -> String {
    let agent = || agent_name(message).unwrap_or(display_name).to_owned();
    match message.author.kind {
        AuthorKind::Agent | AuthorKind::System => agent(),
        AuthorKind::Contact | AuthorKind::Participant => {
            let name = message.author.name.clone().or_else(|| message.author.email.clone());
            name.or_else(|| to.conversation.contact.name.clone()).unwrap_or_else(|| "A visitor".to_owned())
        }
    }
}

fn contact(to: &ToCompose) -> Person {
    let author = to.messages.last().map(|message| &message.author);
    let contact = &to.conversation.contact;
    let from_contact = author.is_none_or(|author| author.kind == AuthorKind::Contact);
    let of_contact = |value: &Option<String>| value.clone().filter(|_| from_contact);
    Person {
        name: author
            .and_then(|author| author.name.clone())
            .or_else(|| of_contact(&contact.name))
            .and_then(|name| fields::name(&name)),
        email: author
            .and_then(|author| author.email.clone())
            .or_else(|| of_contact(&contact.mail_address().map(str::to_owned)))
            .and_then(|email| fields::name(&email)),
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Open => "open",
        Status::Resolved => "resolved",
        Status::Snoozed => "snoozed",
    }
}

/// In words, with what it rests on.
fn verdict(message: &Message) -> Verdict {
    let Some(email) = &message.email else {
        let sentence = told::BY_CHAT.to_owned();
        return Verdict { word: "unproven".to_owned(), sentence };
    };
    let said = |key: &str| email.auth.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    let (word, basis) = (said("verdict"), said("basis"));
    let start = match word {
        "authentic" => told::VERIFIED,
        "forged" => told::FORGED,
        "undetermined" => told::UNKNOWN,
        _ => told::UNPROVEN,
    };
    let end = if basis.is_empty() { ".".to_owned() } else { format!(": {basis}.") };
    let word = if word.is_empty() { "unproven" } else { word }.to_owned();
    Verdict { word, sentence: fields::subject(&format!("{start}{end}")) }
}

fn notice(to: &ToCompose) -> Result<Option<Notice>, ComposeError> {
    if to.entry.kind != MailKind::Notice {
        return Ok(None);
    }
    let text = hypertext::clean(to.entry.notice.as_deref().ok_or(ComposeError::Empty)?);
    Ok(Some(Notice { html: Value::from_safe_string(hypertext::of_text(&text)), text }))
}
