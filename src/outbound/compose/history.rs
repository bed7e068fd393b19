//! What was said before, quoted below a mail as mail clients quote: newest first, each behind its attribution, which
//! readers of mail (ours too) know and fold.
//!
//! A message is quoted only to who knows or may know it: it is an agent's, or the recipient's own, or of someone whom the
//! mail names in `To` or `Cc`. A stranger's words that came in by a leaked address go to nobody.

use super::addressing::agent_name;
use super::hypertext;
use super::view::Quoted;
use super::words::Words;
use crate::config::checked::{History, Voice};
use crate::conversation::delivery::{MailKind, RecipientKind};
use crate::conversation::model::{AuthorKind, Message};
use crate::store::outgoing::{QUOTED_OCTETS_MAX, ToCompose};
use minijinja::Value;

pub fn of(to: &ToCompose, voice: &Voice, words: &Words) -> Vec<Quoted> {
    let newest_first = to.history.iter().rev();
    let chosen: Vec<&Message> = match (to.entry.kind, voice.history) {
        (MailKind::Notice, _) | (MailKind::Answer, History::None) => Vec::new(),
        (MailKind::Notification, _) => newest_first.take(TO_AGENT_MAX).collect(),
        (MailKind::Answer, History::Last) => {
            newest_first.filter(|message| !is_ours(message) && is_known(to, message)).take(1).collect()
        }
        (MailKind::Answer, History::Full) => newest_first.filter(|message| is_known(to, message)).collect(),
    };
    let mut left = QUOTED_OCTETS_MAX;
    let fits = |message: &&Message| {
        left = left.saturating_sub(message.text.len().saturating_add(1));
        left > 0
    };
    chosen.into_iter().take_while(fits).map(|message| quoted(to, message, voice, words)).collect()
}

fn is_ours(message: &Message) -> bool {
    matches!(message.author.kind, AuthorKind::Agent | AuthorKind::System)
}

fn is_known(to: &ToCompose, message: &Message) -> bool {
    match (message.author.kind, message.author.email.as_deref()) {
        (AuthorKind::Agent | AuthorKind::System, _) => true,
        // A visitor of a chat may have written before there was an address.
        (AuthorKind::Contact, None) => true,
        (AuthorKind::Participant, None) => false,
        (AuthorKind::Contact | AuthorKind::Participant, Some(email)) => {
            let mut named = std::iter::once(&to.entry.recipient).chain(to.others.iter().map(|other| &other.address));
            named.any(|address| address.eq_ignore_ascii_case(email))
        }
    }
}

fn quoted(to: &ToCompose, message: &Message, voice: &Voice, words: &Words) -> Quoted {
    let name = match message.author.kind {
        AuthorKind::Agent | AuthorKind::System => agent_name(message).unwrap_or(&voice.display_name),
        AuthorKind::Contact | AuthorKind::Participant => {
            let contact = to.conversation.contact.name.as_deref();
            let contact = contact.filter(|_| message.author.kind == AuthorKind::Contact);
            let name = message.author.name.as_deref().or(contact);
            name.or(message.author.email.as_deref()).unwrap_or(words.visitor)
        }
    };
    let name = super::fields::name(name).unwrap_or_else(|| words.visitor.to_owned());
    let text = hypertext::clean(&message.text);
    Quoted {
        attribution: if is_nameless_recipients(to, message) {
            words.own_attribution(message.created_at)
        } else {
            words.attribution(&name, message.created_at)
        },
        html: Value::from_safe_string(hypertext::of_text(&text)),
        text: marked(&text),
    }
}

/// Who gave no name is told what it wrote itself.
fn is_nameless_recipients(to: &ToCompose, message: &Message) -> bool {
    let named =
        message.author.name.as_ref().or(message.author.email.as_ref()).or(to.conversation.contact.name.as_ref());
    to.entry.recipient_kind == RecipientKind::Contact && message.author.kind == AuthorKind::Contact && named.is_none()
}

fn marked(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { ">".to_owned() } else { format!("> {line}") };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// An agent has the conversation before them elsewhere.
const TO_AGENT_MAX: usize = 10;
