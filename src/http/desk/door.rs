//! How often a peer may try to sign in, and how often an address may be tried. An address has a budget with each peer, so that
//! nobody who merely knows it keeps its agent out, and a much larger one with all of them, because a network of peers asks for
//! one address; a peer has one of its own, because it asks for many.

use crate::http::error::ApiError;
use crate::net::budget::Budget;
use crate::net::client::client_of;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What bounds signing in.
#[derive(Debug)]
pub struct DeskDoor {
    passwords: Tries,
    links: Tries,
    /// Links that are used, or tried.
    link_uses_by_peer: Budget<IpAddr>,
    /// Wishes for links that are being written down.
    pub asking: Arc<Semaphore>,
    /// Passwords that are hashed at one time: each takes 19 MiB and a core.
    pub hashing: Arc<Semaphore>,
}

impl DeskDoor {
    pub fn new(now: Instant) -> DeskDoor {
        DeskDoor {
            passwords: Tries {
                by_peer: Budget::new(now, 20, Duration::from_secs(15)),
                by_peer_and_address: Budget::new(now, 10, Duration::from_secs(60)),
                by_address: Budget::new(now, 200, Duration::from_secs(10)),
            },
            links: Tries {
                by_peer: Budget::new(now, 10, Duration::from_secs(60)),
                by_peer_and_address: Budget::new(now, 3, Duration::from_secs(300)),
                by_address: Budget::new(now, 20, Duration::from_secs(60)),
            },
            link_uses_by_peer: Budget::new(now, 30, Duration::from_secs(10)),
            asking: Arc::new(Semaphore::new(ASKING)),
            hashing: Arc::new(Semaphore::new(HASHING)),
        }
    }

    /// A try with a password, by this peer (`None` over the Unix socket) for this address, whether or not it is an agent's.
    pub fn password(&self, peer: Option<IpAddr>, address: &str, now: Instant) -> Result<(), ApiError> {
        self.passwords.take(peer, address, now)
    }

    /// A try with a link.
    pub fn link_use(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), ApiError> {
        let by_peer = peer.map_or(Ok(()), |peer| self.link_uses_by_peer.take(&client_of(peer), now));
        by_peer.map_err(ApiError::too_many)
    }

    /// A wish for a link.
    pub fn link(&self, peer: Option<IpAddr>, address: &str, now: Instant) -> Result<(), ApiError> {
        self.links.take(peer, address, now)
    }
}

/// One way in.
#[derive(Debug)]
struct Tries {
    by_peer: Budget<IpAddr>,
    by_peer_and_address: Budget<(Option<IpAddr>, String)>,
    by_address: Budget<String>,
}

impl Tries {
    /// What a peer may not do costs the address nothing.
    fn take(&self, peer: Option<IpAddr>, address: &str, now: Instant) -> Result<(), ApiError> {
        let client = peer.map(client_of);
        let by_peer = client.map_or(Ok(()), |client| self.by_peer.take(&client, now));
        by_peer
            .and_then(|()| self.by_peer_and_address.take(&(client, address.to_owned()), now))
            .and_then(|()| self.by_address.take(&address.to_owned(), now))
            .map_err(ApiError::too_many)
    }
}

const HASHING: usize = 2;
const ASKING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn whoever_knows_an_address_keeps_its_agent_out_of_neither_way_in() {
        let now = Instant::now();
        let door = DeskDoor::new(now);
        assert!((0..10).all(|_| door.password(peer(9), "sara@a.example", now).is_ok()));
        let refused = door.password(peer(9), "sara@a.example", now).expect_err("this peer has had its tries of her");
        assert_eq!((refused.code, refused.retry_after), ("too_many", Some(60)));
        assert!(door.password(peer(77), "sara@a.example", now).is_ok(), "she comes from elsewhere");
        assert!(door.password(None, "sara@a.example", now).is_ok(), "and over the socket");
        assert!((0..3).all(|_| door.link(peer(9), "sara@a.example", now).is_ok()));
        assert!(door.link(peer(9), "sara@a.example", now).is_err());
        assert!(door.link(peer(77), "sara@a.example", now).is_ok(), "links have budgets of their own");
    }

    #[test]
    fn a_peer_tries_many_addresses_no_more_often_than_one() {
        let now = Instant::now();
        let door = DeskDoor::new(now);
        assert!((0..20).all(|try_| door.password(peer(99), &format!("a{try_}@a.example"), now).is_ok()));
        assert!(door.password(peer(99), "other@a.example", now).is_err());
        assert!(door.password(peer(98), "other@a.example", now).is_ok());
    }

    #[test]
    fn a_network_of_peers_shares_what_an_address_has_in_all() {
        let now = Instant::now();
        let door = DeskDoor::new(now);
        let tries = |last: u8| (0..10).all(|_| door.password(peer(last), "sara@a.example", now).is_ok());
        assert!((0..20).all(tries));
        assert!(door.password(peer(200), "sara@a.example", now).is_err());
        assert!((0..20).all(|last| door.link(peer(last), "sara@a.example", now).is_ok()));
        assert!(door.link(peer(200), "sara@a.example", now).is_err());
    }
}
