//! Who may be connected. Calls are short and have the places of the door; a live feed lasts for hours and gives its
//! place among the calls back for one among the feeds of its kind, so that no number of feeds keeps calls waiting. What
//! one address may hold is bounded, except where a proxy on this machine stands for all of them.

use super::error::ApiError;
use super::listener::PeerAddress;
use crate::limits::Limits;
use crate::net::permits::{Slot, Slots};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

/// Whose feed it is: visitors, who are many and unknown, never take the places of those with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedKind {
    Account,
    Visitor,
}

/// The places of all live feeds.
#[derive(Debug, Clone, Default)]
pub struct Places {
    account: Arc<Slots>,
    visitor: Arc<Slots>,
}

/// A feed's place; free again when it is dropped.
#[derive(Debug)]
pub struct FeedPlace {
    _slot: Slot,
}

/// A connection's place among the calls of its door.
#[derive(Debug)]
pub struct CallPlace {
    pub among_all: Option<OwnedSemaphorePermit>,
    pub of_client: Option<Slot>,
}

/// The place of the connection that a request came over; kept by the connection until it is given up.
#[derive(Debug, Clone)]
pub struct Seat(Arc<Mutex<Option<CallPlace>>>);

/// Who asks for a feed, and over which connection.
#[derive(Debug, Clone)]
pub struct Listening {
    peer: Option<IpAddr>,
    seat: Option<Seat>,
}

/// Connections that have not said yet what they want, the oldest first.
#[derive(Debug, Default)]
pub struct Doorstep {
    silent: Mutex<Silent>,
}

#[derive(Debug, Default)]
struct Silent {
    next: u64,
    connections: BTreeMap<u64, CancellationToken>,
}

/// One of them, until its first request is there in full or it ends.
#[derive(Debug)]
pub struct Newcomer {
    doorstep: Arc<Doorstep>,
    number: u64,
    /// Cancelled when its place is another's.
    pub cut: CancellationToken,
}

impl Doorstep {
    pub fn enter(self: &Arc<Doorstep>) -> Newcomer {
        let mut silent = self.lock();
        let (number, cut) = (silent.next, CancellationToken::new());
        silent.next += 1;
        silent.connections.insert(number, cut.clone());
        drop(silent);
        Newcomer { doorstep: Arc::clone(self), number, cut }
    }

    /// Ends the one that has been silent for longest: half a request must not keep whoever says all of it waiting, and among
    /// those is the one who asks whether we are well.
    pub fn cut_oldest(&self) {
        if let Some((_, cut)) = self.lock().connections.pop_first() {
            cut.cancel();
        }
    }

    /// A panic while the lock was held leaves a map that is whole.
    fn lock(&self) -> MutexGuard<'_, Silent> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    /// Its request is there: it is not cut for another any more.
    pub fn spoke(&self) {
        self.doorstep.lock().connections.remove(&self.number);
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.spoke();
    }
}

impl Seat {
    pub fn new(place: CallPlace) -> Seat {
        Seat(Arc::new(Mutex::new(Some(place))))
    }

    /// The connection does not count as a call from now on, and takes none any more.
    fn give_up(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub fn is_given_up(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Places {
    /// A place for a feed that begins now; whoever gets none is told when to come again. Ask for it last: the connection
    /// ends with the feed.
    pub fn feed(&self, kind: FeedKind, listening: &Listening) -> Result<FeedPlace, ApiError> {
        let (slots, bounds) = match kind {
            FeedKind::Account => (&self.account, bounds(ACCOUNT_FEEDS_MAX, ACCOUNT_FEEDS_MAX)),
            FeedKind::Visitor => (&self.visitor, bounds(VISITOR_FEEDS_MAX, VISITOR_FEEDS_OF_CLIENT_MAX)),
        };
        let mut slot = slots.take(&bounds).ok_or_else(crowded)?;
        if let Some(peer) = listening.peer.filter(|_| kind == FeedKind::Visitor).and_then(counted) {
            slot.assign(peer, &bounds).map_err(|_| too_many_of_client())?;
        }
        if let Some(seat) = &listening.seat {
            seat.give_up();
        }
        Ok(FeedPlace { _slot: slot })
    }

    /// Feeds of this kind.
    pub fn taken(&self, kind: FeedKind) -> usize {
        match kind {
            FeedKind::Account => self.account.taken(),
            FeedKind::Visitor => self.visitor.taken(),
        }
    }
}

/// What one address may hold of a door's places for calls; `None` when it holds that.
pub fn of_client(clients: &Arc<Slots>, peer: Option<IpAddr>) -> Option<Option<Slot>> {
    let Some(peer) = peer.and_then(counted) else { return Some(None) };
    take_of_client(clients, peer, CALLS_OF_CLIENT_MAX).map(Some)
}

/// What the calls of one client hold together while they are answered, whichever proxy brings them: who sends slowly, with
/// or without a connection of its own, has so many of the places and no more.
pub fn in_hand_of_client(clients: &Arc<Slots>, client: Option<IpAddr>) -> Result<Option<Slot>, ApiError> {
    let Some(client) = client.and_then(counted) else { return Ok(None) };
    take_of_client(clients, client, CALLS_IN_HAND_OF_CLIENT_MAX).map(Some).ok_or_else(too_many_calls)
}

fn take_of_client(clients: &Arc<Slots>, client: IpAddr, most: usize) -> Option<Slot> {
    let bounds = bounds(usize::MAX, most);
    let mut slot = clients.take(&bounds)?;
    slot.assign(client, &bounds).ok()?;
    Some(slot)
}

/// A proxy on this machine brings everybody's connections.
fn counted(peer: IpAddr) -> Option<IpAddr> {
    Some(peer).filter(|peer| !peer.is_loopback())
}

/// A network holds what several of its clients may.
fn bounds(all: usize, of_client: usize) -> Limits {
    Limits {
        sessions_max: all,
        sessions_per_client_max: of_client,
        sessions_per_network_max: of_client.saturating_mul(CLIENTS_OF_NETWORK),
        ..Limits::default()
    }
}

fn crowded() -> ApiError {
    let message = "too many listen to events already; close some, or try again";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_feeds", message)
}

fn too_many_of_client() -> ApiError {
    let message = "too many listen from this address already; close some, or try again";
    ApiError {
        retry_after: Some(RETRY_SECONDS),
        ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_feeds", message)
    }
}

fn too_many_calls() -> ApiError {
    let message = "too many calls of this address are being answered; wait for one to end, then try again";
    ApiError { retry_after: Some(1), ..ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_calls", message) }
}

impl<S: Sync> FromRequestParts<S> for Listening {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Listening, Infallible> {
        let peer = parts.extensions.get::<PeerAddress>().and_then(|peer| peer.0);
        Ok(Listening { peer, seat: parts.extensions.get::<Seat>().cloned() })
    }
}

/// Connections that make calls, of one door.
pub const CALLS_MAX: usize = 512;
/// Of one address.
const CALLS_OF_CLIENT_MAX: usize = 128;
/// Of one client, being answered at one time.
const CALLS_IN_HAND_OF_CLIENT_MAX: usize = 32;
const ACCOUNT_FEEDS_MAX: usize = 128;
/// Each holds a socket and what `docs/PERFORMANCE.md` says.
pub const VISITOR_FEEDS_MAX: usize = 16_384;
/// An office behind one address has that many visitors at most.
const VISITOR_FEEDS_OF_CLIENT_MAX: usize = 256;
const CLIENTS_OF_NETWORK: usize = 4;
/// Feeds last for long: whoever comes again at once meets the same ones.
const RETRY_SECONDS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn from(peer: &str) -> (Listening, Seat) {
        let seat = Seat::new(CallPlace { among_all: None, of_client: None });
        (Listening { peer: Some(peer.parse().expect("an address")), seat: Some(seat.clone()) }, seat)
    }

    #[test]
    fn a_feed_leaves_the_calls_and_one_that_is_refused_does_not() {
        let places = Places::default();
        let (listening, seat) = from("192.0.2.1");
        let held: Vec<_> = (0..VISITOR_FEEDS_OF_CLIENT_MAX)
            .map(|_| places.feed(FeedKind::Visitor, &listening).expect("there is room"))
            .collect();
        assert!(seat.is_given_up());
        let (listening, seat) = from("192.0.2.1");
        let refused = places.feed(FeedKind::Visitor, &listening).expect_err("one address holds no more");
        assert_eq!((refused.status, seat.is_given_up()), (StatusCode::TOO_MANY_REQUESTS, false));
        assert_eq!(places.taken(FeedKind::Visitor), held.len());
        drop(held);
        assert!(places.feed(FeedKind::Visitor, &listening).is_ok());
        assert_eq!(places.taken(FeedKind::Visitor), 0);
    }

    #[test]
    fn a_proxy_brings_as_many_visitors_as_there_are_places_and_agents_have_their_own() {
        let places = Places::default();
        let (listening, _) = from("127.0.0.1");
        let held: Vec<_> =
            (0..VISITOR_FEEDS_MAX).map(|_| places.feed(FeedKind::Visitor, &listening).expect("room")).collect();
        let refused = places.feed(FeedKind::Visitor, &listening).expect_err("all places are taken");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(places.feed(FeedKind::Account, &listening).is_ok());
        drop(held);
    }

    #[test]
    fn one_client_behind_a_proxy_does_not_hold_every_call() {
        let clients = Arc::new(Slots::default());
        let client = Some("192.0.2.1".parse().expect("an address"));
        let held: Vec<_> =
            (0..CALLS_IN_HAND_OF_CLIENT_MAX).map(|_| in_hand_of_client(&clients, client).expect("room")).collect();
        let refused = in_hand_of_client(&clients, client).expect_err("one client holds no more");
        assert_eq!((refused.status, refused.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(1)));
        assert!(in_hand_of_client(&clients, Some("198.51.100.1".parse().expect("an address"))).is_ok());
        assert!(in_hand_of_client(&clients, None).is_ok_and(|slot| slot.is_none()));
        drop(held);
        assert!(in_hand_of_client(&clients, client).is_ok());
    }

    #[test]
    fn the_oldest_of_those_who_said_nothing_is_cut() {
        let doorstep = Arc::new(Doorstep::default());
        let [first, second, third] = [(); 3].map(|()| doorstep.enter());
        first.spoke();
        doorstep.cut_oldest();
        assert_eq!([&first, &second, &third].map(|one| one.cut.is_cancelled()), [false, true, false]);
        drop(third);
        doorstep.cut_oldest();
        assert!(doorstep.lock().connections.is_empty() && !first.cut.is_cancelled());
    }

    #[test]
    fn one_address_does_not_take_every_place_for_calls() {
        let clients = Arc::new(Slots::default());
        let peer = Some("192.0.2.1".parse().expect("an address"));
        let held: Vec<_> = (0..CALLS_OF_CLIENT_MAX).map(|_| of_client(&clients, peer).expect("room")).collect();
        assert!(of_client(&clients, peer).is_none());
        assert!(of_client(&clients, Some("198.51.100.1".parse().expect("an address"))).is_some());
        assert!(of_client(&clients, None).is_some());
        drop(held);
    }
}
