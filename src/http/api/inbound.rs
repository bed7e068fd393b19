//! `/api/v1/inbound`: the ledger of every mail that was offered to us, the raw mails, and filing them again.

use super::conversations::within;
use super::shape::{BridgeShape, InboundShape, List};
use crate::conversation::id::Id;
use crate::conversation::model::Outcome;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{PathId, Query, cursor, page_length, time};
use crate::http::surface::Surface;
use crate::inbound::kept::{self, Staying};
use crate::mail::dsn::{self, Bounce};
use crate::mail::parsed::ParsedMail;
use crate::store::ledger::{LedgerEntry, LedgerInboxes, LedgerQuery};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
    #[param(value_type = Option<String>)]
    outcome: Option<Outcome>,
    /// Part of the envelope's sender or recipient, or a whole Message-ID.
    query: Option<String>,
    /// Offered at this time or later.
    from: Option<String>,
    /// Offered before this time.
    until: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[utoipa::path(get, path = "/api/v1/inbound", params(ListQuery),
    responses((status = 200, description = "newest first", body = List<InboundShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<InboundShape>>, ApiError> {
    let page = surface
        .store
        .ledger(LedgerQuery {
            account: caller.scope(query.account)?,
            inboxes: limited_to(&surface, &caller),
            outcome: query.outcome,
            from: time("from", query.from.as_deref())?,
            until: time("until", query.until.as_deref())?,
            query: query.query,
            before: cursor(query.cursor.as_deref())?,
            limit: page_length(query.limit)?,
        })
        .await?;
    let bridged = surface.store.bridge_entries(page.items.iter().map(|entry| entry.id).collect()).await?;
    let mut items: Vec<InboundShape> = page.items.into_iter().map(InboundShape::from).collect();
    for entry in bridged {
        let item = items.iter_mut().find(|item| item.id == entry.ledger_id);
        item.into_iter().for_each(|item| item.bridge = Some(BridgeShape::from(entry.clone())));
    }
    Ok(Json(List { items, next: page.next }))
}

#[utoipa::path(get, path = "/api/v1/inbound/{id}", params(("id" = String, Path)),
    responses((status = 200, description = "one mail that was offered", body = InboundShape)))]
pub async fn show(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<InboundShape>, ApiError> {
    let entry = visible(&surface, &caller, id).await?;
    let Inside { from, subject, bounce } = inside(&surface, &entry).await?;
    let bridge = surface.store.bridge_entry(id).await?.map(BridgeShape::from);
    Ok(Json(InboundShape { from, subject, bounce, bridge, ..entry.into() }))
}

/// What the mail itself says.
#[derive(Default)]
struct Inside {
    from: Option<String>,
    subject: Option<String>,
    /// The facts of a bounce that concerns no conversation; any other bounce has them on its message.
    bounce: Option<Bounce>,
}

async fn inside(surface: &Surface, entry: &LedgerEntry) -> Result<Inside, ApiError> {
    let Some(raw_id) = entry.raw_id else { return Ok(Inside::default()) };
    let is_stray = entry.outcome == Outcome::Filed && entry.message_id_stored.is_none();
    let _permit = surface.mail_readers.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let raw = surface.store.raw_mail(raw_id).await?;
    let read = tokio::task::spawn_blocking(move || {
        let mail = ParsedMail::parse(&raw);
        let bounce = if is_stray { dsn::read(&mail) } else { None };
        Inside { from: mail.field("from").map(str::to_owned), subject: mail.subject().map(str::to_owned), bounce }
    });
    read.await.map_err(|error| ApiError::internal(&error))
}

#[utoipa::path(get, path = "/api/v1/inbound/{id}/raw", params(("id" = String, Path)),
    responses((status = 200, description = "the mail as it came", content_type = "message/rfc822")))]
pub async fn raw(State(surface): State<Surface>, caller: Caller, PathId(id): PathId) -> Result<Response, ApiError> {
    let entry = visible(&surface, &caller, id).await?;
    let raw_id = entry.raw_id.ok_or_else(|| ApiError::not_found("raw mail: it was not accepted"))?;
    let octets = surface.store.raw_mail(raw_id).await?;
    let headers: [(HeaderName, String); 4] = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.eml\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
    ];
    Ok((headers, octets).into_response())
}

#[utoipa::path(post, path = "/api/v1/inbound/{id}/replay", params(("id" = String, Path)),
    responses((status = 202, description = "the mail will be filed again; one that was kept, for whom it is now known to be", body = InboundShape),
        (status = 409, description = "it did not fail and is not kept, or nobody here takes it yet")))]
pub async fn replay(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<(StatusCode, Json<InboundShape>), ApiError> {
    let entry = visible(&surface, &caller, id).await?;
    let replayed = match entry.outcome {
        Outcome::Failed => surface.store.replay(id).await?,
        Outcome::Rejected if entry.raw_id.is_some() => kept::replay(&surface.inbound, &entry).await?,
        _ => {
            let message = "only a mail whose outcome is failed, or that was kept, can be replayed";
            return Err(ApiError::new(StatusCode::CONFLICT, "not_failed", message));
        }
    };
    Ok((StatusCode::ACCEPTED, Json(replayed.into())))
}

impl From<Staying> for ApiError {
    fn from(staying: Staying) -> ApiError {
        match staying {
            Staying::Unknown(_) => ApiError::new(StatusCode::CONFLICT, "still_unknown", staying.to_string()),
            Staying::Refused(_) => ApiError::new(StatusCode::CONFLICT, "refused", staying.to_string()),
            Staying::Undecided => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", staying.to_string()),
            Staying::Store(error) => error.into(),
        }
    }
}

#[utoipa::path(post, path = "/api/v1/inbound/{id}/bridge/retry", params(("id" = String, Path)),
    responses((status = 202, description = "the mail goes over its bridge now, also one that was given up", body = InboundShape)))]
pub async fn retry_bridge(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<(StatusCode, Json<InboundShape>), ApiError> {
    let entry = visible(&surface, &caller, id).await?;
    let bridge = Some(surface.store.retry_bridged(id).await?.into());
    Ok((StatusCode::ACCEPTED, Json(InboundShape { bridge, ..entry.into() })))
}

/// The inboxes of a caller who sees some only.
fn limited_to(surface: &Surface, caller: &Caller) -> Option<LedgerInboxes> {
    let names = caller.inboxes()?.to_vec();
    let config = surface.config.load();
    let inboxes = config.accounts.iter().filter(|account| caller.may_see(&account.name)).flat_map(|own| &own.inboxes);
    let addresses = inboxes.filter(|inbox| names.contains(&inbox.name)).filter_map(|inbox| inbox.address.as_ref());
    let addresses = addresses.map(|address| address.to_lowercase()).collect();
    Some(LedgerInboxes { names, addresses })
}

/// As the list of the ledger has it.
async fn in_own_inbox(surface: &Surface, caller: &Caller, entry: &LedgerEntry) -> Result<bool, ApiError> {
    let Some(own) = limited_to(surface, caller) else { return Ok(true) };
    match entry.conversation_id {
        Some(conversation) => within(surface, caller, conversation).await,
        None => {
            let recipient = entry.envelope_to.as_deref().unwrap_or_default().to_lowercase();
            Ok(own.addresses.contains(&recipient))
        }
    }
}

/// The entry, if it is there and the caller may see it; a foreign one looks like none. Mails to nobody's domain are the owner's to see.
async fn visible(surface: &Surface, caller: &Caller, id: Id) -> Result<LedgerEntry, ApiError> {
    let entry = surface.store.ledger_entry(id).await?;
    let may = match &entry.account {
        Some(account) => caller.may_see(account) && in_own_inbox(surface, caller, &entry).await?,
        None => *caller == Caller::Owner,
    };
    if may { Ok(entry) } else { Err(ApiError::not_found("ledger entry")) }
}
