//! Taking responsibility for a whole mail, whatever door it came by: verify who wrote it, refuse what policy refuses,
//! commit the rest. What this answers may be told to the peer: it is on disk.

use super::content_buffer::{Content, ContentError};
use super::header::message_id;
use super::kept;
use super::ledger::{self, End, Offer};
use super::policy::{self, AgentEvidence, Answering, Recipient};
use super::services::Services;
use crate::config::checked::ForgedPolicy;
use crate::conversation::id::Id;
use crate::mail::address::email_key;
use crate::mail::{identity, line_end};
use crate::sender_auth::{AuthResults, Check, Verdict};
use crate::smtp::reply::{self, Reply};
use crate::store::mail_file::MailOctets;
use crate::store::unit::{Acceptance, AcceptedEntry, TurnedAway};
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Instant;

pub use super::ledger::Origin;

/// A mail, complete, with recipients that policy accepted.
#[derive(Debug)]
pub struct Offered {
    pub origin: Origin,
    /// Whose address SPF asks about: `None` when the peer is one of our own relays and named no client.
    pub author_ip: Option<IpAddr>,
    /// Empty for the null reverse-path; `None` where a door told no envelope.
    pub envelope_from: Option<String>,
    pub recipients: Vec<Recipient>,
    /// REQUIRETLS (RFC 8689): answers to it go under TLS only.
    pub require_tls: bool,
    pub content: Content,
    pub answering: Answering,
    /// What the peer hears, where that is no SMTP reply.
    pub words: Option<Words>,
}

/// How a door that is not SMTP answers, as the ledger tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    pub taken: &'static str,
    pub try_again: &'static str,
}

/// What became of the mail for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Durable.
    Accepted {
        ledger_id: Id,
        duplicate: bool,
    },
    Refused(Reply),
}

impl Received {
    /// As an SMTP reply.
    pub fn reply(&self) -> Reply {
        match self {
            Received::Accepted { ledger_id, .. } => reply::accepted(&ledger_id.to_string()),
            Received::Refused(reply) => reply.clone(),
        }
    }
}

/// Accepts or refuses; answers one for each recipient, in their order.
pub async fn accept_mail(services: &Services, offered: Offered) -> Vec<Received> {
    let evidence = match examine(services, &offered).await {
        Ok(evidence) => evidence,
        Err(error) => {
            tracing::error!(session = %offered.origin.session, %error, "a spilled mail cannot be read back");
            return vec![defer(services, &offered, &error); offered.recipients.len()];
        }
    };
    let envelope = Envelope::of(&offered, &evidence);
    let refusals = refusals(services, &offered, &evidence);
    if offered.words.is_some() && refusals.iter().all(|refused| refused.as_ref().is_some_and(is_for_good)) {
        return keep(services, &envelope, offered, refusals.into_iter().flatten()).await;
    }
    let (mut kept, mut received) = (Vec::new(), Vec::new());
    for (recipient, refused) in offered.recipients.iter().zip(refusals) {
        if let Some((reply, reason)) = refused {
            envelope.refuse(services, recipient, &reply, reason);
            received.push(Some(Received::Refused(reply)));
        } else {
            kept.push(recipient.clone());
            received.push(None);
        }
    }
    let mut committed = commit(services, envelope, offered.content, kept).await.into_iter();
    // Whoever was not refused above is in `kept`, in the same order.
    received.into_iter().map(|done| done.or_else(|| committed.next())).map(|done| done.unwrap_or_else(lost)).collect()
}

fn is_for_good((reply, _): &(Reply, &str)) -> bool {
    !reply.is_transient()
}

/// The peer hears that it is taken, so that it is kept.
async fn keep(
    services: &Services,
    envelope: &Envelope,
    offered: Offered,
    refused: impl Iterator<Item = (Reply, &'static str)>,
) -> Vec<Received> {
    let (replies, reasons): (Vec<Reply>, Vec<&str>) = refused.unzip();
    let turned_away = offered.recipients.iter().zip(reasons).map(|(recipient, reason)| TurnedAway {
        recipient: Some(recipient.address.clone()),
        account: Some(recipient.account.clone()),
        reason: reason.to_owned(),
    });
    let turned_away = turned_away.collect();
    match kept::commit(services, envelope, offered, turned_away).await {
        Ok(()) => replies.into_iter().map(Received::Refused).collect(),
        Err(error) => {
            tracing::warn!(session = %envelope.origin.session, %error, "a mail could not be kept");
            replies.iter().map(|_| Received::Refused(policy::not_stored(&error))).collect()
        }
    }
}

fn lost() -> Received {
    Received::Refused(reply::not_stored())
}

/// What is known of the mail besides its envelope.
#[derive(Debug)]
pub(super) struct Evidence {
    message_id: Option<String>,
    identity: Option<[u8; 32]>,
    auth: serde_json::Value,
    /// The author's domain asks to refuse this mail.
    refusable: bool,
    author_domain: String,
    verdict: Verdict,
    /// The one From address, canonical.
    author: Option<String>,
}

pub(super) async fn examine(services: &Services, offered: &Offered) -> Result<Evidence, ContentError> {
    let trusted_sealers = sealers_trusted_by_all(services, &offered.recipients);
    let limits = services.limits();
    let examiner = async |raw: &[u8]| {
        // A pipe brings LF, and signatures are made over CRLF. Over SMTP the octets are what was signed.
        let signed = offered.words.map_or(Cow::Borrowed(raw), |_| line_end::with_crlf(raw));
        let check = Check {
            ip: offered.author_ip,
            helo: offered.origin.helo.as_deref().unwrap_or_default(),
            mail_from: offered.envelope_from.as_deref().unwrap_or_default(),
            raw: &signed,
            now: services.clock.now().seconds(),
            limits: &limits,
            trusted_sealers: &trusted_sealers,
        };
        let results = services.verifier.verify(check).await;
        (message_id(raw).map(|id| id.to_string()), identity::authored(raw), results)
    };
    let begun = services.clock.monotonic();
    let (message_id, identity, results) = offered.content.read(&services.large_mails, examiner).await?;
    count(services, &results, begun);
    Ok(Evidence {
        message_id,
        identity,
        // Without the author's address SPF was not asked, and what was not asked cannot prove a forgery.
        refusable: results.refusable() && offered.author_ip.is_some(),
        author_domain: results.dmarc.domain.clone(),
        verdict: results.verdict,
        author: results.author.as_deref().map(email_key),
        auth: serde_json::to_value(&results).unwrap_or_default(),
    })
}

fn count(services: &Services, results: &AuthResults, begun: Instant) {
    let took = services.clock.monotonic().saturating_duration_since(begun);
    services.counters.auth_seconds.observe(took.as_secs_f64());
    for (method, result) in results.words() {
        services.counters.auth_result(method, result);
    }
}

/// Trust is each account's own: a mail for two accounts is excused only by sealers that both trust.
fn sealers_trusted_by_all(services: &Services, recipients: &[Recipient]) -> Vec<String> {
    let config = services.config.load();
    let mut accounts =
        config.accounts.iter().filter(|account| recipients.iter().any(|recipient| recipient.account == account.name));
    let first = accounts.next().map(|account| account.trusted_arc_sealers.clone()).unwrap_or_default();
    accounts.fold(first, |mut trusted, account| {
        trusted.retain(|sealer| account.trusted_arc_sealers.contains(sealer));
        trusted
    })
}

/// Why the mail is not taken, for each recipient, and the ledger's word for it.
fn refusals(services: &Services, offered: &Offered, evidence: &Evidence) -> Vec<Option<(Reply, &'static str)>> {
    let agents: Vec<Option<&str>> = offered.recipients.iter().map(|recipient| recipient.agent.as_deref()).collect();
    let of_agents = AgentEvidence { agents: &agents, verdict: evidence.verdict, author: evidence.author.as_deref() };
    let of_agents = policy::refused_of_agents(&of_agents, offered.answering);
    let forged = refused_as_forged(services, offered, evidence).into_iter();
    let forged = forged.map(|refused| refused.then(|| (reply::forged(&evidence.author_domain), "forged")));
    let of_agents = of_agents.into_iter().map(|refused| refused.map(|reply| (reply, "not proven to be the agent's")));
    forged.zip(of_agents).map(|(forged, of_agents)| forged.or(of_agents)).collect()
}

fn refused_as_forged(services: &Services, offered: &Offered, evidence: &Evidence) -> Vec<bool> {
    if !evidence.refusable {
        return vec![false; offered.recipients.len()];
    }
    let config = services.config.load();
    let of = |recipient: &Recipient| {
        let account = config.accounts.iter().find(|account| account.name == recipient.account);
        account.map_or(ForgedPolicy::Keep, |account| account.forged)
    };
    let policies: Vec<ForgedPolicy> = offered.recipients.iter().map(of).collect();
    policy::refused_as_forged(&policies, offered.answering)
}

fn defer(services: &Services, offered: &Offered, error: &ContentError) -> Received {
    let reply = reply::not_stored();
    for recipient in &offered.recipients {
        let offer = Offer {
            envelope_from: offered.envelope_from.as_deref(),
            envelope_to: Some(&recipient.address),
            account: Some(&recipient.account),
            size: Some(offered.content.octets()),
            sha256: Some(offered.content.sha256()),
            ..Offer::default()
        };
        let reason = error.to_string();
        ledger::refuse(
            services,
            &offered.origin,
            &offer,
            End::refused(STAGE, &reply.to_string(), offered.words, &reason),
        );
    }
    Received::Refused(reply)
}

const STAGE: &str = "end_of_content";

/// Everything about an offer that goes into the ledger, however it ends.
#[derive(Debug)]
pub(super) struct Envelope {
    pub origin: Origin,
    envelope_from: Option<String>,
    message_id: Option<String>,
    size: u64,
    sha256: [u8; 32],
    identity: Option<[u8; 32]>,
    auth: serde_json::Value,
    require_tls: bool,
    words: Option<Words>,
}

impl Envelope {
    pub fn of(offered: &Offered, evidence: &Evidence) -> Envelope {
        Envelope {
            origin: offered.origin.clone(),
            envelope_from: offered.envelope_from.clone(),
            message_id: evidence.message_id.clone(),
            size: offered.content.octets(),
            sha256: offered.content.sha256(),
            identity: evidence.identity,
            auth: evidence.auth.clone(),
            require_tls: offered.require_tls,
            words: offered.words,
        }
    }

    fn refuse(&self, services: &Services, recipient: &Recipient, reply: &Reply, reason: &str) {
        let offer = Offer { envelope_to: Some(&recipient.address), account: Some(&recipient.account), ..self.offer() };
        ledger::refuse(services, &self.origin, &offer, End::refused(STAGE, &reply.to_string(), self.words, reason));
    }

    /// For nobody yet.
    pub fn offer(&self) -> Offer<'_> {
        Offer {
            envelope_from: self.envelope_from.as_deref(),
            envelope_to: None,
            account: None,
            message_id: self.message_id.as_deref(),
            size: Some(self.size),
            sha256: Some(self.sha256),
            auth: Some(&self.auth),
        }
    }

    /// For the store.
    pub fn acceptance(&self, octets: MailOctets, kept: &[Recipient]) -> Acceptance {
        Acceptance {
            ingress: self.origin.ingress,
            session: self.origin.session.clone(),
            remote_ip: self.origin.remote_ip,
            helo: self.origin.helo.clone(),
            tls: self.origin.tls.clone(),
            envelope_from: self.envelope_from.clone(),
            recipients: without_doubles(kept),
            octets,
            sha256: self.sha256,
            identity: self.identity,
            message_id: self.message_id.clone(),
            auth: self.auth.clone(),
            require_tls: self.require_tls,
            reply: self.words.map_or_else(|| reply::accepted_in_ledger().to_string(), |words| words.taken.to_owned()),
            bridged: kept.iter().filter_map(|recipient| recipient.bridge.clone()).collect(),
        }
    }
}

/// One commit for all that is kept; the store's trouble defers all of it.
async fn commit(services: &Services, envelope: Envelope, content: Content, kept: Vec<Recipient>) -> Vec<Received> {
    if kept.is_empty() {
        return Vec::new();
    }
    // The share of the budget is held until the octets are the store's.
    let (octets, _share) = content.into_mail_octets();
    let acceptance = envelope.acceptance(octets, &kept);
    match services.store.accept(acceptance).await {
        Ok(entries) => kept.iter().map(|recipient| accepted(services, &envelope, recipient, &entries)).collect(),
        Err(error) => {
            let (reply, reason) = (policy::not_stored(&error), error.to_string());
            tracing::warn!(session = %envelope.origin.session, %error, "a mail could not be stored");
            kept.iter().for_each(|recipient| envelope.refuse(services, recipient, &reply, &reason));
            vec![Received::Refused(reply); kept.len()]
        }
    }
}

/// A recipient named twice is one.
pub(super) fn without_doubles(kept: &[Recipient]) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(kept.len());
    for recipient in kept {
        if !pairs.iter().any(|(address, _)| *address == recipient.address) {
            pairs.push((recipient.address.clone(), recipient.account.clone()));
        }
    }
    pairs
}

fn accepted(services: &Services, envelope: &Envelope, recipient: &Recipient, entries: &[AcceptedEntry]) -> Received {
    let Some(entry) = entries.iter().find(|entry| entry.recipient == recipient.address) else { return lost() };
    let outcome = if entry.duplicate { "duplicate" } else { "accepted" };
    services.counters.ingested(ledger::ingress_word(envelope.origin.ingress), outcome);
    tracing::info!(
        session = %envelope.origin.session,
        mail = %entry.ledger_id,
        remote_ip = envelope.origin.remote_ip.map(tracing::field::display),
        from = envelope.envelope_from.as_deref().map(ledger::masked),
        to = %ledger::masked(&recipient.address),
        message_id = envelope.message_id.as_deref().map(ledger::masked_id),
        size = envelope.size,
        verdict = envelope.auth.get("verdict").and_then(|verdict| verdict.as_str()),
        outcome,
        "mail safe on disk"
    );
    Received::Accepted { ledger_id: entry.ledger_id, duplicate: entry.duplicate }
}
