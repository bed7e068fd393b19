//! Mail out, whole: an answer in the store reaches a mail host over real sockets, and what the host does becomes what the
//! message shows. The test owns the clock and the DNS.

use crate::mail_out_peer::{Act, MailHost, Moment, Script, last, say};
use replyd::clock::{Clock, UnixMs};
use replyd::config::secret::Surroundings;
use replyd::conversation::delivery::{DeliveryState, Posting, SuppressionReason};
use replyd::conversation::id::Id;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Message, Via};
use replyd::daemon::sockets::Sockets;
use replyd::daemon::{Ingredients, Running};
use replyd::dns::{Zone, ZoneServer};
use replyd::outbound::compose::compose;
use replyd::outbound::{self, Compose, ServicesParts};
use replyd::store::Store;
use replyd::store::outgoing::{Backlog, QueueEntry, QueueQuery};
use replyd::store::unit::{NewConversation, NewMessage};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const NOW: UnixMs = UnixMs(1_790_000_000_000);
const MINUTE_MS: i64 = 60_000;
/// A composer that never ends is waited for this long.
const COMPOSING_MAX: Duration = Duration::from_millis(300);
/// A test that waits longer than this has failed; nothing is timed by it.
const PATIENCE: Duration = Duration::from_secs(30);

const ZONE: &str = r#"{
  "customer.example": [{"MX": [10, "mx1.customer.example"]}], "mx1.customer.example": [{"A": "127.0.0.1"}],
  "other.example": [{"MX": [10, "mx2.other.example"]}], "mx2.other.example": [{"A": "127.0.0.2"}],
  "both.example": [{"MX": [10, "mx2.other.example"]}, {"MX": [20, "mx1.customer.example"]}],
  "nomail.example": [{"MX": [0, "."]}]
}"#;

/// A replyd with mail hosts at `127.0.0.1` and `127.0.0.2`.
pub struct Post {
    stage: Stage,
    pub store: Store,
    pub clock: Clock,
    port: u16,
    dir: tempfile::TempDir,
    _zone: ZoneServer,
}

enum Stage {
    Everything(Running),
    SendingOnly(Arc<outbound::Services>, outbound::Handle, CancellationToken),
}

/// Listeners at both addresses under one number, which is what the config can say.
pub async fn listeners() -> (TcpListener, TcpListener) {
    loop {
        let one = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let number = one.local_addr().expect("an address").port();
        if let Ok(two) = TcpListener::bind(("127.0.0.2", number)).await {
            return (one, two);
        }
    }
}

fn config_text(port: u16) -> String {
    format!(
        r#"
[server]
hostname = "mx.reply.example"
data_dir = "data"
[smtp]
listen = ["127.0.0.1:0"]
[http]
listen = ["127.0.0.1:0"]
[tls]
certificate = "tls.crt"
key = "tls.key"
[limits]
disk_free = "0 B"
disk_free_inodes = 0
drain_timeout = "1 s"
[outbound]
port = {port}
allow_private = true
dane = false
[[account]]
name = "acme"
inbound_domain = "reply.acme.example"
[[account.inbox]]
name = "support"
channel = "email"
address = "support@acme.example"
"#
    )
}

impl Post {
    async fn start(port: u16) -> Post {
        let dir = tempfile::tempdir().expect("a temporary directory");
        crate::certificates::write(dir.path(), "tls", &["mx.reply.example"]);
        Post::start_in(dir, port, Clock::fixed(NOW)).await
    }

    async fn start_in(dir: tempfile::TempDir, port: u16, clock: Clock) -> Post {
        Post::configured(dir, port, clock, &config_text(port)).await
    }

    /// With these lines in `[outbound]`.
    pub async fn with_outbound(port: u16, lines: &str) -> Post {
        let dir = tempfile::tempdir().expect("a temporary directory");
        crate::certificates::write(dir.path(), "tls", &["mx.reply.example"]);
        let text = config_text(port).replace("[outbound]\n", &format!("[outbound]\n{lines}\n"));
        Post::configured(dir, port, Clock::fixed(NOW), &text).await
    }

    async fn configured(dir: tempfile::TempDir, port: u16, clock: Clock, text: &str) -> Post {
        let config = replyd::config::parse(&dir.path().join("replyd.toml"), text, Surroundings::SYSTEM);
        let config = config.expect("a good config");
        let zone = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a zone server");
        let store = Store::open(&config.server.data_dir, clock.clone()).expect("the store opens");
        let sockets = Sockets::bind(&config, Vec::new()).expect("free ports");
        let resolver = zone.resolver().expect("a resolver");
        let parts = Ingredients { config, clock: clock.clone(), sockets, store: store.clone(), resolver, demo: None };
        let running = Running::start(parts).expect("it starts");
        Post { stage: Stage::Everything(running), store, clock, port, dir, _zone: zone }
    }

    /// Only the stage that sends, with another composer.
    async fn composing(port: u16, compose: Arc<Compose>) -> Post {
        let (dir, clock) = (tempfile::tempdir().expect("a temporary directory"), Clock::fixed(NOW));
        crate::certificates::write(dir.path(), "tls", &["mx.reply.example"]);
        let config = replyd::config::parse(&dir.path().join("replyd.toml"), &config_text(port), Surroundings::SYSTEM);
        let config = Arc::new(config.expect("a good config"));
        let zone = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a zone server");
        let store = Store::open(&config.server.data_dir, clock.clone()).expect("the store opens");
        let resolver = zone.resolver().expect("a resolver");
        let counters = Arc::default();
        let parts = ServicesParts { store: store.clone(), config, clock: clock.clone(), counters, resolver };
        let services = outbound::Services::new(parts).expect("it can send");
        let stop = CancellationToken::new();
        let services = Arc::new(services.composing(compose, COMPOSING_MAX));
        let handle = outbound::start(Arc::clone(&services), stop.clone());
        Post { stage: Stage::SendingOnly(services, handle, stop), store, clock, port, dir, _zone: zone }
    }

    /// As SIGTERM does.
    pub async fn stop(self) {
        match self.stage {
            Stage::Everything(running) => running.stop().await,
            Stage::SendingOnly(_, handle, stop) => {
                stop.cancel();
                handle.ended().await;
            }
        }
    }

    /// One host, at the address of `customer.example`.
    async fn with_host(script: Script) -> (Post, MailHost) {
        let (one, _) = listeners().await;
        let port = one.local_addr().expect("an address").port();
        (Post::start(port).await, MailHost::start_at(one, script))
    }

    async fn with_hosts(first: Script, second: Script) -> (Post, MailHost, MailHost) {
        let (one, two) = listeners().await;
        let port = one.local_addr().expect("an address").port();
        (Post::start(port).await, MailHost::start_at(one, first), MailHost::start_at(two, second))
    }

    /// Ends it as SIGTERM does, and starts it again on the same data.
    async fn restarted(self) -> Post {
        let Post { stage: Stage::Everything(running), store, clock, port, dir, _zone } = self else {
            panic!("only a whole one starts again");
        };
        running.stop().await;
        drop(store);
        Post::start_in(dir, port, clock).await
    }

    async fn conversation(&self, email: &str) -> Id {
        let question = message(AuthorKind::Contact, "It does not boil.", Posting::default());
        let new = NewConversation {
            account: "acme".into(),
            inbox: "support".into(),
            channel: Channel::Email,
            contact_name: Some("Jane Doe".into()),
            contact_email: Some(email.into()),
            contact_identifier: None,
            subject: Some("Broken kettle".into()),
            messages: vec![question],
        };
        self.store.new_conversation(new).await.expect("begun").id
    }

    /// An answer in a conversation of its own; its entry in the queue.
    pub async fn answer(&self, email: &str) -> QueueEntry {
        let conversation = self.conversation(email).await;
        self.answer_in(conversation).await;
        self.queue().await.into_iter().find(|entry| entry.conversation_id == conversation).expect("it is queued")
    }

    async fn answer_in(&self, conversation: Id) -> Message {
        let posting = Posting { to_contact: Some(Duration::ZERO), ..Posting::default() };
        let answer = message(AuthorKind::Agent, "Here is a new one.", posting);
        self.store.append_message(conversation, answer).await.expect("appended")
    }

    async fn queue(&self) -> Vec<QueueEntry> {
        let query = QueueQuery { limit: 500, ..QueueQuery::default() };
        self.store.queue(query).await.expect("the queue is read").items
    }

    /// Waits until the entry is so.
    async fn until(&self, id: Id, is_so: impl Fn(&QueueEntry) -> bool) -> QueueEntry {
        let mut committed = self.store.committed();
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            committed.borrow_and_update();
            let entry = self.store.queue_entry(id).await.expect("the entry");
            if is_so(&entry) {
                return entry;
            }
            tokio::select! {
                news = committed.changed() => news.expect("the store is open"),
                () = &mut patience => panic!("still not so: {entry:#?}"),
            }
        }
    }

    pub async fn settled(&self, id: Id, state: DeliveryState) -> QueueEntry {
        self.until(id, |entry| entry.state == state && entry.phase.is_none()).await
    }

    /// The time at which the entry is due comes, and the worker learns of it.
    pub async fn when_due(&self, entry: &QueueEntry) {
        self.clock.set(entry.due_at.expect("it is tried again"));
        for held in [true, false] {
            self.store.hold_mail(entry.id, held).await.expect("held and released");
        }
    }
}

fn message(kind: AuthorKind, text: &str, posting: Posting) -> NewMessage {
    let direction = if kind == AuthorKind::Agent { Direction::Outgoing } else { Direction::Incoming };
    NewMessage {
        direction,
        author: Author { kind, name: Some("Sara".into()), email: None },
        via: Via::Api,
        text: text.into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting,
    }
}

fn minutes(from: UnixMs, to: Option<UnixMs>) -> f64 {
    (to.expect("it is due").0 - from.0) as f64 / MINUTE_MS as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_delivered_and_its_message_says_how() {
    let (post, host) = Post::with_host(Script::default()).await;
    let conversation = post.conversation("jane@customer.example").await;
    let answer = post.answer_in(conversation).await;
    let entry = post.queue().await.remove(0);
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!(entry.remote_reply.as_deref(), Some("250 2.0.0 queued as 4711"));
    assert_eq!(entry.remote, Some(format!("mx1.customer.example [127.0.0.1]:{}", post.port)));
    let tls = entry.tls.expect("TLS");
    assert!(tls.starts_with("TLSv1.3") && tls.ends_with("certificate not checked (opportunistic)"), "{tls}");
    assert_eq!((entry.attempts, entry.uncertain, entry.held), (1, false, false));
    let received = host.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].under_tls && received[0].mail.starts_with("FROM:<bounce+"), "{}", received[0].mail);
    assert_eq!(received[0].rcpt, ["TO:<jane@customer.example>"]);
    let content = String::from_utf8_lossy(&received[0].content).into_owned();
    assert!(content.contains(&format!("Message-ID: <{}>", entry.message_id)), "{content}");
    assert!(content.contains("Here is a new one."), "{content}");
    let raw = post.store.raw_mail(entry.raw_id.expect("its octets are kept")).await.expect("read");
    assert_eq!(raw, received[0].content, "what is kept is what went out");
    let shown = post.store.messages(conversation, 100).await.expect("read");
    let shown = shown.iter().find(|message| message.id == answer.id).expect("the answer");
    assert_eq!(shown.delivery.as_ref().map(|delivery| delivery.state), Some(DeliveryState::Delivered));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greylisted_mail_is_offered_again_when_the_host_wants_it() {
    let refusal = say("450 4.7.1 Greylisted, try again in 120 seconds");
    let script = Script::default()
        .at(Moment::Rcpt, refusal)
        .at(Moment::Rcpt, say("250 ok"))
        .at(Moment::Data, say("554 5.5.1 no valid recipients"))
        .at(Moment::Data, say("354 go on"));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!((1.0..=5.0).contains(&minutes(NOW, entry.due_at)), "{entry:?}");
    assert!(entry.remote_reply.as_deref().is_some_and(|reply| reply.contains("Greylisted")));
    post.when_due(&entry).await;
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!((entry.attempts, host.received().len()), (2, 1));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_host_is_left_alone_and_tried_again() {
    let script = Script::default()
        .at(Moment::Greeting, last("421 4.3.2 too many connections"))
        .at(Moment::Greeting, say("220 welcome"));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!((0.9..=1.1).contains(&minutes(NOW, entry.due_at)), "the table's first wait: {entry:?}");
    post.when_due(&entry).await;
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!((entry.attempts, host.received().len()), (2, 1));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_wants_tried_now_does_not_wait_for_its_site_to_rest() {
    let script = Script::default()
        .at(Moment::Greeting, last("421 4.3.2 too many connections"))
        .at(Moment::Greeting, say("220 welcome"));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    post.store.retry_mail(entry.id).await.expect("it may be tried");
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!((entry.attempts, entry.urgent, host.received().len()), (2, false, 1));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_who_does_not_exist_gets_no_more_mail() {
    let script = Script::default()
        .at(Moment::Rcpt, say("550 5.1.1 no such user here"))
        .at(Moment::Data, say("554 5.5.1 no valid recipients"));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Failed).await;
    assert_eq!(entry.remote_reply.as_deref(), Some("550 5.1.1 no such user here"));
    let suppressed = post.store.suppressions(Some("acme".into())).await.expect("read");
    assert_eq!(suppressed.len(), 1);
    assert_eq!(
        (suppressed[0].email.as_str(), suppressed[0].reason),
        ("jane@customer.example", SuppressionReason::BadAddress)
    );
    assert!(host.received().is_empty());
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_after_the_dot_is_uncertain_and_the_same_octets_go_again() {
    let script = Script::default().at(Moment::Dot, Act::Close).at(Moment::Dot, say("250 2.0.0 had it already"));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!(entry.uncertain && entry.reason.as_deref().is_some_and(|reason| reason.contains("may have")), "{entry:?}");
    post.when_due(&entry).await;
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert!(entry.uncertain, "it stays said");
    let received = host.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].content, received[1].content);
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_tls_is_broken_mail_goes_in_the_clear_and_says_so() {
    let script = Script::default().at(Moment::Handshake, Act::Last(b"this is no TLS\r\n".to_vec()));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    let tls = entry.tls.expect("words");
    assert!(tls.starts_with("none, since TLS is broken there"), "{tls}");
    assert_eq!(entry.attempts, 1, "within the same attempt");
    assert!(!host.received()[0].under_tls);
    // Remembered: the next mail asks for no TLS.
    let before = host.commands().iter().filter(|line| *line == "STARTTLS").count();
    let next = post.answer("joe@customer.example").await;
    let next = post.settled(next.id, DeliveryState::Delivered).await;
    assert_eq!(host.commands().iter().filter(|line| *line == "STARTTLS").count(), before);
    let tls = next.tls.expect("words");
    assert!(tls.starts_with("none, since TLS is broken there: ") && tls.contains("tried again a week later"), "{tls}");
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_no_tls_for_now_is_asked_again_with_the_next_mail() {
    let refused = say("454 4.7.0 TLS not available due to temporary reason");
    let script = Script::default().at(Moment::StartTls, refused).at(Moment::StartTls, say("220 2.0.0 go ahead"));
    let (post, host) = Post::with_host(script).await;
    for recipient in ["jane@customer.example", "joe@customer.example"] {
        let entry = post.answer(recipient).await;
        let entry = post.settled(entry.id, DeliveryState::Delivered).await;
        assert!(entry.tls.is_some());
    }
    let received = host.received();
    assert_eq!(received.iter().map(|mail| mail.under_tls).collect::<Vec<_>>(), [false, true]);
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_holds_nobody_else_up() {
    let hanging = Script::default().at(Moment::Greeting, Act::Never);
    let (post, hung, _honest) = Post::with_hosts(hanging, Script::default()).await;
    let mut stuck = Vec::new();
    for number in 0..20 {
        stuck.push(post.answer(&format!("j{number}@customer.example")).await);
    }
    hung.has_connections(1).await;
    for number in 0..20 {
        let entry = post.answer(&format!("j{number}@other.example")).await;
        post.settled(entry.id, DeliveryState::Delivered).await;
    }
    assert_eq!(hung.connections(), 1, "a site that has not taken a mail yet is given one at a time");
    for entry in stuck {
        let entry = post.store.queue_entry(entry.id).await.expect("the entry");
        assert_eq!(entry.state, DeliveryState::Queued);
    }
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_takes_no_mail_fails_at_once_and_one_that_does_not_exist_after_a_second_look() {
    let (post, _host) = Post::with_host(Script::default()).await;
    let entry = post.answer("jane@nomail.example").await;
    let entry = post.settled(entry.id, DeliveryState::Failed).await;
    assert!(entry.reason.as_deref().is_some_and(|reason| reason.contains("5.1.10")), "{entry:?}");
    let entry = post.answer("jane@typo.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!((15.0..15.1).contains(&minutes(NOW, entry.due_at)), "{entry:?}");
    post.when_due(&entry).await;
    post.settled(entry.id, DeliveryState::Failed).await;
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_turns_us_away_is_followed_by_the_next() {
    let (post, second, first) =
        Post::with_hosts(Script::default(), Script::default().at(Moment::Greeting, last("554 5.3.0 not today"))).await;
    let entry = post.answer("jane@both.example").await;
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!((entry.attempts, first.connections(), second.received().len()), (1, 1, 1));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_cancelled_before_its_dot_is_not_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let script = Script::default().at(Moment::Data, Act::Await(Arc::clone(&gate), b"354 go on\r\n".to_vec()));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    host.has_heard("DATA", 1).await;
    assert_eq!(post.store.cancel_mail(entry.id).await.expect("in time").state, DeliveryState::Cancelled);
    gate.add_permits(10);
    let entry = post.settled(entry.id, DeliveryState::Cancelled).await;
    assert!(host.received().is_empty() && entry.raw_id.is_none(), "{entry:?}");
    let next = post.answer("joe@customer.example").await;
    post.settled(next.id, DeliveryState::Delivered).await;
    assert_eq!(host.received().len(), 1, "only the next one");
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mails_share_a_connection_and_one_that_was_closed_costs_no_attempt() {
    let script = Script::default()
        .at(Moment::Dot, say("250 one"))
        .at(Moment::Dot, last("250 two, and goodbye"))
        .at(Moment::Dot, say("250 three"));
    let (post, host) = Post::with_host(script).await;
    for (email, connections) in [("a@customer.example", 1), ("b@customer.example", 1), ("c@customer.example", 2)] {
        let entry = post.answer(email).await;
        let entry = post.settled(entry.id, DeliveryState::Delivered).await;
        assert_eq!((entry.attempts, host.connections()), (1, connections), "{email}");
    }
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_puts_back_what_has_not_come_far_and_the_next_run_sends_it() {
    let script =
        Script::default().at(Moment::Rcpt, Act::Never).at(Moment::Rcpt, say("250 2.1.5 the recipient is known"));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    host.has_heard("RCPT", 1).await;
    let post = post.restarted().await;
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!((entry.attempts, entry.uncertain), (1, false), "an attempt that we broke off is none");
    assert_eq!(host.received().len(), 1);
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_answer_to_a_dot() {
    let gate = Arc::new(Semaphore::new(0));
    let script = Script::default().at(Moment::Dot, Act::Await(Arc::clone(&gate), b"250 2.0.0 at last\r\n".to_vec()));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    host.has_content(1).await;
    post.until(entry.id, |entry| entry.phase == Some(replyd::conversation::delivery::Phase::DataSent)).await;
    let (opened, stopped) = (async { gate.add_permits(1) }, post.restarted());
    let (post, ()) = tokio::join!(stopped, opened);
    let entry = post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!((entry.attempts, entry.uncertain, host.received().len()), (1, false, 1));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_answer_never_came_is_uncertain_after_a_stop() {
    let script = Script::default().at(Moment::Dot, Act::Never).at(Moment::Dot, say("250 2.0.0 again"));
    let (post, host) = Post::with_host(script).await;
    let entry = post.answer("jane@customer.example").await;
    host.has_content(1).await;
    post.until(entry.id, |entry| entry.phase == Some(replyd::conversation::delivery::Phase::DataSent)).await;
    let post = post.restarted().await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!(entry.uncertain, "{entry:?}");
    post.when_due(&entry).await;
    post.settled(entry.id, DeliveryState::Delivered).await;
    let received = host.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].content, received[1].content);
    post.stop().await;
}

/// What a mail whose composing does this comes to, while another one is delivered.
async fn check_poison(poison: fn()) {
    let (one, _) = listeners().await;
    let port = one.local_addr().expect("an address").port();
    let host = MailHost::start_at(one, Script::default());
    let composer: Arc<Compose> = Arc::new(move |to, files, sender| {
        if to.entry.recipient.starts_with("poison@") {
            poison();
        }
        compose(to, files, sender)
    });
    let post = Post::composing(port, composer).await;
    let mut poisoned = post.answer("poison@customer.example").await;
    for attempt in 1..4 {
        poisoned = post.until(poisoned.id, |entry| entry.attempts == attempt && entry.phase.is_none()).await;
        assert_eq!(poisoned.state, DeliveryState::Deferred);
        let other = post.answer(&format!("jane{attempt}@customer.example")).await;
        post.settled(other.id, DeliveryState::Delivered).await;
        post.when_due(&poisoned).await;
    }
    let poisoned = post.settled(poisoned.id, DeliveryState::Failed).await;
    assert!(poisoned.reason.as_deref().is_some_and(|reason| reason.contains("a fault of replyd")), "{poisoned:?}");
    assert_eq!((poisoned.attempts, host.received().len()), (4, 3));
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_breaks_its_composer_ends_alone() {
    check_poison(|| panic!("a fault in composing, made by the test")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_composing_never_ends_ends_alone() {
    check_poison(|| {
        loop {
            std::thread::park();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_is_counted() {
    let script = Script::default().at(Moment::Greeting, last("421 4.3.2 not now"));
    let (post, _host) = Post::with_host(script).await;
    let deferred = post.answer("jane@customer.example").await;
    let deferred = post.settled(deferred.id, DeliveryState::Deferred).await;
    let failed = post.answer("jane@nomail.example").await;
    post.settled(failed.id, DeliveryState::Failed).await;
    let backlog = Backlog { deferred: 1, oldest: Some(NOW), ..Backlog::default() };
    assert_eq!(post.store.backlog().await.expect("read"), backlog);
    post.store.hold_mail(deferred.id, true).await.expect("held");
    assert_eq!(post.store.backlog().await.expect("read"), Backlog { held: 1, ..Backlog::default() });
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_where_mail_goes_and_a_config_that_cannot_be_sent_with_changes_nothing() {
    let (first, second) = (MailHost::start(Script::default()).await, MailHost::start(Script::default()).await);
    let post = Post::composing(first.address.port(), Arc::new(compose)).await;
    let Stage::SendingOnly(services, ..) = &post.stage else { panic!("made above") };
    let entry = post.answer("jane@customer.example").await;
    post.settled(entry.id, DeliveryState::Delivered).await;
    let config = |text: &str| {
        let config = replyd::config::parse(&post.dir.path().join("replyd.toml"), text, Surroundings::SYSTEM);
        Arc::new(config.expect("a good config"))
    };
    let text = config_text(second.address.port());
    services.take(services.load(config(&text)).expect("it can send"));
    let entry = post.answer("joe@customer.example").await;
    post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
    let broken = text.replace("dane = false", "dane = false\nca_file = \"absent.pem\"");
    assert!(services.load(config(&broken)).is_err());
    let entry = post.answer("jim@customer.example").await;
    post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!(second.received().len(), 2);
    post.stop().await;
}
