//! What a visitor, an address and a conversation may do within a minute; beyond it 429 with the wait. An address is counted
//! where it is known to be one client's: a proxy on this machine that names nobody stands for all of them.

use super::refused::Refused;
use super::tabs::Tabs;
use crate::conversation::id::Id;
use crate::http::error::ApiError;
use crate::limits::Limits;
use crate::net::budget::Budget;
use crate::net::client::client_of;
use crate::net::permits::{Slot, Slots};
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
    beginnings_of_peer: Budget<IpAddr>,
    addresses: Budget<Id>,
    files: Budget<Id>,
    files_of_peer: Budget<IpAddr>,
    reads: Budget<Id>,
    signs: Budget<Id>,
    feeds: Budget<Id>,
    pub tabs: Arc<Tabs>,
    /// Messages with files, which are held in memory whole: so many at once.
    pub large_bodies: Arc<Semaphore>,
    senders: Arc<Slots>,
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
            beginnings_of_peer: Budget::new(now, 30, every(5000)),
            addresses: Budget::new(now, 5, every(600_000)),
            files: Budget::new(now, 50, every(60_000)),
            files_of_peer: Budget::new(now, 100, every(10_000)),
            reads: Budget::new(now, 120, every(250)),
            signs: Budget::new(now, 120, every(250)),
            feeds: Budget::new(now, 30, every(1000)),
            tabs: Arc::default(),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
            senders: Arc::default(),
        }
    }

    /// A message with files of this address: who sends it slowly keeps one of the few places for minutes, so one address, or
    /// the neighbours it has, cannot hold them all.
    pub fn sender(&self, peer: Option<IpAddr>) -> Result<Option<Slot>, Refused> {
        let Some(peer) = peer.filter(|peer| !peer.is_loopback()) else { return Ok(None) };
        let bounds = Limits {
            sessions_max: usize::MAX,
            sessions_per_client_max: 1,
            sessions_per_network_max: LARGE_BODIES / 2,
            ..Limits::default()
        };
        let mut slot = self.senders.take(&bounds).ok_or_else(|| ApiError::too_many(SENDER_WAITS))?;
        slot.assign(peer, &bounds).map_err(|_| ApiError::too_many(SENDER_WAITS))?;
        Ok(Some(slot))
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

    /// The same of all visitors of one address: each conversation is a mail to every agent of the inbox.
    pub fn beginning_of(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Refused> {
        by_peer(&self.beginnings_of_peer, peer, now)
    }

    /// Another email address: what did not reach the last one goes there, so whoever may name ever new ones may try out
    /// through us which of them there are.
    pub fn address(&self, visitor: Id, now: Instant) -> Result<(), Refused> {
        take(&self.addresses, visitor, now)
    }

    /// Files of so many octets, counted in mebibytes: they stay, and the disk is the mail's as well.
    pub fn files(&self, peer: Option<IpAddr>, visitor: Id, octets: usize, now: Instant) -> Result<(), Refused> {
        (0..octets.div_ceil(MEBIBYTE)).try_for_each(|_| {
            by_peer(&self.files_of_peer, peer, now)?;
            take(&self.files, visitor, now)
        })
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

const MEBIBYTE: usize = 1024 * 1024;
const LARGE_BODIES: usize = 4;
const SENDER_WAITS: Duration = Duration::from_secs(5);

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

    #[test]
    fn files_are_counted_by_what_they_take() {
        let now = Instant::now();
        let door = WidgetDoor::new(now);
        let files = |visitor, octets| door.files(None, Id(visitor), octets, now);
        assert!(files(1, 49 * MEBIBYTE).is_ok() && files(1, 1).is_ok() && files(1, 0).is_ok());
        assert!(files(1, 1).is_err_and(|refused| refused.error.retry_after == Some(60)) && files(2, 1).is_ok());
    }

    #[test]
    fn one_network_does_not_hold_all_places_for_files() {
        let door = WidgetDoor::new(Instant::now());
        let peer = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        let first = door.sender(peer("192.0.2.1")).expect("the first");
        assert!(door.sender(peer("192.0.2.1")).is_err_and(|refused| refused.error.retry_after == Some(5)));
        let _neighbour = door.sender(peer("192.0.2.2")).expect("a neighbour");
        assert!(door.sender(peer("192.0.2.3")).is_err() && door.sender(peer("198.51.100.1")).is_ok());
        assert!(door.sender(peer("127.0.0.1")).is_ok_and(|slot| slot.is_none()), "a proxy's are everybody's");
        drop(first);
        assert!(door.sender(peer("192.0.2.3")).is_ok());
    }
}
