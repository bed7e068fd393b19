//! What an agent does with a conversation beside writing: reads it, has it open, types. That its contact types is said by
//! whatever channel carries the chat. Reading is kept; the rest is passed on
//! to whoever listens, and is about a moment.

use super::conversations::visible;
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Conversation};
use crate::conversation::presence::{TypingState, Typist};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId, line};
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
    /// Of a caller with an API token: `contact` or `agent`.
    #[schema(value_type = Option<String>)]
    author: Option<Typist>,
    /// The agent's name, where an API token says that one types.
    agent: Option<String>,
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
    Body(body): Body<Typing>,
) -> Result<StatusCode, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let typing = body.typing;
    let (typist, name, agent) = who(&caller, body, &conversation)?;
    let state = if typing { TypingState::On } else { TypingState::Off };
    surface.store.typing(id, typist, state).await?;
    let who = match typist {
        Typist::Agent => AuthorKind::Agent,
        Typist::Contact => AuthorKind::Contact,
    };
    surface.live.whisper(&conversation.account, id, Whisper::Typing { who, name, agent, typing });
    Ok(StatusCode::NO_CONTENT)
}

/// Who types: the agent signed in, or whom another channel names; with the name and the address that others are told.
fn who(
    caller: &Caller,
    body: Typing,
    conversation: &Conversation,
) -> Result<(Typist, Option<String>, Option<String>), ApiError> {
    let named = line("agent", body.agent)?;
    match (caller, body.author) {
        (Caller::Agent(agent), None) if named.is_none() => {
            Ok((Typist::Agent, Some(agent.name.clone()), Some(agent.email.clone())))
        }
        (Caller::Agent(_), _) => {
            Err(ApiError::invalid("author", "an agent types as itself; only an API token names others"))
        }
        (Caller::Account(_) | Caller::Owner, Some(Typist::Agent)) => Ok((Typist::Agent, named, None)),
        (Caller::Account(_) | Caller::Owner, Some(Typist::Contact)) => {
            Ok((Typist::Contact, conversation.contact.name.clone(), None))
        }
        (Caller::Account(_) | Caller::Owner, None) => {
            Err(ApiError::invalid("author", "contact or agent is expected: an API token types for either"))
        }
    }
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
