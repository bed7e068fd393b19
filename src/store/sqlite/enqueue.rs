//! Which mail a new message causes, queued in the message's own commit: between "sent" and the queue there is no gap.
//!
//! An agent's message goes to the contact and to the participants that the agent chose; a contact's message to the agents
//! whom it concerns. Everything that goes out together to one recipient is one entry.

use super::super::StoreError;
use super::super::outgoing::EventKind;
use super::super::unit::NewMessage;
use super::begin::email_key;
use super::notices::Trouble;
use super::reply_tokens::Holder;
use super::units::Writing;
use super::words::Stored;
use super::{agents, chat_budget, continuity, events, facts, notices, queue, reply_tokens, suppressions};
use crate::clock::UnixMs;
use crate::conversation::delivery::{DeliveryState, MailKind, RecipientKind, too_many_words};
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Direction};
use crate::conversation::reply_token::ReplyToken;
use crate::limits::{MAILS_PER_HOUR_MAX, MESSAGES_PER_MAIL_MAX};
use crate::mail::address::Address;
use crate::mail::automatic::Class;
use rusqlite::{OptionalExtension, params};
use std::time::Duration;

/// What a mail to be queued is.
#[derive(Debug)]
pub struct Mail<'a> {
    pub conversation: Id,
    pub kind: MailKind,
    pub recipient: &'a str,
    pub recipient_kind: RecipientKind,
    pub agent: Option<Id>,
    /// What goes out with it, oldest first; none with a notice. More than one mail takes are several mails.
    pub messages: &'a [Id],
    pub notice: Option<&'a str>,
    pub delay: Duration,
    pub require_tls: bool,
}

/// Queues the mail that a message causes.
pub fn message(writing: &Writing<'_>, conversation: Id, id: Id, new: &NewMessage) -> Result<(), StoreError> {
    match (new.direction, new.author.kind, new.posting.to_contact) {
        (Direction::Outgoing, AuthorKind::Agent, Some(_)) => answer(writing, conversation, id, new),
        (Direction::Incoming, AuthorKind::Contact | AuthorKind::Participant, _) if new.posting.notify_agents => {
            // A machine's mail is never answered, and an agent asked to would begin a loop.
            let class = new.email.as_ref().map(|email| email.class);
            if matches!(class, None | Some(Class::Human)) { notify(writing, conversation, id, new) } else { Ok(()) }
        }
        _ => Ok(()),
    }
}

/// Queues a mail, or adds its messages to one that waits for the same recipient. What does not fit begins further ones in
/// the same commit, so that no message is ever without its mail.
pub fn mail(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<(), StoreError> {
    let waiting = waiting(writing, mail)?;
    begin(writing, mail, waiting.as_ref())
}

/// The same where the mail to add to is known.
pub fn begin(writing: &Writing<'_>, mail: &Mail<'_>, waiting: Option<&Waiting>) -> Result<(), StoreError> {
    let mut rest = mail.messages;
    if let Some(waiting) = waiting.filter(|_| !rest.is_empty()) {
        let room = MESSAGES_PER_MAIL_MAX.saturating_sub(waiting.messages);
        let (fitting, others) = rest.split_at(room.min(rest.len()));
        fitting.iter().try_for_each(|message| attach(writing, waiting.entry, *message))?;
        let demand = "UPDATE queue SET require_tls = max(require_tls, ?) WHERE id = ?";
        writing.execute(demand, params![mail.require_tls, waiting.entry])?;
        if others.is_empty() {
            return Ok(());
        }
        rest = others;
    }
    // Behind one that is held nothing overtakes it.
    let held = waiting.filter(|waiting| waiting.held);
    let mut messages = rest.chunks(MESSAGES_PER_MAIL_MAX);
    insert(writing, mail, messages.next().unwrap_or_default(), held)?;
    messages.try_for_each(|further| insert(writing, mail, further, held))
}

/// To the contact as the rule of continuity says, to whom the agent chose at once.
fn answer(writing: &Writing<'_>, conversation: Id, message: Id, new: &NewMessage) -> Result<(), StoreError> {
    continuity::redecide(writing, conversation)?;
    let mut copied: Vec<String> = new.posting.cc.iter().map(|email| email_key(email)).collect();
    copied.sort_unstable();
    copied.dedup();
    if copied.is_empty() {
        return Ok(());
    }
    let asked = facts::asked(writing.connection, conversation)?;
    let contact = place(writing, conversation)?.contact;
    for copy in copied.iter().filter(|copy| contact.as_ref() != Some(copy)) {
        let copy = Mail {
            conversation,
            kind: MailKind::Answer,
            recipient: copy,
            recipient_kind: RecipientKind::Participant,
            agent: None,
            messages: &[message],
            notice: None,
            delay: Duration::ZERO,
            require_tls: new.posting.require_tls || asked.is_some_and(|asked| asked.require_tls),
        };
        mail(writing, &copy)?;
    }
    Ok(())
}

fn notify(writing: &Writing<'_>, conversation: Id, message: Id, new: &NewMessage) -> Result<(), StoreError> {
    let Place { account, inbox, assignee, .. } = place(writing, conversation)?;
    let author = new.author.email.as_deref().map(email_key);
    for agent in agents::concerned(writing.connection, &account, &inbox, assignee.as_deref())? {
        if author.as_ref() == Some(&agent.email) {
            continue;
        }
        let notification = Mail {
            conversation,
            kind: MailKind::Notification,
            recipient: &agent.email,
            recipient_kind: RecipientKind::Agent,
            agent: Some(agent.id),
            messages: &[message],
            notice: None,
            delay: Duration::ZERO,
            require_tls: false,
        };
        mail(writing, &notification)?;
    }
    Ok(())
}

/// What is read of the conversation.
struct Place {
    account: String,
    inbox: String,
    assignee: Option<String>,
    contact: Option<String>,
}

fn place(writing: &Writing<'_>, conversation: Id) -> Result<Place, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT c.account, c.inbox, c.assignee, ifnull(k.claimed_email, k.email)
         FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE c.id = ?",
    )?;
    Ok(find.query_row([conversation], |row| {
        Ok(Place { account: row.get(0)?, inbox: row.get(1)?, assignee: row.get(2)?, contact: row.get(3)? })
    })?)
}

/// A mail that a further message may go out with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub entry: Id,
    pub messages: usize,
    pub state: DeliveryState,
    pub held: bool,
    pub reason: Option<String>,
}

/// One that the chat has first, or that is held; none whose octets went out already.
fn waiting(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<Option<Waiting>, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id, (SELECT count(*) FROM queue_messages WHERE queue_id = queue.id), state, held, reason FROM queue
         WHERE conversation_id = ? AND recipient = ? AND kind = ? AND state IN ('waiting', 'queued', 'deferred')
           AND phase IS NULL AND raw_id IS NULL AND (state = 'waiting' OR held = 1) ORDER BY id DESC LIMIT 1",
    )?;
    let found = find.query_row(params![mail.conversation, mail.recipient, Stored(mail.kind)], |row| {
        Ok(Waiting {
            entry: row.get(0)?,
            messages: row.get(1)?,
            state: row.get::<_, Stored<_>>(2)?.0,
            held: row.get(3)?,
            reason: row.get(4)?,
        })
    });
    Ok(found.optional()?)
}

/// Lets a message go out with a mail.
fn attach(writing: &Writing<'_>, entry: Id, message: Id) -> Result<(), StoreError> {
    let attach = "INSERT OR IGNORE INTO queue_messages (message_id, queue_id) VALUES (?, ?)";
    writing.execute(attach, params![message, entry]).map(|_| ())
}

/// How a new entry begins.
struct Beginning {
    state: DeliveryState,
    held: bool,
    reason: Option<String>,
    domain: String,
}

fn insert(writing: &Writing<'_>, mail: &Mail<'_>, messages: &[Id], held: Option<&Waiting>) -> Result<(), StoreError> {
    let Place { account, .. } = place(writing, mail.conversation)?;
    let beginning = beginning(writing, &account, mail, held)?;
    let id = writing.next_id()?;
    let message_id = writing.keys.message_id(id, &writing.outgoing.hostname);
    let give_up = writing.now.0.saturating_add(milliseconds(mail.delay)) + milliseconds(writing.outgoing.give_up);
    let due_at = beginning.state.is_open().then(|| writing.now.0.saturating_add(milliseconds(mail.delay)));
    writing.execute(
        "INSERT INTO queue (id, account, conversation_id, kind, recipient, recipient_kind, agent_id, domain, notice,
           reply_token, message_id, require_tls, state, held, created_at, due_at, give_up_at, reason)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            account,
            mail.conversation,
            Stored(mail.kind),
            mail.recipient,
            Stored(mail.recipient_kind),
            mail.agent,
            beginning.domain,
            mail.notice,
            reply_token(writing, mail)?.0,
            message_id,
            mail.require_tls,
            Stored(beginning.state),
            beginning.held,
            writing.now.0,
            due_at,
            give_up,
            beginning.reason,
        ],
    )?;
    // What a client answers to has to be found whatever address it writes to.
    writing.execute(
        "INSERT INTO message_ids (account, message_id, stored_id, conversation_id) VALUES (?, ?, ?, ?)",
        params![account, message_id, messages.first().unwrap_or(&id), mail.conversation],
    )?;
    messages.iter().try_for_each(|message| attach(writing, id, *message))?;
    announce(writing, id, &beginning)
}

/// What begins other than it should is told; the rest is seen on its message.
fn announce(writing: &Writing<'_>, id: Id, beginning: &Beginning) -> Result<(), StoreError> {
    let Some(reason) = &beginning.reason else {
        writing.outgoing_mail.set(true);
        return Ok(());
    };
    let entry = queue::entry(writing.connection, id)?;
    let detail = serde_json::json!({"state": beginning.state, "held": beginning.held, "reason": reason});
    events::of_mail(writing, &entry, EventKind::DeliveryChanged, &detail)?;
    if beginning.state.is_open() { Ok(()) } else { notices::of_trouble(writing, &entry, Trouble::Failed, reason) }
}

fn beginning(
    writing: &Writing<'_>,
    account: &str,
    mail: &Mail<'_>,
    held: Option<&Waiting>,
) -> Result<Beginning, StoreError> {
    let open = if mail.delay.is_zero() { DeliveryState::Queued } else { DeliveryState::Waiting };
    let address = match Address::parse(mail.recipient) {
        Ok(address) => address,
        Err(error) => {
            let reason = Some(format!("not sent: {} is no address that mail can go to: {error}", mail.recipient));
            return Ok(Beginning { state: DeliveryState::Failed, held: false, reason, domain: String::new() });
        }
    };
    let domain = address.domain().to_owned();
    if let Some(words) = suppressions::standing(writing.connection, account, mail.recipient, writing.now)? {
        return Ok(Beginning { state: DeliveryState::Failed, held: false, reason: Some(words), domain });
    }
    if let Some(Waiting { state, reason, .. }) = held {
        return Ok(Beginning { state: *state, held: true, reason: reason.clone(), domain });
    }
    let mut reason = None;
    if within_the_hour(writing, mail, MAILS_PER_HOUR_MAX)? >= MAILS_PER_HOUR_MAX {
        reason = Some(too_many_words(mail.kind, mail.recipient, MAILS_PER_HOUR_MAX));
    } else if open == DeliveryState::Queued {
        reason = chat_budget::spent(writing, account, mail)?;
    }
    if reason.is_some() {
        return Ok(Beginning { state: DeliveryState::Queued, held: true, reason, domain });
    }
    Ok(Beginning { state: open, held: false, reason: None, domain })
}

/// Mails like this one of the last hour, counted up to `most`.
pub fn within_the_hour(writing: &Writing<'_>, mail: &Mail<'_>, most: usize) -> Result<usize, StoreError> {
    let mut count = writing.connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM queue WHERE conversation_id = ? AND id >= ? AND recipient = ? AND kind = ?
           LIMIT ?)",
    )?;
    let since = Id::first_of(UnixMs(writing.now.0 - HOUR_MS));
    let key = params![mail.conversation, since, mail.recipient, Stored(mail.kind), most];
    Ok(count.query_row(key, |row| row.get(0))?)
}

fn reply_token(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<ReplyToken, StoreError> {
    match (mail.recipient_kind, mail.agent) {
        (_, Some(agent)) => reply_tokens::of_holder(writing, mail.conversation, Holder::Agent(agent)),
        (RecipientKind::Contact, None) => reply_tokens::of_contact(writing.connection, mail.conversation),
        (RecipientKind::Participant | RecipientKind::Agent, None) => {
            reply_tokens::of_holder(writing, mail.conversation, Holder::Participant(mail.recipient))
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

const HOUR_MS: i64 = 3_600_000;
