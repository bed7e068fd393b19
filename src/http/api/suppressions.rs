//! `/api/v1/suppressions`: addresses that get no mail from an account, why, and their release.

use super::shape::{List, SuppressionShape};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::Query;
use crate::http::surface::Surface;
use crate::mail::address::Address;
use crate::store::StoreError;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ClearQuery {
    /// A token's own account, or the only one, need not be named.
    account: Option<String>,
    email: String,
}

#[utoipa::path(get, path = "/api/v1/suppressions", params(ListQuery),
    responses((status = 200, description = "every address in force", body = List<SuppressionShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<SuppressionShape>>, ApiError> {
    caller.whole_account()?;
    let rows = surface.store.suppressions(caller.scope(query.account)?).await?;
    Ok(Json(List { items: rows.into_iter().map(SuppressionShape::from).collect(), next: None }))
}

#[utoipa::path(delete, path = "/api/v1/suppressions", params(ClearQuery),
    responses((status = 204, description = "the address gets mail again, from the next one on")))]
pub async fn clear(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ClearQuery>,
) -> Result<StatusCode, ApiError> {
    caller.whole_account()?;
    let account = caller.account(query.account, &surface)?;
    let email = Address::parse(&query.email).map_err(|error| ApiError::invalid("email", &error.to_string()))?;
    match surface.store.clear_suppression(account, email.key()).await {
        Err(StoreError::NotFound(what)) => Err(ApiError::not_found(&format!("{what}: {}", email.key()))),
        cleared => Ok(cleared.map(|()| StatusCode::NO_CONTENT)?),
    }
}
