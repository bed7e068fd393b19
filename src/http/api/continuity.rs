//! When what a contact has not seen goes out by mail, and why then or not at all: as the store decides it, in words.

use crate::clock::UnixMs;
use crate::config::checked::Account;
use crate::conversation::delivery::{DeliveryState, RecipientKind};
use crate::conversation::id::Id;
use crate::conversation::model::Conversation;
use crate::http::api::shape::ContinuityShape;
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use crate::store::outgoing::{Outlook, QueueEntry, QueueQuery};

/// What is true of this conversation. Costs a look into the store only where something is unseen.
pub async fn of(
    surface: &Surface,
    conversation: &Conversation,
    account: Option<&Account>,
) -> Result<ContinuityShape, ApiError> {
    let none = |reason: &str| Ok(ContinuityShape { due_at: None, reason: reason.to_owned() });
    match account {
        None => return none("the account is not in the config"),
        Some(account) if !account.continuity => return none("continuity is off for this account"),
        Some(_) if conversation.contact.mail_address().is_none() => return none("the contact has no email address"),
        Some(_) if conversation.unseen_by_contact == 0 => return none("nothing is unseen"),
        Some(_) => {}
    }
    let Outlook { due_at, reason, waits } = surface.store.outlook(conversation.id).await?;
    if waits {
        return Ok(ContinuityShape { due_at: due_at.map(UnixMs::rfc3339), reason });
    }
    if let Some(bounced) = &conversation.contact.bounced {
        return none(&format!("mail to the contact comes back: {}", bounced.reason));
    }
    if let Some(reason) = held(surface, conversation.id).await? {
        return none(&reason);
    }
    for (state, reason) in GOING {
        if has_mail(surface, conversation.id, state).await? {
            return none(reason);
        }
    }
    none(&reason)
}

/// Why a mail to somebody outside is held.
async fn held(surface: &Surface, conversation: Id) -> Result<Option<String>, ApiError> {
    let query = QueueQuery { conversation: Some(conversation), limit: LOOKED_AT, ..QueueQuery::default() };
    let items = surface.store.queue(query).await?.items;
    let held = |entry: &QueueEntry| entry.held && entry.state.is_open() && entry.recipient_kind != RecipientKind::Agent;
    let found = items.into_iter().find(held);
    Ok(found.map(|entry| entry.reason.filter(|reason| reason.starts_with("held")).unwrap_or_else(|| HELD.to_owned())))
}

/// Whether the conversation has a mail in this state to somebody outside: what agents are told by mail is another matter.
async fn has_mail(surface: &Surface, conversation: Id, state: DeliveryState) -> Result<bool, ApiError> {
    let query =
        QueueQuery { conversation: Some(conversation), state: Some(state), limit: LOOKED_AT, ..QueueQuery::default() };
    let items = surface.store.queue(query).await?.items;
    Ok(items.iter().any(|entry| entry.recipient_kind != RecipientKind::Agent))
}

const HELD: &str = "a mail is held until it is released: replyd queue release";
/// What is said where nothing waits for the chat any more.
const GOING: [(DeliveryState, &str); 4] = [
    (DeliveryState::Deferred, "a mail is on its way: an attempt did not succeed, and the next one is planned"),
    (DeliveryState::Queued, "a mail is on its way"),
    (DeliveryState::Failed, "a mail could not be delivered: see the delivery of its message"),
    (DeliveryState::Delivered, "it went out by mail"),
];

/// The latest mails of a conversation that are looked at.
const LOOKED_AT: usize = 50;
