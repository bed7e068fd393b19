//! `/desk/`: the page that holds the desk. It says nothing of anybody: what it shows, its script asks `/api/v1` for.

use super::assets;
use crate::http::error::ApiError;
use askama::Template;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Redirect, Response};

#[derive(Template)]
#[template(path = "shell.html")]
struct Shell {
    styles: Vec<&'static str>,
    /// Named in the page, so that the browser asks for all of them at once and not import by import.
    modules: Vec<&'static str>,
}

pub async fn shell() -> Response {
    let shell = Shell { styles: assets::names(assets::SHELL_STYLE), modules: assets::names(assets::SCRIPT) };
    match shell.render() {
        Ok(page) => (HEADERS, page).into_response(),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// The page's relative addresses need the slash.
pub async fn with_slash() -> Redirect {
    Redirect::permanent("/desk/")
}

/// Its own scripts, styles and frames and nothing else: what a stranger got into the page would neither run nor reach out.
/// `blob:` is for pictures that came with messages, which the script fetched itself.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
];
