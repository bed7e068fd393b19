//! The conversation as a page: who wrote, what was verified in words, quotes folded away, how each answer fares by mail,
//! and a box for the agent to answer in. Everything is escaped; only text is shown, never a stranger's HTML.

use super::local::{demo, demo_from_own_page};
use super::looks::{self, HEADERS};
use crate::conversation::delivery::{Delivery, DeliveryState};
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Conversation, Direction, Message, Via};
use crate::http::api::messages::{Cast, Written};
use crate::http::error::ApiError;
use crate::http::input::Body;
use crate::http::surface::Surface;
use crate::mail::automatic::Class;
use crate::store::unit::NewMessage;
use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

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
    delivery: Option<Way>,
}

/// How an answer fares on its way to the contact's mailbox.
struct Way {
    /// For the style.
    state: &'static str,
    words: String,
    /// Who said what at the other end, and how the connection was kept.
    remote: String,
}

/// What is known of a mail's author, in words.
struct Badge {
    verdict: &'static str,
    words: &'static str,
    basis: String,
}

pub async fn show(State(surface): State<Surface>, headers: HeaderMap) -> Result<Response, ApiError> {
    let id = demo(&surface, &headers)?.conversation;
    let page = page(&surface, id).await?.render().map_err(|error| ApiError::internal(&error))?;
    Ok((StatusCode::OK, HEADERS, page).into_response())
}

/// What the agent writes in the box.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    text: String,
}

/// As `POST …/messages` of the API, for the demo's agent.
pub async fn answer(
    State(surface): State<Surface>,
    headers: HeaderMap,
    Body(answer): Body<Answer>,
) -> Result<StatusCode, ApiError> {
    let pages = demo_from_own_page(&surface, &headers)?;
    let conversation = surface.store.conversation(pages.conversation).await?;
    let agents = surface.store.agents(Some(conversation.account.clone())).await?;
    let config = surface.config.load_full();
    let posting = |direction| config.posting_of(&conversation.account, &conversation.inbox, direction);
    let cast = Cast { agents: &agents, ..Cast::default() };
    let message = Written::by_agent(pages.agent, answer.text).checked(cast, posting)?;
    surface.store.append_message(conversation.id, NewMessage { via: Via::Desk, ..message }).await?;
    Ok(StatusCode::NO_CONTENT)
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
        // What the system says is not its reporter's word, and our own mail proves nothing to ourselves.
        let is_system = message.author.kind == AuthorKind::System;
        let came = message.email.as_ref().filter(|email| email.ingress.is_some() && !is_system);
        let badge = came.map(|email| Badge::of(&email.auth));
        let author = message.author.name.or(message.author.email);
        let role = role(message.author.kind);
        Bubble {
            side: side(message.direction),
            role: if author.is_some() { role } else { "" },
            class: message.email.as_ref().map_or("", |email| class(email.class)),
            author: author.unwrap_or_else(|| role.to_owned()),
            at: looks::clock_time(message.created_at),
            at_exact: format!("{} · via {}", message.created_at.rfc3339(), via(message.via)),
            text: message.text,
            quoted: message.quoted,
            signature: message.signature,
            attachments: message.attachments.into_iter().map(|file| (file.name, looks::octets(file.size))).collect(),
            badge,
            delivery: message.delivery.map(Way::from),
        }
    }
}

impl From<Delivery> for Way {
    fn from(delivery: Delivery) -> Way {
        let due = delivery.due_at.map(looks::exact_time).unwrap_or_default();
        let reason = delivery.reason.unwrap_or_default();
        let (state, words) = match delivery.state {
            DeliveryState::Waiting => {
                ("waiting", format!("Goes out by mail at {due}, unless it is seen in the chat first"))
            }
            DeliveryState::Queued => ("queued", "On its way by mail".to_owned()),
            DeliveryState::Deferred => ("deferred", format!("Not delivered yet: {reason}. Next attempt at {due}")),
            DeliveryState::Delivered => ("delivered", "Delivered by mail".to_owned()),
            DeliveryState::Failed => ("failed", format!("Not delivered: {}", reason.trim_start_matches("not sent: "))),
            DeliveryState::Cancelled => ("cancelled", format!("Not sent by mail: {reason}")),
            DeliveryState::Seen => ("seen", "Seen in the chat: no mail needed".to_owned()),
        };
        let tls = delivery.tls.map(|tls| format!("TLS: {tls}"));
        let remote: Vec<String> = [delivery.remote, delivery.remote_reply, tls].into_iter().flatten().collect();
        Way { state, words, remote: remote.join(" · ") }
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
            delivery: Some(Way { state: "failed", words: "<em>".into(), remote: "550 <s>".into() }),
        };
        let page = Page {
            subject: "<h1>".into(),
            status: "open",
            contact: "<u>".into(),
            reply_address: "reply+00@x".into(),
            bubbles: vec![bubble],
        };
        let html = page.render().expect("the page renders");
        for raw in ["<script>alert", "<img", "<b>", "<i>", "<u>", "<em>", "<s>"] {
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
}
