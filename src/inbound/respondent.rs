//! Answers the questions of one session's machine: loads the evidence, lets policy decide, remembers the envelope.

use super::content_buffer::{ContentBuffer, ContentError};
use super::ledger::{self, End, Offer, Origin};
use super::listener::Door;
use super::policy::{
    self, Answering, ConnectEvidence, Health, Recipient, RecipientDecision, Room, SenderEvidence, Turned, Within,
};
use super::receive::{self, Offered};
use super::services::Services;
use crate::conversation::model::Ingress;
use crate::limits::Limits;
use crate::net::permits::Slot;
use crate::net::throttle::Kind;
use crate::smtp::question::{Answer, ForwardPath, MailCommand, Question, XclientAttributes};
use crate::smtp::reply::{self, Reply};
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

#[derive(Debug)]
struct Transaction {
    /// Empty for the null reverse-path.
    envelope_from: String,
    size: Option<u64>,
    recipients: Vec<Recipient>,
    intake: Intake,
}

/// The content of a transaction.
#[derive(Debug)]
enum Intake {
    Nothing,
    Taking(ContentBuffer),
    /// It cannot be held: the rest passes by, and this is the answer at its end.
    Failed(Reply, String),
    /// The protocol refused it: the reply that follows is the ledger's.
    Discarded,
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

    /// Whom budgets count.
    fn client(&self) -> Option<IpAddr> {
        self.origin.remote_ip.filter(|_| self.standing == Standing::Client)
    }

    fn within(&self, kind: Kind, per_minute: u32) -> Within {
        let now = self.services.clock.monotonic();
        match self.client() {
            Some(ip) if !self.services.throttle.allows(ip, kind, per_minute, now) => Within::Exhausted,
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
        };
        if let Err(reply) = policy::sender(&evidence, &self.limits) {
            let offer = Offer { envelope_from: Some(&envelope_from), size: mail.size, ..Offer::default() };
            self.refuse(&offer, "sender", &reply, "not now");
            return if reply.code == 421 { Answer::Close(reply) } else { Answer::Reply(reply) };
        }
        self.transaction = Some(Box::new(Transaction {
            envelope_from,
            size: mail.size,
            recipients: Vec::new(),
            intake: Intake::Nothing,
        }));
        Answer::Accept
    }

    async fn recipient(&mut self, path: ForwardPath) -> Answer {
        if self.within(Kind::Recipients, self.limits.recipients_per_minute_max) == Within::Exhausted {
            let reply = reply::too_many_recipients_of_client();
            self.refuse_recipient(&path, &reply, "too many recipients a minute");
            return Answer::Reply(reply);
        }
        let token = self.services.store.token_state(policy::token_to_look_up(&path)).await;
        let decision = policy::recipient(&path, &self.services.config.load(), token);
        match decision {
            RecipientDecision::Accept(recipient) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients.push(recipient);
                }
                Answer::Accept
            }
            RecipientDecision::Unknown(reply) => {
                self.refuse_recipient(&path, &reply, "unknown recipient");
                Answer::UnknownRecipient(reply)
            }
            RecipientDecision::Refuse(reply) => {
                self.refuse_recipient(&path, &reply, "recipient refused");
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

    /// Octets of content. What cannot be held is remembered, for the peer hears of it at the end only.
    pub async fn take_content(&mut self, octets: Vec<u8>) {
        let Some(transaction) = &mut self.transaction else { return };
        let Intake::Taking(buffer) = &mut transaction.intake else { return };
        if let Err(error) = buffer.append(octets, self.services.store.spool_dir()).await {
            let (reply, reason) = failure(&error);
            transaction.intake = Intake::Failed(reply, reason);
        }
    }

    /// The machine wants the content no more.
    pub fn discard_content(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            if let Intake::Taking(buffer) = &transaction.intake {
                transaction.size = Some(buffer.octets());
            }
            transaction.intake = Intake::Discarded;
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
        let finished = match std::mem::replace(&mut transaction.intake, Intake::Nothing) {
            Intake::Taking(buffer) => buffer.finish(self.services.store.spool_dir()).await.map_err(|e| failure(&e)),
            Intake::Failed(reply, reason) => Err((reply, reason)),
            Intake::Nothing | Intake::Discarded => Err((reply::not_stored(), "the content was lost".to_owned())),
        };
        match finished {
            Ok(content) => Ok(Offered {
                envelope_from: std::mem::take(&mut transaction.envelope_from),
                recipients: std::mem::take(&mut transaction.recipients),
                origin: self.origin.clone(),
                author_ip: self.client(),
                content,
                answering: self.answering(),
            }),
            Err((reply, reason)) => {
                self.refuse_all("end_of_content", &reply, &reason);
                Err(reply)
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

    /// A reply of the protocol's own. With content on its way, and no question asked at its end, it says why the
    /// protocol takes no mail of it; a syntax error (500 to 504) is about a command between two chunks.
    pub fn said(&mut self, octets: &[u8]) {
        let is_refusal = matches!(octets, [b'4' | b'5', ..]) && !matches!(octets, [b'5', b'0', b'0'..=b'4', ..]);
        let ends = |transaction: &Transaction| match transaction.intake {
            Intake::Nothing => false,
            Intake::Taking(_) | Intake::Failed(..) => is_refusal,
            Intake::Discarded => true,
        };
        let Some(transaction) = self.transaction.take_if(|transaction| ends(transaction)) else { return };
        if is_refusal {
            let line = String::from_utf8_lossy(octets);
            for recipient in &transaction.recipients {
                let end = End::Refused { stage: "protocol", line: line.trim_end(), reason: "content refused" };
                ledger::refuse(&self.services, &self.origin, &transaction.offer(recipient), end);
            }
        }
    }

    /// The connection ends; a transaction that was cut in its content is an offer that failed.
    pub fn closed(&mut self, reason: &str) {
        let in_content = |transaction: &Transaction| !matches!(transaction.intake, Intake::Nothing);
        let Some(transaction) = self.transaction.take_if(|transaction| in_content(transaction)) else { return };
        for recipient in &transaction.recipients {
            let offer = transaction.offer(recipient);
            ledger::refuse(&self.services, &self.origin, &offer, End::Cut { reason });
        }
    }

    fn refuse(&self, offer: &Offer<'_>, stage: &'static str, reply: &Reply, reason: &str) {
        let end = End::Refused { stage, line: &reply.to_string(), reason };
        ledger::refuse(&self.services, &self.origin, offer, end);
    }

    fn refuse_recipient(&self, path: &ForwardPath, reply: &Reply, reason: &str) {
        let envelope_to = match path {
            ForwardPath::Postmaster => "postmaster".to_owned(),
            ForwardPath::Mailbox(address) => address.to_string(),
        };
        let offer = Offer {
            envelope_from: self.transaction.as_ref().map(|transaction| transaction.envelope_from.as_str()),
            envelope_to: Some(&envelope_to),
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

impl Transaction {
    fn offer<'a>(&'a self, recipient: &'a Recipient) -> Offer<'a> {
        let size = match &self.intake {
            Intake::Taking(buffer) => Some(buffer.octets()),
            Intake::Nothing | Intake::Failed(..) | Intake::Discarded => self.size,
        };
        Offer {
            envelope_from: Some(&self.envelope_from),
            envelope_to: Some(&recipient.address),
            account: Some(&recipient.account),
            size,
            ..Offer::default()
        }
    }
}

/// What the peer hears at the end, and the reason for the ledger.
fn failure(error: &ContentError) -> (Reply, String) {
    let reply = match error {
        ContentError::Budget => reply::no_space(),
        ContentError::Spill(_) => reply::not_stored(),
    };
    (reply, error.to_string())
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
