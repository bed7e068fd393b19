//! What callers send: JSON bodies, queries and ids, read into types or refused with the field's name.

use super::error::ApiError;
use super::surface::Surface;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::str::FromStr;
use tokio::sync::OwnedSemaphorePermit;

/// A JSON body.
pub struct Body<T>(pub T);

/// A JSON body, or none where every member may be left out.
pub struct BodyOrNone<T>(pub T);

/// A JSON body that may carry files. Of those that are larger than usual only a few are in memory at a time: the place
/// is the handler's to keep until it is done.
pub struct LargeBody<T>(pub T, pub Option<OwnedSemaphorePermit>);

/// The query of a URL.
pub struct Query<T>(pub T);

/// The `{id}` of a path.
pub struct PathId(pub Id);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Body<T>, ApiError> {
        read(request, BODY_OCTETS_MAX).await.map(Body)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for BodyOrNone<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<BodyOrNone<T>, ApiError> {
        let octets = collected(request, BODY_OCTETS_MAX).await?;
        if octets.is_empty() {
            return Ok(BodyOrNone(T::default()));
        }
        serde_json::from_slice(&octets).map(BodyOrNone).map_err(|error| refused(&error))
    }
}

impl<T: DeserializeOwned> FromRequest<Surface> for LargeBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, surface: &Surface) -> Result<LargeBody<T>, ApiError> {
        let is_usual = content_length(&request).is_some_and(|length| length <= BODY_OCTETS_MAX);
        let place = if is_usual { None } else { surface.large_bodies.clone().acquire_owned().await.ok() };
        read(request, LARGE_BODY_OCTETS_MAX).await.map(|body| LargeBody(body, place))
    }
}

/// The JSON of a request, up to so many octets.
pub async fn read<T: DeserializeOwned>(request: Request, octets_max: usize) -> Result<T, ApiError> {
    serde_json::from_slice(&collected(request, octets_max).await?).map_err(|error| refused(&error))
}

async fn collected(request: Request, octets_max: usize) -> Result<Bytes, ApiError> {
    let body = Limited::new(request.into_body(), octets_max);
    Ok(body.collect().await.map_err(|error| unreadable(error.as_ref(), octets_max))?.to_bytes())
}

/// How long a body says it is.
pub fn content_length(request: &Request) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok())
}

/// Refuses a body that says of itself that it is too long, before any of it is read.
pub fn fits(request: &Request, octets_max: usize) -> Result<(), ApiError> {
    if content_length(request).is_some_and(|length| length > octets_max) { Err(too_large(octets_max)) } else { Ok(()) }
}

fn too_large(octets_max: usize) -> ApiError {
    let message = format!("the body is longer than {octets_max} octets");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
}

fn unreadable(error: &(dyn std::error::Error + Send + Sync + 'static), octets_max: usize) -> ApiError {
    if error.is::<LengthLimitError>() {
        return too_large(octets_max);
    }
    ApiError::new(StatusCode::BAD_REQUEST, "unreadable", "the body did not arrive in full")
}

fn refused(error: &serde_json::Error) -> ApiError {
    match error.classify() {
        serde_json::error::Category::Data => {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", seen(&error.to_string()))
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, "not_json", format!("the body is not JSON: {error}")),
    }
}

/// What a caller sent is repeated in the message, and may end in a terminal.
fn seen(message: &str) -> String {
    message.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, ApiError> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|query| Query(query.0))
            .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", seen(&error.body_text())))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathId, ApiError> {
        let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
        let id = parameters.as_ref().and_then(|all| all.iter().find(|(name, _)| *name == "id"));
        // What is no id names nothing that exists.
        id.and_then(|(_, text)| text.parse().ok()).map(PathId).ok_or_else(|| ApiError::not_found("id"))
    }
}

/// How many entries of a list are wanted.
pub fn page_length(limit: Option<u32>) -> Result<usize, ApiError> {
    match limit {
        None => Ok(PAGE_LENGTH),
        Some(limit @ 1..=PAGE_LENGTH_MAX) => Ok(usize::try_from(limit).unwrap_or(PAGE_LENGTH)),
        Some(_) => Err(ApiError::invalid("limit", &format!("a number from 1 to {PAGE_LENGTH_MAX} is expected"))),
    }
}

/// A cursor as an earlier page gave it.
pub fn cursor<T: FromStr>(text: Option<&str>) -> Result<Option<T>, ApiError> {
    text.map(|text| text.parse().map_err(|_| ApiError::invalid("cursor", "use next of the page before"))).transpose()
}

/// A time as RFC 3339 writes it.
pub fn time(field: &str, text: Option<&str>) -> Result<Option<UnixMs>, ApiError> {
    let read = |text| {
        UnixMs::from_rfc3339(text)
            .ok_or_else(|| ApiError::invalid(field, "a time such as 2027-01-31T12:00:00Z is expected"))
    };
    text.map(read).transpose()
}

/// A field that stands in one line: header fields and log lines are made of such ones.
pub fn line(field: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    let Some(text) = text.map(|text| text.trim_matches(' ').to_owned()).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if text.chars().any(char::is_control) {
        return Err(ApiError::invalid(field, "line breaks and control characters are not allowed"));
    }
    if text.len() > LINE_OCTETS_MAX {
        return Err(ApiError::invalid(field, &format!("it is longer than {LINE_OCTETS_MAX} octets")));
    }
    Ok(Some(text))
}

/// A field of several lines, with LF line ends.
pub fn text(field: &str, text: &str) -> Result<String, ApiError> {
    if text.contains('\0') {
        return Err(ApiError::invalid(field, "a NUL character is not allowed"));
    }
    if text.len() > TEXT_OCTETS_MAX {
        return Err(ApiError::invalid(field, &format!("it is longer than {TEXT_OCTETS_MAX} octets")));
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

const BODY_OCTETS_MAX: usize = 2 * 1024 * 1024;
/// Files of `uploads::OCTETS_MAX` in base64, and the words.
const LARGE_BODY_OCTETS_MAX: usize = 32 * 1024 * 1024;
const LINE_OCTETS_MAX: usize = 990;
const TEXT_OCTETS_MAX: usize = 512 * 1024;
const PAGE_LENGTH: usize = 50;
const PAGE_LENGTH_MAX: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::query::ConversationCursor;

    #[test]
    fn one_line_fields_hold_no_control_characters() {
        for bad in ["a\r\nBcc: x", "a\nb", "a\0b", "a\u{1b}[2J", &"x".repeat(LINE_OCTETS_MAX + 1)] {
            assert!(line("subject", Some(bad.to_owned())).is_err(), "{bad:?}");
        }
        assert_eq!(line("subject", Some("  Grüße ".into())), Ok(Some("Grüße".into())));
        assert_eq!(line("subject", Some("x".repeat(LINE_OCTETS_MAX))).map(|l| l.map(|l| l.len())), Ok(Some(990)));
        assert_eq!(line("subject", Some("  ".into())), Ok(None));
    }

    #[test]
    fn what_is_wrong_is_told_without_control_characters() {
        let error =
            serde_json::from_str::<crate::conversation::model::Status>("\"a\\u001b[2J\\n\"").expect_err("no status");
        let told = refused(&error).message;
        assert!(told.contains("a\u{fffd}[2J\u{fffd}") && !told.contains(char::is_control), "{told:?}");
    }

    #[test]
    fn text_has_one_kind_of_line_end() {
        assert_eq!(text("text", "a\r\nb\rc\nd"), Ok("a\nb\nc\nd".into()));
        assert!(text("text", "a\0").is_err());
        assert!(text("text", &"x".repeat(TEXT_OCTETS_MAX + 1)).is_err());
    }

    #[test]
    fn a_cursor_that_no_page_gave_is_refused() {
        let conversations = |text| cursor::<ConversationCursor>(Some(text)).map(|cursor| cursor.map(|c| c.to_string()));
        let given = ConversationCursor { active_at: 5, id: Id(7) }.to_string();
        assert_eq!(
            conversations("5-").map_err(|error| error.message),
            Err("cursor: use next of the page before".into())
        );
        for bad in ["", "x", "5", "5-x", "--", "99999999999999999999-aa"] {
            assert!(conversations(bad).is_err(), "{bad}");
        }
        assert!(cursor::<Id>(Some("'")).is_err());
        assert_eq!(cursor::<Id>(None), Ok(None));
        assert_eq!(conversations(&given), Ok(Some(given)));
    }

    #[test]
    fn pages_have_a_length_between_one_and_the_most() {
        assert_eq!(page_length(None), Ok(50));
        assert_eq!(page_length(Some(200)), Ok(200));
        assert!(page_length(Some(0)).is_err() && page_length(Some(201)).is_err());
    }
}
