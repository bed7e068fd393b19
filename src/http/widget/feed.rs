//! `/widget/v1/events`: a conversation live, as server-sent events. The open connection is the tab's presence: when it ends,
//! the tab is gone.
//!
//! A listener holds a place in the hub and its own position; what it is sent was committed before. One that comes back goes on
//! after the last event it saw; if that is not known any more, or it was too slow, it is told to read anew (`reset`).

use super::guest::Guest;
use super::messages::id_of;
use super::refused::Refused;
use super::shape::{OpenConversationShape, ShownMessage, VisitorShape};
use super::signs;
use super::tabs::OpenTab;
use crate::conversation::event::EventKind;
use crate::conversation::id::Id;
use crate::conversation::keys::Keys;
use crate::conversation::model::{AuthorKind, Direction, Message};
use crate::conversation::presence::TabState;
use crate::http::error::ApiError;
use crate::http::input::Query;
use crate::http::live::{Heard, Tuned, Whisper, Whispered};
use crate::http::places::{FeedKind, FeedPlace, Listening};
use crate::http::surface::Surface;
use crate::store::StoreError;
use crate::store::outgoing::Event;
use crate::store::visitors::Missed;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::sleep;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Where {
    conversation: String,
    /// The tab's own word for itself: 1 to 64 letters, digits, - and _.
    tab: String,
}

#[utoipa::path(get, path = "/widget/v1/events",
    params(Where, ("Last-Event-ID" = Option<String>, Header, description = "the id of the last event seen")),
    responses((status = 200, content_type = "text/event-stream", body = String,
        description = "`message`, `message_changed`, `typing`, `conversation`, and `reset`: read everything anew")))]
pub async fn listen(
    State(surface): State<Surface>,
    guest: Guest,
    listening: Listening,
    headers: HeaderMap,
    Query(from): Query<Where>,
) -> Result<Response, Refused> {
    surface.widget.feed(guest.visitor.id, surface.clock.monotonic())?;
    let conversation = id_of(&from.conversation)?;
    let tab = tab_of(&from.tab)?;
    let last = last_event(&headers, surface.store.keys())?;
    let visitor = guest.visitor;
    surface.store.visitor_grounds(visitor.id, conversation).await?;
    let open = open(&surface, &visitor.account, visitor.id, conversation, &tab)?;
    // Before the look into what was missed: nothing falls between them.
    let tuned = surface.live.listen(conversation);
    let missed = match last {
        Some(last) => surface.store.missed_events(&visitor.account, conversation, last).await?,
        None => Missed::Events(Vec::new()),
    };
    let position = match last {
        Some(last) => last,
        // From now on: who has read nothing yet has missed nothing.
        None => latest(&surface, &visitor.account).await?.unwrap_or(Id(0)),
    };
    let place = surface.places.feed(FeedKind::Visitor, &listening)?;
    signs::tell(&surface, &visitor.account, conversation, &tab, Some(TabState::Connected)).await?;
    let mut listener = Listener {
        surface,
        visitor: visitor.id,
        account: visitor.account,
        conversation,
        tab,
        position,
        tuned,
        missed: VecDeque::new(),
        waiting: VecDeque::from([Bytes::from_static(RETRY)]),
        beats: 0,
        _tab: open,
        _place: place,
    };
    match missed {
        Missed::Unknown(latest) => listener.reset(latest),
        Missed::Events(events) => listener.missed = events.into(),
    }
    Ok((HEADERS, Body::new(Frames { step: Box::pin(Box::new(listener).step()) })).into_response())
}

/// The tab, which is gone with its last connection.
fn open(surface: &Surface, account: &str, visitor: Id, conversation: Id, tab: &str) -> Result<OpenTab, Refused> {
    let (gone, account, word) = (surface.clone(), account.to_owned(), tab.to_owned());
    let on_last = move || {
        // Connections end on the runtime; at its own end there is nobody left to be told.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(async move { signs::tell(&gone, &account, conversation, &word, None).await }));
        }
    };
    let open = surface.widget.tabs.open(visitor, conversation, tab, on_last);
    open.ok_or_else(|| {
        let message = "too many tabs of this chat are open already; close some, or try again";
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tabs", message);
        ApiError { retry_after: Some(TABS_RETRY_SECONDS), ..error }.into()
    })
}

pub fn tab_of(text: &str) -> Result<String, Refused> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&text.len()) && text.chars().all(fine) {
        return Ok(text.to_owned());
    }
    Err(Refused::field("tab", "1 to 64 letters, digits, - and _ are expected"))
}

fn last_event(headers: &HeaderMap, keys: &Keys) -> Result<Option<Id>, Refused> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let id = id.to_str().ok().and_then(|id| id.parse().ok().or_else(|| keys.position(id)));
    id.map(Some).ok_or_else(|| Refused::field("Last-Event-ID", "the id of an event is expected"))
}

/// A place in the account's order of events, for a visitor, whose conversation may have none there; `None` without random
/// octets: then the listener begins where it is.
pub fn sealed(keys: &Keys, position: Id) -> Option<String> {
    let mut salt = [0; 8];
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    Some(keys.sealed_position(position, salt))
}

/// The account's last event.
async fn latest(surface: &Surface, account: &str) -> Result<Option<Id>, StoreError> {
    let latest = surface.store.events(Some(account.to_owned()), None, 1).await?;
    Ok(latest.last().map(|event| event.id))
}

/// One tab's way through the events.
struct Listener {
    surface: Surface,
    visitor: Id,
    account: String,
    conversation: Id,
    tab: String,
    /// The last event sent.
    position: Id,
    tuned: Tuned,
    /// Before what is heard now. Each is read when the reader has taken the one before: what was missed may be long, and a
    /// reader that takes nothing must not make us hold all of it.
    missed: VecDeque<Event>,
    waiting: VecDeque<Bytes>,
    /// Heartbeats so far.
    beats: u8,
    _tab: OpenTab,
    _place: FeedPlace,
}

impl Listener {
    /// The next frame; `None` at the end, from which whoever comes back loses nothing.
    async fn step(mut self: Box<Self>) -> Option<(Bytes, Box<Self>)> {
        let mut quiet = std::pin::pin!(sleep(HEARTBEAT));
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some((frame, self));
            }
            if let Some(event) = self.missed.pop_front() {
                self.pass_on(Heard::Event(Arc::new(event))).await.ok()?;
                continue;
            }
            let stop = self.surface.stop.clone();
            let heard = tokio::select! {
                () = stop.cancelled() => return None,
                heard = self.tuned.next() => heard,
                // A comment keeps proxies from taking a quiet feed for a dead one, and finds out who is dead.
                () = quiet.as_mut() => {
                    self.look_for_life().await;
                    return Some((Bytes::from_static(b":\n\n"), self));
                }
            };
            if let Err(error) = self.pass_on(heard).await {
                tracing::debug!(%error, "a visitor's feed ends: the store cannot be read");
                return None;
            }
        }
    }

    /// A tab that says nothing more may be on a computer that sleeps: nobody reads there. One in the background says nothing
    /// either, so that what is known of it is mended from here.
    async fn look_for_life(&mut self) {
        let (surface, tab) = (&self.surface, &self.tab);
        if surface.widget.tabs.lapsed(self.conversation, tab, surface.clock.monotonic()) {
            let told = signs::tell(surface, &self.account, self.conversation, tab, Some(TabState::Connected)).await;
            if let Err(error) = told {
                tracing::debug!(%error, "a tab's silence could not be noted");
            }
        }
        self.beats = self.beats.wrapping_add(1);
        if self.beats % BEATS_TO_A_LOOK == 1
            && let Err(error) = signs::keep(surface, &self.account, self.conversation, tab).await
        {
            tracing::debug!(%error, "whether a tab is known could not be looked up");
        }
    }

    async fn pass_on(&mut self, heard: Heard) -> Result<(), StoreError> {
        match heard {
            Heard::Event(event) => self.hear(&event).await,
            Heard::Whisper(whispered) => {
                self.waiting.extend(typing(&whispered));
                Ok(())
            }
            Heard::Missed => {
                self.surface.inbound.counters.widget_resets.inc();
                let latest = latest(&self.surface, &self.account).await?;
                self.reset(latest);
                Ok(())
            }
        }
    }

    /// Everything is read anew; what happens after `latest` is heard again.
    fn reset(&mut self, latest: Option<Id>) {
        self.position = latest.unwrap_or(self.position);
        let sealed = latest.and_then(|id| sealed(self.surface.store.keys(), id));
        let id = sealed.map(|id| format!("id: {id}\n")).unwrap_or_default();
        self.waiting.push_back(Bytes::from(format!("{id}event: reset\ndata: {{}}\n\n")));
    }

    /// An event as far as the visitor may see what it is about.
    async fn hear(&mut self, event: &Event) -> Result<(), StoreError> {
        if event.id <= self.position {
            return Ok(());
        }
        self.position = event.id;
        let (store, visitor) = (self.surface.store.clone(), self.visitor);
        let name = if event.kind == EventKind::MessageCreated { "message" } else { "message_changed" };
        if let Some(message) = event.message_id
            && let Some(seen) = store.visitor_message(visitor, self.conversation, message).await?
            && !is_about_agents_mail(event, &seen.message)
        {
            let shape = ShownMessage::of(&self.surface, seen);
            self.waiting.extend(frame(event.id, name, &shape));
        }
        if is_about_conversation(event) {
            let glimpse = store.visitor_glimpse(visitor, self.conversation).await?;
            let who = store.visitor_by_id(visitor).await?;
            let shape = json!({"conversation": OpenConversationShape::of(&glimpse), "visitor": VisitorShape::of(&who)});
            self.waiting.extend(frame(event.id, "conversation", &shape));
        }
        Ok(())
    }
}

/// How an agent is told of a visitor's message is no news to the visitor: it would count the agents.
fn is_about_agents_mail(event: &Event, message: &Message) -> bool {
    event.kind == EventKind::DeliveryChanged && message.direction == Direction::Incoming
}

/// Status, mail, what is unread, or whether the address works.
fn is_about_conversation(event: &Event) -> bool {
    match event.kind {
        EventKind::ConversationChanged | EventKind::Bounce => true,
        EventKind::DeliveryChanged => event.detail.get("seen").is_some(),
        EventKind::MessageCreated => false,
    }
}

/// JSON holds no line break, so `data` is one line.
fn frame(id: Id, name: &str, shape: &impl serde::Serialize) -> Option<Bytes> {
    let data = serde_json::to_string(shape).ok()?;
    Some(Bytes::from(format!("id: {id}\nevent: {name}\ndata: {data}\n\n")))
}

/// Only agents: a visitor's other tab knows that it types itself.
fn typing(whispered: &Whispered) -> Option<Bytes> {
    let Whisper::Typing { who: AuthorKind::Agent, name, typing, .. } = &whispered.whisper else { return None };
    let data = json!({"who": "agent", "name": name, "typing": typing});
    Some(Bytes::from(format!("event: typing\ndata: {data}\n\n")))
}

type Step = Pin<Box<dyn Future<Output = Option<(Bytes, Box<Listener>)>> + Send>>;

/// The frames as a body: each is made when the connection has room for it, so that a slow reader holds nothing but its place.
struct Frames {
    step: Step,
}

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.step.as_mut().poll(cx).map(|stepped| {
            let (frame, listener) = stepped?;
            self.step = Box::pin(listener.step());
            Some(Ok(Frame::data(frame)))
        })
    }
}

const HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
/// The first octets: the reader knows that it listens, and how soon to come back.
const RETRY: &[u8] = b"retry: 2000\n\n";
/// A widget takes three of them that do not come for a broken connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Once in a minute: ten thousand feeds ask the store 170 times a second.
const BEATS_TO_A_LOOK: u8 = 4;
const TABS_RETRY_SECONDS: u64 = 10;
