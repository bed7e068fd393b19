//! The load that `benches/ingest` puts on replyd, Postfix and Exim alike, so that only ratios within one run count.
//!
//! `load smtp --port P --sessions S --mails M --octets N --to FILE [--key FILE --domain D --selector S]`
//! sends M mails over S kept connections and prints one line of JSON. `load relay` with the same words and `--password`
//! posts them to the relay ingress instead, over connections that are kept as well. `load idle --port P --sessions S [--tls]`
//! opens sessions, prints `ready`, and holds them until its standard input ends. `load disk --dir D` measures the
//! disk's own sync. `load seed --dir D --conversations N [--answers-to DOMAIN]` fills a store, with an answer queued in each.

use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use replyd::clock::Clock;
use replyd::conversation::delivery::Posting;
use replyd::conversation::model::{Author, AuthorKind, Channel, Direction, Via};
use replyd::store::Store;
use replyd::store::outgoing::OutgoingSettings;
use replyd::store::unit::{NewConversation, NewMessage};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let options: HashMap<String, String> = words
        .iter()
        .skip(1)
        .collect::<Vec<_>>()
        .chunks(2)
        .filter_map(|pair| Some((pair.first()?.trim_start_matches("--").to_owned(), pair.get(1)?.to_string())))
        .collect();
    match words.first().map(String::as_str) {
        Some("smtp") => mails(&options, Door::Smtp),
        Some("relay") => mails(&options, Door::Relay),
        Some("idle") => idle(&options),
        Some("disk") => disk(&options),
        Some("seed") => seed(&options),
        // `cargo bench` without words runs every target: there is nothing to measure without a server.
        _ => println!("load: run by benches/ingest"),
    }
}

fn number(options: &HashMap<String, String>, name: &str, default: usize) -> usize {
    options.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// By which door mails are brought.
#[derive(Clone, Copy)]
enum Door {
    Smtp,
    Relay,
}

struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: usize) -> Client {
        let mut client = Client::open(port);
        client.expect("220");
        client
    }

    fn open(port: usize) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", u16::try_from(port).expect("a port"))).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Client { reader: BufReader::new(stream) }
    }

    fn send(&mut self, octets: &[u8]) {
        self.reader.get_mut().write_all(octets).expect("write");
    }

    fn expect(&mut self, code: &str) {
        loop {
            let mut line = String::new();
            assert!(self.reader.read_line(&mut line).expect("read") > 0, "closed, expected {code}");
            assert!(line.starts_with(code), "expected {code}, got {line}");
            if line.as_bytes().get(3) == Some(&b' ') {
                return;
            }
        }
    }
}

fn compose(
    number: usize,
    to: &str,
    octets: usize,
    signer: Option<&DkimSigner<RsaKey<Sha256>, mail_auth::dkim::Done>>,
) -> Vec<u8> {
    let mut mail = format!(
        "From: Jane Doe <jane@customer.example>\r\nTo: {to}\r\nSubject: Re: Broken kettle\r\nMessage-ID: <{number}.{}@customer.example>\r\n\
         Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         It works now, thank you! This is answer number {number}.\r\n\r\n\
         On Fri, Nov 20, 2026 at 9:00 AM Sara (Acme) <support@reply.example> wrote:\r\n",
        std::process::id()
    );
    while mail.len() < octets {
        mail.push_str("> Does the kettle boil again after you have descaled it as described?\r\n");
    }
    let mut content =
        signer.map_or_else(Vec::new, |signer| signer.sign(mail.as_bytes()).expect("sign").to_header().into_bytes());
    content.extend_from_slice(mail.as_bytes());
    content.extend_from_slice(b".\r\n");
    content
}

/// What makes a mail large: a short text and one file.
fn with_attachment(octets: usize) -> Vec<u8> {
    let mut mail = format!(
        "From: Jane Doe <jane@customer.example>\r\nTo: support@reply.example\r\nSubject: The film\r\nMessage-ID: <film.{}@customer.example>\r\n\
         Date: Fri, 20 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=edge\r\n\r\n\
         --edge\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n--edge\r\nContent-Type: video/mp4; name=film.mp4\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n",
        std::process::id()
    );
    while mail.len() < octets {
        mail.push_str("QWxsIHdvcmsgYW5kIG5vIHBsYXkgbWFrZXMgYSBmaWxtIHRoYXQgbm9ib2R5IHdhdGNoZXMu\r\n");
    }
    mail.push_str("--edge--\r\n.\r\n");
    mail.into_bytes()
}

fn signer(options: &HashMap<String, String>) -> Option<DkimSigner<RsaKey<Sha256>, mail_auth::dkim::Done>> {
    let key = PrivateKeyDer::from_pem_file(options.get("key")?).expect("a PEM key");
    let key = RsaKey::<Sha256>::from_key_der(key).expect("an RSA key");
    let (domain, selector) = (options.get("domain").expect("--domain"), options.get("selector").expect("--selector"));
    Some(DkimSigner::from_key(key).domain(domain).selector(selector).headers([
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
    ]))
}

fn mails(options: &HashMap<String, String>, door: Door) {
    let (port, sessions) = (number(options, "port", 25), number(options, "sessions", 1));
    let head = Arc::new(relay_head(options.get("password").map_or("", String::as_str)));
    let (mails, octets) = (number(options, "mails", 1000), number(options, "octets", 2048));
    let recipients = std::fs::read_to_string(options.get("to").expect("--to FILE")).expect("recipients");
    let recipients: Vec<String> = recipients.lines().map(str::to_owned).collect();
    let signer = signer(options);
    let large = octets > 1024 * 1024;
    // Large mails share their octets, which the load would not have memory for: give each a recipient of its own, or
    // all but the first are duplicates.
    let shared = large.then(|| Arc::new(with_attachment(octets)));
    let composed: Vec<(String, Arc<Vec<u8>>)> = (0..mails)
        .map(|n| (n, recipients[n % recipients.len()].clone()))
        .map(|(n, to)| {
            let content = shared.clone().unwrap_or_else(|| Arc::new(compose(n, &to, octets, signer.as_ref())));
            (to, content)
        })
        .collect();
    let composed = Arc::new(composed);
    let barrier = Arc::new(Barrier::new(sessions + 1));
    let waits = Arc::new(Mutex::new(Vec::with_capacity(mails)));
    let threads: Vec<_> = (0..sessions)
        .map(|session| {
            let (composed, barrier, waits, head) = (composed.clone(), barrier.clone(), waits.clone(), head.clone());
            std::thread::spawn(move || {
                let mut client = match door {
                    Door::Smtp => greeted(port),
                    Door::Relay => Client::open(port),
                };
                barrier.wait();
                let mut own = Vec::new();
                for n in (session..mails).step_by(sessions) {
                    own.push(match door {
                        Door::Smtp => deliver(&mut client, &composed[n]),
                        Door::Relay => post(&mut client, &head, &composed[n].1),
                    });
                }
                waits.lock().expect("no panic").append(&mut own);
            })
        })
        .collect();
    barrier.wait();
    let start = Instant::now();
    for thread in threads {
        thread.join().expect("no session failed");
    }
    let seconds = start.elapsed().as_secs_f64();
    let mut waits = std::mem::take(&mut *waits.lock().expect("no panic"));
    waits.sort_unstable();
    println!(
        "{{\"seconds\":{seconds:.4},\"mails\":{mails},\"per_second\":{:.1},\"eod_p50_ms\":{:.3},\"eod_p99_ms\":{:.3}}}",
        mails as f64 / seconds,
        percentile(&waits, 50),
        percentile(&waits, 99)
    );
}

fn greeted(port: usize) -> Client {
    let mut client = Client::connect(port);
    client.send(b"EHLO load.customer.example\r\n");
    client.expect("250");
    client
}

fn relay_head(password: &str) -> String {
    let credentials = data_encoding::BASE64.encode(format!("actionmailbox:{password}").as_bytes());
    format!(
        "POST /rails/action_mailbox/relay/inbound_emails HTTP/1.1\r\nHost: localhost\r\nContent-Type: message/rfc822\r\n\
         Authorization: Basic {credentials}\r\nContent-Length: "
    )
}

/// Posts one mail; the time from its last octet to the end of the answer's header, which is all of a 204.
fn post(client: &mut Client, head: &str, content: &[u8]) -> Duration {
    let mail = content.strip_suffix(b".\r\n").unwrap_or(content);
    client.send(&[head.as_bytes(), format!("{}\r\n\r\n", mail.len()).as_bytes(), mail].concat());
    let sent = Instant::now();
    let mut line = String::new();
    client.reader.read_line(&mut line).expect("an answer");
    assert!(line.starts_with("HTTP/1.1 204"), "{line}");
    while line != "\r\n" {
        line.clear();
        client.reader.read_line(&mut line).expect("a header");
    }
    sent.elapsed()
}

/// Sends one mail with a pipelined envelope; the time from its last octet to its 250.
fn deliver(client: &mut Client, (to, content): &(String, Arc<Vec<u8>>)) -> Duration {
    client.send(format!("MAIL FROM:<jane@customer.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n").as_bytes());
    client.expect("250");
    client.expect("250");
    client.expect("354");
    client.send(content);
    let sent = Instant::now();
    client.expect("250");
    sent.elapsed()
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let index = (sorted.len().saturating_sub(1) * percent) / 100;
    sorted.get(index).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
}

fn idle(options: &HashMap<String, String>) {
    let (port, sessions) = (number(options, "port", 25), number(options, "sessions", 1000));
    let held: Vec<Client> = (0..sessions)
        .map(|_| {
            let mut client = Client::connect(port);
            client.send(b"EHLO idle.customer.example\r\n");
            client.expect("250");
            client
        })
        .collect();
    println!("ready");
    let _ = std::io::stdin().read(&mut [0u8; 1]);
    drop(held);
}

/// The disk's own price: an 8 KiB append and its fdatasync, as often as fits into two seconds.
fn disk(options: &HashMap<String, String>) {
    let path = std::path::Path::new(options.get("dir").expect("--dir")).join("sync-probe");
    let mut file = std::fs::File::create(&path).expect("a writable directory");
    let (start, mut waits) = (Instant::now(), Vec::new());
    while start.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 8192]).expect("write");
        let begun = Instant::now();
        file.sync_data().expect("sync");
        waits.push(begun.elapsed());
    }
    let _ = std::fs::remove_file(&path);
    waits.sort_unstable();
    println!(
        "{{\"syncs\":{},\"p50_ms\":{:.3},\"p99_ms\":{:.3}}}",
        waits.len(),
        percentile(&waits, 50),
        percentile(&waits, 99)
    );
}

/// A question, and its answer on its way out.
fn exchange(n: &usize) -> [NewMessage; 2] {
    let message = |kind, direction, text: String, posting| NewMessage {
        direction,
        author: Author { kind, name: Some("Sara".into()), email: None },
        via: Via::Api,
        text,
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting,
    };
    let posting = Posting { to_contact: Some(Duration::ZERO), ..Posting::default() };
    let answer = format!("Good day,\n\nplease hold the button for ten seconds. This is answer {n}.\n\nSara");
    [
        message(AuthorKind::Contact, Direction::Incoming, "It does not boil.".into(), Posting::default()),
        message(AuthorKind::Agent, Direction::Outgoing, answer, posting),
    ]
}

fn seed(options: &HashMap<String, String>) {
    let dir = std::path::PathBuf::from(options.get("dir").expect("--dir"));
    let count = number(options, "conversations", 100_000);
    let queued_to = options.get("answers-to").cloned();
    let domain = queued_to.clone().unwrap_or_else(|| "customer.example".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&dir, Clock::System).expect("a store");
        store.set_outgoing(OutgoingSettings { hostname: "mx.reply.example".into(), ..OutgoingSettings::default() });
        for chunk in (0..count).collect::<Vec<_>>().chunks(500) {
            let begun: Vec<_> = chunk
                .iter()
                .map(|n| {
                    let store = store.clone();
                    let new = NewConversation {
                        account: "acme".into(),
                        inbox: "support".into(),
                        channel: Channel::Email,
                        contact_name: None,
                        contact_email: Some(format!("visitor{n}@{domain}")),
                        contact_identifier: None,
                        subject: Some(format!("Question {n}")),
                        messages: queued_to.iter().flat_map(|_| exchange(n)).collect(),
                    };
                    tokio::spawn(async move { store.new_conversation(new).await })
                })
                .collect();
            for task in begun {
                task.await.expect("no panic").expect("stored");
            }
        }
        store.close().await;
    });
}
