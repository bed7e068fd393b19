//! The octets of the attachments that go out with a mail: uploads from the store, others from the raw mail they came in.

use super::compose::File;
use crate::conversation::id::Id;
use crate::conversation::model::{Attachment, Message};
use crate::mail::parsed::ParsedMail;
use crate::store::outgoing::ToCompose;
use crate::store::{Store, StoreError};

/// Those of the wanted ones that are there; a mail links to the others.
pub async fn load(store: &Store, to: &ToCompose, wanted: &[Id]) -> Result<Vec<File>, StoreError> {
    let mut files = Vec::with_capacity(wanted.len());
    for message in &to.messages {
        let of_mail: Vec<&Attachment> = message.attachments.iter().filter(|file| wanted.contains(&file.id)).collect();
        let mut parts = Vec::new();
        for attachment in of_mail {
            match store.attachment_octets(attachment.id).await? {
                Some(octets) => files.push(File { attachment: attachment.id, octets }),
                None => parts.push((attachment.id, attachment.part)),
            }
        }
        files.extend(from_mail(store, message, parts).await?);
    }
    Ok(files)
}

async fn from_mail(store: &Store, message: &Message, parts: Vec<(Id, u32)>) -> Result<Vec<File>, StoreError> {
    let Some(email) = message.email.as_ref().filter(|_| !parts.is_empty()) else { return Ok(Vec::new()) };
    let raw = store.raw_mail(email.raw_id).await?;
    // A mail that breaks its reader goes out with a link instead of a file.
    Ok(tokio::task::spawn_blocking(move || read(&raw, &parts)).await.unwrap_or_default())
}

fn read(raw: &[u8], parts: &[(Id, u32)]) -> Vec<File> {
    let mail = ParsedMail::parse(raw);
    let octets = |part: u32| usize::try_from(part).ok().and_then(|index| mail.parts.get(index));
    let file = |(attachment, part): &(Id, u32)| {
        octets(*part).map(|part| File { attachment: *attachment, octets: part.octets().to_vec() })
    };
    parts.iter().filter_map(file).collect()
}
