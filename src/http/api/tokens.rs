//! `/api/v1/tokens`, over the Unix socket only: API tokens. The secret is shown once and kept as a hash.

use super::shape::List;
use crate::conversation::id::Id;
use crate::http::caller::{Caller, hash};
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId};
use crate::http::surface::Surface;
use crate::store::query::ApiTokenRow;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    account: String,
}

/// A new token; this is the only time it is shown.
#[derive(Serialize, ToSchema)]
pub struct TokenIssued {
    #[schema(value_type = String)]
    id: Id,
    account: String,
    token: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TokenShape {
    #[schema(value_type = String)]
    id: Id,
    account: String,
    created_at: String,
    revoked_at: Option<String>,
}

#[utoipa::path(post, path = "/api/v1/tokens", request_body = NewToken,
    responses((status = 201, description = "the token, shown once", body = TokenIssued)))]
pub async fn add(
    State(surface): State<Surface>,
    caller: Caller,
    Body(new): Body<NewToken>,
) -> Result<(StatusCode, Json<TokenIssued>), ApiError> {
    caller.owner_only()?;
    surface.known_account(&new.account)?;
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|error| ApiError::internal(&error))?;
    let token = format!("replyd_{}", HEXLOWER.encode(&random));
    let id = surface.store.add_api_token(&new.account, hash(&token)).await?;
    Ok((StatusCode::CREATED, Json(TokenIssued { id, account: new.account, token })))
}

#[utoipa::path(get, path = "/api/v1/tokens",
    responses((status = 200, description = "every token, without its secret", body = List<TokenShape>)))]
pub async fn list(State(surface): State<Surface>, caller: Caller) -> Result<Json<List<TokenShape>>, ApiError> {
    caller.owner_only()?;
    let rows = surface.store.api_tokens().await?;
    Ok(Json(List { items: rows.into_iter().map(TokenShape::from).collect(), next: None }))
}

#[utoipa::path(delete, path = "/api/v1/tokens/{id}", params(("id" = String, Path)),
    responses((status = 204, description = "the token opens nothing from here on")))]
pub async fn revoke(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    caller.owner_only()?;
    surface.store.revoke_api_token(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ApiTokenRow> for TokenShape {
    fn from(row: ApiTokenRow) -> TokenShape {
        TokenShape {
            id: row.id,
            account: row.account,
            created_at: row.created_at.rfc3339(),
            revoked_at: row.revoked_at.map(|at| at.rfc3339()),
        }
    }
}
