//! What sending works with: the store, the open connections, and everything that the config in force says, loaded once and
//! swapped whole when it is reloaded.

use super::connections::Connections;
use super::hop::{Hop, Route, TlsMode, Unroutable};
use super::route::{Demand, Router, RouterError};
use crate::clock::Clock;
use crate::config::checked::{Config, OutboundTls};
use crate::dns::Resolver;
use crate::net::counters::Counters;
use crate::store::Store;
use crate::store::outgoing::QueueEntry;
use arc_swap::ArcSwap;
use std::sync::Arc;

/// What the composition root brings.
#[derive(Debug)]
pub struct ServicesParts {
    pub store: Store,
    pub config: Arc<Config>,
    pub clock: Clock,
    pub counters: Arc<Counters>,
    pub resolver: Resolver,
}

#[derive(Debug)]
pub struct Services {
    pub store: Store,
    pub clock: Clock,
    pub counters: Arc<Counters>,
    pub connections: Connections,
    resolver: Resolver,
    sending: ArcSwap<Sending>,
}

/// What the config in force says of sending.
#[derive(Debug)]
pub struct Sending {
    pub config: Arc<Config>,
    router: Router,
}

/// Why a config cannot be sent with.
#[derive(Debug, thiserror::Error)]
pub enum SendingError {
    #[error(transparent)]
    Router(#[from] RouterError),
}

impl Services {
    pub fn new(parts: ServicesParts) -> Result<Services, SendingError> {
        let ServicesParts { store, config, clock, counters, resolver } = parts;
        let sending = Sending::load(config, &resolver, &clock)?;
        let connections = Connections::default();
        Ok(Services { store, clock, counters, connections, resolver, sending: ArcSwap::from_pointee(sending) })
    }

    /// The one in force: attempts keep the one they began with.
    pub fn sending(&self) -> Arc<Sending> {
        self.sending.load_full()
    }

    /// Everything for a new config, before anything is changed.
    pub fn load(&self, config: Arc<Config>) -> Result<Sending, SendingError> {
        Sending::load(config, &self.resolver, &self.clock)
    }

    pub fn take(&self, sending: Sending) {
        self.sending.store(Arc::new(sending));
    }

    /// Any number, for what has to be spread.
    pub fn draw(&self) -> u32 {
        let mut octets = [0; 4];
        // Without randomness everything comes a tenth earlier, which is no reason to stop.
        let _ = aws_lc_rs::rand::fill(&mut octets);
        u32::from_ne_bytes(octets)
    }
}

impl Sending {
    fn load(config: Arc<Config>, resolver: &Resolver, clock: &Clock) -> Result<Sending, SendingError> {
        let router = Router::new(&config, resolver.clone(), clock.clone())?;
        Ok(Sending { config, router })
    }

    /// Where this mail goes.
    pub async fn route(&self, entry: &QueueEntry) -> Result<Route, Unroutable> {
        self.router.route(&entry.domain, self.demand(entry)).await
    }

    pub fn inbound_domain(&self, account: &str) -> Option<&str> {
        let account = self.config.accounts.iter().find(|known| known.name == account)?;
        Some(&account.inbound_domain)
    }

    fn demand(&self, entry: &QueueEntry) -> Demand {
        let account = self.config.accounts.iter().find(|account| account.name == entry.account);
        match account.map(|account| account.outbound_tls) {
            _ if entry.require_tls => Demand::RequireTls,
            Some(OutboundTls::Require) => Demand::Encryption,
            Some(OutboundTls::Prefer) | None => Demand::Usual,
        }
    }
}
