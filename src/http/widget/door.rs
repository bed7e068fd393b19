//! What a visitor, an address and a conversation may do within a minute; beyond it 429 with the wait. An address is counted
//! where it is known to be one client's: a proxy on this machine that names nobody stands for all of them.

use super::refused::Refused;
use super::tabs::Tabs;
use crate::conversation::id::Id;
use crate::http::error::ApiError;
use crate::net::budget::Budget;
use crate::net::client::client_of;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// All budgets of the widget, and who is connected.
#[derive(Debug)]
pub struct WidgetDoor {
    calls: Budget<IpAddr>,
    newcomers: Budget<IpAddr>,
    keys: Budget<IpAddr>,
    messages_of_peer: Budget<IpAddr>,
    messages: Budget<Id>,
    messages_in: Budget<Id>,
    beginnings: Budget<Id>,
    reads: Budget<Id>,
    signs: Budget<Id>,
    feeds: Budget<Id>,
    pub tabs: Arc<Tabs>,
    /// Messages with files, which are held in memory whole: so many at once.
    pub large_bodies: Arc<Semaphore>,
}

impl WidgetDoor {
    pub fn new(now: Instant) -> WidgetDoor {
        let every = Duration::from_millis;
        WidgetDoor {
            calls: Budget::new(now, 600, every(50)),
            newcomers: Budget::new(now, 30, every(2000)),
            keys: Budget::new(now, 30, every(2000)),
            messages_of_peer: Budget::new(now, 60, every(500)),
            messages: Budget::new(now, 20, every(2000)),
            messages_in: Budget::new(now, 30, every(2000)),
            beginnings: Budget::new(now, 5, every(60_000)),
            reads: Budget::new(now, 120, every(250)),
            signs: Budget::new(now, 120, every(250)),
            feeds: Budget::new(now, 30, every(1000)),
            tabs: Arc::default(),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
        }
    }

    /// Any call of this address.
    pub fn call(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Refused> {
        by_peer(&self.calls, peer, now)
    }

    /// A new visitor.
    pub fn newcomer(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Refused> {
        by_peer(&self.newcomers, peer, now)
    }

    /// A try to prove something: an identity, or a link.
    pub fn key(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Refused> {
        by_peer(&self.keys, peer, now)
    }

    /// A message; the address first: what it may not do costs its visitor nothing.
    pub fn message(&self, peer: Option<IpAddr>, visitor: Id, now: Instant) -> Result<(), Refused> {
        by_peer(&self.messages_of_peer, peer, now)?;
        take(&self.messages, visitor, now)
    }

    /// The same of all visitors of one conversation.
    pub fn message_in(&self, conversation: Id, now: Instant) -> Result<(), Refused> {
        take(&self.messages_in, conversation, now)
    }

    /// A further conversation: each is a line in the agents' list.
    pub fn beginning(&self, visitor: Id, now: Instant) -> Result<(), Refused> {
        take(&self.beginnings, visitor, now)
    }

    pub fn read(&self, visitor: Id, now: Instant) -> Result<(), Refused> {
        take(&self.reads, visitor, now)
    }

    /// A sign of life: presence, seen, typing.
    pub fn sign(&self, visitor: Id, now: Instant) -> Result<(), Refused> {
        take(&self.signs, visitor, now)
    }

    pub fn feed(&self, visitor: Id, now: Instant) -> Result<(), Refused> {
        take(&self.feeds, visitor, now)
    }
}

fn by_peer(budget: &Budget<IpAddr>, peer: Option<IpAddr>, now: Instant) -> Result<(), Refused> {
    let Some(peer) = peer.filter(|peer| !peer.is_loopback()) else { return Ok(()) };
    budget.take(&client_of(peer), now).map_err(|wait| ApiError::too_many(wait).into())
}

fn take(budget: &Budget<Id>, id: Id, now: Instant) -> Result<(), Refused> {
    budget.take(&id, now).map_err(|wait| ApiError::too_many(wait).into())
}

const LARGE_BODIES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_and_a_proxy_that_names_nobody_is_not() {
        let now = Instant::now();
        let door = WidgetDoor::new(now);
        let peer = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        assert!((0..30).all(|_| door.newcomer(peer("192.0.2.1"), now).is_ok()));
        let refused = door.newcomer(peer("192.0.2.1"), now).expect_err("its budget is spent");
        assert_eq!((refused.error.code, refused.error.retry_after), ("too_many", Some(2)));
        assert!(door.newcomer(peer("192.0.2.2"), now).is_ok());
        assert!((0..100).all(|_| door.newcomer(peer("127.0.0.1"), now).is_ok() && door.newcomer(None, now).is_ok()));
        assert!((0..30).all(|_| door.newcomer(peer("2001:db8::1"), now).is_ok()));
        assert!(door.newcomer(peer("2001:db8::2"), now).is_err(), "a /64 has one holder");
    }

    #[test]
    fn a_visitor_and_a_conversation_have_their_own() {
        let now = Instant::now();
        let door = WidgetDoor::new(now);
        assert!((0..20).all(|_| door.message(None, Id(1), now).is_ok()));
        assert!(door.message(None, Id(1), now).is_err() && door.message(None, Id(2), now).is_ok());
        assert!((0..30).all(|_| door.message_in(Id(1), now).is_ok()) && door.message_in(Id(1), now).is_err());
    }
}
