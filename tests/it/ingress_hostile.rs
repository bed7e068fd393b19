//! Who has no secret, and who only writes a mail: neither gets more out of a door than a mail's place in the ledger.

use crate::ingress_request::{Door, Request, house_with, mail, mandrill_signature, mime, open_house, proof};
use crate::product::Product;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

fn newest(product: &Product) -> Value {
    // Refusals are written with the next commit.
    product.token("acme");
    product.owner.get("/api/v1/inbound?limit=1", "").json()["items"][0].clone()
}

fn spf(product: &Product) -> Value {
    newest(product)["auth"]["spf"].clone()
}

/// SendGrid's boundary is always the same, so the author of a mail may write parts of the form into it.
#[test]
fn the_author_of_a_mail_cannot_name_the_client_that_spf_asks_about() {
    let product = open_house();
    let from_partner = |subject: &str| mime(subject).replace("jane@customer.example", "boss@partner.example");
    let envelope = json!({ "to": ["support@acme.example"], "from": "boss@partner.example" }).to_string();
    let part = |name: &str, value: &str| {
        format!("--xYzZY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let send = |body: String| {
        let request = Request::of(Door::Sendgrid, "POST").credentials("actionmailbox", Door::Sendgrid.secret());
        let request = request.raw(body.as_bytes()).header("Content-Type", "multipart/form-data; boundary=xYzZY");
        assert_eq!(request.send(&product).status, 204);
    };
    let forged = part("sender_ip", "192.0.2.66");
    let genuine = part("sender_ip", "203.0.113.9");
    let closed = "--xYzZY--\r\n";
    send(part("email", &from_partner("Honest")) + &part("envelope", &envelope) + &forged + closed);
    assert_eq!(spf(&product), "pass", "{}", newest(&product));
    for (what, body) in [
        (
            "twice",
            part("email", &format!("{}{forged}", from_partner("Twice")))
                + &part("envelope", &envelope)
                + &genuine
                + closed,
        ),
        (
            "first",
            genuine.clone()
                + &part("email", &format!("{}{forged}", from_partner("First")))
                + &part("envelope", &envelope)
                + closed,
        ),
        (
            "and the end",
            part("envelope", &envelope)
                + &part("email", &format!("{}{forged}{closed}", from_partner("End")))
                + &genuine
                + closed,
        ),
    ] {
        send(body);
        assert_eq!(spf(&product), "none", "{what}: {}", newest(&product));
    }
    product.stop();
}

#[test]
fn a_mail_whose_own_boundary_begins_as_the_forms_comes_whole() {
    let product = open_house();
    let nested = mime("Nested").replace(
        "\r\n\r\nIt does not boil.",
        "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=xYzZY2\r\n\r\n--xYzZY2\r\n\r\nIt does not boil.\r\n--xYzZY2--",
    );
    assert_eq!(Request::bringing(Door::Sendgrid, &nested, "support@acme.example").send(&product).status, 204);
    let id = newest(&product)["id"].as_str().expect("an id").to_owned();
    assert_eq!(product.owner.get(&format!("/api/v1/inbound/{id}/raw"), "").body, nested);
    product.stop();
}

#[test]
fn a_box_that_is_not_ticked_at_sendgrid_loses_no_mail() {
    let product = house_with("ingress.sendgrid = { password = \"sendgrid secret\" }\n", "");
    let parsed = Request::good(Door::Sendgrid).without("email").field("text", "Hi");
    assert_eq!(parsed.send(&product).status, 503);
    let entry = newest(&product);
    assert_eq!(entry["outcome"], "deferred");
    assert!(entry["reason"].as_str().is_some_and(|reason| reason.contains("raw, full MIME")), "{entry}");
    product.stop();
}

/// A million names cost a look at each that is kept.
#[test]
fn names_without_number_end_early() {
    let product = open_house();
    let body = "a&".repeat(5000);
    for door in [Door::Mailgun, Door::Mandrill] {
        let request = Request::of(door, "POST").raw(body.as_bytes());
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(request.header("X-Mandrill-Signature", "x").send(&product).status, 413, "{}", door.word());
    }
    product.stop();
}

#[test]
fn an_envelope_with_more_recipients_than_a_mail_by_smtp_reaches_all_of_them() {
    let product = open_house();
    let strangers: Vec<String> = (0..150).map(|number| format!("nobody{number}@elsewhere.example")).collect();
    let to = [strangers.as_slice(), &["support@acme.example".to_owned()]].concat();
    let envelope = json!({ "to": to, "from": "jane@customer.example" }).to_string();
    assert_eq!(Request::good(Door::Sendgrid).field("envelope", &envelope).send(&product).status, 204);
    product.token("acme");
    let items = product.owner.get("/api/v1/inbound?limit=200", "").json()["items"].as_array().expect("items").clone();
    let (reached, noted): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["outcome"] != "rejected");
    assert_eq!((reached.len(), noted.len()), (1, 150));
    assert_eq!(reached[0]["envelope_to"], "support@acme.example", "{reached:?}");
    let too_many: Vec<String> = (0..1001).map(|number| format!("n{number}@elsewhere.example")).collect();
    let request = Request::good(Door::Sendgrid).field("envelope", &json!({ "to": too_many }).to_string());
    assert_eq!(request.send(&product).status, 413);
    product.stop();
}

/// A signature that was used stays used, whatever becomes of the same request later.
#[test]
fn trouble_with_a_mail_that_was_taken_gives_its_signature_to_nobody() {
    let product = open_house();
    let good = Request::good(Door::Mailgun);
    assert_eq!(good.send(&product).status, 204);
    // The claim itself is known and costs a commit that may fail or not; the mail's does.
    product.store.inject(replyd::store::Fault::FailCommits(u32::MAX));
    assert_eq!(good.send(&product).status, 500);
    product.store.inject(replyd::store::Fault::FailCommits(0));
    let recovered = (0..200).any(|_| good.send(&product).status == 204);
    assert!(recovered, "the store mends itself");
    assert_eq!(good.field("body-mime", &mime("Another")).send(&product).status, 401);
    product.stop();
}

#[test]
fn a_long_content_type_is_not_kept_whole() {
    let product = open_house();
    let request = Request::good(Door::Relay).header("Content-Type", &"x".repeat(30_000));
    assert_eq!(request.send(&product).status, 415);
    let reason = newest(&product)["reason"].as_str().expect("a reason").len();
    assert!(reason < 1000, "{reason}");
    product.stop();
}

/// Bodies that anybody may send wait for their proof with a part of what all doors hold, not with all of it.
#[test]
fn who_has_proven_nothing_leaves_room_for_other_doors() {
    let config = crate::product::CONFIG.replace("[limits]\n", "[limits]\nmail_size = \"1 MiB\"\ncontent_in_flight = \"4 MiB\"\n").replace(
        "inbound_domain = \"reply.acme.example\"\n",
        "inbound_domain = \"reply.acme.example\"\ningress.mailgun = { signing_key = \"mailgun signing key\" }\ningress.relay = { password = \"relay secret\" }\n",
    );
    let product = Product::with(&config);
    let crate::http_client::Server::Tcp(address) = &product.tcp else { panic!("over TCP") };
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 2000000\r\n\r\nbody-mime=",
        Door::Mailgun.path()
    );
    let large = |subject: &str| mail("support@acme.example", subject) + &"x\r\n".repeat(300_000);
    let mut hanging = TcpStream::connect(address).expect("it listens");
    hanging.write_all(head.as_bytes()).and_then(|()| hanging.write_all(large("Hanging").as_bytes())).expect("it reads");
    let held = || {
        let files = std::fs::read_dir(product.store.spool_dir()).expect("the spool directory").flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>()
    };
    while held() < 500_000 {
        std::thread::yield_now();
    }
    // A quarter of 4 MiB is taken by one that hangs: who has proven nothing waits, who has a password does not.
    assert_eq!(Request::bringing(Door::Mailgun, &large("Late"), "support@acme.example").send(&product).status, 500);
    assert_eq!(Request::bringing(Door::Relay, &large("Relayed"), "support@acme.example").send(&product).status, 204);
    assert_eq!(Request::good(Door::Mailgun).send(&product).status, 204, "a small one finds room");
    drop(hanging);
    product.stop();
}

/// JSON that is small on the wire and large in memory.
#[test]
fn values_that_nobody_reads_are_not_built() {
    let product = open_house();
    let many = format!("{{\"timestamp\":[{}0],\"token\":{{\"a\":[[[1]]]}}}}", "0,".repeat(1 << 20));
    let request = Request::of(Door::Mailgun, "POST").raw(many.as_bytes()).header("Content-Type", "application/json");
    assert_eq!(request.send(&product).status, 400, "the signature is missing");
    let [(_, timestamp), (_, token), (_, signature)] = proof(Door::Mailgun.secret(), 0);
    let body =
        json!({ "timestamp": timestamp, "token": token, "signature": [signature], "body-mime": "x" }).to_string();
    let request = Request::of(Door::Mailgun, "POST").raw(body.as_bytes()).header("Content-Type", "application/json");
    assert_eq!(request.send(&product).status, 401, "a signature that is no string");
    product.stop();
}

#[test]
fn an_event_may_name_its_members_in_any_order_and_twice() {
    let product = open_house();
    let raw = Value::from(mime("Order"));
    for (number, json) in [
        format!(
            "[{{\"msg\":{{\"email\":\"support@acme.example\",\"raw_msg\":{raw}}},\"ts\":1,\"event\":\"inbound\"}}]"
        ),
        format!("[{{\"event\":\"send\",\"event\":\"inbound\",\"msg\":7,\"msg\":{{\"raw_msg\":1,\"raw_msg\":{raw}}}}}]"),
    ]
    .iter()
    .enumerate()
    {
        let signature = mandrill_signature(Door::Mandrill.secret(), &[("mandrill_events", json)]);
        let request = Request::of(Door::Mandrill, "POST").field("mandrill_events", json);
        assert_eq!(request.header("X-Mandrill-Signature", &signature).send(&product).status, 200, "{number}");
        let expected = ["accepted", "filed", "duplicate"];
        let outcome = newest(&product)["outcome"].as_str().unwrap_or_default().to_owned();
        assert!(expected.contains(&outcome.as_str()), "{number}: {outcome}");
    }
    product.stop();
}

/// Nothing is asked for that nobody will read.
#[test]
fn who_waits_to_be_asked_for_the_body_hears_at_once_that_it_is_not_wanted() {
    let product = open_house();
    let by_relay =
        |password| Request::bringing(Door::Relay, &mime("Waiting"), "").credentials("actionmailbox", password);
    let unsigned = Request::good(Door::Mandrill).without_credentials();
    for (request, expected) in [
        (by_relay("wrong"), "HTTP/1.1 401"),
        (by_relay("relay secret"), "HTTP/1.1 100"),
        (unsigned, "HTTP/1.1 401"),
        (Request::good(Door::Mandrill), "HTTP/1.1 100"),
    ] {
        let octets = request.header("Expect", "100-continue").octets();
        let at = octets.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let crate::http_client::Server::Tcp(address) = &product.tcp else { panic!("over TCP") };
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(&octets[..at]).expect("it reads");
        let mut beginning = [0; 12];
        stream.read_exact(&mut beginning).expect("an answer");
        assert_eq!(String::from_utf8_lossy(&beginning), expected);
    }
    product.stop();
}
