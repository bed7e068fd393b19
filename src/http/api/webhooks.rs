//! `/api/v1/webhooks`: who is told of events, how far they are, and telling again. The secret is shown once.

use super::shape::{List, WebhookShape};
use crate::config::target::{Target, TargetHost};
use crate::conversation::event::EventKind;
use crate::conversation::id::Id;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId, Query, line};
use crate::http::surface::Surface;
use crate::limits::WEBHOOKS_MAX;
use crate::net::dialable;
use crate::store::hooks::{NewSubscription, Subscription};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// A token's own account, or the only one, need not be named.
    account: Option<String>,
    /// http or https. An address that is private, loopback or the like is 422 unless `allow_private` is set.
    url: String,
    /// `message.created`, `delivery.changed`, `conversation.changed`, `bounce`; absent or empty: all.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    events: Vec<EventKind>,
    /// 16 characters or more; one is made if absent.
    secret: Option<String>,
    /// Over the Unix socket only: who has a token must not reach what only this host can reach.
    #[serde(default)]
    allow_private: bool,
}

/// A new webhook; this is the only time its secret is shown.
#[derive(Serialize, ToSchema)]
pub struct WebhookIssued {
    #[serde(flatten)]
    webhook: WebhookShape,
    secret: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReplayQuery {
    /// The id of an event; without it, on from where it stands.
    after: Option<String>,
}

#[utoipa::path(get, path = "/api/v1/webhooks", params(ListQuery),
    responses((status = 200, description = "every webhook, without its secret", body = List<WebhookShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<WebhookShape>>, ApiError> {
    caller.no_agent()?;
    let known = surface.store.subscriptions(caller.scope(query.account)?).await?;
    Ok(Json(List { items: known.into_iter().map(WebhookShape::from).collect(), next: None }))
}

#[utoipa::path(post, path = "/api/v1/webhooks", request_body = NewWebhook,
    responses((status = 201, description = "told of what happens from now on; the secret is shown once", body = WebhookIssued)))]
pub async fn add(
    State(surface): State<Surface>,
    caller: Caller,
    Body(new): Body<NewWebhook>,
) -> Result<(StatusCode, Json<WebhookIssued>), ApiError> {
    caller.no_agent()?;
    let account = caller.account(new.account, &surface)?;
    surface.known_account(&account)?;
    let target: Target = new
        .url
        .parse()
        .map_err(|error: crate::config::target::TargetError| ApiError::invalid("url", &error.to_string()))?;
    if new.allow_private && caller != Caller::Owner {
        let message =
            "allow_private: only the owner may set it, over the Unix socket (replyd webhook add) or in the config";
        return Err(ApiError::forbidden(message));
    }
    may_be_called(&target, new.allow_private)?;
    let secret = secret(new.secret)?;
    let wish = NewSubscription {
        account,
        url: target.to_string(),
        secret: secret.clone(),
        events: new.events,
        allow_private: new.allow_private,
        subscriptions_max: WEBHOOKS_MAX,
    };
    let webhook = surface.store.add_subscription(wish).await?.into();
    Ok((StatusCode::CREATED, Json(WebhookIssued { webhook, secret })))
}

/// A name is looked up anew for each call, and refused then; what is written out can be told at once.
fn may_be_called(target: &Target, allow_private: bool) -> Result<(), ApiError> {
    match target.host {
        TargetHost::Address(ip) if !allow_private => match dialable::refusal(ip) {
            Some(what) => Err(ApiError::invalid("url", &format!("{ip} is {what}, and such addresses are not called"))),
            None => Ok(()),
        },
        TargetHost::Address(_) | TargetHost::Name(_) => Ok(()),
    }
}

fn secret(asked: Option<String>) -> Result<String, ApiError> {
    if let Some(secret) = line("secret", asked)? {
        let long_enough = secret.chars().count() >= SECRET_CHARACTERS_MIN;
        let short = || ApiError::invalid("secret", "16 characters or more are expected; without the field one is made");
        return if long_enough { Ok(secret) } else { Err(short()) };
    }
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|error| ApiError::internal(&error))?;
    Ok(format!("whsec_{}", HEXLOWER.encode(&random)))
}

#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", params(("id" = String, Path)),
    responses((status = 204, description = "told nothing any more; one of the config is removed there")))]
pub async fn remove(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<StatusCode, ApiError> {
    let known = visible(&surface, &caller, id).await?;
    surface.store.remove_subscription(known.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/api/v1/webhooks/{id}/replay", params(("id" = String, Path), ReplayQuery),
    responses((status = 202, description = "every kept event after that one is told again; one that was disabled is told again",
        body = WebhookShape)))]
pub async fn replay(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Query(query): Query<ReplayQuery>,
) -> Result<(StatusCode, Json<WebhookShape>), ApiError> {
    let known = visible(&surface, &caller, id).await?;
    let after = match query.after {
        None => known.position,
        Some(after) => after.parse().map_err(|_| ApiError::invalid("after", "the id of an event is expected"))?,
    };
    let moved = surface.store.replay_subscription(known.id, after).await?;
    Ok((StatusCode::ACCEPTED, Json(moved.into())))
}

/// Another account's looks like none.
async fn visible(surface: &Surface, caller: &Caller, id: Id) -> Result<Subscription, ApiError> {
    caller.no_agent()?;
    let known = surface.store.subscription(id).await?;
    if caller.may_see(&known.account) { Ok(known) } else { Err(ApiError::not_found("webhook")) }
}

const SECRET_CHARACTERS_MIN: usize = 16;
