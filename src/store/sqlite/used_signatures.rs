//! One-time signatures of ingresses: each may be used for one mail, however often that is tried.

use super::super::{SignatureClaim, StoreError};
use super::units::Writing;
use crate::clock::UnixMs;
use rusqlite::{OptionalExtension, params};

/// Notes what a signature is used for.
pub fn claim(
    writing: &Writing<'_>,
    digest: &[u8; 32],
    used_for: &[u8; 32],
    expires_at: UnixMs,
) -> Result<SignatureClaim, StoreError> {
    // As many go as come, so that what is no longer looked for is worn down.
    let forget = "DELETE FROM used_signatures WHERE digest IN
        (SELECT digest FROM used_signatures WHERE expires_at < ? ORDER BY expires_at LIMIT 4)";
    writing.execute(forget, [writing.now.0])?;
    let note = "INSERT OR IGNORE INTO used_signatures (digest, used_for, expires_at) VALUES (?, ?, ?)";
    if writing.execute(note, params![digest, used_for, expires_at.0])? == 1 {
        return Ok(SignatureClaim::New);
    }
    let mut find = writing.connection.prepare_cached("SELECT used_for = ? FROM used_signatures WHERE digest = ?")?;
    let is_same: bool = find.query_row(params![used_for, digest], |row| row.get(0)).optional()?.unwrap_or(true);
    Ok(if is_same { SignatureClaim::Known } else { SignatureClaim::Taken })
}

/// Takes a claim back: what it was for was not taken.
pub fn release(writing: &Writing<'_>, digest: &[u8; 32], used_for: &[u8; 32]) -> Result<(), StoreError> {
    writing.execute("DELETE FROM used_signatures WHERE digest = ? AND used_for = ?", params![digest, used_for])?;
    Ok(())
}
