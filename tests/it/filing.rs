//! An accepted mail becomes one message where it belongs, by the right author; a mail that breaks its reader is kept.

use arc_swap::ArcSwap;
use replyd::clock::{Clock, UnixMs};
use replyd::config::checked::{Account, Config, Dns, ForgedPolicy, Http, Inbox, Server, Smtp, Voice};
use replyd::conversation::delivery::Posting;
use replyd::conversation::id::Id;
use replyd::conversation::model::{
    Author, AuthorKind, Channel, Conversation, Direction, Ingress, Message, Outcome, Status, Via,
};
use replyd::filing::{self, Handle, Services};
use replyd::limits::Limits;
use replyd::mail::parsed::ParsedMail;
use replyd::store::ledger::LedgerEntry;
use replyd::store::mail_file::MailOctets;
use replyd::store::query::ConversationQuery;
use replyd::store::unit::{Acceptance, NewConversation, NewMessage};
use replyd::store::{Fault, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const NOW: UnixMs = UnixMs(1_790_000_000_000);

/// A store with filing at work on it.
struct House {
    services: Services,
    shutdown: CancellationToken,
    filing: Option<Handle>,
    _dir: Option<tempfile::TempDir>,
}

impl House {
    fn new() -> House {
        let dir = tempfile::tempdir().unwrap();
        let mut house = House::asleep(dir.path());
        house._dir = Some(dir);
        house.wake();
        house
    }

    /// Filing does not run yet.
    fn asleep(dir: &Path) -> House {
        let clock = Clock::fixed(NOW);
        let store = Store::open(dir, clock.clone()).unwrap();
        let services = Services::new(store, Arc::new(ArcSwap::from_pointee(config())), clock, Arc::default());
        House { services, shutdown: CancellationToken::new(), filing: None, _dir: None }
    }

    fn wake(&mut self) {
        self.filing = Some(filing::start(self.services.clone(), self.shutdown.clone()).unwrap());
    }

    fn store(&self) -> &Store {
        &self.services.store
    }

    async fn conversation(&self, email: Option<&str>, identifier: Option<&str>) -> Conversation {
        let new = NewConversation {
            account: "acme".into(),
            inbox: "website".into(),
            channel: Channel::Widget,
            contact_name: None,
            contact_email: email.map(str::to_owned),
            contact_identifier: identifier.map(str::to_owned),
            subject: None,
            messages: vec![agent_says("Does the teapot pour well?")],
        };
        self.store().new_conversation(new).await.unwrap()
    }

    /// Accepts a mail and waits until filing has ended it.
    async fn offer(&self, raw: &str, to: &str) -> LedgerEntry {
        let id = self.accept(raw, to).await;
        self.ended(id).await
    }

    async fn accept(&self, raw: &str, to: &str) -> Id {
        self.store().accept(acceptance(raw, &[to])).await.unwrap()[0].ledger_id
    }

    async fn ended(&self, id: Id) -> LedgerEntry {
        let mut committed = self.store().committed();
        loop {
            committed.borrow_and_update();
            let entry = self.store().ledger_entry(id).await.unwrap();
            if entry.outcome != Outcome::Accepted {
                return entry;
            }
            committed.changed().await.unwrap();
        }
    }

    async fn message(&self, entry: &LedgerEntry) -> Message {
        let all = self.store().messages(entry.conversation_id.expect("it is filed"), 100).await.unwrap();
        all.into_iter().find(|message| Some(message.id) == entry.message_id_stored).expect("the message is there")
    }
}

fn config() -> Config {
    let inbox = |name: &str, channel, address: Option<&str>| Inbox {
        name: name.into(),
        channel,
        address: address.map(str::to_owned),
        offline_delay: Duration::ZERO,
        quiet_hours: None,
        time_zone: "UTC".into(),
        undo_window: Duration::ZERO,
        unseen_delay: Duration::ZERO,
        resume_url: String::new(),
        notify_agents: true,
        bridge: None,
        widget: Default::default(),
        voice: Voice::default(),
    };
    let account = |name: &str, domain: &str, inboxes| Account {
        name: name.into(),
        inbound_domain: domain.into(),
        forged: ForgedPolicy::Reject,
        outbound_tls: Default::default(),
        trusted_arc_sealers: Vec::new(),
        continuity: true,
        dkim: Vec::new(),
        ingress: replyd::config::checked::IngressSecrets::default(),
        webhooks: Vec::new(),
        bridge: None,
        voice: Voice::default(),
        templates: Vec::new(),
        inboxes,
    };
    let website = inbox("website", Channel::Widget, None);
    let mail = inbox("mail", Channel::Email, Some("support@acme.example"));
    Config {
        outbound: replyd::config::checked::Outbound::default(),
        server: Server { hostname: "mx.replyd.example".into(), data_dir: "unused".into() },
        smtp: Smtp::default(),
        http: Http { listen: Vec::new(), public_url: String::new(), forwarded_from: Vec::new() },
        tls: Vec::new(),
        dns: Dns::default(),
        limits: Arc::new(Limits::default()),
        accounts: vec![
            account("acme", "r.acme.example", vec![website, mail]),
            account("other", "r.other.example", vec![inbox("mail", Channel::Email, Some("help@other.example"))]),
        ],
    }
}

fn acceptance(raw: &str, recipients: &[&str]) -> Acceptance {
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, raw.as_bytes()).as_ref());
    let account = |to: &&str| if to.contains("other.example") { "other" } else { "acme" };
    let verdict = if raw.contains("X-Test: unproven") { "unproven" } else { "authentic" };
    Acceptance {
        ingress: Ingress::Smtp,
        session: "s1".into(),
        remote_ip: None,
        helo: None,
        tls: None,
        envelope_from: Some(if raw.contains("MAILER-DAEMON") { String::new() } else { "sender@example.org".into() }),
        recipients: recipients.iter().map(|to| ((*to).to_owned(), account(to).to_owned())).collect(),
        octets: MailOctets::Memory(raw.as_bytes().to_vec()),
        sha256,
        identity: None,
        message_id: None,
        auth: serde_json::json!({ "verdict": verdict }),
        require_tls: raw.contains("X-Test: REQUIRETLS"),
        reply: "250 2.0.0 ok".into(),
        bridged: Vec::new(),
    }
}

fn agent_says(text: &str) -> NewMessage {
    NewMessage {
        uploads: Vec::new(),
        posting: Posting::default(),
        direction: Direction::Outgoing,
        author: Author { kind: AuthorKind::Agent, name: None, email: None },
        via: Via::Desk,
        text: text.into(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
    }
}

fn mail(from: &str, more: &str, body: &str) -> String {
    format!("From: {from}\r\nSubject: Re: Teapots\r\n{more}\r\n{body}\r\n")
}

fn reply_address(conversation: &Conversation) -> String {
    conversation.reply_token.address("r.acme.example")
}

#[tokio::test]
async fn a_reply_to_the_token_is_the_contacts_message_without_its_quotes() {
    let house = House::new();
    let ann = house.conversation(Some("Ann@X.example"), None).await;
    house.store().update_conversation(ann.id, Some(Status::Resolved), None, None).await.unwrap();
    let body = "It drips.\r\n\r\nOn Mon, 2 Nov 2026 at 10:00, Acme <support@acme.example> wrote:\r\n> Does the teapot pour well?\r\n";
    let entry =
        house.offer(&mail("Ann <ann@x.example>", "Message-ID: <a1@x.example>\r\n", body), &reply_address(&ann)).await;
    assert_eq!((entry.outcome, entry.conversation_id), (Outcome::Filed, Some(ann.id)), "{entry:?}");
    let message = house.message(&entry).await;
    assert_eq!(message.text, "It drips.");
    assert!(message.quoted.contains("Does the teapot pour well?"), "{}", message.quoted);
    assert_eq!((message.author.kind, message.direction), (AuthorKind::Contact, Direction::Incoming));
    assert_eq!(message.email.and_then(|email| email.message_id).as_deref(), Some("a1@x.example"));
    assert_eq!(house.store().conversation(ann.id).await.unwrap().status, Status::Open);
}

#[tokio::test]
async fn the_answer_to_a_mail_with_requiretls_asks_for_it_too() {
    let house = House::new();
    let opened = house.offer(&mail("ann@x.example", "X-Test: REQUIRETLS\r\n", "secret"), "support@acme.example").await;
    let conversation = opened.conversation_id.expect("a conversation");
    let demanded = async || {
        let posting = Posting { to_contact: Some(Duration::ZERO), ..Posting::default() };
        house.store().append_message(conversation, NewMessage { posting, ..agent_says("Yes.") }).await.unwrap();
        let query = replyd::store::outgoing::QueueQuery { limit: 1, ..Default::default() };
        house.store().queue(query).await.unwrap().items.remove(0).require_tls
    };
    assert!(demanded().await);
    let token = reply_address(&house.store().conversation(conversation).await.unwrap());
    house.offer(&mail("ann@x.example", "", "no secret"), &token).await;
    assert!(!demanded().await, "the mail that is answered decides");
}

#[tokio::test]
async fn another_writer_joins_under_their_own_name() {
    let house = House::new();
    let ann = house.conversation(Some("ann@x.example"), None).await;
    let entry = house.offer(&mail("Bob <bob@y.example>", "", "I am her colleague"), &reply_address(&ann)).await;
    let message = house.message(&entry).await;
    assert_eq!(message.author.kind, AuthorKind::Participant);
    let after = house.store().conversation(ann.id).await.unwrap();
    assert_eq!(after.contact, ann.contact);
    let joined: Vec<_> = after.participants.into_iter().map(|p| (p.name, p.email)).collect();
    assert_eq!(joined, [(Some("Bob".to_owned()), "bob@y.example".to_owned())]);
}

#[tokio::test]
async fn a_visitor_without_address_takes_a_proven_one_only() {
    let house = House::new();
    let visitor = house.conversation(None, Some("v1")).await;
    let email = async || house.store().conversation(visitor.id).await.unwrap().contact.email;
    house.offer(&mail("eve@y.example", "X-Test: unproven\r\n", "it is me"), &reply_address(&visitor)).await;
    assert_eq!(email().await, None);
    house.offer(&mail("v@y.example", "", "it is me"), &reply_address(&visitor)).await;
    assert_eq!(email().await.as_deref(), Some("v@y.example"));
}

#[tokio::test]
async fn answers_thread_by_message_id_within_the_account_for_those_who_take_part() {
    let house = House::new();
    let first = mail("ann@x.example", "Message-ID: <first@x.example>\r\n", "hello");
    let opened = house.offer(&first, "support@acme.example").await;
    let answer = |from: &str| mail(from, "References: <unknown@z> <first@x.example>\r\n", &format!("more from {from}"));
    let same = house.offer(&answer("ann@x.example"), "support@acme.example").await;
    assert_eq!(same.conversation_id, opened.conversation_id);
    let stranger = house.offer(&answer("eve@y.example"), "support@acme.example").await;
    assert_ne!(stranger.conversation_id, opened.conversation_id);
    let elsewhere = house.offer(&answer("ann@x.example"), "help@other.example").await;
    assert_ne!(elsewhere.conversation_id, opened.conversation_id);
    assert_eq!(house.store().conversation(elsewhere.conversation_id.unwrap()).await.unwrap().account, "other");
}

#[tokio::test]
async fn a_mail_to_an_inbox_opens_a_conversation_and_the_same_subject_does_not_join_it() {
    let house = House::new();
    let ann = house.offer(&mail("Ann <ann@x.example>", "", "hello"), "support@acme.example").await;
    let bob = house.offer(&mail("bob@y.example", "", "hello"), "support@acme.example").await;
    assert_ne!(ann.conversation_id, bob.conversation_id);
    let opened = house.store().conversation(ann.conversation_id.unwrap()).await.unwrap();
    assert_eq!((opened.inbox.as_str(), opened.channel), ("mail", Channel::Email));
    assert_eq!((opened.contact.email.as_deref(), opened.contact.name.as_deref()), (Some("ann@x.example"), Some("Ann")));
    assert_eq!(opened.subject.as_deref(), Some("Re: Teapots"));
    let role = house.offer(&mail("noc@z.example", "", "your host"), "postmaster@r.acme.example").await;
    assert_eq!(house.store().conversation(role.conversation_id.unwrap()).await.unwrap().inbox, "mail");
}

#[tokio::test]
async fn one_mail_to_two_tokens_is_two_messages_and_to_token_and_inbox_is_one() {
    let house = House::new();
    let (ann, bob) =
        (house.conversation(Some("ann@x.example"), None).await, house.conversation(Some("bob@x.example"), None).await);
    let to = [reply_address(&ann), reply_address(&bob), "support@acme.example".to_owned()];
    let raw = mail("ann@x.example", &format!("To: {}, {}\r\n", to[0], to[1]), "to both");
    let recipients: Vec<&str> = to.iter().map(String::as_str).collect();
    let accepted = house.store().accept(acceptance(&raw, &recipients)).await.unwrap();
    for entry in &accepted {
        assert_eq!(house.ended(entry.ledger_id).await.outcome, Outcome::Filed);
    }
    for conversation in [ann.id, bob.id] {
        assert_eq!(house.store().messages(conversation, 10).await.unwrap().len(), 2);
    }
    let all =
        house.store().conversations(ConversationQuery { limit: 10, ..ConversationQuery::default() }).await.unwrap();
    assert_eq!(all.items.len(), 2, "no conversation is opened beside");
}

#[tokio::test]
async fn a_machines_answer_is_kept_and_never_reopens() {
    let house = House::new();
    let ann = house.conversation(Some("ann@x.example"), None).await;
    house.store().update_conversation(ann.id, Some(Status::Resolved), None, None).await.unwrap();
    let vacation = mail("ann@x.example", "Auto-Submitted: auto-replied\r\n", "I am away");
    let entry = house.offer(&vacation, &reply_address(&ann)).await;
    assert_eq!(house.message(&entry).await.text, "I am away");
    assert_eq!(house.store().conversation(ann.id).await.unwrap().status, Status::Resolved);
}

#[tokio::test]
async fn a_bounce_is_an_activity_of_its_conversation_or_a_fact_of_the_ledger() {
    let house = House::new();
    let ann = house.conversation(Some("ann@x.example"), None).await;
    let report = "From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nIt failed.\r\n--b\r\n\
        Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
        Final-Recipient: rfc822; ann@x.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n";
    let entry = house.offer(report, &reply_address(&ann)).await;
    let message = house.message(&entry).await;
    assert_eq!((message.direction, message.author.kind), (Direction::Activity, AuthorKind::System));
    assert_eq!(message.text, "Delivery to ann@x.example failed: 5.1.1 (It failed.)");
    assert!(house.store().conversation(ann.id).await.unwrap().participants.is_empty());
    let bounce = message.email.unwrap().bounce.unwrap();
    assert_eq!((bounce.hard, bounce.recipients[0].status.as_deref()), (true, Some("5.1.1")));
    let stray = house.offer(report, "support@acme.example").await;
    assert_eq!((stray.outcome, stray.conversation_id), (Outcome::Filed, None));
    assert!(stray.reason.contains("ann@x.example failed: 5.1.1"), "{}", stray.reason);
}

#[tokio::test]
async fn a_mail_that_belongs_nowhere_fails_and_can_be_replayed() {
    let house = House::new();
    let ann = house.conversation(Some("ann@x.example"), None).await;
    let raw = mail("ann@x.example", "", "hello");
    let lost = house.offer(&raw, "gone@r.acme.example").await;
    assert_eq!(lost.outcome, Outcome::Failed);
    assert_eq!(house.store().raw_mail(lost.raw_id.unwrap()).await.unwrap(), raw.as_bytes());
    let mut changed = config();
    changed.accounts[0].inboxes[1].address = Some("gone@r.acme.example".into());
    house.services.config.store(Arc::new(changed));
    assert_eq!(house.store().replay(lost.id).await.unwrap().outcome, Outcome::Accepted);
    let filed = house.ended(lost.id).await;
    assert_eq!(filed.outcome, Outcome::Filed);
    let opened = house.store().conversation(filed.conversation_id.unwrap()).await.unwrap();
    assert_eq!(opened.contact.id, ann.contact.id);
}

#[tokio::test]
async fn a_mail_that_makes_its_reader_panic_fails_and_the_next_one_is_filed() {
    let mut house = House::asleep(tempfile::tempdir().unwrap().path());
    house.services.parse = Arc::new(|raw| {
        assert!(!raw.ends_with(b"poison\r\n"), "bad octets");
        ParsedMail::parse(raw)
    });
    house.wake();
    let poison = house.offer(&mail("ann@x.example", "", "poison"), "support@acme.example").await;
    assert_eq!((poison.outcome, poison.reason.as_str()), (Outcome::Failed, "reading it panicked: bad octets"));
    let next = house.offer(&mail("ann@x.example", "", "food"), "support@acme.example").await;
    assert_eq!(next.outcome, Outcome::Filed);
}

#[tokio::test]
async fn a_large_mail_is_read_when_there_is_room_for_it_and_gives_its_room_back() {
    let house = House::new();
    let body = "many words of a long letter\r\n".repeat(20_000);
    let raw = mail("ann@x.example", "", &body);
    // What filing finds when it starts it tries alone.
    house.offer(&mail("ann@x.example", "", "starter"), "support@acme.example").await;
    let all = house.services.large_mails.room_for(u64::MAX).await;
    let large = house.accept(&raw, "support@acme.example").await;
    let small = house.offer(&mail("ann@x.example", "", "food"), "support@acme.example").await;
    assert_eq!(small.outcome, Outcome::Filed);
    assert_eq!(house.store().ledger_entry(large).await.unwrap().outcome, Outcome::Accepted);
    drop(all);
    assert_eq!(house.ended(large).await.outcome, Outcome::Filed);
    drop(house.services.large_mails.room_for(u64::MAX).await);
}

#[tokio::test]
async fn a_mail_on_which_its_reader_hangs_fails_and_the_next_one_is_filed() {
    let mut house = House::asleep(tempfile::tempdir().unwrap().path());
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    house.services.parse = Arc::new(move |raw| {
        if raw.ends_with(b"tarpit\r\n") {
            let _ = held.lock().unwrap().recv();
        }
        ParsedMail::parse(raw)
    });
    let limited = |timeout| {
        let limits = Arc::new(Limits { filing_timeout: timeout, ..Limits::default() });
        Arc::new(Config { limits, ..config() })
    };
    house.services.config.store(limited(Duration::from_millis(20)));
    house.wake();
    let hung = house.offer(&mail("ann@x.example", "", "tarpit"), "support@acme.example").await;
    assert_eq!((hung.outcome, hung.reason.as_str()), (Outcome::Failed, "reading it took longer than 0.02 s"));
    house.services.config.store(limited(Duration::from_secs(600)));
    let next = house.offer(&mail("ann@x.example", "", "food"), "support@acme.example").await;
    assert_eq!(next.outcome, Outcome::Filed);
    drop(release);
}

/// A house over what an earlier run left: one mail that was cut short so often, and one that was not.
async fn after_a_crash(dir: &Path, attempts: u32, waits: &'static [Duration]) -> (House, Id, Id) {
    let house = House::asleep(dir);
    let crasher = house.accept(&mail("ann@x.example", "", "crasher"), "support@acme.example").await;
    let fine = house.accept(&mail("ann@x.example", "", "fine"), "support@acme.example").await;
    for attempt in 1..=attempts {
        assert_eq!(house.store().record_attempt(crasher).await.unwrap(), attempt);
    }
    drop(house);
    let mut house = House::asleep(dir);
    house.services.suspect_waits = waits;
    house.wake();
    (house, crasher, fine)
}

#[tokio::test]
async fn what_an_earlier_run_left_is_filed_but_not_what_crashed_it_four_times() {
    let dir = tempfile::tempdir().unwrap();
    let (house, crasher, fine) = after_a_crash(dir.path(), 4, &[Duration::ZERO]).await;
    let crasher = house.ended(crasher).await;
    assert_eq!((crasher.outcome, crasher.reason.as_str()), (Outcome::Failed, "reading it ended the process 4 times"));
    let fine = house.ended(fine).await;
    assert_eq!((fine.outcome, fine.attempts), (Outcome::Filed, 1));
}

#[tokio::test]
async fn a_mail_that_was_cut_short_waits_and_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    static HOUR: [Duration; 1] = [Duration::from_secs(3600)];
    let (house, crasher, fine) = after_a_crash(dir.path(), 3, &HOUR).await;
    assert_eq!(house.ended(fine).await.outcome, Outcome::Filed);
    let next = house.offer(&mail("ann@x.example", "", "food"), "support@acme.example").await;
    assert_eq!(next.outcome, Outcome::Filed);
    let waiting = house.store().ledger_entry(crasher).await.unwrap();
    assert_eq!((waiting.outcome, waiting.attempts), (Outcome::Accepted, 3));
}

/// Takes as long as the first wait of `retry::FILING`.
#[tokio::test]
async fn a_store_that_fails_delays_filing_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut house = House::asleep(dir.path());
    let id = house.accept(&mail("ann@x.example", "", "patience"), "support@acme.example").await;
    house.store().inject(Fault::FailCommits(u32::MAX));
    house.wake();
    while house.store().counters().batches_failed == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.store().ledger_entry(id).await.unwrap().outcome, Outcome::Accepted);
    house.store().inject(Fault::FailCommits(0));
    assert_eq!(house.ended(id).await.outcome, Outcome::Filed);
}

#[tokio::test]
async fn many_mails_are_filed_and_shutting_down_leaves_the_rest_accepted() {
    let mut house = House::new();
    let mails: Vec<String> = (0..300).map(|n| mail("ann@x.example", "", &format!("number {n}"))).collect();
    let mut ids = Vec::new();
    for raw in &mails {
        ids.push(house.accept(raw, "support@acme.example").await);
    }
    for id in &ids {
        assert_eq!(house.ended(*id).await.outcome, Outcome::Filed);
    }
    house.shutdown.cancel();
    house.filing.take().unwrap().ended().await;
    let late = house.accept(&mail("ann@x.example", "", "late"), "support@acme.example").await;
    assert_eq!(house.store().ledger_entry(late).await.unwrap().outcome, Outcome::Accepted);
}

/// Two copies of one mail, of which the MX or a pipe vouches for the author or does not.
async fn copy(house: &House, proof: &str, to: &str) -> LedgerEntry {
    let raw = mail("ann@x.example", &format!("Message-ID: <copy@x.example>\r\nX-Test: {proof}\r\n"), "the same words");
    let acceptance = Acceptance { identity: Some([7; 32]), ..acceptance(&raw, &[to]) };
    let id = house.store().accept(acceptance).await.unwrap()[0].ledger_id;
    house.store().ledger_entry(id).await.unwrap()
}

fn verdict(auth: Option<&serde_json::Value>) -> String {
    auth.and_then(|auth| auth.get("verdict")?.as_str().map(str::to_owned)).unwrap_or_default()
}

#[tokio::test]
async fn a_later_copy_that_proves_its_author_raises_the_message_and_leaves_the_entries() {
    for asleep in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let mut house = House::asleep(dir.path());
        if !asleep {
            house.wake();
        }
        let first = copy(&house, "unproven", "support@acme.example").await;
        if !asleep {
            house.ended(first.id).await;
        }
        let again = copy(&house, "unproven", "support@acme.example").await;
        let second = copy(&house, "authentic", "support@acme.example").await;
        let third = copy(&house, "authentic", "support@acme.example").await;
        house.wake();
        let filed = house.ended(first.id).await;
        let message = house.message(&filed).await;
        assert_eq!(verdict(message.email.as_ref().map(|email| &email.auth)), "authentic");
        assert_eq!(
            (verdict(filed.auth.as_ref()), verdict(second.auth.as_ref())),
            ("unproven".into(), "authentic".into())
        );
        let news = [&again, &second, &third].map(|entry| entry.reason.contains("this copy proves its author"));
        assert_eq!(news, [false, true, false]);
        let events = house.store().events(None, Some(Id(0)), 100).await.unwrap();
        let told = events.iter().filter(|event| event.detail == serde_json::json!({"verdict": "authentic"})).count();
        assert_eq!(told, usize::from(!asleep), "who saw the message learns of it");
        house.shutdown.cancel();
    }
}

#[tokio::test]
async fn a_later_copy_that_proves_nothing_takes_nothing_back() {
    let house = House::new();
    let first = copy(&house, "authentic", "support@acme.example").await;
    let first = house.ended(first.id).await;
    let second = copy(&house, "unproven", "support@acme.example").await;
    assert_eq!(second.outcome, Outcome::Duplicate);
    let message = house.message(&first).await;
    assert_eq!(verdict(message.email.as_ref().map(|email| &email.auth)), "authentic");
}
