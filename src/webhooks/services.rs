//! What the streams work with.

use super::schedule::{self, Schedule};
use crate::clock::Clock;
use crate::config::checked::Config;
use crate::dns::Resolver;
use crate::net::counters::Counters;
use crate::net::https::HttpClient;
use crate::retry;
use crate::store::Store;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the composition root brings.
#[derive(Debug)]
pub struct ServicesParts {
    pub store: Store,
    /// Swapped by a reload, of which [`Services::reloaded`] tells.
    pub config: Arc<ArcSwap<Config>>,
    pub clock: Clock,
    pub counters: Arc<Counters>,
    pub resolver: Resolver,
    pub client: HttpClient,
}

#[derive(Debug)]
pub struct Services {
    pub store: Store,
    pub config: Arc<ArcSwap<Config>>,
    pub clock: Clock,
    pub counters: Arc<Counters>,
    pub resolver: Resolver,
    pub client: HttpClient,
    pub schedules: Schedules,
    pub(super) reloads: watch::Sender<u64>,
}

/// When what failed is sent again, and how long a receiver may take: tests have less patience.
#[derive(Debug, Clone, Copy)]
pub struct Schedules {
    pub webhook: &'static [Duration],
    pub webhook_give_up: Duration,
    pub bridge: &'static [Duration],
    /// A mail that fails for longer, while others are taken, holds up its conversation no more.
    pub bridge_aside_after: Duration,
    /// A receiver that takes nothing is left alone for so long.
    pub rest: &'static [Duration],
}

impl Default for Schedules {
    fn default() -> Schedules {
        Schedules {
            webhook: schedule::WEBHOOK.waits,
            webhook_give_up: schedule::WEBHOOK.give_up,
            bridge: schedule::BRIDGE.waits,
            bridge_aside_after: retry::BRIDGE_ASIDE,
            rest: retry::SITE,
        }
    }
}

impl Schedules {
    pub(super) fn of_webhooks(&self) -> Schedule {
        Schedule { waits: self.webhook, give_up: self.webhook_give_up }
    }

    pub(super) fn of_bridges(&self) -> Schedule {
        Schedule { waits: self.bridge, ..schedule::BRIDGE }
    }
}

impl Services {
    pub fn new(parts: ServicesParts) -> Services {
        let ServicesParts { store, config, clock, counters, resolver, client } = parts;
        let (schedules, reloads) = (Schedules::default(), watch::channel(0).0);
        Services { store, config, clock, counters, resolver, client, schedules, reloads }
    }

    /// The config was swapped: streams follow it.
    pub fn reloaded(&self) {
        self.reloads.send_modify(|count| *count += 1);
    }

    /// For a whole call.
    pub(super) fn call_deadline(&self) -> Duration {
        self.config.load().limits.hook_timeout
    }

    /// Any number, for what has to be spread.
    pub(super) fn draw(&self) -> u32 {
        let mut octets = [0; 4];
        // Without randomness everything comes a tenth earlier, which is no reason to stop.
        let _ = aws_lc_rs::rand::fill(&mut octets);
        u32::from_ne_bytes(octets)
    }
}
