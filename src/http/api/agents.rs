//! `/api/v1/agents`: who answers for an account, and which of them is told of customers' messages by mail.

use super::shape::{AgentShape, List};
use crate::config::checked::{Account, Config};
use crate::conversation::agent::Agent;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId, Query, line};
use crate::http::surface::Surface;
use crate::mail::address::Address;
use crate::store::NewAgent;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgentBody {
    /// A token's own account, or the only one, need not be named.
    account: Option<String>,
    /// Only mail that is proven to come from this address counts as this agent's.
    email: String,
    /// What contacts see.
    name: String,
    /// Inboxes whose unassigned conversations come by mail; null: all of the account.
    inboxes: Option<Vec<String>>,
    /// Whether messages of contacts come by mail at all.
    #[serde(default = "yes")]
    by_mail: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
}

#[utoipa::path(post, path = "/api/v1/agents", request_body = NewAgentBody,
    responses((status = 201, description = "the agent; the same address again changes name and wishes", body = AgentShape)))]
pub async fn add(
    State(surface): State<Surface>,
    caller: Caller,
    Body(body): Body<NewAgentBody>,
) -> Result<(StatusCode, Json<AgentShape>), ApiError> {
    caller.no_agent()?;
    let account = surface.known_account(&caller.account(body.account.clone(), &surface)?)?;
    let new = checked(body, &account, &surface.config.load())?;
    Ok((StatusCode::CREATED, Json(surface.store.add_agent(new).await?.into())))
}

fn checked(body: NewAgentBody, account: &Account, config: &Config) -> Result<NewAgent, ApiError> {
    let email = line("email", Some(body.email))?.ok_or_else(|| ApiError::invalid("email", "it is empty"))?;
    let email = Address::parse(&email).map_err(|error| ApiError::invalid("email", &error.to_string()))?;
    let ours = config.accounts.iter().any(|account| account.inbound_domain == email.domain())
        || config.inbox_of_address(&email.key()).is_some();
    if ours {
        let reason = "it is an address of replyd's own, and mail to it would come back; name the agent's own mailbox";
        return Err(ApiError::invalid("email", reason));
    }
    let unknown = |name: &&String| !account.inboxes.iter().any(|inbox| inbox.name == **name);
    if let Some(name) = body.inboxes.as_deref().unwrap_or_default().iter().find(unknown) {
        let known: Vec<&str> = account.inboxes.iter().map(|inbox| inbox.name.as_str()).collect();
        let reason = format!("{name:?} is not in the config; account {} has {}", account.name, known.join(", "));
        return Err(ApiError::invalid("inboxes", &reason));
    }
    Ok(NewAgent {
        account: account.name.clone(),
        email: email.key(),
        name: line("name", Some(body.name))?.ok_or_else(|| ApiError::invalid("name", "it is empty"))?,
        inboxes: body.inboxes,
        by_mail: body.by_mail,
    })
}

#[utoipa::path(get, path = "/api/v1/agents", params(ListQuery),
    responses((status = 200, description = "every agent", body = List<AgentShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<AgentShape>>, ApiError> {
    let agents = surface.store.agents(caller.scope(query.account)?).await?;
    Ok(Json(List { items: agents.into_iter().map(AgentShape::from).collect(), next: None }))
}

#[utoipa::path(delete, path = "/api/v1/agents/{id}", params(("id" = String, Path)),
    responses((status = 204, description = "gone, and with them the addresses they answered to; their messages stay")))]
pub async fn remove(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    caller.no_agent()?;
    let own = surface.store.agents(caller.scope(None)?).await?;
    if !own.iter().any(|agent| agent.id == id) {
        return Err(ApiError::not_found("agent"));
    }
    surface.store.remove_agent(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The agent whom a caller names by address or name.
pub fn named<'a>(agents: &'a [Agent], word: &str) -> Option<&'a Agent> {
    let key = Address::parse(word).ok().map(|address| address.key());
    agents.iter().find(|agent| Some(&agent.email) == key.as_ref() || agent.name == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::config::{self, secret::Surroundings};
    use crate::conversation::id::Id;
    use std::path::Path;

    const CONFIG: &str = "[server]\nhostname = \"mx.example\"\n[[account]]\nname = \"acme\"\n\
        inbound_domain = \"reply.acme.example\"\n[[account.inbox]]\nname = \"web\"\naddress = \"help@acme.example\"\n";

    fn check(body: &str) -> Result<(String, String), String> {
        let config = config::parse(Path::new("replyd.toml"), CONFIG, Surroundings::SYSTEM).expect("a good config");
        let body: NewAgentBody = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let account = config.accounts.first().expect("an account");
        checked(body, account, &config).map(|new| (new.email, new.name)).map_err(|error| error.message)
    }

    #[test]
    fn an_agent_has_a_mailbox_of_their_own_and_known_inboxes() {
        let good = check(r#"{"email":"Sara@Agents.example","name":"Sara","inboxes":["web"]}"#);
        assert_eq!(good, Ok(("sara@agents.example".into(), "Sara".into())));
        for (body, field) in [
            (r#"{"email":"sara","name":"Sara"}"#, "email: no @"),
            (r#"{"email":"help@acme.example","name":"Sara"}"#, "email: it is an address of replyd's own"),
            (r#"{"email":"x@reply.acme.example","name":"Sara"}"#, "email: it is an address of replyd's own"),
            (r#"{"email":"s@a.example","name":" "}"#, "name: it is empty"),
            (r#"{"email":"s@a.example","name":"a\r\nBcc: x"}"#, "name: line breaks"),
            (r#"{"email":"s@a.example\r\n","name":"a"}"#, "email: line breaks"),
            (
                r#"{"email":"s@a.example","name":"S","inboxes":["web","nope"]}"#,
                "inboxes: \"nope\" is not in the config",
            ),
        ] {
            assert!(check(body).is_err_and(|error| error.starts_with(field)), "{body}: {:?}", check(body));
        }
    }

    #[test]
    fn an_agent_is_named_by_address_in_any_case_or_by_name() {
        let sara = Agent {
            id: Id(1),
            account: "acme".into(),
            email: "sara@agents.example".into(),
            name: "Sara".into(),
            inboxes: None,
            by_mail: true,
            created_at: UnixMs(0),
        };
        let agents = [sara];
        for (word, expected) in [("SARA@agents.example", true), ("Sara", true), ("sara", false), ("x@y", false)] {
            assert_eq!(named(&agents, word).is_some(), expected, "{word}");
        }
    }
}
