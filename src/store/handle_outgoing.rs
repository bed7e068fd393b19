//! The handle's units of work around outgoing mail: queue, agents, suppressed addresses, events.

use super::StoreError;
use super::handle::{Page, Store};
use super::outgoing::{
    AttemptEnd, Backlog, Claim, Event, Ordered, Outgoing, OutgoingSettings, QueueEntry, QueueOrder, QueueQuery,
    SuppressionRow, ToCompose,
};
use super::sqlite::accept::Octets;
use super::sqlite::attempts::Composed;
use super::sqlite::operate::Haste;
use super::sqlite::units::Writing;
use super::sqlite::{
    agents, attempts, backlog, claim, events, kept, operate, operate_many, queue, suppressions, tend, to_compose,
    uploads,
};
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use crate::conversation::keys::Keys;
use crate::limits::{CONTENT_IN_MEMORY_OCTETS, EVENTS_KEPT_MAX};
use std::sync::Arc;
use tokio::sync::watch;

impl Store {
    /// Keys of this store: made once, kept in it.
    pub fn keys(&self) -> &Keys {
        &self.engine.shared.keys
    }

    /// What the config says of mail queued from now on.
    pub fn set_outgoing(&self, settings: OutgoingSettings) {
        self.engine.shared.outgoing.store(Arc::new(settings));
    }

    /// Announces that mail was queued, or may be due earlier than it was.
    pub fn outgoing_mail(&self) -> watch::Receiver<u64> {
        self.engine.shared.outgoing_mail.subscribe()
    }

    /// Takes due mail in hand: each entry is `connecting` and its attempt counted when this returns. Domains share fairly: one
    /// with any number of due mails hides none of another, and only index steps are made.
    pub async fn claim_due(&self, claim: Claim) -> Result<Vec<QueueEntry>, StoreError> {
        let shared = Arc::clone(&self.engine.shared);
        self.engine.write(0, move |writing| claim::due(writing, &claim, &shared.last_domain)).await
    }

    /// When the next mail is due: `None` while none waits. One index step.
    pub async fn next_due(&self) -> Result<Option<UnixMs>, StoreError> {
        self.engine.readers.look_up(claim::next_due).await
    }

    /// Everything a mail is composed of.
    pub async fn to_compose(&self, entry: Id) -> Result<ToCompose, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine.readers.read(move |connection| to_compose::read(connection, entry, now)).await
    }

    /// Notes, before the final dot, that from now on the peer may have it; the first call keeps the octets and shows the
    /// mail on its messages, later calls keep those of the first. `Conflict`: it was cancelled or held meanwhile, or has
    /// ended by a bounce; the attempt is to be broken off and put back.
    pub async fn data_sent(&self, entry: Id, outgoing: Option<Outgoing>) -> Result<(), StoreError> {
        let composed = match outgoing {
            Some(outgoing) => Some(self.composed(outgoing).await?),
            None => None,
        };
        let weight = composed.as_ref().map_or(0, |composed| match &composed.octets {
            Octets::Memory(octets) => octets.len(),
            Octets::File(_) => 0,
        });
        self.engine.write(weight, move |writing| attempts::data_sent(writing, entry, composed.as_ref())).await
    }

    /// Ends the attempt in hand; without one it changes nothing.
    pub async fn attempt_ended(&self, entry: Id, end: AttemptEnd) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| attempts::ended(writing, entry, &end)).await
    }

    /// At the start: what an earlier run had in hand is due again, what it had sent is uncertain. Answers how many of each.
    pub async fn recover_queue(&self) -> Result<(usize, usize), StoreError> {
        self.engine.write(0, attempts::recover).await
    }

    /// Events for open mail that is in trouble for an hour, once each; snoozed conversations that are due wake up; old events
    /// go, and mails that were kept for long enough. Answers when to call again.
    pub async fn tend(&self) -> Result<Option<UnixMs>, StoreError> {
        let now = self.engine.shared.clock.now();
        let kept_from =
            self.engine.readers.read(move |connection| events::kept_from(connection, now, EVENTS_KEPT_MAX)).await?;
        let work = move |writing: &Writing<'_>| {
            Ok((tend::tend(writing, kept_from)?, kept::expire(writing, KEPT_MAILS_AT_ONCE)?))
        };
        let (next, dropped) = self.engine.write(0, work).await?;
        self.remove_files(dropped).await;
        Ok(next)
    }

    pub async fn queue(&self, query: QueueQuery) -> Result<Page<QueueEntry>, StoreError> {
        self.engine.readers.read(move |connection| queue::page(connection, &query)).await
    }

    /// How much mail is open.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.engine.readers.read(backlog::read).await
    }

    pub async fn queue_entry(&self, id: Id) -> Result<QueueEntry, StoreError> {
        self.engine.readers.look_up(move |connection| queue::entry(connection, id)).await
    }

    /// Due now, whatever was planned, and released if it was held; a failed or cancelled mail is open again.
    pub async fn retry_mail(&self, id: Id) -> Result<QueueEntry, StoreError> {
        self.engine.write(0, move |writing| operate::retry(writing, id, Haste::Urgent)).await
    }

    /// No attempt any more; `Conflict` for a mail that has ended or is at the peer.
    pub async fn cancel_mail(&self, id: Id) -> Result<QueueEntry, StoreError> {
        self.engine.write(0, move |writing| operate::cancel(writing, id)).await
    }

    /// Final, with the operator's reason; `Conflict` as at [`Store::cancel_mail`].
    pub async fn fail_mail(&self, id: Id, reason: String) -> Result<QueueEntry, StoreError> {
        self.engine.write(0, move |writing| operate::fail(writing, id, &reason)).await
    }

    /// How many mails an order concerns.
    pub async fn concerned(&self, order: QueueOrder, query: QueueQuery) -> Result<u64, StoreError> {
        self.engine.readers.read(move |connection| operate_many::count(connection, &order, &query)).await
    }

    /// One step of an order over what fits the query: `query.limit` mails, in commits so small that others have their turn
    /// between them.
    pub async fn order(&self, order: QueueOrder, query: QueueQuery) -> Result<Ordered, StoreError> {
        let (asked, limit) = (order.clone(), query.limit);
        let ids =
            self.engine.readers.read(move |connection| operate_many::concerned(connection, &asked, &query)).await?;
        let mut done = Ordered::default();
        for part in ids.chunks(ORDERED_AT_ONCE) {
            let (part, order) = (part.to_vec(), order.clone());
            done = done.and(self.engine.write(0, move |writing| operate_many::part(writing, &part, &order)).await?);
        }
        Ok(Ordered { next: done.next.filter(|_| ids.len() == limit), ..done })
    }

    /// No attempt until released; `Conflict` for a mail that has ended.
    pub async fn hold_mail(&self, id: Id, held: bool) -> Result<QueueEntry, StoreError> {
        self.engine.write(0, move |writing| operate::hold(writing, id, held)).await
    }

    pub async fn add_agent(&self, agent: NewAgent) -> Result<Agent, StoreError> {
        self.engine.write(0, move |writing| agents::add(writing, &agent)).await
    }

    pub async fn agents(&self, account: Option<String>) -> Result<Vec<Agent>, StoreError> {
        self.engine.readers.look_up(move |connection| agents::list(connection, account.as_deref())).await
    }

    /// Their tokens are revoked with them and mail to them is not sent; their messages stay.
    pub async fn remove_agent(&self, id: Id) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| agents::remove(writing, id)).await
    }

    pub async fn suppressions(&self, account: Option<String>) -> Result<Vec<SuppressionRow>, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine.readers.read(move |connection| suppressions::list(connection, account.as_deref(), now)).await
    }

    /// Those of an account's addresses that get no mail now.
    pub async fn suppressed(&self, account: String, addresses: Vec<String>) -> Result<Vec<SuppressionRow>, StoreError> {
        let now = self.engine.shared.clock.now();
        let read = move |connection: &_| suppressions::of_addresses(connection, &account, &addresses, now);
        self.engine.readers.look_up(read).await
    }

    pub async fn clear_suppression(&self, account: String, email: String) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| suppressions::clear(writing, &account, &email)).await
    }

    /// One-click unsubscribe (RFC 8058): no more mail of the entry's chat, or, where it is no contact's of a chat, of this
    /// account to its recipient.
    pub async fn unsubscribe(&self, entry: Id) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| suppressions::unsubscribe(writing, entry)).await
    }

    /// Events after this one, oldest first; `None`: the latest only, for whoever begins to listen.
    pub async fn events(
        &self,
        account: Option<String>,
        after: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let read = move |connection: &_| events::after(connection, account.as_deref(), after, limit);
        self.engine.readers.read(read).await
    }

    /// The octets of an uploaded attachment; `None` for one that is a part of its message's raw mail.
    pub async fn attachment_octets(&self, id: Id) -> Result<Option<Vec<u8>>, StoreError> {
        self.engine.readers.read(move |connection| uploads::octets(connection, id)).await
    }

    /// Brings the octets of a mail where the commit finds them, as for a mail that came in.
    async fn composed(&self, outgoing: Outgoing) -> Result<Composed, StoreError> {
        let Outgoing { octets, email } = outgoing;
        let size = octets.len() as u64;
        if octets.len() <= CONTENT_IN_MEMORY_OCTETS {
            return Ok(Composed { octets: Octets::Memory(Arc::new(octets)), size, email });
        }
        let id = self.engine.shared.ids.next()?;
        let data_dir = Arc::clone(&self.engine.data_dir);
        let keep = move || {
            let spilled = data_dir.spool().join(format!("{id}.out"));
            std::fs::write(&spilled, &octets)?;
            data_dir.keep(&spilled, id)
        };
        let kept = tokio::task::spawn_blocking(keep).await;
        match kept.map_err(|error| StoreError::Unhealthy(error.to_string()))? {
            Ok(()) => Ok(Composed { octets: Octets::File(id), size, email }),
            Err(error) => Err(self.fell_ill(error.into())),
        }
    }
}

/// Mails that one commit of an order changes: some milliseconds, in which no other write gets through.
const ORDERED_AT_ONCE: usize = 100;

/// An agent to be added; the same address in the same account again changes name and wishes.
#[derive(Debug, Clone)]
pub struct NewAgent {
    pub account: String,
    pub email: String,
    pub name: String,
    pub inboxes: Option<Vec<String>>,
    pub by_mail: bool,
}

/// In one commit; the files of large ones are removed one by one.
const KEPT_MAILS_AT_ONCE: usize = 200;
