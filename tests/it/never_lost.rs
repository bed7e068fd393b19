//! No answer is ever without its mail: however many are written, to whomever, over whichever way, each is in exactly one
//! mail that may still go, or its delivery says how it ended or why it does not go.

use super::continuity::begin;
use replyd::clock::{Clock, UnixMs};
use replyd::conversation::continuity::MailWish;
use replyd::conversation::delivery::{DeliveryState, MailChoice, Posting, RecipientKind};
use replyd::conversation::id::Id;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Via};
use replyd::store::Store;
use replyd::store::outgoing::{AttemptEnd, AttemptOutcome, Claim, QueueEntry, QueueQuery};
use replyd::store::unit::NewMessage;
use std::path::Path;
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_795_176_000_000);
const ANN: &str = "ann@example.org";
const BO: &str = "bo@example.net";

struct Bench {
    dir: tempfile::TempDir,
    clock: Clock,
    store: Store,
    talk: Id,
    contact: Id,
}

impl Bench {
    async fn new(channel: Channel, email: Option<&str>) -> Bench {
        let (dir, clock) = (tempfile::tempdir().expect("a temporary directory"), Clock::fixed(NOW));
        let store = Store::open(dir.path(), clock.clone()).expect("the store opens");
        let talk = begin(&store, email, channel).await;
        Bench { dir, clock, store, talk: talk.id, contact: talk.contact.id }
    }

    async fn at(&self, seconds: i64) {
        self.clock.set(UnixMs(NOW.0 + seconds * 1000));
        self.store.continuity_due().await.expect("looked");
    }

    async fn answer(&self, posting: Posting) -> Id {
        let written = self.store.append_message(self.talk, answer(posting)).await.expect("appended");
        written.id
    }

    /// So many, of which none is lost at any time.
    async fn answers(&self, count: usize, posting: Posting) -> Vec<Id> {
        let mut written = Vec::with_capacity(count);
        for number in 0..count {
            written.push(self.answer(posting.clone()).await);
            if number % 25 == 0 || number > count - 3 {
                self.none_is_lost();
            }
        }
        written
    }

    fn none_is_lost(&self) {
        assert_eq!(lost(self.dir.path()), Vec::<String>::new());
    }

    async fn entries(&self, kind: RecipientKind) -> Vec<QueueEntry> {
        let query = QueueQuery { limit: 500, ..QueueQuery::default() };
        let mut items = self.store.queue(query).await.expect("the queue").items;
        items.retain(|entry| entry.recipient_kind == kind);
        items.reverse();
        items
    }

    /// `queued: 100` for each mail, `held ` before one that is.
    async fn mails(&self, kind: RecipientKind) -> Vec<String> {
        let shown = |entry: &QueueEntry| {
            let held = if entry.held { "held " } else { "" };
            format!("{held}{}: {}", format!("{:?}", entry.state).to_lowercase(), entry.messages.len())
        };
        self.entries(kind).await.iter().map(shown).collect()
    }

    /// Everything that is due goes, or fails.
    async fn attempts(&self, outcome: AttemptOutcome) {
        loop {
            let claim = Claim { limit: 100, per_domain: 100, busy: Vec::new() };
            let claimed = self.store.claim_due(claim).await.expect("claimed");
            if claimed.is_empty() {
                return;
            }
            for entry in claimed {
                let end = AttemptEnd {
                    outcome: outcome.clone(),
                    remote: None,
                    remote_reply: None,
                    tls: None,
                    reason: "a reason".into(),
                    transcript: String::new(),
                };
                self.store.attempt_ended(entry.id, end).await.expect("ended");
            }
        }
    }
}

/// The generic check, for any store: what it says is what is wrong.
fn lost(directory: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(directory.join("replyd.db")).expect("the database");
    let mut find = database.prepare(WRONG).expect("SQL");
    let rows = find.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}

/// Each answer beside each recipient that it is to go to by mail; `live`: mails that may still go; `ended`: others.
const WRONG: &str = "
    WITH said AS (
      SELECT m.id, m.posting, m.seen_at, m.conversation_id, ifnull(k.claimed_email, k.email) AS contact, c.mail_off
      FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN contacts k ON k.id = c.contact_id
      WHERE m.direction = 'outgoing' AND m.author_kind = 'agent' AND m.held_until IS NULL
        AND json_extract(m.posting, '$.to_contact') IS NOT NULL),
    owed AS (
      SELECT id, 'contact' AS kind, NULL AS copy FROM said
      WHERE contact IS NOT NULL AND NOT mail_off AND seen_at IS NULL AND json_extract(posting, '$.mail') <> 'never'
      UNION ALL SELECT said.id, 'participant', cc.value FROM said, json_each(posting, '$.cc') cc),
    counted AS (
      SELECT owed.*, (SELECT count(*) FROM queue_messages x JOIN queue q ON q.id = x.queue_id WHERE x.message_id = owed.id
          AND q.kind = 'answer' AND q.recipient_kind = owed.kind AND q.recipient = ifnull(owed.copy, q.recipient)
          AND q.state IN ('waiting', 'queued', 'deferred')) AS live,
        (SELECT count(*) FROM queue_messages x JOIN queue q ON q.id = x.queue_id WHERE x.message_id = owed.id
          AND q.kind = 'answer' AND q.recipient_kind = owed.kind AND q.recipient = ifnull(owed.copy, q.recipient)
          AND q.state NOT IN ('waiting', 'queued', 'deferred')) AS ended
      FROM owed)
    SELECT 'answer ' || id || ' to the ' || kind || ' is in ' || live || ' live mails and ' || ended || ' ended ones'
      FROM counted WHERE live > 1 OR live + ended = 0
    UNION ALL SELECT 'mail ' || q.id || ' has ' || count(x.message_id) || ' messages'
      FROM queue q LEFT JOIN queue_messages x ON x.queue_id = q.id
      WHERE q.kind <> 'notice' AND q.state IN ('waiting', 'queued', 'deferred') GROUP BY q.id
      HAVING count(x.message_id) NOT BETWEEN 1 AND 100";

fn answer(posting: Posting) -> NewMessage {
    NewMessage {
        direction: Direction::Outgoing,
        author: Author { kind: AuthorKind::Agent, name: Some("Sara".into()), email: None },
        via: Via::Api,
        text: "An answer.".into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting,
    }
}

/// offline_delay 120 s.
fn posting() -> Posting {
    Posting { to_contact: Some(Duration::from_secs(120)), ..Posting::default() }
}

fn copied() -> Posting {
    Posting { to_contact: Some(Duration::ZERO), cc: vec![BO.into()], ..Posting::default() }
}

#[tokio::test]
async fn what_waits_for_the_chat_is_as_many_mails_as_it_takes() {
    let bench = Bench::new(Channel::Widget, Some(ANN)).await;
    bench.answers(250, posting()).await;
    let (contact, waits) = (RecipientKind::Contact, ["waiting: 100", "waiting: 100", "waiting: 50"]);
    assert_eq!(bench.mails(contact).await, waits);
    let due: Vec<_> = bench.entries(contact).await.iter().map(|entry| entry.due_at).collect();
    assert_eq!(due, [Some(UnixMs(NOW.0 + 120_000)); 3], "all of it when the first is due");
    bench.at(120).await;
    assert_eq!(bench.mails(contact).await, ["queued: 100", "queued: 100", "queued: 50"]);
    bench.attempts(AttemptOutcome::Delivered).await;
    bench.none_is_lost();
    bench.answer(posting()).await;
    assert_eq!(bench.mails(contact).await.last().map(String::as_str), Some("waiting: 1"));
}

#[tokio::test]
async fn what_was_seen_meanwhile_ends_with_its_mail_and_the_rest_goes() {
    let bench = Bench::new(Channel::Widget, Some(ANN)).await;
    let written = bench.answers(130, posting()).await;
    bench.store.seen(bench.talk, Some(written[109])).await.expect("noted");
    assert_eq!(bench.mails(RecipientKind::Contact).await, ["seen: 100", "waiting: 20"]);
    bench.none_is_lost();
    bench.answers(90, posting()).await;
    assert_eq!(bench.mails(RecipientKind::Contact).await, ["seen: 100", "waiting: 100", "waiting: 10"]);
    bench.at(500).await;
    assert_eq!(bench.mails(RecipientKind::Contact).await, ["seen: 100", "queued: 100", "queued: 10"]);
}

#[tokio::test]
async fn what_is_written_behind_a_held_mail_is_held_in_mails_of_its_own() {
    for (channel, held) in [(Channel::Email, "held queued"), (Channel::Widget, "held waiting")] {
        let bench = Bench::new(channel, Some(ANN)).await;
        bench.answers(1, posting()).await;
        let first = bench.entries(RecipientKind::Contact).await.remove(0).id;
        bench.store.hold_mail(first, true).await.expect("held");
        bench.answers(220, posting()).await;
        let expected = [100, 100, 21].map(|messages| format!("{held}: {messages}"));
        assert_eq!(bench.mails(RecipientKind::Contact).await, expected);
        bench.at(500).await;
        assert_eq!(bench.mails(RecipientKind::Contact).await, expected, "nothing overtakes what is held");
        for entry in bench.entries(RecipientKind::Contact).await {
            bench.store.hold_mail(entry.id, false).await.expect("released");
        }
        bench.at(501).await;
        bench.attempts(AttemptOutcome::Delivered).await;
        assert_eq!(bench.mails(RecipientKind::Contact).await, ["delivered: 100", "delivered: 100", "delivered: 21"]);
        bench.none_is_lost();
    }
}

#[tokio::test]
async fn copies_behind_a_held_one_are_lost_no_more_than_answers() {
    let bench = Bench::new(Channel::Email, Some(ANN)).await;
    bench.answers(1, copied()).await;
    let first = bench.entries(RecipientKind::Participant).await.remove(0).id;
    bench.store.hold_mail(first, true).await.expect("held");
    bench.answers(130, copied()).await;
    assert_eq!(bench.mails(RecipientKind::Participant).await, ["held queued: 100", "held queued: 31"]);
}

#[tokio::test]
async fn what_failed_goes_to_a_new_address_whole() {
    let bench = Bench::new(Channel::Widget, Some(ANN)).await;
    bench.answers(450, Posting { mail: MailChoice::Now, ..posting() }).await;
    for entry in bench.entries(RecipientKind::Contact).await {
        if entry.held {
            bench.store.hold_mail(entry.id, false).await.expect("released");
        }
    }
    bench.attempts(AttemptOutcome::Failed { suppress: None }).await;
    bench.none_is_lost();
    bench.store.claim_address(bench.contact, Some(BO.into())).await.expect("claimed");
    bench.none_is_lost();
    let again: Vec<_> =
        bench.entries(RecipientKind::Contact).await.into_iter().filter(|mail| mail.recipient == BO).collect();
    let of_messages: Vec<_> = again.iter().map(|entry| entry.messages.len()).collect();
    assert_eq!(of_messages, [100, 100, 100, 100, 50]);
}

#[tokio::test]
async fn what_was_written_before_there_was_an_address_goes_whole_once_there_is_one() {
    let bench = Bench::new(Channel::Widget, None).await;
    bench.answers(450, posting()).await;
    assert_eq!(bench.mails(RecipientKind::Contact).await, Vec::<String>::new());
    bench.store.claim_address(bench.contact, Some(ANN.into())).await.expect("claimed");
    bench.none_is_lost();
    let mails = bench.mails(RecipientKind::Contact).await;
    assert_eq!(mails, ["waiting: 100", "waiting: 100", "waiting: 100", "waiting: 100", "waiting: 50"]);
    bench.store.set_mail(bench.talk, MailWish::Off).await.expect("off");
    let ended = bench.entries(RecipientKind::Contact).await;
    assert!(ended.iter().all(|entry| entry.state == DeliveryState::Cancelled), "{ended:?}");
}
