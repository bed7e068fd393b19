//! `/api/v1/me`: who is signed in at the desk, the word with which a page of the desk may change something, and a new
//! password of theirs.

use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::desk::session::SessionWord;
use crate::http::desk::{passwords, sign_in};
use crate::http::error::ApiError;
use crate::http::input::Body;
use crate::http::listener::PeerAddress;
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    agent: MyAgent,
    account: String,
    /// To be sent as `X-Replyd-Csrf` with every call that changes something.
    csrf: String,
    /// Names of the inboxes this agent sees.
    inboxes: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MyAgent {
    #[schema(value_type = String)]
    id: Id,
    email: String,
    name: String,
}

#[utoipa::path(get, path = "/api/v1/me", responses(
    (status = 200, description = "the agent signed in", body = Me),
    (status = 401, description = "nobody is: see /desk/sign-in", body = crate::http::error::ErrorBody),
    (status = 403, description = "the caller is no agent", body = crate::http::error::ErrorBody)))]
pub async fn me(State(surface): State<Surface>, caller: Caller, headers: HeaderMap) -> Result<Json<Me>, ApiError> {
    let agent = caller.agent()?;
    let config = surface.config.load_full();
    let word = SessionWord::sent(&headers, &config.http.public_url).ok_or_else(ApiError::unauthorized)?;
    let inboxes = config.accounts.iter().filter(|account| account.name == agent.account).flat_map(|own| &own.inboxes);
    let seen = inboxes.filter(|inbox| caller.may_see_inbox(&agent.account, &inbox.name));
    Ok(Json(Me {
        agent: MyAgent { id: agent.id, email: agent.email.clone(), name: agent.name.clone() },
        account: agent.account.clone(),
        csrf: word.csrf(),
        inboxes: seen.map(|inbox| inbox.name.clone()).collect(),
    }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current: String,
    /// At least 10 characters.
    new: String,
}

#[utoipa::path(put, path = "/api/v1/me/password", request_body = PasswordChange, responses(
    (status = 204, description = "the agent signs in with the new one; their other sessions and links have ended"),
    (status = 403, description = "the current one is another", body = crate::http::error::ErrorBody),
    (status = 429, description = "too many tries, at sign-in and here together", body = crate::http::error::ErrorBody)))]
pub async fn change_password(
    State(surface): State<Surface>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    caller: Caller,
    headers: HeaderMap,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    let agent = caller.agent()?;
    let word =
        SessionWord::sent(&headers, &surface.config.load().http.public_url).ok_or_else(ApiError::unauthorized)?;
    passwords::checked(&change.new)?;
    let key = sign_in::address_key(&agent.email)?;
    // Whoever finds an open desk has no more tries than one who stands before it.
    surface.desk.password(peer, &key, surface.clock.monotonic())?;
    if !is_current(&surface, agent.id, key, change.current).await? {
        let message = "the current password is another; who has none, or forgot it, gets one from the operator";
        return Err(ApiError::forbidden(message).with_code("wrong_password"));
    }
    let hashed = passwords::hashed(&surface.desk.hashing, change.new).await?;
    surface.store.change_agent_password(agent.id, hashed, word.kept()).await?;
    tracing::info!(account = agent.account, agent = %agent.id, "an agent changed their password");
    Ok(StatusCode::NO_CONTENT)
}

/// Only this agent's own counts: the same address may answer for another account with another one.
async fn is_current(surface: &Surface, agent: Id, key: String, password: String) -> Result<bool, ApiError> {
    if password.len() > passwords::OCTETS_MAX {
        return Ok(false);
    }
    let found = surface.store.agents_of_address(key).await?;
    let kept = found.into_iter().filter(|(own, _)| own.id == agent).filter_map(|(_, kept)| kept).collect();
    Ok(passwords::fitting(&surface.desk.hashing, password, kept).await?.is_some())
}
