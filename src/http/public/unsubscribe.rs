//! `/unsubscribe/{id}`: no more mail of the chat that this one is about; to whoever is not its contact, none at all. A page
//! with a button for people; RFC 8058's one click for their mail clients, which post without showing anything.

use super::page::{Note, no_such_link, try_again};
use crate::conversation::delivery::RecipientKind;
use crate::conversation::id::Id;
use crate::conversation::links::opens_unsubscribe;
use crate::http::error::ApiError;
use crate::http::input::{PathId, Query};
use crate::http::surface::Surface;
use crate::store::StoreError;
use crate::store::outgoing::QueueEntry;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Link {
    signature: String,
}

/// The mail that a link names, if the link is ours.
fn named(surface: &Surface, id: Result<PathId, ApiError>, link: Result<Query<Link>, ApiError>) -> Option<Id> {
    let (Ok(PathId(id)), Ok(Query(link))) = (id, link) else { return None };
    opens_unsubscribe(surface.store.keys(), id, &link.signature).then_some(id)
}

#[utoipa::path(get, path = "/unsubscribe/{id}", params(("id" = String, Path), Link), security(()),
    responses((status = 200, description = "a page that asks; nothing changes", content_type = "text/html"),
        (status = 404, description = "the link is not ours", content_type = "text/html")))]
pub async fn ask(
    State(surface): State<Surface>,
    id: Result<PathId, ApiError>,
    link: Result<Query<Link>, ApiError>,
) -> Response {
    let Some(entry) = named(&surface, id, link) else { return no_such_link() };
    match surface.store.queue_entry(entry).await {
        Ok(entry) => {
            Note { button: "Stop the mails", ..Note::new("No more mail?", consequence(&entry)) }.shown(StatusCode::OK)
        }
        Err(StoreError::NotFound(_)) => no_such_link(),
        Err(error) => try_again(&error.into()),
    }
}

#[utoipa::path(post, path = "/unsubscribe/{id}", params(("id" = String, Path), Link), security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`List-Unsubscribe=One-Click` (RFC 8058)"),
    responses((status = 200, description = "no more mail", content_type = "text/html"),
        (status = 404, description = "the link is not ours", content_type = "text/html"),
        (status = 422, description = "the body does not ask for it", content_type = "text/html")))]
pub async fn unsubscribe(
    State(surface): State<Surface>,
    id: Result<PathId, ApiError>,
    link: Result<Query<Link>, ApiError>,
    request: Request,
) -> Response {
    let Some(entry) = named(&surface, id, link) else { return no_such_link() };
    if !asks_for_it(request).await {
        let sentence = "Open the link in a browser, and press the button there.";
        return Note::new("Nothing was changed", sentence).shown(StatusCode::UNPROCESSABLE_ENTITY);
    }
    let done = match surface.store.queue_entry(entry).await {
        Ok(of) => surface.store.unsubscribe(entry).await.map(|()| of),
        Err(error) => Err(error),
    };
    match done {
        Ok(entry) => Note::new("Done", consequence(&entry)).shown(StatusCode::OK),
        Err(StoreError::NotFound(_)) => no_such_link(),
        Err(error) => try_again(&error.into()),
    }
}

/// What it means to whoever got the mail. The link stands in mails about a chat alone.
fn consequence(entry: &QueueEntry) -> &'static str {
    match entry.recipient_kind {
        RecipientKind::Contact => {
            "No more mail will come about this chat. What you are answered stays in the chat, and there you can turn the mails on again."
        }
        RecipientKind::Participant | RecipientKind::Agent => "No more mail will come to this address from here.",
    }
}

/// RFC 8058 §3.2: the pair in a form, `multipart/form-data` or `application/x-www-form-urlencoded`.
async fn asks_for_it(request: Request) -> bool {
    let body = Limited::new(request.into_body(), FORM_OCTETS_MAX).collect().await;
    let octets = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let form = String::from_utf8_lossy(&octets);
    let pair = form.split('&').any(|pair| pair.trim() == "List-Unsubscribe=One-Click");
    let part = form.contains("name=\"List-Unsubscribe\"") && form.lines().any(|line| line.trim() == "One-Click");
    pair || part
}

const FORM_OCTETS_MAX: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[tokio::test]
    async fn only_a_form_that_asks_for_it_counts() {
        for (body, expected) in [
            ("List-Unsubscribe=One-Click", true),
            ("a=b&List-Unsubscribe=One-Click\r\n", true),
            ("--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n", true),
            ("", false),
            ("One-Click", false),
            ("xList-Unsubscribe=One-Click", false),
        ] {
            assert_eq!(asks_for_it(Request::new(Body::from(body))).await, expected, "{body:?}");
        }
        let long = format!("{}&List-Unsubscribe=One-Click", "a".repeat(FORM_OCTETS_MAX));
        assert!(!asks_for_it(Request::new(Body::from(long))).await);
    }
}
