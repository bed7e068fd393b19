//! What the steps of one 2 KB reply cost on a thread alone: parse, split, and the two commits (with their sync, but in
//! time on CPU only). `benches/verify.rs` has the step before them. One line of JSON; compare only within one machine.

use replyd::clock::Clock;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Ingress, Via};
use replyd::mail::content;
use replyd::mail::parsed::ParsedMail;
use replyd::store::Store;
use replyd::store::mail_file::MailOctets;
use replyd::store::unit::{Acceptance, Destination, FilingResult, NewConversation, NewMessage};
use std::hint::black_box;

const RUNS: u64 = 2000;
const BATCHES: usize = 9;
/// Mails that share a commit, as with 50 busy sessions.
const TOGETHER: usize = 32;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let raw = reply(0);
    let mail = ParsedMail::parse(&raw);
    let parse = best(|| drop(black_box(ParsedMail::parse(black_box(&raw)))));
    let read = best(|| drop(black_box(content::read(black_box(&mail), &[]))));
    let (accept, file) = commits().await;
    println!(
        "{{\"bench\":\"micro\",\"octets\":{},\"parse_us\":{parse:.1},\"read_and_split_us\":{read:.1},\
         \"accept_commit_us\":{accept:.1},\"file_commit_us\":{file:.1},\"mails_a_commit\":{TOGETHER}}}",
        raw.len()
    );
}

fn reply(number: u64) -> Vec<u8> {
    let quote = "> Does the kettle boil again after you have descaled it as described?\r\n".repeat(22);
    format!(
        "From: Jane Doe <jane@customer.example>\r\nTo: support@r.example\r\nSubject: Re: Broken kettle\r\n\
         Message-ID: <{number}@customer.example>\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nIt works now, thank you! This is answer number {number}.\r\n\r\n\
         On Fri, Nov 20, 2026 at 9:00 AM Sara (Acme) <support@r.example> wrote:\r\n{quote}"
    )
    .into_bytes()
}

/// Microseconds of one run in the best of some batches.
fn best(mut step: impl FnMut()) -> f64 {
    let mut least = u64::MAX;
    for _ in 0..BATCHES {
        let before = on_cpu("thread-self");
        (0..RUNS).for_each(|_| step());
        least = least.min(on_cpu("thread-self") - before);
    }
    least as f64 / RUNS as f64 / 1000.0
}

/// Microseconds of the writing thread for a mail's acceptance and for its filing.
async fn commits() -> (f64, f64) {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path(), Clock::System).expect("a store");
    let writer = writer();
    let conversation = store.new_conversation(conversation()).await.expect("a conversation").id;
    let (mut accepting, mut filing, mut mails) = (0, 0, 0);
    for round in 0..100 {
        let begun = on_cpu(&writer);
        let offered = (0..TOGETHER).map(|n| {
            let store = store.clone();
            let mail = acceptance((round * TOGETHER + n) as u64);
            tokio::spawn(async move { store.accept(mail).await.expect("accepted") })
        });
        for task in offered.collect::<Vec<_>>() {
            task.await.expect("no panic");
        }
        let accepted = on_cpu(&writer);
        let entries = store.unfiled(None, TOGETHER).await.expect("entries");
        mails += entries.len() as u64;
        let results = entries.iter().map(|entry| FilingResult {
            agent: None,
            bounce: None,
            orders: Vec::new(),
            ledger_id: entry.id,
            account: "acme".into(),
            destination: Destination::Existing(conversation),
            message: Some(message()),
            reason: "the token of the envelope recipient".into(),
            message_id: entry.message_id.clone(),
            received_at: entry.received_at,
        });
        for filed in store.file_all(results.collect()).await.expect("the writer lives") {
            filed.expect("filed");
        }
        accepting += accepted - begun;
        filing += on_cpu(&writer) - accepted;
    }
    store.close().await;
    let each = |nanoseconds: u64| nanoseconds as f64 / mails as f64 / 1000.0;
    (each(accepting), each(filing))
}

fn conversation() -> NewConversation {
    NewConversation {
        account: "acme".into(),
        inbox: "support".into(),
        channel: Channel::Email,
        contact_name: None,
        contact_email: Some("jane@customer.example".into()),
        contact_identifier: None,
        subject: Some("Broken kettle".into()),
        messages: Vec::new(),
    }
}

fn acceptance(number: u64) -> Acceptance {
    let mut sha256 = [7; 32];
    sha256[..8].copy_from_slice(&number.to_le_bytes());
    Acceptance {
        ingress: Ingress::Smtp,
        session: "s1".into(),
        remote_ip: Some([192, 0, 2, 1].into()),
        helo: Some("mx.customer.example".into()),
        tls: None,
        envelope_from: Some("jane@customer.example".into()),
        recipients: vec![("support@r.example".into(), "acme".into())],
        octets: MailOctets::Memory(reply(number)),
        sha256,
        identity: None,
        message_id: Some(format!("{number}@customer.example")),
        auth: serde_json::json!({"spf": "pass", "dkim": [], "verdict": "authentic"}),
        require_tls: false,
        reply: "250 2.0.0 queued".into(),
        bridged: Vec::new(),
    }
}

fn message() -> NewMessage {
    NewMessage {
        uploads: Vec::new(),
        posting: Default::default(),
        direction: Direction::Incoming,
        author: Author { kind: AuthorKind::Contact, name: None, email: Some("jane@customer.example".into()) },
        via: Via::Email,
        text: "It works now, thank you!".into(),
        html: None,
        quoted: "> Does the kettle boil again after you have descaled it as described?\n".repeat(22),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
    }
}

/// The writing thread, as a path under /proc.
fn writer() -> String {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let named = |task: &std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    let mut found = tasks.flatten().filter(|task| named(task).trim() == "store-write");
    let task = found.next().expect("the store writes on a thread of that name");
    format!("self/task/{}", task.file_name().to_string_lossy())
}

/// Nanoseconds that a thread has run.
fn on_cpu(thread: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{thread}/schedstat")).unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}
