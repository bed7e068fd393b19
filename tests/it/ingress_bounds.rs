//! Requests that are too large, cut short, or made to hurt: each ends with a status, and nothing of it stays.

use crate::ingress_request::{Door, Request, house_with, mail, mandrill_signature};
use crate::product::Product;

const DOORS: &str = "ingress.relay = { password = \"relay secret\" }\ningress.postmark = { password = \"postmark secret\" }\n\
    ingress.sendgrid = { password = \"sendgrid secret\", safe_status = false }\n\
    ingress.mailgun = { signing_key = \"mailgun signing key\" }\ningress.mandrill = { api_key = \"mandrill webhook key\" }\n";

fn house() -> Product {
    house_with(DOORS, "")
}

/// Mails of up to one mebibyte.
fn small_house() -> Product {
    let config = crate::product::CONFIG
        .replace("[http]\n", "[http]\npublic_url = \"https://example.com\"\n")
        .replace("[limits]\n", "[limits]\nmail_size = \"1 MiB\"\nhops = 3\n")
        .replace(
            "inbound_domain = \"reply.acme.example\"\n",
            &format!("inbound_domain = \"reply.acme.example\"\n{DOORS}"),
        );
    Product::with(&config)
}

fn spool_is_empty(product: &Product) -> bool {
    std::fs::read_dir(product.store.spool_dir()).expect("the spool directory").count() == 0
}

fn of_octets(octets: usize, subject: &str) -> String {
    let head = mail("support@acme.example", subject);
    let missing = octets - head.len();
    let line = format!("{}\r\n", "x".repeat(76));
    head + &line.repeat(missing / line.len()) + &"y".repeat(missing % line.len())
}

#[test]
fn a_mail_may_be_as_large_as_by_smtp_and_not_an_octet_larger() {
    let product = small_house();
    const MAX: usize = 1024 * 1024;
    for door in Door::ALL {
        for (octets, status) in [(MAX, door.success()), (MAX + 1, 413)] {
            let request = Request::bringing(
                door,
                &of_octets(octets, &format!("{octets} {}", door.word())),
                "support@acme.example",
            );
            assert_eq!(request.send(&product).status, status, "{octets} by {}", door.word());
        }
    }
    assert!(spool_is_empty(&product));
    product.stop();
}

#[test]
fn a_header_that_has_no_end_and_a_mail_that_goes_round_are_stopped() {
    let product = small_house();
    let long = format!("X: {}\r\n{}", "x".repeat(600 * 1024), mail("support@acme.example", "Long"));
    let round = format!("{}{}", "Received: from a by b; today\r\n".repeat(4), mail("support@acme.example", "Round"));
    for (raw, status) in [(long, 413), (round, 204)] {
        assert_eq!(Request::bringing(Door::Relay, &raw, "").send(&product).status, status);
    }
    let items = product.owner.get("/api/v1/inbound", "").json();
    let reasons: Vec<_> =
        items["items"].as_array().expect("items").iter().map(|item| item["reason"].to_string()).collect();
    product.token("acme");
    assert!(reasons.len() <= 2 && product.store.health().is_ok(), "{reasons:?}");
    product.stop();
}

#[test]
fn a_body_that_is_cut_short_brings_nothing() {
    let product = house();
    for door in [Door::Sendgrid, Door::Postmark] {
        let whole = Request::good(door).octets();
        let at = whole.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8(whole[..at].to_vec()).expect("text");
        let length = whole.len() - at;
        for cut in [0, 1, length / 2, length - 10, length - 4] {
            // The length says that this is all.
            let head = head.replace(&format!("Content-Length: {length}"), &format!("Content-Length: {cut}"));
            let status = product.tcp.exchange_octets(&[head.as_bytes(), &whole[at..at + cut]].concat()).status;
            // Of nothing at all every parameter is missing, and nothing is malformed.
            let expected = if (door, cut) == (Door::Postmark, 0) { 422 } else { 400 };
            assert_eq!(status, expected, "{} cut at {cut} of {length}", door.word());
        }
    }
    // The connection ends before the length is reached.
    for door in Door::ALL {
        let mut octets = Request::good(door).octets();
        octets.truncate(octets.len() - 5);
        let answer = product.tcp.exchange_octets_and_end(&octets);
        assert!(![200, 204].contains(&answer.status), "{}: {answer:?}", door.word());
    }
    assert_eq!(
        product.owner.get("/api/v1/inbound?outcome=filed", "").json()["items"].as_array().map(Vec::len),
        Some(0)
    );
    product.stop();
}

#[test]
fn ten_thousand_events_are_refused_whole_and_a_thousand_are_taken() {
    let product = house();
    let events = |count: usize| {
        let raw = serde_json::to_string(&mail("support@acme.example", "Many")).expect("JSON");
        let event = format!("{{\"event\":\"inbound\",\"msg\":{{\"raw_msg\":{raw}}}}}");
        let json = format!("[{}]", vec![event.as_str(); count].join(","));
        let signature = mandrill_signature(Door::Mandrill.secret(), &[("mandrill_events", &json)]);
        Request::of(Door::Mandrill, "POST").field("mandrill_events", &json).header("X-Mandrill-Signature", &signature)
    };
    assert_eq!(events(10_000).send(&product).status, 413);
    assert_eq!(events(1001).send(&product).status, 413);
    assert_eq!(events(1000).send(&product).status, 200);
    let duplicates = product.owner.get("/api/v1/inbound?outcome=duplicate&limit=200", "").json();
    assert!(duplicates["next"].is_string(), "one mail a thousand times is one mail");
    product.stop();
}

#[test]
fn the_octets_of_a_mail_come_through_every_encoding() {
    let product = house();
    let subject = "Gr\u{fc}\u{df}e % + & = \u{1f600}";
    for (number, request) in [
        Request::good(Door::Sendgrid).in_multipart(),
        Request::good(Door::Sendgrid).in_form(),
        Request::good(Door::Sendgrid).in_json(),
        Request::good(Door::Mailgun).in_multipart(),
        Request::good(Door::Mandrill),
    ]
    .into_iter()
    .enumerate()
    {
        let raw = mail("support@acme.example", "X")
            .replace("Subject: X", &format!("Subject: {number} {subject}"))
            .replace("<x@", &format!("<x{number}@"));
        let request = match request.door {
            Door::Mailgun => request.field("body-mime", &raw),
            Door::Mandrill => Request::bringing(Door::Mandrill, &raw, "support@acme.example"),
            _ => request.field("email", &raw),
        };
        assert_eq!(request.send(&product).status, request.door.success(), "{number}");
        product.token("acme");
        let newest = product.owner.get("/api/v1/inbound?limit=1", "").json()["items"][0].clone();
        let stored =
            product.owner.get(&format!("/api/v1/inbound/{}/raw", newest["id"].as_str().expect("an id")), "").body;
        assert_eq!(stored, raw, "{number}");
    }
    product.stop();
}

#[test]
fn bodies_that_are_made_to_hurt_end_with_a_status() {
    let product = house();
    let sendgrid =
        |content_type: &str, body: &[u8]| Request::good(Door::Sendgrid).raw(body).header("Content-Type", content_type);
    let many_parts = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(2000);
    let cases: Vec<(&str, Request, u16)> = vec![
        ("no boundary", sendgrid("multipart/form-data", b"x"), 400),
        ("a boundary of nothing", sendgrid("multipart/form-data; boundary=", b"--\r\n"), 400),
        (
            "endless part header",
            sendgrid("multipart/form-data; boundary=b", format!("--b\r\nX: {}", "x".repeat(1 << 20)).as_bytes()),
            400,
        ),
        ("many parts", sendgrid("multipart/form-data; boundary=b", many_parts.as_bytes()), 400),
        ("a long name", sendgrid("application/x-www-form-urlencoded", &vec![b'n'; 1 << 20]), 400),
        ("a long envelope", Request::good(Door::Sendgrid).field("envelope", &" ".repeat(2 << 20)), 413),
        ("deep JSON", Request::good(Door::Postmark).raw("[".repeat(1 << 20).as_bytes()), 400),
        ("deep envelope", Request::good(Door::Sendgrid).field("envelope", &"[".repeat(1 << 19)), 422),
        ("deep events", mandrill(&"[".repeat(1 << 19)), 422),
        ("another type", sendgrid("text/plain", b"email=x"), 400),
        (
            "a compressed body",
            Request::good(Door::Postmark).raw(b"\x1f\x8b\x08\0").header("Content-Encoding", "gzip"),
            400,
        ),
        ("many parameters", mandrill_of_many(), 413),
    ];
    for (what, request, status) in cases {
        assert_eq!(request.send(&product).status, status, "{what}");
    }
    assert!(spool_is_empty(&product));
    assert_eq!(Request::good(Door::Sendgrid).send(&product).status, 204, "it goes on as before");
    product.stop();
}

fn mandrill(json: &str) -> Request {
    let signature = mandrill_signature(Door::Mandrill.secret(), &[("mandrill_events", json)]);
    Request::of(Door::Mandrill, "POST").field("mandrill_events", json).header("X-Mandrill-Signature", &signature)
}

fn mandrill_of_many() -> Request {
    let signed = Request::of(Door::Mandrill, "POST").header("X-Mandrill-Signature", "x");
    (0..300).fold(signed, |request, number| request.field(&format!("p{number}"), "x"))
}

#[test]
fn a_wrong_password_is_told_even_to_who_sends_a_large_mail() {
    let product = house();
    for door in [Door::Relay, Door::Postmark, Door::Sendgrid] {
        let request = Request::bringing(door, &of_octets(8 << 20, "Large"), "support@acme.example");
        let answer = request.credentials("actionmailbox", "wrong").send(&product);
        assert_eq!((answer.status, answer.body.as_str()), (401, "HTTP Basic: Access denied.\n"), "{}", door.word());
    }
    product.stop();
}
