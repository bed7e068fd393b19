//! What a channel knows of its visitor (there, gone, has seen), what an agent is told before sending, and the moments in
//! which a message may still be taken back.

use super::conversations::visible;
use super::messages::shown;
use super::shape::{ForecastShape, MessageShape, PresenceShape};
use crate::clock::UnixMs;
use crate::conversation::delivery::{MailChoice, Posting};
use crate::conversation::id::Id;
use crate::conversation::model::{Direction, Message};
use crate::conversation::presence::Presence;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, BodyOrNone, PathId, Query};
use crate::http::live::Whisper;
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceBody {
    /// `present`, `away` or `absent`.
    state: String,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenBody {
    /// The last message that was seen; without one all of them were.
    #[schema(value_type = Option<String>)]
    up_to: Option<Id>,
    /// Instead: the messages that were seen, and no others.
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<Id>>,
}

/// What was not seen before.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeenShape {
    #[schema(value_type = Vec<String>)]
    seen: Vec<Id>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ForecastQuery {
    /// `auto`, `now` or `never`, as a message may say it.
    #[param(value_type = Option<String>)]
    #[serde(default)]
    mail: MailChoice,
}

#[utoipa::path(post, path = "/api/v1/conversations/{id}/presence", params(("id" = String, Path)), request_body = PresenceBody,
    responses((status = 200, description = "how the contact is in the chat now", body = PresenceShape)))]
pub async fn presence(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(body): Body<PresenceBody>,
) -> Result<Json<PresenceShape>, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    caller.no_agent()?;
    let presence = Presence::from_word(&body.state)
        .ok_or_else(|| ApiError::invalid("state", "present, away or absent is expected"))?;
    let now = surface.store.api_presence(id, presence).await?;
    surface.live.whisper(&conversation.account, id, Whisper::Presence { state: now.word() });
    let since = surface.store.conversation(id).await?.presence_since;
    Ok(Json(PresenceShape { state: now.word(), since: since.map(UnixMs::rfc3339) }))
}

#[utoipa::path(post, path = "/api/v1/conversations/{id}/seen", params(("id" = String, Path)), request_body = Option<SeenBody>,
    responses((status = 200, description = "what was not seen before", body = SeenShape),
        (status = 404, description = "no such conversation, or a message that it has not")))]
pub async fn seen(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    BodyOrNone(body): BodyOrNone<SeenBody>,
) -> Result<Json<SeenShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    caller.no_agent()?;
    let seen = match (body.up_to, body.ids) {
        (up_to, None) => surface.store.seen(id, up_to).await?,
        (None, Some(ids)) if ids.len() <= SEEN_MAX => surface.store.seen_these(id, ids).await?,
        (None, Some(_)) => return Err(ApiError::invalid("ids", &format!("{SEEN_MAX} at most"))),
        (Some(_), Some(_)) => return Err(ApiError::invalid("ids", "either ids or up_to is expected")),
    };
    Ok(Json(SeenShape { seen }))
}

#[utoipa::path(get, path = "/api/v1/conversations/{id}/forecast", params(("id" = String, Path), ForecastQuery),
    responses((status = 200, description = "what would become of a message written now", body = ForecastShape)))]
pub async fn forecast(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Query(query): Query<ForecastQuery>,
) -> Result<Json<ForecastShape>, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let config = surface.config.load_full();
    let posting = config.posting_of(&conversation.account, &conversation.inbox, Direction::Outgoing);
    let forecast = surface.store.forecast(id, Posting { mail: query.mail, ..posting }).await?;
    Ok(Json(forecast.into()))
}

#[utoipa::path(delete, path = "/api/v1/messages/{id}", params(("id" = String, Path)),
    responses((status = 200, description = "what the message said; it is gone", body = MessageShape),
        (status = 409, description = "it was sent: only one that is held can be taken back")))]
pub async fn take_back(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<MessageShape>, ApiError> {
    let account = of_caller(&surface, &caller, id).await?;
    let taken = surface.store.take_back(id).await?;
    surface.live.whisper(&account, taken.conversation_id, Whisper::TakenBack { message: id });
    one(&surface, taken).await
}

#[utoipa::path(post, path = "/api/v1/messages/{id}/release", params(("id" = String, Path)),
    responses((status = 200, description = "the message, sent", body = MessageShape)))]
pub async fn release(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<MessageShape>, ApiError> {
    of_caller(&surface, &caller, id).await?;
    one(&surface, surface.store.release_message(id).await?).await
}

/// The account of a message that the caller may see; of an agent only what they wrote is theirs to send or to take back.
async fn of_caller(surface: &Surface, caller: &Caller, id: Id) -> Result<String, ApiError> {
    let message = surface.store.message(id).await?;
    let hidden = |error: ApiError| if error.code == "not_found" { ApiError::not_found("message") } else { error };
    let conversation = visible(surface, caller, message.conversation_id).await.map_err(hidden)?;
    match caller {
        Caller::Agent(agent) if message.author.email.as_deref() != Some(&agent.email) => {
            Err(ApiError::forbidden("another agent wrote this message"))
        }
        _ => Ok(conversation.account),
    }
}

async fn one(surface: &Surface, message: Message) -> Result<Json<MessageShape>, ApiError> {
    let shape = shown(surface, vec![message]).await?.pop();
    shape.map(Json).ok_or_else(|| ApiError::not_found("message"))
}

const SEEN_MAX: usize = 1000;
