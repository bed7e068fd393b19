//! A remote mail host that does what its script says: polite by default, as evil as a test needs. It keeps what it was told.

use super::certificates;
use aws_lc_rs::{hmac, pbkdf2};
use data_encoding::BASE64;
use replyd::net::tls::Tls;
use rustls::RootCertStore;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// The name in the host's certificate.
pub const NAME: &str = "mx.example";

/// When a host may misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    Greeting,
    Ehlo,
    EhloUnderTls,
    StartTls,
    /// In place of the TLS handshake.
    Handshake,
    Auth,
    /// A line that continues AUTH.
    AuthContinued,
    Mail,
    Rcpt,
    Data,
    /// After 354, before content is read.
    Content,
    Dot,
    Rset,
    Quit,
}

#[derive(Debug, Clone)]
pub enum Act {
    /// These octets, whatever they are.
    Say(Vec<u8>),
    /// The same, and the connection ends in order.
    Last(Vec<u8>),
    /// At once, whatever the client is still sending.
    Close,
    /// No answer for as long as the client stays.
    Never,
    /// The host's side of SCRAM-SHA-256 with this password, whoever the user is; welcomed whatever the proof is.
    Scram(&'static str),
    /// A piece, so many times.
    Flood(&'static [u8], usize),
    /// One octet after the other, without end.
    Drip,
    /// These octets, once there is a permit, which is used up.
    Await(Arc<Semaphore>, Vec<u8>),
}

pub fn say(text: &str) -> Act {
    Act::Say(format!("{text}\r\n").into_bytes())
}

pub fn last(text: &str) -> Act {
    Act::Last(format!("{text}\r\n").into_bytes())
}

/// Several acts at one moment follow each other, over all connections; the last one stays.
#[derive(Debug, Clone, Default)]
pub struct Script {
    acts: HashMap<Moment, VecDeque<Act>>,
    implicit_tls: bool,
}

impl Script {
    pub fn at(mut self, moment: Moment, act: Act) -> Script {
        self.acts.entry(moment).or_default().push_back(act);
        self
    }

    /// What EHLO offers, before and after TLS.
    pub fn offers(self, keywords: &[&str]) -> Script {
        let act = ehlo(keywords);
        self.at(Moment::Ehlo, act.clone()).at(Moment::EhloUnderTls, act)
    }

    pub fn implicit_tls(mut self) -> Script {
        self.implicit_tls = true;
        self
    }

    fn next(&mut self, moment: Moment) -> Act {
        let Some(acts) = self.acts.get_mut(&moment) else { return polite(moment) };
        let act = if acts.len() > 1 { acts.pop_front() } else { acts.front().cloned() };
        act.unwrap_or_else(|| polite(moment))
    }
}

/// The answer to EHLO with these keywords.
pub fn ehlo(keywords: &[&str]) -> Act {
    let lines = keywords.iter().map(|keyword| format!("250-{keyword}\r\n")).collect::<String>();
    Act::Say(format!("250-{NAME}\r\n{lines}250 HELP\r\n").into_bytes())
}

fn polite(moment: Moment) -> Act {
    match moment {
        Moment::Greeting => say("220 mx.example ESMTP"),
        Moment::Ehlo => ehlo(&["PIPELINING", "STARTTLS", "SIZE 1000000"]),
        Moment::EhloUnderTls => ehlo(&["PIPELINING", "SIZE 1000000", "AUTH PLAIN LOGIN"]),
        Moment::StartTls => say("220 2.0.0 go ahead"),
        Moment::Handshake | Moment::Content => Act::Say(Vec::new()),
        Moment::Auth | Moment::AuthContinued => say("235 2.7.0 welcome"),
        Moment::Mail => say("250 2.1.0 sender ok"),
        Moment::Rcpt => say("250 2.1.5 recipient ok"),
        Moment::Data => say("354 go on"),
        Moment::Dot => say("250 2.0.0 queued as 4711"),
        Moment::Rset => say("250 2.0.0 forgotten"),
        Moment::Quit => last("221 2.0.0 bye"),
    }
}

/// A mail that came up to its final dot, whatever was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Received {
    /// `FROM:<…>` with its parameters.
    pub mail: String,
    pub rcpt: Vec<String>,
    /// Unstuffed.
    pub content: Vec<u8>,
    /// As it was on the wire, final dot included.
    pub raw: Vec<u8>,
    pub under_tls: bool,
}

#[derive(Default)]
struct Memory {
    connections: usize,
    peers: Vec<IpAddr>,
    commands: Vec<String>,
    received: Vec<Received>,
    /// Octets of content without their final dot so far.
    content_octets: usize,
}

struct Shared {
    script: Mutex<Script>,
    memory: Mutex<Memory>,
    /// Something was remembered.
    news: Notify,
    tls: Tls,
}

pub struct MailHost {
    pub address: SocketAddr,
    /// What trusts its certificate.
    pub roots: RootCertStore,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Drop for MailHost {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl MailHost {
    pub async fn start(script: Script) -> MailHost {
        MailHost::start_at(TcpListener::bind("127.0.0.1:0").await.expect("a port"), script)
    }

    pub fn start_at(listener: TcpListener, script: Script) -> MailHost {
        let folder = tempfile::tempdir().expect("a directory");
        let certificate = certificates::write(folder.path(), "mx", &[NAME]);
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der.clone()).expect("a certificate");
        let tls = Tls::load(&[certificate.files]).expect("a certificate");
        let address = listener.local_addr().expect("an address");
        let (script, memory) = (Mutex::new(script), Mutex::default());
        let shared = Arc::new(Shared { script, memory, news: Notify::new(), tls });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        MailHost { address, roots, shared, accepting, _folder: folder }
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.memory.lock().expect("no panic").received.clone()
    }

    /// Every line that was read as a command, `DATA` contents aside.
    pub fn commands(&self) -> Vec<String> {
        self.shared.memory.lock().expect("no panic").commands.clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.memory.lock().expect("no panic").connections
    }

    /// From where each connection came.
    pub fn peers(&self) -> Vec<IpAddr> {
        self.shared.memory.lock().expect("no panic").peers.clone()
    }

    /// Octets of content that came, of all mails.
    pub fn content_octets(&self) -> usize {
        self.shared.memory.lock().expect("no panic").content_octets
    }

    /// Waits until so many octets of content have come.
    pub async fn has_content(&self, octets: usize) {
        self.until(|host| host.content_octets() >= octets).await;
    }

    /// Waits until so many commands of this kind have come.
    pub async fn has_heard(&self, verb: &str, count: usize) {
        let of_kind = |host: &MailHost| host.commands().iter().filter(|line| line.starts_with(verb)).count();
        self.until(|host| of_kind(host) >= count).await;
    }

    /// Waits until so many connections have come.
    pub async fn has_connections(&self, count: usize) {
        self.until(|host| host.connections() >= count).await;
    }

    async fn until(&self, reached: impl Fn(&MailHost) -> bool) {
        loop {
            let news = self.shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if reached(self) {
                return;
            }
            news.await;
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = tokio::task::JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        shared.remember(|memory| {
            memory.connections += 1;
            memory.peers.push(peer.ip());
        });
        sessions.spawn(serve(stream, Arc::clone(&shared)));
        while sessions.try_join_next().is_some() {}
    }
}

impl Shared {
    fn remember(&self, what: impl FnOnce(&mut Memory)) {
        what(&mut self.memory.lock().expect("no panic"));
        self.news.notify_waiters();
    }

    fn next(&self, moment: Moment) -> Act {
        self.script.lock().expect("no panic").next(moment)
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

struct Talk {
    wire: Box<dyn Wire>,
    unread: Vec<u8>,
    shared: Arc<Shared>,
    under_tls: bool,
    mail: Received,
}

/// The conversation is over.
struct Over;

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let implicit = shared.script.lock().expect("no panic").implicit_tls;
    let mut talk =
        Talk { wire: Box::new(stream), unread: Vec::new(), shared, under_tls: false, mail: Received::default() };
    let begun = if implicit { talk.handshake().await } else { Ok(()) };
    if begun.is_ok() && talk.act(Moment::Greeting).await.is_ok() {
        while let Some(line) = talk.line().await {
            if talk.command(&line).await.is_err() {
                break;
            }
        }
    }
    let _ = talk.wire.shutdown().await;
}

impl Talk {
    async fn command(&mut self, line: &str) -> Result<(), Over> {
        self.shared.remember(|memory| memory.commands.push(line.to_owned()));
        let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "HELO" if self.under_tls => self.act(Moment::EhloUnderTls).await,
            "EHLO" | "HELO" => self.act(Moment::Ehlo).await,
            "STARTTLS" => self.start_tls().await,
            "AUTH" => self.act(Moment::Auth).await,
            "MAIL" => {
                let mail = line.get(5..).unwrap_or_default().to_owned();
                self.mail = Received { mail, under_tls: self.under_tls, ..Received::default() };
                self.act(Moment::Mail).await
            }
            "RCPT" => {
                self.mail.rcpt.push(line.get(5..).unwrap_or_default().to_owned());
                self.act(Moment::Rcpt).await
            }
            "DATA" => self.data().await,
            "RSET" => self.act(Moment::Rset).await,
            "QUIT" => self.act(Moment::Quit).await,
            _ => self.act(Moment::AuthContinued).await,
        }
    }

    async fn start_tls(&mut self) -> Result<(), Over> {
        let act = self.shared.next(Moment::StartTls);
        let goes_on = matches!(&act, Act::Say(text) if text.starts_with(b"220"));
        self.perform(act).await?;
        if goes_on { self.handshake().await } else { Ok(()) }
    }

    async fn handshake(&mut self) -> Result<(), Over> {
        match self.shared.next(Moment::Handshake) {
            Act::Say(nothing) if nothing.is_empty() => {}
            act => {
                // Behind the client's hello: octets before it would be an injected reply.
                let _ = self.wire.read_buf(&mut self.unread).await;
                return self.perform(act).await.and(Err(Over));
            }
        }
        let clear = std::mem::replace(&mut self.wire, Box::new(tokio::io::empty()));
        let acceptor = self.shared.tls.acceptor();
        self.wire = Box::new(acceptor.accept(clear).await.map_err(|_| Over)?);
        self.under_tls = true;
        Ok(())
    }

    async fn data(&mut self) -> Result<(), Over> {
        let act = self.shared.next(Moment::Data);
        let wanted = matches!(&act, Act::Say(text) | Act::Await(_, text) if text.starts_with(b"354"));
        self.perform(act).await?;
        if !wanted {
            return Ok(());
        }
        self.act(Moment::Content).await?;
        self.content().await?;
        let mail = std::mem::take(&mut self.mail);
        self.shared.remember(|memory| memory.received.push(mail));
        self.act(Moment::Dot).await
    }

    /// CRLF.CRLF and nothing else ends it.
    async fn content(&mut self) -> Result<(), Over> {
        let (mut raw, mut seen) = (std::mem::take(&mut self.unread), 0_usize);
        loop {
            let from = seen.saturating_sub(4);
            let found = find(&raw[from..], b"\r\n.\r\n").map(|at| from + at + 5);
            let end = if raw.starts_with(b".\r\n") { Some(3) } else { found };
            seen = raw.len();
            if let Some(end) = end {
                self.unread = raw.split_off(end);
                self.mail.content = unstuffed(&raw);
                self.mail.raw = raw;
                return Ok(());
            }
            if self.wire.read_buf(&mut raw).await.map_err(|_| Over)? == 0 {
                return Err(Over);
            }
            let more = raw.len() - seen;
            self.shared.remember(|memory| memory.content_octets += more);
        }
    }

    async fn act(&mut self, moment: Moment) -> Result<(), Over> {
        let act = self.shared.next(moment);
        self.perform(act).await
    }

    async fn perform(&mut self, act: Act) -> Result<(), Over> {
        match act {
            Act::Say(octets) => self.write(&octets).await,
            Act::Last(octets) => {
                self.write(&octets).await?;
                self.wire.shutdown().await.map_err(|_| Over)?;
                // Octets that nobody reads would make the system reset the connection and lose the last words.
                self.outlast().await
            }
            Act::Close => Err(Over),
            Act::Never => self.outlast().await,
            Act::Scram(password) => self.scram(password).await,
            Act::Flood(piece, count) => {
                let block = piece.repeat(count.min(1000));
                for _ in 0..count.div_ceil(1000) {
                    self.write(&block).await?;
                }
                self.outlast().await
            }
            Act::Await(gate, octets) => {
                gate.acquire().await.expect("nobody closes it").forget();
                self.write(&octets).await
            }
            Act::Drip => {
                let mut ticks = tokio::time::interval(Duration::from_millis(5));
                loop {
                    ticks.tick().await;
                    self.write(b"2").await?;
                }
            }
        }
    }

    /// RFC 5802 §3: proves that the host knows the password, by the client's first message and its own challenge.
    async fn scram(&mut self, password: &str) -> Result<(), Over> {
        let said = self.shared.memory.lock().expect("no panic").commands.last().cloned().unwrap_or_default();
        let first = decoded(said.rsplit(' ').next().unwrap_or_default());
        let first_bare = first.strip_prefix("n,,").expect("no channel binding");
        let nonce = first_bare.split("r=").nth(1).expect("a nonce");
        let challenge = format!("r={nonce}host,s=c2FsdA==,i=4096");
        self.write(format!("334 {}\r\n", BASE64.encode(challenge.as_bytes())).as_bytes()).await?;
        let last = decoded(&self.line().await.ok_or(Over)?);
        let without_proof = last.split(",p=").next().unwrap_or_default();
        let mut salted = [0; 32];
        let rounds = std::num::NonZeroU32::new(4096).expect("a number");
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, b"salt", password.as_bytes(), &mut salted);
        let server_key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &salted), b"Server Key");
        let signed = format!("{first_bare},{challenge},{without_proof}");
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, server_key.as_ref()), signed.as_bytes());
        let proof = format!("v={}", BASE64.encode(signature.as_ref()));
        self.write(format!("334 {}\r\n", BASE64.encode(proof.as_bytes())).as_bytes()).await?;
        let empty = self.line().await.ok_or(Over)?;
        assert_eq!(empty, "");
        self.write(b"235 2.7.0 welcome\r\n").await
    }

    async fn outlast(&mut self) -> Result<(), Over> {
        let _ = tokio::io::copy(&mut self.wire, &mut tokio::io::sink()).await;
        Err(Over)
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Over> {
        self.wire.write_all(octets).await.map_err(|_| Over)?;
        self.wire.flush().await.map_err(|_| Over)
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n") {
                let rest = self.unread.split_off(end + 2);
                let line = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.wire.read_buf(&mut self.unread).await.ok()? == 0 {
                return None;
            }
        }
    }
}

fn decoded(text: &str) -> String {
    String::from_utf8(BASE64.decode(text.as_bytes()).expect("base64")).expect("text")
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

fn unstuffed(raw: &[u8]) -> Vec<u8> {
    let raw = String::from_utf8_lossy(raw).into_owned();
    let content = raw.strip_suffix(".\r\n").unwrap_or(&raw);
    let unstuffed = content.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line));
    unstuffed.collect::<String>().into_bytes()
}
