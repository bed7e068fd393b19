//! `/api/v1/me`: who is signed in at the desk, and the word with which a page of the desk may change something.

use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::desk::session::SessionWord;
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
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
