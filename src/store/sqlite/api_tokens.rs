//! API tokens, kept by their SHA-256: the secret itself is shown once and never stored.

use super::super::StoreError;
use super::super::query::ApiTokenRow;
use super::units::Writing;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use rusqlite::{Connection, OptionalExtension, params};

pub fn add(writing: &Writing<'_>, account: &str, sha256: &[u8; 32]) -> Result<Id, StoreError> {
    let id = writing.next_id()?;
    let add = "INSERT INTO api_tokens (id, account, sha256, created_at) VALUES (?, ?, ?, ?)";
    writing.execute(add, params![id, account, sha256, writing.now.0])?;
    Ok(id)
}

/// The account of a token that was not revoked.
pub fn account(connection: &Connection, sha256: &[u8; 32]) -> Result<Option<String>, StoreError> {
    let mut find =
        connection.prepare_cached("SELECT account FROM api_tokens WHERE sha256 = ? AND revoked_at IS NULL")?;
    Ok(find.query_row([sha256], |row| row.get(0)).optional()?)
}

pub fn list(connection: &Connection) -> Result<Vec<ApiTokenRow>, StoreError> {
    let mut find =
        connection.prepare_cached("SELECT id, account, created_at, revoked_at FROM api_tokens ORDER BY id")?;
    let rows = find.query_map([], |row| {
        Ok(ApiTokenRow {
            id: row.get(0)?,
            account: row.get(1)?,
            created_at: UnixMs(row.get(2)?),
            revoked_at: row.get::<_, Option<i64>>(3)?.map(UnixMs),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A second revocation changes nothing.
pub fn revoke(writing: &Writing<'_>, id: Id) -> Result<(), StoreError> {
    let end = "UPDATE api_tokens SET revoked_at = ifnull(revoked_at, ?) WHERE id = ?";
    if writing.execute(end, params![writing.now.0, id])? == 0 {
        return Err(StoreError::NotFound("API token"));
    }
    Ok(())
}
