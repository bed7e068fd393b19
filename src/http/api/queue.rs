//! `/api/v1/queue`: outgoing mail, what its hosts said, and an operator's hand on it.

use super::conversations::within;
use super::shape::{List, QueueShape};
use crate::conversation::delivery::DeliveryState;
use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{PathId, Query, cursor, page_length};
use crate::http::surface::Surface;
use crate::store::outgoing::{QueueEntry, QueueQuery};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
    #[param(value_type = Option<String>)]
    state: Option<DeliveryState>,
    #[param(value_type = Option<String>)]
    conversation: Option<Id>,
    /// Part of the recipient's address.
    recipient: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[utoipa::path(get, path = "/api/v1/queue", params(ListQuery),
    responses((status = 200, description = "newest first", body = List<QueueShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<QueueShape>>, ApiError> {
    let page = surface
        .store
        .queue(QueueQuery {
            account: caller.scope(query.account)?,
            inboxes: caller.inboxes().map(<[String]>::to_vec),
            state: query.state,
            conversation: query.conversation,
            recipient: query.recipient,
            before: cursor(query.cursor.as_deref())?,
            limit: page_length(query.limit)?,
        })
        .await?;
    let items = page.items.into_iter().map(|entry| QueueShape { transcript: None, ..entry.into() }).collect();
    Ok(Json(List { items, next: page.next }))
}

#[utoipa::path(get, path = "/api/v1/queue/{id}", params(("id" = String, Path)),
    responses((status = 200, description = "with what was said in the last attempt", body = QueueShape)))]
pub async fn show(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<QueueShape>, ApiError> {
    Ok(Json(visible(&surface, &caller, id).await?.into()))
}

#[utoipa::path(post, path = "/api/v1/queue/{id}/retry", params(("id" = String, Path)),
    responses((status = 200, description = "due now, a failed or cancelled mail too", body = QueueShape),
        (status = 409, description = "it is delivered, or in hand", body = crate::http::error::ErrorBody)))]
pub async fn retry(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<QueueShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    Ok(Json(surface.store.retry_mail(id).await?.into()))
}

#[utoipa::path(post, path = "/api/v1/queue/{id}/cancel", params(("id" = String, Path)),
    responses((status = 200, description = "no attempt any more", body = QueueShape),
        (status = 409, description = "it has ended, or is at the peer", body = crate::http::error::ErrorBody)))]
pub async fn cancel(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<QueueShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    Ok(Json(surface.store.cancel_mail(id).await?.into()))
}

#[utoipa::path(post, path = "/api/v1/queue/{id}/hold", params(("id" = String, Path)),
    responses((status = 200, description = "no attempt until it is released", body = QueueShape)))]
pub async fn hold(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<QueueShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    Ok(Json(surface.store.hold_mail(id, true).await?.into()))
}

#[utoipa::path(post, path = "/api/v1/queue/{id}/release", params(("id" = String, Path)),
    responses((status = 200, description = "attempts go on as planned", body = QueueShape)))]
pub async fn release(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<QueueShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    Ok(Json(surface.store.hold_mail(id, false).await?.into()))
}

/// The entry, if it is there and the caller may see it; a foreign one looks like none.
async fn visible(surface: &Surface, caller: &Caller, id: Id) -> Result<QueueEntry, ApiError> {
    let entry = surface.store.queue_entry(id).await?;
    let may = caller.may_see(&entry.account) && within(surface, caller, entry.conversation_id).await?;
    if may { Ok(entry) } else { Err(ApiError::not_found("queue entry")) }
}
