//! An operator's orders over many mails at once: what they concern, how they go on, and what stays as it is.

use crate::desk::{Browser, agent};
use crate::http_client::Answer;
use crate::product::{CONFIG, Product, kettle};
use replyd::clock::{Clock, UnixMs};
use replyd::conversation::delivery::{DeliveryState, Posting};
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Via};
use replyd::store::Store;
use replyd::store::outgoing::{AttemptEnd, AttemptOutcome, Claim, EventKind, QueueOrder, QueueQuery};
use replyd::store::unit::{NewConversation, NewMessage};
use serde_json::{Value, json};
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn message(kind: AuthorKind, direction: Direction) -> NewMessage {
    NewMessage {
        direction,
        author: Author { kind, name: None, email: None },
        via: Via::Api,
        text: "it pours".into(),
        posting: Posting { to_contact: Some(Duration::ZERO), ..Posting::default() },
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
    }
}

async fn answered(store: &Store, email: &str) {
    let new = NewConversation {
        account: "acme".into(),
        inbox: "website".into(),
        channel: Channel::Api,
        contact_name: None,
        contact_email: Some(email.into()),
        contact_identifier: None,
        subject: None,
        messages: vec![
            message(AuthorKind::Contact, Direction::Incoming),
            message(AuthorKind::Agent, Direction::Outgoing),
        ],
    };
    store.new_conversation(new).await.expect("begun");
}

/// A store with so many mails to ann@teapots.example more than one.
async fn many(dir: &std::path::Path, more: u32) -> Store {
    let store = Store::open(dir, Clock::fixed(NOW)).expect("the store opens");
    answered(&store, "ann@teapots.example").await;
    store.close().await;
    let database = rusqlite::Connection::open(dir.join("replyd.db")).expect("the database");
    let same = "account, conversation_id, due_at, kind, recipient, recipient_kind, domain, reply_token, message_id,
        require_tls, state, created_at, give_up_at";
    let copies = format!(
        "INSERT INTO queue (id, {same}) WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {more})
         SELECT q.id + n.n, {same} FROM n, queue q;"
    );
    database.execute_batch(&copies).expect("many mails");
    drop(database);
    Store::open(dir, Clock::fixed(NOW)).expect("the store opens")
}

async fn backlog(store: &Store) -> (u64, u64) {
    let backlog = store.backlog().await.expect("a backlog");
    (backlog.queued + backlog.waiting, backlog.held)
}

#[tokio::test]
async fn an_order_goes_over_any_number_of_mails_step_by_step() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = many(dir.path(), 2_499).await;
    let all = || QueueQuery { limit: 1_000, ..QueueQuery::default() };
    assert_eq!(store.concerned(QueueOrder::Hold, all()).await.expect("a count"), 2_500);
    let mut steps = Vec::new();
    let mut before = None;
    loop {
        let done = store.order(QueueOrder::Hold, QueueQuery { before, ..all() }).await.expect("a step");
        steps.push(done.changed);
        before = done.next;
        if before.is_none() {
            break;
        }
        // Who comes between the steps is no part of it.
        if steps.len() == 1 {
            answered(&store, "bob@teapots.example").await;
        }
    }
    assert_eq!(steps, [1_000, 1_000, 500]);
    assert_eq!(backlog(&store).await, (1, 2_500));
    let claimed = store.claim_due(Claim { limit: 10, per_domain: 4, busy: Vec::new() }).await.expect("claimed");
    let recipients: Vec<&str> = claimed.iter().map(|entry| entry.recipient.as_str()).collect();
    assert_eq!(recipients, ["bob@teapots.example"], "what is held is not taken");
    store.close().await;
}

#[tokio::test]
async fn what_is_tried_again_by_the_thousand_takes_no_turn_from_others() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = many(dir.path(), 50).await;
    answered(&store, "bob@kettles.example").await;
    let domain = Some("teapots.example".to_owned());
    let query = QueueQuery { domain, limit: 1_000, ..QueueQuery::default() };
    assert_eq!(store.order(QueueOrder::Retry, query).await.expect("a step").changed, 51);
    let claimed = store.claim_due(Claim { limit: 10, per_domain: 4, busy: Vec::new() }).await.expect("claimed");
    assert_eq!(claimed.iter().filter(|entry| entry.domain == "teapots.example").count(), 4);
    assert_eq!(claimed.iter().filter(|entry| entry.domain == "kettles.example").count(), 1);
    store.close().await;
}

#[tokio::test]
async fn what_a_host_may_have_stays_as_it_is_and_keeps_nothing_else_from_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = many(dir.path(), 1).await;
    let claimed = store.claim_due(Claim { limit: 1, per_domain: 1, busy: Vec::new() }).await.expect("claimed");
    store.data_sent(claimed[0].id, None).await.expect("sent");
    let order = QueueOrder::Fail { reason: "that shop has closed".into() };
    let done = store.order(order.clone(), QueueQuery { limit: 10, ..QueueQuery::default() }).await.expect("a step");
    assert_eq!((done.matched, done.changed, done.left), (2, 1, 1));
    assert!(done.left_reason.is_some_and(|reason| reason.contains("at the recipient's host")));
    let end = AttemptEnd {
        outcome: AttemptOutcome::Deferred { due_at: NOW, uncertain: false },
        remote: Some("mx.teapots.example [192.0.2.1]:25".into()),
        remote_reply: None,
        tls: None,
        reason: "busy".into(),
        transcript: String::new(),
    };
    store.attempt_ended(claimed[0].id, end).await.expect("ended");
    let at = |host: &str| QueueQuery { host: Some(host.into()), limit: 10, ..QueueQuery::default() };
    assert_eq!(store.concerned(order.clone(), at("192.0.2.2")).await.expect("a count"), 0);
    assert_eq!(store.order(order, at("MX.teapots")).await.expect("a step").changed, 1);
    let failed = store.queue_entry(claimed[0].id).await.expect("the entry");
    assert_eq!(failed.state, DeliveryState::Failed);
    assert_eq!(failed.reason.as_deref(), Some("failed by hand: that shop has closed"));
    let events = store.events(None, Some(replyd::conversation::id::Id(0)), 100).await.expect("events");
    let told = |event: &&replyd::store::outgoing::Event| {
        event.kind == EventKind::DeliveryChanged && event.detail["reason"] == "failed by hand: that shop has closed"
    };
    assert_eq!(events.iter().filter(told).count(), 2, "one for each");
    store.close().await;
}

#[tokio::test]
async fn what_has_ended_is_tried_again_only_if_its_state_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = many(dir.path(), 9).await;
    let all = || QueueQuery { limit: 100, ..QueueQuery::default() };
    store.order(QueueOrder::Cancel, QueueQuery { limit: 4, ..all() }).await.expect("a step");
    store.order(QueueOrder::Hold, QueueQuery { limit: 1, ..all() }).await.expect("a step");
    assert_eq!(store.order(QueueOrder::Retry, all()).await.expect("a step").changed, 5, "neither cancelled nor held");
    let cancelled = QueueQuery { state: Some(DeliveryState::Cancelled), ..all() };
    assert_eq!(store.order(QueueOrder::Retry, cancelled).await.expect("a step").changed, 4);
    assert_eq!(store.order(QueueOrder::Release, all()).await.expect("a step").changed, 1);
    assert_eq!(backlog(&store).await, (10, 0));
    store.close().await;
}

fn order(product: &Product, token: &str, filters: &str, body: &Value) -> Answer {
    product.tcp.call("POST", &format!("/api/v1/queue{filters}"), token, &body.to_string())
}

#[test]
fn the_api_orders_by_the_filters_of_the_list_and_within_the_callers_account() {
    let product = Product::start();
    for _ in 0..3 {
        product.begin(&kettle());
    }
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    for (token, filters, body, expected) in [
        (&acme, "", json!({ "order": "hold" }), 422),
        (&acme, "?account=acme&limit=1001", json!({ "order": "hold" }), 422),
        (&acme, "?older_than=soon", json!({ "order": "hold" }), 422),
        (&acme, "", json!({ "order": "fail", "all": true }), 422),
        (&acme, "", json!({ "order": "hold", "all": true, "reason": "x" }), 422),
        (&acme, "", json!({ "order": "burn", "all": true }), 422),
        (&bolt, "?account=acme", json!({ "order": "hold" }), 403),
    ] {
        assert_eq!(order(&product, token, filters, &body).status, expected, "{filters} {body}");
    }
    for (token, filters, matched) in [
        (&acme, "?domain=Customer.example", 3),
        (&acme, "?domain=customer", 0),
        (&acme, "?recipient=jane&state=waiting", 3),
        (&acme, "?state=deferred", 0),
        (&acme, "?older_than=1+h", 0),
        (&acme, "?older_than=0+s", 3),
        (&bolt, "?domain=customer.example", 0),
    ] {
        let counted = order(&product, token, filters, &json!({ "order": "cancel", "dry_run": true })).json();
        let expected = json!({ "matched": matched, "changed": 0, "left": 0, "left_reason": null, "next": null });
        assert_eq!(counted, expected, "{filters}");
    }
    let first = order(&product, &acme, "?limit=2", &json!({ "order": "hold", "all": true })).json();
    let next = first["next"].as_str().expect("a second step");
    assert_eq!(first["changed"], 2);
    let second = order(&product, &acme, &format!("?limit=2&cursor={next}"), &json!({ "order": "hold", "all": true }));
    assert_eq!((&second.json()["changed"], &second.json()["next"]), (&json!(1), &Value::Null));
    let listed = product.tcp.get("/api/v1/queue?domain=customer.example", &acme).json();
    assert!(listed["items"].as_array().is_some_and(|all| all.iter().all(|entry| entry["held"] == true)), "{listed}");
    let path = format!("/api/v1/queue/{}/fail", listed["items"][0]["id"].as_str().expect("an id"));
    assert_eq!(product.tcp.call("POST", &path, &bolt, r#"{"reason":"x"}"#).status, 404);
    assert_eq!(product.tcp.call("POST", &path, &acme, r#"{"reason":" "}"#).status, 422);
    let failed = product.tcp.call("POST", &path, &acme, r#"{"reason":"that shop has closed"}"#).json();
    assert_eq!(
        (&failed["state"], &failed["reason"]),
        (&json!("failed"), &json!("failed by hand: that shop has closed"))
    );
    assert_eq!(product.tcp.call("POST", &path, &acme, r#"{"reason":"x"}"#).status, 409);
    let conversation = failed["conversation_id"].as_str().expect("an id");
    let shown = product.tcp.get(&format!("/api/v1/conversations/{conversation}"), &acme).json();
    let delivery = &shown["messages"][1]["delivery"];
    assert_eq!(
        (&delivery["state"], &delivery["reason"]),
        (&failed["state"], &failed["reason"]),
        "it is on its message"
    );
    product.stop();
}

const TWO_INBOXES: &str =
    "[[account.inbox]]\nname = \"shop\"\naddress = \"shop@acme.example\"\n[[account]]\nname = \"bolt\"";

#[test]
fn an_agent_of_one_inbox_orders_nothing_of_another() {
    let product = Product::with(&CONFIG.replacen("[[account]]\nname = \"bolt\"", TWO_INBOXES, 1));
    agent(&product, "acme", "sara@agents.example", Some(&["shop"]));
    let browser = Browser::of(&product, "sara@agents.example");
    product.begin(&kettle());
    let mut shop = kettle();
    shop["inbox"] = json!("shop");
    product.begin(&shop);
    let done = browser.call("POST", "/api/v1/queue", &json!({ "order": "cancel", "all": true })).json();
    assert_eq!(done["changed"], 1, "{done}");
    let left = product.owner.get("/api/v1/queue?state=waiting", "").json();
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "{left}");
    product.stop();
}
