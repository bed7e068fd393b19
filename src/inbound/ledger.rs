//! What the ledger and the log learn of mail that was offered and not accepted.

use super::services::Services;
use crate::conversation::model::{Ingress, Outcome};
use crate::conversation::reply_token::ReplyToken;
use crate::mail::address::Address;
use crate::store::ledger::Refusal;
use std::net::IpAddr;

/// From where a mail comes: the same for every mail of a session, until TLS or XCLIENT changes it.
#[derive(Debug, Clone)]
pub struct Origin {
    pub ingress: Ingress,
    pub session: String,
    pub remote_ip: Option<IpAddr>,
    pub helo: Option<String>,
    /// Version and cipher suite.
    pub tls: Option<String>,
}

/// How far an offer had come when it ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Offer<'a> {
    pub envelope_from: Option<&'a str>,
    pub envelope_to: Option<&'a str>,
    pub account: Option<&'a str>,
    pub message_id: Option<&'a str>,
    pub size: Option<u64>,
    pub sha256: Option<[u8; 32]>,
    pub auth: Option<&'a serde_json::Value>,
}

/// Why it ended, and what the peer was told.
#[derive(Debug, Clone, Copy)]
pub(super) enum End<'a> {
    /// Where we said no, and the line we said.
    Refused { stage: &'static str, line: &'a str, reason: &'a str },
    /// The connection ended before an answer was due.
    Cut { reason: &'a str },
}

/// Counts, logs and enters one refusal.
pub(super) fn refuse(services: &Services, origin: &Origin, offer: &Offer<'_>, end: End<'_>) {
    let (outcome, reason, reply) = match end {
        End::Refused { stage, line, reason } => {
            services.counters.reject(stage, line);
            let outcome = if line.starts_with('4') { Outcome::Deferred } else { Outcome::Rejected };
            (outcome, reason, line.to_owned())
        }
        // The peer heard neither yes nor no and will come again.
        End::Cut { reason } => (Outcome::Deferred, reason, String::new()),
    };
    services.counters.ingested(ingress_word(origin.ingress), outcome_word(outcome));
    tracing::info!(
        session = %origin.session,
        remote_ip = origin.remote_ip.map(tracing::field::display),
        from = offer.envelope_from,
        to = offer.envelope_to.map(masked),
        outcome = outcome_word(outcome),
        reason,
        reply,
        "mail refused"
    );
    services.store.refuse(Refusal {
        ingress: origin.ingress,
        session: origin.session.clone(),
        remote_ip: origin.remote_ip,
        helo: origin.helo.clone(),
        tls: origin.tls.clone(),
        envelope_from: offer.envelope_from.map(str::to_owned),
        envelope_to: offer.envelope_to.map(str::to_owned),
        account: offer.account.map(str::to_owned),
        message_id: offer.message_id.map(str::to_owned),
        size: offer.size,
        sha256: offer.sha256.map(|hash| data_encoding::HEXLOWER.encode(&hash)),
        outcome,
        reason: reason.to_owned(),
        reply,
        auth: offer.auth.cloned(),
    });
}

/// A recipient as the log may hold it: a whole reply token lets mail in.
pub(super) fn masked(text: &str) -> String {
    match Address::parse(text).ok().and_then(|address| Some((ReplyToken::of(&address)?, address))) {
        Some((token, address)) => {
            let hex = token.to_string();
            format!("reply+{}…@{}", hex.get(..4).unwrap_or_default(), address.domain())
        }
        None => text.to_owned(),
    }
}

/// As in the ledger and in metrics.
pub(super) fn ingress_word(ingress: Ingress) -> &'static str {
    match ingress {
        Ingress::Smtp => "smtp",
        Ingress::Lmtp => "lmtp",
        Ingress::Relay => "relay",
        Ingress::Mailgun => "mailgun",
        Ingress::Mandrill => "mandrill",
        Ingress::Postmark => "postmark",
        Ingress::Sendgrid => "sendgrid",
        Ingress::Pipe => "pipe",
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Filed => "filed",
        Outcome::Rejected => "rejected",
        Outcome::Deferred => "deferred",
        Outcome::Duplicate => "duplicate",
        Outcome::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn a_log_line_never_holds_a_whole_token() {
        let hex = "00112233445566778899aabbccddeeff";
        assert_eq!(masked(&format!("Reply-{hex}@r.example")), "reply+0011…@r.example");
        assert_eq!(masked("support@acme.example"), "support@acme.example");
    }
}
