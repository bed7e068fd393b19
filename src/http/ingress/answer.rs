//! How a request ends that brings no mail in: the status that Action Mailbox would give (or, where it has none, the one
//! that loses no mail), and the reason in words for the operator. The provider learns the status only: nothing tells which
//! part of its credentials was wrong.

use super::piece::Malformed;
use crate::conversation::model::Ingress;
use crate::mail::address::Address;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    pub kind: Kind,
    /// What was wrong and what to do.
    pub reason: String,
    /// Of the mail, where the request told it.
    pub envelope: Envelope,
}

/// Whose mail was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    pub from: Option<String>,
    pub to: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No account has set this door up: nothing was offered to anybody.
    NoDoor,
    /// Credentials, configuration, or a body that did not arrive as it was sent: mending it here and trying again helps.
    Mendable,
    /// The mail is larger than it may be. Here it may be made larger, and the mail is worth another try.
    TooLarge,
    /// The request itself is not what this door takes.
    Request,
    /// Acceptance has told the ledger of each recipient.
    Noted,
}

impl Refused {
    fn new(status: StatusCode, kind: Kind, reason: impl Into<String>) -> Refused {
        Refused { status, kind, reason: reason.into(), envelope: Envelope::default() }
    }

    pub fn no_door(ingress: Ingress) -> Refused {
        let key = match ingress {
            Ingress::Mailgun => "ingress.mailgun = { signing_key = … }",
            Ingress::Mandrill => "ingress.mandrill = { api_key = … }",
            Ingress::Postmark => "ingress.postmark = { password = … }",
            Ingress::Sendgrid => "ingress.sendgrid = { password = … }",
            Ingress::Relay | Ingress::Pipe | Ingress::Smtp | Ingress::Lmtp => "ingress.relay = { password = … }",
        };
        let reason = format!("no account has set this ingress up: give one {key} and reload, see docs/DOORS.md");
        Refused::new(StatusCode::NOT_FOUND, Kind::NoDoor, reason)
    }

    /// For the operator, before its sender gives up.
    pub fn mail_too_large(octets_max: u64) -> Refused {
        let reason = format!(
            "the mail is larger than limits.mail_size, {octets_max} octets: a larger limits.mail_size and a reload let it in when it is brought again"
        );
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, Kind::TooLarge, reason)
    }

    /// A body that has no room for a mail of `limits.mail_size` with what comes beside it.
    pub fn body_too_large(octets_max: u64) -> Refused {
        let reason = format!(
            "the body is longer than {octets_max} octets: a larger limits.mail_size and a reload let it in when it is brought again"
        );
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, Kind::TooLarge, reason)
    }

    /// With what the request told of the envelope.
    pub fn about(self, from: Option<String>, to: &[Address]) -> Refused {
        let to = to.iter().take(ENVELOPE_SHOWN_MAX).map(ToString::to_string).collect();
        Refused { envelope: Envelope { from, to }, ..self }
    }

    pub fn not_configured(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, Kind::Mendable, reason)
    }

    pub fn unauthorized(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::UNAUTHORIZED, Kind::Mendable, reason)
    }

    pub fn media_type(found: &str) -> Refused {
        let reason = format!("Content-Type is {:?}, and message/rfc822 is expected", shown(found));
        Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Kind::Request, reason)
    }

    /// A parameter that is missing or blank, where Rails says 400.
    pub fn missing(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, Kind::Request, reason)
    }

    /// A parameter that is not what it must be.
    pub fn unprocessable(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::UNPROCESSABLE_ENTITY, Kind::Request, reason)
    }

    /// The provider was set up to bring a parsed mail.
    pub fn not_raw(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, Kind::Mendable, reason)
    }

    /// A body that cannot be decoded.
    pub fn malformed(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, Kind::Mendable, reason)
    }

    pub fn too_large(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, Kind::Request, reason)
    }

    pub fn too_slow() -> Refused {
        Refused::new(StatusCode::REQUEST_TIMEOUT, Kind::Mendable, "the body did not arrive in time")
    }

    /// The store, its disk, or a budget of ours.
    pub fn unavailable(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, Kind::Mendable, reason)
    }

    /// As [`Refused::unavailable`], after the ledger was told.
    pub fn deferred() -> Refused {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, Kind::Noted, "not taken now")
    }

    /// For a provider that drops a mail at any 4xx and tries again at a 5xx: what can be mended is worth another try.
    pub fn made_safe(self) -> Refused {
        match self.kind {
            Kind::Mendable | Kind::TooLarge if self.status.is_client_error() => {
                Refused { status: StatusCode::SERVICE_UNAVAILABLE, ..self }
            }
            Kind::Mendable | Kind::TooLarge | Kind::NoDoor | Kind::Request | Kind::Noted => self,
        }
    }
}

impl From<Malformed> for Refused {
    fn from(Malformed(reason): Malformed) -> Refused {
        Refused::malformed(reason)
    }
}

/// Whether a 401 names the scheme: that of the doors with a password does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    None,
}

pub fn response(status: StatusCode, challenge: Challenge) -> Response {
    if status != StatusCode::UNAUTHORIZED || challenge == Challenge::None {
        return status.into_response();
    }
    let mut response = (status, "HTTP Basic: Access denied.\n").into_response();
    let realm = HeaderValue::from_static("Basic realm=\"Action Mailbox\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    response
}

/// Recipients of a mail that was refused, each with an entry.
const ENVELOPE_SHOWN_MAX: usize = 100;
/// Of a peer's words in a reason.
const SHOWN_MAX: usize = 100;

/// As much of a peer's words as is shown.
pub fn shown(words: &str) -> String {
    words.chars().take(SHOWN_MAX).collect()
}

/// A status as the ledger shows it.
pub fn words(status: StatusCode) -> String {
    status.to_string()
}
