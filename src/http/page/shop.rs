//! The demo's shop: a site of a few words with the chat on its pages. Whoever is signed in there is known to the chat by
//! the hash that the shop's server made, as any site does it.

use super::local::demo;
use super::looks;
use super::mailboxes::Shopper;
use crate::http::error::ApiError;
use crate::http::input::Query;
use crate::http::surface::Surface;
use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "shop.html")]
struct Page {
    /// Which of the shop's pages.
    page: &'static str,
    shopper: Option<Shopper>,
    /// What the shop's links carry on.
    query: &'static str,
    inbox: &'static str,
}

/// What a visit's address may say. The chat's own parameter is the chat's business.
#[derive(Debug, Deserialize)]
pub struct Visit {
    #[serde(default, rename = "as")]
    visitor: Visitor,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Visitor {
    #[default]
    Customer,
    Stranger,
}

pub async fn kettle(
    State(surface): State<Surface>,
    headers: HeaderMap,
    Query(visit): Query<Visit>,
) -> Result<Response, ApiError> {
    show(&surface, &headers, "kettle", &visit)
}

pub async fn page(
    State(surface): State<Surface>,
    headers: HeaderMap,
    Path(page): Path<String>,
    Query(visit): Query<Visit>,
) -> Result<Response, ApiError> {
    match page.as_str() {
        "delivery" => show(&surface, &headers, "delivery", &visit),
        _ => Err(ApiError::not_found("page of the shop")),
    }
}

fn show(surface: &Surface, headers: &HeaderMap, page: &'static str, visit: &Visit) -> Result<Response, ApiError> {
    let demo = demo(surface, headers)?;
    let (shopper, query) = match visit.visitor {
        Visitor::Customer => (Some(demo.shopper.clone()), ""),
        Visitor::Stranger => (None, "?as=stranger"),
    };
    let page = Page { page, shopper, query, inbox: demo.inbox }.render();
    Ok((HEADERS, page.map_err(|error| ApiError::internal(&error))?).into_response())
}

/// What the chat loads comes from here too. The demo's first page frames the shop.
const HEADERS: [(HeaderName, &str); 3] = looks::page(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);
