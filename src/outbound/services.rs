//! What sending works with: the store, the open connections, and everything that the config in force says, loaded once and
//! swapped whole when it is reloaded.

use super::compose::{self, ComposeError, Sender, SenderError, SignInMail};
use super::composing::{Compose, Composing, ComposingError};
use super::connections::Connections;
use super::files;
use super::hop::{Hop, Route, Unroutable};
use super::route::{Demand, Router, RouterError};
use super::timeouts::Timeouts;
use super::verifier::ClientTls;
use crate::clock::Clock;
use crate::config::checked::{Config, OutboundTls};
use crate::conversation::id::Id;
use crate::dns::Resolver;
use crate::net::counters::Counters;
use crate::net::roots::{self, RootsError};
use crate::store::outgoing::{Outgoing, QueueEntry};
use crate::store::{Store, StoreError};
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

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
    pub timeouts: Timeouts,
    composing: Composing,
    resolver: Resolver,
    sending: ArcSwap<Sending>,
}

/// What the config in force says of sending.
#[derive(Debug)]
pub struct Sending {
    pub config: Arc<Config>,
    pub tls: ClientTls,
    router: Router,
    sender: Arc<Sender>,
    /// Mails at the fallback at one time: what it takes is part of an attempt at another site.
    fallback_places: Semaphore,
}

/// Why a config cannot be sent with.
#[derive(Debug, thiserror::Error)]
pub enum SendingError {
    #[error(transparent)]
    Router(#[from] RouterError),
    #[error(transparent)]
    Sender(#[from] SenderError),
    #[error("outbound.ca_file: {0}")]
    Roots(#[from] RootsError),
}

/// Why a mail cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MakingError {
    #[error("it could not be read from the store: {0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Composing(#[from] ComposingError),
}

impl Services {
    pub fn new(parts: ServicesParts) -> Result<Services, SendingError> {
        let ServicesParts { store, config, clock, counters, resolver } = parts;
        let sending = Sending::load(config, &store, &resolver, &clock)?;
        Ok(Services {
            store,
            clock,
            counters,
            connections: Connections::default(),
            timeouts: Timeouts::default(),
            composing: Composing::new(Arc::new(compose::compose), COMPOSING_MAX),
            resolver,
            sending: ArcSwap::from_pointee(sending),
        })
    }

    /// The same with another composer: tests put one in that panics or hangs.
    pub fn composing(self, compose: Arc<Compose>, timeout: Duration) -> Services {
        Services { composing: Composing::new(compose, timeout), ..self }
    }

    /// The mail of an entry, signed.
    pub async fn compose(&self, sending: &Sending, entry: Id) -> Result<Outgoing, MakingError> {
        let to = self.store.to_compose(entry).await?;
        let files = files::load(&self.store, &to, &compose::files_wanted(&to, &sending.sender)).await?;
        let composed = self.composing.compose(to, files, Arc::clone(&sending.sender)).await?;
        Ok(Outgoing { octets: composed.octets, email: composed.email })
    }

    /// The one in force: attempts keep the one they began with.
    pub fn sending(&self) -> Arc<Sending> {
        self.sending.load_full()
    }

    /// Everything for a new config, before anything is changed.
    pub fn load(&self, config: Arc<Config>) -> Result<Sending, SendingError> {
        Sending::load(config, &self.store, &self.resolver, &self.clock)
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
    fn load(config: Arc<Config>, store: &Store, resolver: &Resolver, clock: &Clock) -> Result<Sending, SendingError> {
        let roots = roots::load(config.outbound.ca_file.as_deref())?;
        Ok(Sending {
            tls: ClientTls::with_roots((*roots).clone()),
            router: Router::new(&config, resolver.clone(), clock.clone())?,
            sender: Arc::new(Sender::new(&config, store.keys().clone())?),
            fallback_places: Semaphore::new(config.outbound.connections_per_site),
            config,
        })
    }

    /// Where this mail goes.
    pub async fn route(&self, entry: &QueueEntry) -> Result<Route, Unroutable> {
        self.router.route_of(&entry.account, &entry.domain, self.demand(entry)).await
    }

    /// The way to the smarthost that takes what others refuse, and a place there; `None` without one.
    pub async fn fallback(&self, entry: &QueueEntry) -> Option<(Result<Route, Unroutable>, SemaphorePermit<'_>)> {
        self.config.outbound.fallback.as_ref()?;
        let place = self.fallback_places.acquire().await.ok()?;
        Some((self.router.fallback(self.demand(entry)).await?, place))
    }

    /// Where mail of an account to this domain goes, with no more TLS than the account wants.
    pub async fn route_to(&self, account: &str, domain: &str) -> Result<Route, Unroutable> {
        self.router.route_of(account, domain, self.usual_demand(account)).await
    }

    /// The octets of a letter with a sign-in link.
    pub fn sign_in_mail(&self, mail: &SignInMail) -> Result<Vec<u8>, ComposeError> {
        compose::compose_sign_in(mail, &self.sender)
    }

    /// TLS that nobody demanded did not work there: for a while it is not tried.
    pub async fn remember_broken_tls(&self, hop: &Hop, words: &str) {
        self.router.remember_broken_tls(&hop.host, words).await;
    }

    /// Why this hop goes in the clear, if it does because TLS failed there before.
    pub fn why_in_clear(&self, hop: &Hop) -> Option<String> {
        self.router.why_in_clear(hop)
    }

    pub fn inbound_domain(&self, account: &str) -> Option<&str> {
        let account = self.config.accounts.iter().find(|known| known.name == account)?;
        Some(&account.inbound_domain)
    }

    fn demand(&self, entry: &QueueEntry) -> Demand {
        if entry.require_tls { Demand::RequireTls } else { self.usual_demand(&entry.account) }
    }

    fn usual_demand(&self, account: &str) -> Demand {
        let account = self.config.accounts.iter().find(|known| known.name == account);
        match account.map(|account| account.outbound_tls) {
            Some(OutboundTls::Require) => Demand::Encryption,
            Some(OutboundTls::Prefer) | None => Demand::Usual,
        }
    }
}

/// Composing and signing take a millisecond; what takes this long never ends.
const COMPOSING_MAX: Duration = Duration::from_secs(30);
