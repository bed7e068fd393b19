//! `/desk/sign-out`: the end of this browser's session. As all that changes something it needs the session's own word.

use super::origin;
use super::session::{SessionWord, check_csrf, no_cookie};
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Also without a session it ends at the sign-in page.
pub async fn sign_out(State(surface): State<Surface>, headers: HeaderMap) -> Result<Response, ApiError> {
    let public_url = &surface.config.load().http.public_url;
    origin::check(&headers, public_url)?;
    if let Some(word) = SessionWord::sent(&headers, public_url) {
        check_csrf(&headers, &word)?;
        surface.store.end_session(word.kept()).await?;
    }
    Ok((StatusCode::SEE_OTHER, [no_cookie(public_url)], [(header::LOCATION, "/desk/sign-in")]).into_response())
}
