//! What a subscriber gets of an event: the same JSON as in the feed of events. It names what happened by ids; what it became
//! is asked for by them.

use crate::conversation::event::EventKind;
use crate::conversation::id::Id;
use crate::store::outgoing::Event;
use serde::Serialize;

#[derive(Serialize)]
struct Notice<'a> {
    id: Id,
    at: String,
    kind: EventKind,
    account: &'a str,
    conversation_id: Id,
    message_id: Option<Id>,
    queue_id: Option<Id>,
    detail: &'a serde_json::Value,
}

/// The body of the call.
pub fn body(event: &Event) -> String {
    let notice = Notice {
        id: event.id,
        at: event.at.rfc3339(),
        kind: event.kind,
        account: &event.account,
        conversation_id: event.conversation_id,
        message_id: event.message_id,
        queue_id: event.queue_id,
        detail: &event.detail,
    };
    serde_json::to_string(&notice).unwrap_or_default()
}
