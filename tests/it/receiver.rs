//! An HTTP receiver that does what its script says, polite or not. It keeps what it was told. Nothing of the client's library
//! is on this side.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A test that waits longer than this has failed; nothing is timed by it.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    /// By lower-case name.
    pub fields: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Call {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Act {
    Status(u16),
    /// With these fields, each ended by CRLF.
    With(u16, String),
    /// These octets, whatever they are, and the end.
    Octets(Vec<u8>),
    /// A good head, then a body without end.
    EndlessBody(u16),
    /// No answer for as long as the client stays.
    Hang,
    /// The end at once.
    Close,
}

type Script = dyn Fn(&Call, usize) -> Act + Send + Sync;

pub struct Receiver {
    pub address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    calls: Mutex<Vec<Call>>,
    more: Notify,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// The script learns the call, and how many came before it.
    pub async fn start(script: impl Fn(&Call, usize) -> Act + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Receiver::on(listener, script)
    }

    fn on(listener: TcpListener, script: impl Fn(&Call, usize) -> Act + Send + Sync + 'static) -> Receiver {
        let address = listener.local_addr().expect("an address");
        let (seen, script): (Arc<Seen>, Arc<Script>) = (Arc::default(), Arc::new(script));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&script)));
            }
        });
        Receiver { address, seen, task }
    }

    pub async fn polite() -> Receiver {
        Receiver::start(|_, _| Act::Status(204)).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.seen.calls.lock().expect("no panic").clone()
    }

    /// All calls, once there are so many.
    pub async fn after(&self, count: usize) -> Vec<Call> {
        self.until(&format!("{count} calls"), |calls| calls.len() >= count).await
    }

    pub async fn until(&self, what: &str, is_so: impl Fn(&[Call]) -> bool) -> Vec<Call> {
        let wait = async {
            loop {
                let more = self.seen.more.notified();
                let calls = self.calls();
                if is_so(&calls) {
                    return calls;
                }
                more.await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(calls) => calls,
            Err(_) => panic!("still not so: {what}; {} calls: {:?}", self.calls().len(), self.calls().last()),
        }
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Seen>, script: Arc<Script>) {
    let Some(call) = read(&mut stream).await else { return };
    let number = {
        let mut calls = seen.calls.lock().expect("no panic");
        calls.push(call.clone());
        calls.len() - 1
    };
    let act = script(&call, number);
    seen.more.notify_waiters();
    seen.more.notify_one();
    answer(&mut stream, act).await;
}

async fn answer(stream: &mut TcpStream, act: Act) {
    let head = |status: u16, fields: &str| format!("HTTP/1.1 {status} x\r\n{fields}\r\n").into_bytes();
    let octets = match act {
        Act::Status(204) => head(204, "Connection: close\r\n"),
        Act::Status(status) => [head(status, "Content-Length: 9\r\n"), b"its words".to_vec()].concat(),
        Act::With(status, fields) => head(status, &format!("{fields}Content-Length: 0\r\n")),
        Act::Octets(octets) => octets,
        Act::EndlessBody(status) => {
            let _ = stream.write_all(&head(status, "")).await;
            while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
            return;
        }
        Act::Hang => {
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
            return;
        }
        Act::Close => return,
    };
    let _ = stream.write_all(&octets).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Call> {
    let mut octets = Vec::new();
    let end = loop {
        if let Some(at) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        more(stream, &mut octets).await?;
    };
    let head = String::from_utf8(octets.get(..end)?.to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let fields: HashMap<String, String> = lines.filter_map(field).collect();
    let length: usize = fields.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let mut body = octets.split_off(end + 4);
    while body.len() < length {
        more(stream, &mut body).await?;
    }
    Some(Call { method, path, fields, body })
}

async fn more(stream: &mut TcpStream, octets: &mut Vec<u8>) -> Option<()> {
    let count = stream.read_buf(octets).await.ok()?;
    (count > 0).then_some(())
}
