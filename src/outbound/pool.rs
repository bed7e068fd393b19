//! Connections that are kept for the next mail: which one fits, and when one has done enough. It leaves to others what a
//! connection is and how it is closed.
//!
//! What fits is the same address, spoken to under the same name, with the same demands on TLS and the same
//! credentials: a connection made with lower demands must never carry a mail that has higher ones.

use super::hop::{Hop, TlsMode, Verification};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What two mails must have in common to share a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    address: SocketAddr,
    host: String,
    tls: TlsMode,
    verification: Verification,
    username: Option<String>,
    source: Option<IpAddr>,
}

impl Key {
    pub fn new(hop: &Hop, address: SocketAddr, tls: TlsMode) -> Key {
        Key {
            address,
            host: hop.host.to_ascii_lowercase(),
            tls,
            verification: hop.security.verification.clone(),
            username: hop.credentials.as_ref().map(|credentials| credentials.username.clone()),
            source: None,
        }
    }

    /// Made from this address of ours: a reload may name another.
    pub fn from(self, source: Option<IpAddr>) -> Key {
        Key { source, ..self }
    }
}

#[derive(Debug)]
pub struct Pool<C> {
    idle: Mutex<HashMap<Key, Vec<Idle<C>>>>,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Pool { idle: Mutex::default() }
    }
}

impl<C> Pool<C> {
    /// The one that was used last: it is the likeliest to be alive still.
    pub fn take(&self, key: &Key, now: Instant) -> Option<C> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(key)?;
        let last = connections.pop();
        if connections.is_empty() {
            idle.remove(key);
        }
        last.filter(|idle| now.saturating_duration_since(idle.since) < IDLE_MAX).map(|idle| idle.connection)
    }

    /// Keeps one that has carried so many mails, or gives it back to be closed.
    pub fn give(&self, key: Key, connection: C, mails: u32, now: Instant) -> Option<C> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = idle.values().map(Vec::len).sum();
        if mails >= MAILS_MAX || held >= CONNECTIONS_MAX {
            return Some(connection);
        }
        idle.entry(key).or_default().push(Idle { connection, since: now });
        None
    }

    /// Those that have waited long enough, to be closed.
    pub fn expired(&self, now: Instant) -> Vec<C> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut expired = Vec::new();
        for connections in idle.values_mut() {
            let old = |idle: &mut Idle<C>| now.saturating_duration_since(idle.since) >= IDLE_MAX;
            expired.extend(connections.extract_if(.., old).map(|idle| idle.connection));
        }
        idle.retain(|_, connections| !connections.is_empty());
        expired
    }

    /// All of them, to be closed.
    pub fn drain(&self) -> Vec<C> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.drain().flat_map(|(_, connections)| connections).map(|idle| idle.connection).collect()
    }
}

/// Mails of one connection: hosts count, and dislike more.
pub const MAILS_MAX: u32 = 100;
/// How long one is kept without a mail.
pub const IDLE_MAX: Duration = Duration::from_secs(30);
const CONNECTIONS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::secret::Secret;
    use crate::outbound::hop::{Credentials, Dane, Security, TlsaRecord};

    fn hop() -> Hop {
        Hop {
            host: "mx.example".into(),
            addresses: Vec::new(),
            security: Security {
                tls: TlsMode::Opportunistic,
                verification: Verification::Nothing,
                because: "opportunistic",
            },
            credentials: None,
        }
    }

    fn key(hop: &Hop) -> Key {
        Key::new(hop, "192.0.2.1:25".parse().unwrap(), hop.security.tls)
    }

    #[test]
    fn a_connection_is_shared_only_by_mails_with_the_same_demands() {
        let (pool, now, plain) = (Pool::default(), Clock::System.monotonic(), hop());
        assert!(pool.give(key(&plain), 1, 1, now).is_none());
        let mut others = vec![Key::new(&plain, "192.0.2.2:25".parse().unwrap(), plain.security.tls)];
        let mut other = |change: &dyn Fn(&mut Hop)| {
            let mut hop = hop();
            change(&mut hop);
            others.push(key(&hop));
        };
        other(&|hop| hop.host = "mx2.example".into());
        other(&|hop| hop.security.tls = TlsMode::Required);
        other(&|hop| hop.security.tls = TlsMode::None);
        other(&|hop| hop.security.verification = Verification::HostName);
        other(&|hop| {
            let record = TlsaRecord { usage: 3, selector: 1, matching: 1, data: vec![0; 32] };
            hop.security.verification = Verification::Dane(Dane { records: vec![record], next_hop: None });
        });
        other(&|hop| {
            let password = Secret::from("x".to_owned());
            hop.credentials = Some(Credentials { username: "u".into(), password });
        });
        for other in others {
            assert!(pool.take(&other, now).is_none(), "{other:?}");
        }
        assert!(pool.take(&key(&plain), now).is_some());
        assert!(pool.take(&key(&plain), now).is_none(), "only once");
    }

    #[test]
    fn a_connection_ends_after_a_hundred_mails_or_thirty_seconds() {
        let (pool, now, key) = (Pool::default(), Clock::System.monotonic(), key(&hop()));
        assert!(pool.give(key.clone(), 1, MAILS_MAX - 1, now).is_none());
        assert_eq!(pool.give(key.clone(), 2, MAILS_MAX, now), Some(2));
        assert!(pool.expired(now + IDLE_MAX - Duration::from_millis(1)).is_empty());
        assert_eq!(pool.expired(now + IDLE_MAX), [1]);
        assert!(pool.give(key.clone(), 3, 1, now).is_none());
        assert!(pool.take(&key, now + IDLE_MAX).is_none(), "too old, though nobody looked");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let (pool, now, key) = (Pool::default(), Clock::System.monotonic(), key(&hop()));
        let refused = (0..CONNECTIONS_MAX + 5).filter(|n| pool.give(key.clone(), *n, 0, now).is_some());
        assert_eq!(refused.count(), 5);
        assert_eq!(pool.drain().len(), CONNECTIONS_MAX);
    }
}
