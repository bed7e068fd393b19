//! The conversation as a page: who wrote, what was verified in words, quotes folded away. Everything is escaped;
//! only text is shown, never a stranger's HTML.

use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Conversation, Direction, Message, Via};
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use crate::mail::automatic::Class;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

#[derive(Template)]
#[template(path = "demo.html")]
struct Page {
    subject: String,
    status: &'static str,
    contact: String,
    reply_address: String,
    bubbles: Vec<Bubble>,
}

/// One message.
struct Bubble {
    side: &'static str,
    author: String,
    /// Empty where the name says it.
    role: &'static str,
    /// A word for a mail that no person wrote; empty for others.
    class: &'static str,
    at: String,
    at_exact: String,
    text: String,
    quoted: String,
    signature: String,
    attachments: Vec<(String, String)>,
    badge: Option<Badge>,
}

/// What is known of a mail's author, in words.
struct Badge {
    verdict: &'static str,
    words: &'static str,
    basis: String,
}

pub async fn show(State(surface): State<Surface>, headers: HeaderMap) -> Result<Response, ApiError> {
    let id = surface.demo.ok_or_else(|| ApiError::not_found("page"))?;
    if !is_local(&headers) {
        return Err(ApiError::forbidden("the demo answers on loopback names only"));
    }
    let page = page(&surface, id).await?.render().map_err(|error| ApiError::internal(&error))?;
    Ok((StatusCode::OK, HEADERS, page).into_response())
}

/// Another site's page must not read the demo by pointing its own name at 127.0.0.1 (DNS rebinding).
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

async fn page(surface: &Surface, id: Id) -> Result<Page, ApiError> {
    let conversation = surface.store.conversation(id).await?;
    let messages = surface.store.messages(id, MESSAGES_SHOWN).await?;
    let account = surface.account(&conversation.account);
    let address = account.map(|account| conversation.reply_token.address(&account.inbound_domain));
    Ok(Page {
        subject: conversation.subject.clone().unwrap_or_else(|| "Conversation".to_owned()),
        status: status(&conversation),
        contact: conversation.contact.name.or(conversation.contact.email).unwrap_or_else(|| "a visitor".to_owned()),
        reply_address: address.unwrap_or_default(),
        bubbles: messages.into_iter().map(Bubble::from).collect(),
    })
}

fn status(conversation: &Conversation) -> &'static str {
    use crate::conversation::model::Status;
    match conversation.status {
        Status::Open => "open",
        Status::Resolved => "resolved",
        Status::Snoozed => "snoozed",
    }
}

impl From<Message> for Bubble {
    fn from(message: Message) -> Bubble {
        // What the system says is not its reporter's word: whether that is proven says nothing.
        let is_system = message.author.kind == AuthorKind::System;
        let badge = message.email.as_ref().filter(|_| !is_system).map(|email| Badge::of(&email.auth));
        let author = message.author.name.or(message.author.email);
        let role = role(message.author.kind);
        Bubble {
            side: side(message.direction),
            role: if author.is_some() { role } else { "" },
            class: message.email.as_ref().map_or("", |email| class(email.class)),
            author: author.unwrap_or_else(|| role.to_owned()),
            at: clock_time(message.created_at.0),
            at_exact: format!("{} · via {}", message.created_at.rfc3339(), via(message.via)),
            text: message.text,
            quoted: message.quoted,
            signature: message.signature,
            attachments: message.attachments.into_iter().map(|file| (file.name, octets(file.size))).collect(),
            badge,
        }
    }
}

impl Badge {
    /// Of `AuthResults` as JSON.
    fn of(auth: &serde_json::Value) -> Badge {
        let (verdict, words) = match auth.get("verdict").and_then(serde_json::Value::as_str) {
            Some("authentic") => ("authentic", "Author verified"),
            Some("forged") => ("forged", "Not from this author"),
            Some("undetermined") => ("undetermined", "Could not be checked"),
            Some(_) | None => ("unproven", "Author not proven"),
        };
        let basis = auth.get("basis").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Badge { verdict, words, basis }
    }
}

fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Incoming => "incoming",
        Direction::Outgoing => "outgoing",
        Direction::Note => "note",
        Direction::Activity => "activity",
    }
}

fn role(kind: AuthorKind) -> &'static str {
    match kind {
        AuthorKind::Contact => "contact",
        AuthorKind::Agent => "agent",
        AuthorKind::Participant => "participant",
        AuthorKind::System => "system",
    }
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Human => "",
        Class::AutoReply => "automatic reply",
        Class::Bounce => "bounce",
        Class::List => "mailing list",
    }
}

fn via(via: Via) -> &'static str {
    match via {
        Via::Widget => "widget",
        Via::Email => "email",
        Via::Api => "API",
        Via::Desk => "desk",
    }
}

fn clock_time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MIN).strftime("%-d %b, %H:%M UTC").to_string()
}

fn octets(count: u64) -> String {
    match count {
        0..1024 => format!("{count} B"),
        1024..1_048_576 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / 1_048_576),
    }
}

/// The page runs its own script, takes its own style, and reaches nothing else.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

const MESSAGES_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_wrote_is_escaped() {
        let bubble = Bubble {
            side: "incoming",
            author: "<script>alert(1)</script>".into(),
            role: "contact",
            class: "",
            at: String::new(),
            at_exact: String::new(),
            text: "</p><img src=x onerror=alert(1)>".into(),
            quoted: "\"><b>".into(),
            signature: String::new(),
            attachments: vec![("<i>.pdf".into(), "1 KiB".into())],
            badge: None,
        };
        let page = Page {
            subject: "<h1>".into(),
            status: "open",
            contact: "<u>".into(),
            reply_address: "reply+00@x".into(),
            bubbles: vec![bubble],
        };
        let html = page.render().expect("the page renders");
        for raw in ["<script>alert", "<img", "<b>", "<i>", "<u>"] {
            assert!(!html.contains(raw), "{raw} is in the page");
        }
        assert!(html.contains("&#60;img") || html.contains("&lt;img"));
    }

    #[test]
    fn a_bounce_is_the_systems_word_and_a_vacation_reply_says_that_it_is_one() {
        for (class, expected) in [
            (Class::Human, ""),
            (Class::AutoReply, "automatic reply"),
            (Class::Bounce, "bounce"),
            (Class::List, "mailing list"),
        ] {
            assert_eq!(super::class(class), expected);
        }
    }

    #[test]
    fn the_demo_answers_to_loopback_names_only() {
        for (host, expected) in [
            ("localhost:8025", true),
            ("127.0.0.1:1", true),
            ("[::1]:8025", true),
            ("evil.example:8025", false),
            ("localhost.evil.example", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a header value"));
            assert_eq!(is_local(&headers), expected, "{host}");
        }
    }
}
