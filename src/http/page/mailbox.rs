//! The demo's mailboxes as a page: what each person got by mail, with the header fields that make a thread, whether its
//! signatures hold, and a box to answer in, which really sends mail.
//!
//! A mail's HTML is sanitised and shown in a frame of its own, in which nothing runs and nothing is fetched.

use super::local::{demo, demo_from_own_page};
use super::looks;
use super::mailboxes::{MailboxMail, Owner, Post, Signature};
use crate::http::error::ApiError;
use crate::http::input::{self, Body, Query};
use crate::http::surface::Surface;
use crate::mail::parsed::ParsedMail;
use crate::mail::{content, html};
use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::oneshot;

#[derive(Template)]
#[template(path = "mailbox.html")]
struct Page {
    owner: Owner,
    tabs: Vec<Tab>,
    mails: Vec<Card>,
}

/// One person's mailbox, to change to.
struct Tab {
    owner: Owner,
    is_open: bool,
    count: usize,
}

/// One mail.
struct Card {
    number: u64,
    author: String,
    subject: String,
    at: String,
    fields: Vec<(&'static str, String)>,
    signatures: Vec<(bool, String)>,
    files: Vec<(String, String)>,
    size: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    of: Option<String>,
}

pub async fn show(
    State(surface): State<Surface>,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    let mailboxes = Arc::clone(&demo(&surface, &headers)?.mailboxes);
    let named = which.of.as_deref().map(|address| mailboxes.owner(address));
    let owner = named.unwrap_or_else(|| mailboxes.owners().first()).ok_or_else(|| ApiError::not_found("mailbox"))?;
    let tab = |other: &Owner| Tab { owner: other.clone(), is_open: other == owner, count: mailboxes.of(other).len() };
    let tabs = mailboxes.owners().iter().map(tab).collect();
    let (owner, mails) = (owner.clone(), mailboxes.of(owner));
    let page = off_the_loop(&surface, move || {
        let mails = mails.iter().map(|mail| Card::of(mail)).collect();
        Page { owner, tabs, mails }.render()
    });
    let page = page.await?.map_err(|error| ApiError::internal(&error))?;
    Ok((HEADERS, page).into_response())
}

impl Card {
    fn of(mail: &MailboxMail) -> Card {
        let parsed = ParsedMail::parse(&mail.raw);
        let field = |name: &'static str| parsed.field(name).map(|value| (name, one_line(value)));
        let author = parsed.author().map(|author| author.name.unwrap_or(author.email));
        let files = content::read(&parsed, &[]).attachments;
        Card {
            number: mail.number,
            author: author.unwrap_or_else(|| "nobody".to_owned()),
            subject: parsed.subject().unwrap_or_default().to_owned(),
            at: looks::clock_time(mail.at),
            fields: std::iter::once(("Return-Path", format!("<{}>", mail.envelope_from)))
                .chain(SHOWN.into_iter().filter_map(field))
                .collect(),
            signatures: mail.dkim.iter().map(|found| (found.passes, found.words.clone())).collect(),
            files: files.into_iter().map(|file| (file.name, looks::octets(file.size as u64))).collect(),
            size: looks::octets(mail.raw.len() as u64),
        }
    }

    /// Every signature must hold.
    fn is_verified(&self) -> bool {
        !self.signatures.is_empty() && self.signatures.iter().all(|(passes, _)| *passes)
    }
}

fn one_line(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Template)]
#[template(path = "mail_body.html")]
struct BodyPage {
    /// Sanitised.
    html: Option<String>,
    text: String,
}

pub async fn body(
    State(surface): State<Surface>,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> Result<Response, ApiError> {
    let mail = found(&surface, &headers, number)?;
    let page = off_the_loop(&surface, move || {
        let content = content::read(&ParsedMail::parse(&mail.raw), &[]);
        let html = content.html.as_deref().and_then(html::sanitise);
        BodyPage { html, text: content.text }.render()
    });
    let page = page.await?.map_err(|error| ApiError::internal(&error))?;
    Ok((BODY_HEADERS, page).into_response())
}

pub async fn raw(
    State(surface): State<Surface>,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> Result<Response, ApiError> {
    let mail = found(&surface, &headers, number)?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    ];
    Ok((headers, mail.raw.clone()).into_response())
}

/// What somebody writes in their mailbox.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    text: String,
    /// Leaves out the signature of the author's domain, as a forger must.
    #[serde(default)]
    unsigned: bool,
}

/// What replyd's door said to the answer.
#[derive(Debug, Serialize)]
pub struct Said {
    accepted: bool,
    reply: String,
}

pub async fn answer(
    State(surface): State<Surface>,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Body(written): Body<Written>,
) -> Result<Json<Said>, ApiError> {
    let posts = demo_from_own_page(&surface, &headers)?.posts.clone();
    let mail = found(&surface, &headers, number)?;
    let text = input::text("text", &written.text)?;
    if text.trim().is_empty() {
        return Err(ApiError::invalid("text", "it is empty"));
    }
    let signature = if written.unsigned { Signature::Unsigned } else { Signature::Signed };
    let (done, said) = oneshot::channel();
    let closed = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "closed", "the demo is stopping");
    posts.send(Post { mail, text, signature, done }).await.map_err(|_| closed())?;
    let said = said.await.map_err(|_| closed())?;
    Ok(Json(match said {
        Ok(reply) => Said { accepted: true, reply },
        Err(reply) => Said { accepted: false, reply },
    }))
}

fn found(surface: &Surface, headers: &HeaderMap, number: u64) -> Result<Arc<MailboxMail>, ApiError> {
    let mail = demo(surface, headers)?.mailboxes.mail(number);
    mail.ok_or_else(|| ApiError::not_found("mail: the demo keeps the last ones only"))
}

/// Reading mails costs CPU in proportion to them: a few at a time, not on the event loop.
async fn off_the_loop<T: Send + 'static>(
    surface: &Surface,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let _permit = surface.mail_readers.acquire().await.map_err(|error| ApiError::internal(&error))?;
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal(&error))
}

/// The page runs its own script, takes its own style, shows its mails in frames, and reaches nothing else. The demo's
/// first page frames it.
const HEADERS: [(HeaderName, &str); 3] = looks::page(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
);

/// No script, no fetching, and nobody but our own page may frame it. Same origin, so that the page may ask its height;
/// links open in a tab of their own, as in any mail client.
const BODY_HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// What makes a thread, and what a mail client goes by.
const SHOWN: [&str; 11] = [
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::http::page::mailboxes::SignatureFound;

    const OWNER: Owner = Owner { name: "Jane Doe", address: "jane@customer.example", role: "customer" };

    fn mail(raw: &str, passes: &[bool]) -> MailboxMail {
        MailboxMail {
            number: 7,
            at: UnixMs(0),
            envelope_from: "<b>@x".into(),
            owner: OWNER.address.into(),
            raw: raw.as_bytes().to_vec(),
            dkim: passes.iter().map(|passes| SignatureFound { passes: *passes, words: "<i>".into() }).collect(),
        }
    }

    #[test]
    fn what_strangers_wrote_is_escaped() {
        let raw = "From: \"<script>x</script>\" <a@b.example>\r\nSubject: <img src=x>\r\nReferences: <1@x>\r\n <2@x>\r\n\
            Content-Type: text/html; name=\"<u>\"\r\nContent-Disposition: attachment; filename=\"<u>.html\"\r\n\r\n<p>";
        let card = Card::of(&mail(raw, &[true]));
        assert!(card.fields.contains(&("References", "<1@x> <2@x>".to_owned())), "{:?}", card.fields);
        let tabs = vec![Tab { owner: OWNER, is_open: true, count: 1 }];
        let page = Page { owner: OWNER, tabs, mails: vec![card] }.render().expect("the page renders");
        for raw in ["<script>x", "<img", "<b>@", "<i>", "<u>", "<1@x>"] {
            assert!(!page.contains(raw), "{raw} is in the page");
        }
    }

    #[test]
    fn a_mail_is_verified_if_every_signature_holds() {
        for (passes, expected) in [(&[][..], false), (&[true], true), (&[true, false], false), (&[true, true], true)] {
            assert_eq!(Card::of(&mail("Subject: x\r\n\r\ny", passes)).is_verified(), expected, "{passes:?}");
        }
    }
}
