//! `/api/v1/suppressions`: addresses that get no mail from an account, why, and their release.

use super::conversations::visible;
use super::shape::{List, SuppressionShape};
use crate::conversation::model::Conversation;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{PathId, Query};
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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LiftQuery {
    /// The contact's, or a participant's.
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
    cleared(&surface, account, &key(&query.email)?).await
}

#[utoipa::path(delete, path = "/api/v1/conversations/{id}/suppressions", params(("id" = String, Path), LiftQuery),
    responses((status = 204, description = "somebody of this conversation gets mail again, from the next one on")))]
pub async fn lift(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Query(query): Query<LiftQuery>,
) -> Result<StatusCode, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let email = key(&query.email)?;
    if !addresses(&conversation).iter().any(|address| key(address).as_ref() == Ok(&email)) {
        return Err(ApiError::not_found(&format!("address in this conversation: {email}")));
    }
    let agent = caller.agent().ok().map(|agent| agent.id.to_string());
    tracing::info!(account = conversation.account, conversation = %id, agent, "an address gets mail again");
    cleared(&surface, conversation.account, &email).await
}

/// Who of a conversation gets no mail now, and why.
pub async fn of(surface: &Surface, conversation: &Conversation) -> Result<Vec<SuppressionShape>, ApiError> {
    let rows = surface.store.suppressed(conversation.account.clone(), addresses(conversation)).await?;
    Ok(rows.into_iter().map(SuppressionShape::from).collect())
}

/// Whom a conversation's mail goes to.
fn addresses(conversation: &Conversation) -> Vec<String> {
    let contact = conversation.contact.mail_address().into_iter();
    let participants = conversation.participants.iter().map(|participant| participant.email.as_str());
    contact.chain(participants).map(str::to_owned).collect()
}

fn key(email: &str) -> Result<String, ApiError> {
    let address = Address::parse(email).map_err(|error| ApiError::invalid("email", &error.to_string()))?;
    Ok(address.key())
}

async fn cleared(surface: &Surface, account: String, email: &str) -> Result<StatusCode, ApiError> {
    match surface.store.clear_suppression(account, email.to_owned()).await {
        Err(StoreError::NotFound(what)) => Err(ApiError::not_found(&format!("{what}: {email}"))),
        cleared => Ok(cleared.map(|()| StatusCode::NO_CONTENT)?),
    }
}
