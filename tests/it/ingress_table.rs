//! Every cell of the ingresses' contract: which step refuses, with which status, header and body.

use crate::ingress_request::{Door, Request, mandrill_signature, mime, proof};
use crate::product::Product;

/// What is configured.
#[derive(Clone, Copy, PartialEq)]
enum House {
    Open,
    /// The secrets are there and blank.
    Blank,
    /// No account has a door.
    Shut,
}

impl House {
    fn build(self) -> Product {
        match self {
            House::Open => crate::ingress_request::open_house(),
            House::Blank => crate::ingress_request::house_with_secret("  "),
            House::Shut => Product::start(),
        }
    }
}

/// Runs the requests in one house; each answers the status, an empty body, and no challenge unless it is Basic's.
fn check(house: House, cases: &[(&str, Request, u16)]) {
    let product = house.build();
    for (what, request, status) in cases {
        let answer = request.send(&product);
        assert_eq!(answer.status, *status, "{what}: {answer:?}");
        let is_basic = *status == 401 && request.door.is_basic();
        let (body, challenge) = if is_basic { ("HTTP Basic: Access denied.\n", true) } else { ("", false) };
        assert_eq!(answer.body, body, "{what}: {answer:?}");
        let header = "www-authenticate: basic realm=\"action mailbox\"";
        assert_eq!(answer.head.contains(header), challenge, "{what}: {answer:?}");
        assert_eq!(answer.head.contains("www-authenticate"), challenge, "{what}: {answer:?}");
    }
    product.stop();
}

#[test]
fn a_door_that_nobody_set_up_is_not_there_whatever_else_is_wrong() {
    let mut cases: Vec<(&str, Request, u16)> = Vec::new();
    for door in Door::ALL {
        cases.push((door.word(), Request::good(door), 404));
        cases.push((door.word(), Request::good(door).without_credentials(), 404));
    }
    cases.push(("Mandrill's check", Request::of(Door::Mandrill, "GET"), 404));
    check(House::Shut, &cases);
}

#[test]
fn a_path_or_method_that_rails_does_not_route_is_not_there() {
    let mut cases: Vec<(&str, Request, u16)> = Door::ALL
        .into_iter()
        .filter(|door| *door != Door::Mandrill)
        .flat_map(|door| ["GET", "HEAD", "PUT", "DELETE"].map(|method| (door.word(), Request::of(door, method), 404)))
        .collect();
    for path in [
        "/rails/action_mailbox/mailgun/inbound_emails",
        "/rails/action_mailbox/relay/inbound_emails/mime",
        "/rails/action_mailbox/sendmail/inbound_emails",
        "/rails/action_mailbox/relay",
    ] {
        cases.push((path, Request::good(Door::Relay).at(path), 404));
    }
    check(House::Open, &cases);
}

#[test]
fn mandrill_may_look_whether_its_url_is_there() {
    let cases = ["GET", "HEAD"].map(|method| (method, Request::of(Door::Mandrill, method), 200));
    check(House::Open, &cases);
}

#[test]
fn a_secret_that_is_blank_makes_every_request_come_again() {
    let mut cases: Vec<(&str, Request, u16)> = Vec::new();
    for door in Door::ALL {
        cases.push((door.word(), Request::good(door), 500));
        cases.push((door.word(), Request::good(door).without_credentials(), 500));
    }
    check(House::Blank, &cases);
}

#[test]
fn credentials_that_are_missing_or_wrong_in_any_part_are_answered_alike() {
    let mut cases = Vec::new();
    for door in [Door::Relay, Door::Postmark, Door::Sendgrid] {
        let good = || Request::good(door);
        cases.push(("none", good().without_credentials(), 401));
        cases.push(("wrong password", good().credentials("actionmailbox", "wrong"), 401));
        cases.push(("wrong user", good().credentials("admin", door.secret()), 401));
        cases.push(("user in capitals", good().credentials("ActionMailbox", door.secret()), 401));
        cases.push(("another door's password", good().credentials("actionmailbox", Door::Mailgun.secret()), 401));
        cases.push(("no password", good().credentials("actionmailbox", ""), 401));
        cases.push(("another scheme", good().header("Authorization", "Bearer secret"), 401));
        cases.push(("both halves right", good().credentials("actionmailbox", door.secret()), door.success()));
    }
    check(House::Open, &cases);
}

#[test]
fn mailguns_signature_is_checked_before_the_mail_is_looked_at() {
    let with = |name: &'static str, value: &str| Request::good(Door::Mailgun).field(name, value);
    let without = |name: &'static str| Request::good(Door::Mailgun).without(name);
    let proven = |ago: i64| {
        let mut request = Request::good(Door::Mailgun);
        for (name, value) in proof(Door::Mailgun.secret(), ago) {
            request = request.field(name, &value);
        }
        request
    };
    let cases = [
        ("wrong signature", with("signature", &"0".repeat(64)), 401),
        ("short signature", with("signature", "0"), 401),
        ("another timestamp", with("timestamp", "1"), 401),
        ("no number", with("timestamp", "soon"), 401),
        ("another token", with("token", "x"), 401),
        ("signature a list", without("signature").field("signature[]", "x"), 401),
        ("signature a file", without("signature").file("signature", "x"), 401),
        ("fresh for eight hours", proven(8 * 3600), 204),
        ("stale", proven(9 * 3600 + 60), 401),
        ("from the future", proven(-86_400), 204),
        ("no timestamp", without("timestamp"), 400),
        ("no token", without("token"), 400),
        ("no signature", without("signature"), 400),
        ("blank timestamp", with("timestamp", " "), 400),
        ("blank token", with("token", ""), 400),
        ("blank signature", with("signature", "\t"), 400),
        ("wrong signature and no mail", with("signature", "x").without("body-mime"), 401),
        ("no mail", without("body-mime"), 400),
        ("blank mail", with("body-mime", "\r\n "), 400),
        ("mail a list", without("body-mime").field("body-mime[]", "x"), 422),
        ("mail a file", without("body-mime").file("body-mime", &mime("x")), 422),
        ("recipient a list", without("recipient").field("recipient[]", "x"), 422),
        ("recipient a file", without("recipient").file("recipient", "x"), 422),
        ("blank recipient", with("recipient", " "), 400),
        ("no recipient", without("recipient"), 204),
        ("all right", Request::good(Door::Mailgun), 204),
    ];
    check(House::Open, &cases);
}

#[test]
fn mandrills_signature_covers_the_url_and_every_parameter() {
    let events = |json: &str| Request::good(Door::Mandrill).without("mandrill_events").field("mandrill_events", json);
    let unsigned = |request: Request| request.header("X-Mandrill-Signature", "x");
    let mail = mime("Mandrill");
    let mail = serde_json::to_string(&mail).expect("JSON");
    let inbound = |rest: &str| format!("[{{\"event\":\"inbound\",\"msg\":{{{rest}}}}}]");
    let probe = |key: &str, json: &str| {
        let signature = mandrill_signature(key, &[("mandrill_events", json)]);
        Request::of(Door::Mandrill, "POST").field("mandrill_events", json).header("X-Mandrill-Signature", &signature)
    };
    let cases = [
        ("missing", Request::good(Door::Mandrill).without_credentials(), 401),
        ("wrong", unsigned(Request::good(Door::Mandrill)), 401),
        ("another parameter more", unsigned(Request::good(Door::Mandrill).field("more", "x")), 401),
        ("wrong, and the list is none", unsigned(events("{}")), 401),
        ("no list", Request::good(Door::Mandrill).without("mandrill_events"), 400),
        ("blank list", events(" "), 400),
        ("not JSON", events("[{]"), 422),
        ("no list of objects", events("[1]"), 422),
        ("an object", events("{}"), 422),
        ("no raw_msg", events(&inbound("\"email\":\"a@b.example\"")), 422),
        ("raw_msg no string", events(&inbound("\"raw_msg\":[1]")), 422),
        ("msg no object", events("[{\"event\":\"inbound\",\"msg\":\"x\"}]"), 422),
        ("no msg", events("[{\"event\":\"inbound\"}]"), 422),
        (
            "one bad of two",
            events(&format!("[{{\"event\":\"inbound\",\"msg\":{{\"raw_msg\":{mail}}}}},{{\"event\":\"inbound\"}}]")),
            422,
        ),
        ("other events", events("[{\"event\":\"open\"},{\"event\":\"click\",\"msg\":1},{}]"), 200),
        ("an empty list", events("[]"), 200),
        ("all right", Request::good(Door::Mandrill), 200),
        ("the probe", probe("test-webhook", "[]"), 200),
        ("the probe's key opens nothing else", probe("test-webhook", "[{}]"), 401),
        ("the probe with another key", probe("test-webhooks", "[]"), 401),
        // Known from elsewhere: made for https://example.com/rails/action_mailbox/mandrill/inbound_emails.
        (
            "the probe as it is known",
            Request::of(Door::Mandrill, "POST")
                .field("mandrill_events", "[]")
                .header("X-Mandrill-Signature", "eO5HecfHmGDoSsdiZuaYS/nc1sU="),
            200,
        ),
    ];
    check(House::Open, &cases);
}

#[test]
fn the_relay_takes_a_body_of_its_type_and_nothing_else() {
    let good = || Request::good(Door::Relay);
    let cases = [
        ("another type", good().header("Content-Type", "text/plain"), 415),
        ("no type", good().header("Content-Type", ""), 415),
        ("a form", good().header("Content-Type", "application/x-www-form-urlencoded"), 415),
        ("another type and wrong password", good().header("Content-Type", "text/plain").without_credentials(), 401),
        ("parameters of the type", good().header("Content-Type", "Message/RFC822 ; charset=utf-8"), 204),
        ("no body at all", good().bodiless(), 422),
        ("no body and another type", good().bodiless().header("Content-Type", "text/plain"), 415),
        ("an empty body", good().raw(b""), 204),
        ("a mail", good(), 204),
        ("no mail", good().raw(b"\0\xff nothing of a mail"), 204),
        ("at exim's path", good().at("/rails/action_mailbox/exim/inbound_emails"), 204),
        ("at postfix's path", good().at("/rails/action_mailbox/postfix/inbound_emails"), 204),
        ("at qmail's path", good().at("/rails/action_mailbox/qmail/inbound_emails"), 204),
    ];
    check(House::Open, &cases);
}

#[test]
fn postmark_is_told_422_for_whatever_is_missing() {
    let good = || Request::good(Door::Postmark);
    let json = |text: &str| good().raw(text.as_bytes());
    let mail = serde_json::to_string(&mime("x")).expect("JSON");
    let cases = [
        ("no mail", json("{\"TextBody\":\"x\"}"), 422),
        ("null", json("{\"RawEmail\":null}"), 422),
        ("blank", json("{\"RawEmail\":\" \"}"), 422),
        ("a list", json("{\"RawEmail\":[\"x\"]}"), 422),
        ("a number", json("{\"RawEmail\":7}"), 422),
        ("recipient blank", json(&format!("{{\"RawEmail\":{mail},\"OriginalRecipient\":\"\"}}")), 422),
        ("recipient a list", json(&format!("{{\"RawEmail\":{mail},\"OriginalRecipient\":[]}}")), 422),
        ("recipient null", json(&format!("{{\"RawEmail\":{mail},\"OriginalRecipient\":null}}")), 204),
        ("no recipient", json(&format!("{{\"RawEmail\":{mail}}}")), 204),
        ("not JSON", json("{\"RawEmail\":"), 400),
        ("not JSON, and wrong password", json("{").without_credentials(), 401),
        ("no object", json("[]"), 422),
        ("text that is no UTF-8", good().raw(b"{\"RawEmail\":\"\xff\"}"), 400),
        ("a form", good().in_form(), 204),
        ("multipart", good().in_multipart(), 204),
        ("all right", good(), 204),
    ];
    check(House::Open, &cases);
}

#[test]
fn sendgrid_is_told_400_for_what_is_missing_and_422_for_what_is_wrong() {
    let good = || Request::good(Door::Sendgrid);
    let envelope = |json: &str| good().field("envelope", json);
    let cases = [
        ("no mail", good().without("email"), 400),
        ("blank mail", good().field("email", "  "), 400),
        ("mail a list", good().without("email").field("email[]", "x"), 422),
        ("mail a file", good().without("email").file("email", &mime("x")), 422),
        ("blank envelope", envelope(" "), 400),
        ("envelope not JSON", envelope("{"), 422),
        ("envelope a list", envelope("[]"), 422),
        ("envelope no string", good().without("envelope").field("envelope[to]", "x"), 422),
        ("no to", envelope("{\"from\":\"a@b.example\"}"), 422),
        ("to a string", envelope("{\"to\":\"a@b.example\"}"), 422),
        ("to of numbers", envelope("{\"to\":[1]}"), 422),
        ("to empty", envelope("{\"to\":[]}"), 204),
        ("no envelope", good().without("envelope"), 204),
        ("as a form", good().in_form(), 204),
        ("as JSON", good().in_json(), 204),
        ("all right", good(), 204),
    ];
    check(House::Open, &cases);
}

#[test]
fn a_store_that_takes_nothing_makes_every_provider_try_again() {
    let product = House::Open.build();
    product.store.inject(replyd::store::Fault::FailCommits(u32::MAX));
    for door in Door::ALL {
        let answer = Request::good(door).send(&product);
        assert_eq!((answer.status, answer.body.as_str()), (500, ""), "{}: {answer:?}", door.word());
    }
    product.store.inject(replyd::store::Fault::FailCommits(0));
    // It mends itself, and what was deferred comes in: the signature of Mailgun is good still.
    for door in Door::ALL {
        let mut status = 500;
        for _ in 0..1000 {
            status = Request::good(door).send(&product).status;
            if status != 500 {
                break;
            }
        }
        assert_eq!(status, door.success(), "{}", door.word());
    }
    product.stop();
}

#[test]
fn the_same_mail_again_is_answered_as_the_first() {
    let product = House::Open.build();
    for door in Door::ALL {
        let request = Request::good(door);
        let answers = [request.send(&product).status, request.send(&product).status];
        assert_eq!(answers, [door.success(); 2], "{}", door.word());
    }
    product.stop();
}
