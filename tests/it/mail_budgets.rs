//! How many mails go within an hour: a loop of machines ends, and nothing that people write is lost, held for good or held
//! without their knowing.

use super::continuity::begin;
use replyd::clock::{Clock, UnixMs};
use replyd::conversation::agent::Agent;
use replyd::conversation::delivery::{DeliveryState, MailChoice, MailKind, Posting};
use replyd::conversation::id::Id;
use replyd::conversation::model::{Author, AuthorKind, Channel, Conversation, Direction, Via};
use replyd::limits::MailBudgets;
use replyd::store::outgoing::{OutgoingSettings, QueueEntry, QueueQuery};
use replyd::store::unit::NewMessage;
use replyd::store::{NewAgent, Store};
use std::time::Duration;

const NOW: UnixMs = UnixMs(1_795_176_000_000);
const HOUR: i64 = 3600;

struct Bench {
    _dir: tempfile::TempDir,
    clock: Clock,
    store: Store,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(MailBudgets::default())
    }

    fn with(budgets: MailBudgets) -> Bench {
        let (dir, clock) = (tempfile::tempdir().expect("a temporary directory"), Clock::fixed(NOW));
        let store = Store::open(dir.path(), clock.clone()).expect("the store opens");
        store.set_outgoing(OutgoingSettings { budgets, ..OutgoingSettings::default() });
        Bench { _dir: dir, clock, store }
    }

    async fn at(&self, seconds: i64) {
        self.clock.set(UnixMs(NOW.0 + seconds * 1000));
        self.store.continuity_due().await.expect("looked");
    }

    async fn talk(&self, channel: Channel, email: Option<&str>) -> Conversation {
        begin(&self.store, email, channel).await
    }

    async fn agent(&self) -> Agent {
        let (account, email) = ("acme".into(), "sara@agents.example".into());
        let agent = NewAgent { account, email, name: "Sara".into(), inboxes: None, by_mail: true };
        self.store.add_agent(agent).await.expect("added")
    }

    async fn says(&self, talk: Id, message: NewMessage) -> Id {
        self.store.append_message(talk, message).await.expect("appended").id
    }

    /// Oldest first.
    async fn mails(&self, kind: MailKind) -> Vec<QueueEntry> {
        let query = QueueQuery { limit: 500, ..QueueQuery::default() };
        let mut items = self.store.queue(query).await.expect("the queue").items;
        items.retain(|entry| entry.kind == kind);
        items.reverse();
        items
    }

    async fn held(&self, kind: MailKind) -> Vec<QueueEntry> {
        self.mails(kind).await.into_iter().filter(|entry| entry.held).collect()
    }
}

fn said(via: Via, kind: AuthorKind, posting: Posting) -> NewMessage {
    let direction = if kind == AuthorKind::Agent { Direction::Outgoing } else { Direction::Incoming };
    let email = (kind == AuthorKind::Agent && via == Via::Email).then(|| "sara@agents.example".to_owned());
    NewMessage {
        direction,
        author: Author { kind, name: None, email },
        via,
        text: "Hello".into(),
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

fn answer(via: Via) -> NewMessage {
    said(via, AuthorKind::Agent, Posting { to_contact: Some(Duration::ZERO), ..Posting::default() })
}

fn question(via: Via) -> NewMessage {
    said(via, AuthorKind::Contact, Posting { notify_agents: true, ..Posting::default() })
}

#[tokio::test]
async fn what_people_write_is_no_loop() {
    let bench = Bench::new();
    let talk = bench.talk(Channel::Email, Some("ann@example.org")).await.id;
    for via in [Via::Api, Via::Desk] {
        for _ in 0..60 {
            bench.says(talk, answer(via)).await;
        }
    }
    assert_eq!((bench.mails(MailKind::Answer).await.len(), bench.held(MailKind::Answer).await), (120, vec![]));
}

#[tokio::test]
async fn a_busy_chat_is_told_of_together_and_never_held() {
    let bench = Bench::new();
    bench.agent().await;
    let talk = bench.talk(Channel::Widget, None).await.id;
    for second in 0..45 {
        bench.at(second).await;
        bench.says(talk, question(Via::Widget)).await;
    }
    let told = bench.mails(MailKind::Notification).await;
    let lots: Vec<_> = told.iter().map(|entry| entry.messages.len()).collect();
    assert_eq!((lots.len(), lots[29], lots[30]), (31, 1, 15));
    assert!(told.iter().all(|entry| !entry.held && entry.state == DeliveryState::Queued), "{told:?}");
    assert_eq!(told[30].due_at, Some(UnixMs(NOW.0 + 30_000 + 300_000)), "within five minutes of its first");
    bench.at(400).await;
    bench.says(talk, question(Via::Widget)).await;
    let told = bench.mails(MailKind::Notification).await;
    assert_eq!((told.len(), told[31].due_at), (32, Some(UnixMs(NOW.0 + 700_000))), "what is due goes alone");
    bench.at(2 * HOUR).await;
    bench.says(talk, question(Via::Widget)).await;
    assert_eq!(bench.mails(MailKind::Notification).await[32].due_at, Some(UnixMs(NOW.0 + 7_200_000)));
}

#[tokio::test]
async fn a_loop_stands_still_its_agent_is_told_and_people_are_not_in_its_way() {
    let bench = Bench::new();
    bench.agent().await;
    let talk = bench.talk(Channel::Email, Some("ann@example.org")).await.id;
    for second in 0..35 {
        bench.at(second).await;
        bench.says(talk, question(Via::Email)).await;
        bench.says(talk, answer(Via::Email)).await;
    }
    for kind in [MailKind::Answer, MailKind::Notification] {
        let held = bench.held(kind).await;
        assert_eq!((held.len(), held[0].messages.len()), (1, 5), "{kind:?}");
    }
    let notices: Vec<_> = bench.mails(MailKind::Notice).await.into_iter().filter_map(|entry| entry.notice).collect();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert!(
        notices[0].starts_with("Mail about this conversation does not reach you") && notices[1].contains("is held: 30")
    );
    let by_hand = bench.says(talk, answer(Via::Desk)).await;
    let mails = bench.mails(MailKind::Answer).await;
    let own = mails.iter().find(|entry| entry.messages == [by_hand]).expect("a mail of its own");
    assert!(!own.held);
    bench.at(5 * HOUR).await;
    assert_eq!(bench.held(MailKind::Answer).await.len(), 1, "a person has to look");
    let message = bench
        .store
        .messages(talk, 10)
        .await
        .expect("messages")
        .into_iter()
        .find_map(|message| message.delivery.filter(|it| it.held));
    let delivery = message.expect("a held answer");
    assert_eq!(delivery.due_at, None);
    assert!(delivery.reason.is_some_and(|reason| reason.contains("two machines")));
}

#[tokio::test]
async fn all_of_a_loop_is_released_with_one_of_it() {
    let bench = Bench::with(MailBudgets { looping: 1, ..MailBudgets::default() });
    let talk = bench.talk(Channel::Email, Some("ann@example.org")).await.id;
    for _ in 0..151 {
        bench.says(talk, answer(Via::Email)).await;
    }
    let held = bench.held(MailKind::Answer).await;
    assert_eq!(held.iter().map(|entry| entry.messages.len()).collect::<Vec<_>>(), [100, 50]);
    bench.store.hold_mail(held[0].id, false).await.expect("released");
    assert_eq!(bench.held(MailKind::Answer).await, []);
}

/// A chat in which this address was typed.
async fn claimed(bench: &Bench, email: &str) -> Id {
    let talk = bench.talk(Channel::Widget, None).await;
    bench.store.claim_address(talk.contact.id, Some(email.into())).await.expect("claimed");
    talk.id
}

async fn answered(bench: &Bench, email: &str) -> (Id, Id) {
    let talk = claimed(bench, email).await;
    let posting = Posting { to_contact: Some(Duration::from_secs(120)), mail: MailChoice::Now, ..Posting::default() };
    (talk, bench.says(talk, said(Via::Desk, AuthorKind::Agent, posting)).await)
}

#[tokio::test]
async fn what_is_too_much_for_a_typed_address_goes_once_there_is_room() {
    let bench = Bench::new();
    let mut last = None;
    for minute in 0..22 {
        bench.at(minute * 60).await;
        last = Some(answered(&bench, "jane@example.org").await);
    }
    let held = bench.held(MailKind::Answer).await;
    assert_eq!(held.len(), 2);
    assert!(held[0].reason.as_deref().is_some_and(|reason| reason.contains("by itself")), "{held:?}");
    assert_eq!(bench.store.next_timer().await.expect("a time"), Some(UnixMs(NOW.0 + HOUR * 1000 + 1)));
    bench.at(HOUR).await;
    assert_eq!(bench.held(MailKind::Answer).await.len(), 2, "not before");
    bench.at(HOUR + 1).await;
    let (freed, held) = (bench.store.queue_entry(held[0].id).await.expect("it"), bench.held(MailKind::Answer).await);
    assert_eq!((freed.held, freed.due_at, freed.reason), (false, Some(UnixMs(NOW.0 + (HOUR + 1) * 1000)), None));
    assert_eq!(held.len(), 1, "there was room for one");
    let (talk, message) = last.expect("the last");
    bench.store.seen(talk, Some(message)).await.expect("noted");
    bench.at(2 * HOUR).await;
    let ended = bench.store.queue_entry(held[0].id).await.expect("it");
    assert_eq!((ended.state, ended.held), (DeliveryState::Seen, false), "read in the chat meanwhile");
}

#[tokio::test]
async fn sub_addresses_are_one_mailbox() {
    let bench = Bench::new();
    for number in 0..25 {
        answered(&bench, &format!("jane+{number}@example.org")).await;
    }
    assert_eq!(bench.held(MailKind::Answer).await.len(), 5);
    answered(&bench, "john+1@example.org").await;
    assert_eq!(bench.held(MailKind::Answer).await.len(), 5, "of another it says nothing");
}

#[tokio::test]
async fn a_flood_of_answers_goes_on_by_itself() {
    let bench = Bench::with(MailBudgets { answers: 10, ..MailBudgets::default() });
    let talk = bench.talk(Channel::Email, Some("ann@example.org")).await.id;
    for _ in 0..15 {
        bench.says(talk, answer(Via::Api)).await;
    }
    let held = bench.held(MailKind::Answer).await;
    assert_eq!((held.len(), held[0].messages.len()), (1, 5));
    bench.at(HOUR + 1).await;
    assert_eq!(bench.held(MailKind::Answer).await, []);
}

#[tokio::test]
async fn an_agent_is_told_of_the_chats_that_were_too_many_later() {
    let bench = Bench::with(MailBudgets { agent: 3, ..MailBudgets::default() });
    bench.agent().await;
    for _ in 0..7 {
        let talk = bench.talk(Channel::Widget, None).await.id;
        bench.says(talk, question(Via::Widget)).await;
    }
    assert_eq!(bench.held(MailKind::Notification).await.len(), 4);
    for (hour, held) in [(1, 1), (2, 0)] {
        bench.at(hour * (HOUR + 400)).await;
        assert_eq!(bench.held(MailKind::Notification).await.len(), held, "{hour}");
    }
}

#[tokio::test]
async fn why_an_answer_has_no_mail_stands_in_its_delivery() {
    let bench = Bench::new();
    for (channel, email, posting, reason) in [
        (Channel::Email, None, answer(Via::Desk).posting, "the contact has no email address"),
        (
            Channel::Widget,
            Some("ann@example.org"),
            Posting { mail: MailChoice::Never, ..answer(Via::Desk).posting },
            "its author wants it in the chat alone",
        ),
        (Channel::Widget, Some("bo@example.org"), Posting::default(), "continuity is off for this account"),
    ] {
        let talk = bench.talk(channel, email).await.id;
        bench.says(talk, said(Via::Desk, AuthorKind::Agent, posting)).await;
        let delivery = bench.store.messages(talk, 1).await.expect("messages").remove(0).delivery.expect("a delivery");
        assert_eq!((delivery.state, delivery.due_at), (DeliveryState::Waiting, None));
        assert_eq!(delivery.reason.as_deref(), Some(reason));
    }
}
