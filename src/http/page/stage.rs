//! The demo's first page: the shop with its chat, the desk, and the mailboxes, side by side. Its reader is signed in at the
//! desk as the demo's agent: that happens here and nowhere else, for a browser on this machine, while a demo runs.

use super::local::demo_from_this_machine;
use super::looks;
use super::mailboxes::DemoPages;
use crate::http::desk::session::{SessionWord, expiry};
use crate::http::error::ApiError;
use crate::http::listener::PeerAddress;
use crate::http::surface::Surface;
use askama::Template;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

#[derive(Template)]
#[template(path = "stage.html")]
struct Page {
    shop: &'static str,
    offline_delay: String,
}

pub async fn show(
    State(surface): State<Surface>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let pages = demo_from_this_machine(&surface, &headers, peer)?;
    let cookie = signed_in(&surface, &headers, pages).await?;
    let offline_delay = format!("{} seconds", pages.offline_delay.as_secs());
    let page = Page { shop: "/demo/shop", offline_delay }.render().map_err(|error| ApiError::internal(&error))?;
    let mut response = (HEADERS, page).into_response();
    if let Some((name, value)) = cookie {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// A session of the demo's agent, for a browser that has none: another tab's goes on.
async fn signed_in(
    surface: &Surface,
    headers: &HeaderMap,
    pages: &DemoPages,
) -> Result<Option<(HeaderName, HeaderValue)>, ApiError> {
    let public_url = &surface.config.load_full().http.public_url;
    let before = SessionWord::sent(headers, public_url).map(|word| word.kept());
    if let Some(before) = before
        && surface.store.agent_of_session(before).await?.is_some()
    {
        return Ok(None);
    }
    let agents = surface.store.agents(None).await?;
    let agent = agents.iter().find(|agent| agent.email == pages.agent).ok_or_else(|| ApiError::not_found("agent"))?;
    let (word, now) = (SessionWord::new()?, surface.clock.now());
    surface.store.begin_session(agent.id, word.kept(), expiry(now, now), before).await?;
    Ok(Some(word.cookie(public_url)))
}

/// The desk forbids everyone to frame it; in a demo its own first page may.
pub async fn framed(request: Request, next: Next) -> Response {
    let is_desk = request.uri().path().starts_with("/desk/");
    let mut response = next.run(request).await;
    let policy = response.headers().get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let opened =
        policy.filter(|_| is_desk).map(|policy| policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'"));
    if let Some(policy) = opened.and_then(|policy| HeaderValue::try_from(policy).ok()) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Nobody frames the page that frames the others.
const HEADERS: [(HeaderName, &str); 3] = looks::page(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
