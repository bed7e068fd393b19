//! A database of every released version opens, keeps what it holds, and is then the same as a new one.

use replyd::clock::{Clock, UnixMs};
use replyd::conversation::delivery::{DeliveryState, Posting};
use replyd::conversation::model::{Author, AuthorKind, Direction, Outcome, Status, Via};
use replyd::conversation::reply_token::ReplyToken;
use replyd::store::Store;
use replyd::store::query::ConversationQuery;
use replyd::store::unit::{NewMessage, TokenState};
use std::path::Path;
use std::time::Duration;

const V1: &str = include_str!("../../fixtures/database/v1.sql");
const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn old_database(directory: &Path) {
    let database = rusqlite::Connection::open(directory.join("replyd.db")).expect("a new database");
    database.execute_batch(V1).expect("the dump of version 1");
}

fn open(directory: &Path) -> Store {
    Store::open(directory, Clock::fixed(NOW)).expect("the store opens")
}

fn answer() -> NewMessage {
    NewMessage {
        direction: Direction::Outgoing,
        author: Author { kind: AuthorKind::Agent, name: Some("Sara".into()), email: None },
        via: Via::Api,
        text: "We send a new one.".into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting: Posting { to_contact: Some(Duration::ZERO), ..Posting::default() },
    }
}

/// Every table, column and index, in the words they were made with.
fn schema(directory: &Path) -> Vec<(String, String)> {
    let database = rusqlite::Connection::open(directory.join("replyd.db")).expect("the database");
    let mut find =
        database.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").expect("SQL");
    let rows = find.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

#[tokio::test]
async fn a_database_of_version_1_keeps_what_it_holds() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    old_database(dir.path());
    let store = open(dir.path());
    let query = ConversationQuery { limit: 10, ..ConversationQuery::default() };
    let conversation = store.conversations(query).await.expect("conversations").items.remove(0);
    assert_eq!((conversation.status, conversation.snoozed_until), (Status::Snoozed, None));
    assert_eq!(
        (conversation.contact.email.as_deref(), conversation.contact.bounced),
        (Some("jane@customer.example"), None)
    );
    assert_eq!((conversation.participants.len(), conversation.unseen_by_contact), (1, 1));
    let leaks = ConversationQuery { query: Some("leaks".into()), limit: 10, ..ConversationQuery::default() };
    assert_eq!(store.conversations(leaks).await.expect("a search").items.len(), 1, "old messages are found");
    let messages = store.messages(conversation.id, 10).await.expect("messages");
    assert_eq!(
        messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(),
        ["How can I help?", "It leaks."]
    );
    let mail = messages[1].email.as_ref().expect("it came by mail");
    assert_eq!((messages[1].attachments.len(), messages[0].delivery.is_none(), mail.bounce.is_none()), (1, true, true));
    assert!(store.raw_mail(mail.raw_id).await.expect("the raw mail").ends_with(b"It leaks.\r\n"));
    let account = || "acme".to_owned();
    let state = store.token_state(conversation.reply_token).await.expect("a token");
    assert_eq!(state, TokenState::Live { account: account(), conversation_id: conversation.id, agent: None });
    let dead = ReplyToken::from_digits("ff112233445566778899aabbccddeeff").expect("a token");
    assert_eq!(store.token_state(dead).await.expect("a token"), TokenState::Revoked { account: account() });
    assert_eq!(store.api_token_account([1; 32]).await.expect("a token"), Some(account()));
    let unfiled = store.unfiled(None, 10).await.expect("the ledger");
    assert_eq!(unfiled.iter().map(|entry| entry.outcome).collect::<Vec<_>>(), [Outcome::Accepted], "filing goes on");

    let sent = store.append_message(conversation.id, answer()).await.expect("appended");
    assert_eq!(sent.delivery.map(|delivery| delivery.state), Some(DeliveryState::Queued));
    store.close().await;
    assert_eq!(open(dir.path()).messages(conversation.id, 10).await.expect("messages").len(), 3);
}

#[tokio::test]
async fn an_old_database_becomes_what_a_new_one_is() {
    let (old, new) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    old_database(old.path());
    for directory in [old.path(), new.path()] {
        open(directory).close().await;
    }
    assert_eq!(schema(old.path()), schema(new.path()));
}

#[tokio::test]
async fn every_store_has_keys_of_its_own_and_keeps_them() {
    let (old, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    old_database(old.path());
    old_database(other.path());
    let made = async |directory: &Path| {
        let store = open(directory);
        let made = store.keys().message_id(replyd::conversation::id::Id(5), "mx.example");
        store.close().await;
        made
    };
    let first = made(old.path()).await;
    assert_eq!(made(old.path()).await, first);
    assert_ne!(made(other.path()).await, first);
}
