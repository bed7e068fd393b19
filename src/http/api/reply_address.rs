//! `/api/v1/conversations/{id}/reply_address`: until when the address of a conversation lets mail in.

use super::conversations::{visible, without_messages};
use super::shape::ConversationShape;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId};
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expiry {
    /// RFC 3339; null lifts an earlier one.
    expires_at: Option<String>,
}

#[utoipa::path(delete, path = "/api/v1/conversations/{id}/reply_address", params(("id" = String, Path)),
    responses((status = 200, description = "the address takes no mail any more, for good", body = ConversationShape)))]
pub async fn revoke(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ConversationShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    surface.store.revoke_tokens(id).await?;
    as_it_is_now(&surface, id).await
}

#[utoipa::path(put, path = "/api/v1/conversations/{id}/reply_address", params(("id" = String, Path)), request_body = Expiry,
    responses((status = 200, description = "the address takes mail until then", body = ConversationShape),
        (status = 409, description = "it is revoked for good")))]
pub async fn expire(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(expiry): Body<Expiry>,
) -> Result<Json<ConversationShape>, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    if conversation.reply_token_is_revoked {
        let message = "the reply address is revoked, and that cannot be taken back; begin a new conversation";
        return Err(ApiError::new(StatusCode::CONFLICT, "revoked", message));
    }
    let read = |text: &String| {
        UnixMs::from_rfc3339(text)
            .ok_or_else(|| ApiError::invalid("expires_at", "a time such as 2027-01-31T12:00:00Z is expected"))
    };
    surface.store.expire_tokens(id, expiry.expires_at.as_ref().map(read).transpose()?).await?;
    as_it_is_now(&surface, id).await
}

async fn as_it_is_now(surface: &Surface, id: Id) -> Result<Json<ConversationShape>, ApiError> {
    let conversation = surface.store.conversation(id).await?;
    Ok(Json(without_messages(surface, conversation).await?))
}
