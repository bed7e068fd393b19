//! The handle's units of work around chats: who is there, what was seen, what may still be taken back, and when what was not
//! seen goes by mail. Each is one commit with everything that follows from it.

use super::StoreError;
use super::handle::Store;
use super::outgoing::{Forecast, Outlook};
use super::sqlite::units::Writing;
use super::sqlite::{claims, continuity, held, messages, presence};
use crate::clock::UnixMs;
use crate::conversation::continuity::MailWish;
use crate::conversation::delivery::Posting;
use crate::conversation::id::Id;
use crate::conversation::model::Message;
use crate::conversation::presence::{Presence, Seen, TabState, TypingState, Typist};
use tokio::sync::watch;

impl Store {
    /// What a tab of the contact's says of itself; `None`: it is gone. Answers what all tabs come to.
    pub async fn presence(
        &self,
        conversation: Id,
        tab: String,
        state: Option<TabState>,
    ) -> Result<Presence, StoreError> {
        self.engine.write(0, move |writing| presence::tab(writing, conversation, &tab, state)).await
    }

    /// What another channel says of its contact; it stays until that channel says something else.
    pub async fn api_presence(&self, conversation: Id, presence: Presence) -> Result<Presence, StoreError> {
        self.engine.write(0, move |writing| presence::of_channel(writing, conversation, presence)).await
    }

    /// The contact has seen everything up to a message, or all of it; answers what was not seen before.
    pub async fn seen(&self, conversation: Id, up_to: Option<Id>) -> Result<Vec<Id>, StoreError> {
        let which = up_to.map_or(Seen::All, Seen::UpTo);
        self.engine.write(0, move |writing| presence::seen(writing, conversation, &which)).await
    }

    /// The contact has seen these messages, and no others.
    pub async fn seen_these(&self, conversation: Id, messages: Vec<Id>) -> Result<Vec<Id>, StoreError> {
        let which = Seen::These(messages);
        self.engine.write(0, move |writing| presence::seen(writing, conversation, &which)).await
    }

    /// Makes a tab whose connection lives known again, if it is not; answers what all tabs come to then.
    pub async fn keep_tab(&self, conversation: Id, tab: String) -> Result<Option<Presence>, StoreError> {
        let asked = tab.clone();
        let look = move |connection: &_| presence::is_known(connection, conversation, &asked);
        if self.engine.readers.look_up(look).await? {
            return Ok(None);
        }
        self.engine.write(0, move |writing| presence::keep_tab(writing, conversation, &tab).map(Some)).await
    }

    /// Somebody types, or stopped; it is forgotten by itself after [`crate::conversation::presence::TYPING_LIFE`].
    pub async fn typing(&self, conversation: Id, typist: Typist, on: TypingState) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| presence::typing(writing, conversation, typist, on)).await
    }

    /// The address that a contact typed; `None` forgets it. What could not reach the old one goes to it.
    pub async fn claim_address(&self, contact: Id, email: Option<String>) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| claims::claim(writing, contact, email.as_deref())).await
    }

    /// Whether the contact wants mail of a conversation.
    pub async fn set_mail(&self, conversation: Id, wish: MailWish) -> Result<(), StoreError> {
        self.engine.write(0, move |writing| claims::wish(writing, conversation, wish)).await
    }

    /// What would become of a message written now that is to go as `posting` says.
    pub async fn forecast(&self, conversation: Id, posting: Posting) -> Result<Forecast, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine
            .readers
            .look_up(move |connection| continuity::forecast(connection, conversation, &posting, now))
            .await
    }

    /// When what is unseen goes out by mail, and why.
    pub async fn outlook(&self, conversation: Id) -> Result<Outlook, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine.readers.look_up(move |connection| continuity::outlook(connection, conversation, now)).await
    }

    /// Takes back a message that is held; answers what it said. `Conflict`: it was sent.
    pub async fn take_back(&self, message: Id) -> Result<Message, StoreError> {
        self.engine.write(0, move |writing| held::take_back(writing, message)).await
    }

    /// Sends a held message now; of one that was sent nothing changes.
    pub async fn release_message(&self, message: Id) -> Result<Message, StoreError> {
        let work = move |writing: &Writing<'_>| {
            held::release(writing, message)?;
            messages::message(writing.connection, message)
        };
        self.engine.write(0, work).await
    }

    /// One message, held or not.
    pub async fn message(&self, id: Id) -> Result<Message, StoreError> {
        self.engine.readers.look_up(move |connection| messages::message(connection, id)).await
    }

    /// Looks again at what is due, and releases what was held long enough; answers when to call again.
    pub async fn continuity_due(&self) -> Result<Option<UnixMs>, StoreError> {
        self.engine.write(0, continuity::due).await
    }

    /// When the next of them is due: two index steps.
    pub async fn next_timer(&self) -> Result<Option<UnixMs>, StoreError> {
        self.engine.readers.look_up(continuity::next).await
    }

    /// Announces that something may be due earlier than it was.
    pub fn timers(&self) -> watch::Receiver<u64> {
        self.engine.shared.timers.subscribe()
    }

    /// After the clock was put back: decides anew for some of what waits, in the order of ids after this one; answers where
    /// to go on, `None` at the end.
    pub async fn reconsider(&self, after: Option<Id>) -> Result<Option<Id>, StoreError> {
        self.engine.write(0, move |writing| continuity::reconsider(writing, after)).await
    }

    /// Whether what was stored last lies in the future: the clock was put back meanwhile.
    pub async fn is_ahead_of_clock(&self) -> Result<bool, StoreError> {
        let now = self.engine.shared.clock.now();
        self.engine.readers.look_up(move |connection| continuity::is_ahead(connection, now)).await
    }

    /// Tabs of before this run, which began then, are gone; those that are still open connect again. Answers how many
    /// conversations that changed; to be called until there is none.
    pub async fn end_tabs(&self, started: UnixMs) -> Result<usize, StoreError> {
        self.engine.write(0, move |writing| presence::end_tabs(writing, started, TABS_AT_ONCE)).await
    }
}

/// Conversations of one commit.
const TABS_AT_ONCE: usize = 200;
