//! The chat widget's calls: what a visitor does from the first message on, and how the inbox's settings hold.

use crate::product::Product;
use crate::widget_client::{Browser, CONFIG, answer, presence, shown, until};
use serde_json::{Value, json};

#[test]
fn a_visitor_writes_is_answered_and_sees_both() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let nobody = json!({"name": null, "email": null, "email_state": "none", "identified": false});
    assert_eq!(ann.get("state").json()["visitor"], nobody);
    assert_eq!(ann.get("state").json()["conversation"], Value::Null);
    let (conversation, message) = ann.say("Is it open?");
    assert_eq!(message["author"], json!({"kind": "contact", "name": null}));
    assert_eq!((&message["via"], &message["delivery"]), (&json!("widget"), &Value::Null));
    answer(&product, &conversation, "Until six.");
    assert_eq!(ann.texts(&conversation), ["Is it open?", "Until six."]);
    let state = ann.get("state").json();
    assert_eq!(state["conversation"], json!({"id": conversation, "status": "open", "mail": "on", "unread": 1}));
    assert_eq!(state["conversations"][0]["id"], json!(conversation));
    let (again, _) = ann.say("Thanks");
    assert_eq!(again, conversation, "one conversation at a time");
    let matter = json!({"conversation": "new", "text": "Another matter", "idempotency_key": "k"});
    let other = ann.post("messages", &matter).json()["conversation_id"].clone();
    assert!(
        other != json!(conversation) && other == ann.post("messages", &matter).json()["conversation_id"],
        "{other}"
    );
    assert_eq!(
        ann.get(&format!("state?conversation={conversation}")).json()["conversations"].as_array().map(Vec::len),
        Some(2)
    );
    let seen = shown(&product, &conversation);
    assert_eq!(
        (&seen["channel"], &seen["inbox"], &seen["account"]),
        (&json!("widget"), &json!("website"), &json!("acme"))
    );
    product.stop();
}

#[test]
fn a_key_is_written_once_also_when_it_begins_the_conversation() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let body = json!({"text": "Hello", "idempotency_key": "k"});
    let (first, second) = (ann.post("messages", &body).json(), ann.post("messages", &body).json());
    assert_eq!(first, second);
    let path = format!("/api/v1/conversations/{}", first["conversation_id"].as_str().expect("an id"));
    assert_eq!(product.owner.call("PATCH", &path, "", r#"{"status":"resolved"}"#).status, 200);
    assert_eq!(ann.post("messages", &body).json()["message"]["id"], first["message"]["id"], "resolved meanwhile");
    let (next, _) = ann.say("Something else");
    assert_ne!(Value::from(next.clone()), first["conversation_id"], "after the resolved one another begins");
    let named = json!({"text": "Not done", "idempotency_key": "k2", "conversation": first["conversation_id"]});
    assert_eq!(ann.post("messages", &named).json()["conversation_id"], first["conversation_id"]);
    let reopened = shown(&product, first["conversation_id"].as_str().expect("an id"));
    assert_eq!(reopened["status"], "open");
    product.stop();
}

#[test]
fn messages_are_read_page_by_page() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let mut ids = Vec::new();
    let (conversation, _) = ann.say("0");
    for number in 1..7 {
        let (_, message) = ann.say(&number.to_string());
        ids.push(message["id"].as_str().expect("an id").to_owned());
    }
    let page = |query: &str| {
        let page = ann.get(&format!("messages?conversation={conversation}&{query}")).json();
        let texts: Vec<String> = page["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| item["text"].as_str().unwrap_or("").into())
            .collect();
        (texts.join(""), page["more"].as_bool().expect("more"))
    };
    assert_eq!(page("limit=3"), ("456".to_owned(), true));
    assert_eq!(page(&format!("limit=3&before={}", ids[3])), ("123".to_owned(), true));
    assert_eq!(page(&format!("limit=3&before={}", ids[0])), ("0".to_owned(), false));
    assert_eq!(page(&format!("limit=2&after={}", ids[3])), ("56".to_owned(), false));
    for wrong in ["limit=0", "limit=101", "before=x", "limt=1"] {
        assert_eq!(ann.get(&format!("messages?conversation={conversation}&{wrong}")).status, 422, "{wrong}");
    }
    product.stop();
}

#[test]
fn a_typed_address_is_a_claim_and_finds_nobody() {
    let product = Product::with(CONFIG);
    let (jane, eve) = (Browser::visitor(&product, "acme/website"), Browser::visitor(&product, "acme/website"));
    let begun = json!({"account": "acme", "inbox": "website", "contact": {"email": "jane@x.example", "name": "Jane"},
        "messages": [{"author": "contact", "text": "My secret"}]});
    assert_eq!(product.begin(&begun).status, 201);
    for visitor in [&jane, &eve] {
        let said = json!({"text": "Hi", "idempotency_key": "k", "email": "Jane@X.example", "name": "Jane"});
        assert_eq!(visitor.post("messages", &said).status, 201);
        let state = visitor.get("state").json();
        assert_eq!(
            (&state["visitor"]["email"], &state["visitor"]["email_state"]),
            (&json!("jane@x.example"), &json!("claimed"))
        );
        assert_eq!(state["conversations"].as_array().map(Vec::len), Some(1), "no history by a typed address");
    }
    let contacts: Vec<Value> = [&jane, &eve]
        .map(|visitor| visitor.get("state").json()["conversation"]["id"].as_str().expect("an id").to_owned())
        .map(|id| shown(&product, &id)["contact"]["id"].clone())
        .to_vec();
    assert_ne!(contacts[0], contacts[1], "two who say the same are two");
    product.stop();
}

#[test]
fn a_visitor_corrects_where_mail_goes_or_wants_none() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let patch = |body: Value| ann.call("PATCH", "/widget/v1/contact", &body.to_string());
    let changed = patch(json!({"email": "ann@x.example", "name": "Ann"}));
    assert_eq!((changed.status, &changed.json()["visitor"]["email"]), (200, &json!("ann@x.example")), "{changed:?}");
    let message = answer(&product, &conversation, "Hi Ann");
    assert_eq!(message["delivery"]["state"], "waiting", "{message}");
    let page = ann.get(&format!("messages?conversation={conversation}")).json();
    assert_eq!(page["items"][1]["delivery"]["to"], "a…@x.example", "{page}");
    assert_eq!(patch(json!({"mail": "off", "conversation": conversation})).status, 200);
    assert_eq!(ann.get("state").json()["conversation"]["mail"], "off");
    for (body, field) in [
        (json!({"email": "ann"}), "email"),
        (json!({"email": "support@acme.example"}), "email"),
        (json!({"email": "x@reply.bolt.example"}), "email"),
        (json!({"email": "a@x.example\r\nBcc: b@x.example"}), "email"),
        (json!({"name": "a\nb"}), "name"),
    ] {
        let refused = patch(body);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.error_message().starts_with(field), "{refused:?}");
    }
    product.stop();
}

#[test]
fn the_form_before_a_chat_is_held_to() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/form");
    let say = |fields: Value| ann.post("messages", &json!({"text": "Hi", "idempotency_key": "k", "fields": fields}));
    for (fields, expected) in [
        (json!({}), vec!["mail", "name"]),
        (json!({"name": "Ann", "mail": "ann"}), vec!["mail"]),
        (json!({"name": "Ann", "mail": "ann@x.example", "order": "12"}), vec!["order"]),
        (json!({"name": "Ann", "mail": "ann@x.example", "topic": "Other"}), vec!["topic"]),
        (json!({"name": "Ann", "mail": "ann@x.example", "role": "admin"}), vec!["role"]),
        (json!({"name": "Ann", "mail": "support@acme.example"}), vec!["email"]),
    ] {
        let refused = say(fields);
        let named: Vec<String> =
            refused.json()["error"]["fields"].as_object().expect("fields").keys().cloned().collect();
        assert_eq!((refused.status, named), (422, expected.into_iter().map(str::to_owned).collect()), "{refused:?}");
    }
    assert_eq!(ann.get("state").json()["conversations"], json!([]), "nothing was stored");
    let said = say(json!({"name": "Ann", "mail": "ann@x.example", "order": "123456", "topic": "Help"}));
    assert_eq!(said.status, 201, "{said:?}");
    let conversation = shown(&product, said.json()["conversation_id"].as_str().expect("an id"));
    assert_eq!(conversation["contact"]["name"], "Ann", "{conversation}");
    assert_eq!(ann.get("state").json()["visitor"]["email_state"], "claimed");
    ann.say("And more");
    product.stop();
}

#[test]
fn the_widget_is_described_for_anybody() {
    let product = Product::with(CONFIG);
    let stranger = Browser::stranger(&product);
    let shop = stranger.get("config?inbox=shop").json();
    for (field, expected) in [
        ("inbox", json!("acme/shop")),
        ("title", json!("Shop")),
        ("greeting", json!("Hello")),
        ("colour", json!("#aabbcc")),
        ("position", json!("left")),
        ("identity", json!("optional")),
        ("email_collect", json!(true)),
        ("language", json!("en")),
        ("pre_chat", json!([])),
    ] {
        assert_eq!(shop[field], expected, "{field}");
    }
    assert!(!shop.to_string().contains("hunter2") && !shop.to_string().contains("shop.example"), "{shop}");
    let form = stranger.get("config?inbox=acme%2Fform").json();
    assert_eq!(form["pre_chat"][2]["pattern"], "[0-9]{6}");
    for unknown in ["website", "acme/other", "bolt/other", "nobody/website", "", "../x"] {
        let refused = stranger.get(&format!("config?inbox={unknown}"));
        assert_eq!((refused.status, refused.error_message()), (404, "no such inbox".to_owned()), "{unknown}");
    }
    let script = stranger.call("GET", "/widget/v1/widget.js?inbox=shop", "");
    assert!(script.status == 200 && script.head.contains("content-type: text/javascript"), "{}", script.head);
    let tag = script.head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an ETag").replace("w/", "W/");
    let again = stranger.with(&format!("If-None-Match: W/\"x\", {tag}\r\n"));
    let again = again.call("GET", "/widget/v1/widget.js", "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    for (accepted, packed) in
        [("gzip, deflate, br", true), ("br;q=1, GZIP;q=0.5", true), ("gzip;q=0, *", false), ("br", false)]
    {
        let script = stranger.with(&format!("Accept-Encoding: {accepted}\r\n"));
        let head = script.call("GET", "/widget/v1/widget.js?inbox=shop", "").head;
        assert_eq!(head.contains("content-encoding: gzip"), packed, "{accepted}: {head}");
        assert!(head.contains(&tag.to_lowercase()) && head.contains("vary: accept-encoding"), "{head}");
    }
    product.stop();
}

#[test]
fn what_tabs_say_reaches_agents_and_ends_with_their_connection() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let presence = || presence(&product, &conversation);
    let tell = |tab: &str, state: &str| {
        ann.post(
            "presence",
            &json!({"conversation": conversation, "tab": tab, "state": state, "page": "https://x.example/"}),
        )
    };
    assert_eq!(tell("one", "reading").status, 204);
    assert_eq!(presence(), "absent", "a tab without a connection is not there");
    let (one, two) = (ann.listen(&conversation, "one", None), ann.listen(&conversation, "two", None));
    assert_eq!(presence(), "away");
    assert_eq!(tell("one", "visible").status, 204);
    assert_eq!(presence(), "present");
    let message = answer(&product, &conversation, "Hi");
    let seen = json!({"conversation": conversation, "up_to": message["id"]});
    assert_eq!(ann.post("seen", &seen).status, 204);
    assert_eq!(ann.get("state").json()["conversation"]["unread"], 0);
    assert_eq!(ann.post("typing", &json!({"conversation": conversation, "typing": true})).status, 204);
    drop(one);
    until(&product, || presence() == "away");
    drop(two);
    until(&product, || presence() == "absent");
    product.stop();
}
