//! `/api/v1/events`: what happens, as server-sent events, resumable by the id of the last one seen.
//!
//! A feed holds one page at a time and a few frames; a reader that takes none is cut off by its connection
//! (`unread.rs`) and goes on where it was. What is sent was committed before; a commit wakes every feed. Whispers (who types,
//! who looks, who is there) come as events without an id: they are about a moment, and are not sent again.

use super::audience::Audience;
use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::Query;
use crate::http::live::Desk;
use crate::http::places::{FeedKind, FeedPlace, Listening};
use crate::http::surface::Surface;
use crate::store::outgoing::{Event, EventKind};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Where {
    account: Option<String>,
    /// As `Last-Event-ID`, which goes before it. With neither, the feed begins with what happens from now on.
    after: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct EventShape {
    #[schema(value_type = String)]
    id: Id,
    at: String,
    #[schema(value_type = String)]
    kind: EventKind,
    account: String,
    #[schema(value_type = String)]
    conversation_id: Id,
    #[schema(value_type = Option<String>)]
    message_id: Option<Id>,
    #[schema(value_type = Option<String>)]
    queue_id: Option<Id>,
    #[schema(value_type = Object)]
    detail: serde_json::Value,
}

#[utoipa::path(get, path = "/api/v1/events",
    params(Where, ("Last-Event-ID" = Option<String>, Header, description = "the id of the last event seen")),
    responses((status = 200, description = "server-sent events: `data` is one of these", body = EventShape,
        content_type = "text/event-stream")))]
pub async fn feed(
    State(surface): State<Surface>,
    caller: Caller,
    headers: HeaderMap,
    listening: Listening,
    Query(from): Query<Where>,
) -> Result<Response, ApiError> {
    let account = caller.scope(from.account)?;
    let after = after(&headers, from.after.as_deref())?;
    let (frames, receiver) = mpsc::channel(FRAMES_WAITING_MAX);
    // Before the first look: a commit in between is not missed.
    let committed = surface.store.committed();
    let whispers = surface.live.listen_account(account.clone());
    let position = match after {
        Some(after) => after,
        None => latest(&surface, account.clone()).await?,
    };
    let place = surface.places.feed(FeedKind::Account, &listening)?;
    let audience = Audience::new(&surface, caller, &headers);
    let feed = Feed { surface, audience, account, position, committed, whispers, frames };
    drop(tokio::spawn(feed.run()));
    Ok((HEADERS, Body::new(Frames { receiver, _place: place })).into_response())
}

/// The header goes before the query: a browser that reconnects repeats the query it began with.
fn after(headers: &HeaderMap, asked: Option<&str>) -> Result<Option<Id>, ApiError> {
    let header = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?"));
    let (field, text) = match (header, asked) {
        (Some(id), _) => ("Last-Event-ID", id),
        (None, Some(id)) => ("after", id),
        (None, None) => return Ok(None),
    };
    text.parse().map(Some).map_err(|_| ApiError::invalid(field, "the id of an event is expected"))
}

async fn latest(surface: &Surface, account: Option<String>) -> Result<Id, ApiError> {
    let latest = surface.store.events(account, None, 1).await?;
    Ok(latest.last().map_or(Id(0), |event| event.id))
}

/// One reader's way through the events.
struct Feed {
    surface: Surface,
    audience: Audience,
    account: Option<String>,
    /// The last event sent.
    position: Id,
    committed: tokio::sync::watch::Receiver<u64>,
    /// Of the same account: who types, who looks.
    whispers: Desk,
    frames: mpsc::Sender<Bytes>,
}

impl Feed {
    /// Until the reader goes, the daemon stops, or the store cannot be read: whoever reconnects loses nothing.
    async fn run(mut self) {
        let stop = self.surface.stop.clone();
        let gone = self.frames.clone();
        tokio::select! {
            () = stop.cancelled() => {}
            () = gone.closed() => {}
            _ended = self.send() => {}
        }
    }

    async fn send(&mut self) -> Option<Infallible> {
        self.say(RETRY).await?;
        loop {
            self.committed.borrow_and_update();
            while self.send_page().await? == PAGE {}
            // Many commits make one look.
            sleep(PAUSE).await;
            self.wait().await?;
        }
    }

    /// Until there may be events; whispers are passed on meanwhile.
    async fn wait(&mut self) -> Option<()> {
        let mut quiet = std::pin::pin!(sleep(HEARTBEAT));
        loop {
            let words = tokio::select! {
                changed = self.committed.changed() => return changed.ok(),
                whispered = self.whispers.next() => match self.audience.hears(&whispered).await? {
                    Some(frame) => frame,
                    None => continue,
                },
                // A comment keeps proxies from taking a quiet feed for a dead one.
                () = quiet.as_mut() => return self.say(":\n\n").await,
            };
            self.say(&words).await?;
        }
    }

    /// What came after the position; answers how many.
    async fn send_page(&mut self) -> Option<usize> {
        let read = self.surface.store.events(self.account.clone(), Some(self.position), PAGE).await;
        let events =
            read.inspect_err(|error| tracing::warn!(%error, "a feed of events ends: it cannot be read")).ok()?;
        let (count, last) = (events.len(), events.last().map(|event| event.id));
        for event in self.audience.of(events).await? {
            self.say(&frame(event)).await?;
        }
        self.position = last.unwrap_or(self.position);
        Some(count)
    }

    async fn say(&self, words: &str) -> Option<()> {
        self.frames.send(Bytes::copy_from_slice(words.as_bytes())).await.ok()
    }
}

/// JSON holds no line break, so `data` is one line.
fn frame(event: Event) -> String {
    let shape = EventShape::from(event);
    let kind = serde_json::to_value(shape.kind).unwrap_or_default();
    let data = serde_json::to_string(&shape).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", shape.id, kind.as_str().unwrap_or_default())
}

impl From<Event> for EventShape {
    fn from(event: Event) -> EventShape {
        let Event { id, at, account, kind, conversation_id, message_id, queue_id, detail } = event;
        EventShape { id, at: at.rfc3339(), kind, account, conversation_id, message_id, queue_id, detail }
    }
}

/// The frames as a body; the reader's place is free again when it is dropped.
struct Frames {
    receiver: mpsc::Receiver<Bytes>,
    _place: FeedPlace,
}

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.receiver.poll_recv(cx).map(|octets| octets.map(|octets| Ok(Frame::data(octets))))
    }
}

const HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "text/event-stream"), (HeaderName::from_static("x-accel-buffering"), "no")];
/// The first octets: the reader knows that it listens, and how soon to come back.
const RETRY: &str = "retry: 2000\n\n";
const HEARTBEAT: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(20);
const PAGE: usize = 100;
const FRAMES_WAITING_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;

    #[test]
    fn an_event_is_one_frame_whatever_its_detail_holds() {
        let event = Event {
            id: Id(5),
            at: UnixMs(0),
            account: "acme".into(),
            kind: EventKind::MessageCreated,
            conversation_id: Id(1),
            message_id: Some(Id(2)),
            queue_id: None,
            detail: serde_json::json!({ "text": "a\n\nevent: forged\r\n" }),
        };
        let frame = frame(event);
        let lines: Vec<&str> = frame.lines().collect();
        assert_eq!(lines.len(), 4, "{frame}");
        assert_eq!((lines[0], lines[1], lines[3]), ("id: aaaaaaaaaaaak", "event: message.created", ""));
        let data: serde_json::Value = serde_json::from_str(&lines[2]["data: ".len()..]).expect("JSON");
        assert_eq!((&data["id"], &data["queue_id"]), (&"aaaaaaaaaaaak".into(), &serde_json::Value::Null));
    }

    #[test]
    fn the_header_goes_before_the_query_and_both_hold_ids() {
        let mut headers = HeaderMap::new();
        assert_eq!(after(&headers, None), Ok(None));
        assert_eq!(after(&headers, Some("aaaaaaaaaaaak")), Ok(Some(Id(5))));
        assert!(after(&headers, Some("5")).is_err_and(|error| error.message.starts_with("after: ")));
        headers.insert("last-event-id", "aaaaaaaaaaaae".parse().expect("a header value"));
        assert_eq!(after(&headers, Some("aaaaaaaaaaaak")), Ok(Some(Id(2))));
        headers.insert("last-event-id", "é".parse().expect("a header value"));
        assert!(after(&headers, None).is_err_and(|error| error.message.starts_with("Last-Event-ID: ")));
    }
}
