//! What providers and proxies write in more than one way, and what an operator learns of a request that came to nothing.

use crate::ingress_request::{Door, Request, doors, house_with, mail, mandrill_signature, mime, open_house, proof};
use crate::product::Product;
use serde_json::{Value, json};

fn ledger(product: &Product) -> Vec<Value> {
    product.token("acme");
    product.owner.get("/api/v1/inbound?limit=200", "").json()["items"].as_array().expect("items").clone()
}

fn newest(product: &Product) -> Value {
    ledger(product)[0].clone()
}

fn posted(door: Door, json: &[u8]) -> Request {
    let request = Request::of(door, "POST").raw(json).header("Content-Type", "application/json");
    if door.is_basic() { request.credentials("actionmailbox", door.secret()) } else { request }
}

#[test]
fn a_slash_too_many_and_a_format_lead_to_the_same_door() {
    let product = open_house();
    for door in Door::ALL.into_iter().filter(|door| *door != Door::Mandrill) {
        for path in
            [format!("{}/", door.path()), format!("{}.json", door.path()), door.path().replace("mailbox/", "mailbox//")]
        {
            let request = Request::bringing(door, &mail("support@acme.example", &path), "support@acme.example");
            assert_eq!(request.at(&path).send(&product).status, 204, "{path}");
        }
    }
    assert_eq!(
        Request::of(Door::Mandrill, "HEAD").at(&format!("{}/", Door::Mandrill.path())).send(&product).status,
        200
    );
    assert_eq!(
        Request::good(Door::Relay).at("/rails/action_mailbox/relay/inbound_emails/mime/").send(&product).status,
        404
    );
    product.stop();
}

#[test]
fn a_door_that_is_not_set_up_leaves_an_entry_that_says_what_to_do() {
    let product = Product::start();
    for (door, outcome) in [(Door::Sendgrid, "rejected"), (Door::Mailgun, "deferred")] {
        assert_eq!(Request::good(door).send(&product).status, 404);
        let entry = newest(&product);
        assert_eq!((&entry["ingress"], &entry["outcome"]), (&json!(door.word()), &json!(outcome)), "{entry}");
        let words = format!("give one ingress.{} = ", door.word());
        assert!(entry["reason"].as_str().is_some_and(|reason| reason.contains(&words)), "{entry}");
    }
    product.stop();
}

#[test]
fn an_entry_names_the_client_that_the_tls_proxy_names() {
    let product = open_house();
    let request = Request::good(Door::Postmark).header("X-Forwarded-For", "198.51.100.9, 192.0.2.7");
    assert_eq!(request.send(&product).status, 204);
    assert_eq!(newest(&product)["remote_ip"], "192.0.2.7");
    product.stop();
}

#[test]
fn mailguns_timestamp_may_be_a_number_of_json_and_its_mail_may_not() {
    let product = open_house();
    let signed = || {
        let [(_, timestamp), (_, token), (_, signature)] = proof(Door::Mailgun.secret(), 0);
        json!({ "timestamp": timestamp.parse::<u64>().expect("a number"), "token": token, "signature": signature })
    };
    let with = |mail: Value| {
        let mut body = signed();
        body["recipient"] = json!("support@acme.example");
        body["body-mime"] = mail;
        posted(Door::Mailgun, body.to_string().as_bytes()).send(&product).status
    };
    assert_eq!((with(json!(mime("Number"))), with(json!(7))), (204, 422));
    let mut half = signed();
    half["timestamp"] = json!(half["timestamp"].as_u64().expect("a number") as f64 + 0.5);
    half["body-mime"] = json!(mime("Half"));
    assert_eq!(posted(Door::Mailgun, half.to_string().as_bytes()).send(&product).status, 401);
    product.stop();
}

#[test]
fn half_a_character_a_byte_order_mark_and_an_empty_body_are_read() {
    let product = open_house();
    let raw = mime("Half").replace('"', "'").replace("\r\n", "\\r\\n");
    let cut = format!("{raw}cut \\ud83d here");
    for (json, status) in [
        (format!("{{\"RawEmail\":\"{cut}\",\"TextBody\":\"\\ude00\"}}"), 204),
        (format!("\u{feff}{{\"RawEmail\":\"{raw}marked\"}}"), 204),
        (String::new(), 422),
        (" ".to_owned(), 400),
    ] {
        assert_eq!(posted(Door::Postmark, json.as_bytes()).send(&product).status, status, "{json}");
    }
    let shown = ledger(&product).iter().rfind(|entry| entry["raw_id"].is_string()).expect("the first").clone();
    let id = shown["id"].as_str().expect("an id");
    assert!(product.owner.get(&format!("/api/v1/inbound/{id}/raw"), "").body.ends_with("cut \u{fffd} here"));
    let events = format!("[{{\"event\":\"inbound\",\"msg\":{{\"raw_msg\":\"{raw}\\ud83d of Mandrill\"}}}}]");
    let signature = mandrill_signature(Door::Mandrill.secret(), &[("mandrill_events", &events)]);
    let request = Request::of(Door::Mandrill, "POST").field("mandrill_events", &events);
    assert_eq!(request.header("X-Mandrill-Signature", &signature).send(&product).status, 200);
    product.stop();
}

/// SendGrid brings up to 30 MB and drops at a 4xx: a larger limit within three days saves the mail.
#[test]
fn a_mail_that_is_too_large_for_us_and_not_for_sendgrid_comes_again_and_its_envelope_is_told() {
    let sendgrid = "ingress.sendgrid = { password = \"sendgrid secret\" }\n";
    for (sendgrid, status, outcome) in
        [(sendgrid.to_owned(), 503, "deferred"), (doors(|door| door.secret().to_owned()), 413, "rejected")]
    {
        let product = house_with(&sendgrid, "").with_limit("mail_size = \"1 MiB\"");
        let large = mail("support@acme.example", "Large") + &"x\r\n".repeat(400 * 1024);
        let request = Request::bringing(Door::Sendgrid, &large, "support@acme.example");
        assert_eq!(request.send(&product).status, status);
        let entry = newest(&product);
        assert_eq!(
            (&entry["outcome"], &entry["envelope_to"]),
            (&json!(outcome), &json!("support@acme.example")),
            "{entry}"
        );
        assert_eq!(entry["envelope_from"], "jane@customer.example", "{entry}");
        assert!(entry["reason"].as_str().is_some_and(|reason| reason.contains("limits.mail_size")), "{entry}");
        product.stop();
    }
}
