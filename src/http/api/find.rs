//! Where in a conversation words stand: a search finds conversations, and a long one is not read from its end to get there.

use super::conversations::visible;
use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{PathId, Query};
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct FindQuery {
    /// As in a search for conversations.
    query: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Found {
    /// The latest message that has all the words; null if none has.
    #[schema(value_type = Option<String>)]
    message_id: Option<Id>,
}

#[utoipa::path(get, path = "/api/v1/conversations/{id}/find", params(("id" = String, Path), FindQuery),
    responses((status = 200, description = "where the words stand", body = Found)))]
pub async fn find(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Query(query): Query<FindQuery>,
) -> Result<Json<Found>, ApiError> {
    visible(&surface, &caller, id).await?;
    Ok(Json(Found { message_id: surface.store.message_with(id, query.query).await? }))
}
