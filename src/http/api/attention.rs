//! What an agent does with a conversation beside writing: reads it, has it open, types. Reading is kept; the rest is passed on
//! to whoever listens, and is about a moment.

use super::conversations::visible;
use crate::conversation::id::Id;
use crate::conversation::model::AuthorKind;
use crate::conversation::presence::{TypingState, Typist};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId};
use crate::http::live::Whisper;
use crate::http::surface::Surface;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The last message read; without it, the latest there is.
    #[schema(value_type = Option<String>)]
    up_to: Option<Id>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Typing {
    typing: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Viewing {
    viewing: bool,
}

#[utoipa::path(post, path = "/api/v1/conversations/{id}/read", params(("id" = String, Path)), request_body = Read,
    responses((status = 204, description = "the calling agent has read it up to there")))]
pub async fn read(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(read): Body<Read>,
) -> Result<StatusCode, ApiError> {
    visible(&surface, &caller, id).await?;
    surface.store.read_by_agent(caller.agent()?.id, id, read.up_to).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/api/v1/conversations/{id}/typing", params(("id" = String, Path)), request_body = Typing,
    responses((status = 204, description = "told to the chat, and to the other agents; to be said again every few seconds")))]
pub async fn typing(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(Typing { typing }): Body<Typing>,
) -> Result<StatusCode, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let agent = caller.agent()?;
    let (name, agent) = (Some(agent.name.clone()), Some(agent.email.clone()));
    let state = if typing { TypingState::On } else { TypingState::Off };
    surface.store.typing(id, Typist::Agent, state).await?;
    surface.live.whisper(&conversation.account, id, Whisper::Typing { who: AuthorKind::Agent, name, agent, typing });
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/api/v1/conversations/{id}/viewing", params(("id" = String, Path)), request_body = Viewing,
    responses((status = 204, description = "told to the other agents; to be said again every half minute")))]
pub async fn viewing(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(Viewing { viewing }): Body<Viewing>,
) -> Result<StatusCode, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let agent = caller.agent()?;
    let (name, agent) = (Some(agent.name.clone()), agent.email.clone());
    surface.live.whisper(&conversation.account, id, Whisper::Viewing { agent, name, viewing });
    Ok(StatusCode::NO_CONTENT)
}
