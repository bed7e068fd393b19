//! Answers that agents of an account keep for use again.

use super::super::StoreError;
use super::super::desk::CannedAnswer;
use super::units::Writing;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// By name.
pub fn list(connection: &Connection, account: &str) -> Result<Vec<CannedAnswer>, StoreError> {
    let mut find = connection.prepare_cached(
        "SELECT id, account, name, text, created_at FROM canned_answers WHERE account = ? ORDER BY name",
    )?;
    Ok(find.query_map([account], read)?.collect::<Result<_, _>>()?)
}

pub fn one(connection: &Connection, id: Id) -> Result<CannedAnswer, StoreError> {
    let mut find =
        connection.prepare_cached("SELECT id, account, name, text, created_at FROM canned_answers WHERE id = ?")?;
    find.query_row([id], read).optional()?.ok_or(StoreError::NotFound("canned answer"))
}

/// `Conflict`: the account has one of this name, or as many as it may have.
pub fn add(writing: &Writing<'_>, account: &str, name: &str, text: &str) -> Result<CannedAnswer, StoreError> {
    let mut count = writing.connection.prepare_cached("SELECT count(*) FROM canned_answers WHERE account = ?")?;
    if count.query_row([account], |row| row.get::<_, u32>(0))? >= ANSWERS_MAX {
        return Err(StoreError::Conflict(format!("an account keeps at most {ANSWERS_MAX}; delete some first")));
    }
    is_free(writing, account, name, None)?;
    let id = writing.next_id()?;
    let add = "INSERT INTO canned_answers (id, account, name, text, created_at) VALUES (?, ?, ?, ?, ?)";
    writing.execute(add, params![id, account, name, text, writing.now.0])?;
    one(writing.connection, id)
}

pub fn change(writing: &Writing<'_>, id: Id, name: &str, text: &str) -> Result<CannedAnswer, StoreError> {
    let known = one(writing.connection, id)?;
    is_free(writing, &known.account, name, Some(id))?;
    writing.execute("UPDATE canned_answers SET name = ?, text = ? WHERE id = ?", params![name, text, id])?;
    one(writing.connection, id)
}

pub fn remove(writing: &Writing<'_>, id: Id) -> Result<(), StoreError> {
    let removed = writing.execute("DELETE FROM canned_answers WHERE id = ?", [id])?;
    if removed == 0 { Err(StoreError::NotFound("canned answer")) } else { Ok(()) }
}

fn is_free(writing: &Writing<'_>, account: &str, name: &str, own: Option<Id>) -> Result<(), StoreError> {
    let mut find = writing.connection.prepare_cached("SELECT id FROM canned_answers WHERE account = ? AND name = ?")?;
    let other: Option<Id> = find.query_row([account, name], |row| row.get(0)).optional()?;
    if other.is_none() || other == own {
        return Ok(());
    }
    Err(StoreError::Conflict(format!("there is an answer named {name}; change that one, or choose another name")))
}

fn read(row: &Row<'_>) -> rusqlite::Result<CannedAnswer> {
    Ok(CannedAnswer {
        id: row.get(0)?,
        account: row.get(1)?,
        name: row.get(2)?,
        text: row.get(3)?,
        created_at: UnixMs(row.get(4)?),
    })
}

const ANSWERS_MAX: u32 = 1000;
