//! `POST /api/v1/queue`: one order for all mail that fits the list's filters, a step at a time. Each step is small enough for
//! its caller to wait for; `next` says where the following one goes on.

use super::queue::{ListQuery, given_reason};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, Query};
use crate::http::surface::Surface;
use crate::store::outgoing::{Ordered, QueueOrder, QueueQuery};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is to be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    order: Verb,
    /// Of `fail`: what whoever wrote the mail reads.
    reason: Option<String>,
    /// Needed without a filter.
    #[serde(default)]
    all: bool,
    /// Nothing is changed: `matched` says how many would be.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Hold,
    Release,
    /// Due now, in turn: queued and deferred mail, and what is of the state that is named; held mail stays held.
    Retry,
    Cancel,
    Fail,
}

/// What became of one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderedShape {
    matched: u64,
    changed: u64,
    /// Those that could not be changed; `left_reason` is that of the first.
    left: u64,
    left_reason: Option<String>,
    /// The cursor of the next step; null when nothing is left.
    next: Option<String>,
}

#[utoipa::path(post, path = "/api/v1/queue", params(ListQuery), request_body = Order,
    responses((status = 200, description = "what this step did; go on with `next` as `cursor`", body = OrderedShape)))]
pub async fn order(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    Body(asked): Body<Order>,
) -> Result<Json<OrderedShape>, ApiError> {
    if !asked.all && !query.filters() {
        return Err(ApiError::invalid("all", "name a filter, or say \"all\": true"));
    }
    let limit = step_length(query.limit())?;
    let query = QueueQuery { limit, ..query.checked(&surface, &caller)? };
    let order = verb(asked.order, asked.reason)?;
    let done = if asked.dry_run {
        Ordered { matched: surface.store.concerned(order, query).await?, ..Ordered::default() }
    } else {
        surface.store.order(order, query).await?
    };
    Ok(Json(done.into()))
}

fn verb(verb: Verb, reason: Option<String>) -> Result<QueueOrder, ApiError> {
    if reason.is_some() && !matches!(verb, Verb::Fail) {
        return Err(ApiError::invalid("reason", "it goes with the order fail only"));
    }
    Ok(match verb {
        Verb::Hold => QueueOrder::Hold,
        Verb::Release => QueueOrder::Release,
        Verb::Retry => QueueOrder::Retry,
        Verb::Cancel => QueueOrder::Cancel,
        Verb::Fail => QueueOrder::Fail { reason: given_reason(reason)? },
    })
}

fn step_length(limit: Option<u32>) -> Result<usize, ApiError> {
    match limit.unwrap_or(STEP_MAX) {
        limit @ 1..=STEP_MAX => Ok(usize::try_from(limit).unwrap_or_default()),
        _ => Err(ApiError::invalid("limit", &format!("a number from 1 to {STEP_MAX} is expected"))),
    }
}

impl From<Ordered> for OrderedShape {
    fn from(done: Ordered) -> OrderedShape {
        let Ordered { matched, changed, left, left_reason, next } = done;
        OrderedShape { matched, changed, left, left_reason, next: next.map(|id| id.to_string()) }
    }
}

/// Mails of one step.
const STEP_MAX: u32 = 1000;
