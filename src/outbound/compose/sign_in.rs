//! The letter with an agent's sign-in link: replyd's own words, from the account's first inbox address, signed as any other mail.

use super::composed::{ComposeError, date};
use super::fields::{self, Mailbox};
use super::inspection;
use super::mime::Parts;
use super::sender::{Desk, Sender};
use super::words::time;
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use crate::conversation::keys::Purpose;
use crate::conversation::links;
use crate::mail::address::Address;
use crate::mail::msg_id::MsgId;
use lettre::message::header::{HeaderValue, Headers};
use serde::Serialize;

/// A letter to be made.
#[derive(Debug, Clone)]
pub struct SignInMail {
    pub id: Id,
    pub account: String,
    pub agent: Agent,
    pub url: String,
    pub written_at: UnixMs,
    pub until: UnixMs,
}

/// The root of the names in `sign_in.txt` and `sign_in.html`.
#[derive(Debug, Serialize)]
pub(super) struct SignInView {
    pub language: &'static str,
    /// The account's display name.
    pub name: String,
    pub subject: String,
    /// The agent's.
    pub agent: String,
    pub url: String,
    /// `2026-11-20 10:04 UTC`
    pub until: String,
}

/// The letter's octets, signed.
pub fn compose_sign_in(mail: &SignInMail, sender: &Sender) -> Result<Vec<u8>, ComposeError> {
    let desk = sender.desk(&mail.account).ok_or(ComposeError::NoAccount)?;
    let from = from(desk)?;
    let name = desk.voice("").display_name.clone();
    let to = Address::parse(&mail.agent.email).map_err(|reason| ComposeError::Recipient { reason })?;
    if !to.local().is_ascii() {
        return Err(ComposeError::InternationalRecipient);
    }
    let view = view(mail, &name);
    let (text, html) = desk.templates.render_sign_in(&view)?;
    let boundary = sender.keys.sign(Purpose::Boundary, &mail.id.to_string(), UnixMs(0));
    let parts = Parts::new(&text, &html, Vec::new(), &boundary);
    let fields = fields_of(
        mail,
        sender,
        &view,
        [Mailbox::new(Some(&name), from.clone()), Mailbox::new(Some(&mail.agent.name), to)],
    )?;
    let mut headers = Headers::new();
    let mut names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    names.push("Content-Type");
    fields.into_iter().for_each(|(_, value)| headers.insert_raw(value));
    let mut octets = headers.to_string().into_bytes();
    octets.extend_from_slice(&parts.formatted());
    if let Some(fault) = inspection::fault(&octets, &names) {
        return Err(ComposeError::Malformed(fault));
    }
    let signatures = desk.signer.sign(&octets, from.domain(), mail.written_at.seconds())?;
    octets.splice(0..0, signatures);
    Ok(octets)
}

fn view(mail: &SignInMail, name: &str) -> SignInView {
    SignInView {
        language: "en",
        name: name.to_owned(),
        subject: fields::subject(&format!("Your sign-in link for the desk of {name}")),
        agent: mail.agent.name.clone(),
        url: mail.url.clone(),
        until: time(mail.until),
    }
}

/// RFC 3834 §5: a machine wrote it, and no machine is to answer it.
fn fields_of(
    mail: &SignInMail,
    sender: &Sender,
    view: &SignInView,
    [from, to]: [Mailbox; 2],
) -> Result<Vec<(&'static str, HeaderValue)>, ComposeError> {
    let own = sender.keys.message_id(mail.id, &sender.hostname);
    let own = MsgId::parse(&own).ok_or(ComposeError::Malformed("a Message-ID that is none"))?;
    let fixed = |name: &'static str, value: String| (name, fields::fixed(name, value));
    Ok(vec![
        ("From", fields::mailboxes("From", std::slice::from_ref(&from))),
        ("Reply-To", fields::mailboxes("Reply-To", std::slice::from_ref(&from))),
        ("To", fields::mailboxes("To", std::slice::from_ref(&to))),
        ("Subject", fields::text("Subject", &view.subject)),
        fixed("Date", date(mail.written_at)),
        ("Message-ID", fields::ids("Message-ID", &[own])),
        fixed("Auto-Submitted", "auto-generated".to_owned()),
        fixed("X-Auto-Response-Suppress", "All".to_owned()),
        fixed(links::LOOP_FIELD, links::loop_mark(&sender.keys, &mail.account, mail.id)),
        fixed("Content-Language", view.language.to_owned()),
        fixed("MIME-Version", "1.0".to_owned()),
    ])
}

/// The account's first address; without one, the postmaster of its own domain, who is always there (RFC 5321 §4.5.1).
fn from(desk: &Desk) -> Result<Address, ComposeError> {
    if let Some(address) = desk.first_address() {
        return Ok(address);
    }
    Address::parse(&format!("postmaster@{}", desk.inbound_domain)).map_err(|reason| ComposeError::Own { reason })
}

/// Of nobody to nobody, for trying a template.
pub fn example(account: &str) -> SignInMail {
    SignInMail {
        id: Id(7_466_000_000_000_123),
        account: account.to_owned(),
        agent: Agent {
            id: Id(1),
            account: account.to_owned(),
            email: "sara@agents.example".to_owned(),
            name: "Sara".to_owned(),
            inboxes: None,
            by_mail: true,
            created_at: UnixMs(0),
        },
        url: format!("https://chat.example.com/desk/link/{}", "0".repeat(64)),
        written_at: UnixMs(1_790_000_000_000),
        until: UnixMs(1_790_000_900_000),
    }
}
