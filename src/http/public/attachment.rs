//! `/attachments/{id}`: a file that was too large for a mail, by its signed link, until that ends.

use super::page::{Note, no_such_link, try_again};
use crate::clock::UnixMs;
use crate::conversation::links::opens_attachment;
use crate::http::api::attachments;
use crate::http::error::ApiError;
use crate::http::input::{PathId, Query};
use crate::http::surface::Surface;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Link {
    /// Seconds since the Unix epoch.
    until: i64,
    signature: String,
}

#[utoipa::path(get, path = "/attachments/{id}", params(("id" = String, Path), Link), security(()),
    responses((status = 200, description = "the content", content_type = "application/octet-stream"),
        (status = 404, description = "the link is not ours", content_type = "text/html"),
        (status = 410, description = "the link has ended", content_type = "text/html")))]
pub async fn download(
    State(surface): State<Surface>,
    id: Result<PathId, ApiError>,
    link: Result<Query<Link>, ApiError>,
) -> Response {
    let (Ok(PathId(id)), Ok(Query(link))) = (id, link) else { return no_such_link() };
    let opens = |now| opens_attachment(surface.store.keys(), id, link.until, &link.signature, now);
    if !opens(UnixMs(i64::MIN)) {
        return no_such_link();
    }
    if !opens(surface.clock.now()) {
        let sentence =
            "Links to files end after a while. Answer the mail that it stands in, and ask for the file again.";
        return Note::new("This link has ended", sentence).shown(StatusCode::GONE);
    }
    match attachments::content(&surface, id).await {
        Ok(file) => file.into_response(),
        Err(error) if error.status == StatusCode::NOT_FOUND => no_such_link(),
        Err(error) => try_again(&error),
    }
}
