//! When what a contact has not seen goes out by mail, and why then or not at all, in words.

use crate::clock::UnixMs;
use crate::config::checked::Account;
use crate::conversation::delivery::DeliveryState;
use crate::conversation::id::Id;
use crate::conversation::model::Conversation;
use crate::http::api::shape::ContinuityShape;
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use crate::store::outgoing::{QueueEntry, QueueQuery};

/// The first of the conversation's mails to the contact that is open in this state.
async fn mail_in(surface: &Surface, conversation: Id, state: DeliveryState) -> Result<Option<QueueEntry>, ApiError> {
    let query = QueueQuery { conversation: Some(conversation), state: Some(state), limit: 1, ..QueueQuery::default() };
    Ok(surface.store.queue(query).await?.items.into_iter().next())
}

/// What is true of this conversation. Costs a look into the queue only where something is unseen.
pub async fn of(
    surface: &Surface,
    conversation: &Conversation,
    account: Option<&Account>,
) -> Result<ContinuityShape, ApiError> {
    if let Some(reason) = without_looking(conversation, account) {
        return Ok(ContinuityShape { due_at: None, reason });
    }
    if let Some(waiting) = mail_in(surface, conversation.id, DeliveryState::Waiting).await? {
        return Ok(waits(&waiting));
    }
    for (state, reason) in GOING {
        if mail_in(surface, conversation.id, state).await?.is_some() {
            return Ok(ContinuityShape { due_at: None, reason: reason.to_owned() });
        }
    }
    Ok(ContinuityShape { due_at: None, reason: "nothing waits to go out by mail".to_owned() })
}

fn waits(entry: &QueueEntry) -> ContinuityShape {
    if entry.held {
        let reason = "the mail is held until it is released: replyd queue release".to_owned();
        return ContinuityShape { due_at: None, reason };
    }
    let reason = match &entry.reason {
        Some(reason) => reason.clone(),
        None => "the chat has it first; it goes out by mail then, unless it was seen".to_owned(),
    };
    ContinuityShape { due_at: entry.due_at.map(UnixMs::rfc3339), reason }
}

fn without_looking(conversation: &Conversation, account: Option<&Account>) -> Option<String> {
    let reason = match account {
        None => "the account is not in the config",
        Some(account) if !account.continuity => "continuity is off for this account",
        Some(_) if conversation.contact.email.is_none() => "the contact has no email address",
        Some(_) => match &conversation.contact.bounced {
            Some(bounced) => return Some(format!("mail to the contact comes back: {}", bounced.reason)),
            None if conversation.unseen_by_contact == 0 => "nothing is unseen",
            None => return None,
        },
    };
    Some(reason.to_owned())
}

/// What is said where nothing waits for the chat any more.
const GOING: [(DeliveryState, &str); 4] = [
    (DeliveryState::Deferred, "a mail is on its way: an attempt did not succeed, and the next one is planned"),
    (DeliveryState::Queued, "a mail is on its way"),
    (DeliveryState::Failed, "a mail could not be delivered: see the delivery of its message"),
    (DeliveryState::Delivered, "it went out by mail"),
];
