//! Chat and mail as one conversation, in the store and in the running daemon: what is not seen goes out by mail, once, and
//! nothing is forgotten over a crash, a restart or a clock that jumps.

use replyd::clock::{Clock, UnixMs};
use replyd::conversation::continuity::MailWish;
use replyd::conversation::delivery::{DeliveryState, MailChoice, Posting, RecipientKind, SuppressionReason};
use replyd::conversation::id::Id;
use replyd::conversation::model::{
    Author, AuthorKind, Channel, Contact, Conversation, Direction, Email, Ingress, Message, Via,
};
use replyd::conversation::presence::{Presence, TabState, TypingState, Typist};
use replyd::conversation::quiet_hours::QuietHours;
use replyd::store::mail_file::MailOctets;
use replyd::store::outgoing::{
    AttemptEnd, AttemptOutcome, Claim, EventKind, Forecast, ForecastMail, Outgoing, QueueEntry, QueueQuery,
};
use replyd::store::unit::{Acceptance, Destination, FilingResult, NewConversation, NewMessage};
use replyd::store::{Fault, Store, StoreError};
use std::time::Duration;

/// 2026-11-20 12:00 UTC
const NOW: UnixMs = UnixMs(1_795_176_000_000);
const ANN: &str = "ann@example.org";

struct Bench {
    dir: tempfile::TempDir,
    clock: Clock,
    store: Store,
    talk: Id,
}

impl Bench {
    async fn with_contact(email: Option<&str>) -> Bench {
        let (dir, clock) = (tempfile::tempdir().expect("a temporary directory"), Clock::fixed(NOW));
        let store = Store::open(dir.path(), clock.clone()).expect("the store opens");
        let talk = begin(&store, email, Channel::Widget).await.id;
        Bench { dir, clock, store, talk }
    }

    async fn new() -> Bench {
        Bench::with_contact(Some(ANN)).await
    }

    /// The process dies and starts again: nothing is flushed that was not committed.
    fn reopened(self) -> Bench {
        let Bench { dir, clock, store, talk } = self;
        drop(store);
        let store = Store::open(dir.path(), clock.clone()).expect("the store opens");
        Bench { dir, clock, store, talk }
    }

    /// The stage looks at that moment, in seconds from the beginning.
    async fn at(&self, seconds: i64) {
        self.clock.set(UnixMs(NOW.0 + seconds * 1000));
        self.store.continuity_due().await.expect("looked");
    }

    async fn say(&self, text: &str) -> Message {
        self.say_so(text, posting()).await
    }

    async fn say_so(&self, text: &str, posting: Posting) -> Message {
        self.store.append_message(self.talk, answer(text, posting)).await.expect("appended")
    }

    async fn contact_says(&self, via: Via) {
        let said = NewMessage {
            direction: Direction::Incoming,
            author: Author { kind: AuthorKind::Contact, name: None, email: None },
            via,
            ..answer("hm", Posting::default())
        };
        self.store.append_message(self.talk, said).await.expect("appended");
    }

    async fn tab(&self, tab: &str, state: Option<TabState>) -> Presence {
        self.store.presence(self.talk, tab.into(), state).await.expect("noted")
    }

    /// `waiting 120: 2` for each mail: state, seconds until it is due, messages.
    async fn mails(&self) -> Vec<String> {
        let shown = |entry: &QueueEntry| {
            let due = entry.due_at.map(|due| format!(" {}", (due.0 - NOW.0) / 1000)).unwrap_or_default();
            let state = format!("{:?}", entry.state).to_lowercase();
            format!("{state}{due}: {}", entry.messages.len())
        };
        self.entries().await.iter().map(shown).collect()
    }

    async fn entries(&self) -> Vec<QueueEntry> {
        let query = QueueQuery { limit: 500, ..QueueQuery::default() };
        let mut items = self.store.queue(query).await.expect("the queue").items;
        items.retain(|entry| entry.recipient_kind == RecipientKind::Contact);
        items.reverse();
        items
    }

    async fn attempt(&self, outcome: AttemptOutcome) -> QueueEntry {
        let claim = Claim { limit: 10, per_domain: 10, busy: Vec::new() };
        let claimed = self.store.claim_due(claim).await.expect("claimed");
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        let end = AttemptEnd {
            outcome,
            remote: None,
            remote_reply: None,
            tls: None,
            reason: "a reason".into(),
            transcript: String::new(),
        };
        self.store.attempt_ended(claimed[0].id, end).await.expect("ended");
        self.store.queue_entry(claimed[0].id).await.expect("the entry")
    }

    async fn unseen(&self) -> u32 {
        self.store.conversation(self.talk).await.expect("the conversation").unseen_by_contact
    }
}

/// A conversation of the inbox `website` without a word in it.
pub async fn begin(store: &Store, email: Option<&str>, channel: Channel) -> Conversation {
    let new = NewConversation {
        account: "acme".into(),
        inbox: "website".into(),
        channel,
        contact_name: None,
        contact_email: email.map(str::to_owned),
        contact_identifier: None,
        subject: None,
        messages: Vec::new(),
    };
    store.new_conversation(new).await.expect("begun")
}

/// offline_delay 120 s, unseen_delay 600 s.
fn posting() -> Posting {
    Posting { to_contact: Some(Duration::from_secs(120)), ..Posting::default() }
}

fn answer(text: &str, posting: Posting) -> NewMessage {
    NewMessage {
        direction: Direction::Outgoing,
        author: Author { kind: AuthorKind::Agent, name: Some("Sara".into()), email: None },
        via: Via::Desk,
        text: text.into(),
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

#[tokio::test]
async fn what_was_not_seen_goes_out_once_however_often_the_process_dies() {
    let mut bench = Bench::new().await;
    bench.tab("a", Some(TabState::Reading)).await;
    bench.say("one").await;
    bench = bench.reopened();
    assert_eq!(bench.mails().await, ["waiting 600: 1"], "who reads is looked at again later");
    bench.clock.set(UnixMs(NOW.0 + 10_000));
    bench.tab("a", None).await;
    bench = bench.reopened();
    bench.say("two").await;
    assert_eq!(bench.mails().await, ["waiting 130: 2"]);
    bench.at(129).await;
    assert_eq!(bench.mails().await, ["waiting 130: 2"]);
    bench.store.inject(Fault::FailCommits(1));
    bench.clock.set(UnixMs(NOW.0 + 130_000));
    bench.store.continuity_due().await.expect_err("the commit failed");
    bench = bench.reopened();
    assert_eq!(bench.mails().await, ["waiting 130: 2"], "still to be done");
    for _ in 0..3 {
        bench.at(130).await;
        bench = bench.reopened();
        assert_eq!(bench.mails().await, ["queued 130: 2"]);
    }
    bench.attempt(AttemptOutcome::Delivered).await;
    bench.tab("a", Some(TabState::Connected)).await;
    bench.tab("a", None).await;
    bench.at(9000).await;
    assert_eq!(bench.mails().await, ["delivered: 2"], "never mailed twice");
    bench.say("three").await;
    assert_eq!(bench.mails().await, ["delivered: 2", "waiting 9120: 1"]);
}

#[tokio::test]
async fn reading_cancels_and_what_is_left_unseen_goes_alone() {
    let bench = Bench::new().await;
    let (first, second) = (bench.say("one").await, bench.say("two").await);
    assert_eq!(bench.unseen().await, 2);
    assert_eq!(bench.store.seen(bench.talk, Some(first.id)).await.expect("seen"), [first.id]);
    assert_eq!((bench.unseen().await, bench.mails().await), (1, vec!["waiting 120: 1".to_owned()]));
    assert_eq!(bench.entries().await[0].messages, [second.id]);
    assert_eq!(bench.store.seen(bench.talk, None).await.expect("seen"), [second.id]);
    assert_eq!(bench.store.seen(bench.talk, None).await.expect("seen"), [], "once");
    assert_eq!((bench.unseen().await, bench.mails().await), (0, vec!["seen: 1".to_owned()]));
    bench.at(9000).await;
    assert_eq!(bench.mails().await, ["seen: 1"]);
    let messages = bench.store.messages(bench.talk, 10).await.expect("messages");
    assert!(messages.iter().all(|message| message.seen_at == Some(NOW)), "{messages:?}");
    let told = bench.store.events(None, Some(Id(0)), 100).await.expect("events");
    let told: Vec<_> = told.iter().filter(|event| event.detail.get("seen").is_some()).collect();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|event| event.kind == EventKind::DeliveryChanged));
}

#[tokio::test]
async fn mail_that_no_host_has_yet_is_called_back_when_all_of_it_was_seen() {
    let bench = Bench::new().await;
    let first = bench.say("one").await;
    bench.at(120).await;
    bench.attempt(AttemptOutcome::Deferred { due_at: UnixMs(NOW.0 + 500_000), uncertain: false }).await;
    bench.store.seen(bench.talk, Some(first.id)).await.expect("seen");
    assert_eq!(bench.mails().await, ["seen: 1"]);

    let now = Posting { mail: MailChoice::Now, ..posting() };
    bench.say_so("by mail, please", now).await;
    assert_eq!(bench.mails().await[1], "queued 120: 1");
    bench.store.seen(bench.talk, None).await.expect("seen");
    assert_eq!(bench.mails().await[1], "queued 120: 1", "its author wanted it by mail");
}

#[tokio::test]
async fn mail_that_is_at_a_host_is_not_called_back() {
    let bench = Bench::new().await;
    bench.say("one").await;
    bench.at(120).await;
    let claim = Claim { limit: 1, per_domain: 1, busy: Vec::new() };
    let entry = bench.store.claim_due(claim.clone()).await.expect("claimed").remove(0).id;
    bench.store.data_sent(entry, Some(composed())).await.expect("sent");
    bench.store.seen(bench.talk, None).await.expect("seen");
    assert_eq!(bench.store.queue_entry(entry).await.expect("it").state, DeliveryState::Queued);

    // One that is only being connected for finds out before its dot.
    bench.say("two").await;
    bench.at(300).await;
    let second = bench.store.claim_due(claim).await.expect("claimed").remove(0).id;
    bench.store.seen(bench.talk, None).await.expect("seen");
    let refused = bench.store.data_sent(second, Some(composed())).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

fn composed() -> Outgoing {
    let email = serde_json::json!({"message_id": null, "in_reply_to": [], "references": [], "from": [], "reply_to": [],
        "to": [], "cc": [], "subject": null, "envelope_from": "", "envelope_to": "", "class": "human", "class_reason": "",
        "auth": null, "ingress": null, "raw_id": "aaaaaaaaaaaaa", "defects": []});
    Outgoing { octets: b"a mail".to_vec(), email: serde_json::from_value(email).expect("an email") }
}

#[tokio::test]
async fn two_tabs_and_two_devices_are_one_visitor() {
    let bench = Bench::new().await;
    assert_eq!(bench.tab("desktop", Some(TabState::Connected)).await, Presence::Connected);
    assert_eq!(bench.tab("phone", Some(TabState::Visible)).await, Presence::Visible);
    bench.say("one").await;
    assert_eq!(bench.mails().await, ["waiting 600: 1"]);
    bench.clock.set(UnixMs(NOW.0 + 50_000));
    assert_eq!(bench.tab("phone", None).await, Presence::Connected);
    assert_eq!(bench.mails().await, ["waiting 650: 1"], "it was last looked at then");
    bench.clock.set(UnixMs(NOW.0 + 60_000));
    assert_eq!(bench.tab("desktop", None).await, Presence::Absent);
    assert_eq!(bench.tab("desktop", None).await, Presence::Absent, "gone twice is gone");
    assert_eq!(bench.mails().await, ["waiting 180: 1"]);
    for tab in 0..200 {
        bench.tab(&format!("t{tab}"), Some(TabState::Connected)).await;
    }
    for tab in 0..200 {
        bench.tab(&format!("t{tab}"), None).await;
    }
    let shown = bench.store.conversation(bench.talk).await.expect("the conversation");
    assert_eq!((shown.presence, shown.presence_since), (Presence::Absent, Some(UnixMs(NOW.0 + 60_000))));
    let nowhere = bench.store.presence(Id(7), "a".into(), Some(TabState::Visible)).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound(_))), "{nowhere:?}");
}

#[tokio::test]
async fn a_restart_ends_tabs_and_keeps_what_another_channel_said() {
    let bench = Bench::new().await;
    let other = begin(&bench.store, Some("bo@example.org"), Channel::Api).await.id;
    bench.store.api_presence(other, Presence::Visible).await.expect("noted");
    bench.tab("a", Some(TabState::Visible)).await;
    bench.say("one").await;
    let bench = bench.reopened();
    bench.clock.set(UnixMs(NOW.0 + 3_600_000));
    let started = bench.clock.now();
    assert_eq!(bench.store.end_tabs(started).await.expect("ended"), 1);
    assert_eq!(bench.store.end_tabs(started).await.expect("ended"), 0);
    let presence = async |id| bench.store.conversation(id).await.expect("a conversation").presence;
    assert_eq!((presence(bench.talk).await, presence(other).await), (Presence::Absent, Presence::Visible));
    assert_eq!(bench.mails().await, ["waiting 3720: 1"], "whoever is still there has time to connect again");
    bench.store.api_presence(other, Presence::Absent).await.expect("noted");
    assert_eq!(presence(other).await, Presence::Absent);
}

/// More conversations than one commit ends: who connects between the commits is here, and what is due for them is not mailed.
#[tokio::test]
async fn who_connects_while_an_earlier_runs_tabs_end_is_there() {
    let bench = Bench::new().await;
    let mut talks = vec![bench.talk];
    for _ in 0..500 {
        talks.push(begin(&bench.store, Some(ANN), Channel::Widget).await.id);
    }
    for talk in &talks {
        bench.store.presence(*talk, "a".into(), Some(TabState::Connected)).await.expect("noted");
    }
    let bench = bench.reopened();
    let started = UnixMs(NOW.0 + 3_600_000);
    bench.clock.set(started);
    for talk in &talks {
        bench.store.presence(*talk, "a".into(), Some(TabState::Connected)).await.expect("back");
        bench.store.presence(*talk, "old".into(), None).await.expect("noted");
    }
    let last = begin(&bench.store, Some(ANN), Channel::Widget).await.id;
    bench.clock.set(NOW);
    bench.store.presence(last, "a".into(), Some(TabState::Connected)).await.expect("of the earlier run");
    bench.clock.set(UnixMs(started.0 + 5));
    while bench.store.end_tabs(started).await.expect("ended") > 0 {}
    for talk in talks {
        let shown = bench.store.conversation(talk).await.expect("a conversation");
        assert_eq!(shown.presence, Presence::Connected, "{talk}");
    }
    assert_eq!(bench.store.conversation(last).await.expect("it").presence, Presence::Absent);
}

#[tokio::test]
async fn a_tab_of_a_time_yet_to_come_is_an_earlier_runs() {
    let bench = Bench::new().await;
    bench.clock.set(UnixMs(NOW.0 + 3_600_000));
    bench.tab("a", Some(TabState::Reading)).await;
    let bench = bench.reopened();
    bench.clock.set(NOW);
    assert_eq!(bench.store.end_tabs(NOW).await.expect("ended"), 1, "the clock was put back between the runs");
}

#[tokio::test]
async fn a_tab_whose_connection_lives_is_known_again() {
    let bench = Bench::new().await;
    let keep = async || bench.store.keep_tab(bench.talk, "a".into()).await.expect("kept");
    bench.tab("a", Some(TabState::Visible)).await;
    assert_eq!(keep().await, None, "it is known, and stays as it is");
    assert_eq!(bench.store.conversation(bench.talk).await.expect("it").presence, Presence::Visible);
    bench.tab("a", None).await;
    bench.say("one").await;
    assert_eq!(bench.mails().await, ["waiting 120: 1"]);
    assert_eq!(keep().await, Some(Presence::Connected));
    assert_eq!(bench.mails().await, ["waiting 600: 1"]);
}

#[tokio::test]
async fn what_was_not_on_the_screen_is_not_seen() {
    let bench = Bench::new().await;
    let (first, second, third) = (bench.say("one").await, bench.say("two").await, bench.say("three").await);
    let seen = async |ids| bench.store.seen_these(bench.talk, ids).await;
    assert_eq!(seen(vec![third.id, third.id]).await.expect("seen"), [third.id]);
    assert_eq!((bench.unseen().await, bench.mails().await), (2, vec!["waiting 120: 2".to_owned()]));
    assert_eq!(bench.entries().await[0].messages, [first.id, second.id]);
    let elsewhere = begin(&bench.store, Some(ANN), Channel::Widget).await.id;
    let theirs = bench.store.append_message(elsewhere, answer("x", posting())).await.expect("appended").id;
    for refused in [seen(vec![first.id, theirs]).await, bench.store.seen(bench.talk, Some(theirs)).await] {
        assert!(matches!(refused, Err(StoreError::NotFound("message"))), "{refused:?}");
    }
    assert_eq!(bench.unseen().await, 2, "all of a call or nothing");
}

#[tokio::test]
async fn who_types_postpones_and_who_stops_does_not() {
    let bench = Bench::new().await;
    bench.say("one").await;
    bench.clock.set(UnixMs(NOW.0 + 115_000));
    bench.store.typing(bench.talk, Typist::Agent, TypingState::On).await.expect("noted");
    bench.at(120).await;
    assert_eq!(bench.mails().await, ["waiting 130: 1"]);
    bench.say("and").await;
    assert_eq!(bench.mails().await, ["queued 120: 2"], "what was being typed is said now, and goes along");
    bench.attempt(AttemptOutcome::Delivered).await;
    bench.say("one more").await;
    bench.clock.set(UnixMs(NOW.0 + 239_000));
    bench.store.typing(bench.talk, Typist::Contact, TypingState::On).await.expect("noted");
    bench.at(240).await;
    assert_eq!(bench.mails().await[1], "waiting 254: 1");
    bench.store.typing(bench.talk, Typist::Contact, TypingState::Off).await.expect("noted");
    assert_eq!(bench.mails().await[1], "queued 240: 1");
}

#[tokio::test]
async fn after_a_word_by_mail_what_waits_in_the_chat_goes_after_it() {
    let bench = Bench::new().await;
    bench.say("one").await;
    bench.contact_says(Via::Email).await;
    assert_eq!(bench.mails().await, ["queued 0: 1"]);
    bench.attempt(AttemptOutcome::Delivered).await;
    bench.say("two").await;
    assert_eq!(bench.mails().await[1], "queued 0: 1", "still on mail");
    bench.attempt(AttemptOutcome::Delivered).await;
    bench.clock.set(UnixMs(NOW.0 + 60_000));
    bench.tab("a", Some(TabState::Visible)).await;
    bench.say("three").await;
    assert_eq!(bench.mails().await[2], "waiting 660: 1", "until the contact is back");
}

#[tokio::test]
async fn a_contact_without_an_address_gets_what_was_missed_once_there_is_one() {
    let bench = Bench::with_contact(None).await;
    bench.say("one").await;
    bench.at(9000).await;
    assert_eq!(bench.mails().await, Vec::<String>::new());
    assert_eq!(outlook(&bench).await, "the contact has no email address");
    let contact = bench.store.conversation(bench.talk).await.expect("it").contact.id;
    bench.store.claim_address(contact, Some("Ann@Example.org".into())).await.expect("claimed");
    assert_eq!(bench.mails().await, ["queued 9000: 1"]);
    let shown = bench.store.conversation(bench.talk).await.expect("it").contact;
    assert_eq!((shown.email.as_deref(), shown.claimed_email.as_deref()), (None, Some(ANN)));
    let same = begin(&bench.store, Some(ANN), Channel::Widget).await;
    assert_ne!(same.contact.id, contact, "nobody is found by what was typed");
}

async fn outlook(bench: &Bench) -> String {
    bench.store.outlook(bench.talk).await.expect("an outlook").reason
}

#[tokio::test]
async fn after_a_bounce_what_failed_goes_to_the_better_address_and_only_that() {
    let bench = Bench::new().await;
    let seen = bench.say("delivered before").await;
    bench.at(120).await;
    bench.attempt(AttemptOutcome::Delivered).await;
    bench.say("lost").await;
    bench.at(240).await;
    bench.attempt(AttemptOutcome::Failed { suppress: Some(SuppressionReason::BadAddress) }).await;
    assert_eq!(bench.say("lost too").await.delivery.expect("told at once").state, DeliveryState::Failed);
    assert_eq!(bench.mails().await, ["delivered: 1", "failed: 1", "failed: 1"]);
    assert!(outlook(&bench).await.contains("does not exist"));

    let contact = bench.store.conversation(bench.talk).await.expect("it").contact;
    assert!(contact.bounced.is_some());
    bench.store.claim_address(contact.id, Some("ann@better.example".into())).await.expect("claimed");
    let entries = bench.entries().await;
    let last = entries.last().expect("a mail");
    assert_eq!((last.recipient.as_str(), last.domain.as_str()), ("ann@better.example", "better.example"));
    assert_eq!((last.messages.len(), last.messages.contains(&seen.id)), (2, false));
    assert_eq!(bench.store.conversation(bench.talk).await.expect("it").contact.bounced, None);
    bench.store.claim_address(contact.id, Some("ann@better.example".into())).await.expect("claimed");
    assert_eq!(bench.entries().await.len(), 4, "the same address again is no news");
    bench.at(9000).await;
    bench.attempt(AttemptOutcome::Failed { suppress: Some(SuppressionReason::BadAddress) }).await;
    assert!(bench.store.conversation(bench.talk).await.expect("it").contact.bounced.is_some(), "it bounced too");
}

#[tokio::test]
async fn what_waits_goes_to_the_address_that_is_good_then() {
    let bench = Bench::new().await;
    bench.say("one").await;
    let contact = bench.store.conversation(bench.talk).await.expect("it").contact.id;
    bench.store.claim_address(contact, Some("ann@better.example".into())).await.expect("claimed");
    let entry = bench.entries().await.remove(0);
    assert_eq!((entry.recipient.as_str(), entry.state), ("ann@better.example", DeliveryState::Waiting));
    bench.store.claim_address(contact, None).await.expect("forgotten");
    assert_eq!(bench.entries().await[0].recipient, ANN);
    assert_eq!(bench.mails().await, ["waiting 120: 1"]);
}

#[tokio::test]
async fn who_turned_mail_off_gets_none() {
    let bench = Bench::new().await;
    bench.say("one").await;
    bench.store.set_mail(bench.talk, MailWish::Off).await.expect("noted");
    assert_eq!(bench.mails().await, ["cancelled: 1"]);
    bench.say_so("two", Posting { mail: MailChoice::Now, ..posting() }).await;
    bench.at(9000).await;
    assert_eq!(bench.mails().await, ["cancelled: 1"]);
    assert!(bench.store.conversation(bench.talk).await.expect("it").mail_off);
    bench.store.set_mail(bench.talk, MailWish::On).await.expect("noted");
    assert_eq!(
        bench.mails().await,
        ["cancelled: 1", "queued 9000: 2"],
        "whoever turns mail on again wants what is unseen, whether it waited then or came meanwhile"
    );
}

#[tokio::test]
async fn what_was_stopped_goes_once_and_not_what_was_seen_or_what_an_operator_cancelled() {
    let bench = Bench::new().await;
    let (seen, by_hand) = (bench.say("seen meanwhile").await, bench.say("cancelled by hand").await);
    bench.store.set_mail(bench.talk, MailWish::Off).await.expect("noted");
    bench.store.seen_these(bench.talk, vec![seen.id]).await.expect("noted");
    bench.store.set_mail(bench.talk, MailWish::On).await.expect("noted");
    let entry = bench.entries().await.pop().expect("a mail");
    assert_eq!((entry.messages, entry.state), (vec![by_hand.id], DeliveryState::Waiting));
    bench.store.cancel_mail(entry.id).await.expect("cancelled");
    for wish in [MailWish::Off, MailWish::On, MailWish::Off, MailWish::On] {
        bench.store.set_mail(bench.talk, wish).await.expect("noted");
        bench.at(9000).await;
    }
    assert_eq!(bench.mails().await, ["cancelled: 2", "cancelled: 1"]);
}

#[tokio::test]
async fn one_click_stops_the_mails_of_its_chat_and_the_chat_turns_them_on_again() {
    let bench = Bench::new().await;
    let other = begin(&bench.store, Some(ANN), Channel::Widget).await.id;
    bench.store.append_message(other, answer("elsewhere", posting())).await.expect("appended");
    bench.say("one").await;
    bench.at(120).await;
    let entry = bench.entries().await.into_iter().find(|entry| entry.conversation_id == bench.talk).expect("a mail");
    for _ in 0..2 {
        bench.store.unsubscribe(entry.id).await.expect("done");
    }
    let state = async |id| bench.store.queue_entry(id).await.expect("the entry").state;
    assert_eq!(state(entry.id).await, DeliveryState::Cancelled, "it was on its way, and no host had it");
    bench.say("two").await;
    bench.at(9000).await;
    assert!(bench.store.conversation(bench.talk).await.expect("it").mail_off);
    assert_eq!(bench.mails().await, ["queued 120: 1", "cancelled: 1"], "nothing more of this chat");
    assert_eq!(bench.store.suppressions(None).await.expect("listed"), [], "the address is good for everything else");
    bench.store.set_mail(bench.talk, MailWish::On).await.expect("noted");
    assert_eq!(bench.mails().await, ["queued 120: 1", "cancelled: 1", "queued 9000: 2"]);
}

#[tokio::test]
async fn an_author_decides_whether_a_message_goes_by_mail() {
    let bench = Bench::new().await;
    bench.say_so("chat only", Posting { mail: MailChoice::Never, ..posting() }).await;
    bench.at(9000).await;
    assert_eq!(bench.mails().await, Vec::<String>::new());
    bench.say("one").await;
    bench.say_so("now", Posting { mail: MailChoice::Now, ..posting() }).await;
    assert_eq!(bench.mails().await, ["queued 9000: 2"], "one mail with what waited");
}

#[tokio::test]
async fn quiet_hours_are_the_contacts_own() {
    let bench = Bench::new().await;
    let quiet = QuietHours::parse("12:00-13:00", "UTC");
    bench.say_so("one", Posting { quiet_hours: quiet, ..posting() }).await;
    assert_eq!(bench.mails().await, ["waiting 3600: 1"]);
    bench.at(3600).await;
    assert_eq!(bench.mails().await, ["queued 3600: 1"]);
}

#[tokio::test]
async fn a_held_message_is_nobodys_yet() {
    let bench = Bench::new().await;
    let held = Posting { held: Some(Duration::from_secs(10)), ..posting() };
    let message = bench.say_so("oops", held.clone()).await;
    assert_eq!(message.held_until, Some(UnixMs(NOW.0 + 10_000)));
    assert_eq!((bench.unseen().await, bench.mails().await), (0, Vec::new()));
    let events = bench.store.events(None, Some(Id(0)), 100).await.expect("events");
    assert!(events.iter().all(|event| event.kind != EventKind::MessageCreated), "{events:?}");
    assert_eq!(bench.store.seen(bench.talk, None).await.expect("seen"), [], "nobody can have seen it");
    assert_eq!(bench.store.next_timer().await.expect("a time"), message.held_until);
    let bench = bench.reopened();
    assert_eq!(bench.store.take_back(message.id).await.expect("taken back").text, "oops");
    assert!(matches!(bench.store.message(message.id).await, Err(StoreError::NotFound(_))));
    bench.at(60).await;
    assert_eq!((bench.unseen().await, bench.mails().await), (0, Vec::new()));

    let message = bench.say_so("better", held).await;
    let bench = bench.reopened();
    bench.at(69).await;
    assert_eq!(bench.unseen().await, 0);
    bench.at(70).await;
    assert_eq!((bench.unseen().await, bench.mails().await), (1, vec!["waiting 190: 1".to_owned()]));
    let refused = bench.store.take_back(message.id).await;
    assert!(matches!(&refused, Err(StoreError::Conflict(reason)) if reason.contains("was sent")), "{refused:?}");
    let released = bench.store.release_message(message.id).await.expect("no error");
    assert_eq!(
        (released.held_until, released.created_at),
        (None, UnixMs(NOW.0 + 70_000)),
        "a second release changes nothing"
    );
    let told = bench.store.events(None, Some(Id(0)), 100).await.expect("events");
    assert_eq!(told.iter().filter(|event| event.kind == EventKind::MessageCreated).count(), 1);
}

#[tokio::test]
async fn a_forecast_is_what_then_happens() {
    let bench = Bench::new().await;
    let forecast = async |posting| bench.store.forecast(bench.talk, posting).await.expect("a forecast");
    let by_mail = |seconds: i64| Some(ForecastMail { to: ANN.into(), due_at: UnixMs(NOW.0 + seconds * 1000) });
    let Forecast { chat, email, reason } = forecast(posting()).await;
    assert_eq!((chat, email), (true, by_mail(120)), "{reason}");
    bench.store.typing(bench.talk, Typist::Agent, TypingState::On).await.expect("noted");
    assert_eq!(forecast(Posting { mail: MailChoice::Now, ..posting() }).await.email, by_mail(0));
    assert_eq!(forecast(posting()).await.email, by_mail(120), "its author's own typing is what ends with it");
    let never = forecast(Posting { mail: MailChoice::Never, ..posting() }).await;
    assert_eq!((never.email, never.reason.contains("chat alone")), (None, true));
    let off = forecast(Posting::default()).await;
    assert_eq!((off.email, off.reason.contains("off")), (None, true));
    bench.tab("a", Some(TabState::Visible)).await;
    assert_eq!(forecast(posting()).await.email, by_mail(600));
    bench.say("one").await;
    assert_eq!(bench.mails().await, ["waiting 600: 1"]);
}

#[tokio::test]
async fn a_clock_that_was_put_back_forgets_nothing() {
    let bench = Bench::new().await;
    bench.clock.set(UnixMs(NOW.0 + 86_400_000));
    bench.say("one").await;
    assert_eq!(bench.mails().await, ["waiting 86520: 1"]);
    bench.clock.set(NOW);
    assert!(bench.store.is_ahead_of_clock().await.expect("known"));
    let mut after = None;
    while let Some(next) = bench.store.reconsider(after).await.expect("looked") {
        after = Some(next);
    }
    assert_eq!(bench.mails().await, ["queued 0: 1"], "sooner rather than a day later");
    bench.say("two").await;
    assert_eq!(bench.mails().await, ["queued 0: 1", "waiting 120: 1"]);
}

#[tokio::test]
async fn a_mail_that_an_operator_holds_waits_for_its_release() {
    let bench = Bench::new().await;
    bench.say("one").await;
    let entry = bench.entries().await.remove(0).id;
    bench.store.hold_mail(entry, true).await.expect("held");
    bench.say("two").await;
    bench.at(9000).await;
    assert_eq!(bench.mails().await, ["waiting 120: 2"]);
    assert!(outlook(&bench).await.contains("replyd queue release"));
    bench.store.hold_mail(entry, false).await.expect("released");
    bench.at(9001).await;
    assert_eq!(bench.mails().await, ["queued 9001: 2"]);
}

/// 100,000 timers, of which a few are due: a look costs what is due, however much is armed.
#[tokio::test]
async fn a_hundred_thousand_timers_hide_none_and_none_is_taken_early() {
    let bench = Bench::new().await;
    bench.say("template").await;
    let Bench { dir, clock, store, talk } = bench;
    store.close().await;
    let database = rusqlite::Connection::open(dir.path().join("replyd.db")).expect("the database");
    let talks = "account, inbox, channel, status, contact_id, reply_token, created_at, active_at, unseen_by_contact";
    let said = "direction, author_kind, via, text, quoted, signature, created_at, posting";
    let mails =
        "account, kind, recipient, recipient_kind, domain, reply_token, message_id, require_tls, state, created_at,
        give_up_at";
    let many = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)";
    database
        .execute_batch(&format!(
            "BEGIN;
             INSERT INTO conversations (id, {talks}) {many} SELECT c.id + n.n, {talks} FROM n, conversations c;
             INSERT INTO messages (id, conversation_id, {said})
               {many} SELECT m.id + n.n, m.conversation_id + n.n, {said} FROM n, messages m;
             INSERT INTO queue (id, conversation_id, due_at, {mails})
               {many} SELECT q.id + n.n, q.conversation_id + n.n, q.due_at + 60000 + n.n * 1000, {mails} FROM n, queue q;
             INSERT INTO queue_messages (message_id, queue_id)
               {many} SELECT x.message_id + n.n, x.queue_id + n.n FROM n, queue_messages x;
             UPDATE messages SET created_at = created_at + (SELECT q.due_at - {now} - 120000 FROM queue q
               JOIN queue_messages x ON x.queue_id = q.id WHERE x.message_id = messages.id);
             COMMIT",
            now = NOW.0
        ))
        .expect("many timers");
    drop(database);
    let store = Store::open(dir.path(), clock.clone()).expect("the store opens");
    let bench = Bench { dir, clock, store, talk };
    let open = async || {
        let backlog = bench.store.backlog().await.expect("a backlog");
        (backlog.waiting, backlog.queued)
    };
    assert_eq!(open().await, (100_001, 0));
    bench.at(119).await;
    assert_eq!(open().await, (100_001, 0));
    for (seconds, queued) in [(120, 1), (180, 1), (181, 2), (190, 11), (289, 110)] {
        bench.at(seconds).await;
        assert_eq!(open().await, (100_001 - queued, queued), "after {seconds} s");
    }
    let next = bench.store.next_timer().await.expect("a time").expect("one waits");
    assert_eq!(next, UnixMs(NOW.0 + 290_000));
}

impl Bench {
    /// Ann's mail with this verdict is filed into the conversation as its contact's.
    async fn file(&self, raw: &str, verdict: &str) {
        let mut sha256 = [0; 32];
        sha256[..raw.len()].copy_from_slice(raw.as_bytes());
        let acceptance = Acceptance {
            ingress: Ingress::Smtp,
            session: "s".into(),
            remote_ip: None,
            helo: None,
            tls: None,
            envelope_from: None,
            recipients: vec![("a@r.example".into(), "acme".into())],
            octets: MailOctets::Memory(raw.as_bytes().to_vec()),
            sha256,
            identity: None,
            message_id: None,
            auth: serde_json::Value::Null,
            require_tls: false,
            reply: "250".into(),
            bridged: Vec::new(),
        };
        let ledger_id = self.store.accept(acceptance).await.expect("accepted")[0].ledger_id;
        let auth = serde_json::json!({"verdict": verdict, "author": ANN});
        let email = Email { auth, raw_id: ledger_id, ..composed().email };
        let author = Author { kind: AuthorKind::Contact, name: None, email: Some(ANN.into()) };
        let message = NewMessage {
            direction: Direction::Incoming,
            author,
            via: Via::Email,
            email: Some(email),
            ..answer("by mail", Posting::default())
        };
        let result = FilingResult {
            ledger_id,
            account: "acme".into(),
            destination: Destination::Existing(self.talk),
            message: Some(message),
            reason: "a test".into(),
            message_id: None,
            received_at: NOW,
            bounce: None,
            orders: Vec::new(),
            agent: None,
        };
        self.store.file(result).await.expect("filed");
    }

    async fn contact(&self) -> Contact {
        self.store.conversation(self.talk).await.expect("the conversation").contact
    }
}

#[tokio::test]
async fn a_typed_address_is_proven_by_mail_from_it_and_by_nothing_else() {
    let bench = Bench::with_contact(None).await;
    let typed = bench.contact().await.id;
    bench.store.claim_address(typed, Some(ANN.into())).await.expect("claimed");
    bench.file("unproven", "unproven").await;
    let contact = bench.contact().await;
    assert_eq!((contact.email.as_deref(), contact.claimed_email.as_deref()), (None, Some(ANN)));
    bench.file("authentic", "authentic").await;
    let contact = bench.contact().await;
    assert_eq!((contact.id, contact.email.as_deref(), contact.claimed_email), (typed, Some(ANN), None));
}

#[tokio::test]
async fn who_proves_another_contacts_address_is_that_contact_from_then_on() {
    let bench = Bench::with_contact(None).await;
    let known = begin(&bench.store, Some(ANN), Channel::Email).await.contact.id;
    let typed = bench.contact().await.id;
    bench.store.claim_address(typed, Some(ANN.into())).await.expect("claimed");
    bench.file("unproven", "unproven").await;
    assert_eq!(bench.contact().await.id, typed, "nothing is merged by a claim");
    bench.file("authentic", "authentic").await;
    assert_eq!((bench.contact().await.id, bench.contact().await.email.as_deref()), (known, Some(ANN)));
}
