//! What the ledger and the log learn of mail that was offered and not accepted.

use super::receive::Words;
use super::services::Services;
use crate::conversation::model::{Ingress, Outcome};
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
    /// Another door than SMTP said so.
    Answered { outcome: Outcome, said: &'a str, reason: &'a str },
    /// The connection ended before an answer was due.
    Cut { reason: &'a str },
}

impl<'a> End<'a> {
    /// A refusal of policy, in the words of the door: whether it is for good or for now is what the SMTP reply says.
    pub fn refused(stage: &'static str, line: &'a str, words: Option<Words>, reason: &'a str) -> End<'a> {
        match words {
            None => End::Refused { stage, line, reason },
            Some(words) if line.starts_with('4') => {
                End::Answered { outcome: Outcome::Deferred, said: words.try_again, reason }
            }
            // Nobody but the ledger hears of it: a provider that is told so would bring the mail again and again.
            Some(words) => End::Answered { outcome: Outcome::Rejected, said: words.taken, reason },
        }
    }
}

/// Counts, logs and enters one refusal.
pub(super) fn refuse(services: &Services, origin: &Origin, offer: &Offer<'_>, end: End<'_>) {
    let (outcome, reason, reply) = match end {
        End::Refused { stage, line, reason } => {
            services.counters.reject(stage, line);
            let outcome = if line.starts_with('4') { Outcome::Deferred } else { Outcome::Rejected };
            (outcome, reason, line.to_owned())
        }
        End::Answered { outcome, said, reason } => (outcome, reason, said.to_owned()),
        // The peer heard neither yes nor no and will come again.
        End::Cut { reason } => (Outcome::Deferred, reason, String::new()),
    };
    tell(services, origin, offer, (outcome, reason, &reply));
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

/// Counts and logs it; the entry is written by who calls.
pub(super) fn tell(services: &Services, origin: &Origin, offer: &Offer<'_>, end: (Outcome, &str, &str)) {
    let (outcome, reason, reply) = end;
    services.counters.ingested(ingress_word(origin.ingress), outcome_word(outcome));
    tracing::info!(
        session = %origin.session,
        remote_ip = origin.remote_ip.map(tracing::field::display),
        from = offer.envelope_from.map(masked),
        to = offer.envelope_to.map(masked),
        outcome = outcome_word(outcome),
        reason,
        reply,
        "mail refused"
    );
}

/// An address as the log may hold it: a whole reply token lets mail in, however it is dressed (quoted, percent-encoded,
/// in a relay's `user%host`, in our own address as somebody's sender).
pub(super) fn masked(text: &str) -> String {
    let is_token = |run: &str| run.bytes().filter(u8::is_ascii_hexdigit).count() >= TOKEN_DIGITS;
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(is_digit_or_hyphen) {
        let (before, from_run) = rest.split_at(at);
        let (run, after) = from_run.split_at(from_run.find(|c| !is_digit_or_hyphen(c)).unwrap_or(from_run.len()));
        shown.push_str(before);
        match run.get(..DIGITS_SHOWN).filter(|_| is_token(run)) {
            Some(start) => shown.extend([start, "…"]),
            None => shown.push_str(run),
        }
        rest = after;
    }
    shown + rest
}

/// Ids of mailers are long hexadecimal numbers too, and operators look for them; only one that speaks of a reply address
/// or a conversation may hold a token (`filing::wanted`).
pub(super) fn masked_id(id: &str) -> String {
    let lower = id.to_ascii_lowercase();
    if ["reply", "conversation"].iter().any(|word| lower.contains(word)) { masked(id) } else { id.to_owned() }
}

fn is_digit_or_hyphen(c: char) -> bool {
    c.is_ascii_hexdigit() || c == '-'
}

const TOKEN_DIGITS: usize = 32;
const DIGITS_SHOWN: usize = 5;

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
    use super::{masked, masked_id};

    #[test]
    fn a_log_line_never_holds_a_whole_token() {
        let hex = "00112233445566778899aabbccddeeff";
        assert_eq!(masked(&format!("reply+{hex}@r.example")), "reply+00112…@r.example");
        assert_eq!(masked("Reply-00112233-4455-6677-8899-AABBCCDDEEFF@r.example"), "Reply-0011…@r.example");
        assert_eq!(masked("support@acme.example"), "support@acme.example");
        assert_eq!(masked("ü-ab@acme.example"), "ü-ab@acme.example");
        for dressed in [
            format!("reply+{hex}%r.example@evil.example"),
            format!("\"reply+{hex}@r.example\"@evil.example"),
            format!("reply%2B{hex}@r.example"),
            format!("reply+{hex}0+x@r.example"),
        ] {
            assert!(masked(&dressed).contains('…') && !masked(&dressed).contains(&hex[6..]), "{dressed}");
        }
    }

    #[test]
    fn ids_of_mailers_stay_whole_and_ids_with_a_token_do_not() {
        let hex = "00112233445566778899aabbccddeeff";
        assert_eq!(masked_id(&format!("{hex}@mailer.example")), format!("{hex}@mailer.example"));
        assert_eq!(
            masked_id("conversation/00112233-4455-6677-8899-aabbccddeeff/messages/7@r.example"),
            "conversation/00112…/messages/7@r.example"
        );
    }
}
