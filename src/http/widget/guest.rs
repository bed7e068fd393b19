//! Who calls: a visitor by its token, and the inbox it belongs to. Everything about a visitor begins here.

use super::place::Place;
use super::refused::Refused;
use crate::clock::UnixMs;
use crate::config::checked::IdentityRule;
use crate::http::caller::{bearer, hash};
use crate::http::listener::PeerAddress;
use crate::http::surface::Surface;
use crate::store::visitors::{Proof, Visitor};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use data_encoding::BASE64URL_NOPAD;
use std::net::IpAddr;

/// A visitor, where it chats, and from where it calls.
#[derive(Debug, Clone)]
pub struct Guest {
    pub visitor: Visitor,
    pub place: Place,
    pub peer: Option<IpAddr>,
}

/// A caller who may be nobody yet.
#[derive(Debug, Clone)]
pub struct Stranger {
    pub visitor: Option<Visitor>,
    pub peer: Option<IpAddr>,
}

impl FromRequestParts<Surface> for Guest {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, surface: &Surface) -> Result<Guest, Refused> {
        let Stranger { visitor, peer } = Stranger::from_request_parts(parts, surface).await?;
        let visitor = visitor.ok_or_else(Refused::stranger)?;
        let place = Place::of(&surface.config.load(), &visitor.account, &visitor.inbox);
        let place = place.ok_or_else(Refused::stranger)?;
        place.admits(surface, &parts.headers)?;
        if place.inbox.widget.identity == IdentityRule::Required && visitor.proof == Proof::Anonymous {
            return Err(identity_required());
        }
        still_there(surface, &visitor);
        Ok(Guest { visitor, place, peer })
    }
}

impl FromRequestParts<Surface> for Stranger {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, surface: &Surface) -> Result<Stranger, Refused> {
        let peer = parts.extensions.get::<PeerAddress>().and_then(|peer| peer.0);
        surface.widget.call(peer, surface.clock.monotonic())?;
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let visitor = match header.and_then(bearer) {
            // Only the hash is kept and compared: neither a copy of the store nor timing gives a token away.
            Some(token) => surface.store.visitor(hash(token)).await?,
            None => None,
        };
        Ok(Stranger { visitor, peer })
    }
}

/// For an inbox where only those chat whom the site vouches for.
pub fn identity_required() -> Refused {
    let message = "only visitors whom the site vouches for may chat here: identifier and identifier_hash are needed";
    Refused::new(StatusCode::UNAUTHORIZED, "identity_required", message)
}

/// A new token, and the form in which it is kept.
pub fn fresh_token() -> Result<(String, [u8; 32]), Refused> {
    let mut octets = [0; 32];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| crate::http::error::ApiError::internal(&"no random numbers"))?;
    let token = format!("visitor_{}", BASE64URL_NOPAD.encode(&octets));
    let sha256 = hash(&token);
    Ok((token, sha256))
}

/// Once a day it is noted that the visitor is still one; no answer waits for that.
fn still_there(surface: &Surface, visitor: &Visitor) {
    let UnixMs(now) = surface.clock.now();
    if now - visitor.heard_at.0 > DAY_MS {
        let (store, id) = (surface.store.clone(), visitor.id);
        drop(tokio::spawn(async move { store.visitor_heard(id).await }));
    }
}

const DAY_MS: i64 = 86_400_000;
