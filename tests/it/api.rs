//! The HTTP API over a real socket and a real store: what callers may do, and what bad input is told.

use crate::product::{Product, kettle};
use replyd::config::checked::Endpoint;
use replyd::store::Fault;
use serde_json::{Value, json};

#[test]
fn a_conversation_is_begun_shown_listed_and_changed() {
    let product = Product::start();
    let begun = product.begin(&kettle());
    assert_eq!(begun.status, 201, "{begun:?}");
    let conversation = begun.json();
    let id = conversation["id"].as_str().expect("an id");
    let address = conversation["reply_address"].as_str().expect("a reply address");
    assert!(address.starts_with("reply+") && address.ends_with("@reply.acme.example"), "{address}");
    for field in [
        "account",
        "inbox",
        "channel",
        "status",
        "subject",
        "contact",
        "participants",
        "last_message_at",
        "unseen_by_contact",
        "continuity",
    ] {
        assert!(conversation.get(field).is_some(), "{field} is missing: {conversation}");
    }
    assert_eq!(conversation["continuity"]["due_at"], conversation["messages"][1]["delivery"]["due_at"]);
    assert_eq!(conversation["messages"][0]["direction"], "incoming");
    assert_eq!(conversation["messages"][1]["delivery"]["state"], "waiting");
    for field in [
        "id",
        "conversation_id",
        "author",
        "via",
        "text",
        "html",
        "quoted",
        "signature",
        "attachments",
        "created_at",
        "seen_at",
        "email",
    ] {
        assert!(conversation["messages"][0].get(field).is_some(), "{field} is missing");
    }
    let path = format!("/api/v1/conversations/{id}");
    let changed =
        product.owner.call("PATCH", &path, "", r#"{"status":"resolved","subject":"Kettle","assignee":"Sara"}"#).json();
    assert_eq!(
        (&changed["status"], &changed["subject"], &changed["assignee"]),
        (&json!("resolved"), &json!("Kettle"), &json!("Sara"))
    );
    let listed = product.owner.get("/api/v1/conversations?status=resolved&contact=jane%40customer.example", "").json();
    assert_eq!(listed["items"][0]["id"], id, "{listed}");
    assert_eq!(product.owner.get("/api/v1/conversations?status=open", "").json()["items"], json!([]));
    product.stop();
}

#[test]
fn a_message_with_a_known_idempotency_key_is_written_once() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/messages", conversation["id"].as_str().expect("an id"));
    let body = r#"{"author":"agent","text":"Try again.","idempotency_key":"k1"}"#;
    let (first, again) = (product.owner.call("POST", &path, "", body), product.owner.call("POST", &path, "", body));
    assert_eq!((first.status, first.json()["id"].clone()), (201, again.json()["id"].clone()), "{again:?}");
    product.stop();
}

#[test]
fn html_of_a_message_is_sanitised() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/messages", conversation["id"].as_str().expect("an id"));
    let body = json!({ "author": "contact", "text": "x", "html": "<p onclick=x()>Hi<script>alert(1)</script></p>" });
    let html =
        product.owner.call("POST", &path, "", &body.to_string()).json()["html"].as_str().unwrap_or_default().to_owned();
    assert!(html.contains("Hi") && !html.contains("script") && !html.contains("onclick"), "{html}");
    product.stop();
}

#[test]
fn lists_go_on_by_cursor_and_end() {
    let product = Product::start();
    for _ in 0..5 {
        assert_eq!(product.begin(&kettle()).status, 201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = product.owner.get(&format!("/api/v1/conversations?limit=2{cursor}"), "").json();
        let items = page["items"].as_array().expect("items").clone();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["id"].to_string()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
    product.stop();
}

#[test]
fn a_token_opens_its_own_account_only() {
    let product = Product::start();
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}", conversation["id"].as_str().expect("an id"));
    for (token, path, expected) in [
        ("", path.as_str(), 401),
        ("replyd_wrong", path.as_str(), 401),
        (acme.as_str(), path.as_str(), 200),
        (bolt.as_str(), path.as_str(), 404),
        (bolt.as_str(), "/api/v1/conversations?account=acme", 403),
        (acme.as_str(), "/api/v1/tokens", 403),
        ("", "/api/v1/inbound", 401),
        ("", "/healthz", 200),
        ("", "/readyz", 200),
        ("", "/metrics", 200),
        ("", "/openapi.json", 200),
        ("", "/", 404),
    ] {
        assert_eq!(product.tcp.get(path, token).status, expected, "{path}");
    }
    let all = product.owner.get("/api/v1/tokens", "").json();
    let id =
        all["items"].as_array().expect("items").iter().find(|item| item["account"] == "acme").expect("a token")["id"]
            .clone();
    let revoked = product.owner.call("DELETE", &format!("/api/v1/tokens/{}", id.as_str().expect("an id")), "", "");
    assert_eq!(revoked.status, 204);
    assert_eq!(product.tcp.get(&path, &acme).status, 401, "a revoked token opens nothing");
    product.stop();
}

/// Headers and envelopes are made of these: what could end a line in one is refused before anything is stored.
#[test]
fn no_field_that_mails_are_made_of_takes_a_line_break_or_nul() {
    let product = Product::start();
    let begun = product.begin(&kettle()).json();
    let messages = format!("/api/v1/conversations/{}/messages", begun["id"].as_str().expect("an id"));
    let conversation = messages.trim_end_matches("/messages");
    let answer = || json!({ "author": "agent", "text": "x", "attachments": [{ "name": "a", "content": "" }] });
    let agent = || json!({ "account": "acme", "email": "sara@acme.example", "name": "Sara" });
    let suffixes = ["\r\nBcc: z@z.example", "\n", "\r", "\u{0}", ">\r\nRCPT TO:<c@d.example"];
    for (method, path, body, place, field) in [
        ("POST", "/api/v1/conversations", kettle(), "/subject", "subject"),
        ("POST", "/api/v1/conversations", kettle(), "/contact/name", "contact.name"),
        ("POST", "/api/v1/conversations", kettle(), "/contact/email", "contact.email"),
        ("POST", "/api/v1/conversations", kettle(), "/messages/1/agent", "agent"),
        ("PATCH", conversation, json!({}), "/subject", "subject"),
        ("PATCH", conversation, json!({}), "/assignee", "assignee"),
        ("POST", &messages, answer(), "/agent", "agent"),
        ("POST", &messages, answer(), "/attachments/0/name", "attachments[0].name"),
        ("POST", &messages, answer(), "/attachments/0/type", "attachments[0].type"),
        ("POST", "/api/v1/agents", agent(), "/email", "email"),
        ("POST", "/api/v1/agents", agent(), "/name", "name"),
    ] {
        for suffix in suffixes {
            let mut body = body.clone();
            let (above, key) = place.rsplit_once('/').expect("a path");
            body.pointer_mut(above).expect("a field")[key] = json!(format!("a@b.example{suffix}"));
            let answer = product.owner.call(method, path, "", &body.to_string());
            assert_eq!(answer.status, 422, "{method} {path} {body}: {answer:?}");
            assert!(answer.error_message().contains(field), "{field}: {}", answer.error_message());
        }
    }
    let copied = json!({ "author": "agent", "text": "x", "cc": ["a@b.example\r\nRCPT TO:<c@d.example"] });
    let answer = product.owner.call("POST", &messages, "", &copied.to_string());
    assert!(answer.status == 422 && answer.error_message().contains("cc"), "{answer:?}");
    product.stop();
}

#[test]
fn bad_input_is_refused_and_names_its_field() {
    let product = Product::start();
    let with = |field: &str, value: Value| {
        let mut body = kettle();
        *body.pointer_mut(field).expect("a field") = value;
        body
    };
    for (body, field) in [
        (with("/account", json!("nobody")), "account"),
        (with("/inbox", json!("nowhere")), "inbox"),
        (with("/contact/email", json!("not an address")), "contact.email"),
        (with("/contact/name", json!("a\r\nBcc: x")), "contact.name"),
        (with("/subject", json!("a\u{0}b")), "subject"),
        (with("/subject", json!(5)), "expected a string"),
        (with("/messages/0/text", json!("")), "text"),
        (with("/messages/0/author", json!("robot")), "robot"),
        (json!({ "inbox": "website", "inbix": 1 }), "inbix"),
    ] {
        let answer = product.begin(&body);
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.error_message().contains(field), "{field}: {}", answer.error_message());
    }
    for (method, path, body, expected) in [
        ("POST", "/api/v1/conversations", "{", 400),
        ("GET", "/api/v1/conversations?limit=0", "", 422),
        ("GET", "/api/v1/conversations?limt=1", "", 422),
        ("GET", "/api/v1/inbound?outcome=lost", "", 422),
        ("GET", "/api/v1/inbound?cursor=%00", "", 422),
        ("GET", "/api/v1/conversations/..%2f..%2fetc", "", 404),
        ("GET", "/api/v1/conversations/aaaaaaaaaaaaa", "", 404),
        ("GET", "/api/v1/inbound/aaaaaaaaaaaaa/raw", "", 404),
        ("GET", "/api/v1/attachments/aaaaaaaaaaaaa", "", 404),
        ("DELETE", "/api/v1/conversations", "", 405),
        ("POST", "/api/v1/backup", r#"{"file":"relative"}"#, 422),
    ] {
        let answer = product.owner.call(method, path, "", body);
        assert_eq!(answer.status, expected, "{path}: {answer:?}");
        assert!(!answer.json()["error"]["code"].is_null(), "{path}: {answer:?}");
    }
    let long = format!("{{\"x\":\"{}\"}}", "a".repeat(2 * 1024 * 1024));
    assert_eq!(product.begin(&json!(long)).status, 413);
    assert_eq!(product.owner.get("/healthz", "").status, 200, "the daemon lives");
    product.stop();
}

#[test]
fn readyz_is_red_while_the_store_is_unhealthy() {
    let product = Product::start();
    assert_eq!(product.tcp.get("/readyz", "").status, 200);
    product.store.inject(Fault::FailCommits(u32::MAX));
    let refused = product.begin(&kettle());
    assert_eq!(refused.status, 503, "{refused:?}");
    let ready = product.tcp.get("/readyz", "");
    assert_eq!((ready.status, ready.json()["error"]["code"].clone()), (503, json!("not_ready")));
    assert!(product.tcp.get("/metrics", "").body.contains("replyd_store_healthy 0"));
    assert_eq!(product.tcp.get("/healthz", "").status, 200);
    product.stop();
}

#[test]
fn a_reply_address_ends_when_its_owner_says_so() {
    let product = Product::start();
    let begun = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/reply_address", begun["id"].as_str().expect("an id"));
    assert_eq!(begun["reply_address_until"], Value::Null);
    let limited = product.owner.call("PUT", &path, "", r#"{"expires_at":"2099-01-31T13:00:00+01:00"}"#).json();
    assert_eq!(limited["reply_address_until"], "2099-01-31T12:00:00.000Z");
    assert_eq!(product.owner.call("PUT", &path, "", r#"{"expires_at":"soon"}"#).status, 422);
    let lifted = product.owner.call("PUT", &path, "", r#"{"expires_at":null}"#).json();
    assert_eq!(lifted["reply_address_until"], Value::Null);
    let stranger = product.token("bolt");
    assert_eq!(product.tcp.call("DELETE", &path, &stranger, "").status, 404);
    let revoked = product.owner.call("DELETE", &path, "", "").json();
    assert!(revoked["reply_address_until"].is_string(), "{revoked}");
    product.stop();
}

#[test]
fn a_bounce_that_concerns_no_conversation_shows_its_facts_in_the_ledger() {
    let product = Product::start();
    let report = "From: MAILER-DAEMON@mx.example\nSubject: Undelivered\nMIME-Version: 1.0\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n--b\n\
        Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n\
        Final-Recipient: rfc822; ann@x.example\nAction: failed\nStatus: 5.1.1\n\n--b--";
    let Some((_, Endpoint::Tcp(smtp))) = product.running.mail_endpoints().first() else { panic!("an SMTP door") };
    crate::demo::deliver(*smtp, "support@acme.example", report);
    let filed = product.runtime.block_on(async {
        let mut committed = product.store.committed();
        loop {
            committed.borrow_and_update();
            let page = product.owner.get("/api/v1/inbound", "").json();
            if let Some(entry) = page["items"].as_array().into_iter().flatten().find(|e| e["outcome"] == "filed") {
                break entry.clone();
            }
            committed.changed().await.expect("the store lives");
        }
    });
    let shown = product.owner.get(&format!("/api/v1/inbound/{}", filed["id"].as_str().expect("an id")), "").json();
    assert_eq!(shown["conversation_id"], Value::Null);
    assert_eq!(shown["bounce"]["recipients"][0]["status"], "5.1.1", "{shown}");
    product.stop();
}

#[test]
fn answers_are_careful_with_what_strangers_wrote() {
    let product = Product::start();
    let head = product.tcp.get("/healthz", "").head;
    for header in
        ["x-content-type-options: nosniff", "cache-control: no-store", "content-security-policy: default-src 'none'"]
    {
        assert!(head.contains(header), "{header}: {head}");
    }
    let metrics = product.tcp.get("/metrics", "");
    assert!(metrics.head.contains("application/openmetrics-text") && metrics.body.ends_with("# EOF\n"), "{metrics:?}");
    for metric in ["replyd_store_healthy 1", "replyd_ingest_commit_seconds_count ", "replyd_ingest_commit_units_sum "] {
        assert!(metrics.body.contains(metric), "{metric}: {}", metrics.body);
    }
    product.stop();
}

#[test]
fn a_backup_is_written_once_and_never_over_something() {
    let product = Product::start();
    product.begin(&kettle());
    let file = product.dir.path().join("copy.db");
    let body = json!({ "file": file }).to_string();
    assert_eq!(product.owner.call("POST", "/api/v1/backup", "", &body).status, 204);
    assert!(std::fs::metadata(&file).is_ok_and(|meta| meta.len() > 0));
    assert_eq!(product.owner.call("POST", "/api/v1/backup", "", &body).status, 409);
    let token = product.token("acme");
    assert_eq!(product.tcp.call("POST", "/api/v1/backup", &token, &body).status, 403);
    product.stop();
}

#[test]
fn revoked_reply_addresses_take_no_mail() {
    let product = Product::start();
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    let conversation = product.begin(&kettle()).json();
    let path = format!("/api/v1/conversations/{}/reply_address", conversation["id"].as_str().expect("an id"));
    let address = conversation["reply_address"].as_str().expect("an address");
    assert!(product.recipient_reply(address).starts_with("250 "));
    assert_eq!(product.tcp.call("DELETE", &path, &bolt, "").status, 404, "another account's");
    assert!(product.recipient_reply(address).starts_with("250 "));
    assert_eq!(product.tcp.call("DELETE", &path, &acme, "").status, 200);
    assert!(product.recipient_reply(address).starts_with("550 5.1.6 "));
    assert_eq!(product.tcp.call("DELETE", &path, &acme, "").status, 200, "again changes nothing");
    product.stop();
}

#[test]
fn what_the_alert_rules_ask_for_is_measured() {
    let product = Product::start();
    let address = product.begin(&kettle()).json()["reply_address"].as_str().expect("an address").to_owned();
    product.recipient_reply(&address);
    product.recipient_reply("nobody@elsewhere.example");
    // No TLS handshake begins like this.
    product.smtp_reply(&["HELO a.example", "STARTTLS", "QUIT"]);
    crate::shapes::deliver(&product, &address);
    // Filing counts after its commit, which is what `deliver` waits for.
    let metrics = loop {
        let metrics = product.tcp.get("/metrics", "").body;
        if metrics.contains("replyd_filing_total{") {
            break metrics;
        }
    };
    for line in [
        "replyd_smtp_commands_total{verb=\"DATA\",code=\"354\"} 1",
        "replyd_smtp_commands_total{verb=\"DATA\",code=\"250\"} 1",
        "replyd_smtp_commands_total{verb=\"RCPT\",code=\"250\"} 2",
        "replyd_auth_results_total{method=\"verdict\",result=\"unproven\"} 1",
        "replyd_auth_seconds_count 1",
        "replyd_smtp_commands_total{verb=\"RCPT\",code=\"550\"} 1",
        "replyd_smtp_commands_total{verb=\"connect\",code=\"220\"} 4",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    let described = |name: &str| {
        let base =
            ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        [name, base].iter().any(|name| metrics.contains(&format!("# TYPE {name} ")))
    };
    let rules = include_str!("../../systemd/replyd.rules.yml");
    let words = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let wanted: std::collections::BTreeSet<&str> = words.filter(|word| word.starts_with("replyd_")).collect();
    assert!(wanted.len() >= 8, "{wanted:?}");
    for name in wanted {
        assert!(described(name), "{name} is in no metric of\n{metrics}");
    }
    product.stop();
}

/// What an operator is told to do must exist: alerts in the guide, the guide's words in the rules.
#[test]
fn every_alert_has_its_line_in_the_guide() {
    let (rules, guide) = (include_str!("../../systemd/replyd.rules.yml"), include_str!("../../docs/OPERATIONS.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 8, "{alerts:?}");
    for alert in alerts {
        assert!(guide.contains(&format!("`{alert}`")), "docs/OPERATIONS.md says nothing of {alert}");
    }
}
