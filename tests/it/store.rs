//! The store keeps what it acknowledged, once, through crashes, full disks and failed syncs.

use replyd::clock::{Clock, UnixMs};
use replyd::conversation::delivery::Posting;
use replyd::conversation::id::Id;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Ingress, Outcome, Status, Via};
use replyd::store::ledger::{LedgerQuery, Refusal};
use replyd::store::mail_file::MailOctets;
use replyd::store::query::ConversationQuery;
use replyd::store::unit::{Acceptance, Destination, FilingResult, NewConversation, NewMessage, TokenState};
use replyd::store::{Fault, Store, StoreError};
use std::path::Path;

const NOW: UnixMs = UnixMs(1_790_000_000_000);
const DAY_MS: i64 = 24 * 3600 * 1000;

fn open(path: &Path) -> (Store, Clock) {
    let clock = Clock::fixed(NOW);
    (Store::open(path, clock.clone()).expect("the store opens"), clock)
}

fn mail(octets: &str, recipients: &[&str]) -> Acceptance {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets.as_bytes()).as_ref());
    Acceptance {
        ingress: Ingress::Smtp,
        session: "s1".into(),
        remote_ip: "192.0.2.1".parse().ok(),
        helo: Some("mx.example".into()),
        tls: None,
        envelope_from: Some("ann@example.org".into()),
        recipients: recipients.iter().map(|to| ((*to).to_owned(), "acme".to_owned())).collect(),
        octets: MailOctets::Memory(octets.as_bytes().to_vec()),
        sha256,
        identity: None,
        message_id: Some("m1@example.org".into()),
        auth: serde_json::json!({"verdict": "authentic"}),
        require_tls: false,
        reply: "250 2.0.0 ok".into(),
        bridged: Vec::new(),
    }
}

fn spilled(store: &Store, name: &str, octets: &str) -> Acceptance {
    let path = store.spool_dir().join(name);
    std::fs::write(&path, octets).expect("spool is writable");
    Acceptance { octets: MailOctets::Spilled { path, octets: octets.len() as u64 }, ..mail(octets, &["a@r.example"]) }
}

fn refusal(to: &str) -> Refusal {
    Refusal {
        ingress: Ingress::Smtp,
        session: "s2".into(),
        remote_ip: None,
        helo: None,
        tls: None,
        envelope_from: Some(String::new()),
        envelope_to: Some(to.into()),
        account: Some("acme".into()),
        message_id: None,
        size: None,
        sha256: None,
        outcome: Outcome::Rejected,
        reason: "unknown token".into(),
        reply: "550 5.1.1 no such address".into(),
        auth: None,
    }
}

fn message(text: &str, kind: AuthorKind) -> NewMessage {
    let direction = if kind == AuthorKind::Agent { Direction::Outgoing } else { Direction::Incoming };
    NewMessage {
        uploads: Vec::new(),
        posting: Posting::default(),
        direction,
        author: Author { kind, name: None, email: None },
        via: Via::Api,
        text: text.into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
    }
}

fn conversation(email: Option<&str>, identifier: Option<&str>) -> NewConversation {
    NewConversation {
        account: "acme".into(),
        inbox: "website".into(),
        channel: Channel::Widget,
        contact_name: None,
        contact_email: email.map(str::to_owned),
        contact_identifier: identifier.map(str::to_owned),
        subject: Some("Teapots".into()),
        messages: vec![message("do they pour well?", AuthorKind::Contact)],
    }
}

/// The writer stands still until this is dropped.
fn hold(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (release, until) = std::sync::mpsc::channel();
    store.inject(Fault::Hold(until));
    release
}

async fn entries(store: &Store) -> Vec<(Option<String>, Outcome)> {
    let page = store.ledger(LedgerQuery { limit: 100, ..LedgerQuery::default() }).await.expect("the ledger is read");
    page.items.into_iter().map(|entry| (entry.envelope_to, entry.outcome)).collect()
}

#[tokio::test]
async fn an_accepted_mail_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let accepted = store.accept(mail("hello", &["a@r.example", "b@r.example"])).await.unwrap();
    drop(store);
    let (store, _) = open(dir.path());
    let found = store.unfiled(None, 10).await.unwrap();
    let ids: Vec<Id> = found.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, accepted.iter().map(|entry| entry.ledger_id).collect::<Vec<_>>());
    assert_eq!(found[0].raw_id, found[1].raw_id, "recipients share the raw mail");
    assert_eq!(store.raw_mail(found[0].raw_id.unwrap()).await.unwrap(), b"hello");
    assert_eq!(found[0].auth, Some(serde_json::json!({"verdict": "authentic"})));
    assert_eq!(store.unfiled(Some(ids[0]), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_same_octets_for_the_same_recipient_are_a_duplicate_for_seven_days() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = open(dir.path());
    let duplicates = async |acceptance| {
        let entries = store.accept(acceptance).await.unwrap();
        entries.into_iter().map(|entry| entry.duplicate).collect::<Vec<_>>()
    };
    assert_eq!(duplicates(mail("x", &["a@r.example", "a@r.example"])).await, [false, true]);
    assert_eq!(duplicates(mail("x", &["a@r.example", "b@r.example"])).await, [true, false]);
    assert_eq!(duplicates(mail("y", &["a@r.example"])).await, [false]);
    clock.set(UnixMs(NOW.0 + 7 * DAY_MS));
    assert_eq!(duplicates(mail("x", &["b@r.example"])).await, [true]);
    clock.set(UnixMs(NOW.0 + 7 * DAY_MS + 1));
    assert_eq!(duplicates(mail("x", &["a@r.example"])).await, [false]);
    assert_eq!(store.unfiled(None, 10).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_large_mail_lives_beside_the_database_and_leftovers_are_collected() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let first = store.accept(spilled(&store, "1", "large")).await.unwrap();
    let again = store.accept(spilled(&store, "2", "large")).await.unwrap();
    assert!(again[0].duplicate);
    let raw_id = store.ledger_entry(first[0].ledger_id).await.unwrap().raw_id.unwrap();
    let files = || std::fs::read_dir(dir.path().join("mail")).unwrap().count();
    assert_eq!(files(), 1, "the duplicate's file is removed");
    assert_eq!(std::fs::read_dir(store.spool_dir()).unwrap().count(), 0);
    std::fs::write(dir.path().join("mail").join(format!("{}.eml", Id(5))), "torn").unwrap();
    std::fs::write(store.spool_dir().join("half"), "torn").unwrap();
    drop(store);
    let (store, _) = open(dir.path());
    assert_eq!((files(), std::fs::read_dir(store.spool_dir()).unwrap().count()), (1, 0));
    assert_eq!(store.raw_mail(raw_id).await.unwrap(), b"large");
}

#[tokio::test]
async fn a_second_process_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let second = Store::open(dir.path(), Clock::fixed(NOW)).unwrap_err().to_string();
    assert!(second.contains("another replyd uses it") && second.contains("server.data_dir"), "{second}");
    drop(store);
    open(dir.path());
}

#[tokio::test]
async fn refusals_are_in_the_ledger_without_being_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    store.refuse(refusal("nobody@r.example"));
    store.refuse(refusal("noone@r.example"));
    let expected = ["noone@r.example", "nobody@r.example"].map(|to| (Some(to.to_owned()), Outcome::Rejected));
    assert_eq!(entries(&store).await, expected);
    store.refuse(refusal("late@r.example"));
    store.close().await;
    let (store, _) = open(dir.path());
    assert_eq!(entries(&store).await.len(), 3);
}

#[tokio::test]
async fn a_refusal_of_a_size_beyond_all_bounds_leaves_the_store_healthy() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    store.refuse(Refusal { size: Some(u64::MAX), ..refusal("nobody@r.example") });
    store.accept(mail("a", &["reply+1@r.example"])).await.expect("the next mail is taken");
    store.health().expect("the store is healthy");
    let page = store.ledger(LedgerQuery { limit: 10, ..LedgerQuery::default() }).await.expect("the ledger is read");
    assert!(page.items.iter().any(|entry| entry.size == Some(i64::MAX as u64)), "{:?}", page.items);
}

#[tokio::test]
async fn refusals_are_kept_for_thirty_days() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = open(dir.path());
    store.refuse(refusal("old@r.example"));
    entries(&store).await;
    clock.set(UnixMs(NOW.0 + 31 * DAY_MS));
    store.refuse(refusal("young@r.example"));
    let left = entries(&store).await;
    assert_eq!(left, [(Some("young@r.example".to_owned()), Outcome::Rejected)]);
}

#[tokio::test]
async fn refusals_beyond_the_queue_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let release = hold(&store);
    for n in 0..4096 + 2 {
        store.refuse(refusal(&format!("nobody{n}@r.example")));
    }
    drop(release);
    let deferred = LedgerQuery { outcome: Some(Outcome::Deferred), limit: 10, ..LedgerQuery::default() };
    let summary = store.ledger(deferred).await.unwrap().items;
    assert_eq!(summary.len(), 1);
    assert!(summary[0].reason.starts_with("2 more refusals"), "{}", summary[0].reason);
}

#[tokio::test]
async fn concurrent_units_share_commits() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let before = store.counters();
    let release = hold(&store);
    let mails = (0..400).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { store.accept(mail(&format!("mail {n}"), &["a@r.example"])).await.unwrap() })
    });
    let mails: Vec<_> = mails.collect();
    tokio::spawn(async move { drop(release) });
    for accepted in mails {
        accepted.await.unwrap();
    }
    let after = store.counters();
    assert_eq!((after.units - before.units, after.waiting), (400, 0));
    assert_eq!(after.batches - before.batches, 4, "128 units share a commit");
}

#[tokio::test]
async fn one_units_error_leaves_the_others_of_its_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let release = hold(&store);
    let (missing, accepted, ()) = tokio::join!(
        store.append_message(Id(1), message("lost", AuthorKind::Agent)),
        store.accept(mail("kept", &["a@r.example"])),
        async { drop(release) },
    );
    assert_eq!(store.counters().batches, 1);
    assert!(matches!(missing, Err(StoreError::NotFound("conversation"))));
    assert_eq!((accepted.unwrap().len(), store.health().is_ok()), (1, true));
    assert_eq!(store.unfiled(None, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_and_recovers_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    store.accept(mail("before", &["a@r.example"])).await.unwrap();
    store.inject(Fault::PagesMax(1));
    let large = "x".repeat(100_000);
    let refused = store.accept(mail(&large, &["a@r.example"])).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert!(matches!(store.health(), Err(StoreError::Full(_))));
    assert!(store.accept(mail("still full", &["a@r.example"])).await.is_err(), "one page more proves no room");
    store.inject(Fault::PagesMax(0));
    store.accept(mail(&large, &["a@r.example"])).await.unwrap();
    assert!(store.health().is_ok());
    assert_eq!(store.unfiled(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_failed_sync_is_an_error_for_all_of_its_batch_and_the_store_mends_itself() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    store.accept(mail("before", &["a@r.example"])).await.unwrap();
    store.inject(Fault::FailCommits(u32::MAX));
    let release = hold(&store);
    let (one, two, ()) =
        tokio::join!(store.accept(mail("1", &["a@r.example"])), store.accept(mail("2", &["a@r.example"])), async {
            drop(release)
        },);
    assert!(one.is_err() && two.is_err());
    assert!(matches!(store.health(), Err(StoreError::Unhealthy(_))));
    store.inject(Fault::FailCommits(0));
    assert!(!store.accept(mail("1", &["a@r.example"])).await.unwrap()[0].duplicate, "nothing of it was committed");
    assert!(store.health().is_ok());
    assert_eq!(store.unfiled(None, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_lock_of_another_process_is_busy_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let shell = rusqlite::Connection::open(dir.path().join("replyd.db")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.accept(mail("1", &["a@r.example"])).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    assert!(store.token_state(replyd::conversation::reply_token::ReplyToken([7; 16])).await.is_ok(), "reading goes on");
    shell.execute_batch("ROLLBACK").unwrap();
    store.accept(mail("1", &["a@r.example"])).await.unwrap();
    assert!(store.health().is_ok());
}

#[test]
fn a_damaged_database_is_not_opened_and_the_error_names_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("replyd.db"), "no database".repeat(1000)).unwrap();
    let refused = Store::open(dir.path(), Clock::fixed(NOW)).unwrap_err().to_string();
    assert!(refused.contains("restore a backup"), "{refused}");
}

#[tokio::test]
async fn a_conversation_has_a_token_that_lives_until_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let made = store.new_conversation(conversation(Some("Ann@Example.org"), None)).await.unwrap();
    let (account, conversation_id) = ("acme".to_owned(), made.id);
    let state = store.token_state(made.reply_token).await.unwrap();
    assert_eq!(state, TokenState::Live { account: account.clone(), conversation_id, agent: None });
    let unknown = replyd::conversation::reply_token::ReplyToken([7; 16]);
    assert_eq!(store.token_state(unknown).await.unwrap(), TokenState::Unknown);
    store.expire_tokens(made.id, Some(NOW)).await.unwrap();
    let state = store.token_state(made.reply_token).await.unwrap();
    assert_eq!(state, TokenState::Expired { account: account.clone() });
    store.expire_tokens(made.id, Some(UnixMs(NOW.0 + 1))).await.unwrap();
    assert!(matches!(store.token_state(made.reply_token).await.unwrap(), TokenState::Live { .. }));
    store.revoke_tokens(made.id).await.unwrap();
    store.expire_tokens(made.id, None).await.unwrap();
    assert_eq!(store.token_state(made.reply_token).await.unwrap(), TokenState::Revoked { account });
    assert_eq!(store.conversation(made.id).await.unwrap().reply_token_until, Some(NOW));
}

#[tokio::test]
async fn a_contact_is_one_per_identifier_and_per_email_of_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let contact =
        async |email, identifier| store.new_conversation(conversation(email, identifier)).await.unwrap().contact;
    let ann = contact(Some("ann@example.org"), None).await;
    assert_eq!(contact(Some("ANN@example.org"), None).await.id, ann.id);
    let visitor = contact(None, Some("v1")).await;
    assert_ne!(visitor.id, ann.id);
    let typed = contact(Some("ann@example.org"), Some("v1")).await;
    assert_eq!((typed.id, typed.email), (visitor.id, None), "an email of another contact is not taken over");
    assert_eq!(contact(Some("v@example.org"), Some("v1")).await.email.as_deref(), Some("v@example.org"));
}

#[tokio::test]
async fn conversations_are_listed_by_latest_activity_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let (store, clock) = open(dir.path());
    let mut made = Vec::new();
    for n in 0..5 {
        clock.set(UnixMs(NOW.0 + n));
        made.push(store.new_conversation(conversation(None, Some(&format!("v{n}")))).await.unwrap().id);
    }
    clock.set(UnixMs(NOW.0 + 100));
    store.append_message(made[0], message("It pours 100% well", AuthorKind::Agent)).await.unwrap();
    let mut query = ConversationQuery { account: Some("acme".into()), limit: 2, ..ConversationQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.conversations(query.clone()).await.unwrap();
        seen.extend(page.items.iter().map(|item| item.id));
        let Some(next) = page.next else { break };
        query.cursor = Some(next.parse().unwrap());
    }
    assert_eq!(seen, [made[0], made[4], made[3], made[2], made[1]]);
    let search = async |account: Option<&str>, text: &str| {
        let query = ConversationQuery {
            account: account.map(str::to_owned),
            query: Some(text.into()),
            limit: 10,
            ..ConversationQuery::default()
        };
        store.conversations(query).await.unwrap().items.len()
    };
    assert_eq!((search(None, "100%").await, search(Some("acme"), "teapots").await), (1, 5));
    assert_eq!((search(None, "1%0").await, search(Some("other"), "teapots").await), (0, 0));
    let first = store.conversation(made[0]).await.unwrap();
    assert_eq!((first.unseen_by_contact, first.last_message_at), (1, Some(UnixMs(NOW.0 + 100))));
}

#[tokio::test]
async fn a_mail_counts_from_when_it_was_received_however_late_it_is_filed() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (store, clock) = open(dir.path());
    let begun = store.new_conversation(conversation(Some("ann@example.org"), None)).await.expect("begun");
    clock.set(UnixMs(NOW.0 + 10));
    let early = store.accept(mail("early", &["reply+1@r.example"])).await.expect("accepted").remove(0).ledger_id;
    clock.set(UnixMs(NOW.0 + 20));
    let late = store.accept(mail("late", &["reply+1@r.example"])).await.expect("accepted").remove(0).ledger_id;
    clock.set(UnixMs(NOW.0 + DAY_MS));
    for (ledger_id, text) in [(late, "late"), (early, "early")] {
        let received_at = store.ledger_entry(ledger_id).await.expect("the entry").received_at;
        let result = FilingResult {
            agent: None,
            bounce: None,
            orders: Vec::new(),
            ledger_id,
            account: "acme".into(),
            destination: Destination::Existing(begun.id),
            message: Some(message(text, AuthorKind::Contact)),
            reason: "a test".into(),
            message_id: None,
            received_at,
        };
        store.file(result).await.expect("filed");
    }
    let messages = store.messages(begun.id, 10).await.expect("messages");
    let told: Vec<_> = messages.iter().map(|message| (message.text.as_str(), message.created_at.0 - NOW.0)).collect();
    assert_eq!(told, [("do they pour well?", 0), ("early", 10), ("late", 20)]);
    let last = store.conversation(begun.id).await.expect("the conversation").last_message_at;
    assert_eq!(last, Some(UnixMs(NOW.0 + 20)));
}

#[tokio::test]
async fn a_copy_shows_where_its_mail_is_whether_it_came_before_filing_or_after() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (store, _) = open(dir.path());
    let begun = store.new_conversation(conversation(Some("ann@example.org"), None)).await.expect("begun");
    let both = ["a@r.example", "b@r.example"];
    let first = store.accept(mail("one", &both)).await.expect("accepted");
    let before = store.accept(mail("one", &both)).await.expect("accepted");
    let result = FilingResult {
        agent: None,
        bounce: None,
        orders: Vec::new(),
        ledger_id: first[0].ledger_id,
        account: "acme".into(),
        destination: Destination::Existing(begun.id),
        message: Some(message("one", AuthorKind::Contact)),
        reason: "a test".into(),
        message_id: None,
        received_at: NOW,
    };
    let filed = store.file(result).await.expect("filed");
    let after = store.accept(mail("one", &both)).await.expect("accepted");
    for copies in [before, after] {
        for (copy, expected) in copies.iter().zip([(filed.conversation_id, filed.message_id), (None, None)]) {
            let entry = store.ledger_entry(copy.ledger_id).await.expect("the entry");
            assert_eq!(entry.outcome, Outcome::Duplicate);
            assert_eq!((entry.conversation_id, entry.message_id_stored), expected, "{:?}", entry.envelope_to);
        }
    }
}

#[tokio::test]
async fn an_idempotency_key_answers_the_first_message() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let id = store.new_conversation(conversation(None, Some("v"))).await.unwrap().id;
    let keyed = |text| NewMessage { idempotency_key: Some("k".into()), ..message(text, AuthorKind::Agent) };
    let first = store.append_message(id, keyed("once")).await.unwrap();
    assert_eq!(store.append_message(id, keyed("twice")).await.unwrap(), first);
    assert_eq!(store.messages(id, 10).await.unwrap().len(), 2);
    let changed = store.update_conversation(id, Some(Status::Resolved), Some("bo@x".into()), None).await.unwrap();
    assert_eq!((changed.status, changed.subject.as_deref()), (Status::Resolved, Some("Teapots")));
    store.append_message(id, message("me again", AuthorKind::Contact)).await.unwrap();
    assert_eq!(store.conversation(id).await.unwrap().status, Status::Open);
}

#[tokio::test]
async fn a_backup_restores_with_its_large_mails() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir.path().join("live"));
    let accepted = store.accept(spilled(&store, "1", "large")).await.unwrap();
    let made = store.new_conversation(conversation(Some("a@b.example"), None)).await.unwrap();
    let file = dir.path().join("backup.db");
    store.backup(file.clone()).await.unwrap();
    let again = store.backup(file.clone()).await.unwrap_err().to_string();
    assert!(again.contains("it exists already"), "{again}");
    std::fs::create_dir(dir.path().join("restored")).unwrap();
    std::fs::rename(&file, dir.path().join("restored/replyd.db")).unwrap();
    let (restored, _) = open(&dir.path().join("restored"));
    let raw_id = restored.ledger_entry(accepted[0].ledger_id).await.unwrap().raw_id.unwrap();
    assert_eq!(restored.raw_mail(raw_id).await.unwrap(), b"large");
    assert_eq!(restored.conversation(made.id).await.unwrap(), made);
}

#[tokio::test]
async fn api_tokens_speak_for_their_account_until_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let id = store.add_api_token("acme", [1; 32]).await.unwrap();
    assert_eq!(store.api_token_account([1; 32]).await.unwrap().as_deref(), Some("acme"));
    assert_eq!(store.api_token_account([2; 32]).await.unwrap(), None);
    store.revoke_api_token(id).await.unwrap();
    assert_eq!(store.api_token_account([1; 32]).await.unwrap(), None);
    assert!(store.api_tokens().await.unwrap()[0].revoked_at.is_some());
    assert!(matches!(store.revoke_api_token(Id(1)).await, Err(StoreError::NotFound(_))));
}
