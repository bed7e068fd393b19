//! The MTA-STS policies that are known, over restarts: when one is fetched, kept, and left to expire (RFC 8461 §3.3, §5.1).
//!
//! A policy that cannot be fetched anew holds until it expires, so whoever can block DNS or HTTPS cannot take it away.
//! Kept as one file in the data directory: it is small, written rarely, and losing it costs only what a first contact costs.

use super::kept_file;
use super::mta_sts::{Mode, Policy, announced_id};
use super::policy_fetch::PolicyFetcher;
use crate::clock::{Clock, UnixMs};
use crate::dns::Resolver;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Domains; a stranger with many of them pushes out what expires first.
const DOMAINS_MAX: usize = 4096;
/// RFC 8461 §3.3: at least five minutes between fetches that fail.
const FAILURE_REMEMBERED_MS: i64 = 300_000;

#[derive(Debug)]
pub struct Policies {
    resolver: Resolver,
    fetcher: PolicyFetcher,
    clock: Clock,
    file: PathBuf,
    known: Mutex<Known>,
    /// Held while the file is written, so that the latest state is the last one written.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    held: HashMap<String, Held>,
    /// Until when no fetch is tried.
    failed: HashMap<String, UnixMs>,
    fetching: HashMap<String, Arc<tokio::sync::Mutex<()>>>,
}

/// A policy that was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    id: String,
    fetched_at: UnixMs,
    policy: Policy,
}

impl Held {
    fn age_ms(&self, now: UnixMs) -> i64 {
        now.0.saturating_sub(self.fetched_at.0)
    }

    fn max_age_ms(&self) -> i64 {
        i64::try_from(self.policy.max_age().as_millis()).unwrap_or(i64::MAX)
    }

    fn expires_at(&self) -> i64 {
        self.fetched_at.0.saturating_add(self.max_age_ms())
    }

    /// Negative ages, of a clock that was set back, count as expired: nothing proves how old that policy is.
    fn is_valid(&self, now: UnixMs) -> bool {
        (0..self.max_age_ms()).contains(&self.age_ms(now))
    }

    /// A policy that is used gets its time anew before it runs out.
    fn is_fresh(&self, id: &str, now: UnixMs) -> bool {
        self.id == id && self.is_valid(now) && self.age_ms(now) <= self.max_age_ms() / 2
    }
}

impl Policies {
    /// With what is in the file; a file that cannot be read is as good as none.
    pub fn load(resolver: Resolver, fetcher: PolicyFetcher, clock: Clock, file: PathBuf) -> Policies {
        let held = kept_file::read(&file, KEPT);
        let known = Mutex::new(Known { held, ..Known::default() });
        Policies { resolver, fetcher, clock, file, known, writing: tokio::sync::Mutex::new(()) }
    }

    /// The policy that holds for this domain; one that the domain took back is none.
    pub async fn policy(&self, domain: &str) -> Option<Policy> {
        let texts = self.resolver.txt(&format!("_mta-sts.{domain}")).await;
        if let Some(id) = texts.ok().and_then(|texts| announced_id(&texts)) {
            self.refresh(domain, &id).await;
        }
        let held = self.valid(domain)?;
        (held.policy.mode != Mode::None).then_some(held.policy)
    }

    /// One fetch at a time for a domain; who holds a valid policy does not wait for it.
    async fn refresh(&self, domain: &str, id: &str) {
        if !self.is_due(domain, id) {
            return;
        }
        let turn = Arc::clone(self.known().fetching.entry(domain.to_owned()).or_default());
        let turn = match self.valid(domain) {
            Some(_) => turn.try_lock_owned().ok(),
            None => Some(turn.lock_owned().await),
        };
        let Some(turn) = turn else { return };
        // Whoever had the turn before may have brought it.
        if self.is_due(domain, id) {
            self.fetch(domain, id).await;
        }
        self.known().fetching.remove(domain);
        drop(turn);
    }

    async fn fetch(&self, domain: &str, id: &str) {
        let now = self.clock.now();
        match self.fetcher.fetch(domain).await {
            Ok(policy) => {
                let held = Held { id: id.to_owned(), fetched_at: now, policy };
                self.known().hold(domain, held, now);
                self.write().await;
            }
            Err(error) => {
                tracing::info!(domain, %error, "the MTA-STS policy of a domain cannot be fetched");
                self.known().fail(domain, now);
            }
        }
    }

    fn is_due(&self, domain: &str, id: &str) -> bool {
        let (known, now) = (self.known(), self.clock.now());
        let is_fresh = known.held.get(domain).is_some_and(|held| held.is_fresh(id, now));
        !is_fresh && known.failed.get(domain).is_none_or(|until| *until <= now)
    }

    fn valid(&self, domain: &str) -> Option<Held> {
        self.known().held.get(domain).filter(|held| held.is_valid(self.clock.now())).cloned()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn hold(&mut self, domain: &str, held: Held, now: UnixMs) {
        self.failed.remove(domain);
        if self.held.len() >= DOMAINS_MAX && !self.held.contains_key(domain) {
            self.held.retain(|_, held| held.is_valid(now));
            let first = self.held.iter().min_by_key(|(_, held)| held.expires_at()).map(|(domain, _)| domain.clone());
            if let Some(first) = first.filter(|_| self.held.len() >= DOMAINS_MAX) {
                self.held.remove(&first);
            }
        }
        self.held.insert(domain.to_owned(), held);
    }

    fn fail(&mut self, domain: &str, now: UnixMs) {
        if self.failed.len() >= DOMAINS_MAX {
            self.failed.retain(|_, until| *until > now);
        }
        if self.failed.len() >= DOMAINS_MAX {
            self.failed.clear();
        }
        self.failed.insert(domain.to_owned(), UnixMs(now.0.saturating_add(FAILURE_REMEMBERED_MS)));
    }
}

/// The file.
impl Policies {
    async fn write(&self) {
        let _turn = self.writing.lock().await;
        let text = serde_json::to_vec(&self.known().held).unwrap_or_default();
        kept_file::write(&self.file, text, KEPT).await;
    }
}

const KEPT: &str = "known MTA-STS policies";
