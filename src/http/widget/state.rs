//! `/widget/v1/state`: what a widget begins with.

use super::feed::sealed;
use super::guest::Guest;
use super::refused::Refused;
use super::shape::{ListedConversationShape, OpenConversationShape, VisitorShape};
use crate::conversation::id::Id;
use crate::http::input::Query;
use crate::http::surface::Surface;
use crate::store::visitors::{Glimpse, Grounds, Proof};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// The conversation that the tab shows; one that the visitor cannot see is as none.
    conversation: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StateShape {
    visitor: VisitorShape,
    /// The one asked for, or the latest.
    conversation: Option<OpenConversationShape>,
    /// Latest activity first.
    conversations: Vec<ListedConversationShape>,
    /// Where a listener goes on who has read all this: a word for `Last-Event-ID`, and nothing else.
    last_event_id: Option<String>,
}

#[utoipa::path(get, path = "/widget/v1/state", params(Which),
    responses((status = 200, description = "the visitor and its conversations", body = StateShape)))]
pub async fn show(
    State(surface): State<Surface>,
    guest: Guest,
    Query(which): Query<Which>,
) -> Result<Json<StateShape>, Refused> {
    surface.widget.read(guest.visitor.id, surface.clock.monotonic())?;
    let state = surface.store.visitor_state(&guest.visitor).await?;
    let asked: Option<Id> = which.conversation.and_then(|id| id.parse().ok());
    let shown = state.conversations.iter().find(|known| Some(known.id) == asked);
    let shown = shown.or_else(|| latest(&state.conversations, guest.visitor.proof));
    Ok(Json(StateShape {
        visitor: VisitorShape::of(&guest.visitor),
        conversation: shown.map(OpenConversationShape::of),
        last_event_id: state.last_event.and_then(|position| sealed(surface.store.keys(), position)),
        conversations: state.conversations.into_iter().map(ListedConversationShape::from).collect(),
    }))
}

/// What a widget opens with: what is the visitor's own before what a link showed it.
fn latest(conversations: &[Glimpse], proof: Proof) -> Option<&Glimpse> {
    let own = |known: &&Glimpse| proof == Proof::Resume || known.grounds != Grounds::Resume;
    conversations.iter().find(own).or_else(|| conversations.first())
}
