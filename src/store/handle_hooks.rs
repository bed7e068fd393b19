//! The handle's units of work around webhooks and bridges.

use super::StoreError;
use super::handle::Store;
use super::hooks::{
    BridgeEnd, BridgeEntry, BridgeName, ConfiguredSubscription, NewSubscription, RawMail, Subscription,
    SubscriptionProgress, Trouble,
};
use super::outgoing::Event;
use super::sqlite::units::Writing;
use super::sqlite::{bridge, events, ledger, subscriptions};
use crate::conversation::id::Id;
use tokio::sync::watch;

impl Store {
    /// Announces that subscriptions changed, or that a bridge has to look anew at what it owes.
    pub fn hooks_changed(&self) -> watch::Receiver<u64> {
        self.engine.shared.hooks.subscribe()
    }

    /// Makes the config's subscriptions what the config says.
    pub async fn sync_subscriptions(&self, configured: Vec<ConfiguredSubscription>) -> Result<(), StoreError> {
        self.change_hooks(move |writing| subscriptions::sync(writing, &configured)).await
    }

    pub async fn subscriptions(&self, account: Option<String>) -> Result<Vec<Subscription>, StoreError> {
        self.engine.readers.read(move |connection| subscriptions::list(connection, account.as_deref())).await
    }

    pub async fn subscription(&self, id: Id) -> Result<Subscription, StoreError> {
        self.engine.readers.read(move |connection| subscriptions::one(connection, id)).await
    }

    pub async fn add_subscription(&self, new: NewSubscription) -> Result<Subscription, StoreError> {
        self.change_hooks(move |writing| subscriptions::add(writing, &new)).await
    }

    /// `Conflict` for one of the config.
    pub async fn remove_subscription(&self, id: Id) -> Result<(), StoreError> {
        self.change_hooks(move |writing| subscriptions::remove(writing, id)).await
    }

    /// Everything after this event is told again; one that was stopped tells again.
    pub async fn replay_subscription(&self, id: Id, after: Id) -> Result<Subscription, StoreError> {
        self.change_hooks(move |writing| subscriptions::replay(writing, id, after)).await
    }

    /// What a subscription owes to which conversation.
    pub async fn subscription_lanes(&self, id: Id) -> Result<Vec<(Id, Trouble)>, StoreError> {
        self.engine.readers.read(move |connection| subscriptions::lanes(connection, id)).await
    }

    /// Notes how far a subscription has come; `false` if it was moved or removed meanwhile.
    pub async fn note_subscription(&self, id: Id, progress: SubscriptionProgress) -> Result<bool, StoreError> {
        self.engine.write(0, move |writing| subscriptions::note(writing, id, &progress)).await
    }

    /// One event; `None` when it was pruned.
    pub async fn event(&self, id: Id) -> Result<Option<Event>, StoreError> {
        self.engine.readers.look_up(move |connection| events::one(connection, id)).await
    }

    /// The first event of a conversation after one, up to another.
    pub async fn next_event_of(
        &self,
        account: String,
        conversation: Id,
        after: Id,
        to: Id,
    ) -> Result<Option<Id>, StoreError> {
        let read = move |connection: &_| events::next_of_conversation(connection, &account, conversation, after, to);
        self.engine.readers.read(read).await
    }

    /// What a bridge owes in lanes, in order, after one.
    pub async fn bridge_open(&self, name: BridgeName, after: Id, limit: usize) -> Result<Vec<BridgeEntry>, StoreError> {
        self.engine.readers.read(move |connection| bridge::open_after(connection, &name, after, limit)).await
    }

    /// Of what it owes, what failed before, oldest first.
    pub async fn bridge_deferred(&self, name: BridgeName, limit: usize) -> Result<Vec<BridgeEntry>, StoreError> {
        self.engine.readers.read(move |connection| bridge::deferred(connection, &name, limit)).await
    }

    /// Of what it owes beside its lanes, the one that is due first.
    pub async fn bridge_aside(&self, name: BridgeName) -> Result<Option<BridgeEntry>, StoreError> {
        self.engine.readers.read(move |connection| bridge::first_aside(connection, &name)).await
    }

    /// The first mail of a lane after one, up to another, that is still owed.
    pub async fn next_bridged_in_lane(
        &self,
        name: BridgeName,
        lane: String,
        after: Id,
        to: Id,
    ) -> Result<Option<Id>, StoreError> {
        self.engine.readers.read(move |connection| bridge::next_in_lane(connection, &name, &lane, after, to)).await
    }

    /// What became of a ledger entry's mail on its way over a bridge; `None` if it goes over none.
    pub async fn bridge_entry(&self, ledger_id: Id) -> Result<Option<BridgeEntry>, StoreError> {
        self.engine.readers.look_up(move |connection| bridge::entry(connection, ledger_id)).await
    }

    /// The same of several.
    pub async fn bridge_entries(&self, ledger_ids: Vec<Id>) -> Result<Vec<BridgeEntry>, StoreError> {
        let read = move |connection: &_| {
            ledger_ids.iter().filter_map(|id| bridge::entry(connection, *id).transpose()).collect()
        };
        self.engine.readers.read(read).await
    }

    /// Writes down how an attempt to bring a mail over ended.
    pub async fn bridge_ended(&self, ledger_id: Id, end: BridgeEnd) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| bridge::ended(writing, ledger_id, &end)).await
    }

    /// Due now, whatever was planned, and before its own lane; what was given up or cancelled begins anew. `Conflict` for what
    /// was delivered.
    pub async fn retry_bridged(&self, ledger_id: Id) -> Result<BridgeEntry, StoreError> {
        self.change_hooks(move |writing| bridge::retry(writing, ledger_id)).await
    }

    /// It will not go over any more; it is kept. `Conflict` for what was delivered.
    pub async fn cancel_bridged(&self, ledger_id: Id) -> Result<BridgeEntry, StoreError> {
        self.change_hooks(move |writing| bridge::cancel(writing, ledger_id)).await
    }

    /// A raw mail, to be read piece by piece if it is large.
    pub async fn open_raw_mail(&self, raw_id: Id) -> Result<RawMail, StoreError> {
        let octets = self.engine.readers.look_up(move |connection| ledger::raw_octets(connection, raw_id)).await?;
        if let Some(octets) = octets {
            return Ok(RawMail::Octets(octets));
        }
        let path = self.engine.data_dir.mail_file(raw_id);
        let open = move |_: &_| {
            let file = std::fs::File::open(path)?;
            let octets = file.metadata()?.len();
            Ok(RawMail::File { file, octets })
        };
        self.engine.readers.read(open).await
    }

    async fn change_hooks<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Writing<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let done = self.engine.write(0, work).await?;
        self.engine.shared.hooks.send_modify(|count| *count += 1);
        Ok(done)
    }
}
