//! The rule of continuity carried out: each unit that changes a fact has it decided anew in its own commit, and so has the
//! moment at which a mail is due. The timer is the mail's own row in state `waiting`, so no crash can part the two.

use super::super::StoreError;
use super::super::outgoing::{EventKind, Forecast, ForecastMail, Outlook};
use super::begin::email_key;
use super::facts::{self, Armed, Known};
use super::notices::Trouble;
use super::units::Writing;
use super::words::Stored;
use super::{budgets, enqueue, events, held, notices, queue};
use crate::clock::UnixMs;
use crate::conversation::continuity::{Decision, Reason, Rules, Unseen, decide};
use crate::conversation::delivery::{DeliveryState, MailChoice, MailKind, Posting, RecipientKind};
use crate::conversation::id::Id;
use crate::conversation::model::Channel;
use crate::mail::address::{Address, without_detail};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// Decides anew, whatever was planned before.
pub fn redecide(writing: &Writing<'_>, conversation: Id) -> Result<(), StoreError> {
    let known = facts::load(writing.connection, conversation, writing.now)?;
    let decision = decide(&known.facts, &known.rules, writing.now);
    match decision {
        Decision::Nothing(reason) => disarm(writing, conversation, &known, &reason),
        Decision::Wait { until, reason } => arm(writing, conversation, &known, until, &reason),
        Decision::Mail { messages, reason } => send(writing, conversation, &known, &messages, &reason),
    }
}

/// The same where a fact changed that matters only to what a contact has not seen in a chat.
pub fn redecide_chat(writing: &Writing<'_>, conversation: Id) -> Result<(), StoreError> {
    let mut find = writing
        .connection
        .prepare_cached("SELECT 1 FROM conversations WHERE id = ? AND unseen_by_contact > 0 AND channel <> 'email'")?;
    if find.exists([conversation])? { redecide(writing, conversation) } else { Ok(()) }
}

/// Releases what was held long enough and looks again at what is due; answers when to come again, at once if there is more
/// than one commit should take.
pub fn due(writing: &Writing<'_>) -> Result<Option<UnixMs>, StoreError> {
    let mut find = writing.connection.prepare_cached(&due_sql())?;
    let rows = find.query_map(params![writing.now.0, AT_ONCE_MAX], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    for conversation in found {
        redecide(writing, conversation)?;
    }
    held::release_due(writing, AT_ONCE_MAX)?;
    budgets::free_due(writing, AT_ONCE_MAX)?;
    next(writing.connection)
}

/// When something is due that time alone brings: three index steps.
pub fn next(connection: &Connection) -> Result<Option<UnixMs>, StoreError> {
    let first = |sql: &str| -> Result<Option<i64>, StoreError> {
        Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.flatten())
    };
    let moments = [first(&next_sql())?, first(&held::next_sql())?, first(&budgets::next_sql())?];
    Ok(moments.into_iter().flatten().min().map(UnixMs))
}

/// Decides anew for some of what waits, in the order of ids; answers where to go on.
pub fn reconsider(writing: &Writing<'_>, after: Option<Id>) -> Result<Option<Id>, StoreError> {
    let mut find = writing.connection.prepare_cached(RECONSIDERED)?;
    let rows = find.query_map(params![after.unwrap_or(Id(i64::MIN)), AT_ONCE_MAX], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    if after.is_none() {
        budgets::look_at_all(writing)?;
    }
    for conversation in &found {
        redecide(writing, *conversation)?;
    }
    Ok(found.last().copied().filter(|_| found.len() == AT_ONCE_MAX))
}

/// Whether the newest message or event is of a time that is yet to come.
pub fn is_ahead(connection: &Connection, now: UnixMs) -> Result<bool, StoreError> {
    let newest = "SELECT max(ifnull((SELECT max(id) FROM messages), 0), ifnull((SELECT max(id) FROM events), 0))";
    let newest: Id = connection.prepare_cached(newest)?.query_row([], |row| row.get(0))?;
    Ok(newest.issued_at().0 > now.0 + AHEAD_MS)
}

/// What is true of a conversation now, for whoever shows it.
pub fn outlook(connection: &Connection, conversation: Id, now: UnixMs) -> Result<Outlook, StoreError> {
    let known = facts::load(connection, conversation, now)?;
    if known.armed.iter().any(|armed| armed.held) {
        let reason = "the mail is held until it is released: replyd queue release".to_owned();
        return Ok(Outlook { due_at: None, reason, waits: true });
    }
    let waits = !known.facts.unseen.is_empty();
    let (due_at, reason) = match decide(&known.facts, &known.rules, now) {
        Decision::Nothing(reason) => (None, reason),
        Decision::Wait { until, reason } => (Some(until), reason),
        Decision::Mail { reason, .. } => (Some(now), reason),
    };
    Ok(Outlook { due_at, reason: reason.to_string(), waits })
}

/// What would become of a message written now. Its author's own typing is what ends with it.
pub fn forecast(
    connection: &Connection,
    conversation: Id,
    posting: &Posting,
    now: UnixMs,
) -> Result<Forecast, StoreError> {
    let Known { mut facts, recipient, .. } = facts::load(connection, conversation, now)?;
    facts.agent_typing_until = None;
    facts.unseen.push(Unseen { id: Id(i64::MAX), at: now, mail: posting.mail });
    if posting.mail == MailChoice::Never {
        facts.unseen.retain(|unseen| unseen.id == Id(i64::MAX));
    }
    let (due_at, reason) = match decide(&facts, &Rules::of(posting), now) {
        Decision::Nothing(reason) => (None, reason),
        Decision::Wait { until, reason } => (Some(until), reason),
        Decision::Mail { reason, .. } => (Some(now), reason),
    };
    let email = due_at.zip(recipient).map(|(due_at, to)| ForecastMail { to, due_at });
    Ok(Forecast { chat: facts.channel != Channel::Email, email, reason: reason.to_string() })
}

/// What waited does not wait any more; what can never go is told on its message at once.
fn disarm(writing: &Writing<'_>, conversation: Id, known: &Known, reason: &Reason) -> Result<(), StoreError> {
    let (state, words) = match reason {
        Reason::NothingUnseen => (DeliveryState::Seen, "seen in the chat".to_owned()),
        Reason::Unusable(words) => (DeliveryState::Failed, words.clone()),
        reason => (DeliveryState::Cancelled, reason.to_string()),
    };
    if state == DeliveryState::Failed {
        let mut messages = wanted(known);
        messages.sort_unstable();
        fill(writing, conversation, known, &messages, Duration::ZERO)?;
    }
    known.armed.iter().try_for_each(|armed| end(writing, armed.entry, state, &words))
}

fn arm(
    writing: &Writing<'_>,
    conversation: Id,
    known: &Known,
    until: UnixMs,
    reason: &Reason,
) -> Result<(), StoreError> {
    let mut messages: Vec<Id> = wanted(known);
    messages.sort_unstable();
    let delay = Duration::from_millis(u64::try_from(until.0 - writing.now.0).unwrap_or_default());
    fill(writing, conversation, known, &messages, delay)?;
    let set = "UPDATE queue INDEXED BY queue_open SET due_at = ?1, reason = ?2
        WHERE conversation_id = ?3 AND state IN ('waiting', 'queued', 'deferred') AND state = 'waiting'
          AND kind = 'answer' AND recipient_kind = 'contact' AND (due_at IS NOT ?1 OR reason IS NOT ?2)";
    if writing.execute(set, params![until.0, reason.to_string(), conversation])? > 0 {
        writing.timers.set(true);
    }
    Ok(())
}

fn wanted(known: &Known) -> Vec<Id> {
    let wanted = known.facts.unseen.iter().filter(|unseen| unseen.mail != MailChoice::Never);
    wanted.map(|unseen| unseen.id).collect()
}

/// From now on it is mail like any other: tried until it is delivered or given up.
fn send(
    writing: &Writing<'_>,
    conversation: Id,
    known: &Known,
    messages: &[Id],
    reason: &Reason,
) -> Result<(), StoreError> {
    let Some(recipient) = &known.recipient else { return Ok(()) };
    for armed in fill(writing, conversation, known, messages, Duration::ZERO)? {
        if armed.held {
            continue;
        }
        let mail = contact_mail(conversation, known, recipient, messages, Duration::ZERO);
        if let Some(held) = budgets::room(writing, &known.account, &mail)? {
            hold(writing, armed.entry, &held)?;
            continue;
        }
        let give_up = i64::try_from(writing.outgoing.give_up.as_millis()).unwrap_or(i64::MAX / 4);
        // Its age counts from here: for the contact it begins now, and so does the trouble it may be in.
        writing.execute(
            "UPDATE queue SET state = 'queued', due_at = ?1, created_at = ?1, give_up_at = ?2, reason = NULL WHERE id = ?3",
            params![writing.now.0, writing.now.0 + give_up, armed.entry],
        )?;
        told(writing, armed.entry, DeliveryState::Queued, &reason.to_string())?;
        writing.outgoing_mail.set(true);
    }
    Ok(())
}

/// It does not wait for the chat any more, but for room.
fn hold(writing: &Writing<'_>, entry: Id, held: &budgets::Held) -> Result<(), StoreError> {
    let (reason, free_at) = (&held.words, held.free_at.map(|at| at.0));
    let hold = "UPDATE queue SET state = 'queued', held = 1, due_at = ?1, created_at = ?1, reason = ?2, free_at = ?3
        WHERE id = ?4";
    writing.execute(hold, params![writing.now.0, reason, free_at, entry])?;
    writing.timers.set(true);
    let entry = queue::entry(writing.connection, entry)?;
    let detail = serde_json::json!({"state": DeliveryState::Queued, "held": true, "reason": reason});
    events::of_mail(writing, &entry, EventKind::DeliveryChanged, &detail)
}

fn contact_mail<'a>(
    conversation: Id,
    known: &Known,
    recipient: &'a str,
    messages: &'a [Id],
    delay: Duration,
) -> enqueue::Mail<'a> {
    enqueue::Mail {
        conversation,
        kind: MailKind::Answer,
        recipient,
        recipient_kind: RecipientKind::Contact,
        agent: None,
        messages,
        notice: None,
        delay,
        require_tls: known.require_tls,
    }
}

/// By mail with all of these, at once or after a while.
fn queued(
    writing: &Writing<'_>,
    conversation: Id,
    known: &Known,
    messages: &[Id],
    delay: Duration,
) -> Result<(), StoreError> {
    let Some(recipient) = known.recipient.as_ref().filter(|_| !messages.is_empty()) else { return Ok(()) };
    enqueue::mail(writing, &contact_mail(conversation, known, recipient, messages, delay))
}

/// What waits holds exactly what is still unseen, and goes to the address that is good now. Answers what waited before and
/// still does; what did not fit there waits in mails of its own, or has begun its way.
fn fill(
    writing: &Writing<'_>,
    conversation: Id,
    known: &Known,
    messages: &[Id],
    delay: Duration,
) -> Result<Vec<Armed>, StoreError> {
    let Some(recipient) = &known.recipient else { return Ok(Vec::new()) };
    let mut waiting: Vec<Armed> = Vec::with_capacity(known.armed.len());
    for armed in &known.armed {
        waiting.extend(still_unseen(writing, armed)?);
    }
    for armed in &waiting {
        readdress(writing, known, armed.entry, recipient)?;
    }
    let mut missing = Vec::with_capacity(messages.len());
    for message in messages {
        if !is_in(writing, &waiting, *message)? {
            missing.push(*message);
        }
    }
    if missing.is_empty() {
        return Ok(waiting);
    }
    match waiting.last() {
        Some(last) => {
            let mail = contact_mail(conversation, known, recipient, &missing, delay);
            enqueue::begin(writing, &mail, Some(last))?;
        }
        None => queued(writing, conversation, known, &missing, delay)?,
    }
    Ok(waiting)
}

/// Without what was seen meanwhile; a mail of which nothing is left has ended.
fn still_unseen(writing: &Writing<'_>, armed: &Armed) -> Result<Option<Armed>, StoreError> {
    let of_entry = "queue_id = ? AND message_id IN (SELECT id FROM messages WHERE seen_at IS NOT NULL)";
    let count = format!("SELECT count(*) FROM queue_messages WHERE {of_entry}");
    let seen: usize = writing.connection.prepare_cached(&count)?.query_row([armed.entry], |row| row.get(0))?;
    if seen == armed.messages {
        end(writing, armed.entry, DeliveryState::Seen, "seen in the chat")?;
        return Ok(None);
    }
    if seen > 0 {
        writing.execute(&format!("DELETE FROM queue_messages WHERE {of_entry}"), [armed.entry])?;
    }
    Ok(Some(Armed { messages: armed.messages - seen, ..armed.clone() }))
}

fn is_in(writing: &Writing<'_>, mails: &[Armed], message: Id) -> Result<bool, StoreError> {
    let mut find =
        writing.connection.prepare_cached("SELECT 1 FROM queue_messages WHERE message_id = ? AND queue_id = ?")?;
    for mail in mails {
        if find.exists(params![message, mail.entry])? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn readdress(writing: &Writing<'_>, known: &Known, entry: Id, recipient: &str) -> Result<(), StoreError> {
    let domain = Address::parse(recipient).map(|address| address.domain().to_owned()).unwrap_or_default();
    let address =
        "UPDATE queue SET recipient = ?1, counted_as = ?5, domain = CASE recipient WHEN ?1 THEN domain ELSE ?2 END,
        require_tls = max(require_tls, ?3) WHERE id = ?4";
    writing.execute(
        address,
        params![email_key(recipient), domain, known.require_tls, entry, without_detail(&email_key(recipient))],
    )?;
    Ok(())
}

/// Whoever has it in hand finds that it has ended, and puts it down.
pub fn end(writing: &Writing<'_>, entry: Id, state: DeliveryState, reason: &str) -> Result<(), StoreError> {
    let end = "UPDATE queue SET state = ?, due_at = NULL, reason = ? WHERE id = ?";
    writing.execute(end, params![Stored(state), reason, entry])?;
    told(writing, entry, state, reason)?;
    if state == DeliveryState::Failed {
        notices::of_trouble(writing, &queue::entry(writing.connection, entry)?, Trouble::Failed, reason)?;
    }
    Ok(())
}

fn told(writing: &Writing<'_>, entry: Id, state: DeliveryState, reason: &str) -> Result<(), StoreError> {
    let entry = queue::entry(writing.connection, entry)?;
    let detail = serde_json::json!({"state": state, "reason": reason});
    events::of_mail(writing, &entry, EventKind::DeliveryChanged, &detail)
}

fn due_sql() -> String {
    "SELECT conversation_id FROM queue INDEXED BY queue_waiting WHERE state = 'waiting' AND held = 0 AND due_at <= ?
     ORDER BY due_at LIMIT ?"
        .to_owned()
}

fn next_sql() -> String {
    "SELECT due_at FROM queue INDEXED BY queue_waiting WHERE state = 'waiting' AND held = 0 ORDER BY due_at LIMIT 1"
        .to_owned()
}

const RECONSIDERED: &str = "SELECT DISTINCT conversation_id FROM queue INDEXED BY queue_open WHERE conversation_id > ?
    AND state IN ('waiting', 'queued', 'deferred') AND state = 'waiting' ORDER BY conversation_id LIMIT ?";
/// Ids are made increasing, so that a few milliseconds mean nothing.
const AHEAD_MS: i64 = 10_000;
/// Of each kind, in one commit.
const AT_ONCE_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    /// However many timers are armed, only those that are due are looked at, and nothing is sorted.
    #[test]
    fn what_is_due_is_found_by_index() {
        let mut connection = Connection::open_in_memory().expect("SQLite opens a database in memory");
        schema::migrate(&mut connection).expect("the tables");
        for (sql, expected) in [
            (due_sql(), &["SEARCH queue USING INDEX queue_waiting (due_at<?)"][..]),
            (next_sql(), &["SCAN queue USING COVERING INDEX queue_waiting"]),
            (held::due_sql(), &["SEARCH messages USING COVERING INDEX messages_held (held_until>? AND held_until<?)"]),
            (budgets::due_sql(), &["SEARCH queue USING COVERING INDEX queue_freed (free_at>? AND free_at<?)"]),
            (budgets::next_sql(), &["SEARCH queue USING COVERING INDEX queue_freed (free_at>?)"]),
            (held::next_sql(), &["SEARCH messages USING COVERING INDEX messages_held (held_until>?)"]),
            (RECONSIDERED.to_owned(), &["SEARCH queue USING INDEX queue_open (conversation_id>?)"]),
        ] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("a statement");
            let plan =
                explain.raw_query().mapped(|row| row.get(3)).collect::<Result<Vec<String>, _>>().expect("a plan");
            assert_eq!(plan, expected, "{sql}");
        }
    }
}
