//! A conversation between Ann, a customer, and Sara and Ben, agents who answer by mail: real doors, filing and queue, and a
//! zone in which the company's mail can be signed.

use super::peer::Peer;
use super::site::{Setting, Site};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;
use replyd::clock::Clock;
use replyd::config::checked::DkimKey;
use replyd::config::secret::Secret;
use replyd::conversation::delivery::{DeliveryState, MailKind};
use replyd::conversation::id::Id;
use replyd::conversation::model::{Conversation, Message, Outcome};
use replyd::filing;
use replyd::inbound::Door;
use replyd::outbound::compose::{Sender, compose};
use replyd::sender_auth::Signer;
use replyd::store::NewAgent;
use replyd::store::ledger::LedgerEntry;
use replyd::store::outgoing::{AttemptEnd, AttemptOutcome, Claim, Event, Outgoing, QueueEntry, QueueQuery};
use tokio_util::sync::CancellationToken;

pub const ANN: &str = "ann@example.org";
pub const SARA: &str = "sara@acme.example";
pub const BEN: &str = "ben@acme.example";

pub struct Exchange {
    pub site: Site,
    pub conversation: Id,
    signer: Signer,
    stop: CancellationToken,
    _filing: filing::Handle,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Exchange {
    /// Ann has written to support@acme.example, and Sara has it in her mailbox; Ben wants no mail.
    pub async fn begun() -> Exchange {
        let (signer, zone) = signer_and_zone();
        // A site lives as long as its test; so may its zone.
        let site = Site::start(Setting { zone: Box::leak(zone.into_boxed_str()), ..Setting::default() }).await;
        for (email, name, by_mail) in [(SARA, "Sara", true), (BEN, "Ben", false), ("sara@slow.example", "Sly", false)] {
            let (account, email, name) = ("acme".to_owned(), email.to_owned(), name.to_owned());
            let agent = NewAgent { account, email, name, inboxes: None, by_mail };
            site.store.add_agent(agent).await.expect("an agent");
        }
        let parts = (site.store.clone(), site.services.config.clone(), Clock::System, site.services.counters.clone());
        let (stop, services) = (CancellationToken::new(), filing::Services::new(parts.0, parts.1, parts.2, parts.3));
        let filing = filing::start(services, stop.clone()).expect("filing starts");
        let mut exchange = Exchange { site, conversation: Id(0), signer, stop, _filing: filing };
        let first = mail(ANN, "Order 7", "Where is my teapot?");
        let entry = exchange.offers(ANN, &["support@acme.example"], &first, "250").await.remove(0);
        exchange.conversation = entry.conversation_id.expect("a conversation");
        exchange
    }

    pub fn sign(&self, mail: &str, domain: &str) -> String {
        let now = Clock::System.now().seconds();
        let fields = self.signer.sign(mail.as_bytes(), domain, now).expect("signatures");
        format!("{}{mail}", String::from_utf8(fields).expect("ASCII"))
    }

    /// Sara's mail, signed by her company.
    pub fn of_sara(&self, body: &str) -> String {
        self.sign(&mail(SARA, "Re: Order 7", body), "acme.example")
    }

    /// Offers a mail by SMTP; the entries of the ledger that it made, once filing has ended them.
    pub async fn offers(&self, from: &str, to: &[&str], mail: &str, expected: &str) -> Vec<LedgerEntry> {
        self.offers_by(Door::Smtp, from, to, mail, &[expected]).await
    }

    /// By LMTP there is an answer for each recipient.
    pub async fn offers_by(
        &self,
        door: Door,
        from: &str,
        to: &[&str],
        mail: &str,
        expected: &[&str],
    ) -> Vec<LedgerEntry> {
        let before = self.site.ledger().await.len();
        let mut peer = Peer::connect(&self.site.endpoint(door)).await;
        peer.expect("220").await;
        let hello = if door == Door::Lmtp { "LHLO" } else { "EHLO" };
        peer.asks(&format!("{hello} client.example"), "250").await;
        peer.asks(&format!("MAIL FROM:<{from}>"), "250").await;
        for recipient in to {
            peer.asks(&format!("RCPT TO:<{recipient}>"), "250").await;
        }
        peer.asks("DATA", "354").await;
        peer.send(stuffed(mail)).await;
        peer.send("\r\n.\r\n").await;
        for expected in expected {
            peer.expect(expected).await;
        }
        let entries = self.site.ledger_of(before + to.len()).await.split_off(before);
        let mut ended = Vec::new();
        for entry in entries {
            ended.push(self.ended(entry.id).await);
        }
        ended
    }

    pub async fn ended(&self, id: Id) -> LedgerEntry {
        let mut committed = self.site.store.committed();
        loop {
            committed.borrow_and_update();
            let entry = self.site.store.ledger_entry(id).await.expect("the entry");
            if entry.outcome != Outcome::Accepted {
                return entry;
            }
            committed.changed().await.expect("the store lives");
        }
    }

    pub async fn conversation(&self) -> Conversation {
        self.site.store.conversation(self.conversation).await.expect("the conversation")
    }

    /// Oldest first.
    pub async fn messages(&self) -> Vec<Message> {
        self.site.store.messages(self.conversation, 100).await.expect("messages")
    }

    pub async fn last(&self) -> Message {
        self.messages().await.pop().expect("a message")
    }

    /// Oldest first.
    pub async fn queue(&self) -> Vec<QueueEntry> {
        let query = QueueQuery { limit: 500, ..QueueQuery::default() };
        let mut items = self.site.store.queue(query).await.expect("the queue").items;
        items.reverse();
        items
    }

    /// Kind and recipient of each mail queued, oldest first.
    pub async fn queued(&self) -> Vec<(MailKind, String)> {
        self.queue().await.into_iter().map(|entry| (entry.kind, entry.recipient)).collect()
    }

    /// What Sara got of Ann's first message.
    pub async fn notification(&self) -> QueueEntry {
        self.queue().await.into_iter().find(|entry| entry.kind == MailKind::Notification).expect("Sara is told")
    }

    /// Where Sara answers.
    pub async fn agent_address(&self) -> String {
        self.notification().await.reply_token.address("reply.acme.example")
    }

    pub async fn contact_address(&self) -> String {
        self.conversation().await.reply_token.address("reply.acme.example")
    }

    /// Sara answers, and the customer's host takes it.
    pub async fn answered(&self) -> QueueEntry {
        let answer = self.of_sara("It ships today.");
        self.offers(SARA, &[&self.agent_address().await], &answer, "250").await;
        self.attempts(AttemptOutcome::Delivered, "taken").await;
        let sent = self.queue().await.into_iter().find(|entry| entry.kind == MailKind::Answer).expect("an answer");
        assert_eq!(sent.state, DeliveryState::Delivered);
        sent
    }

    /// One attempt for all that is due; how many those were.
    pub async fn attempts(&self, outcome: AttemptOutcome, reason: &str) -> usize {
        let claim = Claim { limit: 10, per_domain: 10, busy: Vec::new() };
        let claimed = self.site.store.claim_due(claim).await.expect("claimed");
        for entry in &claimed {
            let email = self.messages().await.remove(0).email.expect("Ann's mail");
            let outgoing = Outgoing { octets: b"a mail of ours".to_vec(), email };
            self.site.store.data_sent(entry.id, Some(outgoing)).await.expect("sent");
            let end = AttemptEnd { outcome: outcome.clone(), reason: reason.into(), ..delivered() };
            self.site.store.attempt_ended(entry.id, end).await.expect("ended");
        }
        claimed.len()
    }

    pub async fn entry(&self, id: Id) -> QueueEntry {
        self.site.store.queue_entry(id).await.expect("the entry")
    }

    /// The octets that go out for a queue entry.
    pub async fn composed(&self, id: Id) -> Vec<u8> {
        let config = self.site.services.config.load_full();
        let sender = Sender::new(&config, self.site.store.keys().clone()).expect("a sender");
        let to = self.site.store.to_compose(id).await.expect("all of it");
        compose(&to, &[], &sender).expect("a mail").octets
    }

    pub async fn events(&self) -> Vec<Event> {
        self.site.store.events(None, Some(Id(0)), 1000).await.expect("events")
    }
}

fn delivered() -> AttemptEnd {
    AttemptEnd {
        outcome: AttemptOutcome::Delivered,
        remote: Some("mx.example.org [192.0.2.1]:25".into()),
        remote_reply: Some("250 ok".into()),
        tls: None,
        reason: "taken".into(),
        transcript: String::new(),
    }
}

/// RFC 5321 §4.5.2.
fn stuffed(mail: &str) -> String {
    mail.replace("\r\n.", "\r\n..")
}

/// A plain mail; `body` in LF or CRLF.
pub fn mail(from: &str, subject: &str, body: &str) -> String {
    let id =
        data_encoding::HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes()).as_ref());
    let body = body.replace("\r\n", "\n").replace('\n', "\r\n");
    let id = id.get(..20).unwrap_or_default();
    format!(
        "From: Somebody <{from}>\r\nTo: x@y.example\r\nSubject: {subject}\r\nMessage-ID: <{id}@mailer.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n"
    )
}

fn signer_and_zone() -> (Signer, String) {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let der = pair.to_pkcs8v1().expect("a key");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der.as_ref()));
    let key = |domain: &str| DkimKey { domain: domain.into(), selector: "s".into(), key: Secret::from(pem.clone()) };
    let signer = Signer::load(&[key("acme.example"), key("evil.example")]).expect("good keys");
    let public: Vec<u8> = pair.public_key().as_der().map(|_| pair.public_key().as_ref().to_vec()).unwrap_or_default();
    let record = format!(r#"[{{"TXT":"v=DKIM1; k=ed25519; p={}"}}]"#, BASE64.encode(&public));
    let zone = format!(
        r#"{{"s._domainkey.acme.example":{record},"s._domainkey.evil.example":{record},
            "slow.example":["TIMEOUT"],"_dmarc.slow.example":["TIMEOUT"]}}"#
    );
    (signer, zone)
}
