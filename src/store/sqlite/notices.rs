//! What replyd itself tells an agent by mail: that an answer of theirs does not get through, and what a command of theirs
//! could not do. Never about a notice, or replyd would write to itself; about a notification only that it stands still.

use super::super::StoreError;
use super::super::outgoing::QueueEntry;
use super::units::Writing;
use super::{agents, budgets, enqueue, messages};
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::delivery::{MailKind, RecipientKind};
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Message, Via};
use crate::limits::NOTICES_PER_HOUR_MAX;
use std::time::Duration;

/// What an answer suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is tried on.
    Late,
    /// For good.
    Failed,
    /// It looks like a loop, and goes nowhere until a person has looked.
    Held,
}

/// One mail in replyd's own words; beyond the budget there is none, or two machines would talk.
pub fn tell(writing: &Writing<'_>, conversation: Id, agent: &Agent, words: &str) -> Result<(), StoreError> {
    let notice = enqueue::Mail {
        conversation,
        kind: MailKind::Notice,
        recipient: &agent.email,
        recipient_kind: RecipientKind::Agent,
        agent: Some(agent.id),
        messages: &[],
        notice: Some(words),
        delay: Duration::ZERO,
        require_tls: false,
    };
    if budgets::within_the_hour(writing, &notice, NOTICES_PER_HOUR_MAX)? >= NOTICES_PER_HOUR_MAX {
        return Ok(());
    }
    enqueue::mail(writing, &notice)
}

/// Tells who wrote an answer that it is late or has failed: whoever works by mail sees neither event nor page.
pub fn of_trouble(writing: &Writing<'_>, entry: &QueueEntry, trouble: Trouble, reason: &str) -> Result<(), StoreError> {
    if let (MailKind::Notification, Trouble::Held, Some(agent)) = (entry.kind, trouble, entry.agent_id) {
        let agent = agents::by_id(writing.connection, agent)?;
        return tell(writing, entry.conversation_id, &agent, &held_notification(entry, reason));
    }
    if entry.kind != MailKind::Answer {
        return Ok(());
    }
    let mut told: Vec<Id> = Vec::new();
    for id in entry.messages.iter().rev() {
        let message = messages::message(writing.connection, *id)?;
        let Some(agent) = author(writing, entry, &message)?.filter(|agent| !told.contains(&agent.id)) else { continue };
        told.push(agent.id);
        tell(writing, entry.conversation_id, &agent, &words(entry, &message, trouble, reason))?;
    }
    Ok(())
}

/// What it means, and what the host said.
pub fn with_reply(reason: &str, reply: Option<&str>) -> String {
    let reply = reply.map(|reply| format!(" ({reply})")).unwrap_or_default();
    format!("{}{reply}", reason.trim_end_matches('.'))
}

/// The agent who wrote it, if they work by mail.
fn author(writing: &Writing<'_>, entry: &QueueEntry, message: &Message) -> Result<Option<Agent>, StoreError> {
    let email = message.author.email.as_deref().filter(|_| message.author.kind == AuthorKind::Agent);
    let Some(email) = email else { return Ok(None) };
    let agent = agents::by_email(writing.connection, &entry.account, &super::begin::email_key(email))?;
    Ok(agent.filter(|agent| agent.by_mail || message.via == Via::Email))
}

fn words(entry: &QueueEntry, message: &Message, trouble: Trouble, reason: &str) -> String {
    let (QueueEntry { id, recipient, .. }, reason) = (entry, reason.trim_end_matches('.'));
    let what = match trouble {
        Trouble::Late => format!(
            "Your answer to {recipient} has not arrived yet: {reason}.\n\nIt is tried until {}; you need not send it again.",
            day_and_hour(entry.give_up_at)
        ),
        Trouble::Failed => format!(
            "Your answer to {recipient} did not arrive, and is not tried any more: {reason}.\n\nWhat you answer to this \
             mail goes out as a new answer. Whoever runs replyd can have the old one tried again: replyd queue retry {id}"
        ),
        Trouble::Held => format!(
            "Your answer to {recipient} is {reason}.\n\nWhat you answer by mail is held with it until then. Write at the desk, or \
             have whoever runs replyd let it go: replyd queue release {id}"
        ),
    };
    let end = message.text.floor_char_boundary(TEXT_SHOWN);
    let text = message.text.get(..end).unwrap_or_default();
    let quoted: String = text.lines().map(|line| format!("> {line}\n")).collect();
    format!("{what}\n\nYou wrote:\n\n{quoted}")
}

fn held_notification(entry: &QueueEntry, reason: &str) -> String {
    format!(
        "Mail about this conversation does not reach you any more: it is {}.\n\nThe desk shows what comes in. Whoever runs \
         replyd can let it go: replyd queue release {}",
        reason.trim_end_matches('.'),
        entry.id
    )
}

/// `2026-11-20 10:04 UTC`
fn day_and_hour(at: UnixMs) -> String {
    let text = at.rfc3339();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}

/// Enough to know the answer again; all of it is in the conversation.
const TEXT_SHOWN: usize = 2048;
