//! The mail host of the demo's people: takes what replyd sends them over SMTP, checks its signatures, and puts it into
//! their mailboxes. The protocol is our own machine's (`smtp::session`).

use crate::clock::{Clock, UnixMs};
use crate::http::page::mailboxes::{MailboxMail, Mailboxes, SignatureFound};
use crate::limits::Limits;
use crate::sender_auth::{AuthResults, Check, DkimResult, DkimSignature, Verifier};
use crate::smtp::question::{Answer, ForwardPath, Protocol, Question};
use crate::smtp::reply;
use crate::smtp::session::{Output, Session, SessionConfig};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

/// A host with mailboxes.
#[derive(Debug, Clone)]
pub struct Sink {
    pub hostname: &'static str,
    pub mailboxes: Arc<Mailboxes>,
    pub verifier: Verifier,
    pub clock: Clock,
}

impl Sink {
    /// Takes connections until it is dropped, a few at a time.
    pub async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            while connections.len() >= CONNECTIONS_MAX {
                connections.join_next().await;
            }
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, peer)) => drop(connections.spawn(Connection::new(self.clone(), stream, peer.ip()).run())),
                Err(error) => {
                    tracing::warn!(%error, "the demo's mailboxes cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn session(&self) -> Session {
        let limits = Limits { mail_octets_max: MAIL_OCTETS_MAX, error_delay: Duration::ZERO, ..Limits::default() };
        let config = SessionConfig {
            protocol: Protocol::Smtp,
            hostname: self.hostname.to_owned(),
            limits: Arc::new(limits),
            starttls: false,
            tls: false,
            xclient: false,
            under_load: false,
        };
        Session::new(config, self.clock.monotonic())
    }
}

/// One SMTP connection and its envelope.
struct Connection {
    sink: Sink,
    stream: TcpStream,
    peer: IpAddr,
    machine: Session,
    hello: String,
    envelope_from: String,
    recipients: Vec<&'static str>,
    content: Vec<u8>,
}

impl Connection {
    fn new(sink: Sink, stream: TcpStream, peer: IpAddr) -> Connection {
        let machine = sink.session();
        let (hello, envelope_from) = (String::new(), String::new());
        Connection { sink, stream, peer, machine, hello, envelope_from, recipients: Vec::new(), content: Vec::new() }
    }

    async fn run(mut self) {
        // A connection that breaks is replyd's to open again.
        let _ = self.serve().await;
    }

    async fn serve(&mut self) -> io::Result<()> {
        loop {
            match self.machine.poll(self.sink.clock.monotonic()) {
                Output::Send(octets) => self.stream.write_all(&octets).await?,
                Output::Ask(question) => {
                    let answer = self.answer(question).await;
                    self.machine.answer(answer, self.sink.clock.monotonic());
                }
                Output::Content(octets) => self.content.extend_from_slice(&octets),
                Output::DiscardContent => self.content.clear(),
                Output::Wait { deadline } => self.wait(deadline).await?,
                // Neither TLS nor delays are offered here.
                Output::StartTls | Output::Pause(_) => {}
                Output::Close { .. } => return self.stream.shutdown().await,
            }
        }
    }

    async fn wait(&mut self, deadline: Instant) -> io::Result<()> {
        let mut space = [0; READ_OCTETS];
        let read = timeout_at(deadline.into(), self.stream.read(&mut space)).await;
        let now = self.sink.clock.monotonic();
        match read {
            Err(_elapsed) => self.machine.deadline_passed(now),
            Ok(Err(error)) => return Err(error),
            Ok(Ok(0)) => self.machine.peer_closed(now),
            Ok(Ok(count)) => self.machine.receive(space.get(..count).unwrap_or_default(), now),
        }
        Ok(())
    }

    async fn answer(&mut self, question: Question) -> Answer {
        match question {
            Question::Hello { domain } => self.hello = domain,
            Question::Sender(mail) => {
                self.envelope_from = mail.reverse_path.map_or_else(String::new, |path| path.to_string());
                self.recipients.clear();
                self.content.clear();
            }
            Question::Recipient(ForwardPath::Mailbox(address)) => match self.sink.mailboxes.owner(&address.key()) {
                Some(owner) => self.recipients.push(owner.address),
                None => return Answer::UnknownRecipient(reply::unknown_recipient()),
            },
            Question::Recipient(ForwardPath::Postmaster) => {
                return Answer::UnknownRecipient(reply::unknown_recipient());
            }
            Question::EndOfContent(_) => self.deliver().await,
            Question::Connect | Question::Content | Question::Xclient(_) => {}
        }
        Answer::Accept
    }

    async fn deliver(&mut self) {
        let (raw, at) = (std::mem::take(&mut self.content), self.sink.clock.now());
        let checked = self.check(&raw, at).await;
        let dkim: Vec<SignatureFound> = checked.dkim.iter().map(found).collect();
        for owner in std::mem::take(&mut self.recipients) {
            let envelope_from = self.envelope_from.clone();
            let mail = MailboxMail {
                number: 0,
                at,
                envelope_from,
                owner: owner.to_owned(),
                raw: raw.clone(),
                dkim: dkim.clone(),
            };
            self.sink.mailboxes.keep(mail);
        }
    }

    async fn check(&self, raw: &[u8], at: UnixMs) -> AuthResults {
        let check = Check {
            ip: Some(self.peer),
            helo: &self.hello,
            mail_from: &self.envelope_from,
            raw,
            now: at.seconds(),
            limits: &Limits::default(),
            trusted_sealers: &[],
        };
        self.sink.verifier.verify(check).await
    }
}

fn found(signature: &DkimSignature) -> SignatureFound {
    let passes = signature.result == DkimResult::Pass;
    let verified = if passes { "verified" } else { signature.reason.as_str() };
    SignatureFound { passes, words: format!("{}._domainkey.{}: {verified}", signature.selector, signature.domain) }
}

const CONNECTIONS_MAX: usize = 32;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const MAIL_OCTETS_MAX: u64 = 16 * 1024 * 1024;
const READ_OCTETS: usize = 16 * 1024;
