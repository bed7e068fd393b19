//! Search finds what was said and who said it, in any language, of one account alone, page by page.

use replyd::clock::{Clock, UnixMs};
use replyd::conversation::delivery::Posting;
use replyd::conversation::id::Id;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Status, Via};
use replyd::store::Store;
use replyd::store::query::ConversationQuery;
use replyd::store::unit::{NewConversation, NewMessage};
use std::path::Path;

const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn open(path: &Path) -> Store {
    Store::open(path, Clock::fixed(NOW)).expect("the store opens")
}

fn message(name: &str, text: &str) -> NewMessage {
    NewMessage {
        direction: Direction::Incoming,
        author: Author { kind: AuthorKind::Contact, name: Some(name.into()), email: None },
        via: Via::Api,
        text: text.into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting: Posting::default(),
    }
}

async fn begin(store: &Store, account: &str, email: &str, subject: &str, texts: &[&str]) -> Id {
    let new = NewConversation {
        account: account.into(),
        inbox: "website".into(),
        channel: Channel::Widget,
        contact_name: Some("Jané Dœ".into()),
        contact_email: Some(email.into()),
        contact_identifier: None,
        subject: Some(subject.into()),
        messages: texts.iter().map(|text| message("Jane", text)).collect(),
    };
    store.new_conversation(new).await.expect("stored").id
}

fn asked(account: Option<&str>, words: &str) -> ConversationQuery {
    ConversationQuery {
        account: account.map(str::to_owned),
        query: Some(words.into()),
        limit: 50,
        ..ConversationQuery::default()
    }
}

async fn found(store: &Store, account: Option<&str>, words: &str) -> Vec<Id> {
    let page = store.conversations(asked(account, words)).await.expect("an answer");
    page.items.into_iter().map(|item| item.id).collect()
}

#[tokio::test]
async fn words_people_and_subjects_are_found_in_any_case_and_language() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let texts = ["My kettle LEAKS since Tuesday", "Die Tür des Kühlschranks", "我的电热水壶坏了", "order 4711-b"];
    let kettle = begin(&store, "acme", "jane@customer.example", "Broken élan", &texts).await;
    let other = begin(&store, "acme", "joe@elsewhere.example", "Refund", &["where is my money?"]).await;
    for (words, expected) in [
        ("kettle", vec![kettle]),
        ("leaks KETTLE", vec![kettle]),
        ("kett", vec![kettle]),
        ("kett ", vec![]),
        ("ettle", vec![]),
        ("kettle money", vec![]),
        ("tur kuhlschranks", vec![kettle]),
        ("TÜR", vec![kettle]),
        ("水壶", vec![kettle]),
        ("壶", vec![kettle]),
        ("壶水", vec![]),
        ("4711", vec![kettle]),
        ("broken elan", vec![kettle]),
        ("jane@customer.example", vec![kettle]),
        ("jane", vec![other, kettle]),
        ("elsewhere.exam", vec![other]),
        ("\"money\"", vec![other]),
        ("", vec![other, kettle]),
        ("?!", vec![]),
    ] {
        let mut hits = found(&store, Some("acme"), words).await;
        hits.sort_by_key(|id| std::cmp::Reverse(id.0));
        assert_eq!(hits, expected, "{words:?}");
    }
}

#[tokio::test]
async fn nothing_typed_is_syntax() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let kettle = begin(&store, "acme", "jane@customer.example", "Kettle", &["it leaks"]).await;
    for words in [
        "\"",
        "'",
        "*",
        "leaks*",
        "^leaks",
        "terms:leaks",
        "NEAR(leaks, 2)",
        "leaks OR",
        "(leaks",
        "leaks -kettle",
        "{a b}:",
        "a\0b",
        "--",
        "; DROP TABLE search",
        "%_%",
        "leaks AND NOT",
        "\u{202e}leaks",
        "\u{10ffff}",
    ] {
        store.conversations(asked(Some("acme"), words)).await.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }
    assert_eq!(found(&store, Some("acme"), "(leaks").await, [kettle]);
    assert_eq!(found(&store, Some("acme"), "not leaks").await, [], "NOT is a word");
}

#[tokio::test]
async fn another_accounts_words_are_not_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let acme = begin(&store, "acme", "jane@customer.example", "Kettle", &["it leaks"]).await;
    let bolt = begin(&store, "bolt", "jane@customer.example", "Kettle", &["it leaks secretly"]).await;
    assert_eq!(found(&store, Some("acme"), "leaks").await, [acme]);
    assert_eq!(found(&store, Some("acme"), "secretly").await, []);
    assert_eq!(found(&store, Some("bolt"), "secr").await, [bolt]);
    assert_eq!(found(&store, None, "leaks").await, [bolt, acme], "the owner sees all");
}

#[tokio::test]
async fn pages_hold_each_conversation_once_latest_match_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let mut made = Vec::new();
    for n in 0..20 {
        made.push(
            begin(&store, "acme", &format!("v{n}@customer.example"), "Kettle", &["it leaks", "it still leaks"]).await,
        );
    }
    for id in [made[3], made[7]] {
        store.append_message(id, message("Jane", "leaks again")).await.expect("appended");
    }
    store.update_conversation(made[5], Some(Status::Resolved), None, None).await.expect("changed");
    let mut query = ConversationQuery { status: Some(Status::Open), limit: 6, ..asked(Some("acme"), "leaks") };
    let mut seen = Vec::new();
    loop {
        let page = store.conversations(query.clone()).await.expect("a page");
        seen.extend(page.items.iter().map(|item| item.id));
        let Some(next) = page.next else { break };
        query.cursor = Some(next.parse().expect("our cursor"));
    }
    let mut expected = vec![made[7], made[3]];
    expected.extend(made.iter().rev().filter(|id| ![made[3], made[5], made[7]].contains(*id)));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_changes_is_found_as_it_is_now() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let id = begin(&store, "acme", "jane@customer.example", "Kettle", &["it leaks"]).await;
    assert_eq!(found(&store, Some("acme"), "Kettle").await, [id]);
    store.update_conversation(id, None, None, Some("Teapot".into())).await.expect("changed");
    assert_eq!(found(&store, Some("acme"), "Kettle").await, []);
    assert_eq!(found(&store, Some("acme"), "Teapot").await, [id]);
    store.close().await;
    assert_eq!(found(&open(dir.path()), Some("acme"), "teapot").await, [id], "over a restart");
}

#[tokio::test]
async fn what_was_taken_back_is_not_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let id = begin(&store, "acme", "jane@customer.example", "Kettle", &["it leaks"]).await;
    let mut answer = message("Sara", "you silly customer");
    (answer.direction, answer.author.kind) = (Direction::Outgoing, AuthorKind::Agent);
    answer.posting.held = Some(std::time::Duration::from_secs(10));
    let held = store.append_message(id, answer).await.expect("held").id;
    assert_eq!(found(&store, Some("acme"), "silly").await, [id], "agents see it");
    store.take_back(held).await.expect("taken back");
    assert_eq!(found(&store, Some("acme"), "silly").await, []);
    assert_eq!(found(&store, Some("acme"), "leaks").await, [id]);
}

/// More than a step of the index holds, in a database of before the index.
#[tokio::test]
async fn what_was_there_before_the_index_is_indexed_in_steps() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let texts: Vec<String> = (0..99).map(|n| format!("line {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(begin(&store, "acme", &format!("v{n}@customer.example"), &format!("case{n}"), &texts).await);
    }
    for n in 5..200 {
        made.push(begin(&store, "acme", &format!("v{n}@customer.example"), "many", &[]).await);
    }
    store.close().await;
    let database = rusqlite::Connection::open(dir.path().join("replyd.db")).expect("the database");
    database
        .execute_batch(
            "DELETE FROM progress WHERE name = 'search'; DELETE FROM search_terms; INSERT INTO search (search) VALUES ('delete-all')",
        )
        .expect("as an upgrade leaves it");
    drop(database);
    let store = open(dir.path());
    assert_eq!(found(&store, Some("acme"), "line 98").await.len(), 5);
    assert_eq!(found(&store, Some("acme"), "case3").await, [made[3]]);
    assert_eq!(found(&store, Some("acme"), "v199").await, [made[199]]);
    assert_eq!(found(&store, Some("acme"), "many").await.len(), 50);
}

#[tokio::test]
async fn words_are_found_where_they_stand_in_their_conversation() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    let texts: Vec<String> = (0..60).map(|n| format!("word number{n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let long = begin(&store, "acme", "jane@customer.example", "Kettle", &texts).await;
    begin(&store, "acme", "joe@customer.example", "Other", &["word number7 elsewhere"]).await;
    let messages = store.messages(long, 500).await.expect("its messages");
    // The index is behind the messages; a search waits for nothing, so this one does.
    while found(&store, Some("acme"), "number59").await.is_empty() {
        tokio::task::yield_now().await;
    }
    for (words, expected) in
        [("number7 ", Some(7)), ("WORD", Some(59)), ("number12", Some(12)), ("elsewhere", None), ("?!", None)]
    {
        let at = store.message_with(long, words.into()).await.expect("an answer");
        assert_eq!(at, expected.map(|at: usize| messages[at].id), "{words:?}");
    }
    assert!(store.message_with(Id(1), "word".into()).await.is_err());
}
