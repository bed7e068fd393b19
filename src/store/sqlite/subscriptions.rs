//! Subscriptions to events: the config's and the API's, how far each has come, and what it still owes to whom.
//!
//! A progress is one commit: the position and the lanes that let it pass are never apart. A progress of an earlier generation
//! changes nothing, so that a replay is not undone by what was under way.

use super::super::StoreError;
use super::super::hooks::{
    ConfiguredSubscription, NewSubscription, Subscription, SubscriptionOrigin, SubscriptionProgress, Trouble,
    WAITING_COUNTED_MAX,
};
use super::units::Writing;
use super::words::{Json, Stored};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Makes the config's subscriptions what the config says: new ones begin with what happens from now on.
pub fn sync(writing: &Writing<'_>, configured: &[ConfiguredSubscription]) -> Result<(), StoreError> {
    let known: Vec<Subscription> =
        live(writing.connection)?.into_iter().filter(|known| known.origin == SubscriptionOrigin::Config).collect();
    let is =
        |known: &Subscription, wish: &ConfiguredSubscription| known.account == wish.account && known.url == wish.url;
    for gone in known.iter().filter(|known| !configured.iter().any(|wish| is(known, wish))) {
        end(writing, gone.id)?;
    }
    for wish in configured {
        match known.iter().find(|known| is(known, wish)) {
            Some(known) => {
                let change = "UPDATE subscriptions SET events = ?, allow_private = ? WHERE id = ?";
                writing.execute(change, params![Json(&wish.events), wish.allow_private, known.id])?;
            }
            None => {
                insert(writing, wish, None)?;
            }
        }
    }
    Ok(())
}

/// Adds one of the API's.
pub fn add(writing: &Writing<'_>, new: &NewSubscription) -> Result<Subscription, StoreError> {
    let of_account = live(writing.connection)?.into_iter().filter(|known| known.account == new.account).count();
    if of_account >= new.subscriptions_max {
        let most = new.subscriptions_max;
        return Err(StoreError::Conflict(format!("an account has {most} webhooks at most; remove one first")));
    }
    let wish = ConfiguredSubscription {
        account: new.account.clone(),
        url: new.url.clone(),
        events: new.events.clone(),
        allow_private: new.allow_private,
    };
    let id = insert(writing, &wish, Some(&new.secret))?;
    one(writing.connection, id)
}

fn insert(writing: &Writing<'_>, wish: &ConfiguredSubscription, secret: Option<&str>) -> Result<Id, StoreError> {
    let id = writing.next_id()?;
    let origin = if secret.is_some() { SubscriptionOrigin::Api } else { SubscriptionOrigin::Config };
    // Its own id is above that of every event there is.
    writing.execute(
        "INSERT INTO subscriptions (id, account, origin, url, secret, events, allow_private, created_at, position)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            id,
            wish.account,
            Stored(origin),
            wish.url,
            secret,
            Json(&wish.events),
            wish.allow_private,
            writing.now.0,
            id
        ],
    )?;
    Ok(id)
}

/// Ends one of the API's; the config's are ended there.
pub fn remove(writing: &Writing<'_>, id: Id) -> Result<(), StoreError> {
    if one(writing.connection, id)?.origin == SubscriptionOrigin::Config {
        return Err(StoreError::Conflict("this webhook stands in the config: remove it there and reload".to_owned()));
    }
    end(writing, id)
}

/// What is gone needs neither its secret nor its lanes.
fn end(writing: &Writing<'_>, id: Id) -> Result<(), StoreError> {
    let end = "UPDATE subscriptions SET removed_at = ?, secret = NULL, generation = generation + 1 WHERE id = ?";
    writing.execute(end, params![writing.now.0, id])?;
    writing.execute("DELETE FROM subscription_lanes WHERE subscription_id = ?", [id])?;
    Ok(())
}

/// Tells everything after an event again, and tells again at all if that was stopped. Lanes that owe only later events stay.
pub fn replay(writing: &Writing<'_>, id: Id, after: Id) -> Result<Subscription, StoreError> {
    let known = one(writing.connection, id)?;
    let again =
        "UPDATE subscriptions SET position = ?, generation = generation + 1, disabled = NULL, failing_since = NULL
        WHERE id = ?";
    writing.execute(again, params![after.min(known.position), id])?;
    let covered = "DELETE FROM subscription_lanes WHERE subscription_id = ? AND next_event > ?";
    writing.execute(covered, params![id, after])?;
    writing
        .execute("UPDATE subscription_lanes SET due_at = ? WHERE subscription_id = ?", params![writing.now.0, id])?;
    one(writing.connection, id)
}

/// Notes how far it has come; `false` if that is of an earlier generation, or it is gone.
pub fn note(writing: &Writing<'_>, id: Id, progress: &SubscriptionProgress) -> Result<bool, StoreError> {
    let changed = writing.execute(
        "UPDATE subscriptions SET position = ifnull(?, position), delivered = delivered + ?, given_up = given_up + ?,
           failing_since = ?, last_attempt_at = ifnull(?, last_attempt_at), last_failure = ifnull(?, last_failure),
           disabled = ifnull(?, disabled)
         WHERE id = ? AND generation = ? AND removed_at IS NULL",
        params![
            progress.position,
            progress.delivered,
            progress.given_up,
            progress.failing_since.map(|at| at.0),
            progress.last_attempt_at.map(|at| at.0),
            progress.last_failure,
            progress.disabled,
            id,
            progress.generation,
        ],
    )?;
    if changed == 0 {
        return Ok(false);
    }
    for (conversation, trouble) in &progress.troubled {
        put_lane(writing, id, *conversation, trouble)?;
    }
    for conversation in &progress.mended {
        let mend = "DELETE FROM subscription_lanes WHERE subscription_id = ? AND conversation_id = ?";
        writing.execute(mend, params![id, conversation])?;
    }
    Ok(true)
}

fn put_lane(writing: &Writing<'_>, id: Id, conversation: Id, trouble: &Trouble) -> Result<(), StoreError> {
    writing.execute(
        "INSERT OR REPLACE INTO subscription_lanes
           (subscription_id, conversation_id, next_event, last_event, attempts, since, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        params![id, conversation, trouble.next, trouble.last, trouble.attempts, trouble.since.0, trouble.due_at.0],
    )?;
    Ok(())
}

/// Conversations that owe events, by conversation.
pub fn lanes(connection: &Connection, id: Id) -> Result<Vec<(Id, Trouble)>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT conversation_id, next_event, last_event, attempts, since, due_at FROM subscription_lanes
         WHERE subscription_id = ?",
    )?;
    let rows = find.query_map([id], |row| {
        let (since, due_at) = (UnixMs(row.get(4)?), UnixMs(row.get(5)?));
        Ok((row.get(0)?, Trouble { next: row.get(1)?, last: row.get(2)?, attempts: row.get(3)?, since, due_at }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every subscription that was not removed.
pub fn live(connection: &Connection) -> Result<Vec<Subscription>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM subscriptions s WHERE removed_at IS NULL ORDER BY id");
    let mut find = connection.prepare_cached(&sql)?;
    Ok(find.query_map([], read)?.collect::<Result<_, _>>()?)
}

/// One with its count of what waits.
pub fn one(connection: &Connection, id: Id) -> Result<Subscription, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM subscriptions s WHERE id = ? AND removed_at IS NULL");
    let found = connection.prepare_cached(&sql)?.query_row([id], read).optional()?;
    with_waiting(connection, found.ok_or(StoreError::NotFound("webhook"))?)
}

/// Of one account or all, each with its count of what waits.
pub fn list(connection: &Connection, account: Option<&str>) -> Result<Vec<Subscription>, StoreError> {
    let own = live(connection)?.into_iter().filter(|known| account.is_none_or(|account| known.account == account));
    own.map(|subscription| with_waiting(connection, subscription)).collect()
}

fn with_waiting(connection: &Connection, subscription: Subscription) -> Result<Subscription, StoreError> {
    let count = "SELECT count(*) FROM (SELECT 1 FROM events WHERE account = ? AND id > ? LIMIT ?)";
    let values = params![subscription.account, subscription.position, WAITING_COUNTED_MAX];
    let waiting = connection.prepare_cached(count)?.query_row(values, |row| row.get(0))?;
    Ok(Subscription { waiting, ..subscription })
}

/// The first event that a subscription still needs; an index step or two for each.
pub fn owed_from(connection: &Connection) -> Result<Option<Id>, StoreError> {
    let mut first_after =
        connection.prepare_cached("SELECT id FROM events WHERE account = ? AND id > ? ORDER BY id LIMIT 1")?;
    let mut first_of_lanes =
        connection.prepare_cached("SELECT min(next_event) FROM subscription_lanes WHERE subscription_id = ?")?;
    let mut owed: Option<Id> = None;
    for subscription in live(connection)?.into_iter().filter(|known| known.disabled.is_none()) {
        let values = params![subscription.account, subscription.position];
        let unseen: Option<Id> = first_after.query_row(values, |row| row.get(0)).optional()?;
        let of_lanes: Option<Id> = first_of_lanes.query_row([subscription.id], |row| row.get(0))?;
        owed = owed.into_iter().chain(unseen).chain(of_lanes).min();
    }
    Ok(owed)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Subscription> {
    let time =
        |column: usize| -> rusqlite::Result<Option<UnixMs>> { Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs)) };
    Ok(Subscription {
        id: row.get(0)?,
        account: row.get(1)?,
        origin: row.get::<_, Stored<_>>(2)?.0,
        url: row.get(3)?,
        secret: row.get(4)?,
        events: row.get::<_, Json<_>>(5)?.0,
        allow_private: row.get(6)?,
        created_at: UnixMs(row.get(7)?),
        generation: row.get(8)?,
        position: row.get(9)?,
        disabled: row.get(10)?,
        failing_since: time(11)?,
        last_attempt_at: time(12)?,
        last_failure: row.get(13)?,
        delivered: row.get(14)?,
        given_up: row.get(15)?,
        lanes: row.get(16)?,
        waiting: 0,
    })
}

const COLUMNS: &str =
    "id, account, origin, url, secret, events, allow_private, created_at, generation, position, disabled,
    failing_since, last_attempt_at, last_failure, delivered, given_up,
    (SELECT count(*) FROM subscription_lanes l WHERE l.subscription_id = s.id)";
