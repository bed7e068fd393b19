//! One subscription: the events of its account, in order for each conversation, signed, each told at least once.

use super::exchange::{self, Said};
use super::lanes::{Changes, Item, Lanes, Sought, Turn, TurnEnd};
use super::receiver::{Receiver, later};
use super::schedule::{self, Failure};
use super::services::Services;
use super::stream::{Note, Noted, Page, Sent, Source};
use super::{notice, signature};
use crate::clock::UnixMs;
use crate::config::secret::Secret;
use crate::config::target::Target;
use crate::conversation::event::EventKind;
use crate::conversation::id::Id;
use crate::net::https::Reach;
use crate::retry;
use crate::store::StoreError;
use crate::store::hooks::{Subscription, SubscriptionProgress};
use crate::store::outgoing::Event;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use std::sync::Arc;
use std::time::Duration;

/// What makes a stream another one when it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub id: Id,
    pub account: String,
    pub target: Target,
    pub secret: Secret,
    pub reach: Reach,
    /// Empty: all.
    pub events: Vec<EventKind>,
    pub generation: i64,
}

pub struct Subscriber {
    services: Arc<Services>,
    setting: Setting,
}

impl Subscriber {
    /// With what it owes, as it was written down last.
    pub async fn load(services: Arc<Services>, setting: Setting) -> Result<(Subscriber, Lanes<Id>), StoreError> {
        let Subscription { position, failing_since, .. } = services.store.subscription(setting.id).await?;
        let troubled = services.store.subscription_lanes(setting.id).await?;
        let mut lanes = Lanes::new(AT_ONCE, position, troubled);
        lanes.receiver = Receiver::new(services.schedules.rest).failing(failing_since);
        Ok((Subscriber { services, setting }, lanes))
    }

    fn is_wanted(&self, event: &Event) -> bool {
        self.setting.events.is_empty() || self.setting.events.contains(&event.kind)
    }

    async fn tell(&self, event: &Event) -> Result<Said, hyper::http::Error> {
        let (body, timestamp) = (notice::body(event), self.services.clock.now().seconds());
        let signature = signature::sign(self.setting.secret.expose(), timestamp, &body);
        let request = Request::post("/")
            .header(CONTENT_TYPE, "application/json")
            .header("x-replyd-timestamp", timestamp)
            .header("x-replyd-signature", signature)
            .header("x-replyd-event", event.id.to_string())
            .body(Full::new(Bytes::from(body)))?;
        let (target, reach, deadline) = (&self.setting.target, self.setting.reach, self.services.call_deadline());
        Ok(exchange::call(&self.services, target, reach, request, deadline).await)
    }

    fn failed(&self, turn: &Turn<Id>, said: Said, now: UnixMs) -> Sent {
        let schedule = self.services.schedules.of_webhooks();
        let give_up_at = later(turn.since.unwrap_or(now), schedule.give_up);
        let failure = Failure { attempts: turn.attempts + 1, give_up_at, retry_after: said.retry_after };
        let end = schedule::after(&failure, &schedule, now, self.services.draw());
        let rest_until = said.retry_after.map(|wish| later(now, wish.min(retry::RETRY_AFTER_MAX)));
        Sent { rest_until, ..Sent::ended(end, said.words) }
    }
}

impl Source for Subscriber {
    type Lane = Id;

    async fn load(&self, after: Id, limit: usize) -> Result<Page<Id>, StoreError> {
        let account = Some(self.setting.account.clone());
        let events = self.services.store.events(account, Some(after), limit).await?;
        let (looked_to, is_full) = (events.last().map_or(after, |event| event.id), events.len() == limit);
        let wanted = events.iter().filter(|event| self.is_wanted(event));
        let items = wanted.map(|event| Item { id: event.id, lane: event.conversation_id }).collect();
        Ok(Page { items, looked_to, is_full })
    }

    async fn find(&self, sought: &Sought<Id>) -> Result<Option<Id>, StoreError> {
        let account = self.setting.account.clone();
        self.services.store.next_event_of(account, sought.lane, sought.after, sought.to).await
    }

    async fn send(&self, turn: &Turn<Id>) -> Sent {
        let event = match self.services.store.event(turn.id).await {
            Ok(Some(event)) if self.is_wanted(&event) => event,
            Ok(_) => return Sent::ended(TurnEnd::Taken, "not wanted, or gone".to_owned()),
            Err(error) => return self.failed(turn, Said::nothing(error.to_string()), self.services.clock.now()),
        };
        let said = self.tell(&event).await.unwrap_or_else(|error| Said::nothing(error.to_string()));
        let now = self.services.clock.now();
        let sent = match said.status {
            Some(_) if said.is_yes() => Sent::ended(TurnEnd::Taken, said.words),
            // RFC 9110 §15.5.11: gone, and likely for good.
            Some(410) => {
                let due_at = later(now, schedule::WEBHOOK.give_up);
                Sent { stops: true, ..Sent::ended(TurnEnd::Failed { due_at }, said.words) }
            }
            Some(_) | None => self.failed(turn, said, now),
        };
        self.services.counters.hook_ended("webhook", word(&sent));
        if sent.end != TurnEnd::Taken {
            let (subscription, event) = (self.setting.id, turn.id);
            tracing::warn!(%subscription, %event, words = sent.words, result = word(&sent), "a webhook did not get through");
        }
        sent
    }

    fn expires_after(&self) -> Option<Duration> {
        Some(self.services.schedules.webhook_give_up)
    }

    async fn note(&self, note: &Note<Id>) -> Result<Noted, StoreError> {
        let Changes { position, troubled, mended } = note.changes.clone();
        let progress = SubscriptionProgress {
            generation: self.setting.generation,
            position,
            troubled,
            mended,
            delivered: note.delivered,
            given_up: note.given_up,
            failing_since: note.failing_since,
            last_attempt_at: note.last_attempt_at,
            last_failure: note.last_failure.clone(),
            disabled: note.disabled.clone(),
        };
        let counted = self.services.store.note_subscription(self.setting.id, progress).await?;
        Ok(if counted { Noted::Yes } else { Noted::Overtaken })
    }
}

/// As the metrics say it.
pub fn word(sent: &Sent) -> &'static str {
    match sent.end {
        _ if sent.stops => "disabled",
        TurnEnd::Taken => "delivered",
        TurnEnd::GivenUp => "given_up",
        TurnEnd::Failed { .. } | TurnEnd::Aside { .. } => "deferred",
    }
}

/// Calls to one receiver at one time.
const AT_ONCE: usize = 4;
