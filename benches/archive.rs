//! A store that a desk has worked with for years, for `benches/chat`: conversations of two accounts with messages of words as
//! uneven as those of a language, spread over all of its time; agents who have read nearly everything; mails that wait for the chat.
//!
//! `archive --dir D --conversations N --messages M --armed T` writes the rows itself, the store's own tables having been made by
//! the store, then has the store index them, and prints one line of JSON with what that took; `--unindexed yes` leaves that to whoever
//! opens it.

use replyd::clock::{Clock, UnixMs};
use replyd::conversation::id::Id;
use replyd::store::Store;
use replyd::store::query::ConversationQuery;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let options: HashMap<&str, &str> = words
        .chunks(2)
        .filter_map(|pair| Some((pair.first()?.trim_start_matches("--"), pair.get(1)?.as_str())))
        .collect();
    // `cargo bench` without words runs every target.
    let Some(dir) = options.get("dir") else { return println!("archive: run by benches/chat") };
    let number = |name, default| options.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let sizes = Sizes {
        conversations: number("conversations", 100_000),
        messages: number("messages", 1_000_000),
        armed: number("armed", 0),
        now: Clock::System.now().0,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        Store::open(Path::new(dir), Clock::System).expect("a store").close().await;
        let database = Path::new(dir).join("replyd.db");
        fill(&database, &sizes);
        if options.contains_key("unindexed") {
            return;
        }
        let before = std::fs::metadata(&database).expect("the database").len();
        let begun = Instant::now();
        index(Path::new(dir), &database).await;
        let seconds = begun.elapsed().as_secs_f64();
        let octets = std::fs::metadata(&database).expect("the database").len() - before;
        println!(
            "{{\"indexed_per_second\":{:.0},\"index_octets_per_message\":{:.0}}}",
            (sizes.conversations + sizes.messages) as f64 / seconds,
            octets as f64 / sizes.messages as f64
        );
    });
}

struct Sizes {
    conversations: usize,
    messages: usize,
    armed: usize,
    now: i64,
}

/// The store's own index, by what a search asks of it.
async fn index(dir: &Path, database: &Path) {
    let store = Store::open(dir, Clock::System).expect("a store");
    let look = Connection::open(database).expect("the database");
    let is_behind = || -> bool {
        let sql =
            "SELECT (SELECT max(id) FROM messages) > ifnull((SELECT value FROM progress WHERE name = 'search'), 0)";
        look.query_row(sql, [], |row| row.get(0)).expect("an answer")
    };
    while is_behind() {
        let query = ConversationQuery { query: Some("nothing".into()), limit: 1, ..ConversationQuery::default() };
        store.conversations(query).await.expect("a search");
    }
    drop(look);
    store.close().await;
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a usize")
    }
}

/// The n-th word of a made-up language.
fn word(mut n: usize) -> String {
    const SYLLABLES: [&str; 20] = [
        "ka", "to", "mi", "re", "su", "lo", "ne", "pa", "vi", "du", "sha", "ber", "tin", "gor", "mel", "ex", "un",
        "con", "pre", "ing",
    ];
    let mut word = String::new();
    for _ in 0..2 {
        word.push_str(SYLLABLES[n % SYLLABLES.len()]);
        n /= SYLLABLES.len();
    }
    while n > 0 {
        word.push_str(SYLLABLES[n % SYLLABLES.len()]);
        n /= SYLLABLES.len();
    }
    word
}

/// Zipf's law, nearly: the logarithm of a word's rank is even.
fn some_word(dice: &mut Dice) -> String {
    let even = dice.below(1_000_000) as f64 / 1_000_000.0;
    word(((60_000.0_f64).powf(even)) as usize - 1)
}

fn text(dice: &mut Dice) -> String {
    let mut words: Vec<String> = (0..8 + dice.below(32)).map(|_| some_word(dice)).collect();
    if dice.below(2) == 0 {
        words.push("kettle".into());
    }
    if dice.below(50_000) == 0 {
        words.push("zebra".into());
    }
    words.join(" ")
}

/// Of 1,000 days until an hour ago; a stretch of ids for everything that is written at its time.
fn at(sizes: &Sizes, message: usize) -> i64 {
    let (days, hour) = (1000 * 86_400_000_i64, 3_600_000_i64);
    sizes.now - hour - days + days / sizes.messages as i64 * message as i64
}

fn fill(database: &Path, sizes: &Sizes) {
    let mut connection = Connection::open(database).expect("the database");
    connection.execute_batch("PRAGMA synchronous = off; PRAGMA cache_size = -200000").expect("pragmas");
    let writing = connection.transaction().expect("a transaction");
    let per_conversation = sizes.messages / sizes.conversations;
    let mut dice = Dice(42);
    let begun_at = UnixMs(at(sizes, 0) - 1000);
    for (n, email) in ["sara@acme.example", "tom@acme.example"].iter().enumerate() {
        writing
            .execute(
                "INSERT INTO agents (id, account, email, name, inboxes, by_mail, created_at) VALUES (?, 'acme', ?, ?, NULL, 0, ?)",
                params![Id::first_of(begun_at).0 + n as i64, email, &email[..4], begun_at.0],
            )
            .expect("an agent");
    }
    for n in 0..sizes.conversations {
        conversation(&writing, sizes, n, &mut dice);
    }
    {
        // One in ten is the other account's, and half of all conversations go on far later than they began.
        let mut insert = writing
            .prepare(
                "INSERT INTO messages (id, conversation_id, direction, author_kind, author_name, author_email, via, text, quoted,
                   signature, created_at, seen_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', '', ?, ?)",
            )
            .expect("SQL");
        for n in 0..sizes.conversations * per_conversation {
            let of = (n / per_conversation + (n % per_conversation) * dice.below(1000)) % sizes.conversations;
            let incoming = n % 2 == 0;
            let created_at = at(sizes, n);
            insert
                .execute(params![
                    Id::first_of(UnixMs(created_at)).0 + (n % 1000) as i64,
                    id_of(sizes, of),
                    if incoming { "incoming" } else { "outgoing" },
                    if incoming { "contact" } else { "agent" },
                    if incoming { format!("Visitor {of}") } else { "Sara".into() },
                    incoming.then(|| email(of)),
                    if incoming { "email" } else { "desk" },
                    text(&mut dice),
                    created_at,
                    (!incoming).then_some(created_at),
                ])
                .expect("a message");
        }
    }
    finish(&writing, sizes);
    writing.commit().expect("on disk");
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("a checkpoint");
}

fn id_of(sizes: &Sizes, conversation: usize) -> i64 {
    let first = conversation * (sizes.messages / sizes.conversations);
    Id::first_of(UnixMs(at(sizes, first))).0 + 2_000_000
}

fn email(conversation: usize) -> String {
    format!("visitor{}@customer.example", conversation % 90_000)
}

fn conversation(writing: &Connection, sizes: &Sizes, n: usize, dice: &mut Dice) {
    let id = id_of(sizes, n);
    let account = if n % 10 == 9 { "bolt" } else { "acme" };
    let created_at = Id(id).issued_at().0;
    let contact = id + 1;
    writing
        .execute(
            "INSERT OR IGNORE INTO contacts (id, account, name, email, created_at) VALUES (?, ?, ?, ?, ?)",
            params![contact, account, format!("Visitor {n}"), email(n), created_at],
        )
        .expect("a contact");
    let assignee = [None, Some("sara@acme.example"), Some("sara@acme.example"), Some("tom@acme.example")][n % 4];
    let age = sizes.conversations - n;
    let status = if age < sizes.conversations / 20 || dice.below(200) == 0 {
        "open"
    } else if dice.below(1000) == 0 {
        "snoozed"
    } else {
        "resolved"
    };
    let mut token = id.to_be_bytes().repeat(2);
    token.truncate(16);
    writing
        .execute(
            "INSERT INTO conversations (id, account, inbox, channel, status, subject, assignee, contact_id, reply_token, created_at,
               active_at, last_message_at) VALUES (?, ?, ?, 'widget', ?, ?, ?, (SELECT id FROM contacts WHERE account = ? AND email = ?),
               ?, ?, ?, ?)",
            params![
                id,
                account,
                if n.is_multiple_of(50) { "sales" } else { "support" },
                status,
                n.is_multiple_of(3).then(|| format!("Question {n} {}", some_word(dice))),
                assignee,
                account,
                email(n),
                token,
                created_at,
                created_at,
                created_at,
            ],
        )
        .expect("a conversation");
    let issue = "INSERT INTO reply_tokens (token, account, conversation_id, created_at) VALUES (?, ?, ?, ?)";
    writing.execute(issue, params![token, account, id, created_at]).expect("a token");
}

/// What follows from the messages, and what waits.
fn finish(writing: &Connection, sizes: &Sizes) {
    let now = sizes.now;
    writing
        .execute_batch(
            "UPDATE conversations SET last_message_at = ifnull((SELECT max(created_at) FROM messages m
               WHERE m.conversation_id = conversations.id), created_at);
             UPDATE conversations SET active_at = last_message_at;
             INSERT INTO agent_reads (agent_id, conversation_id, up_to)
               SELECT a.id, c.id, (SELECT max(m.id) FROM messages m WHERE m.conversation_id = c.id) FROM conversations c, agents a
               WHERE c.account = 'acme' AND a.email = 'sara@acme.example' AND c.id % 3000 <> 7
               AND EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id);",
        )
        .expect("what follows");
    let arm = "INSERT INTO queue (id, account, conversation_id, kind, recipient, recipient_kind, domain, reply_token, message_id,
          require_tls, state, created_at, due_at, give_up_at)
        SELECT m.id + 1, c.account, c.id, 'answer', k.email, 'contact', 'customer.example', c.reply_token, 'a' || m.id || '@mx.example',
          0, 'waiting', ?1, ?1 + 3600000 + c.id % 3600000, ?1 + 400000000
        FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN contacts k ON k.id = c.contact_id
        WHERE m.id = (SELECT max(n.id) FROM messages n WHERE n.conversation_id = c.id AND n.direction = 'outgoing')
          AND c.account = 'acme' LIMIT ?2";
    writing.execute(arm, params![now, sizes.armed]).expect("mails that wait");
    writing
        .execute_batch(
            "INSERT INTO queue_messages (message_id, queue_id) SELECT id - 1, id FROM queue;
             UPDATE messages SET seen_at = NULL, posting = NULL WHERE id IN (SELECT message_id FROM queue_messages);
             UPDATE conversations SET unseen_by_contact = 1 WHERE id IN (SELECT conversation_id FROM queue);",
        )
        .expect("their messages");
}
