//! What every door shares: the store, the verifier, the config in force, and the budgets of all sessions together.

use super::recipient_hook::RecipientHooks;
use super::space::SpaceGuard;
use crate::clock::Clock;
use crate::config::checked::Config;
use crate::limits::Limits;
use crate::net::counters::Counters;
use crate::net::permits::{ContentBudget, DelayedSessions, LargeMails, Slots};
use crate::net::throttle::Throttle;
use crate::net::tls::Tls;
use crate::sender_auth::Verifier;
use crate::store::Store;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the composition root brings.
#[derive(Debug)]
pub struct ServicesParts {
    /// Swapped on SIGHUP; every question reads the one in force.
    pub config: Arc<ArcSwap<Config>>,
    pub store: Store,
    pub verifier: Verifier,
    pub clock: Clock,
    pub tls: Tls,
    pub counters: Arc<Counters>,
    /// Shared with filing, which reads large mails back as well.
    pub large_mails: Arc<LargeMails>,
    pub recipient_hooks: RecipientHooks,
}

/// The parts, and what belongs to the doors alone.
#[derive(Debug)]
pub struct Services {
    pub config: Arc<ArcSwap<Config>>,
    pub store: Store,
    pub verifier: Verifier,
    pub clock: Clock,
    pub tls: Tls,
    pub counters: Arc<Counters>,
    pub large_mails: Arc<LargeMails>,
    pub recipient_hooks: RecipientHooks,
    pub slots: Arc<Slots>,
    pub delayed: DelayedSessions,
    pub throttle: Throttle,
    pub content_budget: Arc<ContentBudget>,
    pub space: SpaceGuard,
    sessions_begun: AtomicU64,
    epoch: i64,
}

impl Services {
    pub fn new(parts: ServicesParts) -> Arc<Services> {
        let ServicesParts { config, store, verifier, clock, tls, counters, large_mails, recipient_hooks } = parts;
        Arc::new(Services {
            throttle: Throttle::new(clock.monotonic()),
            epoch: clock.now().0,
            config,
            store,
            verifier,
            clock,
            tls,
            counters,
            large_mails,
            recipient_hooks,
            slots: Arc::default(),
            delayed: DelayedSessions::default(),
            content_budget: Arc::default(),
            space: SpaceGuard::default(),
            sessions_begun: AtomicU64::new(0),
        })
    }

    /// The limits in force.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.config.load().limits)
    }

    /// A word for one session, or one call of another door: in every log line and ledger entry of it. Start time and
    /// a count, so that no restart repeats it.
    pub fn next_session_word(&self) -> String {
        format!("{:x}-{:x}", self.epoch, self.sessions_begun.fetch_add(1, Ordering::Relaxed))
    }
}
