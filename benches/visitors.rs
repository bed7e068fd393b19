//! Visitors of a site, and the calls of a desk, for `benches/chat`: what one process asks of replyd over loopback.
//!
//! `visitors idle --port P --inbox I --count N --tabs T` has N visitors begin a chat and listen with T tabs each; prints `ready`, and holds
//! them until its standard input ends. `visitors live --port P --inbox I --count N --token T --messages M` has an agent answer M times
//! one of N visitors who listen, and prints how long it takes to their page. `visitors calls --port P --header H --paths FILE --times M`
//! makes each call M times and prints how long they take.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let options: HashMap<String, String> = words
        .get(1..)
        .unwrap_or_default()
        .chunks(2)
        .filter_map(|pair| Some((pair.first()?.trim_start_matches("--").to_owned(), pair.get(1)?.clone())))
        .collect();
    match words.first().map(String::as_str) {
        Some("idle") => idle(&options),
        Some("live") => live(&options),
        Some("calls") => calls(&options),
        // `cargo bench` without words runs every target.
        _ => println!("visitors: run by benches/chat"),
    }
}

fn number(options: &HashMap<String, String>, name: &str, default: usize) -> usize {
    options.get(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn port(options: &HashMap<String, String>) -> u16 {
    u16::try_from(number(options, "port", 80)).expect("a port")
}

/// A kept connection for calls one after the other.
struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Client { reader: BufReader::new(stream) }
    }

    fn call(&mut self, method: &str, path: &str, header: &str, body: &str) -> (u16, Vec<u8>) {
        let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{header}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes()).expect("write");
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a status line");
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line).expect("a header");
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).expect("a body");
        (status, body)
    }

    fn json(&mut self, path: &str, header: &str, body: &Value) -> Value {
        let (status, answer) = self.call("POST", path, header, &body.to_string());
        assert!(status < 300, "{path}: {status} {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }
}

/// A visitor with a chat that has begun.
#[derive(Clone)]
struct Visitor {
    token: String,
    conversation: String,
}

fn visitors(options: &HashMap<String, String>) -> Vec<Visitor> {
    let (port, count) = (port(options), number(options, "count", 1000));
    let inbox = options.get("inbox").expect("--inbox").clone();
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let inbox = inbox.clone();
            std::thread::spawn(move || {
                let mut client = Client::connect(port);
                (thread..count).step_by(8).map(|n| begin(&mut client, &inbox, n)).collect::<Vec<_>>()
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
}

fn begin(client: &mut Client, inbox: &str, n: usize) -> Visitor {
    let visitor = client.json("/widget/v1/visitors", &address(n), &json!({"inbox": inbox}));
    let token = visitor["token"].as_str().expect("a token").to_owned();
    let header = format!("{}\r\nAuthorization: Bearer {token}", address(n));
    let message = json!({"text": "Does it boil?", "idempotency_key": format!("first{n}")});
    let sent = client.json("/widget/v1/messages", &header, &message);
    Visitor { token, conversation: sent["conversation_id"].as_str().expect("an id").to_owned() }
}

/// Everybody comes through a proxy, each from an address of their own: what one address may do is bounded.
fn address(n: usize) -> String {
    format!("X-Forwarded-For: 10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255)
}

/// Opens a feed and reads until it says that it listens.
async fn listen(port: u16, n: usize, visitor: &Visitor, tab: usize) -> tokio::io::BufReader<tokio::net::TcpStream> {
    // Each source address has some 28,000 ports.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    let source = format!("127.0.{}.2:0", 1 + n / 5000);
    socket.bind(source.parse().expect("an address")).expect("bound");
    let stream = socket.connect(([127, 0, 0, 1], port).into()).await.expect("connect");
    // A small buffer: there are many of them, and the machine is one.
    let mut reader = tokio::io::BufReader::with_capacity(512, stream);
    let request = format!(
        "GET /widget/v1/events?conversation={}&tab=tab{tab} HTTP/1.1\r\nHost: localhost\r\n{}\r\nAuthorization: Bearer {}\r\n\
         Accept: text/event-stream\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36\r\n\
         Origin: https://shop.example\r\nReferer: https://shop.example/kettles\r\nAccept-Language: en-GB,en;q=0.9\r\n\r\n",
        visitor.conversation,
        address(n),
        visitor.token
    );
    reader.write_all(request.as_bytes()).await.expect("write");
    let mut line = String::new();
    let mut first = true;
    loop {
        line.clear();
        assert!(reader.read_line(&mut line).await.expect("read") > 0, "the feed ended");
        assert!(!first || line.contains(" 200 "), "{line}");
        first = false;
        if line.starts_with("retry:") || line.starts_with(':') {
            return reader;
        }
    }
}

fn idle(options: &HashMap<String, String>) {
    let (port, tabs) = (port(options), number(options, "tabs", 1));
    let all = visitors(options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("begun");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("a word to go on");
        let mut held = Vec::new();
        for (n, visitor) in all.iter().enumerate() {
            for tab in 0..tabs {
                held.push(listen(port, n, visitor, tab).await);
            }
        }
        println!("ready");
        // What is sent now and then has to be taken, or it would be buffered at the other side.
        for mut feed in held {
            tokio::spawn(async move {
                let mut line = String::new();
                while feed.read_line(&mut line).await.is_ok_and(|octets| octets > 0) {
                    line.clear();
                }
            });
        }
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
        let _ = end.await;
    });
}

fn live(options: &HashMap<String, String>) {
    let (port, messages) = (port(options), number(options, "messages", 1000));
    let header = format!("Authorization: Bearer {}", options.get("token").expect("--token"));
    let pause = Duration::from_millis(number(options, "pause", 5) as u64);
    let all = visitors(options);
    let seen: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    for (n, visitor) in all.iter().enumerate() {
        let mut feed = runtime.block_on(listen(port, n, visitor, 0));
        let seen = Arc::clone(&seen);
        runtime.spawn(async move {
            let mut line = String::new();
            while feed.read_line(&mut line).await.is_ok_and(|octets| octets > 0) {
                let now = Instant::now();
                if let Some(at) = line.find("answer-") {
                    let key: String =
                        line[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
                    seen.lock().expect("no panic").entry(key).or_insert(now);
                }
                line.clear();
            }
        });
    }
    let mut client = Client::connect(port);
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    for n in 0..messages {
        let visitor = &all[n * 7919 % all.len()];
        let path = format!("/api/v1/conversations/{}/messages", visitor.conversation);
        let body = json!({"text": format!("answer-{n}-"), "author": "agent"});
        let begun = Instant::now();
        client.json(&path, &header, &body);
        answered.push(begun.elapsed());
        sent.push((format!("answer-{n}-"), begun));
        std::thread::sleep(pause);
    }
    std::thread::sleep(Duration::from_secs(1));
    let seen = seen.lock().expect("no panic");
    let mut waits: Vec<Duration> =
        sent.iter().filter_map(|(key, begun)| seen.get(key).map(|at| at.duration_since(*begun))).collect();
    waits.sort_unstable();
    answered.sort_unstable();
    println!(
        "{}",
        json!({"seen": waits.len(), "sent": sent.len(), "p50_ms": milliseconds(&waits, 50), "p99_ms": milliseconds(&waits, 99),
            "max_ms": milliseconds(&waits, 100), "call_p50_ms": milliseconds(&answered, 50), "call_p99_ms": milliseconds(&answered, 99)})
    );
}

fn calls(options: &HashMap<String, String>) {
    let times = number(options, "times", 100);
    let header = options.get("header").cloned().unwrap_or_default();
    let paths = std::fs::read_to_string(options.get("paths").expect("--paths FILE")).expect("paths");
    let mut client = Client::connect(port(options));
    let mut rows = Vec::new();
    for path in paths.lines().filter(|line| !line.is_empty()) {
        let (mut waits, mut items, mut octets) = (Vec::new(), 0, 0);
        for _ in 0..times {
            let begun = Instant::now();
            let (status, body) = client.call("GET", path, &header, "");
            waits.push(begun.elapsed());
            assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
            octets = body.len();
            items = serde_json::from_slice::<Value>(&body).expect("JSON")["items"].as_array().map_or(0, Vec::len);
        }
        waits.sort_unstable();
        rows.push(json!({"path": path, "items": items, "octets": octets, "p50_ms": milliseconds(&waits, 50), "p99_ms": milliseconds(&waits, 99)}));
    }
    println!("{}", Value::from(rows));
}

fn milliseconds(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    (sorted.get(at).map_or(f64::NAN, Duration::as_secs_f64) * 1e5).round() / 100.0
}
