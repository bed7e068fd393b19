//! Mandrill's inbound webhook: `mandrill_events` holds a JSON list; the signature covers the URL and all parameters.
//!
//! The URL is the one that Mandrill was given: `http.public_url` and the path, whatever a TLS proxy makes of it.
//! Mandrill's own SPF result names no client address, so SPF is `none`.

use super::answer::Refused;
use super::basic::equal;
use super::body::Octets;
use super::call::Call;
use super::collect::{Parameter, Parameters, Proof, Wanted};
use super::deliver::{Brought, deliver};
use super::intake::Intake;
use super::json::{self, Member};
use crate::config::checked::IngressSecret;
use crate::mail::address::Address;
use aws_lc_rs::hmac;
use std::sync::Arc;
use tokio::task::JoinSet;

pub async fn take(call: &Arc<Call>, body: &mut Octets) -> Result<(), Refused> {
    let signature = call.header("x-mandrill-signature").unwrap_or_default();
    if signature.trim_ascii().is_empty() {
        // What is not even signed is not read.
        call.keys()?.opened_by("the field X-Mandrill-Signature is missing", |_, _| false)?;
    }
    call.keys()?;
    let (mut parameters, _) = call.parameters(WANTED, body).await?;
    let signed = Signed { parameters: &parameters, signature };
    let url = format!("{}{}", call.config.http.public_url, path(call));
    if signed.is_by(PROBE_KEY, &url) && parameters.sorted() == [(EVENTS, &Parameter::Text(b"[]".to_vec()))] {
        // Mandrill asks so whether the URL is there, before it knows a key.
        return Ok(());
    }
    let wrong = signed.why_not(call, &url);
    let opened = call.keys()?.opened_by(&wrong, |_, secret| signed.is_by(secret.expose(), &url))?;
    let events = events(&mut parameters)?;
    drop(parameters);
    deliver_all(call, &Arc::new(opened), events).await
}

fn path(call: &Call) -> &str {
    call.parts.uri.path_and_query().map_or("/", |path| path.as_str())
}

/// What the signature is made over.
struct Signed<'a> {
    parameters: &'a Parameters,
    signature: &'a [u8],
}

impl Signed<'_> {
    fn is_by(&self, key: &str, url: &str) -> bool {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()));
        context.update(url.as_bytes());
        for (name, parameter) in self.parameters.sorted() {
            context.update(name.as_bytes());
            if let Parameter::Text(text) = parameter {
                context.update(text);
            }
        }
        equal(data_encoding::BASE64.encode(context.sign().as_ref()).as_bytes(), self.signature)
    }

    fn octets(&self) -> usize {
        let texts = self.parameters.sorted().into_iter().map(|(_, parameter)| match parameter {
            Parameter::Text(text) => text.len(),
            Parameter::Number(_) | Parameter::Other => 0,
        });
        texts.sum()
    }

    /// For the operator: a signature that is right for the URL as it was called tells what is wrong with ours.
    fn why_not(&self, call: &Call, url: &str) -> String {
        let host = call.header("host").map(String::from_utf8_lossy).unwrap_or_default();
        let called = ["https", "http"].map(|scheme| format!("{scheme}://{host}{}", path(call)));
        let keys = call.config.accounts.iter().filter_map(|account| account.ingress.mandrill_api_key.as_ref());
        // Who has proven nothing may not make us sign a large body over and over.
        for secret in keys.filter(|_| self.octets() <= EXPLAINED_OCTETS_MAX) {
            let IngressSecret::Ready(secret) = secret else { continue };
            if let Some(right) = called.iter().find(|called| self.is_by(secret.expose(), called)) {
                return format!(
                    "the signature is for {right}, and http.public_url makes it {url}: mend http.public_url"
                );
            }
        }
        format!(
            "the signature is missing or wrong: is ingress.mandrill.api_key this webhook's key, and is its URL {url}?"
        )
    }
}

/// A mail that came in.
#[derive(Debug)]
struct Inbound {
    raw: String,
    email: Option<Address>,
}

/// Every event is looked at before any mail is taken: a list is taken whole or not at all.
fn events(parameters: &mut Parameters) -> Result<Vec<Inbound>, Refused> {
    let parameter = parameters.take(EVENTS).filter(|parameter| !parameter.is_blank());
    let parameter = parameter.ok_or_else(|| Refused::missing("mandrill_events is missing or blank"))?;
    let wrong = || Refused::unprocessable("mandrill_events is no JSON list of objects");
    let Parameter::Text(mut text) = parameter else { return Err(wrong()) };
    json::mend_halves(&mut text);
    let events = json::objects(&text, &["event", "msg", "raw_msg", "email"], EVENTS_MAX).map_err(|_| wrong())?;
    let events = events.ok_or_else(|| Refused::too_large(format!("more than {EVENTS_MAX} events in one request")))?;
    let mut inbound = Vec::new();
    for mut event in events {
        if event.take("event").and_then(Member::text).as_deref() == Some("inbound") {
            inbound.push(
                mail(event.take("msg")).ok_or_else(|| Refused::unprocessable("an inbound event has no msg.raw_msg"))?,
            );
        }
    }
    Ok(inbound)
}

fn mail(message: Option<Member>) -> Option<Inbound> {
    let mut message = message?;
    let email = message.take("email").and_then(Member::text).and_then(|email| Address::parse(email.trim()).ok());
    message.take("raw_msg").and_then(Member::text).map(|raw| Inbound { raw, email })
}

/// Several at a time, so that their commits share a sync. One that cannot be taken now makes Mandrill bring all of them
/// again, and those that were taken are told by what they are.
async fn deliver_all(call: &Arc<Call>, opened: &Arc<Vec<String>>, events: Vec<Inbound>) -> Result<(), Refused> {
    let (mut running, mut result) = (JoinSet::new(), Ok(()));
    for event in events {
        while running.len() >= AT_A_TIME {
            result = result.and(joined(running.join_next().await));
        }
        let (call, opened) = (Arc::clone(call), Arc::clone(opened));
        running.spawn(async move { deliver_one(&call, &opened, event).await });
    }
    while let Some(one) = running.join_next().await {
        result = result.and(joined(Some(one)));
    }
    result
}

fn joined(one: Option<Result<Result<(), Refused>, tokio::task::JoinError>>) -> Result<(), Refused> {
    match one {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(Refused::unavailable(error.to_string())),
        None => Ok(()),
    }
}

async fn deliver_one(call: &Call, opened: &[String], event: Inbound) -> Result<(), Refused> {
    let mut intake = Intake::new(&call.services);
    for piece in event.raw.as_bytes().chunks(PIECE_OCTETS) {
        intake.append(&call.services, piece.to_vec()).await?;
    }
    let mail = intake.finish(&call.services).await?;
    deliver(call, opened, Brought { envelope: event.email.into_iter().collect(), ..Brought::bare(mail) }).await
}

const EVENTS: &str = "mandrill_events";
const PROBE_KEY: &str = "test-webhook";
const WANTED: Wanted = Wanted { mail: None, kept: &[EVENTS], noted: &[], everything: true, proof: Proof::Inside };
/// As many as Mandrill puts into one request.
const EVENTS_MAX: usize = 1000;
const AT_A_TIME: usize = 16;
const EXPLAINED_OCTETS_MAX: usize = 8 * 1024 * 1024;
const PIECE_OCTETS: usize = 64 * 1024;
