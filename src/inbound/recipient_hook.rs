//! Asks another system whether it knows a recipient. Its answers are remembered, yes for an hour and no for five minutes;
//! anything that is neither makes the sender come back.

use super::policy::{HookQuestion, HookSays};
use super::services::Services;
use crate::config::checked::{RecipientHook, TargetHost};
use crate::dns::Resolver;
use crate::net::https::{HttpClient, Place, Reach};
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::AUTHORIZATION;
use quick_cache::sync::Cache;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The hooks of all accounts.
pub struct RecipientHooks {
    resolver: Resolver,
    client: HttpClient,
    /// By hook and recipient.
    remembered: Cache<(String, String), (HookSays, Instant)>,
    /// A flood of recipients must not become one of calls.
    places: Semaphore,
}

impl std::fmt::Debug for RecipientHooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecipientHooks")
    }
}

impl RecipientHooks {
    pub fn new(resolver: Resolver, client: HttpClient) -> RecipientHooks {
        RecipientHooks { resolver, client, remembered: Cache::new(REMEMBERED_MAX), places: Semaphore::new(AT_ONCE) }
    }

    /// What it says, or said.
    pub async fn ask(&self, services: &Services, question: &HookQuestion) -> HookSays {
        let key = (question.hook.url.to_string(), question.address.key());
        let now = services.clock.monotonic();
        let fresh = |(says, until): &(HookSays, Instant)| (*until > now).then_some(*says);
        if let Some(says) = self.remembered.get(&key).as_ref().and_then(fresh) {
            return says;
        }
        let asked = timeout(DEADLINE, self.call(&question.hook, &question.address.to_string())).await;
        let says = match asked.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs()))) {
            Ok(says) => says,
            Err(reason) => {
                tracing::warn!(account = question.account, reason, "a recipient hook gives no yes and no no");
                HookSays::Unsure
            }
        };
        services.counters.hook_ended("recipient", word(says));
        if let Some(life) = life(says) {
            self.remembered.insert(key, (says, now + life));
        }
        says
    }

    async fn call(&self, hook: &RecipientHook, recipient: &str) -> Result<HookSays, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let target = hook.url.with_parameter("recipient", recipient);
        let addresses = match &target.host {
            TargetHost::Address(ip) => vec![*ip],
            TargetHost::Name(name) => self.resolver.addresses(name).await.map_err(|error| error.to_string())?,
        };
        let mut request = Request::get("/");
        if let Some(token) = &hook.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let place = Place { target: &target, addresses: &addresses, reach: Reach::of(hook.allow_private) };
        let answer = self.client.call(&place, request).await.map_err(|error| error.to_string())?;
        match answer.status {
            200..=299 => Ok(HookSays::Known),
            404 | 410 => Ok(HookSays::Unknown),
            other => Err(format!("it answers {other}; 2xx means yes and 404 no")),
        }
    }
}

fn life(says: HookSays) -> Option<Duration> {
    match says {
        HookSays::Known => Some(Duration::from_secs(3600)),
        HookSays::Unknown => Some(Duration::from_secs(300)),
        HookSays::Unsure => None,
    }
}

fn word(says: HookSays) -> &'static str {
    match says {
        HookSays::Known => "known",
        HookSays::Unknown => "unknown",
        HookSays::Unsure => "unsure",
    }
}

/// RFC 5321 §4.5.3.2.3: a sender waits 5 minutes for the answer to RCPT; most are less patient.
const DEADLINE: Duration = Duration::from_secs(5);
const REMEMBERED_MAX: usize = 10_000;
const AT_ONCE: usize = 16;
