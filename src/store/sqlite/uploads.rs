//! Attachments that came with their octets: kept beside the message, because no raw mail holds them.

use super::super::StoreError;
use super::super::unit::Upload;
use super::messages::insert_attachment;
use super::units::Writing;
use crate::conversation::id::Id;
use crate::conversation::model::Attachment;
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, params};

/// Writes the attachment and its octets.
pub fn insert(writing: &Writing<'_>, message: Id, upload: &Upload) -> Result<(), StoreError> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &upload.octets);
    let attachment = Attachment {
        id: Id(0),
        name: upload.name.clone(),
        media_type: upload.media_type.clone(),
        size: upload.octets.len() as u64,
        inline: false,
        content_id: None,
        sha256: HEXLOWER.encode(digest.as_ref()),
        part: 0,
    };
    let id = insert_attachment(writing, message, &attachment)?;
    writing.execute("INSERT INTO uploads (attachment_id, octets) VALUES (?, ?)", params![id, upload.octets])?;
    Ok(())
}

/// The octets of an uploaded attachment; `None` for one that is in a raw mail.
pub fn octets(connection: &Connection, attachment: Id) -> Result<Option<Vec<u8>>, StoreError> {
    let mut find = connection.prepare_cached("SELECT octets FROM uploads WHERE attachment_id = ?")?;
    Ok(find.query_row([attachment], |row| row.get(0)).optional()?)
}
