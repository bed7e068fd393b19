//! One attempt at the hosts of one route: each in turn, over a kept connection where there is one, until one of them says what
//! becomes of the mail.

use super::attempt::Attempt;
use super::cargo::Cargo;
use super::fallback;
use super::hop::{Hop, Route, Security, TlsMode};
use super::in_hand::Told;
use super::letter::{Letter, Reached};
use super::outcome::{Blame, Fate, Judgement, Otherwise};
use super::pool::Key;
use super::schedule::Verdict;
use super::services::{Sending, Services};
use super::session::{Connection, Origin};
use super::sites::SiteNews;
use super::ways::{Way, Ways};
use crate::store::outgoing::QueueEntry;
use std::sync::Arc;

/// Delivers, or says why not.
pub async fn deliver(services: Arc<Services>, entry: QueueEntry, route: Arc<Route>, reached: Arc<Reached>) -> Told {
    let sending = services.sending();
    let mut letter = Letter::new(&services, &sending, &entry, &reached);
    let refused = match last_attempt(&services, &sending, &route, &mut letter).await {
        Ok(attempt) if fallback::may_help(&attempt.judgement) => attempt,
        Ok(attempt) => return told(attempt),
        Err(told) => return *told,
    };
    let Some((way, _place)) = sending.fallback(&entry).await else { return told(refused) };
    let refused = told(refused);
    match way {
        Ok(way) => fallback::after(refused, over(&services, &sending, &way, &mut letter).await),
        Err(unroutable) => fallback::without(refused, unroutable),
    }
}

/// Over the ways of a route, one after the other.
pub async fn over(services: &Services, sending: &Sending, route: &Route, letter: &mut impl Cargo) -> Told {
    last_attempt(services, sending, route, letter).await.map_or_else(|told| *told, told)
}

/// The attempt that decides.
async fn last_attempt(
    services: &Services,
    sending: &Sending,
    route: &Route,
    letter: &mut impl Cargo,
) -> Result<Attempt, Box<Told>> {
    let mut ways = Ways::of(route);
    let mut last = None;
    while let Some(way) = ways.next() {
        let attempt = try_way(services, sending, way, letter).await?;
        if attempt.judgement.blame == Blame::Ourselves {
            warn_of_standing(services, &letter.name(), &attempt);
        }
        if !goes_on(&attempt.judgement, &mut ways, way) {
            return Ok(attempt);
        }
        last = Some(attempt);
    }
    last.ok_or_else(|| Box::new(Told::unsaid(Verdict::Later { after: None }, "the route has no address".to_owned())))
}

/// It will be the same for all mail there, and nobody who writes mail can mend it.
fn warn_of_standing(services: &Services, entry: &str, attempt: &Attempt) {
    services.counters.delivery_refused_us.inc();
    let Attempt { remote, reply, judgement, .. } = attempt;
    tracing::warn!(entry, remote, reply, reason = judgement.reason, "a mail host refuses us; see docs/OPERATIONS.md");
}

/// Whether another way is to be tried.
fn goes_on<'a>(judgement: &Judgement, ways: &mut Ways<'a>, way: Way<'a>) -> bool {
    if judgement.try_ipv4 && way.address.is_ipv6() && ways.leave_ipv6(way) {
        return true;
    }
    match judgement.result {
        Fate::Delivered | Fate::Deferred | Fate::Failed => false,
        Fate::TryNextHop { .. } => {
            match judgement.blame {
                Blame::Site => ways.unreachable(way),
                Blame::Recipient | Blame::Message | Blame::Ourselves => ways.leave_host(way),
            }
            true
        }
    }
}

/// One address: over a kept connection, else over a new one, else, where TLS that nobody demanded is broken, without.
async fn try_way(
    services: &Services,
    sending: &Sending,
    way: Way<'_>,
    letter: &mut impl Cargo,
) -> Result<Attempt, Box<Told>> {
    let mut tls = way.hop.security.tls;
    let mut broken = sending.why_in_clear(way.hop);
    loop {
        let mut attempt = try_over(services, sending, way, tls, letter).await?;
        if let Some(words) = &broken {
            attempt.tls = format!("{}, since TLS is broken there: {words}", attempt.tls);
        }
        if !attempt.judgement.try_plaintext || tls != TlsMode::Opportunistic {
            return Ok(attempt);
        }
        if attempt.judgement.tls_is_broken {
            sending.remember_broken_tls(way.hop, &attempt.reply).await;
        }
        tls = TlsMode::None;
        broken = Some(attempt.reply);
    }
}

async fn try_over(
    services: &Services,
    sending: &Sending,
    way: Way<'_>,
    tls: TlsMode,
    letter: &mut impl Cargo,
) -> Result<Attempt, Box<Told>> {
    let sources = sending.config.outbound.sources;
    let key = Key::new(way.hop, way.address, tls).from(sources.towards(way.address.ip()));
    while let Some(connection) = services.connections.take(&key, services.clock.monotonic()) {
        let attempt = send(services, connection, key.clone(), letter).await?;
        // The host closed it while it was idle: that says nothing of this mail.
        if !attempt.stale {
            return Ok(attempt);
        }
    }
    let hop = Hop { security: Security { tls, ..way.hop.security.clone() }, ..way.hop.clone() };
    let origin = Origin { name: &sending.config.server.hostname, sources };
    match Connection::open(&hop, way.address, origin, &sending.tls, &services.timeouts).await {
        Ok(connection) => send(services, connection, key, letter).await,
        Err(attempt) => Ok(*attempt),
    }
}

async fn send(
    services: &Services,
    mut connection: Connection,
    key: Key,
    letter: &mut impl Cargo,
) -> Result<Attempt, Box<Told>> {
    let attempt = match letter.content().await {
        Ok((envelope, content)) => Ok(connection.send(&envelope, &content, letter.data_sent()).await),
        Err(told) => Err(told),
    };
    services.connections.give(key, connection, services.clock.monotonic());
    attempt
}

/// What it all came to.
fn told(attempt: Attempt) -> Told {
    let Attempt { judgement, remote, reply, tls, transcript, stage: _, stale: _ } = attempt;
    Told {
        verdict: verdict(&judgement),
        news: news(&judgement),
        remote: Some(remote),
        remote_reply: Some(reply),
        tls: Some(tls),
        reason: judgement.reason,
        transcript,
    }
}

fn verdict(judgement: &Judgement) -> Verdict {
    match judgement.result {
        Fate::Delivered => Verdict::Delivered,
        Fate::Deferred | Fate::TryNextHop { otherwise: Otherwise::Deferred } if judgement.uncertain => {
            Verdict::Uncertain
        }
        Fate::Deferred | Fate::TryNextHop { otherwise: Otherwise::Deferred } => {
            Verdict::Later { after: judgement.retry_after }
        }
        Fate::TryNextHop { otherwise: Otherwise::FailedAfterADay } => Verdict::LaterOnTheFirstDay,
        Fate::Failed | Fate::TryNextHop { otherwise: Otherwise::Failed } => {
            Verdict::Never { suppress: judgement.suppress }
        }
    }
}

fn news(judgement: &Judgement) -> SiteNews {
    match judgement.result {
        Fate::Delivered => SiteNews::Took,
        // A greylister's answer is about the mail, whatever its code says of the site.
        _ if judgement.retry_after.is_some() => SiteNews::Answered,
        _ if judgement.slow_down => SiteNews::SlowDown,
        Fate::TryNextHop { .. } if judgement.blame == Blame::Site => SiteNews::Unreachable,
        Fate::TryNextHop { .. } | Fate::Deferred | Fate::Failed => SiteNews::Answered,
    }
}

/// How the way was secured, for a counter: by the words of the session.
pub fn tls_mode(words: Option<&str>) -> &'static str {
    match words {
        None => "none",
        Some(words) if words.starts_with("none") => "none",
        Some(words) if words.contains("not checked") => "unverified",
        Some(_) => "verified",
    }
}
