//! `/widget/v1/visitors` and `/widget/v1/identity`: a browser becomes a visitor, and a visitor somebody whom the site vouches
//! for.

use super::guest::{Stranger, fresh_token, identity_required};
use super::identity::{self, Identity, Worth};
use super::messages::{email, weigh};
use super::place::Place;
use super::refused::Refused;
use super::shape::{EntryShape, VisitorShape};
use crate::config::checked::IdentityRule;
use crate::http::input::{Body, line};
use crate::http::surface::Surface;
use crate::mail::address::Address;
use crate::store::visitors::{Claim, ContactChanges, Identification, NewVisitor, Proof, Surroundings, Visitor};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Newcomer {
    /// `account/inbox`, or the inbox alone where only one account has it.
    inbox: String,
    identity: Option<Identity>,
    language: Option<String>,
    time_zone: Option<String>,
    /// Kept with the first message.
    #[expect(dead_code, reason = "a widget may send it with every call")]
    page: Option<String>,
}

#[utoipa::path(post, path = "/widget/v1/visitors", request_body = Newcomer, security(()),
    responses((status = 201, description = "the visitor and its token, which is shown once", body = EntryShape),
        (status = 401, description = "identity_hash_wrong or identity_required")))]
pub async fn enter(
    State(surface): State<Surface>,
    Stranger { peer, .. }: Stranger,
    headers: HeaderMap,
    Body(body): Body<Newcomer>,
) -> Result<(StatusCode, Json<EntryShape>), Refused> {
    surface.widget.newcomer(peer, surface.clock.monotonic())?;
    let place = Place::named(&surface.config.load(), &body.inbox)?;
    place.admits(&surface, &headers)?;
    let surroundings = Surroundings { language: tag(body.language), time_zone: tag(body.time_zone) };
    let (token, sha256) = fresh_token()?;
    let visitor = match body.identity {
        Some(identity) => match identity::check(&place.inbox.widget, &identity)? {
            Worth::Signed => {
                let new = vouched(&place, identity, sha256, surroundings)?;
                surface.store.identify_visitor(new).await?.visitor
            }
            Worth::Claim => {
                let new = NewVisitor { account: place.account, inbox: place.inbox.name, sha256, surroundings };
                let visitor = surface.store.add_visitor(new).await?;
                claimed(&surface, visitor, identity).await?
            }
        },
        None if place.inbox.widget.identity == IdentityRule::Required => return Err(identity_required()),
        None => {
            let new = NewVisitor { account: place.account, inbox: place.inbox.name, sha256, surroundings };
            surface.store.add_visitor(new).await?
        }
    };
    Ok((StatusCode::CREATED, Json(EntryShape { token: Some(token), visitor: VisitorShape::of(&visitor) })))
}

#[utoipa::path(post, path = "/widget/v1/identity", request_body = Identity,
    responses((status = 200, description = "who the visitor is now; with a token if it is another visitor", body = EntryShape),
        (status = 401, description = "identity_hash_wrong")))]
pub async fn identify(
    State(surface): State<Surface>,
    Stranger { visitor, peer }: Stranger,
    headers: HeaderMap,
    Body(identity): Body<Identity>,
) -> Result<Json<EntryShape>, Refused> {
    surface.widget.key(peer, surface.clock.monotonic())?;
    let visitor = visitor.ok_or_else(Refused::stranger)?;
    let place = Place::of(&surface.config.load(), &visitor.account, &visitor.inbox).ok_or_else(Refused::stranger)?;
    place.admits(&surface, &headers)?;
    if identity::check(&place.inbox.widget, &identity)? == Worth::Claim {
        let visitor = claimed(&surface, visitor, identity).await?;
        return Ok(Json(EntryShape { token: None, visitor: VisitorShape::of(&visitor) }));
    }
    let (token, sha256) = fresh_token()?;
    let new = vouched(&place, identity, sha256, Surroundings::default())?;
    let became = surface.store.identify_visitor(Identification { present: Some(visitor.id), ..new }).await?;
    let token = became.is_new.then_some(token);
    Ok(Json(EntryShape { token, visitor: VisitorShape::of(&became.visitor) }))
}

/// What a page says of its visitor without a signature is worth what the visitor types: a name, and an address where none is
/// known yet, because the page says it again at each visit and the visitor may have corrected it.
async fn claimed(surface: &Surface, visitor: Visitor, identity: Identity) -> Result<Visitor, Refused> {
    if !owns_contact(visitor.proof) {
        return Ok(visitor);
    }
    let knows_none = visitor.contact.email.is_none() && visitor.contact.claimed_email.is_none();
    // What the page has may be no address; the chat begins all the same.
    let email = email(surface, identity.email.filter(|_| knows_none)).unwrap_or_default();
    let claim = Claim { email, name: line("name", identity.name)?, fields: None };
    if claim == Claim::default() {
        return Ok(visitor);
    }
    weigh(surface, &visitor, &claim)?;
    Ok(surface.store.change_visitor(visitor.id, ContactChanges { claim, mail: None }).await?)
}

/// What the site vouches for, once its signature was checked.
fn vouched(
    place: &Place,
    identity: Identity,
    sha256: [u8; 32],
    surroundings: Surroundings,
) -> Result<Identification, Refused> {
    let identifier = line("identifier", Some(identity.identifier))?;
    let identifier = identifier.ok_or_else(|| Refused::field("identifier", "it is empty"))?;
    Ok(Identification {
        account: place.account.clone(),
        inbox: place.inbox.name.clone(),
        present: None,
        sha256,
        identifier,
        // What the site has may be no address; the chat begins all the same.
        email: identity.email.and_then(|email| Address::parse(email.trim()).ok()).map(|address| address.to_string()),
        name: line("name", identity.name)?,
        surroundings,
    })
}

/// A short word such as `de-CH` or `Europe/Zurich`; anything else is as good as nothing.
fn tag(text: Option<String>) -> Option<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_/+".contains(c);
    text.filter(|text| (1..=64).contains(&text.len()) && text.chars().all(fine))
}

/// Whether the visitor may change its contact: a link's holder may be anybody.
pub fn owns_contact(proof: Proof) -> bool {
    proof != Proof::Resume
}
