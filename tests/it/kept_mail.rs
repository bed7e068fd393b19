//! Mail that a door was told is taken and that nobody here takes: it is kept for a while, and taken once the config knows
//! whose it is.

use crate::ingress_request::{Door, Request, doors, house_with, mail, open_house};
use crate::product::Product;
use replyd::clock::{Clock, UnixMs};
use replyd::conversation::model::{Ingress, Outcome};
use replyd::limits::KeptRoom;
use replyd::store::ledger::{LedgerEntry, LedgerQuery};
use replyd::store::mail_file::MailOctets;
use replyd::store::unit::{Acceptance, Keeping, TurnedAway};
use replyd::store::{KeptSum, Store};
use serde_json::{Value, json};

fn ledger(product: &Product) -> Vec<Value> {
    product.token("acme");
    product.owner.get("/api/v1/inbound?limit=200", "").json()["items"].as_array().expect("items").clone()
}

fn id(item: &Value) -> &str {
    item["id"].as_str().expect("an id")
}

fn replay(product: &Product, item: &Value) -> (u16, Value) {
    let answer = product.owner.call("POST", &format!("/api/v1/inbound/{}/replay", id(item)), "", "");
    (answer.status, answer.json())
}

/// The entry once it is filed, or whatever it is after that.
fn settled(product: &Product, id: &str) -> Value {
    for _ in 0..10_000 {
        let entry = product.owner.get(&format!("/api/v1/inbound/{id}"), "").json();
        if entry["outcome"] != "accepted" {
            return entry;
        }
    }
    panic!("{id} was never filed");
}

/// The config once its owner has seen the slip.
fn mended(product: Product) -> Product {
    let file = product.dir.path().join("replyd.toml");
    let config = std::fs::read_to_string(&file).expect("the config");
    std::fs::write(&file, config.replace("support@acme.example", "sales@acme.example")).expect("a config");
    product.restarted()
}

#[test]
fn a_mail_for_an_address_with_a_slip_is_kept_and_filed_once_the_config_is_mended() {
    let product = open_house();
    let to = "sales@acme.example";
    let raws: Vec<String> = Door::ALL.iter().map(|door| mail(to, door.word())).collect();
    for (door, raw) in Door::ALL.into_iter().zip(&raws) {
        assert_eq!(Request::bringing(door, raw, to).send(&product).status, door.success());
    }
    let items = ledger(&product);
    for (item, raw) in items.iter().rev().zip(&raws) {
        assert_eq!((&item["outcome"], &item["envelope_to"]), (&json!("rejected"), &json!(to)), "{item}");
        assert!(item["reason"].as_str().is_some_and(|reason| reason.contains("kept and not filed")), "{item}");
        assert!(item["message_id"].is_string() && item["kept_until"].is_string(), "{item}");
        let kept = product.owner.get(&format!("/api/v1/inbound/{}/raw", id(item)), "");
        assert_eq!((kept.status, &kept.body), (200, raw));
        let (status, body) = replay(&product, item);
        assert_eq!((status, &body["error"]["code"]), (409, &json!("still_unknown")), "{body}");
    }
    let metrics = product.tcp.get("/metrics", "").body;
    assert!(metrics.contains("replyd_inbound_kept_mails 5\n"), "{metrics}");
    let product = mended(product);
    for (item, door) in items.iter().rev().zip(Door::ALL) {
        assert_eq!(replay(&product, item).0, 202);
        let entry = settled(&product, id(item));
        assert_eq!((&entry["outcome"], &entry["kept_until"]), (&json!("filed"), &Value::Null), "{entry}");
        assert_eq!((&entry["ingress"], &entry["received_at"]), (&json!(door.word()), &item["received_at"]), "{entry}");
        assert_eq!((&entry["account"], entry["auth"].is_object()), (&json!("acme"), true), "{entry}");
        let conversation = entry["conversation_id"].as_str().expect("a conversation");
        assert_eq!(product.owner.get(&format!("/api/v1/conversations/{conversation}"), "").status, 200);
        assert_eq!(replay(&product, item).0, 409, "once");
    }
    assert_eq!(product.runtime.block_on(product.store.kept_mails()).expect("a sum"), KeptSum::default());
    product.stop();
}

#[test]
fn a_mail_that_came_again_meanwhile_is_not_filed_twice() {
    let product = open_house();
    let to = "sales@acme.example";
    let raw = mail(to, "Again");
    assert_eq!(Request::bringing(Door::Postmark, &raw, to).send(&product).status, 204);
    let product = mended(product);
    assert_eq!(Request::bringing(Door::Sendgrid, &raw, to).send(&product).status, 204, "it is no duplicate");
    let items = ledger(&product);
    let first = settled(&product, id(&items[0]));
    assert_eq!(first["outcome"], "filed");
    assert_eq!(replay(&product, &items[1]).0, 202);
    let second = settled(&product, id(&items[1]));
    assert_eq!(second["outcome"], "duplicate");
    for field in ["conversation_id", "message_id_stored"] {
        assert!(second[field].is_string() && second[field] == first[field], "{second}");
    }
    product.stop();
}

#[test]
fn everybody_whom_an_envelope_names_and_nobody_knows_has_an_entry() {
    let product = open_house();
    let raw = mail("support@acme.example", "To several");
    let with = |to: &[&str]| {
        let envelope = json!({ "to": to, "from": "jane@customer.example" }).to_string();
        let request = Request::bringing(Door::Sendgrid, &raw, "support@acme.example").field("envelope", &envelope);
        assert_eq!(request.send(&product).status, 204);
        ledger(&product)
    };
    let items = with(&["a@reply.acme.example", "support@acme.example", "b@reply.acme.example"]);
    let mut shown: Vec<_> = items.iter().map(|item| item["envelope_to"].to_string()).collect();
    shown.sort();
    assert_eq!(shown, ["\"a@reply.acme.example\"", "\"b@reply.acme.example\"", "\"support@acme.example\""]);
    for item in items.iter().filter(|item| item["envelope_to"] != "support@acme.example") {
        assert_eq!((&item["outcome"], &item["raw_id"]), (&json!("rejected"), &Value::Null), "{item}");
        assert!(item["reason"].as_str().is_some_and(|reason| reason.contains("others of its envelope")), "{item}");
    }
    product.stop();
    let product = open_house();
    let raw = "From: jane@customer.example\r\nSubject: To nobody\r\nMessage-ID: <nobody@x.example>\r\n\r\nHello\r\n";
    let envelope = json!({ "to": ["sales@acme.example", "b@reply.acme.example"] }).to_string();
    let request = Request::bringing(Door::Sendgrid, raw, "").field("envelope", &envelope);
    assert_eq!(request.send(&product).status, 204);
    let items = ledger(&product);
    assert_eq!(items.len(), 2, "{items:?}");
    assert!(items[0]["raw_id"].is_string() && items[0]["raw_id"] == items[1]["raw_id"], "{items:?}");
    let product = mended(product);
    assert_eq!(replay(&product, &items[0]).0, 409);
    assert_eq!(replay(&product, &items[1]).0, 202);
    assert_eq!(settled(&product, id(&items[1]))["outcome"], "filed");
    let other = product.owner.get(&format!("/api/v1/inbound/{}/raw", id(&items[0])), "");
    assert_eq!((other.status, other.body.as_str()), (200, raw), "what is filed stays");
    product.stop();
}

#[test]
fn a_mail_that_goes_round_is_kept_and_may_be_filed_after_all() {
    let product = house_with(&doors(|door| door.secret().to_owned()), "");
    let raw = format!("{}{}", "Received: from a by b; today\r\n".repeat(60), mail("support@acme.example", "Round"));
    assert_eq!(Request::bringing(Door::Mailgun, &raw, "support@acme.example").send(&product).status, 204);
    let items = ledger(&product);
    assert!(items[0]["reason"].as_str().is_some_and(|reason| reason.contains("a loop; kept")), "{items:?}");
    assert_eq!(replay(&product, &items[0]).0, 202);
    assert_eq!(settled(&product, id(&items[0]))["outcome"], "filed");
    product.stop();
}

/// By SMTP its sender would be told; here nobody is, and a forwarder may only have broken a signature.
#[test]
fn a_mail_that_policy_refuses_is_kept_and_shown_as_forged_where_a_person_wants_it() {
    let zone = r#"{"bank.example":[{"TXT":"v=spf1 ip4:192.0.2.66 -all"}],"_dmarc.bank.example":[{"TXT":"v=DMARC1; p=reject"}]}"#;
    let doors = "inbound_domain = \"reply.acme.example\"\ningress.sendgrid = { password = \"sendgrid secret\" }\n";
    let config = crate::product::CONFIG.replace("inbound_domain = \"reply.acme.example\"\n", doors);
    let product = Product::at(&config, zone, Clock::System);
    let raw = mail("support@acme.example", "Money").replace("jane@customer.example", "boss@bank.example");
    let envelope = json!({ "to": ["support@acme.example"], "from": "boss@bank.example" }).to_string();
    let request = Request::bringing(Door::Sendgrid, &raw, "").field("envelope", &envelope);
    assert_eq!(request.send(&product).status, 204);
    let items = ledger(&product);
    assert_eq!(
        (items.len(), &items[0]["outcome"], &items[0]["auth"]["verdict"]),
        (1, &json!("rejected"), &json!("forged"))
    );
    assert!(items[0]["reason"].as_str().is_some_and(|reason| reason.starts_with("forged; kept")), "{items:?}");
    assert_eq!(product.owner.get(&format!("/api/v1/inbound/{}/raw", id(&items[0])), "").body, raw);
    assert_eq!(replay(&product, &items[0]).0, 202);
    let entry = settled(&product, id(&items[0]));
    assert_eq!((&entry["outcome"], &entry["auth"]["verdict"]), (&json!("filed"), &json!("forged")), "{entry}");
    product.stop();
}

#[test]
fn a_store_that_keeps_nothing_makes_the_provider_try_again() {
    let product = open_house();
    product.store.inject(replyd::store::Fault::FailCommits(u32::MAX));
    let to = "sales@acme.example";
    let request = Request::bringing(Door::Postmark, &mail(to, "Trouble"), to);
    assert_eq!(request.send(&product).status, 500);
    product.store.inject(replyd::store::Fault::FailCommits(0));
    product.stop();
}

const NOW: UnixMs = UnixMs(1_790_000_000_000);
const DAY_MS: i64 = 24 * 3600 * 1000;
const ROOM: KeptRoom = KeptRoom { mails_of_account: 3, octets_of_account: 100, octets: 150 };

fn keeping(store: &Store, account: Option<&str>, octets: &str) -> Keeping {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets.as_bytes()).as_ref());
    let path = store.spool_dir().join(octets.split(' ').next().expect("a word"));
    std::fs::write(&path, octets).expect("spool is writable");
    let turned_away = TurnedAway {
        recipient: Some(format!("{octets}@r.example")),
        account: account.map(str::to_owned),
        reason: "550 5.1.1".to_owned(),
    };
    let mail = Acceptance {
        ingress: Ingress::Relay,
        session: "s1".into(),
        remote_ip: None,
        helo: None,
        tls: None,
        envelope_from: None,
        recipients: Vec::new(),
        octets: MailOctets::Spilled { path, octets: octets.len() as u64 },
        sha256,
        identity: None,
        message_id: None,
        auth: Value::Null,
        require_tls: false,
        reply: "204 No Content".into(),
        bridged: Vec::new(),
    };
    Keeping { mail, turned_away: vec![turned_away], room: ROOM }
}

/// Whose octets are still there, oldest first, and how many mails have lost them.
async fn kept(store: &Store) -> (Vec<String>, usize) {
    let page = store.ledger(LedgerQuery { limit: 100, ..LedgerQuery::default() }).await.expect("the ledger is read");
    let (mut there, mut gone) = (Vec::new(), 0);
    for LedgerEntry { raw_id, envelope_to, outcome, reason, kept_until, .. } in page.items.into_iter().rev() {
        assert_eq!(outcome, Outcome::Rejected);
        match raw_id {
            Some(raw_id) => {
                let raw = String::from_utf8(store.raw_mail(raw_id).await.expect("its octets")).expect("text");
                assert_eq!(envelope_to, Some(format!("{raw}@r.example")));
                assert!(kept_until.is_some() && reason.contains("; kept and not filed"), "{reason}");
                there.push(raw.split(' ').next().expect("a word").to_owned());
            }
            None => {
                assert!(kept_until.is_none() && reason.ends_with("; no longer kept"), "{reason}");
                gone += 1;
            }
        }
    }
    (there, gone)
}

fn files(dir: &tempfile::TempDir) -> usize {
    std::fs::read_dir(dir.path().join("mail")).expect("a folder").count()
}

#[tokio::test]
async fn what_is_kept_has_its_room_and_the_oldest_go_first() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let store = Store::open(dir.path(), Clock::fixed(NOW)).expect("the store opens");
    let long = |word: &str| format!("{word} {}", "x".repeat(58 - word.len()));
    for (account, octets, expected, gone) in [
        (Some("acme"), "a1".to_owned(), vec!["a1"], 0),
        (Some("acme"), "a2".to_owned(), vec!["a1", "a2"], 0),
        (Some("acme"), "a3".to_owned(), vec!["a1", "a2", "a3"], 0),
        // By number, by octets, and of another account only where all together have too much.
        (Some("acme"), "a4".to_owned(), vec!["a2", "a3", "a4"], 1),
        (None, long("n1"), vec!["a2", "a3", "a4", "n1"], 1),
        (None, long("n2"), vec!["a2", "a3", "a4", "n2"], 2),
        (Some("acme"), long("a5"), vec!["a3", "a4", "n2", "a5"], 3),
        (Some("bolt"), long("b1"), vec!["a5", "b1"], 6),
    ] {
        store.keep(keeping(&store, account, &octets)).await.expect("kept");
        let (mut there, now_gone) = kept(&store).await;
        let mut expected = expected;
        there.sort();
        expected.sort_unstable();
        assert_eq!((there.iter().map(String::as_str).collect::<Vec<_>>(), now_gone), (expected, gone), "{octets}");
        assert_eq!(files(&dir), there.len());
    }
    store.close().await;
}

#[tokio::test]
async fn what_is_kept_goes_after_thirty_days() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let clock = Clock::fixed(NOW);
    let store = Store::open(dir.path(), clock.clone()).expect("the store opens");
    store.keep(keeping(&store, Some("acme"), "one")).await.expect("kept");
    clock.set(UnixMs(NOW.0 + 29 * DAY_MS));
    store.keep(keeping(&store, Some("acme"), "two")).await.expect("kept");
    store.tend().await.expect("tended");
    assert_eq!(kept(&store).await.0, ["one", "two"]);
    clock.set(UnixMs(NOW.0 + 30 * DAY_MS));
    store.tend().await.expect("tended");
    let (there, gone) = kept(&store).await;
    assert_eq!((there, gone, files(&dir)), (vec!["two".to_owned()], 1, 1));
    assert_eq!(store.kept_mails().await.expect("a sum"), KeptSum { mails: 1, octets: 3 });
    store.close().await;
}
