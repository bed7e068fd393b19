//! The link back into a chat: `GET` changes nothing, because scanners fetch what they find in mails. It leads to the page the
//! visitor was on, with the link's words in the query; the widget there brings them to `POST /widget/v1/resume`, which alone
//! opens the conversation. Where no page may be trusted our own page shows the chat. An inbox without a widget has only the
//! page that its `resume_url` names; what that makes of the words is its own business.

use super::guest::{Stranger, fresh_token};
use super::place::Place;
use super::refused::Refused;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::conversation::links::opens_resume;
use crate::http::error::ApiError;
use crate::http::input::{Body, Query};
use crate::http::public::page::{Note, try_again};
use crate::http::surface::Surface;
use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// `<conversation>.<until>.<signature>`, as in `replyd_resume` of the page's address.
    link: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ResumedShape {
    token: String,
    #[schema(value_type = String)]
    conversation_id: Id,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Signed {
    /// Seconds since the Unix epoch.
    until: i64,
    signature: String,
}

/// A link's words.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    conversation: Id,
    until: i64,
    signature: String,
}

/// What a link is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    Good,
    Ended,
    Nothing,
}

impl Link {
    fn parse(text: &str) -> Option<Link> {
        let (conversation, rest) = text.split_once('.')?;
        let (until, signature) = rest.split_once('.')?;
        Some(Link {
            conversation: conversation.parse().ok()?,
            until: until.parse().ok()?,
            signature: signature.to_owned(),
        })
    }

    fn worth(&self, surface: &Surface) -> Worth {
        let opens = |now| opens_resume(surface.store.keys(), self.conversation, self.until, &self.signature, now);
        match (opens(UnixMs(i64::MIN)), opens(surface.clock.now())) {
            (false, _) => Worth::Nothing,
            (true, false) => Worth::Ended,
            (true, true) => Worth::Good,
        }
    }

    fn words(&self) -> String {
        format!("{}.{}.{}", self.conversation, self.until, self.signature)
    }
}

#[utoipa::path(post, path = "/widget/v1/resume", request_body = Resume, security(()),
    responses((status = 201, description = "a token that sees this conversation; a caller who has one keeps it", body = ResumedShape),
        (status = 403, description = "the link is not ours"), (status = 410, description = "the link has ended")))]
pub async fn open(
    State(surface): State<Surface>,
    Stranger { visitor, peer }: Stranger,
    headers: HeaderMap,
    Body(body): Body<Resume>,
) -> Result<(StatusCode, Json<ResumedShape>), Refused> {
    surface.widget.key(peer, surface.clock.monotonic())?;
    let link = Link::parse(&body.link).ok_or_else(wrong)?;
    match link.worth(&surface) {
        Worth::Nothing => return Err(wrong()),
        Worth::Ended => {
            let message = "this link has ended; an answer to the mail reaches the same conversation";
            return Err(Refused::new(StatusCode::GONE, "link_ended", message));
        }
        Worth::Good => {}
    }
    let conversation = surface.store.conversation(link.conversation).await.map_err(|_| wrong())?;
    let place = Place::of(&surface.config.load(), &conversation.account, &conversation.inbox).ok_or_else(wrong)?;
    place.admits(&surface, &headers)?;
    let (fresh, sha256) = fresh_token()?;
    let became = surface.store.resume_visitor(link.conversation, visitor.map(|own| own.id), sha256).await?;
    let token = if became.is_new { fresh } else { own_token(&headers) };
    Ok((StatusCode::CREATED, Json(ResumedShape { token, conversation_id: link.conversation })))
}

/// The one that the caller came with.
fn own_token(headers: &HeaderMap) -> String {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    given.and_then(crate::http::caller::bearer).unwrap_or_default().to_owned()
}

fn wrong() -> Refused {
    Refused::new(StatusCode::FORBIDDEN, "link_wrong", "this link opens nothing: it is damaged, or it was never ours")
}

#[utoipa::path(get, path = "/resume/{conversation}", params(("conversation" = String, Path), Signed), security(()),
    responses((status = 200, description = "our page with the chat; nothing changes", content_type = "text/html"),
        (status = 302, description = "to the site's page, with `replyd_resume` in its query"),
        (status = 403, description = "the link is not ours", content_type = "text/html"),
        (status = 410, description = "the link has ended", content_type = "text/html")))]
pub async fn follow(
    State(surface): State<Surface>,
    Path(conversation): Path<String>,
    signed: Result<Query<Signed>, ApiError>,
) -> Response {
    let (Ok(conversation), Ok(Query(Signed { until, signature }))) = (conversation.parse::<Id>(), signed) else {
        return no_such_link();
    };
    let link = Link { conversation, until, signature };
    match link.worth(&surface) {
        Worth::Nothing => no_such_link(),
        Worth::Ended => {
            let sentence = "Links into a chat end after a while. Answer the mail that it stands in: your answer reaches the same conversation.";
            Note::new("This link has ended", sentence).shown(StatusCode::GONE)
        }
        Worth::Good => lead(&surface, &link).await,
    }
}

/// For a link that is damaged, was never ours, or leads to a chat that is no more: which of them is nobody's business.
fn no_such_link() -> Response {
    let sentence =
        "It may have been cut by a line break in a mail. Copy the whole link, or answer the mail that it stands in.";
    Note::new("This link does not work", sentence).shown(StatusCode::FORBIDDEN)
}

async fn lead(surface: &Surface, link: &Link) -> Response {
    let conversation = match surface.store.conversation(link.conversation).await {
        Ok(conversation) => conversation,
        Err(crate::store::StoreError::NotFound(_)) => return no_such_link(),
        Err(error) => return try_again(&error.into()),
    };
    let config = surface.config.load_full();
    let Some(place) = Place::of(&config, &conversation.account, &conversation.inbox) else {
        // Another channel's: the chat is on the operator's own page, or nowhere that a link leads to.
        return match config.inbox_of(&conversation.account, &conversation.inbox) {
            Some(inbox) if !inbox.resume_url.is_empty() => found(&with_link(&inbox.resume_url, &link.words())),
            Some(_) | None => no_such_link(),
        };
    };
    match target(&place, conversation.page.as_deref()) {
        Some(page) => found(&with_link(page, &link.words())),
        None => hosted(&place, &link.words()),
    }
}

/// Where the link leads: the operator's own address, or the visitor's last page if it is of a listed site. Any other page is
/// what a stranger said it was, and would make an open redirect of the link.
fn target<'a>(place: &'a Place, page: Option<&'a str>) -> Option<&'a str> {
    let configured = place.inbox.resume_url.as_str();
    if !configured.is_empty() {
        return Some(configured);
    }
    page.filter(|page| place.has_page(page))
}

/// The address with the link in its query; what else stands in query and fragment survives, but an earlier link.
fn with_link(page: &str, words: &str) -> String {
    let (rest, fragment) = page.split_once('#').map_or((page, None), |(rest, fragment)| (rest, Some(fragment)));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("replyd_resume="));
    let query: Vec<&str> = kept.collect();
    let separator = if query.is_empty() { "" } else { "&" };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{path}?{}{separator}replyd_resume={words}{fragment}", query.join("&"))
}

fn found(address: &str) -> Response {
    let headers = [(header::LOCATION, address), (header::REFERRER_POLICY, "no-referrer")];
    (StatusCode::FOUND, headers).into_response()
}

/// Our own page with nothing but the chat.
#[derive(Debug, Template)]
#[template(path = "hosted.html")]
struct HostedPage {
    language: &'static str,
    title: String,
    inbox: String,
    link: String,
}

fn hosted(place: &Place, words: &str) -> Response {
    let inbox = &place.inbox;
    let title = if inbox.widget.title.is_empty() { &inbox.voice.display_name } else { &inbox.widget.title };
    let page = HostedPage {
        language: inbox.voice.language.tag(),
        title: title.clone(),
        inbox: format!("{}/{}", place.account, inbox.name),
        link: words.to_owned(),
    };
    match page.render() {
        Ok(page) => (PAGE_HEADERS, page).into_response(),
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

pub async fn style() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("hosted.css"))
}

const PAGE_HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    // The link is a key, and other sites' addresses are none of its locks.
    (header::REFERRER_POLICY, "no-referrer"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_fragment_of_a_page_survive() {
        for (page, expected) in [
            ("https://shop.example", "https://shop.example?replyd_resume=a.1.b"),
            ("https://shop.example/x?y=z#top", "https://shop.example/x?y=z&replyd_resume=a.1.b#top"),
            (
                "https://shop.example/?replyd_resume=old&y=%26#/a?b",
                "https://shop.example/?y=%26&replyd_resume=a.1.b#/a?b",
            ),
            ("https://shop.example/#", "https://shop.example/?replyd_resume=a.1.b#"),
        ] {
            assert_eq!(with_link(page, "a.1.b"), expected);
        }
    }

    #[test]
    fn only_a_whole_link_is_read() {
        let link = Link::parse("aaaaaaaaaaaak.90.abc").expect("a link");
        assert_eq!((link.conversation, link.until, link.words()), (Id(5), 90, "aaaaaaaaaaaak.90.abc".to_owned()));
        for text in ["", "aaaaaaaaaaaak", "aaaaaaaaaaaak.90", "x.90.abc", "aaaaaaaaaaaak.x.abc"] {
            assert_eq!(Link::parse(text), None, "{text}");
        }
    }
}
