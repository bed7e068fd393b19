//! `/api/v1/agents/{id}/password` and `…/sign_in_link`, over the Unix socket only: an agent's password for the desk, or a link
//! that lets them in once. Both are kept as hashes.

use crate::conversation::id::Id;
use crate::conversation::links;
use crate::conversation::sign_in::{LINK_LIFE, LinkWord};
use crate::http::caller::Caller;
use crate::http::desk::passwords;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId};
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// At least 10 characters.
    password: String,
}

/// This is the only time it is shown.
#[derive(Serialize, ToSchema)]
pub struct LinkIssued {
    /// Good once.
    url: String,
    expires_at: String,
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

#[utoipa::path(post, path = "/api/v1/agents/{id}/sign_in_link", params(("id" = String, Path)),
    responses((status = 201, description = "a link that signs the agent in, shown once", body = LinkIssued)))]
pub async fn link(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<(StatusCode, Json<LinkIssued>), ApiError> {
    caller.owner_only()?;
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|error| ApiError::internal(&error))?;
    let (word, expires_at) = (LinkWord::new(random), links::until(surface.clock.now(), LINK_LIFE));
    surface.store.add_sign_in_link(id, word.kept(), expires_at).await?;
    let url = word.url(&surface.config.load().http.public_url);
    Ok((StatusCode::CREATED, Json(LinkIssued { url, expires_at: expires_at.rfc3339() })))
}

async fn known(surface: &Surface, id: Id) -> Result<(), ApiError> {
    let agents = surface.store.agents(None).await?;
    let known = agents.iter().any(|agent| agent.id == id);
    if known { Ok(()) } else { Err(ApiError::not_found("agent")) }
}
