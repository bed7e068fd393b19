//! One attempt from its place at the site to its record: whatever happens inside, it ends, and its end is written down
//! before the mail can be tried again.

use super::deliver;
use super::drain::Drain;
use super::hop::{Route, Unroutable};
use super::letter::Reached;
use super::running::Leash;
use super::schedule::{self, Verdict};
use super::services::Services;
use super::sites::SiteNews;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::retry;
use crate::store::StoreError;
use crate::store::outgoing::{AttemptEnd, AttemptOutcome, QueueEntry};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinError;

/// An attempt that is over and written down.
#[derive(Debug)]
pub struct Ended {
    pub entry: Id,
    pub domain: String,
    /// Whose place is free again.
    pub site: Option<String>,
    pub news: SiteNews,
    /// When the host had its say; the record may take longer.
    pub at: UnixMs,
}

/// What an attempt came to, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub verdict: Verdict,
    pub news: SiteNews,
    pub remote: Option<String>,
    pub remote_reply: Option<String>,
    pub tls: Option<String>,
    pub reason: String,
    pub transcript: String,
}

impl Told {
    /// Without a word of a host.
    pub fn unsaid(verdict: Verdict, reason: String) -> Told {
        Told {
            verdict,
            news: SiteNews::Unasked,
            remote: None,
            remote_reply: None,
            tls: None,
            reason,
            transcript: String::new(),
        }
    }
}

/// Delivers, or not, and writes down which.
pub async fn run(services: Arc<Services>, entry: QueueEntry, route: Arc<Route>, drain: Drain, leash: Leash) -> Ended {
    let (began, Leash { reached, gives_way }) = (services.clock.monotonic(), leash);
    // A task of its own: what panics in there is one mail's attempt.
    let delivery = deliver::deliver(Arc::clone(&services), entry.clone(), Arc::clone(&route), Arc::clone(&reached));
    let mut delivery = tokio::spawn(delivery);
    let told = tokio::select! {
        joined = &mut delivery => joined.unwrap_or_else(|error| broken(&services, &error, &reached)),
        () = tokio::time::sleep(TOTAL) => {
            cut(&reached, Verdict::Later { after: None }, format!("it took longer than {} min", TOTAL.as_secs() / 60))
        }
        () = gives_way.cancelled() => {
            delivery.abort();
            let _ = (&mut delivery).await;
            cut(&reached, Verdict::Later { after: None }, "the mail host kept it waiting while others waited".to_owned())
        }
        () = drain.over() => {
            delivery.abort();
            let _ = (&mut delivery).await;
            if !reached.is_data_sent() {
                return record(services, entry, Some(&route), stopping(), SiteNews::Unasked).await;
            }
            cut(&reached, Verdict::Uncertain, "replyd was stopped while it waited for the last answer".to_owned())
        }
    };
    delivery.abort();
    let elapsed = services.clock.monotonic().saturating_duration_since(began);
    services.counters.delivery_seconds.observe(elapsed.as_secs_f64());
    let (news, end) = (told.news, end(&services, &entry, told));
    record(services, entry, Some(&route), end, news).await
}

/// What an attempt that did not come to its end means.
fn cut(reached: &Reached, verdict: Verdict, reason: String) -> Told {
    let verdict = if reached.is_data_sent() { Verdict::Uncertain } else { verdict };
    Told { news: SiteNews::Unreachable, ..Told::unsaid(verdict, reason) }
}

fn broken(services: &Services, error: &JoinError, reached: &Reached) -> Told {
    services.counters.panics.inc();
    tracing::error!(%error, "an attempt to deliver ended in a panic; this is a defect of replyd: please report it");
    let told = cut(reached, Verdict::Defect, "an internal error; the log has it".to_owned());
    Told { news: SiteNews::Unasked, ..told }
}

/// The end of an attempt that never had a host.
pub fn unroutable(services: &Services, entry: &QueueEntry, why: Unroutable) -> AttemptEnd {
    let told = match why {
        Unroutable::NoSuchDomain { reason } => Told::unsaid(Verdict::AskedAgainOnce, reason),
        Unroutable::Permanent { enhanced, reason } | Unroutable::PolicyUnmet { enhanced, reason } => {
            Told::unsaid(Verdict::Never { suppress: None }, format!("{reason} ({enhanced})"))
        }
        Unroutable::Temporary { reason } => Told::unsaid(Verdict::Later { after: None }, reason),
    };
    end(services, entry, told)
}

/// The site rests: back, uncounted, until it may be asked again.
pub fn site_rests(services: &Services, site: &str, until: UnixMs) -> AttemptEnd {
    let due_at = schedule::later(until, retry::jittered(AFTER_REST, services.draw()));
    put_back(due_at, format!("{site} takes no mail for now and is left alone for a while"))
}

/// Back, as if never taken.
pub fn stopping() -> AttemptEnd {
    put_back(UnixMs(0), "replyd was stopped before it could be sent".to_owned())
}

fn put_back(due_at: UnixMs, reason: String) -> AttemptEnd {
    let outcome = AttemptOutcome::PutBack { due_at };
    AttemptEnd { outcome, remote: None, remote_reply: None, tls: None, reason, transcript: String::new() }
}

fn end(services: &Services, entry: &QueueEntry, told: Told) -> AttemptEnd {
    let Told { verdict, news: _, remote, remote_reply, tls, reason, transcript } = told;
    let outcome = schedule::outcome(verdict, entry, &reason, services.clock.now(), services.draw());
    count(services, &outcome, remote_reply.as_deref(), tls.as_deref());
    AttemptEnd { outcome, remote, remote_reply, tls, reason, transcript }
}

fn count(services: &Services, outcome: &AttemptOutcome, reply: Option<&str>, tls: Option<&str>) {
    let result = match outcome {
        AttemptOutcome::Delivered => "delivered",
        AttemptOutcome::Deferred { uncertain: true, .. } => "uncertain",
        AttemptOutcome::Deferred { uncertain: false, .. } => "deferred",
        AttemptOutcome::Failed { .. } => "failed",
        AttemptOutcome::PutBack { .. } => "put_back",
    };
    let code_class = match reply.and_then(|reply| reply.as_bytes().first()) {
        Some(b'2') => "2xx",
        Some(b'4') => "4xx",
        Some(b'5') => "5xx",
        Some(_) | None => "none",
    };
    services.counters.attempt_ended(result, code_class);
    if *outcome == AttemptOutcome::Delivered {
        services.counters.delivered_over(deliver::tls_mode(tls));
    }
}

/// Writes the end down, however long the store needs: the host has answered, so nothing but the writing is done again.
pub async fn record(
    services: Arc<Services>,
    entry: QueueEntry,
    route: Option<&Route>,
    end: AttemptEnd,
    news: SiteNews,
) -> Ended {
    let (mut failures, at) = (0, services.clock.now());
    let site = route.map(|route| route.site.clone());
    loop {
        match services.store.attempt_ended(entry.id, end.clone()).await {
            Ok(()) => break,
            Err(error @ (StoreError::NotFound(_) | StoreError::Conflict(_) | StoreError::Closed)) => {
                tracing::debug!(%error, entry = %entry.id, "the mail is gone from the queue, or the store is closed");
                break;
            }
            Err(error) => {
                failures += 1;
                tracing::warn!(%error, entry = %entry.id, "what became of a mail cannot be written; it is tried again");
            }
        }
        tokio::time::sleep(retry::jittered(retry::wait(retry::RECORDING, failures), services.draw())).await;
    }
    Ended { entry: entry.id, domain: entry.domain, site, news, at }
}

/// Each wait on a host has its own deadline; this one is for a host that uses up all of them.
const TOTAL: Duration = Duration::from_secs(30 * 60);
/// Mails of a site that rested do not come before the rest is over.
const AFTER_REST: Duration = Duration::from_secs(2);
