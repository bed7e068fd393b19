//! Who is in a chat, who types, and what was seen: each change and what follows for the mail that waits are one commit.

use super::super::StoreError;
use super::super::outgoing::EventKind;
use super::events::Happening;
use super::units::Writing;
use super::words::{Stored, Word};
use super::{continuity, conversations, events, queue};
use crate::clock::UnixMs;
use crate::conversation::delivery::{DeliveryState, Phase};
use crate::conversation::id::Id;
use crate::conversation::presence::{Presence, Seen, TYPING_LIFE, TabState, TypingState, Typist};
use rusqlite::{Connection, OptionalExtension, params};

/// What one tab says of itself; `None`: it is gone. Answers what all of them come to.
pub fn tab(
    writing: &Writing<'_>,
    conversation: Id,
    tab: &str,
    state: Option<TabState>,
) -> Result<Presence, StoreError> {
    let before = standing(writing, conversation)?;
    match state {
        Some(state) => {
            writing.execute(
                "INSERT INTO tabs (conversation_id, tab, state, since) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (conversation_id, tab) DO UPDATE SET since = ?4, state = ?3",
                params![conversation, tab, Stored(state), writing.now.0],
            )?;
            forget_surplus(writing, conversation)?;
        }
        None => {
            let gone = "DELETE FROM tabs WHERE conversation_id = ? AND tab = ?";
            writing.execute(gone, params![conversation, tab])?;
        }
    }
    settle(writing, conversation, before)
}

/// What another channel says of its contact: it counts as one tab, which a restart leaves.
pub fn of_channel(writing: &Writing<'_>, conversation: Id, presence: Presence) -> Result<Presence, StoreError> {
    tab(writing, conversation, CHANNEL, presence.tab())
}

/// At the start: whoever had a tab open connects again, or is gone. Some connect before all that was left is gone, so only what
/// is not of this run ends: what was said before it began, or (a clock that was put back meanwhile) at a time yet to come.
/// Answers how many conversations that changed.
pub fn end_tabs(writing: &Writing<'_>, started: UnixMs, limit: usize) -> Result<usize, StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT DISTINCT conversation_id FROM tabs WHERE tab <> ? AND (since < ? OR since > ?) LIMIT ?",
    )?;
    let now = writing.now.0.max(started.0);
    let rows = find.query_map(params![CHANNEL, started.0, now, limit], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    for conversation in &found {
        let before = standing(writing, *conversation)?;
        let gone = "DELETE FROM tabs WHERE conversation_id = ? AND tab <> ? AND (since < ? OR since > ?)";
        writing.execute(gone, params![conversation, CHANNEL, started.0, now])?;
        settle(writing, *conversation, before)?;
    }
    Ok(found.len())
}

/// A tab whose connection lives is there, whatever became of what is known of it; one that is known stays as it is.
pub fn keep_tab(writing: &Writing<'_>, conversation: Id, tab: &str) -> Result<Presence, StoreError> {
    let before = standing(writing, conversation)?;
    writing.execute(
        "INSERT INTO tabs (conversation_id, tab, state, since) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        params![conversation, tab, Stored(TabState::Connected), writing.now.0],
    )?;
    forget_surplus(writing, conversation)?;
    settle(writing, conversation, before)
}

/// Whether a tab is known.
pub fn is_known(connection: &Connection, conversation: Id, tab: &str) -> Result<bool, StoreError> {
    let mut find = connection.prepare_cached("SELECT 1 FROM tabs WHERE conversation_id = ? AND tab = ?")?;
    Ok(find.exists(params![conversation, tab])?)
}

/// Somebody types, or stopped. What is due meanwhile is looked at when it is due; only an end may bring that moment nearer.
pub fn typing(writing: &Writing<'_>, conversation: Id, typist: Typist, on: TypingState) -> Result<(), StoreError> {
    conversations::exists(writing.connection, conversation)?;
    let life = i64::try_from(TYPING_LIFE.as_millis()).unwrap_or_default();
    let until = (on == TypingState::On).then_some(writing.now.0 + life);
    let set = match typist {
        Typist::Contact => "UPDATE conversations SET contact_typing_until = ? WHERE id = ?",
        Typist::Agent => "UPDATE conversations SET agent_typing_until = ? WHERE id = ?",
    };
    writing.execute(set, params![until, conversation])?;
    if on == TypingState::Off { continuity::redecide_chat(writing, conversation) } else { Ok(()) }
}

/// What the contact has seen; answers what of it was not seen before.
pub fn seen(writing: &Writing<'_>, conversation: Id, which: &Seen) -> Result<Vec<Id>, StoreError> {
    conversations::exists(writing.connection, conversation)?;
    let mut ids = match which {
        Seen::All => mark_range(writing, conversation, Id(i64::MIN), Id(i64::MAX))?,
        Seen::UpTo(last) => {
            is_of(writing, conversation, *last)?;
            mark_range(writing, conversation, Id(i64::MIN), *last)?
        }
        Seen::These(messages) => {
            let mut marked = Vec::new();
            for message in messages {
                is_of(writing, conversation, *message)?;
                marked.extend(mark_range(writing, conversation, *message, *message)?);
            }
            marked
        }
    };
    if ids.is_empty() {
        return Ok(ids);
    }
    ids.sort_unstable();
    writing.execute(
        "UPDATE conversations SET unseen_by_contact = (SELECT count(*) FROM messages WHERE conversation_id = ?1
           AND direction = 'outgoing' AND seen_at IS NULL AND author_kind = 'agent' AND held_until IS NULL) WHERE id = ?1",
        [conversation],
    )?;
    let told: Vec<String> = ids.iter().rev().take(TOLD_MAX).rev().map(Id::to_string).collect();
    let detail = serde_json::json!({"seen": told});
    let kind = EventKind::DeliveryChanged;
    events::record(writing, &Happening { kind, conversation, message: ids.last().copied(), entry: None, detail })?;
    call_back(writing, conversation)?;
    continuity::redecide(writing, conversation)?;
    Ok(ids)
}

fn mark_range(writing: &Writing<'_>, conversation: Id, first: Id, last: Id) -> Result<Vec<Id>, StoreError> {
    let mut mark = writing.connection.prepare_cached(
        "UPDATE messages SET seen_at = ? WHERE conversation_id = ? AND direction = 'outgoing' AND seen_at IS NULL
           AND id BETWEEN ? AND ? AND held_until IS NULL RETURNING id",
    )?;
    let rows = mark.query_map(params![writing.now.0, conversation, first, last], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn is_of(writing: &Writing<'_>, conversation: Id, message: Id) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT 1 FROM messages WHERE id = ? AND conversation_id = ?")?;
    if find.exists(params![message, conversation])? { Ok(()) } else { Err(StoreError::NotFound("message")) }
}

/// Mail that is on its way and whose every word was seen meanwhile: as long as no host has it, it need not arrive.
fn call_back(writing: &Writing<'_>, conversation: Id) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached(
        "SELECT q.id FROM queue q INDEXED BY queue_open WHERE q.conversation_id = ? AND q.state IN ('waiting', 'queued', 'deferred')
           AND q.state <> 'waiting' AND q.kind = 'answer' AND q.recipient_kind = 'contact' AND q.raw_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM queue_messages x JOIN messages m ON m.id = x.message_id
             WHERE x.queue_id = q.id AND (m.seen_at IS NULL OR ifnull(m.posting ->> '$.mail', '') = 'now'))",
    )?;
    let rows = find.query_map([conversation], |row| row.get(0))?;
    let found: Vec<Id> = rows.collect::<Result<_, _>>()?;
    for entry in found {
        if queue::entry(writing.connection, entry)?.phase != Some(Phase::DataSent) {
            continuity::end(writing, entry, DeliveryState::Seen, "seen in the chat before it was sent")?;
        }
    }
    Ok(())
}

fn standing(writing: &Writing<'_>, conversation: Id) -> Result<Presence, StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT presence FROM conversations WHERE id = ?")?;
    let found: Option<Stored<Presence>> = find.query_row([conversation], |row| row.get(0)).optional()?;
    found.map(|presence| presence.0).ok_or(StoreError::NotFound("conversation"))
}

fn settle(writing: &Writing<'_>, conversation: Id, before: Presence) -> Result<Presence, StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT state FROM tabs WHERE conversation_id = ?")?;
    let rows = find.query_map([conversation], |row| Ok(row.get::<_, Stored<TabState>>(0)?.0))?;
    let now = Presence::of(rows.collect::<Result<Vec<_>, _>>()?);
    let watched = (before.max(now)).is_watching().then_some(writing.now.0);
    writing.execute(
        "UPDATE conversations SET presence_since = CASE WHEN presence = ?1 THEN presence_since ELSE ?2 END,
           presence = ?1, present_at = ifnull(?3, present_at) WHERE id = ?4",
        params![Stored(now), writing.now.0, watched, conversation],
    )?;
    if now != before {
        continuity::redecide_chat(writing, conversation)?;
    }
    Ok(now)
}

/// Whoever opens ever new tabs holds no more than so many rows.
fn forget_surplus(writing: &Writing<'_>, conversation: Id) -> Result<(), StoreError> {
    writing.execute(
        "DELETE FROM tabs WHERE conversation_id = ?1 AND tab <> ?2 AND tab IN (SELECT tab FROM tabs
           WHERE conversation_id = ?1 AND tab <> ?2 ORDER BY since DESC, tab LIMIT -1 OFFSET ?3)",
        params![conversation, CHANNEL, TABS_MAX],
    )?;
    Ok(())
}

impl Word for Presence {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Presence::Absent, "absent"),
        (Presence::Connected, "connected"),
        (Presence::Visible, "visible"),
        (Presence::Reading, "reading"),
    ];
}

impl Word for TabState {
    const WORDS: &'static [(Self, &'static str)] =
        &[(TabState::Connected, "connected"), (TabState::Visible, "visible"), (TabState::Reading, "reading")];
}

/// The name of the tab that another channel counts as: no widget has it.
const CHANNEL: &str = "";
const TABS_MAX: usize = 32;
/// Ids of one event.
const TOLD_MAX: usize = 100;
