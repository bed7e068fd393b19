//! The queue of outgoing mail in the store: one commit with the message, fair, whole after a crash at any moment.

use replyd::clock::{Clock, UnixMs};
use replyd::conversation::agent::Agent;
use replyd::conversation::delivery::{DeliveryState, MailKind, Posting, RecipientKind, SuppressionReason};
use replyd::conversation::id::Id;
use replyd::conversation::model::{
    Author, AuthorKind, Channel, Conversation, Direction, Email, Ingress, Message, Status, Via,
};
use replyd::mail::automatic::Class;
use replyd::retry;
use replyd::store::mail_file::MailOctets;
use replyd::store::outgoing::{
    AgentOrder, AttemptEnd, AttemptOutcome, BounceFact, BounceFactKind, Claim, EventKind, HISTORY_OCTETS_MAX,
    OtherRecipient, Outgoing, OutgoingSettings, QUOTED_OCTETS_MAX, QueueEntry, QueueQuery,
};
use replyd::store::unit::{Acceptance, Destination, FilingResult, NewConversation, NewMessage, TokenState, Upload};
use replyd::store::{Fault, NewAgent, Store, StoreError};
use std::path::Path;
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_790_000_000_000);
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

struct Bench {
    dir: tempfile::TempDir,
    clock: Clock,
    store: Store,
}

impl Bench {
    fn new() -> Bench {
        let (dir, clock) = (tempfile::tempdir().expect("a temporary directory"), Clock::fixed(NOW));
        let store = open(dir.path(), &clock);
        Bench { dir, clock, store }
    }

    /// The process dies and starts again: nothing is flushed that was not committed.
    fn reopened(self) -> Bench {
        let Bench { dir, clock, store } = self;
        drop(store);
        let store = open(dir.path(), &clock);
        Bench { dir, clock, store }
    }

    fn at(&self, milliseconds: i64) {
        self.clock.set(UnixMs(NOW.0 + milliseconds));
    }

    async fn conversation(&self, email: &str) -> Conversation {
        self.conversation_by(Channel::Widget, email).await
    }

    async fn conversation_by(&self, channel: Channel, email: &str) -> Conversation {
        let new = NewConversation {
            account: "acme".into(),
            inbox: "website".into(),
            channel,
            contact_name: Some("Ann".into()),
            contact_email: Some(email.into()),
            contact_identifier: None,
            subject: Some("Teapots".into()),
            messages: vec![message(AuthorKind::Contact, "do they pour well?")],
        };
        self.store.new_conversation(new).await.expect("begun")
    }

    async fn answer(&self, conversation: Id, text: &str) -> Message {
        self.store.append_message(conversation, answer(text)).await.expect("appended")
    }

    async fn ask(&self, conversation: Id, text: &str) -> Message {
        self.store.append_message(conversation, question(text)).await.expect("appended")
    }

    async fn agent(&self, email: &str, inboxes: Option<&[&str]>) -> Agent {
        let inboxes = inboxes.map(|inboxes| inboxes.iter().map(|inbox| (*inbox).to_owned()).collect());
        let new = NewAgent { account: "acme".into(), email: email.into(), name: "Sara".into(), inboxes, by_mail: true };
        self.store.add_agent(new).await.expect("added")
    }

    /// Oldest first.
    async fn queue(&self) -> Vec<QueueEntry> {
        let query = QueueQuery { limit: 500, ..QueueQuery::default() };
        let mut items = self.store.queue(query).await.expect("the queue is read").items;
        items.reverse();
        items
    }

    async fn only(&self) -> QueueEntry {
        let mut queue = self.queue().await;
        assert_eq!(queue.len(), 1, "{queue:?}");
        queue.remove(0)
    }

    async fn claim(&self) -> Vec<QueueEntry> {
        let claim = Claim { limit: 10, per_domain: 4, busy: Vec::new() };
        self.store.claim_due(claim).await.expect("claimed")
    }

    async fn end(&self, entry: Id, outcome: AttemptOutcome) {
        self.store.attempt_ended(entry, end(outcome)).await.expect("ended");
    }

    /// One attempt from its claim to its end.
    async fn attempt(&self, outcome: AttemptOutcome) -> QueueEntry {
        let claimed = self.claim().await;
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        self.store.data_sent(claimed[0].id, Some(composed("a mail"))).await.expect("sent");
        self.end(claimed[0].id, outcome).await;
        self.store.queue_entry(claimed[0].id).await.expect("the entry")
    }

    /// Kinds and small details of all events, oldest first.
    async fn events(&self) -> Vec<(EventKind, String)> {
        let events = self.store.events(None, Some(Id(0)), 1000).await.expect("events");
        events.into_iter().map(|event| (event.kind, event.detail.to_string())).collect()
    }

    async fn file(&self, result: FilingResult) -> Result<replyd::store::Filed, StoreError> {
        let accepted = self.store.accept(acceptance(&result.reason)).await.expect("accepted");
        self.store.file(FilingResult { ledger_id: accepted[0].ledger_id, ..result }).await
    }

    async fn bounce(&self, entry: Id, kind: BounceFactKind, suppress: Option<SuppressionReason>, words: &str) {
        let bounce = Some(BounceFact { entry, kind, words: words.into(), suppress });
        self.file(FilingResult { bounce, ..result(&format!("bounce {words} {kind:?}")) }).await.expect("filed");
    }
}

fn open(path: &Path, clock: &Clock) -> Store {
    let store = Store::open(path, clock.clone()).expect("the store opens");
    store.set_outgoing(OutgoingSettings { hostname: "mx.acme.example".into(), ..OutgoingSettings::default() });
    store
}

fn message(kind: AuthorKind, text: &str) -> NewMessage {
    let direction = if kind == AuthorKind::Agent { Direction::Outgoing } else { Direction::Incoming };
    NewMessage {
        direction,
        author: Author { kind, name: None, email: None },
        via: Via::Api,
        text: text.into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting: Posting::default(),
    }
}

fn answer(text: &str) -> NewMessage {
    let posting = Posting { to_contact: Some(Duration::ZERO), ..Posting::default() };
    NewMessage { posting, ..message(AuthorKind::Agent, text) }
}

fn delayed(text: &str, delay: Duration) -> NewMessage {
    let posting = Posting { to_contact: Some(delay), ..Posting::default() };
    NewMessage { posting, ..message(AuthorKind::Agent, text) }
}

fn question(text: &str) -> NewMessage {
    let posting = Posting { notify_agents: true, ..Posting::default() };
    NewMessage { posting, ..message(AuthorKind::Contact, text) }
}

fn email(message_id: &str, class: Class) -> Email {
    Email {
        message_id: Some(message_id.into()),
        in_reply_to: Vec::new(),
        references: vec!["earlier@example.org".into()],
        from: Vec::new(),
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        subject: Some("Re: Teapots".into()),
        envelope_from: String::new(),
        envelope_to: String::new(),
        class,
        class_reason: "a test".into(),
        bounce: None,
        auth: serde_json::Value::Null,
        ingress: None,
        raw_id: Id(0),
        defects: Vec::new(),
    }
}

fn composed(octets: &str) -> Outgoing {
    Outgoing { octets: octets.as_bytes().to_vec(), email: email("composed@mx.acme.example", Class::Human) }
}

fn end(outcome: AttemptOutcome) -> AttemptEnd {
    AttemptEnd {
        outcome,
        remote: Some("mx.example [192.0.2.1]:25".into()),
        remote_reply: Some("its words".into()),
        tls: Some("TLSv1.3".into()),
        reason: "a reason".into(),
        transcript: "S: 220 hello".into(),
    }
}

fn acceptance(octets: &str) -> Acceptance {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets.as_bytes()).as_ref());
    Acceptance {
        ingress: Ingress::Smtp,
        session: "s1".into(),
        remote_ip: None,
        helo: None,
        tls: None,
        envelope_from: Some(String::new()),
        recipients: vec![("a@r.example".into(), "acme".into())],
        octets: MailOctets::Memory(octets.as_bytes().to_vec()),
        sha256,
        identity: None,
        message_id: None,
        auth: serde_json::Value::Null,
        require_tls: false,
        reply: "250".into(),
        bridged: Vec::new(),
    }
}

fn result(reason: &str) -> FilingResult {
    FilingResult {
        ledger_id: Id(0),
        account: "acme".into(),
        destination: Destination::Nowhere,
        message: None,
        reason: reason.into(),
        message_id: None,
        received_at: NOW,
        bounce: None,
        orders: Vec::new(),
        agent: None,
    }
}

const DELIVERED: AttemptOutcome = AttemptOutcome::Delivered;
const DEFERRED: AttemptOutcome = AttemptOutcome::Deferred { due_at: UnixMs(NOW.0 + MINUTE_MS), uncertain: false };

#[tokio::test]
async fn an_answer_and_its_mail_are_one_commit() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@BÜCHER.example").await;
    bench.store.inject(Fault::FailCommits(1));
    bench.store.append_message(conversation.id, answer("lost")).await.expect_err("the commit failed");
    assert_eq!(bench.queue().await, []);
    assert_eq!(bench.store.messages(conversation.id, 10).await.unwrap().len(), 1, "neither message nor mail");

    let mut announced = bench.store.outgoing_mail();
    announced.mark_unchanged();
    let sent = bench.answer(conversation.id, "they do").await;
    assert!(announced.has_changed().unwrap());
    let bench = bench.reopened();
    let entry = bench.only().await;
    assert_eq!(
        (entry.kind, entry.recipient_kind, entry.state),
        (MailKind::Answer, RecipientKind::Contact, DeliveryState::Queued)
    );
    assert_eq!(
        (entry.recipient.as_str(), entry.domain.as_str()),
        ("ann@xn--bcher-kva.example", "xn--bcher-kva.example")
    );
    assert_eq!((entry.messages.as_slice(), entry.reply_token), ([sent.id].as_slice(), conversation.reply_token));
    assert_eq!((entry.due_at, entry.give_up_at), (Some(NOW), UnixMs(NOW.0 + 5 * DAY_MS)));
    assert!(entry.message_id.ends_with("@mx.acme.example"), "{}", entry.message_id);
    let delivery = sent.delivery.expect("an answer by mail");
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Queued, 0));
    let found = bench.store.routing_evidence("acme", vec![], vec![entry.message_id], None).await.unwrap();
    assert_eq!(found.by_message_id.first().map(|(_, id)| *id), Some(conversation.id), "a reply finds its way back");
}

#[tokio::test]
async fn what_causes_no_mail_queues_none() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let note = NewMessage { direction: Direction::Note, ..answer("psst") };
    for silent in [message(AuthorKind::Agent, "chat only"), note, question("nobody is told")] {
        bench.store.append_message(conversation.id, silent).await.unwrap();
    }
    let keyed = || NewMessage { idempotency_key: Some("k".into()), ..answer("once") };
    bench.store.append_message(conversation.id, keyed()).await.unwrap();
    bench.store.append_message(conversation.id, keyed()).await.unwrap();
    assert_eq!(bench.queue().await.len(), 1, "the key's first message alone");
}

#[tokio::test]
async fn participants_get_the_mail_they_are_copied_with_their_own_token() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let cc = vec!["Bo@example.net".to_owned(), "ann@example.org".into(), "bo@example.net".into()];
    let copied = |text| {
        let posting = Posting { to_contact: Some(Duration::ZERO), cc: cc.clone(), ..Posting::default() };
        NewMessage { posting, ..answer(text) }
    };
    for text in ["one", "two"] {
        bench.store.append_message(conversation.id, copied(text)).await.unwrap();
    }
    let queue = bench.queue().await;
    let told: Vec<_> = queue.iter().map(|entry| (entry.recipient.as_str(), entry.recipient_kind)).collect();
    let (ann, bo) = (("ann@example.org", RecipientKind::Contact), ("bo@example.net", RecipientKind::Participant));
    assert_eq!(told, [ann, bo, ann, bo]);
    assert_ne!(queue[1].reply_token, conversation.reply_token);
    assert_eq!(queue[1].reply_token, queue[3].reply_token, "a live token is used again");
    bench.store.revoke_tokens(conversation.id).await.unwrap();
    bench.store.append_message(conversation.id, copied("three")).await.unwrap();
    let last = bench.queue().await.pop().unwrap();
    let others = bench.store.to_compose(last.id).await.unwrap().others;
    assert_eq!(others, [OtherRecipient { address: "ann@example.org".into(), kind: RecipientKind::Contact }]);
    let state = bench.store.token_state(last.reply_token).await.unwrap();
    assert_eq!(state, TokenState::Revoked { account: "acme".into() }, "no new life after a revocation");
}

/// Of the mails that carry a message its own shows the contact's; a message that came by mail keeps how it came.
#[tokio::test]
async fn a_message_shows_the_mail_it_went_with() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let cc = vec!["bo@example.net".to_owned()];
    let posting = || Posting { to_contact: Some(Duration::ZERO), cc: cc.clone(), ..Posting::default() };
    let came = Email { ingress: Some(Ingress::Smtp), ..email("came@acme.example", Class::Human) };
    let typed = NewMessage { posting: posting(), ..answer("one") };
    let mailed = NewMessage { email: Some(came), via: Via::Email, posting: posting(), ..answer("two") };
    for (message, expected) in [(typed, ["to bo", "to ann"]), (mailed, ["came@acme.example"; 2])] {
        let id = bench.store.append_message(conversation.id, message).await.unwrap().id;
        let mut claimed = bench.claim().await;
        claimed.sort_by_key(|entry| entry.recipient_kind == RecipientKind::Contact);
        for (entry, expected) in claimed.iter().zip(expected) {
            let to = entry.recipient.split('@').next().unwrap_or_default();
            let mut mail = composed("octets");
            mail.email = Email { ingress: None, message_id: Some(format!("to {to}")), ..mail.email };
            bench.store.data_sent(entry.id, Some(mail)).await.unwrap();
            bench.end(entry.id, DELIVERED).await;
            let messages = bench.store.messages(conversation.id, 10).await.unwrap();
            let shown = messages.into_iter().find(|message| message.id == id).and_then(|message| message.email);
            assert_eq!(shown.and_then(|mail| mail.message_id).as_deref(), Some(expected));
        }
    }
}

#[tokio::test]
async fn what_waits_for_the_chat_goes_out_as_one_mail() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let first = bench.store.append_message(conversation.id, delayed("one", Duration::from_secs(600))).await.unwrap();
    bench.at(MINUTE_MS);
    let second = bench.store.append_message(conversation.id, delayed("two", Duration::from_secs(600))).await.unwrap();
    let entry = bench.only().await;
    assert_eq!((entry.state, entry.due_at), (DeliveryState::Waiting, Some(UnixMs(NOW.0 + 10 * MINUTE_MS))));
    assert_eq!(entry.messages, [first.id, second.id]);
    assert_eq!(second.delivery.map(|delivery| delivery.state), Some(DeliveryState::Waiting));
    assert_eq!(bench.claim().await, [], "it is not due yet");
    assert_eq!(bench.store.next_timer().await.unwrap(), entry.due_at);
    bench.at(10 * MINUTE_MS);
    assert_eq!(bench.claim().await, [], "nobody has looked again yet");
    bench.store.continuity_due().await.unwrap();
    assert_eq!(bench.store.next_due().await.unwrap(), entry.due_at);
    assert_eq!(bench.claim().await.len(), 1);
    bench.store.append_message(conversation.id, delayed("three", Duration::from_secs(600))).await.unwrap();
    assert_eq!(bench.queue().await.len(), 2, "what is in hand takes no more");
}

#[tokio::test]
async fn a_conversation_that_went_to_mail_stays_there() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let mailed = NewMessage { via: Via::Email, ..message(AuthorKind::Contact, "by mail") };
    bench.store.append_message(conversation.id, mailed).await.unwrap();
    bench.store.append_message(conversation.id, delayed("answer", Duration::from_secs(600))).await.unwrap();
    assert_eq!(bench.only().await.due_at, Some(NOW));
}

#[tokio::test]
async fn agents_are_told_of_what_concerns_them() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let sara = bench.agent("Sara@acme.example", None).await;
    let bo = bench.agent("bo@acme.example", Some(&["website"])).await;
    bench.agent("cy@acme.example", Some(&["sales"])).await;
    bench.agent("ann@example.org", None).await;
    let quiet = NewAgent {
        account: "acme".into(),
        email: "q@acme.example".into(),
        name: "Q".into(),
        inboxes: None,
        by_mail: false,
    };
    bench.store.add_agent(quiet).await.unwrap();
    let from_ann = Author { kind: AuthorKind::Contact, name: None, email: Some("Ann@example.org".into()) };
    let asked = NewMessage { author: from_ann, ..question("hello?") };
    bench.store.append_message(conversation.id, asked).await.unwrap();
    let queue = bench.queue().await;
    let told: Vec<_> = queue.iter().map(|entry| entry.recipient.as_str()).collect();
    assert_eq!(told, ["sara@acme.example", "bo@acme.example"], "never the author's own address");
    assert!(queue.iter().all(|entry| entry.kind == MailKind::Notification && entry.due_at == Some(NOW)));
    let state = bench.store.token_state(queue[0].reply_token).await.unwrap();
    let agent = Some(sara.email.clone());
    assert_eq!(state, TokenState::Live { account: "acme".into(), conversation_id: conversation.id, agent });

    bench.store.update_conversation(conversation.id, None, Some("BO@acme.example".into()), None).await.unwrap();
    bench.ask(conversation.id, "Bo?").await;
    let last = bench.queue().await.split_off(2);
    assert_eq!(last.iter().map(|entry| entry.agent_id).collect::<Vec<_>>(), [Some(bo.id)], "the assignee alone");
    assert_eq!(last[0].reply_token, queue[1].reply_token);

    bench.store.remove_agent(bo.id).await.unwrap();
    let state = bench.store.token_state(last[0].reply_token).await.unwrap();
    assert_eq!(state, TokenState::Revoked { account: "acme".into() });
    let states: Vec<_> = bench.queue().await.iter().map(|entry| entry.state).collect();
    assert_eq!(states, [DeliveryState::Queued, DeliveryState::Cancelled, DeliveryState::Cancelled]);
}

#[tokio::test]
async fn a_machines_mail_is_told_to_nobody() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.agent("sara@acme.example", None).await;
    for (n, class) in [Class::AutoReply, Class::Bounce, Class::List, Class::Human].into_iter().enumerate() {
        let mail = Email { raw_id: Id(n as i64 + 1), ..email("x@example.org", class) };
        let asked = NewMessage { email: Some(mail), via: Via::Email, ..question("away") };
        bench.store.append_message(conversation.id, asked).await.unwrap();
    }
    assert_eq!(bench.queue().await.len(), 1, "a person's alone");
}

#[tokio::test]
async fn two_machines_that_answer_each_other_end_by_the_budget() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.agent("sara@acme.example", None).await;
    for n in 0..33 {
        bench.at(n * 1000);
        for said in [question("I am away"), answer("so am I")] {
            let by_mail = NewMessage { via: Via::Email, ..said };
            bench.store.append_message(conversation.id, by_mail).await.expect("appended");
        }
    }
    let queue = bench.queue().await;
    for kind in [MailKind::Notification, MailKind::Answer] {
        let of_kind: Vec<_> = queue.iter().filter(|entry| entry.kind == kind).collect();
        let held: Vec<_> = of_kind.iter().filter(|entry| entry.held).collect();
        assert_eq!((of_kind.len(), held.len()), (31, 1), "{kind:?}");
        assert_eq!(held[0].messages.len(), 3, "the rest waits in the same mail");
        let reason = held[0].reason.as_deref().unwrap_or_default();
        assert!(reason.starts_with("held: 30") && reason.contains("release"), "{reason}");
    }
    bench.at(HOUR_MS + 33_000);
    let released = queue.iter().find(|entry| entry.held && entry.kind == MailKind::Answer).unwrap();
    assert!(!bench.store.hold_mail(released.id, false).await.unwrap().held);
    bench.answer(conversation.id, "an hour later").await;
    assert!(!bench.queue().await.pop().unwrap().held);
}

#[tokio::test]
async fn a_domain_with_any_number_of_mails_hides_none_of_another() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@big.example").await;
    bench.answer(conversation.id, "template").await;
    let Bench { dir, clock, store } = bench;
    store.close().await;
    let database = rusqlite::Connection::open(dir.path().join("replyd.db")).unwrap();
    let columns = "account, conversation_id, kind, recipient, recipient_kind, domain, reply_token, message_id,
        require_tls, state, created_at, due_at, give_up_at";
    let copy = format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
         INSERT INTO queue (id, {columns}) SELECT q.id + n.n, {columns} FROM n, queue q"
    );
    database.execute_batch(&copy).unwrap();
    database.execute_batch("DROP TABLE IF EXISTS x").unwrap();
    drop(database);
    let bench = Bench { store: open(dir.path(), &clock), dir, clock };
    bench.at(MINUTE_MS);
    let small = bench.conversation("bo@small.example").await;
    bench.answer(small.id, "hello").await;
    let claim = Claim { limit: 16, per_domain: 4, busy: Vec::new() };
    let domains = async |claim: &Claim| {
        let claimed = bench.store.claim_due(claim.clone()).await.expect("claimed");
        claimed.into_iter().map(|entry| entry.domain).collect::<Vec<_>>()
    };
    assert_eq!(domains(&claim).await, ["big.example", "big.example", "big.example", "big.example", "small.example"]);
    let busy = Claim { busy: vec!["big.example".into()], ..claim.clone() };
    assert_eq!(domains(&busy).await, Vec::<String>::new(), "busy domains are left alone");
    bench.answer(small.id, "again").await;
    assert_eq!(domains(&busy).await, ["small.example"]);
    let waits = bench.queue().await.into_iter().find(|entry| entry.phase.is_none()).expect("one of many");
    bench.store.retry_mail(waits.id).await.unwrap();
    assert_eq!(domains(&busy).await, ["big.example"], "but for what a person wants tried now");
}

#[tokio::test]
async fn every_domain_has_its_turn_and_a_claim_takes_no_more_than_it_is_asked_for() {
    let bench = Bench::new();
    for n in 0..40 {
        let conversation = bench.conversation(&format!("ann@d{n:02}.example")).await;
        for _ in 0..3 {
            bench.answer(conversation.id, "x").await;
        }
    }
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    let mut claims = 0;
    loop {
        let claim = Claim { limit: 5, per_domain: 1, busy: seen.keys().cloned().collect() };
        let claimed = bench.store.claim_due(claim).await.expect("claimed");
        if claimed.is_empty() {
            break;
        }
        claims += 1;
        assert!(claimed.len() <= 5);
        claimed.into_iter().for_each(|entry| *seen.entry(entry.domain).or_default() += 1);
    }
    assert_eq!((seen.len(), seen.values().max(), claims), (40, Some(&1), 8));
}

#[tokio::test]
async fn an_attempt_is_counted_and_its_end_is_shown_on_the_message() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let sent = bench.answer(conversation.id, "they do").await;
    let entry = bench.attempt(DEFERRED).await;
    assert_eq!((entry.state, entry.phase, entry.attempts), (DeliveryState::Deferred, None, 1));
    assert_eq!((entry.due_at, entry.last_attempt_at), (Some(UnixMs(NOW.0 + MINUTE_MS)), Some(NOW)));
    assert_eq!(bench.claim().await, []);
    bench.at(MINUTE_MS);
    let claimed = bench.claim().await;
    let mut other = composed("other octets");
    other.email.message_id = Some("other@x".into());
    bench.store.data_sent(entry.id, Some(other)).await.unwrap();
    assert_eq!(claimed[0].raw_id, entry.raw_id, "the first octets are those of every attempt");
    bench.end(entry.id, DELIVERED).await;
    bench.end(entry.id, DEFERRED).await;
    let entry = bench.only().await;
    assert_eq!((entry.state, entry.attempts, entry.due_at), (DeliveryState::Delivered, 2, None), "ended once");
    assert_eq!(bench.store.raw_mail(entry.raw_id.unwrap()).await.unwrap(), b"a mail");
    let shown = bench.store.messages(conversation.id, 10).await.unwrap().pop().unwrap();
    assert_eq!(shown.id, sent.id);
    let delivery = shown.delivery.unwrap();
    assert_eq!((delivery.state, delivery.attempts, delivery.uncertain), (DeliveryState::Delivered, 2, false));
    assert_eq!((delivery.remote_reply.as_deref(), delivery.tls.as_deref()), (Some("its words"), Some("TLSv1.3")));
    let mail = shown.email.expect("the mail that went out");
    assert_eq!((Some(mail.raw_id), mail.message_id.as_deref()), (entry.raw_id, Some("composed@mx.acme.example")));
}

#[tokio::test]
async fn what_was_no_attempt_is_not_counted() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.answer(conversation.id, "they do").await;
    let entry = bench.attempt(AttemptOutcome::PutBack { due_at: UnixMs(NOW.0 + 5) }).await;
    assert_eq!((entry.state, entry.attempts, entry.due_at), (DeliveryState::Queued, 0, Some(UnixMs(NOW.0 + 5))));
}

#[tokio::test]
async fn a_large_mail_of_ours_lives_beside_the_database() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.answer(conversation.id, "they do").await;
    let claimed = bench.claim().await;
    let large = "x".repeat(300 * 1024);
    bench.store.data_sent(claimed[0].id, Some(composed(&large))).await.unwrap();
    let bench = bench.reopened();
    assert_eq!(std::fs::read_dir(bench.dir.path().join("mail")).unwrap().count(), 1);
    let raw_id = bench.only().await.raw_id.unwrap();
    assert_eq!(bench.store.raw_mail(raw_id).await.unwrap().len(), large.len());
}

#[tokio::test]
async fn a_crash_in_any_phase_loses_nothing() {
    let bench = Bench::new();
    for domain in ["queued", "connecting", "sent", "delivered"] {
        let conversation = bench.conversation(&format!("ann@{domain}.example")).await;
        bench.answer(conversation.id, domain).await;
    }
    let claim = Claim { limit: 10, per_domain: 4, busy: vec!["queued.example".into()] };
    let claimed = bench.store.claim_due(claim).await.unwrap();
    let of = |domain: &str| claimed.iter().find(|entry| entry.domain == domain).expect("claimed").id;
    for domain in ["sent.example", "delivered.example"] {
        bench.store.data_sent(of(domain), Some(composed("octets"))).await.unwrap();
    }
    bench.end(of("delivered.example"), DELIVERED).await;
    let bench = bench.reopened();
    bench.at(1000);
    assert_eq!(bench.store.recover_queue().await.unwrap(), (1, 1));
    assert_eq!(bench.store.recover_queue().await.unwrap(), (0, 0));
    let told: Vec<_> = bench
        .queue()
        .await
        .iter()
        .map(|entry| {
            (entry.state, entry.phase.is_none(), entry.attempts, entry.uncertain, entry.due_at.map(|at| at.0 - NOW.0))
        })
        .collect();
    let wait = i64::try_from(retry::UNCERTAIN.as_millis()).unwrap();
    let expected = [
        (DeliveryState::Queued, true, 0, false, Some(0)),
        (DeliveryState::Queued, true, 1, false, Some(1000)),
        (DeliveryState::Deferred, true, 1, true, Some(1000 + wait)),
        (DeliveryState::Delivered, true, 1, false, None),
    ];
    assert_eq!(told, expected);
    let before: Vec<_> = claimed.iter().map(|entry| (entry.id, entry.message_id.clone())).collect();
    for (id, message_id) in before {
        assert_eq!(bench.store.queue_entry(id).await.unwrap().message_id, message_id, "the same Message-ID");
    }
}

#[tokio::test]
async fn a_mail_that_may_have_ended_the_process_is_tried_less_and_less_until_its_time_is_over() {
    let mut bench = Bench::new();
    let conversation = bench.conversation("ann@customer.example").await;
    bench.answer(conversation.id, "poison").await;
    for minutes in [0, 0, 1, 5, 15, 30] {
        let entry = bench.only().await;
        let now = entry.due_at.expect("it is open");
        bench.clock.set(now);
        assert_eq!(bench.claim().await.len(), 1);
        bench = bench.reopened();
        bench.store.recover_queue().await.unwrap();
        let wait = bench.only().await.due_at.expect("it is open").0 - now.0;
        assert!((0..3000).contains(&(wait - minutes * MINUTE_MS)), "{wait} after {minutes}");
    }
    bench.at(6 * DAY_MS);
    assert_eq!(bench.claim().await.len(), 1);
    bench.store.recover_queue().await.unwrap();
    assert_eq!(bench.only().await.state, DeliveryState::Failed);
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Order {
    Retry,
    Cancel,
    Hold,
    Release,
    SayDataSent,
}

/// Brings a mail into a state, gives an order, and answers what the mail then is; `Err`: the order was refused.
async fn ordered(bench: &Bench, state: &str, order: Order) -> Result<(DeliveryState, bool), ()> {
    let conversation = bench.conversation("ann@example.org").await;
    let id = bench.store.append_message(conversation.id, answer("x")).await.unwrap();
    let query = QueueQuery { conversation: Some(conversation.id), limit: 1, ..QueueQuery::default() };
    let entry = bench.store.queue(query).await.unwrap().items.remove(0).id;
    assert_eq!(bench.store.queue_entry(entry).await.unwrap().messages, [id.id]);
    if state != "queued" && state != "held" {
        bench.store.claim_due(Claim { limit: 1, per_domain: 1, busy: vec![] }).await.unwrap();
    }
    match state {
        "data_sent" => bench.store.data_sent(entry, Some(composed("x"))).await.unwrap(),
        "deferred" => {
            bench.end(entry, AttemptOutcome::Deferred { due_at: UnixMs(NOW.0 + DAY_MS), uncertain: false }).await
        }
        "delivered" => bench.end(entry, DELIVERED).await,
        "failed" => bench.end(entry, AttemptOutcome::Failed { suppress: None }).await,
        "cancelled" => drop(bench.store.cancel_mail(entry).await.unwrap()),
        "held" => drop(bench.store.hold_mail(entry, true).await.unwrap()),
        _ => {}
    }
    let outcome = match order {
        Order::Retry => bench.store.retry_mail(entry).await.map(drop),
        Order::Cancel => bench.store.cancel_mail(entry).await.map(drop),
        Order::Hold => bench.store.hold_mail(entry, true).await.map(drop),
        Order::Release => bench.store.hold_mail(entry, false).await.map(drop),
        Order::SayDataSent => bench.store.data_sent(entry, Some(composed("x"))).await,
    };
    let after = bench.store.queue_entry(entry).await.unwrap();
    // The next row begins with an empty queue.
    let _ = bench.store.cancel_mail(entry).await;
    bench.end(entry, AttemptOutcome::PutBack { due_at: NOW }).await;
    let _ = bench.store.cancel_mail(entry).await;
    match outcome {
        Ok(()) => Ok((after.state, after.held)),
        Err(StoreError::Conflict(words)) => {
            assert!(words.len() > 20, "{words}");
            Err(())
        }
        Err(error) => panic!("{state} {order:?}: {error}"),
    }
}

#[tokio::test]
async fn what_may_be_done_to_a_mail_depends_on_its_state() {
    use DeliveryState::{Cancelled, Deferred, Queued};
    use Order::{Cancel, Hold, Release, Retry, SayDataSent};
    let bench = Bench::new();
    for (state, order, expected) in [
        ("queued", Retry, Ok((Queued, false))),
        ("queued", Cancel, Ok((Cancelled, false))),
        ("queued", Hold, Ok((Queued, true))),
        ("queued", SayDataSent, Err(())),
        ("held", Retry, Ok((Queued, false))),
        ("held", Release, Ok((Queued, false))),
        ("held", Cancel, Ok((Cancelled, true))),
        ("connecting", Retry, Ok((Queued, false))),
        ("connecting", Cancel, Ok((Cancelled, false))),
        ("connecting", SayDataSent, Ok((Queued, false))),
        ("data_sent", Cancel, Err(())),
        ("data_sent", Hold, Ok((Queued, true))),
        ("deferred", Retry, Ok((Deferred, false))),
        ("deferred", Cancel, Ok((Cancelled, false))),
        ("delivered", Retry, Err(())),
        ("delivered", Cancel, Err(())),
        ("delivered", Hold, Err(())),
        ("failed", Retry, Ok((Queued, false))),
        ("failed", Cancel, Err(())),
        ("cancelled", Retry, Ok((Queued, false))),
        ("cancelled", SayDataSent, Err(())),
        ("cancelled", Cancel, Err(())),
    ] {
        assert_eq!(ordered(&bench, state, order).await, expected, "{state} {order:?}");
    }
}

#[tokio::test]
async fn a_mail_cancelled_in_hand_is_never_in_hand_twice() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.answer(conversation.id, "x").await;
    let entry = bench.claim().await.remove(0).id;
    bench.store.cancel_mail(entry).await.unwrap();
    bench.store.retry_mail(entry).await.unwrap();
    assert_eq!(bench.claim().await, [], "the attempt that has it goes on");
    bench.store.data_sent(entry, Some(composed("x"))).await.unwrap();
    bench.end(entry, DELIVERED).await;
    assert_eq!(bench.only().await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_bad_address_gets_no_more_mail_until_it_is_cleared() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.answer(conversation.id, "one").await;
    bench.answer(conversation.id, "two").await;
    let first = bench.claim().await;
    bench.end(first[1].id, AttemptOutcome::PutBack { due_at: NOW }).await;
    bench.end(first[0].id, AttemptOutcome::Failed { suppress: Some(SuppressionReason::BadAddress) }).await;
    assert_eq!(bench.claim().await, [], "what was queued before fails too, undialled");
    let third = bench.answer(conversation.id, "three").await.delivery.unwrap();
    let reason = third.reason.unwrap_or_default();
    assert_eq!((third.state, third.attempts), (DeliveryState::Failed, 0));
    assert!(reason.contains("does not exist") && reason.contains("suppression clear"), "{reason}");
    assert!(bench.queue().await.iter().all(|entry| entry.state == DeliveryState::Failed));
    let bounced = bench.store.conversation(conversation.id).await.unwrap().contact.bounced.expect("marked");
    assert_eq!((bounced.since, bounced.reason.as_str()), (NOW, "a reason"));
    let rows = bench.store.suppressions(Some("acme".into())).await.unwrap();
    assert_eq!((rows[0].email.as_str(), rows[0].expires_at), ("ann@example.org", Some(UnixMs(NOW.0 + 90 * DAY_MS))));
    assert!(matches!(bench.store.retry_mail(first[0].id).await, Err(StoreError::Conflict(_))));

    bench.store.clear_suppression("acme".into(), "ANN@example.org".into()).await.unwrap();
    assert!(bench.store.clear_suppression("acme".into(), "ann@example.org".into()).await.is_err());
    assert_eq!(bench.store.conversation(conversation.id).await.unwrap().contact.bounced, None);
    bench.store.retry_mail(first[0].id).await.unwrap();
    bench.attempt(DELIVERED).await;
}

#[tokio::test]
async fn a_full_mailbox_counts_at_the_third_strike_within_a_week() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let full = AttemptOutcome::Failed { suppress: Some(SuppressionReason::MailboxFull) };
    let mut suppressed = Vec::new();
    for (day, outcome) in [(0, &full), (1, &full), (8, &full), (9, &DELIVERED), (10, &full), (11, &full), (12, &full)] {
        bench.at(day * DAY_MS);
        bench.answer(conversation.id, "x").await;
        bench.attempt(outcome.clone()).await;
        suppressed.push(bench.store.suppressions(None).await.unwrap().len());
    }
    assert_eq!(suppressed, [0, 0, 0, 0, 0, 0, 1]);
    bench.at(19 * DAY_MS);
    assert_eq!(bench.answer(conversation.id, "x").await.delivery.unwrap().state, DeliveryState::Queued, "a week later");
}

#[tokio::test]
async fn a_bounce_is_a_fact_on_mail_address_and_contact_once() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.answer(conversation.id, "they do").await;
    let entry = bench.attempt(DELIVERED).await.id;
    bench.bounce(entry, BounceFactKind::Delayed, None, "4.4.1 no answer").await;
    assert_eq!(bench.only().await.state, DeliveryState::Delivered);
    for _ in 0..2 {
        bench.bounce(entry, BounceFactKind::Failed, Some(SuppressionReason::BadAddress), "5.1.1 no such user").await;
    }
    let after = bench.only().await;
    assert_eq!((after.state, after.reason.as_deref()), (DeliveryState::Failed, Some("came back: 5.1.1 no such user")));
    assert_eq!((after.bounced_at, after.bounce_diagnostic.as_deref()), (Some(NOW), Some("5.1.1 no such user")));
    let shown = bench.store.messages(conversation.id, 9).await.unwrap().pop().and_then(|message| message.delivery);
    let shown = shown.expect("a delivery");
    assert_eq!((shown.bounced_at, shown.message_id), (Some(NOW), Some(after.message_id)));
    let contact = bench.store.conversation(conversation.id).await.unwrap().contact;
    assert_eq!(contact.bounced.map(|bounced| bounced.reason).as_deref(), Some("5.1.1 no such user"));
    assert_eq!(bench.store.suppressions(None).await.unwrap()[0].reason, SuppressionReason::BadAddress);
    let bounces = bench.events().await.into_iter().filter(|(kind, _)| *kind == EventKind::Bounce).count();
    assert_eq!(bounces, 1);
    bench.bounce(entry, BounceFactKind::Complaint, None, "spam").await;
    let row = bench.store.suppressions(None).await.unwrap().remove(0);
    assert_eq!((row.reason, row.expires_at), (SuppressionReason::Complaint, None));
}

/// A policy, a full disk or somebody else's address says nothing of the contact's.
#[tokio::test]
async fn a_bounce_without_a_code_of_the_address_leaves_the_contact_unmarked() {
    for (suppress, words) in [
        (None, "5.7.1 (blocked)"),
        (None, "about victim@example.net: 5.1.1 (no such user)"),
        (Some(SuppressionReason::MailboxFull), "5.2.2 (full)"),
    ] {
        let bench = Bench::new();
        let conversation = bench.conversation("ann@example.org").await;
        bench.answer(conversation.id, "they do").await;
        let entry = bench.attempt(DELIVERED).await;
        bench.bounce(entry.id, BounceFactKind::Failed, suppress, words).await;
        let after = bench.only().await;
        assert_eq!((after.state, after.bounce_diagnostic.as_deref()), (DeliveryState::Failed, Some(words)));
        assert_eq!(after.remote_reply, entry.remote_reply, "what the host said stays");
        assert_eq!(bench.store.conversation(conversation.id).await.unwrap().contact.bounced, None, "{words}");
        bench.store.retry_mail(entry.id).await.unwrap();
        let again = bench.attempt(DELIVERED).await;
        assert_eq!((again.state, again.bounced_at, again.bounce_diagnostic), (DeliveryState::Delivered, None, None));
    }
}

#[tokio::test]
async fn a_bounce_of_another_account_or_of_last_year_changes_nothing() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.answer(conversation.id, "they do").await;
    let entry = bench.attempt(DELIVERED).await.id;
    let words = "5.1.1".to_owned();
    let fact = BounceFact { entry, kind: BounceFactKind::Failed, words, suppress: None };
    let foreign = FilingResult { account: "other".into(), bounce: Some(fact.clone()), ..result("foreign") };
    bench.file(foreign).await.unwrap();
    let unknown = FilingResult { bounce: Some(BounceFact { entry: Id(7), ..fact.clone() }), ..result("unknown") };
    bench.file(unknown).await.unwrap();
    bench.at(31 * DAY_MS);
    bench.file(FilingResult { bounce: Some(fact), ..result("late") }).await.unwrap();
    assert_eq!(bench.only().await.state, DeliveryState::Delivered);
}

#[tokio::test]
async fn a_mail_of_commands_alone_is_followed_and_what_cannot_be_done_is_explained() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let sara = bench.agent("sara@acme.example", None).await;
    bench.agent("bo@acme.example", None).await;
    let orders = |reason: &str, orders: Vec<AgentOrder>| FilingResult {
        destination: Destination::Existing(conversation.id),
        orders,
        agent: Some("Sara@acme.example".into()),
        ..result(reason)
    };
    let until = UnixMs(NOW.0 + 2 * DAY_MS);
    let both = vec![AgentOrder::Assign("bo@acme.example".into()), AgentOrder::SnoozeUntil(until)];
    let filed = bench.file(orders("both", both)).await.unwrap();
    assert_eq!((filed.conversation_id, filed.message_id), (Some(conversation.id), None));
    let after = bench.store.conversation(conversation.id).await.unwrap();
    assert_eq!((after.status, after.snoozed_until), (Status::Snoozed, Some(until)));
    assert_eq!(after.assignee.as_deref(), Some("bo@acme.example"));

    assert_eq!(bench.store.tend().await.unwrap(), Some(until));
    bench.clock.set(until);
    bench.store.tend().await.unwrap();
    let after = bench.store.conversation(conversation.id).await.unwrap();
    assert_eq!((after.status, after.snoozed_until), (Status::Open, None), "it wakes by itself");
    bench.file(orders("resolve", vec![AgentOrder::Resolve])).await.unwrap();
    assert_eq!(bench.store.conversation(conversation.id).await.unwrap().status, Status::Resolved);

    for n in 0..7 {
        let unknown = vec![AgentOrder::Assign("nobody@acme.example".into())];
        bench.file(orders(&format!("unknown {n}"), unknown)).await.unwrap();
    }
    let queue = bench.queue().await;
    assert_eq!(queue.len(), 5, "five an hour");
    assert!(queue.iter().all(|entry| entry.kind == MailKind::Notice && entry.agent_id == Some(sara.id)));
    assert!(queue[0].notice.as_deref().unwrap_or_default().contains("nobody@acme.example"));
    let told = bench.store.to_compose(queue[0].id).await.unwrap();
    assert_eq!((told.agent.map(|agent| agent.id), told.messages.len()), (Some(sara.id), 0));
}

#[tokio::test]
async fn everything_that_a_mail_is_composed_of_comes_in_one_read() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let sara = bench.agent("sara@acme.example", None).await;
    bench.store.update_conversation(conversation.id, None, Some("sara@acme.example".into()), None).await.unwrap();
    bench.answer(conversation.id, "one").await;
    let first = bench.attempt(DELIVERED).await;
    bench.at(1000);
    let from_ann = Author { kind: AuthorKind::Contact, name: None, email: Some("ann@example.org".into()) };
    let theirs = Email { raw_id: Id(1), ..email("theirs@example.org", Class::Human) };
    let mailed = NewMessage { author: from_ann, via: Via::Email, email: Some(theirs), ..question("and the lid?") };
    bench.store.append_message(conversation.id, mailed).await.unwrap();
    bench
        .store
        .append_message(conversation.id, NewMessage { direction: Direction::Note, ..answer("psst") })
        .await
        .unwrap();
    bench.at(2000);
    let upload = Upload { name: "lid.txt".into(), media_type: "text/plain".into(), octets: b"lid".to_vec() };
    let sent = bench
        .store
        .append_message(conversation.id, NewMessage { uploads: vec![upload], ..answer("two") })
        .await
        .unwrap();
    let queue = bench.queue().await;
    let (notification, second) = (&queue[1], &queue[2]);
    let read = bench.store.to_compose(second.id).await.unwrap();
    assert_eq!(read.messages, [sent]);
    let history: Vec<_> = read.history.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(history, ["do they pour well?", "one", "and the lid?"], "no notes");
    let thread: Vec<_> = read.thread.iter().map(|mail| (mail.message_id.as_str(), mail.incoming)).collect();
    assert_eq!(thread, [(first.message_id.as_str(), false), ("theirs@example.org", true)]);
    assert_eq!(read.thread[0].references, ["earlier@example.org"]);
    assert_eq!(read.thread[0].subject.as_deref(), Some("Re: Teapots"));
    assert_eq!(read.first_subject.as_deref(), Some("Re: Teapots"));
    assert_eq!((read.assignee.map(|agent| agent.id), read.agent), (Some(sara.id), None));
    let attachment = &read.messages[0].attachments[0];
    assert_eq!((attachment.name.as_str(), attachment.size), ("lid.txt", 3));
    assert_eq!(bench.store.attachment_octets(attachment.id).await.unwrap().as_deref(), Some(&b"lid"[..]));
    let told = bench.store.to_compose(notification.id).await.unwrap();
    assert_eq!((told.agent.map(|agent| agent.id), told.thread), (Some(sara.id), Vec::new()));
}

#[tokio::test]
async fn events_are_in_the_order_of_what_happened_and_can_be_followed() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let latest = bench.store.events(None, None, 100).await.unwrap();
    assert_eq!(latest.len(), 1);
    bench.answer(conversation.id, "they do").await;
    bench.attempt(DEFERRED).await;
    bench.store.update_conversation(conversation.id, Some(Status::Resolved), None, None).await.unwrap();
    bench.ask(conversation.id, "and the lid?").await;
    let mut after = latest[0].id;
    let mut kinds = Vec::new();
    loop {
        let page = bench.store.events(Some("acme".into()), Some(after), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        kinds.extend(page.iter().map(|event| event.kind));
    }
    use EventKind::{ConversationChanged, DeliveryChanged, MessageCreated};
    assert_eq!(kinds, [MessageCreated, DeliveryChanged, ConversationChanged, MessageCreated, ConversationChanged]);
    assert_eq!(bench.store.events(Some("other".into()), Some(Id(0)), 10).await.unwrap(), []);
}

#[tokio::test]
async fn trouble_is_told_after_an_hour_and_once() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let patient = bench.conversation("bo@example.net").await;
    bench.store.append_message(patient.id, delayed("no hurry", Duration::from_secs(7200))).await.unwrap();
    bench.answer(conversation.id, "they do").await;
    bench.attempt(AttemptOutcome::Deferred { due_at: UnixMs(NOW.0 + DAY_MS), uncertain: false }).await;
    let troubles = async || bench.events().await.into_iter().filter(|(_, detail)| detail.contains("trouble")).count();
    assert_eq!(bench.store.tend().await.unwrap(), Some(UnixMs(NOW.0 + HOUR_MS)));
    assert_eq!(troubles().await, 0);
    for _ in 0..2 {
        bench.at(HOUR_MS);
        assert_eq!(bench.store.tend().await.unwrap(), None);
        assert_eq!(troubles().await, 1);
    }
    bench.at(8 * DAY_MS);
    bench.store.tend().await.unwrap();
    assert_eq!(bench.events().await, [], "events are kept for a week");
}

#[tokio::test]
async fn an_agent_by_mail_is_told_after_an_hour_that_the_answer_is_late() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    bench.agent("sara@acme.example", None).await;
    let mut written = answer("they do");
    written.author.email = Some("Sara@acme.example".into());
    bench.store.append_message(conversation.id, written).await.unwrap();
    bench.attempt(AttemptOutcome::Deferred { due_at: UnixMs(NOW.0 + DAY_MS), uncertain: false }).await;
    for (at, notices) in [(HOUR_MS - 1, 0), (HOUR_MS, 1), (2 * HOUR_MS, 1)] {
        bench.at(at);
        bench.store.tend().await.unwrap();
        let queue = bench.queue().await;
        let told: Vec<_> = queue.iter().filter(|entry| entry.kind == MailKind::Notice).collect();
        assert_eq!(told.len(), notices, "{queue:?}");
        let words = told.first().and_then(|notice| notice.notice.as_deref());
        assert!(words.is_none_or(|words| words.contains("has not arrived yet") && words.contains("> they do")));
    }
}

#[tokio::test]
async fn whoever_unsubscribed_gets_no_more_mail() {
    let bench = Bench::new();
    // The contact of a chat is done with the mails of that chat alone: continuity.rs.
    let conversation = bench.conversation_by(Channel::Email, "ann@example.org").await;
    bench.answer(conversation.id, "they do").await;
    let entry = bench.attempt(DELIVERED).await.id;
    for _ in 0..2 {
        bench.store.unsubscribe(entry).await.unwrap();
    }
    bench.bounce(entry, BounceFactKind::Failed, Some(SuppressionReason::BadAddress), "5.1.1").await;
    let row = bench.store.suppressions(None).await.unwrap().remove(0);
    assert_eq!((row.reason, row.expires_at), (SuppressionReason::Unsubscribed, None), "a person's wish stays");
    assert_eq!(bench.answer(conversation.id, "still there?").await.delivery.unwrap().state, DeliveryState::Failed);
}

#[tokio::test]
async fn what_was_said_before_is_loaded_within_bounds_however_much_that_is() {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let long = "ö".repeat(QUOTED_OCTETS_MAX * 4);
    for _ in 0..20 {
        bench.ask(conversation.id, &long).await;
    }
    bench.ask(conversation.id, "the latest").await;
    let sent = bench.answer(conversation.id, &long).await;
    let queue = bench.queue().await;
    let entry = queue.iter().find(|entry| entry.kind == MailKind::Answer).expect("an answer");
    let read = bench.store.to_compose(entry.id).await.unwrap();
    assert_eq!(read.messages, [sent], "what is sent is sent whole");
    let lengths: Vec<usize> = read.history.iter().map(|message| message.text.len()).collect();
    assert!(lengths.iter().sum::<usize>() <= HISTORY_OCTETS_MAX && lengths.len() > 4, "{lengths:?}");
    assert_eq!(read.history.last().map(|message| message.text.as_str()), Some("the latest"));
    assert!(lengths.iter().rev().skip(1).all(|length| *length > QUOTED_OCTETS_MAX), "{lengths:?}");
}

/// Brings a mail with kept octets to a day, and answers whether they are still what goes out.
async fn kept(day: i64, outcome: AttemptOutcome, order: Order) -> bool {
    let bench = Bench::new();
    let conversation = bench.conversation("ann@example.org").await;
    let message = bench.answer(conversation.id, "x").await;
    let entry = bench.claim().await.remove(0);
    let first = Outgoing { octets: b"made first".to_vec(), email: email(&entry.message_id, Class::Human) };
    bench.store.data_sent(entry.id, Some(first)).await.unwrap();
    bench.end(entry.id, outcome).await;
    let entry = bench.store.queue_entry(entry.id).await.unwrap();
    if order == Order::Release {
        bench.store.hold_mail(entry.id, true).await.unwrap();
    }
    bench.at(day * DAY_MS);
    match order {
        Order::Release => drop(bench.store.hold_mail(entry.id, false).await.unwrap()),
        _ => drop(bench.store.retry_mail(entry.id).await.unwrap()),
    }
    let kept = bench.store.queue_entry(entry.id).await.unwrap().raw_id == entry.raw_id;
    let claimed = bench.claim().await.remove(0);
    let again = email(&claimed.message_id, Class::Human);
    let made = Outgoing { octets: b"made anew".to_vec(), email: again };
    bench.store.data_sent(entry.id, Some(made)).await.unwrap();
    let goes = bench.store.queue_entry(entry.id).await.unwrap().raw_id.unwrap();
    let octets = bench.store.raw_mail(goes).await.unwrap();
    assert_eq!(octets == b"made anew", !kept);
    let messages = bench.store.messages(conversation.id, 10).await.unwrap();
    let shown = messages.into_iter().find(|found| found.id == message.id).and_then(|found| found.email).unwrap();
    assert_eq!(shown.raw_id, goes, "and the message shows what goes");
    kept
}

#[tokio::test]
async fn what_is_let_go_after_days_is_signed_anew_unless_a_host_may_have_it() {
    let failed = || AttemptOutcome::Failed { suppress: None };
    let uncertain = AttemptOutcome::Deferred { due_at: UnixMs(NOW.0 + MINUTE_MS), uncertain: true };
    assert!(kept(4, failed(), Order::Retry).await, "its signatures are good for long enough");
    assert!(!kept(6, failed(), Order::Retry).await);
    assert!(!kept(16, DEFERRED, Order::Retry).await);
    assert!(!kept(16, DEFERRED, Order::Release).await);
    assert!(kept(16, uncertain, Order::Release).await, "a host may know it by its octets");
}
