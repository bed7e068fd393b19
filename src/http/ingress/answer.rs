//! How a request ends that brings no mail in: the status that Action Mailbox would give (or, where it has none, the one
//! that loses no mail), and the reason in words for the operator. The provider learns the status only: nothing tells which
//! part of its credentials was wrong.

use super::piece::Malformed;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// A request that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    pub kind: Kind,
    /// What was wrong and what to do.
    pub reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No account has set this door up: nothing was offered to anybody.
    NoDoor,
    /// Credentials, configuration, or a body that did not arrive as it was sent: mending it here and trying again helps.
    Mendable,
    /// The request itself is not what this door takes.
    Request,
    /// Acceptance has told the ledger of each recipient.
    Noted,
}

impl Refused {
    fn new(status: StatusCode, kind: Kind, reason: impl Into<String>) -> Refused {
        Refused { status, kind, reason: reason.into() }
    }

    pub fn no_door() -> Refused {
        Refused::new(StatusCode::NOT_FOUND, Kind::NoDoor, "no account has set this ingress up")
    }

    pub fn not_configured(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, Kind::Mendable, reason)
    }

    pub fn unauthorized(reason: impl Into<String>) -> Refused {
        Refused::new(StatusCode::UNAUTHORIZED, Kind::Mendable, reason)
    }

    pub fn media_type(found: &str) -> Refused {
        let shown: String = found.chars().take(SHOWN_MAX).collect();
        let reason = format!("Content-Type is {shown:?}, and message/rfc822 is expected");
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
            Kind::Mendable if self.status.is_client_error() => {
                Refused { status: StatusCode::SERVICE_UNAVAILABLE, ..self }
            }
            Kind::Mendable | Kind::NoDoor | Kind::Request | Kind::Noted => self,
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

/// Of a peer's words in a reason.
const SHOWN_MAX: usize = 100;

/// A status as the ledger shows it.
pub fn words(status: StatusCode) -> String {
    status.to_string()
}
