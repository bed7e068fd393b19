//! What the desk asks of the API: lists as agents work with them, who reads and looks, canned answers, settings, previews.

use crate::desk::{Browser, agent, mail};
use crate::product::{CONFIG, Product, kettle};
use serde_json::{Value, json};

const SARA: &str = "sara@agents.example";
const BEN: &str = "ben@agents.example";

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

/// A conversation that is an agent's to read.
fn begin(product: &Product, subject: &str) -> String {
    let mut body = kettle();
    body["subject"] = json!(subject);
    id(&product.begin(&body).json()).to_owned()
}

/// Subjects of the list, newest activity first.
fn subjects(browser: &Browser<'_>, query: &str) -> Vec<String> {
    let answer = browser.get(&format!("/api/v1/conversations{query}"));
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let page = answer.json();
    let items = page["items"].as_array().expect("items");
    items.iter().map(|item| item["subject"].as_str().expect("a subject").to_owned()).collect()
}

#[test]
fn the_list_is_filtered_by_who_answers_and_by_what_is_unread() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    agent(&product, "acme", BEN, None);
    let (sara, ben) = (Browser::of(&product, SARA), Browser::of(&product, BEN));
    let one = begin(&product, "one");
    begin(&product, "two");
    let path = |id: &str| format!("/api/v1/conversations/{id}");
    assert_eq!(sara.call("PATCH", &path(&one), &json!({ "assignee": SARA })).json()["assignee"], SARA);
    for (query, expected) in [
        ("", &["two", "one"][..]),
        ("?assignee=me", &["one"]),
        ("?assignee=none", &["two"]),
        ("?assignee=Sara%40agents.example", &["one"]),
        ("?assignee=ben%40agents.example", &[]),
        ("?unread=true", &["two", "one"]),
    ] {
        assert_eq!(subjects(&sara, query), expected, "{query}");
    }
    assert_eq!(subjects(&ben, "?assignee=me"), [""; 0]);
    assert_eq!(sara.call("POST", &format!("{}/read", path(&one)), &json!({})).status, 204);
    assert_eq!(subjects(&sara, "?unread=true"), ["two"]);
    assert_eq!(subjects(&ben, "?unread=true"), ["two", "one"], "each agent reads for themselves");
    let item = sara.get("/api/v1/conversations").json()["items"][1].clone();
    assert_eq!((&item["subject"], &item["unread"]), (&json!("one"), &json!(false)), "{item}");
    let last = &item["last_message"];
    assert_eq!(
        (&last["text"], &last["author"]["kind"], &last["via"]),
        (&json!("Sorry!"), &json!("agent"), &json!("api"))
    );
    let answer = json!({ "author": "contact", "text": "Still cold." }).to_string();
    assert_eq!(product.owner.call("POST", &format!("{}/messages", path(&one)), "", &answer).status, 201);
    assert_eq!(subjects(&sara, "?unread=true"), ["one", "two"]);
    assert_eq!(product.owner.get(&path(&one), "").json()["unread"], Value::Null, "no agent asks");
    assert_eq!(product.owner.get("/api/v1/conversations?unread=true", "").status, 403);
    assert_eq!(sara.call("PATCH", &path(&one), &json!({ "assignee": null })).json()["assignee"], Value::Null);
    assert_eq!(subjects(&sara, "?assignee=me"), [""; 0]);
    product.stop();
}

#[test]
fn what_was_there_before_an_agent_is_not_theirs_to_catch_up_with() {
    let product = Product::start();
    begin(&product, "old");
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    begin(&product, "new");
    assert_eq!(subjects(&sara, "?unread=true"), ["new"]);
    product.stop();
}

#[test]
fn reading_goes_forward_only_and_within_its_conversation() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    let (one, two) = (begin(&product, "one"), begin(&product, "two"));
    let path = format!("/api/v1/conversations/{one}");
    let messages = sara.get(&path).json()["messages"].clone();
    let read = |up_to: &Value| sara.call("POST", &format!("{path}/read"), &json!({ "up_to": up_to })).status;
    assert_eq!(read(&messages[1]["id"]), 204);
    assert_eq!(read(&messages[0]["id"]), 204);
    assert_eq!(sara.get(&path).json()["unread"], false);
    let foreign = sara.get(&format!("/api/v1/conversations/{two}")).json()["messages"][0]["id"].clone();
    assert_eq!((read(&foreign), read(&json!("aaaaaaaaaaaaa")), read(&json!("x"))), (404, 404, 422));
    let token = product.token("acme");
    let by_program = product.tcp.call("POST", &format!("{path}/read"), &token, "{}");
    assert_eq!(by_program.status, 403, "a program reads for nobody");
    product.stop();
}

#[test]
fn a_conversation_is_snoozed_until_a_time_to_come() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    let path = format!("/api/v1/conversations/{}", begin(&product, "one"));
    let change = |body: Value| sara.call("PATCH", &path, &body);
    let snoozed = change(json!({ "snooze_until": "2100-01-01T00:00:00Z" })).json();
    assert_eq!((&snoozed["status"], &snoozed["snooze_until"]), (&json!("snoozed"), &json!("2100-01-01T00:00:00.000Z")));
    for bad in [
        json!({ "snooze_until": "2001-01-01T00:00:00Z" }),
        json!({ "snooze_until": "tomorrow" }),
        json!({ "status": "open", "snooze_until": "2100-01-01T00:00:00Z" }),
        json!({ "assignee": "nobody@agents.example" }),
        json!({ "assigne": null }),
    ] {
        assert_eq!(change(bad.clone()).status, 422, "{bad}");
    }
    let open = change(json!({ "status": "open" })).json();
    assert_eq!((&open["status"], &open["snooze_until"]), (&json!("open"), &Value::Null));
    product.stop();
}

#[test]
fn messages_are_paged_backwards() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    let path = format!("/api/v1/conversations/{}/messages", begin(&product, "one"));
    for number in 0..3 {
        let written = json!({ "author": "note", "text": format!("note {number}") });
        assert_eq!(sara.call("POST", &path, &written).status, 201);
    }
    let texts = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().expect("items");
        items.iter().map(|item| item["text"].as_str().expect("a text").to_owned()).collect()
    };
    let last = sara.get(&format!("{path}?limit=2")).json();
    assert_eq!(texts(&last), ["note 1", "note 2"]);
    let before = sara.get(&format!("{path}?limit=2&before={}", last["next"].as_str().expect("a cursor"))).json();
    assert_eq!(texts(&before), ["Sorry!", "note 0"]);
    let first = sara.get(&format!("{path}?before={}", before["next"].as_str().expect("a cursor"))).json();
    assert_eq!((texts(&first), &first["next"]), (vec!["It does not boil.".to_owned()], &Value::Null));
    assert_eq!(sara.get(&format!("{path}?before=x")).status, 422);
    product.stop();
}

#[test]
fn canned_answers_belong_to_their_account() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    agent(&product, "bolt", BEN, None);
    let (sara, ben) = (Browser::of(&product, SARA), Browser::of(&product, BEN));
    const PATH: &str = "/api/v1/canned_answers";
    let added = sara.call("POST", PATH, &json!({ "name": "thanks", "text": "Thank you!\r\nSara" }));
    assert_eq!((added.status, &added.json()["text"]), (201, &json!("Thank you!\nSara")), "{added:?}");
    let one = format!("{PATH}/{}", id(&added.json()));
    assert_eq!(sara.call("POST", PATH, &json!({ "name": "thanks", "text": "x" })).status, 409);
    assert_eq!(
        ben.call("POST", PATH, &json!({ "name": "thanks", "text": "x" })).status,
        201,
        "a name for each account"
    );
    assert_eq!(ben.get(PATH).json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(ben.call("PUT", &one, &json!({ "name": "mine", "text": "x" })).status, 404);
    assert_eq!(ben.call("DELETE", &one, &json!({})).status, 404);
    assert_eq!(ben.get(&format!("{PATH}?account=acme")).status, 403);
    let changed = sara.call("PUT", &one, &json!({ "name": "danke", "text": "Danke!" })).json();
    assert_eq!((&changed["name"], &changed["text"]), (&json!("danke"), &json!("Danke!")));
    assert_eq!(sara.call("DELETE", &one, &json!({})).status, 204);
    assert_eq!(sara.call("DELETE", &one, &json!({})).status, 404);
    product.stop();
}

const WITH_SECRETS: &str = "inbound_domain = \"reply.acme.example\"\ningress.relay = { password = \"open-sesame-relay\" }\n\
    webhooks = [{ url = \"https://hooks.example/\", secret = \"open-sesame-hook\" }]";

#[test]
fn settings_show_the_config_without_its_secrets() {
    let product = Product::with(&CONFIG.replacen("inbound_domain = \"reply.acme.example\"", WITH_SECRETS, 1));
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    let answer = sara.get("/api/v1/settings");
    let settings = answer.json();
    assert_eq!(
        (&settings["name"], &settings["inboxes"][0]["offline_delay"]),
        (&json!("acme"), &json!("2 m")),
        "{settings}"
    );
    assert_eq!(settings["webhooks"], 1);
    assert!(!answer.body.contains("open-sesame"), "{}", answer.body);
    assert_eq!(sara.get("/api/v1/settings?account=bolt").status, 403);
    product.stop();
}

#[test]
fn a_preview_is_a_sandboxed_document() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    for template in ["answer", "notification", "notice"] {
        let page = sara.get(&format!("/api/v1/preview?inbox=website&template={template}"));
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.head.contains("content-security-policy: sandbox "), "{}", page.head);
        assert!(page.body.contains("<html"), "{template}");
    }
    let head = sara.get("/api/v1/preview?inbox=website&part=head").json();
    for field in ["from", "to", "subject"] {
        assert!(head[field].as_str().is_some_and(|words| !words.is_empty()), "{field}: {head}");
    }
    assert_eq!(sara.get("/api/v1/preview?inbox=nope").status, 422);
    assert_eq!(sara.get("/api/v1/preview?template=nope").status, 422);
    product.stop();
}

#[test]
fn the_ledger_is_asked_by_time() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    mail(&product, "support@acme.example", "Subject: x\r\n\r\nHello");
    for (query, expected) in [
        ("", 1),
        ("?from=2020-01-01T00:00:00Z", 1),
        ("?from=2100-01-01T00:00:00Z", 0),
        ("?until=2100-01-01T00:00:00Z", 1),
        ("?until=2020-01-01T00:00:00Z", 0),
    ] {
        let page = sara.get(&format!("/api/v1/inbound{query}")).json();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(expected), "{query}: {page}");
    }
    assert_eq!(sara.get("/api/v1/inbound?from=yesterday").status, 422);
    product.stop();
}

#[test]
fn who_types_and_looks_is_told_to_the_other_agents() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    agent(&product, "acme", BEN, Some(&["website"]));
    agent(&product, "bolt", "eve@agents.example", None);
    let (sara, ben, eve) =
        (Browser::of(&product, SARA), Browser::of(&product, BEN), Browser::of(&product, "eve@agents.example"));
    let conversation = begin(&product, "one");
    let path = format!("/api/v1/conversations/{conversation}");
    let mut heard = ben.listen();
    assert_eq!(sara.call("POST", &format!("{path}/viewing"), &json!({ "viewing": true })).status, 204);
    assert_eq!(sara.call("POST", &format!("{path}/typing"), &json!({ "typing": true })).status, 204);
    let frame = heard.until("event: typing");
    assert!(frame.contains("event: viewing\ndata: ") && frame.contains(SARA), "{frame}");
    for what in ["viewing", "typing"] {
        assert_eq!(eve.call("POST", &format!("{path}/{what}"), &json!({ what: true })).status, 404);
    }
    product.stop();
}

#[test]
fn what_is_taken_back_is_told_to_the_other_agents() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    agent(&product, "acme", BEN, None);
    let (sara, ben) = (Browser::of(&product, SARA), Browser::of(&product, BEN));
    let conversation = begin(&product, "one");
    let mut heard = ben.listen();
    let held = json!({ "author": "agent", "agent": SARA, "text": "Oops", "hold": "10 m" });
    let message = sara.call("POST", &format!("/api/v1/conversations/{conversation}/messages"), &held).json();
    let path = format!("/api/v1/messages/{}", id(&message));
    assert_eq!(ben.call("DELETE", &path, &json!({})).status, 403);
    assert_eq!(sara.call("DELETE", &path, &json!({})).status, 200);
    let frame = heard.until("event: taken_back");
    assert!(frame.contains(id(&message)) && frame.contains(&conversation), "{frame}");
    product.stop();
}

#[test]
fn the_mail_log_tells_subject_and_author_of_one_mail() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let sara = Browser::of(&product, SARA);
    mail(&product, "support@acme.example", "Subject: =?utf-8?q?My_k=C3=A9ttle?=\r\n\r\nHello");
    let listed = sara.get("/api/v1/inbound").json()["items"][0].clone();
    assert_eq!((&listed["subject"], &listed["from"]), (&Value::Null, &Value::Null), "a list reads no mails");
    let one = sara.get(&format!("/api/v1/inbound/{}", id(&listed))).json();
    assert_eq!((&one["subject"], &one["from"]), (&json!("My k\u{e9}ttle"), &json!("jane@customer.example")));
    product.stop();
}

#[test]
fn an_agent_is_told_in_an_agents_words() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    agent(&product, "acme", BEN, None);
    let sara = Browser::of(&product, SARA);
    let path = format!("/api/v1/conversations/{}", begin(&product, "one"));
    let messages = format!("{path}/messages");
    let words = |answer: crate::http_client::Answer| answer.json()["error"]["message"].as_str().map(str::to_owned);
    for (method, path, body, status, expected) in [
        (
            "POST",
            &messages,
            json!({ "author": "agent", "agent": BEN, "text": "x" }),
            422,
            "agent: you write as sara@agents",
        ),
        (
            "POST",
            &messages,
            json!({ "author": "note", "agent": "Ben", "text": "x" }),
            422,
            "agent: you write as sara@agents",
        ),
        (
            "PATCH",
            &path,
            json!({ "assignee": "nobody@agents.example" }),
            422,
            "is no agent of this account; GET /api/v1/agents",
        ),
    ] {
        let answer = sara.call(method, path, &body);
        assert_eq!(answer.status, status, "{body}");
        assert!(words(answer).is_some_and(|words| words.contains(expected)), "{body}: {expected}");
    }
    let own = sara.call("POST", &messages, &json!({ "author": "agent", "agent": "SARA@agents.example", "text": "x" }));
    assert_eq!(own.status, 201);
    let foreign = sara.get("/api/v1/conversations?account=bolt");
    assert_eq!(foreign.status, 403);
    assert_eq!(words(foreign).as_deref(), Some("you are an agent of the account acme only"));
    product.stop();
}
