//! One SMTP or LMTP session as a state machine. The shell feeds it and does what [`Output`] says.

use super::question::{Answer, Protocol, Question};
use crate::limits::Limits;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What does not change during a session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    pub protocol: Protocol,
    /// Greeting and EHLO name.
    pub hostname: String,
    pub limits: Arc<Limits>,
    /// Offer STARTTLS: a certificate is there and the connection is in clear.
    pub starttls: bool,
    /// The connection began with TLS.
    pub tls: bool,
    /// The peer may use XCLIENT.
    pub xclient: bool,
    /// Fewer than half of the session slots are free: wait less for the first MAIL.
    pub under_load: bool,
}

/// What the session wants of its shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write these octets. The shell may gather several before it flushes, but flushes before any other output is done.
    Send(Vec<u8>),
    /// Decide, then call [`Session::answer`].
    Ask(Question),
    /// Append these octets to the transaction's content.
    Content(Vec<u8>),
    /// Forget the content gathered so far.
    DiscardContent,
    /// Make the connection a TLS one, then call [`Session::tls_established`]. Octets read before it are gone.
    StartTls,
    /// Wait this long before polling on: the price of errors.
    Pause(Duration),
    /// Nothing to do before octets come ([`Session::receive`]), the peer closes ([`Session::peer_closed`]) or the
    /// deadline passes ([`Session::deadline_passed`]).
    Wait { deadline: Instant },
    /// Flush and close. `reason` is for the ledger and the log; a transaction cut in its content is named in it.
    Close { reason: &'static str },
}

/// The state machine. See the module for how to drive it.
#[derive(Debug)]
pub struct Session {
    _config: SessionConfig,
}

/// Signatures that the shell builds on; the protocol's owner fills them in.
impl Session {
    pub fn new(config: SessionConfig, now: Instant) -> Session {
        let _ = now;
        Session { _config: config }
    }

    /// The next thing to do. Poll until `Wait` or `Close`.
    pub fn poll(&mut self, now: Instant) -> Output {
        let _ = now;
        Output::Close { reason: "not built" }
    }

    /// Octets from the peer.
    pub fn receive(&mut self, octets: &[u8], now: Instant) {
        let _ = (octets, now);
    }

    /// Policy's answer to the question that `poll` asked.
    pub fn answer(&mut self, answer: Answer, now: Instant) {
        let _ = (answer, now);
    }

    /// The TLS handshake is done: everything said before is forgotten (RFC 3207 §4.2).
    pub fn tls_established(&mut self, now: Instant) {
        let _ = now;
    }

    /// The peer closed its side.
    pub fn peer_closed(&mut self, now: Instant) {
        let _ = now;
    }

    /// The deadline of the last `Wait` passed.
    pub fn deadline_passed(&mut self, now: Instant) {
        let _ = now;
    }

    /// The daemon stops: idle sessions get 421, a running DATA may finish.
    pub fn shut_down(&mut self, now: Instant) {
        let _ = now;
    }
}
