//! Events to their subscribers: signed, in order for each conversation, told again until they got through; whatever the
//! receiver does, whatever happens to us, and never to an address that only this host can reach.

use super::receiver::{Act, Call, Receiver};
use aws_lc_rs::hmac;
use replyd::clock::{Clock, UnixMs};
use replyd::config::checked::Config;
use replyd::config::secret::Surroundings;
use replyd::conversation::delivery::Posting;
use replyd::conversation::id::Id;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Via};
use replyd::dns::{Zone, ZoneServer};
use replyd::net::https::HttpClient;
use replyd::store::Store;
use replyd::store::hooks::{NewSubscription, Subscription, SubscriptionProgress};
use replyd::store::unit::{NewConversation, NewMessage};
use replyd::webhooks::{self, Schedules, Services, ServicesParts};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A store with its stage.
struct Bench {
    store: Store,
    services: Arc<Services>,
    stop: CancellationToken,
    handle: Option<webhooks::Handle>,
    dir: tempfile::TempDir,
    _zone: ZoneServer,
}

const SOON: &[Duration] = &[Duration::from_millis(5)];

const ZONE: &str = r#"{
"lo.example":[{"A":"127.0.0.1"}], "ten.example":[{"A":"10.0.0.1"}], "six.example":[{"AAAA":"::1"}],
"mapped.example":[{"AAAA":"::ffff:127.0.0.1"}], "meta.example":[{"A":"169.254.169.254"}],
"both.example":[{"A":"10.0.0.1"},{"A":"127.0.0.1"}], "broken.example":["SERVFAIL"]
}"#;

impl Bench {
    async fn with(webhooks: &str) -> Bench {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let zone = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a zone server");
        let store = Store::open(dir.path(), Clock::System).expect("the store opens");
        let services = Arc::new(services(&store, &zone, config(dir.path(), webhooks)));
        let mut bench = Bench { store, services, stop: CancellationToken::new(), handle: None, dir, _zone: zone };
        bench.start().await;
        bench
    }

    /// With one subscription of the config to all events.
    async fn telling(receiver: &Receiver) -> Bench {
        let url = receiver.url("/hook");
        Bench::with(&format!(r#"{{ url = "{url}", secret = "hush", allow_private = true }}"#)).await
    }

    async fn start(&mut self) {
        self.stop = CancellationToken::new();
        self.handle = Some(webhooks::start(Arc::clone(&self.services), self.stop.clone()));
        // The subscriptions of the config are there, and begin with what happens from now on.
        let wanted = self.services.config.load().accounts.iter().map(|account| account.webhooks.len()).sum::<usize>();
        self.until("subscriptions", |all| all.iter().filter(|one| one.secret.is_none()).count() == wanted).await;
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        self.handle.take().expect("it runs").ended().await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&[Subscription]) -> bool) -> Vec<Subscription> {
        let wait = async {
            let mut committed = self.store.committed();
            loop {
                committed.borrow_and_update();
                let all = self.store.subscriptions(None).await.expect("subscriptions");
                if is_so(&all) {
                    return all;
                }
                let _ = tokio::time::timeout(Duration::from_millis(50), committed.changed()).await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), wait).await {
            Ok(all) => all,
            Err(_) => panic!(
                "still not so: {what}: {:?}",
                shown(&self.store.subscriptions(None).await.expect("subscriptions"))
            ),
        }
    }

    /// Once it has told everything.
    async fn told(&self) -> Subscription {
        let done = |one: &Subscription| one.waiting == 0 && one.lanes == 0;
        self.until("everything is told", |all| all.iter().all(done)).await.remove(0)
    }

    async fn conversation(&self) -> Id {
        let new = NewConversation {
            account: "acme".into(),
            inbox: "website".into(),
            channel: Channel::Api,
            contact_name: None,
            contact_email: None,
            contact_identifier: None,
            subject: None,
            messages: Vec::new(),
        };
        self.store.new_conversation(new).await.expect("a conversation").id
    }

    /// Each says its number, and is one event.
    async fn say(&self, conversation: Id, texts: &[&str]) -> Vec<String> {
        let mut ids = Vec::new();
        for text in texts {
            ids.push(self.store.append_message(conversation, note(text)).await.expect("a message").id.to_string());
        }
        ids
    }
}

fn shown(all: &[Subscription]) -> Vec<String> {
    let show = |one: &Subscription| {
        let Subscription { lanes, waiting, last_failure, disabled, given_up, delivered, .. } = one;
        format!("{one:?} lanes {lanes} waiting {waiting} {last_failure:?} {disabled:?} {delivered} {given_up}")
    };
    all.iter().map(show).collect()
}

fn services(store: &Store, zone: &ZoneServer, config: Config) -> Services {
    let mut services = Services::new(ServicesParts {
        store: store.clone(),
        config: Arc::new(Arc::new(config).into()),
        clock: Clock::System,
        counters: Arc::default(),
        resolver: zone.resolver().expect("a resolver"),
        client: HttpClient::new(super::site::no_roots()),
    });
    // What hangs costs a test this once; an answer on loopback never takes it.
    services.schedules = Schedules { webhook: SOON, bridge: SOON, rest: SOON, ..services.schedules };
    services
}

fn config(dir: &Path, webhooks: &str) -> Config {
    let text = format!(
        "[server]\nhostname = \"mx.example\"\n[limits]\ndrain_timeout = \"100 ms\"\nhook_timeout = \"3 s\"\n[[account]]\nname = \"acme\"\n\
         inbound_domain = \"reply.acme.example\"\nwebhooks = [{webhooks}]\n"
    );
    replyd::config::parse(&dir.join("replyd.toml"), &text, Surroundings::SYSTEM).expect("a good config")
}

fn note(text: &str) -> NewMessage {
    NewMessage {
        direction: Direction::Note,
        author: Author { kind: AuthorKind::Agent, name: None, email: None },
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

fn of(call: &Call, conversation: Id) -> bool {
    call.json()["conversation_id"] == conversation.to_string()
}

/// The messages that were told of, each at its first telling.
fn first_told(calls: &[Call], conversation: Id) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for call in calls.iter().filter(|call| of(call, conversation)) {
        let message = call.json()["message_id"].as_str().unwrap_or_default().to_owned();
        if !told.contains(&message) {
            told.push(message);
        }
    }
    told
}

#[tokio::test]
async fn an_event_is_told_signed_and_as_the_feed_shows_it() {
    let receiver = Receiver::polite().await;
    let bench = Bench::telling(&receiver).await;
    let conversation = bench.conversation().await;
    let said = bench.say(conversation, &["one", "two", "three"]).await;
    let calls = receiver.after(3).await;
    assert_eq!(first_told(&calls, conversation), said);
    let call = &calls[0];
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/hook"));
    assert_eq!(call.field("content-type"), "application/json");
    assert_eq!(call.field("host"), receiver.address.to_string());
    let timestamp = call.field("x-replyd-timestamp");
    let age = Clock::System.now().seconds() - timestamp.parse::<i64>().expect("seconds");
    assert!((0..60).contains(&age), "{timestamp}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"hush");
    let signed = hmac::sign(&key, format!("{timestamp}.{}", call.text()).as_bytes());
    assert_eq!(call.field("x-replyd-signature"), data_encoding::HEXLOWER.encode(signed.as_ref()));
    let body = call.json();
    assert_eq!((&body["kind"], &body["account"]), (&"message.created".into(), &"acme".into()), "{body}");
    assert_eq!(body["detail"]["direction"], "note");
    assert_eq!(body["id"], call.field("x-replyd-event"));
    let told = bench.told().await;
    assert_eq!((told.delivered, told.given_up, told.failing_since), (3, 0, None));
}

#[tokio::test]
async fn only_the_events_that_were_asked_for_are_told() {
    let receiver = Receiver::polite().await;
    let url = receiver.url("/");
    let hook =
        format!(r#"{{ url = "{url}", secret = "hush", allow_private = true, events = ["conversation.changed"] }}"#);
    let bench = Bench::with(&hook).await;
    let conversation = bench.conversation().await;
    bench.say(conversation, &["one", "two"]).await;
    let status = Some(replyd::conversation::model::Status::Resolved);
    bench.store.update_conversation(conversation, status, None, None).await.expect("resolved");
    let calls = receiver.after(1).await;
    assert_eq!(calls[0].json()["kind"], "conversation.changed");
    assert_eq!(bench.told().await.delivered, 1);
}

#[tokio::test]
async fn a_conversation_that_fails_keeps_its_order_and_holds_up_no_other() {
    let receiver = Receiver::start(|call, _| {
        // Decided by what it is told, as a receiver with a bug does.
        let sick = call.json()["detail"]["via"] == "widget";
        if sick { Act::Status(500) } else { Act::Status(204) }
    })
    .await;
    let mut bench = Bench::telling(&receiver).await;
    let (sick, well) = (bench.conversation().await, bench.conversation().await);
    let mut poison = note("poison");
    poison.via = Via::Widget;
    let first = bench.store.append_message(sick, poison).await.expect("a message").id.to_string();
    let behind = bench.say(sick, &["a", "b"]).await;
    let others = bench.say(well, &["1", "2", "3", "4"]).await;
    let calls = receiver.until("the others are told", |calls| first_told(calls, well).len() == 4).await;
    assert_eq!(first_told(&calls, well), others);
    receiver.until("it is tried again", |calls| calls.iter().filter(|call| of(call, sick)).count() >= 4).await;
    let all = bench.until("its position is past it", |all| all[0].waiting == 0 && all[0].lanes == 1).await;
    assert!(all[0].last_failure.as_deref().is_some_and(|words| words.contains("500 its words")), "{:?}", shown(&all));
    assert_eq!(first_told(&receiver.calls(), sick), [first], "nothing of it is told before");
    bench.stop().await;
    assert_eq!(bench.store.subscription_lanes(all[0].id).await.expect("lanes").len(), 1, "it is on disk");
    drop(behind);
}

#[tokio::test]
async fn whatever_a_receiver_does_it_gets_every_event_in_order_in_the_end() {
    let far = "Location: http://127.0.0.1:1/\r\n".to_owned();
    let acts = vec![
        Act::Status(500),
        Act::Status(401),
        Act::Status(404),
        Act::With(302, far.clone()),
        Act::With(307, far),
        Act::With(503, "Retry-After: 0\r\n".into()),
        Act::With(429, "Retry-After: nonsense\r\n".into()),
        Act::Hang,
        Act::Close,
        Act::Octets(b"HTTP/1.1 204 No Con".to_vec()),
        Act::Octets(b"220 mx.example ESMTP\r\n".to_vec()),
        Act::Octets(b"HTTP/1.1 500 x\r\nContent-Length: 100\r\n\r\nhalf".to_vec()),
        Act::Octets(format!("HTTP/1.1 204 x\r\nX: {}\r\n\r\n", "y".repeat(200_000)).into_bytes()),
        Act::EndlessBody(500),
        Act::EndlessBody(200),
    ];
    let failures = acts.len() - 1;
    let script = move |_: &Call, number: usize| acts.get(number).cloned().unwrap_or(Act::Status(204));
    let receiver = Receiver::start(script).await;
    let bench = Bench::telling(&receiver).await;
    let (one, other) = (bench.conversation().await, bench.conversation().await);
    let (of_one, of_other) = (bench.say(one, &["a", "b", "c"]).await, bench.say(other, &["1", "2", "3"]).await);
    let told = bench.told().await;
    let calls = receiver.calls();
    assert_eq!((first_told(&calls, one), first_told(&calls, other)), (of_one, of_other));
    assert_eq!((calls.len(), told.delivered), (failures + 6, 6), "each failure cost one call, and a yes needs no body");
}

#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    let receiver = Receiver::polite().await;
    let mut bench = Bench::telling(&receiver).await;
    let conversation = bench.conversation().await;
    bench.say(conversation, &["one", "two"]).await;
    let before = bench.told().await;
    bench.stop().await;
    let later = bench.say(conversation, &["three", "four"]).await;
    assert_eq!(receiver.calls().len(), 2);
    bench.start().await;
    let after = bench.told().await;
    let calls = receiver.calls();
    assert_eq!((first_told(&calls[2..], conversation), calls.len()), (later, 4));
    assert_eq!((after.id, after.delivered), (before.id, 4));
}

#[tokio::test]
async fn what_failed_before_a_restart_is_told_first_after_it() {
    let receiver = Receiver::start(|_, number| if number < 3 { Act::Status(503) } else { Act::Status(204) }).await;
    let mut bench = Bench::telling(&receiver).await;
    let conversation = bench.conversation().await;
    let said = bench.say(conversation, &["one"]).await;
    bench.until("it failed", |all| all[0].lanes == 1 || all[0].delivered == 1).await;
    bench.stop().await;
    let rest = bench.say(conversation, &["two", "three"]).await;
    bench.start().await;
    bench.told().await;
    assert_eq!(first_told(&receiver.calls(), conversation), [said, rest].concat());
}

#[tokio::test]
async fn events_are_told_again_from_where_an_operator_says() {
    let receiver = Receiver::polite().await;
    let bench = Bench::telling(&receiver).await;
    let conversation = bench.conversation().await;
    let said = bench.say(conversation, &["one", "two", "three"]).await;
    let told = bench.told().await;
    let first = receiver.calls()[0].field("x-replyd-event").parse().expect("an id");
    bench.store.replay_subscription(told.id, first).await.expect("moved");
    let calls = receiver.after(5).await;
    assert_eq!(first_told(&calls[3..], conversation), said[1..]);
    assert_eq!(bench.told().await.delivered, 5);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_told_nothing_until_an_operator_says_so() {
    let receiver = Receiver::start(|_, number| if number == 0 { Act::Status(410) } else { Act::Status(204) }).await;
    let bench = Bench::telling(&receiver).await;
    let conversation = bench.conversation().await;
    let said = bench.say(conversation, &["one", "two"]).await;
    let all = bench.until("it is stopped", |all| all[0].disabled.is_some()).await;
    assert!(all[0].disabled.as_deref().is_some_and(|words| words.starts_with("410")), "{:?}", shown(&all));
    bench.say(conversation, &["three"]).await;
    assert_eq!(receiver.calls().len(), 1);
    bench.store.replay_subscription(all[0].id, all[0].position).await.expect("moved");
    let told = bench.told().await;
    assert_eq!((told.disabled, first_told(&receiver.calls(), conversation).len()), (None, 3), "{said:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_starves_no_other() {
    let (hung, polite) = (Receiver::start(|_, _| Act::Hang).await, Receiver::polite().await);
    let hook =
        |receiver: &Receiver| format!(r#"{{ url = "{}", secret = "hush", allow_private = true }}"#, receiver.url("/"));
    let bench = Bench::with(&format!("{}, {}", hook(&hung), hook(&polite))).await;
    let mut conversations = Vec::new();
    for _ in 0..20 {
        conversations.push(bench.conversation().await);
        bench.say(conversations[conversations.len() - 1], &["one", "two"]).await;
    }
    polite.after(40).await;
    let told_all = |one: &Subscription| one.delivered == 40;
    let failing = |one: &Subscription| one.delivered == 0 && one.failing_since.is_some();
    bench.until("one told all, the other nothing", |all| all.iter().any(told_all) && all.iter().any(failing)).await;
}

#[tokio::test]
async fn what_never_gets_through_is_given_up_and_said() {
    let receiver = Receiver::start(|_, _| Act::Status(500)).await;
    let mut bench = Bench::telling(&receiver).await;
    bench.stop().await;
    let services = Arc::get_mut(&mut bench.services).expect("nobody else has it");
    services.schedules.webhook_give_up = Duration::from_millis(30);
    bench.start().await;
    let (one, other) = (bench.conversation().await, bench.conversation().await);
    bench.say(one, &["1", "2", "3"]).await;
    bench.say(other, &["1"]).await;
    let all = bench.until("all is given up", |all| all[0].given_up == 4 && all[0].lanes == 0).await;
    assert_eq!((all[0].waiting, all[0].delivered), (0, 0), "{:?}", shown(&all));
    assert!(
        all[0].failing_since.is_some() && all[0].last_failure.as_deref().is_some_and(|words| words.contains("500"))
    );
}

#[tokio::test]
async fn private_addresses_are_refused_however_they_are_named() {
    let receiver = Receiver::polite().await;
    let port = receiver.address.port();
    for (host, expected) in [
        ("127.0.0.1", "127.0.0.1 is loopback"),
        ("[::1]", "::1 is loopback"),
        ("[::ffff:127.0.0.1]", "an IPv4 address in disguise"),
        ("10.0.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("0.0.0.0", "unspecified"),
        ("lo.example", "127.0.0.1 is loopback"),
        ("six.example", "::1 is loopback"),
        ("mapped.example", "an IPv4 address in disguise"),
        ("ten.example", "10.0.0.1 is private"),
        ("meta.example", "link-local"),
        ("both.example", "is "),
        ("localhost", ""),
        ("absent.example", "no such name"),
        ("broken.example", "DNS trouble"),
    ] {
        let bench = Bench::with(&format!(r#"{{ url = "http://{host}:{port}/", secret = "hush" }}"#)).await;
        let conversation = bench.conversation().await;
        bench.say(conversation, &["one"]).await;
        let all = bench.until("it failed", |all| all[0].last_failure.is_some()).await;
        let words = all[0].last_failure.clone().unwrap_or_default();
        assert!(words.contains(expected), "{host}: {words}");
        assert_eq!(all[0].delivered, 0, "{host}");
    }
    assert_eq!(receiver.calls().len(), 0);
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let inside = Receiver::polite().await;
    let fields = format!("Location: {}\r\n", inside.url("/secret"));
    let outside =
        Receiver::start(
            move |_, number| {
                if number < 3 { Act::With([301, 302, 308][number], fields.clone()) } else { Act::Status(204) }
            },
        )
        .await;
    let bench = Bench::telling(&outside).await;
    let conversation = bench.conversation().await;
    bench.say(conversation, &["one"]).await;
    bench.told().await;
    assert_eq!((inside.calls().len(), outside.calls().len()), (0, 4));
}

#[tokio::test]
async fn a_subscription_follows_the_config() {
    let (one, other) = (Receiver::polite().await, Receiver::polite().await);
    let bench = Bench::telling(&one).await;
    let conversation = bench.conversation().await;
    bench.say(conversation, &["one"]).await;
    one.after(1).await;
    let url = other.url("/");
    let new = config(bench.dir.path(), &format!(r#"{{ url = "{url}", secret = "hush", allow_private = true }}"#));
    bench.services.config.store(Arc::new(new));
    bench.services.reloaded();
    bench.until("the new one is there", |all| all.len() == 1 && all[0].url == url).await;
    let said = bench.say(conversation, &["two"]).await;
    let calls = other.after(1).await;
    assert_eq!(first_told(&calls, conversation), said, "what was before is not told to a new one");
    bench.told().await;
    assert_eq!(one.calls().len(), 1);
}

#[tokio::test]
async fn many_events_wait_in_the_store_and_come_through() {
    let receiver = Receiver::polite().await;
    let mut bench = Bench::telling(&receiver).await;
    bench.stop().await;
    let mut conversations = Vec::new();
    for _ in 0..40 {
        conversations.push(bench.conversation().await);
    }
    for round in 0..25 {
        let text = round.to_string();
        for conversation in &conversations {
            bench.say(*conversation, &[&text]).await;
        }
    }
    bench.start().await;
    let told = bench.told().await;
    assert_eq!((told.delivered, receiver.calls().len()), (1000, 1000));
    for conversation in conversations {
        let told = first_told(&receiver.calls(), conversation);
        let ids: Vec<Id> = told.iter().map(|id| id.parse().expect("an id")).collect();
        let mut sorted = ids.clone();
        sorted.sort();
        assert_eq!((ids.len(), &ids), (25, &sorted));
    }
}

fn wish(account: &str) -> NewSubscription {
    NewSubscription {
        account: account.into(),
        url: "https://app.example/".into(),
        secret: "hush".into(),
        events: Vec::new(),
        allow_private: false,
        subscriptions_max: 2,
    }
}

#[tokio::test]
async fn events_are_kept_for_as_long_as_somebody_is_owed_them() {
    let (dir, now) = (tempfile::tempdir().expect("a directory"), UnixMs(1_790_000_000_000));
    let clock = Clock::fixed(now);
    let store = Store::open(dir.path(), clock.clone()).expect("the store opens");
    let subscription = store.add_subscription(wish("acme")).await.expect("added");
    let new = NewConversation {
        account: "acme".into(),
        inbox: "website".into(),
        channel: Channel::Api,
        contact_name: None,
        contact_email: None,
        contact_identifier: None,
        subject: None,
        messages: vec![note("one"), note("two")],
    };
    store.new_conversation(new).await.expect("a conversation");
    let events = store.events(None, Some(Id(0)), 100).await.expect("events");
    clock.set(UnixMs(now.0 + 8 * 86_400_000));
    let kept = async || store.events(None, Some(Id(0)), 100).await.expect("events").len();
    store.tend().await.expect("tended");
    assert_eq!(kept().await, 2, "they are owed");
    let note = |position| SubscriptionProgress { position: Some(position), ..SubscriptionProgress::default() };
    assert!(store.note_subscription(subscription.id, note(events[0].id)).await.expect("noted"));
    store.tend().await.expect("tended");
    assert_eq!(kept().await, 1);
    let stale = SubscriptionProgress { generation: 7, ..note(Id(0)) };
    assert!(!store.note_subscription(subscription.id, stale).await.expect("noted"), "of another generation");
    store.remove_subscription(subscription.id).await.expect("removed");
    store.tend().await.expect("tended");
    assert_eq!(kept().await, 0, "nobody is owed them any more");
    assert!(!store.note_subscription(subscription.id, note(events[1].id)).await.expect("noted"));
}

#[tokio::test]
async fn an_account_has_so_many_subscriptions() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), Clock::System).expect("the store opens");
    for _ in 0..2 {
        store.add_subscription(wish("acme")).await.expect("added");
    }
    let refused = store.add_subscription(wish("acme")).await.expect_err("too many");
    assert!(refused.to_string().contains("2 webhooks at most"), "{refused}");
    store.add_subscription(wish("bolt")).await.expect("another account's");
}
