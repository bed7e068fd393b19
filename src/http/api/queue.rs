//! `/api/v1/queue`: outgoing mail, what its hosts said, and an operator's hand on it.

use super::conversations::within;
use super::shape::{List, QueueShape};
use crate::clock::UnixMs;
use crate::config::units::parse_time;
use crate::conversation::delivery::DeliveryState;
use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId, Query, cursor, line, page_length};
use crate::http::surface::Surface;
use crate::store::outgoing::{QueueEntry, QueueQuery};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

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
    /// The recipient's domain, whole.
    domain: Option<String>,
    /// Part of the host of the last attempt: its name, address or port.
    host: Option<String>,
    /// Queued so long ago, or longer: `2 h`.
    older_than: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

impl ListQuery {
    /// Whether it leaves anything out.
    pub fn filters(&self) -> bool {
        let words = [&self.account, &self.recipient, &self.domain, &self.host, &self.older_than];
        words.iter().any(|word| word.is_some()) || self.state.is_some() || self.conversation.is_some()
    }

    /// What the caller may see of it; its length is left open.
    pub fn checked(self, surface: &Surface, caller: &Caller) -> Result<QueueQuery, ApiError> {
        Ok(QueueQuery {
            account: caller.scope(self.account)?,
            inboxes: caller.inboxes().map(<[String]>::to_vec),
            state: self.state,
            conversation: self.conversation,
            recipient: self.recipient,
            domain: self.domain,
            host: self.host,
            created_by: self.older_than.as_deref().map(|age| created_by(surface, age)).transpose()?,
            before: cursor(self.cursor.as_deref())?,
            limit: 0,
        })
    }

    pub fn limit(&self) -> Option<u32> {
        self.limit
    }
}

fn created_by(surface: &Surface, age: &str) -> Result<UnixMs, ApiError> {
    let age = parse_time(age).and_then(|age| i64::try_from(age.as_millis()).ok());
    let age = age.ok_or_else(|| ApiError::invalid("older_than", "a time is expected, such as \"2 h\""))?;
    Ok(UnixMs(surface.clock.now().0.saturating_sub(age)))
}

#[utoipa::path(get, path = "/api/v1/queue", params(ListQuery),
    responses((status = 200, description = "newest first", body = List<QueueShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<QueueShape>>, ApiError> {
    let limit = page_length(query.limit)?;
    let page = surface.store.queue(QueueQuery { limit, ..query.checked(&surface, &caller)? }).await?;
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

/// Why a mail is failed by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Failing {
    /// What whoever wrote it reads.
    reason: String,
}

#[utoipa::path(post, path = "/api/v1/queue/{id}/fail", params(("id" = String, Path)), request_body = Failing,
    responses((status = 200, description = "failed for good, as if it had come back", body = QueueShape),
        (status = 409, description = "it has ended, or is at the peer", body = crate::http::error::ErrorBody)))]
pub async fn fail(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(failing): Body<Failing>,
) -> Result<Json<QueueShape>, ApiError> {
    visible(&surface, &caller, id).await?;
    let reason = given_reason(Some(failing.reason))?;
    Ok(Json(surface.store.fail_mail(id, reason).await?.into()))
}

/// A mail is not failed without a word.
pub fn given_reason(reason: Option<String>) -> Result<String, ApiError> {
    line("reason", reason)?.ok_or_else(|| ApiError::invalid("reason", "say why, for whoever wrote the mail"))
}

/// The entry, if it is there and the caller may see it; a foreign one looks like none.
async fn visible(surface: &Surface, caller: &Caller, id: Id) -> Result<QueueEntry, ApiError> {
    let entry = surface.store.queue_entry(id).await?;
    let may = caller.may_see(&entry.account) && within(surface, caller, entry.conversation_id).await?;
    if may { Ok(entry) } else { Err(ApiError::not_found("queue entry")) }
}
