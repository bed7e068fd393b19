//! `/api/v1/agents/{id}/password`, over the Unix socket only: an agent's password for the desk. It is kept as a hash.

use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::desk::passwords;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId};
use crate::http::surface::Surface;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// At least 10 characters.
    password: String,
}

#[utoipa::path(put, path = "/api/v1/agents/{id}/password", params(("id" = String, Path)), request_body = NewPassword,
    responses((status = 204, description = "the agent signs in with it; whoever was signed in is so no more")))]
pub async fn set(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(new): Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    caller.owner_only()?;
    passwords::checked(&new.password)?;
    known(&surface, id).await?;
    let hashed = passwords::hashed(&surface.desk.hashing, new.password).await?;
    surface.store.set_agent_password(id, hashed).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn known(surface: &Surface, id: Id) -> Result<(), ApiError> {
    let agents = surface.store.agents(None).await?;
    let known = agents.iter().any(|agent| agent.id == id);
    if known { Ok(()) } else { Err(ApiError::not_found("agent")) }
}
