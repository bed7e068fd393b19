//! One request to an ingress: what its door may use, and what is said at its end, to the provider and to the ledger.

use super::answer::{self, Challenge, Kind, Refused};
use super::body::{Drain, Octets};
use super::collect::{MailParameter, Parameters, Source, Wanted, collect};
use super::keys::Keys;
use crate::config::checked::Config;
use crate::conversation::model::{Ingress, Outcome};
use crate::http::client_address;
use crate::http::listener::PeerAddress;
use crate::http::surface::Surface;
use crate::inbound::Services;
use crate::inbound::doorstep::{self, Untaken};
use crate::inbound::receive::{Origin, Words};
use crate::limits::REQUEST_OCTETS_IN_MEMORY;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::Response;
use std::net::IpAddr;
use std::sync::Arc;

pub struct Call {
    pub surface: Surface,
    pub services: Arc<Services>,
    /// In force when the request came.
    pub config: Arc<Config>,
    pub origin: Origin,
    pub parts: Parts,
    success: StatusCode,
}

impl Call {
    /// The call, and its body.
    pub fn new(surface: Surface, ingress: Ingress, request: Request) -> (Call, Octets) {
        let (parts, body) = request.into_parts();
        let services = Arc::clone(&surface.inbound);
        let config = services.config.load_full();
        let origin = Origin {
            ingress,
            session: services.next_session_word(),
            remote_ip: client(&config, &parts),
            helo: None,
            tls: None,
        };
        let success = if ingress == Ingress::Mandrill { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let body = Octets::new(body, body_octets_max(&config, ingress), services.clock.clone());
        (Call { surface, services, config, origin, parts, success }, body)
    }

    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.parts.headers.get(name).map(header::HeaderValue::as_bytes)
    }

    pub fn content_type(&self) -> &str {
        self.header("content-type").and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
    }

    /// The accounts that have set this door up.
    pub fn keys(&self) -> Result<Keys<'_>, Refused> {
        Keys::of(&self.config, self.origin.ingress)
    }

    pub async fn parameters(&self, wanted: Wanted, body: &mut Octets) -> Result<(Parameters, MailParameter), Refused> {
        let source = Source {
            services: &self.services,
            budget: &self.surface.request_memory,
            budget_octets: REQUEST_OCTETS_IN_MEMORY,
            unproven: &self.surface.unproven_content,
            content_type: self.content_type(),
            query: self.parts.uri.query().unwrap_or_default(),
        };
        collect(&source, wanted, body).await
    }

    /// How acceptance tells the ledger what the provider hears.
    pub fn words(&self) -> Words {
        match self.origin.ingress {
            Ingress::Mandrill => Words { taken: "200 OK", try_again: TRY_AGAIN },
            _ => Words { taken: "204 No Content", try_again: TRY_AGAIN },
        }
    }

    /// A mail that is not for us, or that nobody should bring again: the provider is told that all is well.
    pub fn note(&self, untaken: &Untaken<'_>) {
        doorstep::not_taken(&self.services, &self.origin, untaken);
    }

    /// The answer; a refusal is entered into the ledger before.
    pub async fn answer(&self, result: Result<(), Refused>, body: &mut Octets) -> Response {
        let Err(refused) = result else { return answer::response(self.success, Challenge::None) };
        let refused = if self.is_safe() { refused.made_safe() } else { refused };
        if !body.is_withheld(self.header("expect")) {
            body.drain(Drain(body_octets_max(&self.config, self.origin.ingress))).await;
        }
        if refused.kind != Kind::Noted {
            self.note_refused(&refused);
        }
        answer::response(refused.status, self.challenge())
    }

    fn note_refused(&self, refused: &Refused) {
        let said = answer::words(refused.status);
        // Anybody may ask for a door that is not there.
        let may_log = refused.kind != Kind::NoDoor || self.surface.wrong_doors.may_log(self.services.clock.monotonic());
        if may_log {
            let path = answer::shown(self.parts.uri.path());
            tracing::warn!(session = %self.origin.session, path, reason = refused.reason, said, "a request to an ingress is refused");
        }
        let answer::Envelope { from, to } = &refused.envelope;
        let recipients = to.iter().map(|to| Some(to.as_str())).chain(to.is_empty().then_some(None));
        for envelope_to in recipients {
            self.note(&Untaken {
                outcome: if self.comes_again(refused.status) { Outcome::Deferred } else { Outcome::Rejected },
                reason: &refused.reason,
                said: &said,
                envelope_from: from.as_deref(),
                envelope_to,
                account: None,
                message_id: None,
                size: None,
                sha256: None,
            });
        }
    }

    fn is_safe(&self) -> bool {
        self.origin.ingress == Ingress::Sendgrid && Keys::safe_status(&self.config)
    }

    /// What the sender does at this status: SendGrid drops a mail at any 4xx, all others try again.
    fn comes_again(&self, status: StatusCode) -> bool {
        status.is_server_error() || self.origin.ingress != Ingress::Sendgrid
    }

    fn challenge(&self) -> Challenge {
        match self.origin.ingress {
            Ingress::Relay | Ingress::Pipe | Ingress::Postmark | Ingress::Sendgrid => Challenge::Basic,
            Ingress::Mailgun | Ingress::Mandrill | Ingress::Smtp | Ingress::Lmtp => Challenge::None,
        }
    }
}

/// Whoever a proxy of the config brought it for, as for calls of the API.
fn client(config: &Config, parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<PeerAddress>()?;
    client_address::client(*peer, &parts.headers, &config.http.forwarded_from).0
}

/// A mail is the body, or a parameter of it: percent-encoded it is three times as long, in JSON with its parts beside it
/// about as much.
fn body_octets_max(config: &Config, ingress: Ingress) -> u64 {
    let mail = config.limits.mail_octets_max;
    match ingress {
        Ingress::Relay | Ingress::Pipe => mail,
        _ => mail.saturating_mul(4).saturating_add(BESIDE_THE_MAIL),
    }
}

const TRY_AGAIN: &str = "500 Internal Server Error";
const BESIDE_THE_MAIL: u64 = 1024 * 1024;
