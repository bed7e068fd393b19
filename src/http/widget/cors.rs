//! What a browser may let a page read of our answers (Fetch §3.2). No cookie is involved: a page gets at a visitor's data
//! with the visitor's token or not at all, so these headers only say which sites may hold a widget.

use super::place::widgets;
use crate::config::checked::Config;
use crate::http::desk::origin;
use crate::http::surface::Surface;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Around every call of a widget: answers the browser's question before a call, and marks what comes of it. Whether the call
/// itself is let in is decided with its inbox (`place.rs`).
pub async fn around(State(surface): State<Surface>, request: Request, next: Next) -> Response {
    let allowed = allowed(&surface.config.load(), request.headers());
    let is_question = request.method() == Method::OPTIONS;
    let mut response = if is_question { preflight(allowed.is_some()) } else { next.run(request).await };
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        surface.inbound.counters.widget_refused.inc();
    }
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
    }
    response
}

/// `*` while every widget may be anywhere; else the asking site, if any widget may be there.
fn allowed(config: &Config, headers: &HeaderMap) -> Option<HeaderValue> {
    let asking = headers.get(header::ORIGIN)?;
    if widgets(config).all(|(_, inbox)| inbox.widget.origins.is_empty()) {
        return Some(HeaderValue::from_static("*"));
    }
    let name = asking.to_str().ok()?;
    let holds = |listed: &[String]| listed.is_empty() || listed.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_listed = widgets(config).any(|(_, inbox)| holds(&inbox.widget.origins));
    (is_listed || origin::check(headers, &config.http.public_url).is_ok()).then(|| asking.clone())
}

fn preflight(is_allowed: bool) -> Response {
    if !is_allowed {
        return StatusCode::NO_CONTENT.into_response();
    }
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PATCH"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, last-event-id"),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}
