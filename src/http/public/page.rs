//! A page of one sentence for whoever followed a link in a mail, who may have never heard of us.

use crate::http::error::ApiError;
use askama::Template;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What the page says, and the one thing that can be done on it.
#[derive(Debug, Default, Template)]
#[template(path = "note.html")]
pub struct Note {
    pub title: &'static str,
    pub sentence: String,
    /// The button's words; empty for a page without one. It posts to the page's own address.
    pub button: &'static str,
}

impl Note {
    pub fn new(title: &'static str, sentence: impl Into<String>) -> Note {
        Note { title, sentence: sentence.into(), button: "" }
    }

    pub fn shown(&self, status: StatusCode) -> Response {
        match self.render() {
            Ok(page) => (status, HEADERS, page).into_response(),
            Err(error) => ApiError::internal(&error).into_response(),
        }
    }
}

/// For a link that is damaged, or was never ours: which of them is nobody's business.
pub fn no_such_link() -> Response {
    let sentence =
        "It may have been cut by a line break in a mail. Copy the whole link, or answer the mail and ask for it.";
    Note::new("This link does not work", sentence).shown(StatusCode::NOT_FOUND)
}

/// When the store fails: a person reads it.
pub fn try_again(error: &ApiError) -> Response {
    Note::new("That did not work", "Please try again in a few minutes.").shown(error.status)
}

pub async fn style() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("../page/note.css"))
}

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];
