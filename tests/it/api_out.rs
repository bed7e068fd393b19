//! Outgoing mail as callers of the API see it: queue, agents, suppressed addresses, deliveries, files, and the links in
//! mails that open without a login.

use crate::product::{CONFIG, Product, kettle};
use replyd::clock::UnixMs;
use replyd::conversation::id::Id;
use replyd::conversation::links;
use serde_json::{Value, json};

const AGENTS: &str = "/api/v1/agents";

/// A conversation with an answer that waits to go out by mail, and its queue entry.
fn answered(product: &Product) -> (String, Value) {
    let conversation = product.begin(&kettle()).json();
    let id = conversation["id"].as_str().expect("an id").to_owned();
    let queue = product.owner.get(&format!("/api/v1/queue?conversation={id}"), "").json();
    let items = queue["items"].as_array().expect("items");
    let entry = items.iter().find(|entry| entry["recipient_kind"] == "contact").expect("a mail to the contact");
    (id, entry.clone())
}

fn sara(product: &Product) -> Value {
    let body = json!({ "account": "acme", "email": "Sara@agents.example", "name": "Sara", "by_mail": false });
    let answer = product.owner.call("POST", AGENTS, "", &body.to_string());
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

#[test]
fn an_answer_waits_in_the_queue_and_says_so_everywhere() {
    let product = Product::start();
    let (conversation, entry) = answered(&product);
    assert_eq!((&entry["state"], &entry["account"]), (&json!("waiting"), &json!("acme")), "{entry}");
    assert_eq!(entry["recipient"].as_str().map(str::to_lowercase).as_deref(), Some("jane@customer.example"));
    assert!(entry["due_at"].is_string() && entry["message_id"].is_string(), "{entry}");
    let shown = product.owner.get(&format!("/api/v1/conversations/{conversation}"), "").json();
    assert_eq!(shown["continuity"]["due_at"], entry["due_at"], "{}", shown["continuity"]);
    let delivery = &shown["messages"][1]["delivery"];
    for field in ["state", "due_at", "attempts", "remote", "remote_reply", "tls", "last_attempt_at", "reason"] {
        assert!(delivery.get(field).is_some(), "{field} is missing: {delivery}");
    }
    assert_eq!((&delivery["state"], &delivery["due_at"]), (&json!("waiting"), &entry["due_at"]));
    assert_eq!(shown["messages"][0]["delivery"], Value::Null, "nothing goes out for what the contact said");
    product.stop();
}

#[test]
fn an_operator_holds_releases_cancels_and_retries() {
    let product = Product::start();
    let (conversation, entry) = answered(&product);
    let call = |what: &str| product.owner.call("POST", &format!("/api/v1/queue/{}/{what}", id(&entry)), "", "");
    assert_eq!(call("hold").json()["held"], true);
    let shown = product.owner.get(&format!("/api/v1/conversations/{conversation}"), "").json();
    assert!(shown["continuity"]["reason"].as_str().is_some_and(|reason| reason.contains("held")), "{shown}");
    let released = call("release").json();
    assert_eq!((&released["held"], &released["state"]), (&json!(false), &json!("waiting")));
    assert_eq!(call("cancel").json()["state"], "cancelled");
    let again = call("cancel");
    assert_eq!((again.status, &again.json()["error"]["code"]), (409, &json!("conflict")), "{again:?}");
    assert_eq!(call("hold").status, 409);
    let retried = call("retry").json();
    assert!(["queued", "deferred", "failed"].contains(&retried["state"].as_str().unwrap_or_default()), "{retried}");
    product.stop();
}

#[test]
fn the_queue_is_filtered_paged_and_scoped_to_its_account() {
    let product = Product::start();
    let (conversation, entry) = answered(&product);
    answered(&product);
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    let count = |path: &str, token: &str| {
        let answer = product.tcp.get(path, token);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()["items"].as_array().map_or(0, Vec::len)
    };
    for (path, token, expected) in [
        ("/api/v1/queue".to_owned(), &acme, 2),
        ("/api/v1/queue".to_owned(), &bolt, 0),
        ("/api/v1/queue?state=waiting&recipient=customer".to_owned(), &acme, 2),
        ("/api/v1/queue?state=failed".to_owned(), &acme, 0),
        ("/api/v1/queue?recipient=nobody".to_owned(), &acme, 0),
        (format!("/api/v1/queue?conversation={conversation}"), &acme, 1),
        (format!("/api/v1/queue?conversation={conversation}"), &bolt, 0),
    ] {
        assert_eq!(count(&path, token), expected, "{path}");
    }
    let first = product.tcp.get("/api/v1/queue?limit=1", &acme).json();
    let cursor = first["next"].as_str().expect("a second page");
    let second = product.tcp.get(&format!("/api/v1/queue?limit=1&cursor={cursor}"), &acme).json();
    assert_eq!((&second["items"][0]["id"], &second["next"]), (&entry["id"], &Value::Null), "newest first");
    let path = format!("/api/v1/queue/{}", id(&entry));
    assert_eq!((product.tcp.get(&path, &acme).status, product.tcp.get(&path, &bolt).status), (200, 404));
    for what in ["retry", "cancel", "hold", "release"] {
        assert_eq!(product.tcp.call("POST", &format!("{path}/{what}"), &bolt, "").status, 404, "{what}");
    }
    for (path, expected) in [
        ("/api/v1/queue?state=lost", 422),
        ("/api/v1/queue?conversation=x", 422),
        ("/api/v1/queue?cursor=x", 422),
        ("/api/v1/queue/aaaaaaaaaaaaa", 404),
        ("/api/v1/queue?account=acme", 403),
    ] {
        assert_eq!(product.tcp.get(path, &bolt).status, expected, "{path}");
    }
    product.stop();
}

#[test]
fn agents_are_added_changed_listed_and_removed_by_their_account() {
    let product = Product::start();
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    let added = sara(&product);
    assert_eq!((&added["email"], &added["inboxes"]), (&json!("sara@agents.example"), &Value::Null), "{added}");
    let body = r#"{"email":"sara@agents.example","name":"Sara B.","inboxes":["website"],"by_mail":false}"#;
    let changed = product.tcp.call("POST", AGENTS, &acme, body).json();
    assert_eq!((&changed["id"], &changed["name"]), (&added["id"], &json!("Sara B.")), "the same agent");
    let unknown = product.tcp.call("POST", AGENTS, &acme, &body.replace("website", "nowhere"));
    assert_eq!((unknown.status, unknown.error_message().contains("nowhere")), (422, true), "{unknown:?}");
    assert_eq!(product.tcp.get(AGENTS, &acme).json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(product.tcp.get(AGENTS, &bolt).json()["items"], json!([]));
    let path = format!("{AGENTS}/{}", id(&added));
    assert_eq!(product.tcp.call("DELETE", &path, &bolt, "").status, 404, "another account's");
    assert_eq!(product.tcp.call("DELETE", &path, &acme, "").status, 204);
    assert_eq!(product.tcp.call("DELETE", &path, &acme, "").status, 404);
    product.stop();
}

#[test]
fn an_assignee_is_an_agent_of_the_account() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}", id(&conversation));
    sara(&product);
    for (word, status) in
        [("Sara", 200), ("SARA@agents.example", 200), ("Ben", 422), ("ben@agents.example", 422), ("a\\r\\nb", 422)]
    {
        let answer = product.owner.call("PATCH", &path, "", &format!(r#"{{"assignee":"{word}"}}"#));
        assert_eq!(answer.status, status, "{word}: {answer:?}");
        if status == 200 {
            assert_eq!(answer.json()["assignee"], "sara@agents.example", "{word}");
        } else {
            assert!(answer.error_message().contains("assignee"), "{answer:?}");
        }
    }
    product.stop();
}

#[test]
fn a_registered_agent_signs_with_their_name() {
    let product = Product::start();
    sara(&product);
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/messages", id(&conversation));
    let body = r#"{"author":"agent","agent":"sara@AGENTS.example","text":"Hello\r\nJane"}"#;
    let message = product.owner.call("POST", &path, "", body).json();
    assert_eq!(message["author"], json!({"kind":"agent","name":"Sara","email":"sara@agents.example"}));
    assert_eq!(message["text"], "Hello\nJane", "text keeps its lines");
    product.stop();
}

#[test]
fn line_breaks_and_nul_in_a_composed_field_name_the_field() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json();
    let messages = format!("/api/v1/conversations/{}/messages", id(&conversation));
    let conversation = format!("/api/v1/conversations/{}", id(&conversation));
    for bad in ["a\r\nBcc: x@y.example", "a\rb", "a\nb", "a\0b"] {
        let cases = [
            ("POST", messages.as_str(), json!({"author":"agent","agent":bad,"text":"x"}), "agent"),
            ("POST", &messages, json!({"author":"agent","text":"x","idempotency_key":bad}), "idempotency_key"),
            ("POST", &messages, json!({"author":"agent","text":"x","cc":[bad]}), "cc"),
            (
                "POST",
                &messages,
                json!({"author":"agent","text":"x","attachments":[{"name":bad,"content":""}]}),
                "attachments[0].name",
            ),
            (
                "POST",
                &messages,
                json!({"author":"agent","text":"x","attachments":[{"name":"a","type":bad,"content":""}]}),
                "attachments[0].type",
            ),
            ("PATCH", &conversation, json!({ "subject": bad }), "subject"),
            ("PATCH", &conversation, json!({ "assignee": bad }), "assignee"),
            ("POST", AGENTS, json!({"account":"acme","email":"a@b.example","name":bad}), "name"),
            ("POST", AGENTS, json!({"account":"acme","email":bad,"name":"A"}), "email"),
        ];
        for (method, path, body, field) in cases {
            let answer = product.owner.call(method, path, "", &body.to_string());
            assert_eq!(answer.status, 422, "{body}: {answer:?}");
            assert!(answer.error_message().starts_with(&format!("{field}: ")), "{field}: {answer:?}");
        }
    }
    for field in ["text", "html"] {
        let mut body = json!({"author":"agent","text":"x"});
        body[field] = json!("a\0b");
        let answer = product.owner.call("POST", &messages, "", &body.to_string());
        assert_eq!((answer.status, answer.error_message().starts_with(field)), (422, true), "{answer:?}");
    }
    product.stop();
}

#[test]
fn a_file_comes_with_a_message_and_its_signed_link_opens_until_it_ends() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/messages", id(&conversation));
    let body =
        r#"{"author":"agent","text":"See it.","attachments":[{"name":"x.html","type":"text/html","content":"PGI+"}]}"#;
    let message = product.owner.call("POST", &path, "", body).json();
    let attachment = &message["attachments"][0];
    assert_eq!((&attachment["name"], &attachment["size"]), (&json!("x.html"), &json!(3)), "{message}");
    assert_eq!(product.owner.get(attachment["url"].as_str().expect("an address"), "").body, "<b>");
    let file: Id = id(attachment).parse().expect("an id");
    let keys = product.store.keys();
    let link = |until| links::attachment_url(keys, "", file, until);
    let (good, ended) = (link(UnixMs(i64::MAX / 2)), link(UnixMs(1000)));
    let opened = product.tcp.get(&good, "");
    assert_eq!((opened.status, opened.body.as_str()), (200, "<b>"));
    for header in ["content-disposition: attachment", "nosniff", "application/octet-stream", "sandbox"] {
        assert!(opened.head.contains(header), "{header}: {}", opened.head);
    }
    let gone = product.tcp.get(&ended, "");
    assert_eq!((gone.status, gone.body.contains("ask for the file again")), (410, true), "{gone:?}");
    let bare = format!("/attachments/{file}");
    for wrong in [good.replace("signature=", "signature=0"), bare.clone(), format!("{bare}?until=x&signature=y")] {
        let refused = product.tcp.get(&wrong, "");
        assert_eq!(refused.status, 404, "{wrong}");
        assert!(!refused.body.contains("<b>") && refused.head.contains("text/html"), "{refused:?}");
    }
    product.stop();
}

/// One click is about one chat: its mail ends, and the address stays good for everything else.
#[test]
fn only_a_post_unsubscribes_and_the_chat_turns_mail_on_again() {
    let product = Product::start();
    let (conversation, entry) = answered(&product);
    let link = links::unsubscribe_url(product.store.keys(), "", id(&entry).parse().expect("an id"));
    let state = || product.owner.get(&format!("/api/v1/queue/{}", id(&entry)), "").json()["state"].clone();
    let asked = product.tcp.get(&link, "");
    assert!(asked.body.contains("<button") && asked.body.contains("this chat"), "{asked:?}");
    assert_eq!((state(), product.tcp.call("POST", &link, "", "").status), (json!("waiting"), 422));
    for _ in 0..2 {
        let done = product.tcp.call("POST", &link, "", "List-Unsubscribe=One-Click");
        assert_eq!((done.status, done.body.contains("turn the mails on again")), (200, true), "{done:?}");
    }
    assert_eq!(state(), "cancelled");
    let shown = product.owner.get(&format!("/api/v1/conversations/{conversation}"), "").json();
    assert_eq!(shown["continuity"]["reason"], "the contact turned mail off for this conversation");
    assert_eq!(product.owner.get("/api/v1/suppressions", "").json()["items"], json!([]));
    // A channel without our widget has no other way back.
    let path = format!("/api/v1/conversations/{conversation}");
    let on = product.tcp.call("PATCH", &path, &product.token("acme"), r#"{"mail":"on"}"#);
    assert_eq!(on.status, 200, "{on:?}");
    let due = product.owner.get(&path, "").json()["continuity"]["due_at"].clone();
    assert!(due.is_string(), "what was stopped waits again: {due}");
    product.stop();
}

/// Whoever has no chat to say it in.
#[test]
fn only_a_post_unsubscribes_and_one_click_lets_mail_go_again() {
    let product =
        Product::with(&CONFIG.replacen("name = \"website\"\n", "name = \"website\"\nchannel = \"email\"\n", 1));
    let (_, entry) = answered(&product);
    let link = links::unsubscribe_url(product.store.keys(), "", id(&entry).parse().expect("an id"));
    let suppressed = |token: &str| product.tcp.get("/api/v1/suppressions", token).json()["items"].clone();
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    let asked = product.tcp.get(&link, "");
    assert_eq!((asked.status, asked.body.contains("<button")), (200, true), "{asked:?}");
    assert_eq!(product.tcp.call("POST", &link, "", "").status, 422);
    assert_eq!(product.tcp.call("POST", &link.replace("signature=", "signature=0"), "", "").status, 404);
    assert_eq!(suppressed(&acme), json!([]), "nothing happened yet");
    assert_eq!(product.tcp.call("POST", &link, "", "List-Unsubscribe=One-Click").status, 200);
    let rows = suppressed(&acme);
    assert_eq!((&rows[0]["email"], &rows[0]["reason"]), (&json!("jane@customer.example"), &json!("unsubscribed")));
    assert_eq!(suppressed(&bolt), json!([]), "another account's");
    let clear = "/api/v1/suppressions?email=Jane%40customer.example";
    assert_eq!(product.tcp.call("DELETE", clear, &bolt, "").status, 404);
    assert_eq!(product.tcp.call("DELETE", clear, &acme, "").status, 204);
    assert_eq!(suppressed(&acme), json!([]));
    let again = product.tcp.call("DELETE", clear, &acme, "");
    assert_eq!((again.status, again.error_message().contains("jane@customer.example")), (404, true), "{again:?}");
    product.stop();
}

#[test]
fn a_file_that_came_with_an_answer_is_given_back_whole() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/messages", conversation["id"].as_str().expect("an id"));
    let file = json!({"name":"lid.txt","type":"text/plain","content":"dGhlIGxpZA=="});
    let body = json!({"author":"agent","text":"See the lid.","attachments":[file]});
    let message = product.owner.call("POST", &path, "", &body.to_string()).json();
    let attachment = &message["attachments"][0];
    assert_eq!((&attachment["name"], &attachment["size"]), (&json!("lid.txt"), &json!(7)), "{message}");
    let download = format!("/api/v1/attachments/{}", attachment["id"].as_str().expect("an id"));
    let answer = product.owner.get(&download, "");
    assert_eq!((answer.status, answer.body.as_str()), (200, "the lid"), "{answer:?}");
    product.stop();
}

#[test]
fn a_body_with_files_may_be_larger_than_others_and_has_an_end() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/messages", id(&conversation));
    let with = |octets: usize| {
        let content = "A".repeat(octets);
        format!(r#"{{"author":"note","text":"x","attachments":[{{"name":"a","content":"{content}"}}]}}"#)
    };
    let message = product.owner.call("POST", &path, "", &with(4 * 1024 * 1024)).json();
    assert_eq!(message["attachments"][0]["size"], 3 * 1024 * 1024, "{message}");
    assert_eq!(product.owner.call("POST", &path, "", &with(32 * 1024 * 1024)).status, 413);
    let many = product.owner.call("POST", &path, "", &with(28 * 1024 * 1024));
    assert_eq!((many.status, many.error_message().starts_with("attachments: ")), (422, true), "{many:?}");
    product.stop();
}
