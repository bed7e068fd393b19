//! Webhooks and bridges as callers of the API see them.

use crate::product::{Product, kettle};
use crate::receiver::{Act, Receiver};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

const HOOKS: &str = "/api/v1/webhooks";

fn receiver(product: &Product) -> Receiver {
    product.runtime.block_on(Receiver::polite())
}

/// Over the owner's socket.
fn add(product: &Product, body: &Value) -> Value {
    let answer = product.owner.call("POST", HOOKS, "", &body.to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

/// What the feed shows of the first events.
fn fed(product: &Product, token: &str, count: usize) -> Vec<Value> {
    let mut stream = TcpStream::connect(product.running.http_addresses()[0]).expect("HTTP listens");
    let request = format!(
        "GET /api/v1/events?after=aaaaaaaaaaaaa HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    data.take(count).map(|data| serde_json::from_str(&data).expect("JSON")).collect()
}

#[test]
fn a_webhook_gets_what_the_feed_shows() {
    let product = Product::start();
    let receiver = receiver(&product);
    let hook = add(&product, &json!({ "account": "acme", "url": receiver.url("/hook"), "allow_private": true }));
    assert!(hook["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_") && secret.len() == 70), "{hook}");
    product.begin(&kettle());
    let calls = product.runtime.block_on(receiver.after(2));
    let told: Vec<Value> = calls.iter().map(|call| call.json()).collect();
    assert_eq!(told, fed(&product, &product.token("acme"), told.len()));
    let listed = product.owner.get(HOOKS, "").json();
    let shown = &listed["items"][0];
    assert_eq!((&shown["id"], shown.get("secret"), &shown["origin"]), (&hook["id"], None, &json!("api")), "{listed}");
    for field in [
        "account",
        "url",
        "events",
        "allow_private",
        "created_at",
        "state",
        "position",
        "waiting",
        "behind",
        "failing_since",
        "last_attempt_at",
        "last_failure",
        "disabled_reason",
        "delivered",
        "given_up",
    ] {
        assert!(shown.get(field).is_some(), "{field} is missing: {shown}");
    }
    product.stop();
}

#[test]
fn a_failing_webhook_says_so_and_is_replayed() {
    let product = Product::start();
    let receiver = product
        .runtime
        .block_on(Receiver::start(|_, number| if number == 0 { Act::Status(410) } else { Act::Status(204) }));
    let hook = add(&product, &json!({ "account": "acme", "url": receiver.url("/"), "allow_private": true }));
    product.begin(&kettle());
    let listed = || product.owner.get(HOOKS, "").json()["items"][0].clone();
    let mut committed = product.store.committed();
    while listed()["state"] != "disabled" {
        product.runtime.block_on(committed.changed()).expect("the store lives");
    }
    assert!(listed()["disabled_reason"].as_str().is_some_and(|words| words.starts_with("410")), "{}", listed());
    let replay = |query: &str| product.owner.call("POST", &format!("{HOOKS}/{}/replay{query}", id(&hook)), "", "");
    assert_eq!(replay("?after=x").status, 422);
    assert_eq!(replay("?from=x").status, 422);
    let moved = replay("?after=aaaaaaaaaaaaa");
    assert_eq!((moved.status, &moved.json()["state"]), (202, &json!("active")), "{moved:?}");
    product.runtime.block_on(receiver.after(3));
    product.stop();
}

#[test]
fn webhooks_belong_to_their_account_and_reach_only_what_they_may() {
    let product = Product::start();
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    let added = product.tcp.call("POST", HOOKS, &acme, r#"{"url":"https://App.example/x","events":["bounce"]}"#);
    assert_eq!((added.status, &added.json()["url"]), (201, &json!("https://app.example/x")), "{added:?}");
    assert_eq!(added.json()["events"], json!(["bounce"]));
    let path = format!("{HOOKS}/{}", id(&added.json()));
    assert_eq!(product.tcp.get(HOOKS, &bolt).json()["items"], json!([]));
    assert_eq!(product.tcp.call("DELETE", &path, &bolt, "").status, 404);
    assert_eq!(product.tcp.call("POST", &format!("{path}/replay"), &bolt, "").status, 404);
    for (body, status, words) in [
        (r#"{"url":"https://a@b.example/"}"#, 422, "url: "),
        (r#"{"url":"ftp://b.example/"}"#, 422, "url: "),
        (r#"{"url":"http://127.0.0.1/"}"#, 422, "url: 127.0.0.1 is loopback"),
        (r#"{"url":"http://169.254.169.254/latest/meta-data/"}"#, 422, "url: 169.254.169.254 is link-local"),
        (r#"{"url":"https://10.1.2.3/"}"#, 422, "url: 10.1.2.3 is private"),
        (r#"{"url":"https://[::ffff:127.0.0.1]/"}"#, 422, "url: ::ffff:127.0.0.1 is an IPv4 address in disguise"),
        (r#"{"url":"http://127.0.0.1/","allow_private":true}"#, 403, "allow_private: only the owner"),
        (r#"{"url":"https://b.example/","account":"bolt"}"#, 403, "this token speaks for"),
        (r#"{"url":"https://b.example/","secret":"short"}"#, 422, "secret: 16 characters"),
        (r#"{"url":"https://b.example/","secret":"0123456789abcdef\r\nX: y"}"#, 422, "secret: "),
        (r#"{"url":"https://b.example/","events":["deleted"]}"#, 422, "deleted"),
        (r#"{"url":"https://b.example/","colour":"red"}"#, 422, "colour"),
        (r#"{}"#, 422, "url"),
    ] {
        let refused = product.tcp.call("POST", HOOKS, &acme, body);
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert!(refused.error_message().contains(words), "{body}: {refused:?}");
    }
    for _ in 1..20 {
        assert_eq!(product.tcp.call("POST", HOOKS, &acme, r#"{"url":"https://b.example/"}"#).status, 201);
    }
    assert_eq!(product.tcp.call("POST", HOOKS, &acme, r#"{"url":"https://b.example/"}"#).status, 409, "one too many");
    assert_eq!(product.tcp.call("DELETE", &path, &acme, "").status, 204);
    assert_eq!(product.tcp.call("DELETE", &path, &acme, "").status, 404);
    product.stop();
}

#[test]
fn a_mail_that_goes_over_no_bridge_says_so() {
    let product = Product::start();
    let refused = product.recipient_reply("nobody@reply.acme.example");
    assert!(refused.starts_with("550"), "{refused}");
    let listed = product.owner.get("/api/v1/inbound", "").json();
    let entry = &listed["items"][0];
    assert_eq!(entry.get("bridge"), Some(&Value::Null), "{entry}");
    let retried = product.owner.call("POST", &format!("/api/v1/inbound/{}/bridge/retry", id(entry)), "", "");
    assert_eq!(retried.status, 404, "{retried:?}");
    let cancelled = product.owner.call("POST", &format!("/api/v1/inbound/{}/bridge/cancel", id(entry)), "", "");
    assert_eq!(cancelled.status, 404, "{cancelled:?}");
    product.stop();
}
