//! Mail over a bridge to another system's ingress: none lost, in order for each conversation, whatever the other side does; and
//! for whom mail is taken that only the other side knows.

use super::peer::Peer;
use super::receiver::{Act, Call, Receiver};
use super::site::{Site, entries, no_roots};
use replyd::clock::Clock;
use replyd::config::checked::{Bridge, BridgeMode, BridgeRecipients, Config, LocalPattern, RecipientHook, Target};
use replyd::config::secret::Secret;
use replyd::conversation::id::Id;
use replyd::conversation::model::Outcome;
use replyd::dns::{Zone, ZoneServer};
use replyd::inbound::Door;
use replyd::net::https::HttpClient;
use replyd::store::hooks::{BridgeEntry, BridgeState};
use replyd::store::ledger::LedgerEntry;
use replyd::webhooks::{self, Schedules, Services, ServicesParts};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SOON: &[Duration] = &[Duration::from_millis(5)];
const LATE: &[Duration] = &[Duration::from_secs(3600)];
const UUID: &str = "8a0fa6ca-92a1-4e9f-8d3e-5d7f1d6c2b11";
const RELAY: &str = "/rails/action_mailbox/relay/inbound_emails";

/// The doors with a bridge behind them.
struct Bench {
    site: Site,
    services: Arc<Services>,
    stop: CancellationToken,
    handle: Option<webhooks::Handle>,
    _zone: ZoneServer,
}

fn bridge(url: &str) -> Bridge {
    Bridge {
        url: target(url),
        password: Secret::from("open sesame".to_owned()),
        mode: BridgeMode::Also,
        allow_private: true,
        recipients: BridgeRecipients::default(),
    }
}

fn target(url: &str) -> Target {
    url.parse().expect("a target")
}

fn acme(config: &mut Config) -> &mut replyd::config::checked::Account {
    &mut config.accounts[0]
}

impl Bench {
    async fn with(change: impl FnOnce(&mut Config)) -> Bench {
        let site = Site::plain().await;
        let zone = ZoneServer::start(Zone::parse("{}").expect("a zone")).await.expect("a zone server");
        site.reconfigure(change);
        let mut services = Services::new(ServicesParts {
            store: site.store.clone(),
            config: site.services.config.clone(),
            clock: Clock::System,
            counters: Arc::default(),
            resolver: zone.resolver().expect("a resolver"),
            client: HttpClient::new(no_roots()),
        });
        // What hangs costs a test this once; an answer on loopback never takes it.
        site.reconfigure(|config| Arc::make_mut(&mut config.limits).hook_timeout = Duration::from_secs(3));
        let bridge_aside_after = Duration::ZERO;
        services.schedules =
            Schedules { webhook: SOON, bridge: SOON, rest: SOON, bridge_aside_after, ..services.schedules };
        let mut bench =
            Bench { site, services: Arc::new(services), stop: CancellationToken::new(), handle: None, _zone: zone };
        bench.start();
        bench
    }

    /// All mail of `acme` goes to this receiver as well.
    async fn to(receiver: &Receiver) -> Bench {
        let url = receiver.url(RELAY);
        Bench::with(|config| acme(config).bridge = Some(bridge(&url))).await
    }

    fn start(&mut self) {
        self.stop = CancellationToken::new();
        self.handle = Some(webhooks::start(Arc::clone(&self.services), self.stop.clone()));
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        self.handle.take().expect("it runs").ended().await;
    }

    /// What RCPT answers.
    async fn rcpt(&self, to: &str, expected: &str) {
        let mut peer = Peer::ready(&self.site).await;
        peer.asks("MAIL FROM:<ann@example.org>", "250").await;
        peer.asks(&format!("RCPT TO:<{to}>"), expected).await;
    }

    async fn offer(&self, to: &[&str], mail: &str) -> Vec<LedgerEntry> {
        let before = self.site.ledger().await.len();
        let mut peer = Peer::connect(&self.site.endpoint(Door::Smtp)).await;
        peer.expect("220").await;
        peer.asks("EHLO client.example", "250").await;
        peer.asks("MAIL FROM:<ann@example.org>", "250").await;
        for recipient in to {
            peer.asks(&format!("RCPT TO:<{recipient}>"), "250").await;
        }
        peer.asks("DATA", "354").await;
        peer.send(mail).await;
        peer.asks("\r\n.", "250").await;
        entries(&self.site.store).await.split_off(before)
    }

    async fn entry(&self, id: Id) -> BridgeEntry {
        self.site.store.bridge_entry(id).await.expect("the store").expect("it goes over a bridge")
    }

    async fn until(&self, id: Id, what: &str, is_so: impl Fn(&BridgeEntry) -> bool) -> BridgeEntry {
        let wait = async {
            let mut committed = self.site.store.committed();
            loop {
                committed.borrow_and_update();
                let entry = self.entry(id).await;
                if is_so(&entry) {
                    return entry;
                }
                committed.changed().await.expect("the store lives");
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), wait).await {
            Ok(entry) => entry,
            Err(_) => panic!("still not so: {what}: {:?}", self.entry(id).await),
        }
    }

    async fn brought(&self, id: Id) -> BridgeEntry {
        self.until(id, "it is brought over", |entry| entry.state == BridgeState::Delivered).await
    }
}

fn mail(to: &str, number: usize) -> String {
    of_thread("first", to, number)
}

fn of_thread(thread: &str, to: &str, number: usize) -> String {
    format!(
        "From: Ann <ann@example.org>\r\nTo: {to}\r\nMessage-ID: <{number}@example.org>\r\nReferences: <{thread}@example.org>\r\nSubject: x\r\n\r\nmail {number}"
    )
}

/// Which mails came for a recipient, by their numbers.
fn numbers(calls: &[Call], recipient: &str) -> Vec<usize> {
    let of_recipient = calls.iter().filter(|call| call.text().contains(&format!("To: {recipient}\r\n")));
    let number = |call: &Call| call.text().rsplit_once("mail ").and_then(|(_, number)| number.trim().parse().ok());
    of_recipient.map(|call| number(call).expect("a number")).collect()
}

fn each_first(numbers: &[usize]) -> Vec<usize> {
    let mut seen = Vec::new();
    numbers.iter().for_each(|number| {
        if !seen.contains(number) {
            seen.push(*number)
        }
    });
    seen
}

#[tokio::test]
async fn a_mail_goes_over_the_bridge_as_it_came_and_is_filed_here_as_well() {
    let receiver = Receiver::polite().await;
    let bench = Bench::to(&receiver).await;
    let raw = mail("support@acme.example", 1);
    let entry = bench.offer(&["support@acme.example"], &raw).await.remove(0);
    let calls = receiver.after(1).await;
    let call = &calls[0];
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", RELAY));
    assert_eq!(call.field("content-type"), "message/rfc822");
    let login = data_encoding::BASE64.encode(b"actionmailbox:open sesame");
    assert_eq!(call.field("authorization"), format!("Basic {login}"));
    let stored = bench.site.store.raw_mail(entry.raw_id.expect("a raw mail")).await.expect("its octets");
    assert!(call.body == stored && call.text().ends_with(&format!("{raw}\r\n")), "{}", call.text());
    assert_eq!(call.field("x-replyd-mail"), entry.id.to_string());
    let brought = bench.brought(entry.id).await;
    assert_eq!((brought.attempts, brought.last_reply.as_deref()), (1, Some("204")));
    assert_eq!(entry.outcome, Outcome::Accepted, "filing is the other stage's");
}

#[tokio::test]
async fn a_recipient_who_is_not_in_the_header_is_named_for_the_other_side() {
    let receiver = Receiver::polite().await;
    let bench = Bench::to(&receiver).await;
    let address = bench.site.reply_address();
    bench.offer(&[&address], &mail("undisclosed-recipients:;", 1)).await;
    let calls = receiver.after(1).await;
    assert!(calls[0].text().starts_with(&format!("X-Original-To: {address}\r\n")), "{}", calls[0].text());
}

#[tokio::test]
async fn mail_of_the_bridge_alone_is_not_filed_here() {
    let receiver = Receiver::polite().await;
    let url = receiver.url(RELAY);
    let bench = Bench::with(|config| {
        acme(config).bridge = Some(Bridge { mode: BridgeMode::Only, ..bridge(&url) });
    })
    .await;
    let address = bench.site.reply_address();
    let filed = bench.offer(&[&address, "support@acme.example"], &mail("support@acme.example", 1)).await;
    for entry in &filed {
        assert_eq!((entry.outcome, entry.conversation_id), (Outcome::Filed, None), "{entry:?}");
        assert!(entry.reason.contains("over the bridge alone"), "{}", entry.reason);
        bench.brought(entry.id).await;
    }
    let kept = bench.offer(&["postmaster@reply.acme.example"], &mail("postmaster@reply.acme.example", 2)).await;
    assert_eq!(kept[0].outcome, Outcome::Accepted, "whoever runs the MX answers for postmaster");
    bench.brought(kept[0].id).await;
    assert!(bench.site.store.unfiled(None, 10).await.expect("unfiled").iter().all(|entry| entry.id == kept[0].id));
    assert_eq!(receiver.calls().len(), 3);
}

#[tokio::test]
async fn an_inbox_has_a_bridge_of_its_own() {
    let (of_account, of_inbox) = (Receiver::polite().await, Receiver::polite().await);
    let (first, second) = (of_account.url(RELAY), of_inbox.url(RELAY));
    let bench = Bench::with(|config| {
        acme(config).bridge = Some(bridge(&first));
        acme(config).inboxes[1].bridge = Some(Bridge { mode: BridgeMode::Only, ..bridge(&second) });
    })
    .await;
    let address = bench.site.reply_address();
    let entries = bench.offer(&["support@acme.example", &address], &mail("support@acme.example", 1)).await;
    for entry in &entries {
        bench.brought(entry.id).await;
    }
    assert_eq!((of_account.calls().len(), of_inbox.calls().len()), (1, 1));
    let outcomes: Vec<Outcome> = entries.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Filed, Outcome::Accepted]);
}

#[tokio::test]
async fn what_concerns_replyd_itself_stays_here() {
    let receiver = Receiver::polite().await;
    let bench = Bench::to(&receiver).await;
    let now = Clock::System.now();
    let bounce = bench.site.store.keys().bounce_address(Id(Id::first_of(now).0 | 5), "reply.acme.example");
    let entry = bench.offer(&[&bounce], &mail(&bounce, 1)).await.remove(0);
    assert_eq!(bench.site.store.bridge_entry(entry.id).await.expect("the store"), None);
    let other = bench.offer(&["help@bolt.example"], &mail("help@bolt.example", 2)).await.remove(0);
    assert_eq!(bench.site.store.bridge_entry(other.id).await.expect("the store"), None, "another account's");
}

#[tokio::test]
async fn a_mail_that_comes_twice_goes_over_once() {
    let receiver = Receiver::polite().await;
    let bench = Bench::to(&receiver).await;
    let raw = mail("support@acme.example", 1);
    let first = bench.offer(&["support@acme.example"], &raw).await.remove(0);
    let again = bench.offer(&["support@acme.example"], &raw).await.remove(0);
    assert_eq!(again.outcome, Outcome::Duplicate);
    assert_eq!(bench.site.store.bridge_entry(again.id).await.expect("the store"), None);
    bench.brought(first.id).await;
    assert_eq!(receiver.calls().len(), 1);
}

#[tokio::test]
async fn a_large_mail_is_streamed_from_its_file() {
    let receiver = Receiver::polite().await;
    let bench = Bench::to(&receiver).await;
    let raw =
        format!("{}\r\n{}", mail("x@y.example", 1), "a line of a large mail, and there are many\r\n".repeat(40_000));
    let entry = bench.offer(&["support@acme.example"], &raw).await.remove(0);
    bench.brought(entry.id).await;
    let stored = bench.site.store.raw_mail(entry.raw_id.expect("a raw mail")).await.expect("its octets");
    let expected = [b"X-Original-To: support@acme.example\r\n".to_vec(), stored].concat();
    assert!(receiver.calls()[0].body == expected, "octet by octet");
    assert!(expected.len() > 1_500_000);
}

#[tokio::test]
async fn whatever_the_other_side_does_it_gets_every_mail_in_order_in_the_end() {
    let acts = vec![
        Act::Status(401),
        Act::Status(404),
        Act::Status(415),
        Act::Status(422),
        Act::Status(500),
        Act::With(302, "Location: http://127.0.0.1:1/\r\n".into()),
        Act::With(503, "Retry-After: 0\r\n".into()),
        Act::Hang,
        Act::Close,
        Act::Octets(b"HTTP/1.1 204 No Con".to_vec()),
        Act::Octets(b"nonsense\r\n\r\n".to_vec()),
        Act::EndlessBody(500),
    ];
    let failures = acts.len();
    let script = move |_: &Call, number: usize| acts.get(number).cloned().unwrap_or(Act::Status(204));
    let receiver = Receiver::start(script).await;
    let bench = Bench::to(&receiver).await;
    let recipients = ["support@acme.example", "abuse@acme.example", "postmaster@acme.example"];
    let mut offered = Vec::new();
    for number in 0..12 {
        let recipient = recipients[number % 3];
        offered.push(bench.offer(&[recipient], &mail(recipient, number)).await.remove(0));
    }
    let mut attempts = 0;
    for entry in &offered {
        attempts += bench.brought(entry.id).await.attempts;
    }
    let calls = receiver.calls();
    for (index, recipient) in recipients.iter().enumerate() {
        let expected: Vec<usize> = (0..12).filter(|number| number % 3 == index).collect();
        let got = numbers(&calls, recipient);
        assert_eq!(each_first(&got), expected, "{recipient}");
        assert!(got.is_sorted(), "none before the one before it was taken: {got:?}");
    }
    assert_eq!((calls.len(), attempts as usize), (12 + failures, 12 + failures));
}

#[tokio::test]
async fn an_operator_sees_what_the_other_side_said() {
    let receiver = Receiver::start(|_, _| Act::Status(401)).await;
    let bench = Bench::to(&receiver).await;
    let entry = bench.offer(&["support@acme.example"], &mail("support@acme.example", 1)).await.remove(0);
    let deferred = bench.until(entry.id, "it failed", |entry| entry.attempts >= 2).await;
    assert_eq!(deferred.state, BridgeState::Deferred);
    assert!(deferred.due_at.is_some() && deferred.last_attempt_at.is_some());
    let words = deferred.last_reply.expect("words");
    assert!(words.starts_with("401 its words; the other system has another password"), "{words}");
}

#[tokio::test]
async fn a_restart_goes_on_with_what_is_owed() {
    let receiver = Receiver::start(|_, number| if number < 2 { Act::Status(500) } else { Act::Status(204) }).await;
    let mut bench = Bench::to(&receiver).await;
    let mut offered = Vec::new();
    for number in 0..2 {
        offered.extend(bench.offer(&["support@acme.example"], &mail("support@acme.example", number)).await);
    }
    bench.until(offered[0].id, "it was tried", |entry| entry.attempts >= 1).await;
    bench.stop().await;
    for number in 2..5 {
        offered.extend(bench.offer(&["support@acme.example"], &mail("support@acme.example", number)).await);
    }
    bench.start();
    for entry in &offered {
        bench.brought(entry.id).await;
    }
    let got = numbers(&receiver.calls(), "support@acme.example");
    assert_eq!((each_first(&got), got.is_sorted()), (vec![0, 1, 2, 3, 4], true), "{got:?}");
}

#[tokio::test]
async fn an_operator_tries_again_at_once_and_reopens_what_was_given_up() {
    let receiver = Receiver::start(|_, number| if number < 1 { Act::Status(500) } else { Act::Status(204) }).await;
    let url = receiver.url(RELAY);
    let mut bench = Bench::with(|config| acme(config).bridge = Some(bridge(&url))).await;
    bench.stop().await;
    let services = Arc::get_mut(&mut bench.services).expect("nobody else has it");
    services.schedules.bridge = LATE;
    bench.start();
    let entry = bench.offer(&["support@acme.example"], &mail("support@acme.example", 1)).await.remove(0);
    bench.until(entry.id, "it failed", |entry| entry.state == BridgeState::Deferred).await;
    let behind = bench.offer(&["support@acme.example"], &mail("support@acme.example", 2)).await.remove(0);
    bench.site.store.retry_bridged(entry.id).await.expect("it is tried now");
    bench.brought(behind.id).await;
    assert_eq!(numbers(&receiver.calls(), "support@acme.example"), [1, 1, 2]);
    let refused = bench.site.store.retry_bridged(entry.id).await.expect_err("it is there");
    assert!(refused.to_string().contains("was delivered"), "{refused}");
}

/// The receiver refuses whatever holds this.
fn refuses(number: usize, status: u16) -> impl Fn(&Call, usize) -> Act + Send + 'static {
    let poison = format!("mail {number}\r\n");
    move |call: &Call, _| if call.text().ends_with(&poison) { Act::Status(status) } else { Act::Status(204) }
}

#[tokio::test]
async fn a_mail_that_is_always_refused_holds_up_its_own_conversation_and_that_not_for_long() {
    let receiver = Receiver::start(refuses(1, 500)).await;
    let bench = Bench::to(&receiver).await;
    let support = "support@acme.example";
    let poison = bench.offer(&[support], &of_thread("poison", support, 1)).await.remove(0);
    let behind = bench.offer(&[support], &of_thread("poison", support, 2)).await.remove(0);
    bench.until(poison.id, "it was tried often", |entry| entry.attempts >= 5).await;
    let waits = bench.entry(behind.id).await;
    assert_eq!((waits.state, waits.attempts), (BridgeState::Waiting, 0), "nobody knows yet whose fault it is");
    for number in 3..8 {
        let other = bench.offer(&[support], &of_thread(&format!("other{number}"), support, number)).await.remove(0);
        bench.brought(other.id).await;
    }
    bench.brought(behind.id).await;
    let kept = bench.until(poison.id, "it is tried beside the others", |entry| entry.lane.is_none()).await;
    assert_eq!(kept.state, BridgeState::Deferred);
    bench.until(poison.id, "it goes on being tried", |entry| entry.attempts > kept.attempts).await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_what_it_is_holds_up_nothing() {
    for (status, hint) in [(413, "client_max_body_size"), (422, "its log says why"), (400, "its log says why")] {
        let receiver = Receiver::start(refuses(1, status)).await;
        let mut bench = Bench::to(&receiver).await;
        let poison = bench.offer(&["support@acme.example"], &mail("support@acme.example", 1)).await.remove(0);
        let behind = bench.offer(&["support@acme.example"], &mail("support@acme.example", 2)).await.remove(0);
        bench.brought(behind.id).await;
        let kept = bench.until(poison.id, "it is tried by itself", |entry| entry.attempts >= 3).await;
        assert_eq!((kept.state, kept.lane), (BridgeState::Deferred, None));
        assert!(kept.last_reply.is_some_and(|words| words.starts_with(&status.to_string()) && words.contains(hint)));
        bench.stop().await;
        bench.start();
        bench.until(poison.id, "a restart knows it", |entry| entry.attempts > kept.attempts).await;
    }
}

#[tokio::test]
async fn an_operator_brings_one_before_its_turn_and_takes_out_what_is_in_the_way() {
    let receiver = Receiver::start(refuses(1, 500)).await;
    let mut bench = Bench::to(&receiver).await;
    bench.stop().await;
    Arc::get_mut(&mut bench.services).expect("nobody else has it").schedules.bridge = LATE;
    bench.start();
    let mut offered = Vec::new();
    for number in 1..=3 {
        offered.extend(bench.offer(&["support@acme.example"], &mail("support@acme.example", number)).await);
    }
    let [first, second, third] = [offered[0].id, offered[1].id, offered[2].id];
    bench.until(first, "it failed", |entry| entry.state == BridgeState::Deferred).await;
    let store = bench.site.store.clone();
    store.retry_bridged(third).await.expect("it goes now");
    bench.brought(third).await;
    assert_eq!(bench.entry(second).await.state, BridgeState::Waiting);
    assert_eq!(store.cancel_bridged(first).await.expect("it waits").state, BridgeState::Cancelled);
    bench.brought(second).await;
    let kept = bench.entry(first).await;
    assert_eq!((kept.state, kept.due_at), (BridgeState::Cancelled, None));
    assert!(store.cancel_bridged(second).await.expect_err("it is there").to_string().contains("was delivered"));
    store.retry_bridged(first).await.expect("it is wanted after all");
    bench.until(first, "it is tried again", |entry| entry.state == BridgeState::Deferred).await;
}

#[tokio::test]
async fn recipients_of_the_other_side_are_known_by_pattern_and_list() {
    let receiver = Receiver::polite().await;
    let url = receiver.url(RELAY);
    let bench = Bench::with(|config| {
        let pattern = LocalPattern::parse("reply+<uuid>");
        let list = vec!["sales@shop.acme.example".to_owned()];
        let recipients = BridgeRecipients { pattern, list, hook: None };
        acme(config).bridge = Some(Bridge { recipients, ..bridge(&url) });
    })
    .await;
    let chatwoot = format!("Reply+{UUID}@Reply.acme.example");
    for (address, expected) in [
        (chatwoot.as_str(), "250"),
        ("Sales@shop.acme.example", "250"),
        ("sales2@shop.acme.example", "550 5.1.1"),
        ("reply+8a0fa6ca@reply.acme.example", "550 5.1.1"),
        (&format!("reply+{UUID}@reply.bolt.example"), "550 5.1.1"),
        (&format!("reply+{UUID}@elsewhere.example"), "550 5.7.1"),
        (&format!("reply+{}@reply.acme.example", UUID.replace('-', "")), "550 5.1.1"),
    ] {
        bench.rcpt(address, expected).await;
    }
    let entry = bench.offer(&[&chatwoot], &mail("ann@example.org", 1)).await.remove(0);
    assert_eq!((entry.outcome, entry.conversation_id), (Outcome::Filed, None), "there is nothing to file it in");
    bench.brought(entry.id).await;
    let expected = format!("X-Original-To: Reply+{UUID}@reply.acme.example\r\n");
    assert!(receiver.calls()[0].text().starts_with(&expected), "{}", receiver.calls()[0].text());
}

#[tokio::test]
async fn a_hook_knows_recipients_and_is_not_asked_twice() {
    let hook = Receiver::start(|call, _| match call.path.as_str() {
        "/known?recipient=jane%2B1%40reply.acme.example" => Act::Status(200),
        "/known?recipient=nobody%40reply.acme.example" => Act::Status(404),
        "/known?recipient=moved%40reply.acme.example" => Act::With(302, "Location: /\r\n".into()),
        "/known?recipient=closed%40reply.acme.example" => Act::Close,
        _ => Act::Status(500),
    })
    .await;
    let url = hook.url("/known");
    let bench = Bench::with(|config| {
        let asked =
            RecipientHook { url: target(&url), token: Some(Secret::from("t0ken".to_owned())), allow_private: true };
        let recipients = BridgeRecipients { hook: Some(asked), ..BridgeRecipients::default() };
        acme(config).bridge = Some(Bridge { recipients, ..bridge("http://127.0.0.1:9/") });
    })
    .await;
    for _ in 0..2 {
        for (local, expected) in [
            ("jane+1", "250"),
            ("Jane+1", "250"),
            ("nobody", "550 5.1.1"),
            ("moved", "451 4.4.3"),
            ("closed", "451 4.4.3"),
            ("broken", "451 4.4.3"),
        ] {
            bench.rcpt(&format!("{local}@reply.acme.example"), expected).await;
        }
    }
    assert_eq!(hook.calls().len(), 2 + 2 * 3, "yes and no are remembered, whatever is neither is not");
    assert_eq!(hook.calls()[0].field("authorization"), "Bearer t0ken");
    bench.rcpt("nobody@reply.bolt.example", "550 5.1.1").await;
    bench.rcpt(&bench.site.reply_address(), "250").await;
    assert_eq!(hook.calls().len(), 8, "nobody is asked about what is known here, or about another account");
}

#[tokio::test]
async fn a_hook_at_a_private_address_is_not_asked_unless_that_is_allowed() {
    let hook = Receiver::polite().await;
    let url = hook.url("/known");
    let bench = Bench::with(|config| {
        let asked = RecipientHook { url: target(&url), token: None, allow_private: false };
        let recipients = BridgeRecipients { hook: Some(asked), ..BridgeRecipients::default() };
        let there = Bridge { recipients, allow_private: false, ..bridge(&url) };
        acme(config).bridge = Some(there);
    })
    .await;
    bench.rcpt("jane@reply.acme.example", "451 4.4.3").await;
    let entry = bench.offer(&["support@acme.example"], &mail("support@acme.example", 1)).await.remove(0);
    let refused = bench.until(entry.id, "it failed", |entry| entry.attempts >= 1).await;
    assert!(refused.last_reply.is_some_and(|words| words.contains("127.0.0.1 is loopback")));
    assert_eq!(hook.calls().len(), 0);
}
