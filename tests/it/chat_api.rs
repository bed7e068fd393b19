//! What a channel tells of its visitor over the API, what an agent is told before sending, and what can be taken back.

use crate::product::{Product, kettle};
use replyd::clock::UnixMs;
use serde_json::{Value, json};

const CHANNEL: &str = r#"
[server]
hostname = "mx.example.com"
data_dir = "data"
[smtp]
listen = ["127.0.0.1:0"]
[http]
listen = ["127.0.0.1:0"]
[limits]
disk_free = "0 B"
disk_free_inodes = 0
[[account]]
name = "acme"
inbound_domain = "reply.acme.example"
[[account.inbox]]
name = "website"
channel = "api"
address = "support@acme.example"
offline_delay = "1 h"
unseen_delay = "2 h"
[[account]]
name = "bolt"
inbound_domain = "reply.bolt.example"
[[account.inbox]]
name = "help"
"#;

struct Talk {
    product: Product,
    path: String,
}

impl Talk {
    /// With one unseen answer.
    fn begun() -> Talk {
        let product = Product::with(CHANNEL);
        let id = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
        Talk { product, path: format!("/api/v1/conversations/{id}") }
    }

    fn post(&self, what: &str, body: &Value) -> Value {
        let answer = self.product.owner.call("POST", &format!("{}/{what}", self.path), "", &body.to_string());
        assert!(answer.status < 300, "{what}: {answer:?}");
        answer.json()
    }

    fn shown(&self) -> Value {
        self.product.owner.get(&self.path, "").json()
    }

    /// Minutes from now until the mail is due, about.
    fn due_in(&self, due_at: &Value) -> i64 {
        let due = due_at.as_str().and_then(UnixMs::from_rfc3339).expect("a time");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
        (due.0 - i64::try_from(now).expect("a time") + 30_000) / 60_000
    }
}

/// Any channel can say that somebody types: what is due meanwhile waits, and the others are told.
#[test]
fn a_channel_tells_who_types() {
    let talk = Talk::begun();
    let token = talk.product.token("acme");
    let path = format!("{}/typing", talk.path);
    let call = |body: &Value| talk.product.tcp.call("POST", &path, &token, &body.to_string());
    for author in ["contact", "agent"] {
        for typing in [true, false] {
            let told = call(&json!({"typing": typing, "author": author, "agent": "Sara"}));
            assert_eq!(told.status, 204, "{told:?}");
        }
    }
    for (body, why) in
        [(json!({"typing": true}), "author"), (json!({"typing": true, "author": "note"}), "unknown variant")]
    {
        let refused = call(&body);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.error_message().contains(why), "{refused:?}");
    }
    let foreign =
        talk.product.tcp.call("POST", &path, &talk.product.token("bolt"), r#"{"typing":true,"author":"contact"}"#);
    assert_eq!(foreign.status, 404);
    talk.product.stop();
}

#[test]
fn seen_names_messages_of_its_conversation_and_needs_no_body() {
    let talk = Talk::begun();
    let theirs = talk.product.begin(&kettle()).json()["messages"][1]["id"].clone();
    let token = talk.product.token("acme");
    let call = |body: &str| talk.product.tcp.call("POST", &format!("{}/seen", talk.path), &token, body);
    for body in [json!({"up_to": theirs}), json!({"ids": [theirs]}), json!({"up_to": "aaaaaaaaaaaak"})] {
        let refused = call(&body.to_string());
        assert_eq!((refused.status, refused.error_message().contains("message")), (404, true), "{refused:?}");
    }
    assert_eq!(call(&json!({"up_to": theirs, "ids": []}).to_string()).status, 422);
    let first = talk.shown()["messages"][1]["id"].clone();
    assert_eq!(call(&json!({"ids": [first]}).to_string()).json(), json!({"seen": [first]}));
    assert_eq!(call("").json(), json!({"seen": []}), "no body is as an empty one");
    talk.product.stop();
}

#[test]
fn a_channel_tells_who_is_there_and_the_timer_follows() {
    let talk = Talk::begun();
    let shown = talk.shown();
    assert_eq!(shown["presence"], json!({"state": "absent", "since": null}));
    assert_eq!(talk.due_in(&shown["continuity"]["due_at"]), 60, "{}", shown["continuity"]);
    for (state, minutes, why) in [("present", 120, "page is open"), ("away", 120, "background"), ("absent", 60, "left")]
    {
        let told = talk.post("presence", &json!({ "state": state }));
        assert_eq!(told["state"], state);
        assert!(told["since"].is_string(), "{told}");
        let continuity = &talk.shown()["continuity"];
        assert_eq!(talk.due_in(&continuity["due_at"]), minutes, "{continuity}");
        assert!(continuity["reason"].as_str().is_some_and(|reason| reason.contains(why)), "{continuity}");
    }
    let first = talk.shown()["messages"][1]["id"].clone();
    assert_eq!(talk.post("seen", &json!({ "up_to": first })), json!({ "seen": [first] }));
    assert_eq!(talk.post("seen", &json!({})), json!({ "seen": [] }));
    let shown = talk.shown();
    assert_eq!((&shown["unseen_by_contact"], &shown["messages"][1]["delivery"]["state"]), (&json!(0), &json!("seen")));
    assert_eq!(shown["continuity"], json!({"due_at": null, "reason": "nothing is unseen"}));
    assert!(shown["messages"][1]["seen_at"].is_string());
    talk.product.stop();
}

#[test]
fn what_a_channel_may_say_is_checked_and_scoped() {
    let talk = Talk::begun();
    let (acme, bolt) = (talk.product.token("acme"), talk.product.token("bolt"));
    let call = |what: &str, token: &str, body: &str| {
        let answer = talk.product.tcp.call("POST", &format!("{}/{what}", talk.path), token, body);
        (answer.status, answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(call("presence", &acme, r#"{"state":"away"}"#).0, 200);
    for (what, token, body, status, words) in [
        ("presence", &acme, r#"{"state":"asleep"}"#, 422, "state: present, away or absent"),
        ("presence", &acme, r#"{"state":"present","tab":"x"}"#, 422, "tab"),
        ("presence", &bolt, r#"{"state":"present"}"#, 404, "no such conversation"),
        ("seen", &bolt, "{}", 404, "no such conversation"),
        ("seen", &acme, r#"{"up_to":"x"}"#, 422, "not an id"),
        ("messages", &acme, r#"{"author":"contact","text":"x","mail":"now"}"#, 422, "mail: only an agent's"),
        ("messages", &acme, r#"{"author":"note","text":"x","hold":"10 s"}"#, 422, "hold: only an agent's"),
        ("messages", &acme, r#"{"author":"agent","text":"x","hold":"1 h"}"#, 422, "at most 10 minutes"),
        ("messages", &acme, r#"{"author":"agent","text":"x","mail":"later"}"#, 422, "later"),
    ] {
        let answer = call(what, token, body);
        assert!(answer.0 == status && answer.1.contains(words), "{what} {body}: {answer:?}");
    }
    let forecast = talk.product.tcp.get(&format!("{}/forecast", talk.path), &bolt);
    assert_eq!(forecast.status, 404);
    let forecast = talk.product.tcp.get(&format!("{}/forecast?mail=soon", talk.path), &acme);
    assert_eq!(forecast.status, 422);
    talk.product.stop();
}

#[test]
fn a_forecast_tells_where_a_message_goes() {
    let talk = Talk::begun();
    let forecast = |mail: &str| talk.product.owner.get(&format!("{}/forecast{mail}", talk.path), "").json();
    let auto = forecast("");
    assert_eq!((&auto["chat"], &auto["email"]["to"]), (&json!(true), &json!("jane@customer.example")), "{auto}");
    assert_eq!(talk.due_in(&auto["email"]["due_at"]), 60);
    assert_eq!(talk.due_in(&forecast("?mail=now")["email"]["due_at"]), 0);
    let never = forecast("?mail=never");
    assert_eq!(never["email"], Value::Null);
    assert!(never["reason"].as_str().is_some_and(|reason| reason.contains("chat alone")), "{never}");
    let quiet = talk.post("messages", &json!({"author": "agent", "text": "psst", "mail": "never"}));
    assert_eq!(quiet["delivery"]["due_at"], Value::Null);
    let queue = talk.product.owner.get("/api/v1/queue?state=waiting", "").json();
    assert_eq!(queue["items"][0]["messages"].as_array().map(Vec::len), Some(1), "{queue}");
    talk.product.stop();
}

#[test]
fn what_is_held_can_be_taken_back_or_sent_now() {
    let talk = Talk::begun();
    let (acme, bolt) = (talk.product.token("acme"), talk.product.token("bolt"));
    let held = || {
        talk.post(
            "messages",
            &json!({"author": "agent", "text": "oops", "hold": "10 m", "attachments": [
        {"name": "a.txt", "type": "text/plain", "content": "aGk="}]}),
        )
    };
    let message = held();
    assert!(message["held_until"].is_string(), "{message}");
    assert_eq!(talk.shown()["unseen_by_contact"], 1, "nobody has it yet");
    let path = format!("/api/v1/messages/{}", message["id"].as_str().expect("an id"));
    let delete = |token: &str| talk.product.tcp.call("DELETE", &path, token, "");
    let release = |token: &str| talk.product.tcp.call("POST", &format!("{path}/release"), token, "");
    assert_eq!((delete(&bolt).status, release(&bolt).status), (404, 404));
    assert_eq!(delete(&bolt).json()["error"]["message"], "no such message");
    let taken = delete(&acme);
    assert_eq!(
        (taken.status, &taken.json()["text"], &taken.json()["attachments"][0]["name"]),
        (200, &json!("oops"), &json!("a.txt"))
    );
    assert_eq!(delete(&acme).status, 404);
    assert_eq!(talk.shown()["messages"].as_array().map(Vec::len), Some(2));

    let message = held();
    let path = format!("/api/v1/messages/{}", message["id"].as_str().expect("an id"));
    let sent = talk.product.tcp.call("POST", &format!("{path}/release"), &acme, "").json();
    assert_eq!((&sent["held_until"], &sent["delivery"]["state"]), (&Value::Null, &json!("waiting")), "{sent}");
    let late = talk.product.tcp.call("DELETE", &path, &acme, "");
    assert!(late.status == 409 && late.json()["error"]["message"].as_str().is_some_and(|it| it.contains("was sent")));
    talk.product.stop();
}

#[test]
fn what_was_seen_needs_no_body() {
    let talk = Talk::begun();
    let seen = talk.product.owner.call("POST", &format!("{}/seen", talk.path), "", "");
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(seen.json()["seen"].as_array().map(Vec::len), Some(1));
}
