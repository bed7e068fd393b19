//! Every JSON shape of the API, field by field and type by type, over TCP with a token: what callers build upon.

use crate::product::{Product, kettle};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// `shape` names every field with its type: `string`, `number`, `bool`, `list`, `object`, with `?` if it may be null,
/// or the words that it may be. Fields beyond those are welcome.
#[track_caller]
fn has_shape(value: &Value, shape: &[(&str, &str)]) {
    for (field, kind) in shape {
        let found = value.pointer(&format!("/{field}"));
        let found = found.unwrap_or_else(|| panic!("{field} is missing in {value:#}"));
        let kinds: Vec<&str> = kind.trim_end_matches('?').split('|').collect();
        let word = match found {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(text) if kinds.contains(&text.as_str()) => text,
            Value::String(text) if kinds == ["time"] && is_time(text) => "time",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        let fits = kinds.contains(&word) || (word == "null" && kind.ends_with('?'));
        assert!(fits, "{field} is {found} and not {kind}");
    }
}

/// RFC 3339 in UTC.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z')
}

const CONVERSATION: &[(&str, &str)] = &[
    ("id", "string"),
    ("account", "string"),
    ("inbox", "string"),
    ("channel", "widget|email|api"),
    ("status", "open|resolved|snoozed"),
    ("subject", "string?"),
    ("contact", "object"),
    ("contact/id", "string"),
    ("contact/name", "string?"),
    ("contact/email", "string?"),
    ("contact/identifier", "string?"),
    ("participants", "list"),
    ("reply_address", "string"),
    ("last_message_at", "time?"),
    ("unseen_by_contact", "number"),
    ("continuity", "object"),
    ("continuity/due_at", "time?"),
    ("continuity/reason", "string"),
];

const MESSAGE: &[(&str, &str)] = &[
    ("id", "string"),
    ("conversation_id", "string"),
    ("direction", "incoming|outgoing|note|activity"),
    ("author/kind", "contact|agent|participant|system"),
    ("author/name", "string?"),
    ("author/email", "string?"),
    ("via", "widget|email|api|desk"),
    ("text", "string"),
    ("html", "string?"),
    ("quoted", "string"),
    ("signature", "string"),
    ("attachments", "list"),
    ("created_at", "time"),
    ("seen_at", "time?"),
    ("email", "object?"),
    ("delivery", "object?"),
];

const EMAIL: &[(&str, &str)] = &[
    ("message_id", "string"),
    ("in_reply_to", "list"),
    ("references", "list"),
    ("from", "list"),
    ("reply_to", "list"),
    ("to", "list"),
    ("cc", "list"),
    ("subject", "string"),
    ("envelope_from", "string"),
    ("envelope_to", "string"),
    ("class", "human|auto_reply|bounce|list"),
    ("auth", "object"),
    ("ingress", "smtp|lmtp|relay|mailgun|mandrill|postmark|sendgrid|pipe"),
    ("raw_id", "string"),
];

const AUTH: &[(&str, &str)] = &[
    ("spf", "pass|fail|softfail|neutral|none|temperror|permerror"),
    ("dkim", "list"),
    ("dmarc/result", "pass|fail|none|temperror|permerror"),
    ("dmarc/domain", "string"),
    ("arc", "none|pass|fail"),
    ("verdict", "authentic|unproven|forged|undetermined"),
];

const ATTACHMENT: &[(&str, &str)] = &[
    ("id", "string"),
    ("name", "string"),
    ("type", "string"),
    ("size", "number"),
    ("inline", "bool"),
    ("content_id", "string?"),
    ("sha256", "string"),
    ("url", "string"),
];

const DELIVERY: &[(&str, &str)] = &[
    ("state", "waiting|queued|delivered|deferred|failed|cancelled|seen"),
    ("due_at", "time?"),
    ("attempts", "number"),
    ("remote", "string?"),
    ("remote_reply", "string?"),
    ("tls", "string?"),
    ("last_attempt_at", "time?"),
];

const INBOUND: &[(&str, &str)] = &[
    ("id", "string"),
    ("received_at", "time"),
    ("ingress", "smtp|lmtp|relay|mailgun|mandrill|postmark|sendgrid|pipe"),
    ("remote_ip", "string?"),
    ("helo", "string?"),
    ("envelope_from", "string?"),
    ("envelope_to", "string?"),
    ("message_id", "string?"),
    ("size", "number?"),
    ("sha256", "string?"),
    ("outcome", "accepted|filed|rejected|deferred|duplicate|failed"),
    ("reason", "string"),
    ("reply", "string"),
    ("auth", "object?"),
    ("conversation_id", "string?"),
    ("message_id_stored", "string?"),
];

#[test]
fn every_shape_has_every_field_that_callers_were_promised() {
    let product = Product::start();
    let token = product.token("acme");
    let begun = product.tcp.call("POST", "/api/v1/conversations", &token, &kettle().to_string());
    assert_eq!(begun.status, 201);
    let conversation = begun.json();
    has_shape(&conversation, CONVERSATION);
    let address = conversation["reply_address"].as_str().expect("an address");
    deliver(&product, address);
    let path = format!("/api/v1/conversations/{}", conversation["id"].as_str().expect("an id"));
    let conversation = product.tcp.get(&path, &token).json();
    has_shape(&conversation, CONVERSATION);
    let messages = conversation["messages"].as_array().expect("messages");
    messages.iter().for_each(|message| has_shape(message, MESSAGE));
    let mailed = messages.iter().find(|message| message["via"] == "email").expect("the mail was filed");
    has_shape(&mailed["email"], EMAIL);
    has_shape(&mailed["email"]["auth"], AUTH);
    has_shape(
        &mailed["email"]["auth"]["dkim"][0],
        &[("domain", "string"), ("selector", "string"), ("result", "string")],
    );
    has_shape(&mailed["attachments"][0], ATTACHMENT);
    let answered = messages.iter().find(|message| message["direction"] == "outgoing").expect("the agent's answer");
    has_shape(&answered["delivery"], DELIVERY);
    for (path, shape) in [("/api/v1/conversations", CONVERSATION), ("/api/v1/inbound", INBOUND)] {
        let page = product.tcp.get(path, &token).json();
        has_shape(&page, &[("items", "list"), ("next", "string?")]);
        has_shape(&page["items"][0], shape);
    }
    let entry = product.tcp.get("/api/v1/inbound", &token).json()["items"][0].clone();
    assert_eq!((&entry["outcome"], &entry["message_id_stored"]), (&json!("filed"), &mailed["id"]), "{entry:#}");
    let url = mailed["attachments"][0]["url"].as_str().expect("a URL");
    assert_eq!(product.tcp.get(url, &token).body, "attached");
    product.stop();
}

/// One mail with everything in it; returns when it is filed.
pub fn deliver(product: &Product, address: &str) {
    let smtp = product.smtp();
    let mail = format!(
        "From: Jane Doe <jane@customer.example>\r\nTo: {address}\r\nCc: bob@customer.example\r\nReply-To: j@customer.example\r\n\
         Subject: Re: kettle\r\nMessage-ID: <1@customer.example>\r\nIn-Reply-To: <0@acme.example>\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; d=customer.example; s=s1; h=from; bh=AA==; b=AA==\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>It boils.</p>\r\n\
         --b\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment\r\n\r\nattached\r\n--b--\r\n.\r\n"
    );
    let stream = TcpStream::connect(smtp).expect("SMTP listens");
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok).filter(|line| line.as_bytes()[3] == b' ');
    let steps = [
        "",
        "EHLO a.example\r\n",
        "MAIL FROM:<jane@customer.example>\r\n",
        &format!("RCPT TO:<{address}>\r\n"),
        "DATA\r\n",
        &mail,
    ];
    for step in steps {
        (&stream).write_all(step.as_bytes()).expect("it reads");
        let reply = lines.next().expect("a reply");
        assert!(reply.starts_with(['2', '3']), "{step}: {reply}");
    }
    while product.owner.get("/api/v1/inbound?outcome=filed", "").json()["items"] == json!([]) {
        std::thread::yield_now();
    }
}
