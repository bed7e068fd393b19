//! One bridge: raw mail to the relay ingress of another system, in order for each recipient. What became of each mail is
//! written down before its recipient's next one is begun, so that a crash repeats one mail of a recipient and mixes no two.

use super::exchange::{self, Said};
use super::lanes::{Item, Lanes, Sought, Turn, TurnEnd};
use super::raw_body::RawBody;
use super::receiver::{Receiver, later};
use super::schedule::{self, Failure};
use super::services::Services;
use super::stream::{Note, Noted, Page, Sent, Source};
use super::subscriber::word;
use crate::config::bridge::Bridge as Config;
use crate::conversation::id::Id;
use crate::net::https::Reach;
use crate::retry;
use crate::store::StoreError;
use crate::store::hooks::{BridgeEnd, BridgeEntry, BridgeName, BridgeState, Trouble};
use data_encoding::BASE64;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use std::sync::Arc;
use std::time::Duration;

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
}

impl Bridge {
    /// With what failed before, as it was written down.
    pub async fn load(services: Arc<Services>, setting: Setting) -> Result<(Bridge, Lanes<String>), StoreError> {
        let bridge = Bridge { services, setting };
        let mut troubled: Vec<(String, Trouble)> = Vec::new();
        for entry in bridge.services.store.bridge_deferred(bridge.setting.name.clone(), DEFERRED_MAX).await? {
            if !troubled.iter().any(|(lane, _)| *lane == entry.lane) {
                troubled.push((entry.lane.clone(), bridge.trouble(&entry).await?));
            }
        }
        let mut lanes = Lanes::new(AT_ONCE, Id(0), troubled);
        lanes.receiver = Receiver::new(bridge.services.schedules.rest);
        Ok((bridge, lanes))
    }

    /// What an operator reopened comes before what failed after it.
    async fn trouble(&self, entry: &BridgeEntry) -> Result<Trouble, StoreError> {
        let before = Sought { lane: entry.lane.clone(), after: Id(0), to: entry.ledger_id };
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
        let deadline = self.services.schedules.call_deadline + Duration::from_secs(octets / OCTETS_PER_SECOND_MIN);
        let reach = Reach::of(bridge.allow_private);
        let said = exchange::call(&self.services, &bridge.url, reach, request, deadline).await;
        Ok(Said { words: explained(&said), ..said })
    }

    fn end(&self, entry: &BridgeEntry, said: Said) -> Sent {
        if said.is_yes() {
            return Sent::ended(TurnEnd::Taken, said.words);
        }
        let now = self.services.clock.now();
        let attempts = entry.attempts + 1;
        let failure = Failure { attempts, give_up_at: entry.give_up_at, retry_after: said.retry_after };
        let end = schedule::after(&failure, &self.services.schedules.of_bridges(), now, self.services.draw());
        let rest_until = said.retry_after.map(|wish| later(now, wish.min(retry::RETRY_AFTER_MAX)));
        Sent { rest_until, ..Sent::ended(end, said.words) }
    }

    /// Writes it down, however long the store needs: the other side has answered, so nothing but the writing is done again.
    async fn record(&self, id: Id, sent: &Sent) {
        let (state, due_at) = match sent.end {
            TurnEnd::Taken => (BridgeState::Delivered, None),
            TurnEnd::GivenUp => (BridgeState::Failed, None),
            TurnEnd::Failed { due_at } => (BridgeState::Deferred, Some(due_at)),
        };
        let end = BridgeEnd { state, due_at, last_reply: sent.words.clone() };
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
    }
}

impl Source for Bridge {
    type Lane = String;

    async fn load(&self, after: Id, limit: usize) -> Result<Page<String>, StoreError> {
        let entries = self.services.store.bridge_open(self.setting.name.clone(), after, limit).await?;
        let (looked_to, is_full) = (entries.last().map_or(after, |entry| entry.ledger_id), entries.len() == limit);
        let items = entries.into_iter().map(|entry| Item { id: entry.ledger_id, lane: entry.lane }).collect();
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
        let sent = self.end(&entry, self.bring(&entry).await.unwrap_or_else(Said::nothing));
        self.services.counters.hook_ended("bridge", word(&sent));
        let (bridge, mail) = (&self.setting.name, entry.ledger_id);
        if sent.end == TurnEnd::Taken {
            tracing::info!(%bridge, %mail, words = sent.words, "mail brought over the bridge");
        } else {
            tracing::warn!(%bridge, %mail, words = sent.words, result = word(&sent), "mail did not get over the bridge");
        }
        self.record(entry.ledger_id, &sent).await;
        sent
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
        Some(415) => "; this is no relay ingress: it takes no message/rfc822",
        Some(_) | None => "",
    };
    format!("{}{hint}", said.words)
}

/// Calls to one receiver at one time.
const AT_ONCE: usize = 4;
const DEFERRED_MAX: usize = super::lanes::TROUBLED_MAX;
/// A slower receiver gets its mail again later.
const OCTETS_PER_SECOND_MIN: u64 = 32 * 1024;
const AFTER_STORE_ERROR: Duration = Duration::from_secs(5);
