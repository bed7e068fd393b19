//! Which mail a new message causes, queued in the message's own commit: between "sent" and the queue there is no gap.
//!
//! An agent's message goes to the contact and to the participants that the agent chose; a contact's message to the agents
//! whom it concerns. Everything that goes out together to one recipient is one entry.

use super::super::StoreError;
use super::super::outgoing::EventKind;
use super::super::unit::NewMessage;
use super::begin::email_key;
use super::budgets::{Held, Verdict};
use super::notices::Trouble;
use super::reply_tokens::Holder;
use super::units::Writing;
use super::words::Stored;
use super::{agents, budgets, continuity, events, facts, notices, queue, reply_tokens, suppressions};
use crate::clock::UnixMs;
use crate::conversation::delivery::{DeliveryState, MailKind, RecipientKind};
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Direction};
use crate::conversation::reply_token::ReplyToken;
use crate::limits::MESSAGES_PER_MAIL_MAX;
use crate::mail::address::{Address, without_detail};
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
    /// A bound holds it until then.
    pub free_at: Option<UnixMs>,
    /// It looks like a loop.
    pub looping: bool,
}

/// One that the chat has first, that is held, or that waits for what else a busy chat brings; none whose octets went out
/// already. What people write never joins a loop that stands still, and what loops joins nothing else.
fn waiting(writing: &Writing<'_>, mail: &Mail<'_>) -> Result<Option<Waiting>, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT id, (SELECT count(*) FROM queue_messages WHERE queue_id = queue.id), state, held, reason, free_at, looping
         FROM queue WHERE conversation_id = ?1 AND recipient = ?2 AND kind = ?3
           AND state IN ('waiting', 'queued', 'deferred') AND phase IS NULL AND raw_id IS NULL
           AND (looping = ?4 OR held = 1 AND free_at IS NULL AND looping = 0)
           AND (state = 'waiting' OR held = 1 OR kind = 'notification' AND attempts = 0 AND due_at > ?5)
         ORDER BY id DESC LIMIT 1",
    )?;
    let place = place(writing, mail.conversation)?;
    let looping = budgets::looping(writing, &place.account, mail)?.is_some();
    let key = params![mail.conversation, mail.recipient, Stored(mail.kind), looping, writing.now.0];
    let found = find.query_row(key, |row| {
        Ok(Waiting {
            entry: row.get(0)?,
            messages: row.get(1)?,
            state: row.get::<_, Stored<_>>(2)?.0,
            held: row.get(3)?,
            reason: row.get(4)?,
            free_at: row.get::<_, Option<i64>>(5)?.map(UnixMs),
            looping: row.get(6)?,
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
    looping: bool,
    free_at: Option<UnixMs>,
    /// With what else comes until then.
    together: Option<UnixMs>,
    reason: Option<String>,
    domain: String,
}

fn insert(writing: &Writing<'_>, mail: &Mail<'_>, messages: &[Id], held: Option<&Waiting>) -> Result<(), StoreError> {
    let Place { account, .. } = place(writing, mail.conversation)?;
    let beginning = beginning(writing, &account, mail, held)?;
    let id = writing.next_id()?;
    let message_id = writing.keys.message_id(id, &writing.outgoing.hostname);
    let give_up = writing.now.0.saturating_add(milliseconds(mail.delay)) + milliseconds(writing.outgoing.give_up);
    let due_at = beginning.together.map_or(writing.now.0.saturating_add(milliseconds(mail.delay)), |at| at.0);
    let due_at = beginning.state.is_open().then_some(due_at);
    writing.execute(
        "INSERT INTO queue (id, account, conversation_id, kind, recipient, recipient_kind, agent_id, domain, notice,
           reply_token, message_id, require_tls, state, held, looping, free_at, counted_as, created_at, due_at, give_up_at, reason)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
            beginning.looping,
            beginning.free_at.map(|at| at.0),
            without_detail(mail.recipient),
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
    let reason = match &beginning.reason {
        Some(reason) if beginning.held || !beginning.state.is_open() => reason,
        Some(_) | None => {
            writing.outgoing_mail.set(true);
            return Ok(());
        }
    };
    writing.timers.set(true);
    let entry = queue::entry(writing.connection, id)?;
    let detail = serde_json::json!({"state": beginning.state, "held": beginning.held, "reason": reason});
    events::of_mail(writing, &entry, EventKind::DeliveryChanged, &detail)?;
    if beginning.looping {
        // It is told now, and need not be as trouble in an hour.
        writing.execute("UPDATE queue SET told_at = ? WHERE id = ?", params![writing.now.0, id])?;
        return notices::of_trouble(writing, &entry, Trouble::Held, reason);
    }
    if beginning.state.is_open() { Ok(()) } else { notices::of_trouble(writing, &entry, Trouble::Failed, reason) }
}

fn beginning(
    writing: &Writing<'_>,
    account: &str,
    mail: &Mail<'_>,
    behind: Option<&Waiting>,
) -> Result<Beginning, StoreError> {
    let open = if mail.delay.is_zero() { DeliveryState::Queued } else { DeliveryState::Waiting };
    let begun = |state, reason, domain| Beginning {
        state,
        held: false,
        looping: false,
        free_at: None,
        together: None,
        reason,
        domain,
    };
    let address = match Address::parse(mail.recipient) {
        Ok(address) => address,
        Err(error) => {
            let reason = format!("not sent: {} is no address that mail can go to: {error}", mail.recipient);
            return Ok(begun(DeliveryState::Failed, Some(reason), String::new()));
        }
    };
    let domain = address.domain().to_owned();
    if let Some(words) = suppressions::standing(writing.connection, account, mail.recipient, writing.now)? {
        return Ok(begun(DeliveryState::Failed, Some(words), domain));
    }
    if let Some(Waiting { state, reason, free_at, looping, .. }) = behind.cloned() {
        return Ok(Beginning { held: true, looping, free_at, ..begun(state, reason, domain) });
    }
    // What the chat has first is looked at when it is due.
    let verdict = if open == DeliveryState::Waiting { Verdict::Go } else { budgets::verdict(writing, account, mail)? };
    Ok(match verdict {
        Verdict::Go => begun(open, None, domain),
        Verdict::Together(at) => Beginning { together: Some(at), ..begun(open, Some(TOGETHER.to_owned()), domain) },
        Verdict::Held(Held { words, free_at }) => {
            let looping = free_at.is_none();
            Beginning { held: true, looping, free_at, ..begun(open, Some(words), domain) }
        }
    })
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

const TOGETHER: &str = "the chat is busy: what else comes within five minutes goes out with it";
