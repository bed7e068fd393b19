//! Mail that providers and pipes bring over HTTP, and what becomes of it.

use crate::ingress_request::{Door, Request, doors, house_with, mail, mime, open_house, proof};
use crate::product::Product;
use data_encoding::BASE64;
use serde_json::{Value, json};

/// The ledger, oldest first.
fn ledger(product: &Product) -> Vec<Value> {
    // Refusals are written behind the answer: a unit of work that waits for its own commit makes sure that theirs is done.
    product.token("acme");
    let mut items =
        product.owner.get("/api/v1/inbound?limit=200", "").json()["items"].as_array().expect("items").clone();
    items.reverse();
    items
}

/// The ledger once nothing in it waits for filing.
fn settled(product: &Product, count: usize) -> Vec<Value> {
    for _ in 0..10_000 {
        let items = ledger(product);
        if items.len() >= count && items.iter().all(|item| item["outcome"] != "accepted") {
            return items;
        }
    }
    panic!("the ledger never held {count} settled entries: {:?}", ledger(product));
}

fn outcomes(items: &[Value]) -> Vec<(&str, &str)> {
    items.iter().map(|item| (item["ingress"].as_str().unwrap_or(""), item["outcome"].as_str().unwrap_or(""))).collect()
}

fn conversation(product: &Product) -> (String, String) {
    let begun = product.begin(&crate::product::kettle()).json();
    let text = |field: &str| begun[field].as_str().expect("a text").to_owned();
    (text("id"), text("reply_address"))
}

fn by_mail(product: &Product, conversation: &str) -> Vec<Value> {
    let shown = product.owner.get(&format!("/api/v1/conversations/{conversation}"), "").json();
    let messages = shown["messages"].as_array().expect("messages").clone();
    messages.into_iter().filter(|message| message["via"] == "email").collect()
}

#[test]
fn every_door_files_into_the_conversation_and_says_which_it_was() {
    let product = open_house();
    let (id, to) = conversation(&product);
    for door in Door::ALL {
        let request = Request::bringing(door, &mail(&to, &format!("By {}", door.word())), &to);
        assert_eq!(request.send(&product).status, door.success());
    }
    let items = settled(&product, 5);
    let expected: Vec<_> = Door::ALL.iter().map(|door| (door.word(), "filed")).collect();
    assert_eq!(outcomes(&items), expected, "{items:?}");
    let messages = by_mail(&product, &id);
    let mut ingresses: Vec<_> = messages.iter().map(|message| message["email"]["ingress"].to_string()).collect();
    ingresses.sort();
    assert_eq!(ingresses, ["\"mailgun\"", "\"mandrill\"", "\"postmark\"", "\"relay\"", "\"sendgrid\""]);
    for item in &items {
        let reply = if item["ingress"] == "mandrill" { "200 OK" } else { "204 No Content" };
        assert_eq!((&item["reply"], &item["envelope_to"]), (&json!(reply), &json!(to)), "{item}");
        assert_eq!(item["remote_ip"], "127.0.0.1", "{item}");
    }
    product.stop();
}

/// The same mail as an MX, a provider and a pipe bring it: other trace fields, other line ends.
#[test]
fn one_mail_by_three_ways_is_one_message_and_three_entries() {
    let product = open_house();
    let (id, to) = conversation(&product);
    let plain = mail(&to, "Three ways");
    let commands = ["HELO a.example", "MAIL FROM:<jane@customer.example>", &format!("RCPT TO:<{to}>"), "DATA"];
    let by_mx = format!("Received: from a by mx.example.com; today\r\n{plain}\r\n.");
    let reply = product.smtp_reply(&[&commands[..], &[by_mx.as_str()]].concat());
    assert!(reply.starts_with("250"), "{reply}");
    let by_provider = format!("Received: from b by mx.sendgrid.net; today\r\nX-Provider: yes\r\n{plain}");
    assert_eq!(Request::bringing(Door::Sendgrid, &by_provider, &to).send(&product).status, 204);
    let by_pipe = format!(
        "From jane@customer.example Fri Nov 20 10:00:00 2026\nReturn-Path: <jane@customer.example>\nDelivered-To: {to}\n{}\n",
        plain.replace("\r\n", "\n")
    );
    let pipe = Request::bringing(Door::Relay, &by_pipe, &to).header("User-Agent", "Action Mailbox relayer v8.1");
    assert_eq!(pipe.send(&product).status, 204);
    // Another mail that has the same Message-ID is another mail.
    let other = plain.replace("It does not boil.", "It does boil.");
    assert_eq!(Request::bringing(Door::Postmark, &other, &to).send(&product).status, 204);
    let items = settled(&product, 4);
    let expected = [("smtp", "filed"), ("sendgrid", "duplicate"), ("pipe", "duplicate"), ("postmark", "filed")];
    assert_eq!(outcomes(&items), expected, "{items:?}");
    assert_eq!(by_mail(&product, &id).len(), 2);
    assert_eq!(items[2]["envelope_from"], "jane@customer.example");
    // What is kept is what came: nothing is put in front of it.
    let raw = product.owner.get(&format!("/api/v1/inbound/{}/raw", items[0]["id"].as_str().expect("an id")), "").body;
    assert!(raw.contains("Received: from a") && raw.contains(&plain), "{raw}");
    product.stop();
}

#[test]
fn a_secret_opens_its_own_accounts_addresses_only() {
    let product = open_house();
    let (_, to) = conversation(&product);
    // bolt's password, acme's recipient.
    let foreign = Request::bringing(Door::Relay, &mail(&to, "Foreign"), &to).credentials("actionmailbox", "bolt's own");
    assert_eq!(foreign.send(&product).status, 204);
    let items = settled(&product, 1);
    assert_eq!(outcomes(&items), [("relay", "rejected")]);
    assert_eq!((&items[0]["account"], &items[0]["reply"]), (&json!("bolt"), &json!("204 No Content")));
    product.stop();
}

#[test]
fn a_mail_for_nobody_is_kept_told_in_the_ledger_and_not_brought_again() {
    let product = open_house();
    for door in Door::ALL {
        let to = format!("reply+{}@reply.acme.example", "0".repeat(32));
        let request = Request::bringing(door, &mail(&to, door.word()), &to);
        assert_eq!(request.send(&product).status, door.success());
    }
    let items = settled(&product, 5);
    assert!(items.iter().all(|item| item["outcome"] == "rejected"), "{items:?}");
    for item in &items {
        assert!(item["reason"].as_str().is_some_and(|reason| reason.contains("5.1.1")), "{item}");
        assert!(item["envelope_to"].as_str().is_some_and(|to| to.starts_with("reply+0000")), "{item}");
        assert!(item["size"].as_u64().is_some() && item["sha256"].as_str().is_some(), "{item}");
        assert!(
            item["raw_id"].is_string() && item["kept_until"].is_string() && item["message_id"].is_string(),
            "{item}"
        );
    }
    product.stop();
}

#[test]
fn without_an_envelope_the_best_header_field_says_whose_it_is() {
    let product = open_house();
    let (id, token) = conversation(&product);
    for (number, header) in [
        format!("X-Original-To: {token}\r\nTo: support@acme.example"),
        format!("To: nobody@elsewhere.example\r\nDelivered-To: {token}"),
        format!(
            "To: list@elsewhere.example\r\nEnvelope-To: nobody@reply.acme.example\r\nCc: Us <{}>",
            token.to_uppercase()
        ),
        format!(
            "To: x@elsewhere.example\r\nReferences: <conversation/{}/messages/1@chat.example>",
            token.get(6..38).expect("a token")
        ),
    ]
    .iter()
    .enumerate()
    {
        let raw = format!(
            "From: jane@customer.example\r\nSubject: {number}\r\nMessage-ID: <{number}@x.example>\r\n{header}\r\n\r\nHello {number}\r\n"
        );
        assert_eq!(Request::bringing(Door::Relay, &raw, "").send(&product).status, 204);
    }
    let items = settled(&product, 4);
    assert!(items.iter().all(|item| item["outcome"] == "filed"), "{items:?}");
    assert_eq!(by_mail(&product, &id).len(), 4);
    // Nobody told a reverse-path, which is not the null one: a person's mail stays a person's.
    assert!(items.iter().all(|item| item["envelope_from"].is_null()), "{items:?}");
    assert!(by_mail(&product, &id).iter().all(|message| message["email"]["class"] == "human"));
    product.stop();
}

#[test]
fn mistakes_of_setting_up_are_named_in_the_ledger() {
    let product = open_house();
    let unticked = Request::good(Door::Sendgrid).without("email").field("text", "Hi").field("html", "<p>Hi</p>");
    let unticked_postmark = Request::good(Door::Postmark).raw(b"{\"TextBody\":\"x\"}");
    let not_mime = Request::good(Door::Mailgun).without("body-mime").field("body-plain", "Hi");
    let api_key = Request::good(Door::Mailgun).field("signature", &"0".repeat(64));
    let mut wrong_url = Request::good(Door::Mandrill);
    wrong_url = {
        let fields = [("mandrill_events", "[]")];
        let made = {
            let key = aws_lc_rs::hmac::Key::new(
                aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                Door::Mandrill.secret().as_bytes(),
            );
            let signed = format!("http://localhost{}{}{}", Door::Mandrill.path(), fields[0].0, fields[0].1);
            BASE64.encode(aws_lc_rs::hmac::sign(&key, signed.as_bytes()).as_ref())
        };
        wrong_url.field("mandrill_events", "[]").header("X-Mandrill-Signature", &made)
    };
    for (request, status, words) in [
        (unticked, 400, "POST the raw, full MIME message"),
        (unticked_postmark, 422, "Include raw email content"),
        (not_mime, 400, "ends in /mime"),
        (api_key, 401, "not an API key"),
        (wrong_url, 401, "mend http.public_url"),
        (Request::good(Door::Relay).credentials("actionmailbox", "x"), 401, "user or password"),
    ] {
        assert_eq!(request.send(&product).status, status, "{words}");
        let items = ledger(&product);
        let last = items.last().expect("an entry");
        assert!(last["reason"].as_str().is_some_and(|reason| reason.contains(words)), "{words}: {last}");
        assert!(last["reply"].as_str().is_some_and(|reply| reply.starts_with(&status.to_string())), "{last}");
        let comes_again = last["ingress"] != "sendgrid";
        assert_eq!(last["outcome"], if comes_again { "deferred" } else { "rejected" }, "{last}");
    }
    product.stop();
}

#[test]
fn sendgrid_never_gets_a_4xx_for_what_can_be_mended_here() {
    let doors = "ingress.sendgrid = { password = \"sendgrid secret\" }\n";
    let product = house_with(doors, "");
    let good = || Request::good(Door::Sendgrid);
    let truncated = {
        let whole = String::from_utf8(good().octets()).expect("text");
        let (head, body) = whole.split_once("\r\n\r\n").expect("a body");
        let head: Vec<&str> = head.lines().filter(|line| !line.starts_with("Content-Length")).collect();
        let body = &body[..body.len() - 20];
        format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len())
    };
    assert_eq!(good().without_credentials().send(&product).status, 503);
    assert_eq!(good().credentials("actionmailbox", "x").send(&product).status, 503);
    assert_eq!(product.tcp.exchange(&truncated).status, 503);
    // What the mail itself lacks no time will mend.
    assert_eq!(good().without("email").send(&product).status, 400);
    assert_eq!(good().send(&product).status, 204);
    product.stop();
    let blank = house_with("ingress.sendgrid = { password = \" \" }\n", "");
    assert_eq!(Request::good(Door::Sendgrid).send(&blank).status, 500);
    blank.stop();
}

#[test]
fn a_signature_is_good_for_one_mail_however_often_it_is_tried() {
    let product = open_house();
    let good = Request::good(Door::Mailgun);
    let other = good.clone().field("body-mime", &mime("Another"));
    let elsewhere = good.clone().field("recipient", "postmaster@reply.acme.example");
    for (request, status) in [(&good, 204), (&good, 204), (&other, 401), (&elsewhere, 401), (&good, 204)] {
        assert_eq!(request.send(&product).status, status);
    }
    let items = settled(&product, 5);
    let outcome = |item: &Value| item["outcome"].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        items.iter().map(outcome).collect::<Vec<_>>(),
        ["filed", "duplicate", "deferred", "deferred", "duplicate"]
    );
    assert!(items[2]["reason"].as_str().is_some_and(|reason| reason.contains("a replay")), "{:?}", items[2]);
    // Not taken, not used: what comes after trouble of ours may differ in an octet.
    let unlucky = Request::good(Door::Mailgun).field("body-mime", &mime("Unlucky"));
    product.store.inject(replyd::store::Fault::FailCommits(u32::MAX));
    assert_eq!(unlucky.send(&product).status, 500);
    product.store.inject(replyd::store::Fault::FailCommits(0));
    product.stop();
}

#[test]
fn a_second_account_with_its_own_secret_is_as_good_as_the_first() {
    let second = "ingress.relay = { password = \"relay of bolt\" }\ningress.mailgun = { signing_key = \"other\", freshness = \"2 m\" }\n";
    let product = house_with(&doors(|door| door.secret().to_owned()), second);
    let to = "postmaster@reply.bolt.example";
    let relayed = Request::bringing(Door::Relay, &mail(to, "One"), to).credentials("actionmailbox", "relay of bolt");
    assert_eq!(relayed.send(&product).status, 204);
    let signed = |ago| {
        proof("other", ago)
            .iter()
            .fold(Request::bringing(Door::Mailgun, &mail(to, "Two"), to), |request, (name, value)| {
                request.field(name, value)
            })
    };
    assert_eq!(signed(0).send(&product).status, 204);
    assert_eq!(signed(300).send(&product).status, 401, "its own window");
    let items = settled(&product, 3);
    assert_eq!(outcomes(&items)[..2], [("relay", "filed"), ("mailgun", "filed")]);
    product.stop();
}
