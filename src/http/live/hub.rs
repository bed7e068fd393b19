//! Who listens to what. A conversation's listeners share one bounded channel; one that does not keep up is told so
//! ([`Heard::Missed`]) and reads anew: nobody's slowness holds memory or others.

use super::whisper::{Whisper, Whispered};
use crate::conversation::id::Id;
use crate::store::outgoing::Event;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::{self, error::RecvError};

/// The hub; clones share it.
#[derive(Debug, Clone)]
pub struct Live {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    conversations: Mutex<HashMap<Id, broadcast::Sender<Sound>>>,
    /// Whispers of every account; who listens leaves out what is not theirs.
    desks: broadcast::Sender<Arc<Whispered>>,
}

/// Cheap to clone for each listener.
#[derive(Debug, Clone)]
enum Sound {
    Event(Arc<Event>),
    Whisper(Arc<Whispered>),
}

/// What a listener gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Event(Arc<Event>),
    Whisper(Arc<Whispered>),
    /// It was too slow: what came between is to be read anew.
    Missed,
}

/// Listens to one conversation until it is dropped.
#[derive(Debug)]
pub struct Tuned {
    shared: Arc<Shared>,
    conversation: Id,
    receiver: Option<broadcast::Receiver<Sound>>,
}

/// Listens to the whispers of one account, or of all.
#[derive(Debug)]
pub struct Desk {
    account: Option<String>,
    receiver: broadcast::Receiver<Arc<Whispered>>,
}

impl Default for Live {
    fn default() -> Live {
        let shared = Shared { conversations: Mutex::default(), desks: broadcast::channel(DESK_WHISPERS_MAX).0 };
        Live { shared: Arc::new(shared) }
    }
}

impl Live {
    /// Everything of this conversation from now on.
    pub fn listen(&self, conversation: Id) -> Tuned {
        let receiver =
            self.shared.lock().entry(conversation).or_insert_with(|| broadcast::channel(WAITING_MAX).0).subscribe();
        Tuned { shared: Arc::clone(&self.shared), conversation, receiver: Some(receiver) }
    }

    /// The whispers of this account from now on; `None`: of all.
    pub fn listen_account(&self, account: Option<String>) -> Desk {
        Desk { account, receiver: self.shared.desks.subscribe() }
    }

    /// Passes on what somebody does just now: to the conversation's listeners, and to the account's desks.
    pub fn whisper(&self, account: &str, conversation: Id, whisper: Whisper) {
        let whispered = Arc::new(Whispered { account: account.to_owned(), conversation, whisper });
        // A send fails when nobody listens.
        let _ = self.shared.desks.send(Arc::clone(&whispered));
        if let Some(channel) = self.shared.lock().get(&conversation) {
            let _ = channel.send(Sound::Whisper(whispered));
        }
    }

    /// Hands stored events to those who listen to their conversations.
    pub(super) fn tell(&self, events: Vec<Event>) {
        let listened = self.shared.lock();
        for event in events {
            if let Some(channel) = listened.get(&event.conversation_id) {
                let _ = channel.send(Sound::Event(Arc::new(event)));
            }
        }
    }

    /// Whether anybody listens to a conversation.
    pub(super) fn is_heard(&self) -> bool {
        !self.shared.lock().is_empty()
    }
}

impl Shared {
    /// The map is whole between any two of its calls, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, HashMap<Id, broadcast::Sender<Sound>>> {
        self.conversations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tuned {
    /// The next of it.
    pub async fn next(&mut self) -> Heard {
        let Some(receiver) = &mut self.receiver else { return std::future::pending().await };
        match receiver.recv().await {
            Ok(Sound::Event(event)) => Heard::Event(event),
            Ok(Sound::Whisper(whispered)) => Heard::Whisper(whispered),
            Err(RecvError::Lagged(_)) => Heard::Missed,
            // The sender is in the map for as long as this listens.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Tuned {
    fn drop(&mut self) {
        let mut listened = self.shared.lock();
        self.receiver = None;
        if listened.get(&self.conversation).is_some_and(|channel| channel.receiver_count() == 0) {
            listened.remove(&self.conversation);
        }
    }
}

impl Desk {
    /// The next whisper of this account. Those that a slow reader missed are gone: they were about a moment.
    pub async fn next(&mut self) -> Arc<Whispered> {
        loop {
            match self.receiver.recv().await {
                Ok(whispered) if self.account.as_ref().is_none_or(|own| *own == whispered.account) => return whispered,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                // The hub is gone, and so is its daemon.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

/// Events and whispers that wait for one listener.
const WAITING_MAX: usize = 16;
const DESK_WHISPERS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::conversation::event::EventKind;
    use crate::conversation::model::AuthorKind;

    fn event(id: i64, conversation: i64) -> Event {
        Event {
            id: Id(id),
            at: UnixMs(0),
            account: "acme".into(),
            kind: EventKind::MessageCreated,
            conversation_id: Id(conversation),
            message_id: None,
            queue_id: None,
            detail: serde_json::Value::Null,
        }
    }

    fn typing() -> Whisper {
        Whisper::Typing { who: AuthorKind::Contact, name: None, agent: None, typing: true }
    }

    #[tokio::test]
    async fn a_listener_hears_its_own_conversation_only() {
        let live = Live::default();
        let (mut one, mut two) = (live.listen(Id(1)), live.listen(Id(2)));
        live.tell(vec![event(7, 2), event(8, 1), event(9, 3)]);
        live.whisper("acme", Id(2), typing());
        assert_eq!(one.next().await, Heard::Event(Arc::new(event(8, 1))));
        assert_eq!(two.next().await, Heard::Event(Arc::new(event(7, 2))));
        assert!(matches!(two.next().await, Heard::Whisper(_)));
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_and_goes_on() {
        let live = Live::default();
        let mut slow = live.listen(Id(1));
        let most = i64::try_from(WAITING_MAX).expect("a small number");
        live.tell((0..most).map(|id| event(id, 1)).collect());
        assert!(matches!(slow.next().await, Heard::Event(_)), "as many as wait are kept");
        live.tell((0..2).map(|id| event(most + id, 1)).collect());
        assert_eq!(slow.next().await, Heard::Missed);
        assert!(matches!(slow.next().await, Heard::Event(_)));
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_listener_that_went() {
        let live = Live::default();
        let (first, second) = (live.listen(Id(1)), live.listen(Id(1)));
        drop(first);
        assert!(live.is_heard());
        drop(second);
        assert!(!live.is_heard());
    }

    #[tokio::test]
    async fn a_desk_hears_its_own_account() {
        let live = Live::default();
        let (mut own, mut all) = (live.listen_account(Some("acme".into())), live.listen_account(None));
        live.whisper("bolt", Id(1), typing());
        live.whisper("acme", Id(2), typing());
        assert_eq!(own.next().await.conversation, Id(2));
        assert_eq!(all.next().await.conversation, Id(1));
    }
}
