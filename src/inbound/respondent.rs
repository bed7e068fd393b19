//! Answers the questions of one session's machine: loads the evidence, lets policy decide, remembers the envelope.

use super::content_buffer::ContentBuffer;
use super::ledger::{self, End, Offer, Origin};
use super::listener::Door;
use super::policy::{
    self, Answering, ConnectEvidence, Health, RecipientDecision, Room, SenderEvidence, Turned, Within,
};
use super::receive::{self, Offered};
use super::recipients;
use super::services::Services;
use super::transaction::{Intake, Transaction, is_refusal};
use crate::conversation::model::Ingress;
use crate::limits::Limits;
use crate::net::permits::Slot;
use crate::net::throttle::{Kind, Rate};
use crate::smtp::question::{Answer, ForwardPath, MailCommand, Question, XclientAttributes};
use crate::smtp::reply::{self, Reply};
use crate::store::unit::TokenState;
use std::net::IpAddr;
use std::sync::Arc;

/// One session's view of its peer and its running transaction.
#[derive(Debug)]
pub(super) struct Respondent {
    services: Arc<Services>,
    limits: Arc<Limits>,
    slot: Slot,
    door: Door,
    origin: Origin,
    standing: Standing,
    /// Decided before the machine began, so that a peer without a slot costs no TLS handshake.
    admission: Option<Answer>,
    /// Boxed: most sessions are idle most of the time.
    transaction: Option<Box<Transaction>>,
}

/// Whether the address we see is the client's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The peer speaks for itself: budgets count it, SPF asks about it.
    Client,
    /// One of our own relays that has not named its client: no budget counts it, SPF cannot ask.
    Relay,
}

impl Respondent {
    pub fn new(services: Arc<Services>, slot: Slot, door: Door, ip: Option<IpAddr>, standing: Standing) -> Respondent {
        let origin = Origin {
            ingress: match door {
                Door::Smtp | Door::SmtpTls => Ingress::Smtp,
                Door::Lmtp => Ingress::Lmtp,
            },
            session: services.next_session_word(),
            remote_ip: ip,
            helo: None,
            tls: None,
        };
        let limits = services.limits();
        Respondent { services, limits, slot, door, origin, standing, admission: None, transaction: None }
    }

    pub fn session_word(&self) -> &str {
        &self.origin.session
    }

    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Decides whether the peer may talk; the machine's first question gets this answer.
    pub fn admit(&mut self) -> Result<(), Reply> {
        let admitted = self.admission_of_client();
        self.services
            .counters
            .connection(self.door.word(), admitted.as_ref().map_or_else(|t| t.result, |()| "accepted"));
        let admitted = admitted.map_err(|turned| turned.reply);
        self.admission = Some(admitted.clone().map_or_else(Answer::Close, |()| Answer::Accept));
        admitted
    }

    fn admission_of_client(&mut self) -> Result<(), Turned> {
        let slot = match self.client() {
            Some(ip) => self.slot.assign(ip, &self.limits),
            None => Ok(()),
        };
        let connections_in_budget = match slot {
            Ok(()) => self.within(Kind::Connections, self.limits.connections_per_minute_max),
            Err(_) => Within::Budget,
        };
        policy::connect(&ConnectEvidence { slot, connections_in_budget, store: self.store_health() })
    }

    /// Whether the peer is to show that it can wait: nobody's relay, and not to be sent away at once.
    pub fn waits_for_greeting(&self) -> bool {
        self.standing == Standing::Client && self.admission == Some(Answer::Accept)
    }

    /// Whom budgets count.
    fn client(&self) -> Option<IpAddr> {
        self.origin.remote_ip.filter(|_| self.standing == Standing::Client)
    }

    fn within(&self, kind: Kind, per_minute: u32) -> Within {
        let now = self.services.clock.monotonic();
        let rate = Rate { of_client: per_minute, clients_of_network: self.limits.clients_per_network_rate };
        match self.client() {
            Some(ip) if !self.services.throttle.allows(ip, kind, rate, now) => Within::Exhausted,
            Some(_) | None => Within::Budget,
        }
    }

    fn store_health(&self) -> Health {
        self.services.store.health().map_or(Health::Unhealthy, |()| Health::Healthy)
    }

    /// The connection became a TLS one.
    pub fn tls_established(&mut self, facts: Option<String>) {
        self.origin.tls = facts;
        self.origin.helo = None;
        self.transaction = None;
    }

    /// Evidence, decision, memory.
    pub async fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Connect => self.connect(),
            Question::Hello { domain } => self.hello(domain),
            Question::Sender(mail) => self.sender(&mail),
            Question::Recipient(path) => self.recipient(path).await,
            Question::Content => self.content(),
            // Boxed: the way to the disk is long, and an idle session's future would carry the room for it.
            Question::EndOfContent(_) => Box::pin(self.end_of_content()).await,
            Question::Xclient(attributes) => self.xclient(attributes),
        }
    }

    fn connect(&mut self) -> Answer {
        self.admission.take().unwrap_or(Answer::Close(reply::unhealthy()))
    }

    fn hello(&mut self, domain: String) -> Answer {
        self.origin.helo = Some(domain);
        self.transaction = None;
        Answer::Accept
    }

    fn sender(&mut self, mail: &MailCommand) -> Answer {
        let envelope_from = mail.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
        let evidence = SenderEvidence {
            store: self.store_health(),
            commits_waiting: self.services.store.commits_waiting(),
            mails_in_budget: self.within(Kind::Mails, self.limits.mails_per_minute_max),
            declared: mail.size.unwrap_or(0),
        };
        if let Err(reply) = policy::sender(&evidence, &self.limits) {
            let offer = Offer { envelope_from: Some(&envelope_from), size: mail.size, ..Offer::default() };
            let reason = if reply.is_transient() { "not now" } else { "declared too large" };
            self.refuse(&offer, "sender", &reply, reason);
            return if reply.code == 421 { Answer::Close(reply) } else { Answer::Reply(reply) };
        }
        self.transaction = Some(Box::new(Transaction::new(envelope_from, mail)));
        Answer::Accept
    }

    async fn recipient(&mut self, path: ForwardPath) -> Answer {
        if self.within(Kind::Recipients, self.limits.recipients_per_minute_max) == Within::Exhausted {
            let reply = reply::too_many_recipients_of_client();
            self.refuse_recipient(&path, None, &reply, "too many recipients a minute");
            return Answer::Reply(reply);
        }
        match recipients::decide(&self.services, &path, |_| true).await {
            RecipientDecision::Accept(recipient) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients.push(recipient);
                }
                Answer::Accept
            }
            RecipientDecision::Unknown(reply) => {
                self.refuse_recipient(&path, self.misses(&path).await, &reply, "unknown recipient");
                Answer::UnknownRecipient(reply)
            }
            RecipientDecision::Refuse(reply) => {
                self.refuse_recipient(&path, self.misses(&path).await, &reply, "recipient refused");
                Answer::Reply(reply)
            }
        }
    }

    fn content(&mut self) -> Answer {
        let declared = self.transaction.as_ref().and_then(|transaction| transaction.size).unwrap_or(0);
        let octets_max = self.limits.content_octets_in_flight_max;
        let budget = room(self.services.content_budget.has_room(declared.max(1), octets_max));
        let now = self.services.clock.monotonic();
        let disk = room(self.services.space.has_room(declared, &self.services.store, &self.limits, now));
        if let Err(reply) = policy::content(budget, disk) {
            self.refuse_all("content", &reply, "no room for content");
            return Answer::Reply(reply);
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.intake = Intake::Taking(ContentBuffer::new(&self.services.content_budget, octets_max));
        }
        Answer::Accept
    }

    /// Octets of content.
    pub async fn take_content(&mut self, octets: Vec<u8>) {
        if let Some(transaction) = &mut self.transaction {
            transaction.take(octets, self.services.store.spool_dir()).await;
        }
    }

    /// The machine wants the content no more.
    pub fn discard_content(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.discard();
        }
    }

    async fn end_of_content(&mut self) -> Answer {
        let begun = self.services.clock.monotonic();
        let answer = match self.complete().await {
            Ok(offered) => {
                let received = receive::accept_mail(&self.services, offered).await;
                worded(received.iter().map(receive::Received::reply).collect(), self.answering())
            }
            Err(reply) => Answer::Reply(reply),
        };
        self.transaction = None;
        let took = self.services.clock.monotonic().saturating_duration_since(begun);
        self.services.counters.smtp_eod_to_reply_seconds.observe(took.as_secs_f64());
        answer
    }

    /// The whole mail with its envelope, or why it could not be held.
    async fn complete(&mut self) -> Result<Offered, Reply> {
        let Some(transaction) = &mut self.transaction else { return Err(reply::not_stored()) };
        match transaction.finish(self.services.store.spool_dir()).await {
            Ok(content) => Ok(Offered {
                envelope_from: Some(std::mem::take(&mut transaction.envelope_from)),
                recipients: std::mem::take(&mut transaction.recipients),
                require_tls: transaction.require_tls,
                origin: self.origin.clone(),
                author_ip: self.client(),
                content,
                answering: self.answering(),
                words: None,
            }),
            Err(failure) => {
                self.refuse_all("end_of_content", &failure.reply, &failure.reason);
                Err(failure.reply)
            }
        }
    }

    fn answering(&self) -> Answering {
        match self.door {
            Door::Smtp | Door::SmtpTls => Answering::Once,
            Door::Lmtp => Answering::PerRecipient,
        }
    }

    /// A listed relay names its client: from here on that client is the peer.
    fn xclient(&mut self, attributes: XclientAttributes) -> Answer {
        if let Some(ip) = attributes.address {
            self.origin.remote_ip = Some(ip.to_canonical());
            self.standing = Standing::Client;
        }
        self.origin.helo = attributes.helo;
        self.transaction = None;
        match self.admit() {
            Ok(()) => Answer::Accept,
            Err(reply) => Answer::Close(reply),
        }
    }

    /// A reply of the protocol's own: it may be the end of what was offered.
    pub fn said(&mut self, reply: &[u8]) {
        let ended = self.transaction.take_if(|transaction| transaction.is_ended_by(reply));
        let Some(transaction) = ended.filter(|_| is_refusal(reply)) else { return };
        let line = String::from_utf8_lossy(reply);
        for recipient in &transaction.recipients {
            let end = End::Refused { stage: "protocol", line: line.trim_end(), reason: "content refused" };
            ledger::refuse(&self.services, &self.origin, &transaction.offer(recipient), end);
        }
    }

    /// The connection ends; a transaction that was cut in its content is an offer that failed.
    pub fn closed(&mut self, reason: &str) {
        let Some(transaction) = self.transaction.take_if(|transaction| transaction.is_in_content()) else { return };
        for recipient in &transaction.recipients {
            let offer = transaction.offer(recipient);
            ledger::refuse(&self.services, &self.origin, &offer, End::Cut { reason });
        }
    }

    fn refuse(&self, offer: &Offer<'_>, stage: &'static str, reply: &Reply, reason: &str) {
        let end = End::Refused { stage, line: &reply.to_string(), reason };
        ledger::refuse(&self.services, &self.origin, offer, end);
    }

    /// The account that may look for this mail in its own log: the only one that takes mail at the domain. What opens another
    /// account's conversation stays with the operator, wherever it was sent: possession lets mail in.
    async fn misses(&self, path: &ForwardPath) -> Option<String> {
        let ForwardPath::Mailbox(address) = path else { return None };
        let account = self.services.config.load().only_account_of_domain(address.domain())?.name.clone();
        match self.services.store.token_state(policy::token_to_look_up(path)).await {
            Ok(TokenState::Live { account: owner, .. }) if owner != account => None,
            Ok(_) => Some(account),
            Err(_) => None,
        }
    }

    fn refuse_recipient(&self, path: &ForwardPath, account: Option<String>, reply: &Reply, reason: &str) {
        let envelope_to = match path {
            ForwardPath::Postmaster => "postmaster".to_owned(),
            ForwardPath::Mailbox(address) => address.to_string(),
        };
        let offer = Offer {
            envelope_from: self.transaction.as_ref().map(|transaction| transaction.envelope_from.as_str()),
            envelope_to: Some(&envelope_to),
            account: account.as_deref(),
            size: self.transaction.as_ref().and_then(|transaction| transaction.size),
            ..Offer::default()
        };
        self.refuse(&offer, "recipient", reply, reason);
    }

    fn refuse_all(&self, stage: &'static str, reply: &Reply, reason: &str) {
        let Some(transaction) = &self.transaction else { return };
        for recipient in &transaction.recipients {
            self.refuse(&transaction.offer(recipient), stage, reply, reason);
        }
    }
}

impl Drop for Respondent {
    /// A session that is cut at the end of the drain, or by a bug, offered its mail all the same.
    fn drop(&mut self) {
        self.closed("session ended by replyd");
    }
}

fn room(enough: bool) -> Room {
    if enough { Room::Enough } else { Room::NotEnough }
}

/// One answer for all is a refusal only when nobody has the mail.
fn worded(replies: Vec<Reply>, answering: Answering) -> Answer {
    match answering {
        Answering::PerRecipient => Answer::PerRecipient(replies),
        Answering::Once => {
            let first = replies.iter().find(|reply| reply.is_positive()).or(replies.first());
            Answer::Reply(first.cloned().unwrap_or_else(reply::not_stored))
        }
    }
}
