//! What the rule of continuity goes by, read of one conversation: who is there, what is unseen and unmailed, whether the
//! contact can be written to, and the mail that waits.

use super::super::StoreError;
use super::enqueue::Waiting;
use super::suppressions;
use super::words::{Json, Stored};
use crate::clock::UnixMs;
use crate::conversation::continuity::{AddressState, Facts, LastWord, MailWish, Reason, Rules, Unseen};
use crate::conversation::delivery::{DeliveryState, MailChoice, Posting};
use crate::conversation::id::Id;
use crate::conversation::model::Via;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::time::Duration;

/// Facts, and what is needed to act on them.
#[derive(Debug)]
pub struct Known {
    pub account: String,
    pub facts: Facts,
    pub rules: Rules,
    /// Where mail to the contact goes.
    pub recipient: Option<String>,
    /// RFC 8689: what came under REQUIRETLS is quoted in its answer, so the answer goes under it too.
    pub require_tls: bool,
    /// Several where one mail does not take all; the oldest first.
    pub armed: Vec<Armed>,
}

/// A mail that waits for the chat; held by an operator it is not touched until it is released.
pub type Armed = Waiting;

/// How the contact wrote last, and whether under REQUIRETLS.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub word: LastWord,
    pub require_tls: bool,
}

/// Reads it all.
pub fn load(connection: &Connection, conversation: Id, now: UnixMs) -> Result<Known, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM conversations c JOIN contacts k ON k.id = c.contact_id WHERE c.id = ?");
    let mut find = connection.prepare_cached(&sql)?;
    let place = find.query_row([conversation], place).optional()?.ok_or(StoreError::NotFound("conversation"))?;
    let asked = asked(connection, conversation)?;
    let armed = armed(connection, conversation)?;
    let recipient = place.recipient;
    let candidates = unseen(connection, conversation, recipient.as_deref())?;
    let require_tls = asked.is_some_and(|asked| asked.require_tls) || candidates.iter().any(|one| one.require_tls);
    // What the newest message promises holds for all that goes with it.
    let rules = Rules::of(&candidates.first().map_or_else(waited, |one| one.posting.clone()));
    let address = match &recipient {
        None => AddressState::None,
        Some(email) => suppressions::standing(connection, &place.account, email, now)?
            .map_or(AddressState::Usable, AddressState::Unusable),
    };
    let unseen = candidates.into_iter().map(|one| Unseen { id: one.id, at: one.at, mail: one.posting.mail }).collect();
    let last_word = asked.map(|asked| asked.word);
    let account = place.account;
    Ok(Known {
        account,
        facts: Facts { unseen, last_word, address, ..place.facts },
        rules,
        recipient,
        require_tls,
        armed,
    })
}

/// The contact's last message.
pub fn asked(connection: &Connection, conversation: Id) -> Result<Option<Asked>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT via, require_tls, created_at FROM messages WHERE conversation_id = ? AND direction = 'incoming'
           AND author_kind = 'contact' ORDER BY id DESC LIMIT 1",
    )?;
    let last = find.query_row([conversation], |row| {
        let word = LastWord { via: row.get::<_, Stored<Via>>(0)?.0, at: UnixMs(row.get(2)?) };
        Ok(Asked { word, require_tls: row.get(1)? })
    });
    Ok(last.optional()?)
}

struct Place {
    account: String,
    recipient: Option<String>,
    facts: Facts,
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    let time = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(UnixMs));
    let facts = Facts {
        channel: row.get::<_, Stored<_>>(2)?.0,
        unseen: Vec::new(),
        presence: row.get::<_, Stored<_>>(3)?.0,
        presence_since: time(4)?,
        present_at: time(5)?,
        last_word: None,
        contact_typing_until: time(6)?,
        agent_typing_until: time(7)?,
        address: AddressState::None,
        mail: if row.get(8)? { MailWish::Off } else { MailWish::On },
        time_zone: row.get(9)?,
    };
    Ok(Place { account: row.get(0)?, recipient: row.get(1)?, facts })
}

fn armed(connection: &Connection, conversation: Id) -> Result<Vec<Armed>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id, held, reason, free_at, looping, (SELECT count(*) FROM queue_messages WHERE queue_id = queue.id)
         FROM queue INDEXED BY queue_open
         WHERE conversation_id = ? AND state IN ('waiting', 'queued', 'deferred') AND state = 'waiting'
           AND kind = 'answer' AND recipient_kind = 'contact' ORDER BY id",
    )?;
    let rows = find.query_map([conversation], |row| {
        let state = DeliveryState::Waiting;
        Ok(Armed {
            entry: row.get(0)?,
            held: row.get(1)?,
            reason: row.get(2)?,
            free_at: row.get::<_, Option<i64>>(3)?.map(UnixMs),
            looping: row.get(4)?,
            messages: row.get(5)?,
            state,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

struct Candidate {
    id: Id,
    at: UnixMs,
    require_tls: bool,
    posting: Posting,
}

/// The latest first. A mail that failed brought its messages nowhere: they are unmailed again once there is another address.
/// So are those of one that its contact did not want, or that had lost its address: whoever turns mail on again wants what
/// they have not seen. What an operator cancelled stays so.
/// Messages of a time before this rule go only if they waited already.
///
/// What is unmailed is mostly the latest. Where much of what was looked at is, there may be more before it: a contact
/// without an address may have one now.
fn unseen(connection: &Connection, conversation: Id, recipient: Option<&str>) -> Result<Vec<Candidate>, StoreError> {
    let mut find = connection.prepare_cached(UNSEEN)?;
    let mut found = Vec::new();
    let mut before = Id(i64::MAX);
    while let Some(last) = last_of_window(connection, conversation, before)? {
        let known = found.len();
        let [off, nowhere] = [&Reason::MailOff, &Reason::NoAddress].map(Reason::to_string);
        let rows = find.query_map(params![conversation, last, before, recipient, off, nowhere], |row| {
            let posting: Option<Json<Posting>> = row.get(3)?;
            let posting = posting.map_or_else(waited, |posting| posting.0);
            Ok(Candidate { id: row.get(0)?, at: UnixMs(row.get(1)?), require_tls: row.get(2)?, posting })
        })?;
        for row in rows {
            found.push(row?);
        }
        if found.len() - known < WINDOW / 4 {
            break;
        }
        before = last;
    }
    found.retain(|one| one.posting.to_contact.is_some() || one.posting.mail == MailChoice::Never);
    Ok(found)
}

/// Where a window of the messages that were stored before one begins.
fn last_of_window(connection: &Connection, conversation: Id, before: Id) -> Result<Option<Id>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT min(id) FROM (SELECT id FROM messages INDEXED BY messages_unseen
           WHERE conversation_id = ? AND direction = 'outgoing' AND seen_at IS NULL AND id < ? ORDER BY id DESC LIMIT ?)",
    )?;
    Ok(find.query_row(params![conversation, before, WINDOW], |row| row.get(0))?)
}

/// Of a message that waited before postings were kept: it was to go by mail.
fn waited() -> Posting {
    Posting { to_contact: Some(Duration::ZERO), ..Posting::default() }
}

const COLUMNS: &str =
    "c.account, ifnull(k.claimed_email, k.email), c.channel, c.presence, c.presence_since, c.present_at,
    c.contact_typing_until, c.agent_typing_until, c.mail_off, k.time_zone";
const UNSEEN: &str = "SELECT m.id, m.created_at, m.require_tls, m.posting FROM messages m INDEXED BY messages_unseen
    WHERE m.conversation_id = ?1 AND m.direction = 'outgoing' AND m.seen_at IS NULL AND m.id >= ?2 AND m.id < ?3
      AND m.author_kind = 'agent' AND m.held_until IS NULL AND (m.posting IS NOT NULL OR EXISTS (
        SELECT 1 FROM queue_messages w JOIN queue a ON a.id = w.queue_id WHERE w.message_id = m.id
          AND a.state = 'waiting' AND a.kind = 'answer' AND a.recipient_kind = 'contact'))
      AND NOT EXISTS (
        SELECT 1 FROM queue_messages x JOIN queue q ON q.id = x.queue_id
        WHERE x.message_id = m.id AND q.kind = 'answer' AND q.recipient_kind = 'contact' AND q.state <> 'waiting'
          AND NOT (q.state = 'failed' AND q.recipient <> ifnull(?4, q.recipient))
          AND NOT (q.state = 'cancelled' AND ifnull(q.reason, '') IN (?5, ?6)))
    ORDER BY m.id DESC";
/// Unseen messages that are looked at together: in a conversation by mail nothing is ever seen, and all of it is mailed.
const WINDOW: usize = 200;
