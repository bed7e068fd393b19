//! `/api/v1/attachments/{id}`: an attachment's content, as it was uploaded or from the raw mail it came in. Whatever a stranger sent
//! is handed out as a download that no browser runs; by a signed link, pictures may be shown in place.

use crate::conversation::id::Id;
use crate::conversation::model::{Attachment, Message};
use crate::http::api::conversations::visible;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::PathId;
use crate::http::surface::Surface;
use crate::mail::parsed::ParsedMail;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

#[utoipa::path(get, path = "/api/v1/attachments/{id}", params(("id" = String, Path)),
    responses((status = 200, description = "the content", content_type = "application/octet-stream")))]
pub async fn download(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let message = surface.store.attachment_message(id).await?;
    visible(&surface, &caller, message.conversation_id).await.map_err(|_| ApiError::not_found("attachment"))?;
    if let Some(content) = surface.store.attachment_octets(id).await? {
        let attachment = message.attachments.iter().find(|attachment| attachment.id == id);
        let attachment = attachment.ok_or_else(|| ApiError::not_found("attachment"))?;
        return Ok((headers(attachment), content).into_response());
    }
    Ok(content(&surface, id).await?.into_response())
}

fn attachment_of(message: Message, id: Id) -> Result<Attachment, ApiError> {
    let attachment = message.attachments.into_iter().find(|attachment| attachment.id == id);
    attachment.ok_or_else(|| ApiError::not_found("attachment"))
}

/// A file to hand out.
#[derive(Debug)]
pub struct Download {
    attachment: Attachment,
    octets: Vec<u8>,
}

/// The attachment's content: its own octets, or the part of the raw mail that it is. Whether the caller may have it was
/// decided before.
pub async fn content(surface: &Surface, id: Id) -> Result<Download, ApiError> {
    let message = surface.store.attachment_message(id).await?;
    let raw_id = message.email.as_ref().map(|email| email.raw_id);
    let attachment = attachment_of(message, id)?;
    let _permit = surface.mail_readers.acquire().await.map_err(|error| ApiError::internal(&error))?;
    if let Some(octets) = surface.store.attachment_octets(id).await? {
        return Ok(Download { attachment, octets });
    }
    let raw_id = raw_id.ok_or_else(|| ApiError::not_found("attachment"))?;
    let raw = surface.store.raw_mail(raw_id).await?;
    let part = attachment.part;
    let octets = tokio::task::spawn_blocking(move || part_octets(&raw, part)).await;
    let octets = octets.map_err(|error| ApiError::internal(&error))?;
    let octets = octets.ok_or_else(|| ApiError::not_found("attachment in the raw mail"))?;
    Ok(Download { attachment, octets })
}

fn part_octets(raw: &[u8], part: u32) -> Option<Vec<u8>> {
    let mail = ParsedMail::parse(raw);
    let part = usize::try_from(part).ok().and_then(|index| mail.parts.get(index))?;
    Some(part.octets().to_vec())
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let picture = picture(&self.octets);
        let mut response = (headers(&self.attachment), self.octets).into_response();
        if let Some(picture) = picture {
            let shown = disposition(&self.attachment.name).replacen("attachment", "inline", 1);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(picture));
            HeaderValue::try_from(shown)
                .map(|shown| response.headers_mut().insert(header::CONTENT_DISPOSITION, shown))
                .ok();
        }
        response
    }
}

/// What a browser may show in place: pictures that begin as such and hold no script, whatever their sender called them.
fn picture(octets: &[u8]) -> Option<&'static str> {
    match octets {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// RFC 6266 §4: a download under its cleaned name; `nosniff` and the sandbox keep HTML and SVG from running here.
fn headers(attachment: &Attachment) -> [(HeaderName, String); 5] {
    [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&attachment.name)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ]
}

/// RFC 8187 §3.2: UTF-8, every octet but attr-char in percent form.
fn disposition(name: &str) -> String {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._".contains(octet);
    let encoded: String = name
        .bytes()
        .map(|octet| if plain(&octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect();
    format!("attachment; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_as_a_picture_is_one() {
        for (octets, expected) in [
            (&b"\x89PNG\r\n\x1a\nrest"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a<script>", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"<svg onload=alert(1)>", None),
            (b"\x89PNG", None),
            (b"", None),
        ] {
            assert_eq!(picture(octets), expected, "{octets:?}");
        }
    }

    #[test]
    fn any_name_makes_a_clean_header() {
        assert_eq!(disposition("Angebot.pdf"), "attachment; filename*=UTF-8''Angebot.pdf");
        assert_eq!(disposition("a\"\r\nü"), "attachment; filename*=UTF-8''a%22%0D%0A%C3%BC");
    }
}
