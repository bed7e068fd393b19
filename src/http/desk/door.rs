//! How often a peer may try to sign in, and how often an address may be tried. Both, because a network of peers asks for one
//! address, and one peer asks for many.

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
    by_peer: Budget<IpAddr>,
    by_address: Budget<String>,
    links_by_peer: Budget<IpAddr>,
    links_by_address: Budget<String>,
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
            by_peer: Budget::new(now, 20, Duration::from_secs(15)),
            by_address: Budget::new(now, 10, Duration::from_secs(60)),
            links_by_peer: Budget::new(now, 10, Duration::from_secs(60)),
            links_by_address: Budget::new(now, 3, Duration::from_secs(300)),
            link_uses_by_peer: Budget::new(now, 30, Duration::from_secs(10)),
            asking: Arc::new(Semaphore::new(ASKING)),
            hashing: Arc::new(Semaphore::new(HASHING)),
        }
    }

    /// A try with a password, by this peer (`None` over the Unix socket) for this address, whether or not it is an agent's.
    pub fn password(&self, peer: Option<IpAddr>, address: &str, now: Instant) -> Result<(), ApiError> {
        take(&self.by_peer, &self.by_address, peer, address, now)
    }

    /// A try with a link.
    pub fn link_use(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), ApiError> {
        let by_peer = peer.map_or(Ok(()), |peer| self.link_uses_by_peer.take(&client_of(peer), now));
        by_peer.map_err(ApiError::too_many)
    }

    /// A wish for a link.
    pub fn link(&self, peer: Option<IpAddr>, address: &str, now: Instant) -> Result<(), ApiError> {
        take(&self.links_by_peer, &self.links_by_address, peer, address, now)
    }
}

/// The peer first: what it may not do costs the address nothing.
fn take(
    peers: &Budget<IpAddr>,
    addresses: &Budget<String>,
    peer: Option<IpAddr>,
    address: &str,
    now: Instant,
) -> Result<(), ApiError> {
    let by_peer = peer.map_or(Ok(()), |peer| peers.take(&client_of(peer), now));
    by_peer.and_then(|()| addresses.take(&address.to_owned(), now)).map_err(ApiError::too_many)
}

const HASHING: usize = 2;
const ASKING: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_and_an_address_have_their_own_budgets() {
        let now = Instant::now();
        let door = DeskDoor::new(now);
        let peer = |last| Some(IpAddr::from([192, 0, 2, last]));
        assert!((0..10).all(|last| door.password(peer(last), "sara@a.example", now).is_ok()));
        let refused = door.password(peer(10), "sara@a.example", now).expect_err("the address has had its tries");
        assert_eq!((refused.code, refused.retry_after), ("too_many", Some(60)));
        assert!((0..20).all(|try_| door.password(peer(99), &format!("a{try_}@a.example"), now).is_ok()));
        assert!(door.password(peer(99), "other@a.example", now).is_err());
        assert!(door.password(peer(98), "other@a.example", now).is_ok());
        assert!(door.link(peer(99), "sara@a.example", now).is_ok(), "links have budgets of their own");
    }
}
