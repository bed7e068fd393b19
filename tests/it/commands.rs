//! The commands that work on the running daemon, for people and with --json, with good and with bad input.

use crate::product::{CONFIG, Product, kettle};
use serde_json::Value;
use std::process::{Command, Output};

fn replyd(product: &Product, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
    command.args(words.split(' ')).current_dir(product.dir.path()).env("REPLYD_CONFIG", "replyd.toml");
    command.output().expect("replyd runs")
}

/// What it prints.
fn printed(product: &Product, words: &str) -> String {
    let output = replyd(product, words);
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(product: &Product, words: &str) -> Value {
    let text = printed(product, &format!("{words} --json"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words}: {error}: {text}"))
}

/// It fails with this code and one line that has all these words.
fn fails(product: &Product, words: &str, code: i32, says: &[&str]) {
    let output = replyd(product, words);
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words}: {line}");
    assert_eq!(line.lines().count(), 1, "{words}: {line}");
    assert!(says.iter().all(|word| line.contains(word)), "{words}: {line}");
}

#[test]
fn a_conversation_is_begun_listed_shown_changed_and_revoked() {
    let product = Product::start();
    let new = "conversation new --account acme --inbox website --email jane@customer.example --message Hello --subject Kettle";
    let begun = json(&product, new);
    let id = begun["id"].as_str().expect("an id");
    let address = begun["reply_address"].as_str().expect("an address");
    assert!(printed(&product, new).trim_end().ends_with("@reply.acme.example"));
    let listed = printed(&product, "conversation list --contact jane@customer.example");
    assert!(listed.contains(id) && listed.starts_with("ID "), "{listed}");
    assert_eq!(json(&product, "conversation list --limit 1")["items"].as_array().map(Vec::len), Some(1));
    let shown = printed(&product, &format!("conversation show {id}"));
    assert!(shown.contains("Kettle") && shown.contains("    Hello") && shown.contains(address), "{shown}");
    assert_eq!(printed(&product, &format!("conversation status {id} resolved")), format!("{id} resolved\n"));
    assert_eq!(json(&product, &format!("conversation status {id} snoozed"))["status"], "snoozed");
    assert_eq!(json(&product, &format!("conversation show {id}"))["status"], "snoozed");
    let revoked = printed(&product, &format!("conversation revoke {id}"));
    assert!(revoked.contains("refused for good"), "{revoked}");
    let shown = printed(&product, &format!("conversation show {id}"));
    assert!(shown.contains("revoked        mail to it is refused for good"), "{shown}");
    fails(&product, &format!("conversation expire {id} never"), 65, &["revoked", "begin a new conversation"]);
    fails(&product, &format!("conversation expire {id} 2099-01-31T12:00:00Z"), 65, &["revoked"]);
    let warned = replyd(&product, &format!("conversation reply {id} --text Hello."));
    assert!(warned.status.success());
    let line = String::from_utf8_lossy(&warned.stderr).into_owned();
    assert!(line.contains("reply address is revoked") && line.contains("conversation new"), "{line}");
    assert!(product.recipient_reply(address).starts_with("550 5.1.6 "));
    product.stop();
}

#[test]
fn an_offered_mail_is_listed_shown_and_not_replayed_without_need() {
    let product = Product::start();
    product.recipient_reply("reply+00112233445566778899aabbccddeeff@reply.acme.example");
    let entry = json(&product, "inbound list --outcome rejected")["items"][0].clone();
    let id = entry["id"].as_str().expect("an id");
    assert!(printed(&product, "inbound list").contains(id));
    let shown = printed(&product, &format!("inbound show {id}"));
    assert!(shown.starts_with(&format!("id                 {id}\n")) && shown.contains("550 5.1.1"), "{shown}");
    assert_eq!(json(&product, &format!("inbound show {id}")), entry);
    fails(&product, &format!("inbound raw {id}"), 65, &[id, "it was not accepted"]);
    fails(&product, &format!("inbound replay {id}"), 65, &["only a mail whose outcome is failed"]);
    product.stop();
}

#[test]
fn a_token_is_made_listed_and_revoked() {
    let product = Product::start();
    let token: Value = serde_json::from_str(&printed(&product, "token add --account acme")).expect("JSON");
    let (id, secret) = (token["id"].as_str().expect("an id"), token["token"].as_str().expect("a token"));
    assert_eq!(product.tcp.get("/api/v1/conversations", secret).status, 200);
    let listed = printed(&product, "token list");
    assert!(listed.contains(id) && !listed.contains(secret), "{listed}");
    assert_eq!(json(&product, &format!("token revoke {id}"))["revoked"], true);
    assert_eq!(product.tcp.get("/api/v1/conversations", secret).status, 401);
    product.stop();
}

#[test]
fn a_webhook_is_added_listed_replayed_and_removed() {
    let product = Product::start();
    let hook = json(&product, "webhook add https://app.example/hook --account acme --event bounce");
    let (id, secret) = (hook["id"].as_str().expect("an id"), hook["secret"].as_str().expect("a secret"));
    assert_eq!(hook["events"], serde_json::json!(["bounce"]));
    let listed = printed(&product, "webhook list");
    assert!(listed.contains(id) && listed.contains("active") && !listed.contains(secret), "{listed}");
    assert!(
        printed(&product, "webhook add http://10.0.0.1/ --account acme --allow-private").contains("secret: whsec_")
    );
    let position = hook["position"].as_str().expect("a position");
    assert_eq!(printed(&product, &format!("webhook replay {id}")), format!("{id} goes on after {position}\n"));
    assert_eq!(json(&product, &format!("webhook replay {id} --after aaaaaaaaaaaaa"))["position"], "aaaaaaaaaaaaa");
    assert_eq!(printed(&product, &format!("webhook remove {id}")), format!("{id} removed\n"));
    fails(&product, &format!("webhook remove {id}"), 65, &[id, "no such webhook"]);
    product.stop();
}

#[test]
fn an_agent_answers_from_the_command_line_with_files() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    let agent = json(&product, "agent add Sara@agents.example --name Sara --account acme --inbox website --no-mail");
    assert_eq!((&agent["email"], &agent["by_mail"]), (&"sara@agents.example".into(), &false.into()));
    let listed = printed(&product, "agent list --account acme");
    assert!(listed.contains("sara@agents.example") && listed.contains("website"), "{listed}");
    std::fs::write(product.dir.path().join("plan.pdf"), "%PDF").expect("a file");
    let reply =
        format!("conversation reply {conversation} --text Gladly. --agent sara@agents.example --attach plan.pdf");
    let message = json(&product, &reply);
    assert_eq!(message["author"]["name"], "Sara");
    assert_eq!(
        (&message["attachments"][0]["name"], &message["attachments"][0]["type"]),
        (&"plan.pdf".into(), &"application/pdf".into())
    );
    assert_eq!(message["delivery"]["state"], "waiting");
    assert!(printed(&product, &reply.replace(" --attach plan.pdf", "")).ends_with("waiting\n"));
    let typo = format!("conversation reply {conversation} --text Hm. --agent sarah@agents.example");
    fails(&product, &typo, 65, &["sarah@agents.example", "replyd agent list"]);
    assert_eq!(json(&product, &typo.replace("sarah@agents.example", "Ben"))["author"]["name"], "Ben", "a free name");
    let shown = printed(&product, &format!("conversation show {conversation}"));
    assert!(shown.contains("plan.pdf") && shown.contains("(by mail: waiting"), "{shown}");
    assert_eq!(printed(&product, "agent remove SARA@agents.example"), "SARA@agents.example removed\n");
    assert_eq!(json(&product, "agent list")["items"], serde_json::json!([]));
    product.stop();
}

#[test]
fn an_answer_may_come_on_standard_input() {
    use std::io::Write;
    let product = Product::start();
    let conversation = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
    command.args(["conversation", "reply", &conversation, "--text", "-", "--json", "--config"]);
    command.arg(product.dir.path().join("replyd.toml")).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("replyd runs");
    child.stdin.take().expect("standard input").write_all(b"Dear Jane,\n\ntry again.\n").expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let message: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(message["text"], "Dear Jane,\n\ntry again.\n");
    product.stop();
}

#[test]
fn an_outgoing_mail_is_listed_shown_held_released_cancelled_and_retried() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    let entry =
        json(&product, &format!("queue list --conversation {conversation} --state waiting"))["items"][0].clone();
    let id = entry["id"].as_str().expect("an id");
    let listed = printed(&product, "queue list --recipient jane");
    assert!(listed.starts_with("ID ") && listed.contains(id) && listed.contains("waiting"), "{listed}");
    let shown = printed(&product, &format!("queue show {id}"));
    assert!(shown.starts_with(&format!("id                 {id}\nstate              waiting\n")), "{shown}");
    assert_eq!(printed(&product, &format!("queue hold {id}")), format!("{id} waiting, held\n"));
    assert_eq!(printed(&product, &format!("queue release {id}")), format!("{id} waiting\n"));
    assert_eq!(json(&product, &format!("queue cancel {id}"))["state"], "cancelled");
    let output = replyd(&product, &format!("queue cancel {id}"));
    assert_eq!(output.status.code(), Some(65), "{output:?}");
    printed(&product, &format!("queue retry {id}"));
    product.stop();
}

#[test]
fn orders_go_to_all_mail_that_fits_a_filter() {
    let product = Product::start();
    for _ in 0..3 {
        product.begin(&kettle());
    }
    assert_eq!(printed(&product, "queue hold --domain customer.example --dry-run"), "3 mails would be held\n");
    assert_eq!(printed(&product, "queue hold --recipient jane --older-than 0s"), "3 mails held\n");
    assert_eq!(printed(&product, "queue hold --all"), "0 mails held\n");
    assert_eq!(printed(&product, "queue release --all"), "3 mails released\n");
    let id = json(&product, "queue list --domain customer.example --limit 1")["items"][0]["id"].clone();
    let id = id.as_str().expect("an id");
    assert_eq!(printed(&product, &format!("queue fail {id} --reason closed")), format!("{id} failed\n"));
    assert_eq!(json(&product, &format!("queue show {id}"))["reason"], "failed by hand: closed");
    let failed = json(&product, "queue fail --account acme --state waiting --reason closed");
    assert_eq!(failed, serde_json::json!({ "matched": 2, "changed": 2, "left": 0, "left_reason": null }));
    assert_eq!(printed(&product, "queue cancel --host mx.nowhere.example"), "0 mails cancelled\n");
    fails(&product, "queue hold", 64, &["--all"]);
    fails(&product, &format!("queue hold {id} --all"), 64, &["--all"]);
    fails(&product, "queue fail --all", 64, &["--reason"]);
    fails(&product, "queue hold --older-than soon", 65, &["older_than", "2 h"]);
    product.stop();
}

#[test]
fn a_suppressed_address_is_listed_and_cleared() {
    // Of a chat its contact would turn off the mail of that chat alone.
    let by_mail = "name = \"website\"\nchannel = \"email\"\n";
    let product = Product::with(&CONFIG.replacen("name = \"website\"\n", by_mail, 1));
    product.begin(&kettle());
    let entry = json(&product, "queue list")["items"][0].clone();
    let entry = entry["id"].as_str().expect("an id").parse().expect("an id");
    product.runtime.block_on(product.store.unsubscribe(entry)).expect("it is there");
    let listed = printed(&product, "suppression list");
    assert!(listed.contains("jane@customer.example") && listed.contains("unsubscribed"), "{listed}");
    let clear = "suppression clear jane@customer.example --account acme";
    assert_eq!(printed(&product, clear), "jane@customer.example gets mail again\n");
    fails(&product, clear, 65, &["no such", "jane@customer.example"]);
    product.stop();
}

#[test]
fn a_backup_goes_where_the_caller_may_write_and_restores() {
    let product = Product::start();
    let id = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    printed(&product, "backup copy.db");
    assert_eq!(
        json(&product, "backup again.db")["file"],
        product.dir.path().join("again.db").to_str().unwrap_or_default()
    );
    fails(&product, "backup copy.db", 73, &["copy.db", "not overwritten"]);
    fails(&product, "backup absent/copy.db", 73, &["absent/copy.db", "make its folder"]);
    let spool = std::fs::read_dir(product.dir.path().join("data/spool")).expect("the spool");
    assert_eq!(spool.count(), 0, "nothing is left in the data directory");
    let restored = product.dir.path().join("restored");
    std::fs::create_dir(&restored).expect("a folder");
    std::fs::rename(product.dir.path().join("copy.db"), restored.join("replyd.db")).expect("the copy is there");
    let store = replyd::store::Store::open(&restored, replyd::clock::Clock::System).expect("it opens");
    let found = product.runtime.block_on(store.conversation(id.parse().expect("an id"))).expect("it is there");
    assert_eq!(found.subject.as_deref(), Some("Broken kettle"));
    product.runtime.block_on(store.close());
    product.stop();
}

#[test]
fn bad_input_has_its_exit_code_and_names_the_thing() {
    let product = Product::start();
    for (words, code, says) in [
        ("conversation show nope", 65, &["nope", "list"][..]),
        ("conversation show aaaaaaaaaaaaa", 65, &["aaaaaaaaaaaaa", "no such conversation"]),
        ("conversation status aaaaaaaaaaaaa open", 65, &["no such conversation"]),
        ("conversation revoke aaaaaaaaaaaaa", 65, &["no such conversation"]),
        ("conversation status aaaaaaaaaaaaa closed", 64, &["closed", "open, resolved, snoozed"]),
        ("conversation new --inbox website", 65, &["account"]),
        ("conversation new --account acme --inbox nope", 65, &["inbox", "\"nope\"", "website"]),
        ("conversation new --account nope --inbox website", 65, &["account", "\"nope\""]),
        ("conversation new --account acme --inbox website --email x", 65, &["contact.email"]),
        ("conversation list --limit 0", 65, &["limit", "1 to 200"]),
        ("conversation list --status lost", 64, &["lost"]),
        ("inbound show nope", 65, &["nope"]),
        ("inbound list --cursor x", 65, &["cursor", "next of the page before"]),
        ("inbound retry-bridge aaaaaaaaaaaaa", 65, &["aaaaaaaaaaaaa"]),
        ("inbound cancel-bridge aaaaaaaaaaaaa", 65, &["aaaaaaaaaaaaa"]),
        ("webhook add nonsense --account acme", 65, &["url", "http or https"]),
        ("webhook add https://a.example/ --account nope", 65, &["account", "\"nope\""]),
        ("webhook add https://a.example/ --event deleted", 64, &["deleted", "message.created"]),
        ("webhook replay aaaaaaaaaaaaa", 65, &["aaaaaaaaaaaaa", "no such webhook"]),
        ("queue show nope", 65, &["nope", "list"]),
        ("queue retry aaaaaaaaaaaaa", 65, &["aaaaaaaaaaaaa", "no such queue entry"]),
        ("queue list --state lost", 64, &["lost", "waiting"]),
        ("agent add sara --name S --account acme", 65, &["email"]),
        ("agent add support@acme.example --name S --account acme", 65, &["email", "replyd's own"]),
        ("agent add s@x.example --name S --account nope", 65, &["\"nope\""]),
        ("agent add s@x.example --name S --account acme --inbox nope", 65, &["inboxes", "\"nope\"", "website"]),
        ("agent remove s@x.example", 65, &["s@x.example", "agent list"]),
        ("conversation reply aaaaaaaaaaaaa --text x", 65, &["aaaaaaaaaaaaa", "no such conversation"]),
        ("conversation reply aaaaaaaaaaaaa --text x --attach absent.pdf", 66, &["absent.pdf", "can be read"]),
        ("conversation reply aaaaaaaaaaaaa", 64, &["--text"]),
        ("token add --account nope", 65, &["\"nope\""]),
        ("token add", 64, &["--account"]),
        ("token revoke aaaaaaaaaaaaa", 65, &["aaaaaaaaaaaaa"]),
    ] {
        fails(&product, words, code, says);
    }
    product.stop();
}

#[test]
fn a_store_that_takes_nothing_is_a_reason_to_try_again_later() {
    let product = Product::start();
    product.store.inject(replyd::store::Fault::FailCommits(u32::MAX));
    fails(&product, "conversation new --account acme --inbox website", 75, &["try again"]);
    product.stop();
}

#[test]
fn a_conversation_tells_who_is_there_and_when_and_why_a_mail_is_due() {
    let product = Product::start();
    let conversation = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    let show = format!("conversation show {conversation}");
    let shown = printed(&product, &show);
    assert!(
        shown.contains("\nin the chat    absent\nby mail        20")
            && shown.contains("\nwhy            the contact has left"),
        "{shown}"
    );
    let id = conversation.parse().expect("an id");
    product.runtime.block_on(product.store.seen(id, None)).expect("seen");
    let shown = printed(&product, &show);
    assert!(shown.contains("\nno mail        nothing is unseen\n") && shown.contains("(by mail: seen"), "{shown}");
    product.stop();
}
