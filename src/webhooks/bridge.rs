//! One bridge: raw mail to the relay ingress of another system, in order for each conversation. What became of each mail is
//! written down before its conversation's next one is begun, so that a crash repeats one mail and mixes no two. A mail that fails
//! by its own fault leaves its lane, and [`super::aside`] brings it.

use super::exchange::{self, Said};
use super::lanes::{Item, Lanes, Sought, Turn, TurnEnd};
use super::raw_body::RawBody;
use super::receiver::{Receiver, later};
use super::schedule::{self, Failure};
use super::services::Services;
use super::stream::{Note, Noted, Page, Sent, Source};
use super::subscriber::word;
use crate::clock::UnixMs;
use crate::config::bridge::Bridge as Config;
use crate::conversation::id::Id;
use crate::net::https::Reach;
use crate::retry;
use crate::store::StoreError;
use crate::store::hooks::{BridgeEnd, BridgeEntry, BridgeName, BridgeState, LaneKept, Trouble};
use data_encoding::BASE64;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What makes a stream another one when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub name: BridgeName,
    pub bridge: Config,
    /// What an operator asked for since.
    pub asked: u64,
}

pub struct Bridge {
    services: Arc<Services>,
    setting: Setting,
    /// When the other side took something last, in this run.
    taken_at: AtomicI64,
    /// Something left its lane.
    pub(super) left: Notify,
}

impl Bridge {
    /// With what failed before, as it was written down.
    pub async fn load(services: Arc<Services>, setting: Setting) -> Result<(Bridge, Lanes<String>), StoreError> {
        let bridge = Bridge { services, setting, taken_at: AtomicI64::new(i64::MIN), left: Notify::new() };
        let mut troubled: Vec<(String, Trouble)> = Vec::new();
        for entry in bridge.services.store.bridge_deferred(bridge.setting.name.clone(), DEFERRED_MAX).await? {
            let Some(lane) = entry.lane.clone() else { continue };
            if !troubled.iter().any(|(known, _)| *known == lane) {
                troubled.push((lane.clone(), bridge.trouble(lane, &entry).await?));
            }
        }
        let mut lanes = Lanes::new(AT_ONCE, Id(0), troubled);
        lanes.receiver = Receiver::new(bridge.services.schedules.rest);
        Ok((bridge, lanes))
    }

    /// What an operator reopened comes before what failed after it.
    async fn trouble(&self, lane: String, entry: &BridgeEntry) -> Result<Trouble, StoreError> {
        let before = Sought { lane, after: Id(0), to: entry.ledger_id };
        let next = self.find(&before).await?.unwrap_or(entry.ledger_id);
        let own = next == entry.ledger_id;
        Ok(Trouble {
            next,
            last: entry.ledger_id,
            attempts: if own { entry.attempts } else { 0 },
            since: entry.created_at,
            due_at: entry.due_at.filter(|_| own).unwrap_or_default(),
        })
    }

    async fn bring(&self, entry: &BridgeEntry) -> Result<Said, String> {
        let raw = self.services.store.open_raw_mail(entry.raw_id).await.map_err(|error| error.to_string())?;
        let body = RawBody::open(raw, &entry.recipient).await.map_err(|error| error.to_string())?;
        let bridge = &self.setting.bridge;
        let login = BASE64.encode(format!("actionmailbox:{}", bridge.password.expose()).as_bytes());
        let octets = body.octets();
        let request = Request::post("/")
            .header(CONTENT_TYPE, "message/rfc822")
            .header(AUTHORIZATION, format!("Basic {login}"))
            .header("x-replyd-mail", entry.ledger_id.to_string())
            .body(body)
            .map_err(|error| error.to_string())?;
        let deadline = self.services.call_deadline() + Duration::from_secs(octets / OCTETS_PER_SECOND_MIN);
        let reach = Reach::of(bridge.allow_private);
        let said = exchange::call(&self.services, &bridge.url, reach, request, deadline).await;
        Ok(Said { words: explained(&said), ..said })
    }

    fn end(&self, entry: &BridgeEntry, said: Said) -> Sent {
        let now = self.services.clock.now();
        if said.is_yes() {
            self.taken_at.fetch_max(now.0, Ordering::Relaxed);
            return Sent::ended(TurnEnd::Taken, said.words);
        }
        let attempts = entry.attempts + 1;
        let failure = Failure { attempts, give_up_at: entry.give_up_at, retry_after: said.retry_after };
        let end = match schedule::after(&failure, &self.services.schedules.of_bridges(), now, self.services.draw()) {
            TurnEnd::Failed { due_at } if entry.lane.is_some() && self.is_at_fault(entry, &said, now) => {
                TurnEnd::Aside { due_at }
            }
            end => end,
        };
        let rest_until = said.retry_after.map(|wish| later(now, wish.min(retry::RETRY_AFTER_MAX)));
        Sent { rest_until, ..Sent::ended(end, said.words) }
    }

    /// Whether it is this mail that the other side does not take, and not mail as such. Action Mailbox' relay ingress never answers
    /// 400, 413 or 422 to a whole mail: that is a proxy's limit, or the application's own rule. Said twice, it is meant.
    fn is_at_fault(&self, entry: &BridgeEntry, said: &Said, now: UnixMs) -> bool {
        let before = entry.last_reply.as_deref().unwrap_or_default();
        let refused = said.status.filter(|status| matches!(status, 400 | 413 | 422));
        let others_since = entry.last_attempt_at.is_some_and(|at| self.taken_at.load(Ordering::Relaxed) >= at.0);
        let tried_enough = entry.attempts + 1 >= ASIDE_ATTEMPTS
            && later(entry.created_at, self.services.schedules.bridge_aside_after) <= now;
        refused.is_some_and(|status| before.starts_with(&status.to_string())) || (tried_enough && others_since)
    }

    /// What is due first of what left its lane.
    pub async fn first_aside(&self) -> Result<Option<BridgeEntry>, StoreError> {
        self.services.store.bridge_aside(self.setting.name.clone()).await
    }

    /// Brings it, once, and writes down what became of it.
    pub async fn attempt(&self, entry: &BridgeEntry) -> Sent {
        let sent = self.end(entry, self.bring(entry).await.unwrap_or_else(Said::nothing));
        self.services.counters.hook_ended("bridge", word(&sent));
        let (bridge, mail) = (&self.setting.name, entry.ledger_id);
        if sent.end == TurnEnd::Taken {
            tracing::info!(%bridge, %mail, words = sent.words, "mail brought over the bridge");
        } else {
            tracing::warn!(%bridge, %mail, words = sent.words, result = word(&sent), "mail did not get over the bridge");
        }
        self.record(mail, &sent).await;
        sent
    }

    /// Writes it down, however long the store needs: the other side has answered, so nothing but the writing is done again.
    async fn record(&self, id: Id, sent: &Sent) {
        let (state, due_at) = match sent.end {
            TurnEnd::Taken => (BridgeState::Delivered, None),
            TurnEnd::GivenUp => (BridgeState::Failed, None),
            TurnEnd::Failed { due_at } | TurnEnd::Aside { due_at } => (BridgeState::Deferred, Some(due_at)),
        };
        let leaves = matches!(sent.end, TurnEnd::Aside { .. });
        let lane = if leaves { LaneKept::Left } else { LaneKept::Yes };
        let end = BridgeEnd { state, due_at, last_reply: sent.words.clone(), lane };
        let mut failures = 0;
        while let Err(error) = self.services.store.bridge_ended(id, end.clone()).await {
            if matches!(error, StoreError::Closed) {
                return;
            }
            failures += 1;
            tracing::warn!(%error, mail = %id, "what became of a bridged mail cannot be written; it is tried again");
            let wait = retry::jittered(retry::wait(retry::RECORDING, failures), self.services.draw());
            tokio::time::sleep(wait).await;
        }
        if leaves {
            self.left.notify_one();
        }
    }
}

impl Source for Bridge {
    type Lane = String;

    async fn load(&self, after: Id, limit: usize) -> Result<Page<String>, StoreError> {
        let entries = self.services.store.bridge_open(self.setting.name.clone(), after, limit).await?;
        let (looked_to, is_full) = (entries.last().map_or(after, |entry| entry.ledger_id), entries.len() == limit);
        let in_lane = |entry: BridgeEntry| Some(Item { id: entry.ledger_id, lane: entry.lane? });
        let items = entries.into_iter().filter_map(in_lane).collect();
        Ok(Page { items, looked_to, is_full })
    }

    async fn find(&self, sought: &Sought<String>) -> Result<Option<Id>, StoreError> {
        let (name, lane) = (self.setting.name.clone(), sought.lane.clone());
        self.services.store.next_bridged_in_lane(name, lane, sought.after, sought.to).await
    }

    async fn send(&self, turn: &Turn<String>) -> Sent {
        let entry = match self.services.store.bridge_entry(turn.id).await {
            Ok(Some(entry)) if matches!(entry.state, BridgeState::Waiting | BridgeState::Deferred) => entry,
            Ok(_) => return Sent::ended(TurnEnd::Taken, "not owed any more".to_owned()),
            Err(error) => {
                let due_at = later(self.services.clock.now(), AFTER_STORE_ERROR);
                return Sent::ended(TurnEnd::Failed { due_at }, error.to_string());
            }
        };
        self.attempt(&entry).await
    }

    /// Mail waits for as long as the other side is away.
    fn expires_after(&self) -> Option<Duration> {
        None
    }

    /// Each mail's row says it.
    async fn note(&self, _: &Note<String>) -> Result<Noted, StoreError> {
        Ok(Noted::Yes)
    }
}

/// What the usual mistakes look like.
fn explained(said: &Said) -> String {
    let hint = match said.status {
        Some(401) => "; the other system has another password for this ingress",
        Some(404) => "; there is no relay ingress at this address, or the other system uses another one",
        Some(413) => {
            "; the mail is larger than the other system, or a proxy in front of it, takes: raise that limit, such as nginx' \
             client_max_body_size"
        }
        Some(400 | 422) => "; the other system does not want this mail, and its log says why",
        Some(415) => "; this is no relay ingress: it takes no message/rfc822",
        Some(_) | None => "",
    };
    format!("{}{hint}", said.words)
}

/// So many failures of one mail, and others taken between the last two, and it is that mail's fault.
const ASIDE_ATTEMPTS: u32 = 4;
/// Calls to one receiver at one time.
const AT_ONCE: usize = 4;
const DEFERRED_MAX: usize = super::lanes::TROUBLED_MAX;
/// A slower receiver gets its mail again later.
const OCTETS_PER_SECOND_MIN: u64 = 32 * 1024;
const AFTER_STORE_ERROR: Duration = Duration::from_secs(5);
