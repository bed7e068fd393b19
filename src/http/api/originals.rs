//! `/api/v1/messages/{id}/html` and `…/raw`: a message as its author laid it out, and the mail as it came. What a stranger
//! wrote is a document of its own here, in a sandbox: no script, no form, no frame, nothing loaded from elsewhere unless
//! the agent asked for the pictures.

use super::conversations::visible;
use crate::conversation::id::Id;
use crate::conversation::model::Message;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{PathId, Query};
use crate::http::surface::Surface;
use crate::mail::html;
use crate::mail::parsed::ParsedMail;
use crate::mail::pictures::Pictures;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HtmlQuery {
    /// `allow`: pictures from elsewhere are loaded, which tells their host who reads.
    #[param(value_type = Option<String>)]
    images: Option<Images>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Images {
    Allow,
    Block,
}

#[utoipa::path(get, path = "/api/v1/messages/{id}/html", params(("id" = String, Path), HtmlQuery),
    responses((status = 200, description = "a document for a sandboxed frame", content_type = "text/html"),
        (status = 404, description = "it has no HTML, or none that can be shown safely", body = crate::http::error::ErrorBody)))]
pub async fn html(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Query(query): Query<HtmlQuery>,
) -> Result<Response, ApiError> {
    let message = visible_message(&surface, &caller, id).await?;
    let images = query.images.unwrap_or(Images::Block);
    let written = message.html.ok_or_else(no_html)?;
    let raw_id = message.email.filter(|_| written.contains("cid:")).map(|email| email.raw_id);
    let _place = surface.mail_readers.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let raw = match raw_id {
        Some(raw_id) => Some(surface.store.raw_mail(raw_id).await?),
        None => None,
    };
    let made = tokio::task::spawn_blocking(move || document(&written, raw.as_deref(), images));
    let page = made.await.map_err(|error| ApiError::internal(&error))?.ok_or_else(no_html)?;
    Ok((document_headers(images), page).into_response())
}

#[utoipa::path(get, path = "/api/v1/messages/{id}/raw", params(("id" = String, Path)),
    responses((status = 200, description = "the mail as it came, or went out", content_type = "message/rfc822"),
        (status = 404, description = "it was no mail", body = crate::http::error::ErrorBody)))]
pub async fn raw(State(surface): State<Surface>, caller: Caller, PathId(id): PathId) -> Result<Response, ApiError> {
    let message = visible_message(&surface, &caller, id).await?;
    let raw_id = message.email.map(|email| email.raw_id).ok_or_else(|| ApiError::not_found("mail of this message"))?;
    let octets = surface.store.raw_mail(raw_id).await?;
    let headers: [(HeaderName, String); 3] = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.eml\"")),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
    ];
    Ok((headers, octets).into_response())
}

/// The message, if its conversation is the caller's to see.
pub async fn visible_message(surface: &Surface, caller: &Caller, id: Id) -> Result<Message, ApiError> {
    let message = surface.store.message(id).await?;
    visible(surface, caller, message.conversation_id).await.map_err(|_| ApiError::not_found("message"))?;
    Ok(message)
}

fn no_html() -> ApiError {
    ApiError::not_found("HTML of this message that could be shown safely; its text says the same")
}

/// The sanitised HTML as a whole document; pictures of the mail itself are put into it.
fn document(written: &str, raw: Option<&[u8]>, images: Images) -> Option<String> {
    let clean = html::sanitise(written)?;
    let clean = match images {
        Images::Allow => html::with_remote_images(&clean),
        Images::Block => clean,
    };
    let clean = match raw {
        Some(raw) => Pictures::of(&ParsedMail::parse(raw)).put_into(&clean),
        None => clean,
    };
    Some(format!("{HEAD}{clean}</body></html>"))
}

/// Of every document that shows what came from outside or from a template. Same origin only so that the page around it may
/// measure it; without scripts that gives the document nothing.
pub fn document_headers(images: Images) -> [(HeaderName, String); 3] {
    let sources = match images {
        Images::Allow => "data: https: http:",
        Images::Block => "data:",
    };
    let policy = format!("{SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src {sources}; {NOTHING_ELSE}");
    [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ]
}

/// Links open in a tab of their own, outside of the sandbox, as in any mail client.
const SANDBOX: &str = "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox";
const NOTHING_ELSE: &str = "base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
const HEAD: &str = "<!doctype html><html><head><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light\">\
    <meta name=\"referrer\" content=\"no-referrer\"><title>Mail</title><base target=\"_blank\"><style>\
    body{margin:8px;font:15px/1.5 system-ui,sans-serif;color:#1c2330;background:#fff;overflow-wrap:anywhere}\
    img{max-width:100%;height:auto}img[data-remote-src]{min-width:1em;min-height:1em;outline:1px dashed #9aa5b8}\
    table{max-width:100%}pre{white-space:pre-wrap}blockquote{margin-inline:0;padding-inline-start:1em;border-inline-start:3px solid #dfe3ea}\
    </style></head><body>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_pictures_wait_until_they_are_asked_for() {
        let written = "<p>Hi</p><img src=\"https://track.example/p.gif?a=1&b=2\" alt=x>";
        let blocked = document(written, None, Images::Block).expect("a document");
        assert!(!blocked.contains(" src=") && blocked.contains("data-remote-src="), "{blocked}");
        let allowed = document(written, None, Images::Allow).expect("a document");
        assert!(allowed.contains("<img src=\"https://track.example/p.gif?a=1&amp;b=2\""), "{allowed}");
        let policy = |images| document_headers(images)[1].1.clone();
        assert!(policy(Images::Block).contains("img-src data:;"));
        assert!(policy(Images::Allow).contains("img-src data: https: http:;"));
    }

    #[test]
    fn a_document_says_nothing_of_ours_to_what_is_in_it() {
        let policy = &document_headers(Images::Block)[1].1;
        for part in ["sandbox allow-same-origin", "default-src 'none'", "form-action 'none'", "frame-ancestors 'self'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("allow-scripts") && !policy.contains("script-src"), "{policy}");
    }
}
