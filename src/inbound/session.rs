//! The shell of one session: read, feed the machine, do what it says. It decides nothing about mail.
//!
//! Memory of an idle session is what counts here: octets are read through a buffer on the worker's stack, replies
//! leave as soon as the machine waits, and the long ways (TLS handshake, end of content) have boxed futures.

use super::listener::{Arrival, Door};
use super::respondent::{Respondent, Standing};
use super::services::Services;
use crate::clock::Clock;
use crate::net::proxy::{self, Proxied};
use crate::net::stream::{Socket, Stream};
use crate::net::tls;
use crate::smtp::question::{Protocol, Question};
use crate::smtp::session::{Output, Session, SessionConfig};
use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Octets of one read; on the stack.
const READ_OCTETS: usize = 16 * 1024;

/// Replies are gathered up to here before they are written, whatever the machine says next.
const OUTPUT_OCTETS_MAX: usize = 8 * 1024;

/// An output buffer larger than this is not kept by an idle session.
const OUTPUT_OCTETS_KEPT: usize = 512;

/// Serves one connection to its end.
pub(super) async fn run(services: Arc<Services>, arrival: Arrival, stop: CancellationToken) {
    services.counters.smtp_sessions.inc();
    let counted = Counted(Arc::clone(&services));
    if let Some(shell) = Box::pin(begin(services, arrival, stop)).await {
        shell.serve().await;
    }
    drop(counted);
}

struct Counted(Arc<Services>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counters.smtp_sessions.dec();
    }
}

/// PROXY header, admission, implicit TLS; `None` if it ends before the machine begins.
async fn begin(services: Arc<Services>, arrival: Arrival, stop: CancellationToken) -> Option<Shell> {
    let Arrival { door, mut socket, peer, slot } = arrival;
    let (ip, standing) = client(&services, door, &mut socket, peer).await?;
    let mut respondent = Respondent::new(Arc::clone(&services), slot, door, ip, standing);
    let admitted = respondent.admit();
    let stream = match door {
        Door::Smtp | Door::Lmtp => Stream::Clear(socket),
        // A peer that is sent away is not worth a handshake; it sees the connection close.
        Door::SmtpTls if admitted.is_err() => return None,
        Door::SmtpTls => handshake(&services, &respondent, socket).await?,
    };
    let tls = matches!(stream, Stream::Tls(_));
    if tls {
        respondent.tls_established(stream.tls_facts());
    }
    let config = services.config.load();
    let limits = Arc::clone(respondent.limits());
    let machine = Session::new(
        SessionConfig {
            protocol: protocol(door),
            hostname: config.server.hostname.clone(),
            starttls: !tls && services.tls.is_available(),
            tls,
            xclient: peer.is_some_and(|peer| config.smtp.xclient_from.iter().any(|network| network.contains(peer))),
            under_load: services.slots.taken() > limits.sessions_max / 2,
            limits,
        },
        services.clock.monotonic(),
    );
    Some(Shell {
        clock: services.clock.clone(),
        services,
        stream,
        machine,
        respondent,
        output: Vec::new(),
        timer: None,
        stop: Some(Box::pin(stop.cancelled_owned())),
    })
}

fn protocol(door: Door) -> Protocol {
    match door {
        Door::Smtp | Door::SmtpTls => Protocol::Smtp,
        Door::Lmtp => Protocol::Lmtp,
    }
}

/// Whose connection this is: of listed peers the PROXY header says it, and they must send one.
async fn client(
    services: &Services,
    door: Door,
    socket: &mut Socket,
    peer: Option<IpAddr>,
) -> Option<(Option<IpAddr>, Standing)> {
    let config = services.config.load_full();
    let Some(peer) = peer else { return Some((None, Standing::Relay)) };
    let listed = |networks: &[crate::config::checked::Network]| networks.iter().any(|network| network.contains(peer));
    if !listed(&config.smtp.proxy_from) {
        // An LMTP peer is our own MTA by definition (RFC 2033 §5), and so is whoever may use XCLIENT.
        let relay = door == Door::Lmtp || listed(&config.smtp.xclient_from);
        return Some((Some(peer), if relay { Standing::Relay } else { Standing::Client }));
    }
    match timeout(config.limits.proxy_header_timeout, proxy::read_header(socket)).await {
        Ok(Ok(Proxied::Client(ip))) => Some((Some(ip), Standing::Client)),
        Ok(Ok(Proxied::Itself)) => Some((Some(peer), Standing::Relay)),
        Ok(Err(error)) => {
            tracing::warn!(%peer, %error, "connection of a listed proxy closed; does it send the PROXY protocol?");
            services.counters.connection(door.word(), "proxy_header");
            None
        }
        Err(_elapsed) => {
            tracing::warn!(%peer, "no PROXY header in time from a listed proxy; does it send the PROXY protocol?");
            services.counters.connection(door.word(), "proxy_header");
            None
        }
    }
}

/// TLS over the socket, or the end of the connection with its reason counted.
async fn handshake(services: &Services, respondent: &Respondent, socket: Socket) -> Option<Stream> {
    let accepting = services.tls.acceptor().accept(socket);
    let reason = match timeout(respondent.limits().tls_handshake_timeout, accepting).await {
        Ok(Ok(stream)) => return Some(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => tls::failure_reason(&error),
        Err(_elapsed) => "timeout",
    };
    services.counters.tls_error(reason);
    tracing::info!(session = respondent.session_word(), reason, "TLS handshake failed");
    None
}

struct Shell {
    services: Arc<Services>,
    clock: Clock,
    stream: Stream,
    machine: Session,
    respondent: Respondent,
    output: Vec<u8>,
    timer: Option<Pin<Box<Sleep>>>,
    /// `None` once the machine was told.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// What ends a wait.
enum Event {
    /// Octets were given to the machine; none means that the peer closed its side.
    Received(usize),
    Lost,
    Deadline,
    Stop,
}

impl Shell {
    async fn serve(mut self) {
        loop {
            match self.machine.poll(self.clock.monotonic()) {
                Output::Send(octets) => {
                    self.services.counters.replied(self.machine.verb(), &octets);
                    self.respondent.said(&octets);
                    if self.gather(octets) && !self.flush().await {
                        return self.lost();
                    }
                }
                Output::Ask(question) => {
                    if question == Question::Connect {
                        Box::pin(self.listen_for_early_talker()).await;
                    }
                    let answer = self.respondent.answer(question).await;
                    self.machine.answer(answer, self.clock.monotonic());
                }
                Output::Content(octets) => self.respondent.take_content(octets).await,
                Output::DiscardContent => self.respondent.discard_content(),
                Output::StartTls => {
                    self = match Box::pin(self.start_tls()).await {
                        Some(shell) => shell,
                        None => return,
                    }
                }
                Output::Pause(pause) => {
                    if !self.flush().await {
                        return self.lost();
                    }
                    if let Some(_held) = self.services.delayed.hold(self.respondent.limits().delayed_sessions_max) {
                        tokio::time::sleep(pause).await;
                    }
                }
                Output::Wait { deadline } => {
                    if !self.flush().await {
                        return self.lost();
                    }
                    let event = self.wait(deadline).await;
                    self.tell(event);
                }
                Output::Close { reason } => return Box::pin(self.close(reason)).await,
            }
        }
    }

    /// Octets that are there before the greeting are the machine's to judge (RFC 5321 §4.3.1). A client of its own may
    /// be made to wait for the greeting, for those that do not wait betray themselves.
    async fn listen_for_early_talker(&mut self) {
        let delay = self.respondent.limits().greeting_delay;
        if !delay.is_zero() && self.respondent.waits_for_greeting() {
            let event = self.wait(self.clock.monotonic() + delay).await;
            return self.tell(event);
        }
        let Shell { stream, machine, clock, .. } = self;
        // Whatever this read finds, a later one finds again or the machine was told of.
        let _ = poll_fn(|cx| Poll::Ready(poll_receive(stream, machine, clock, cx))).await;
    }

    /// Whether it is time to write: replies of one pipelined group leave together.
    fn gather(&mut self, octets: Vec<u8>) -> bool {
        if self.output.is_empty() {
            self.output = octets;
        } else {
            self.output.extend_from_slice(&octets);
        }
        self.output.len() >= OUTPUT_OCTETS_MAX
    }

    /// Writes what was gathered; `false` if the peer does not take it in time.
    async fn flush(&mut self) -> bool {
        if self.output.is_empty() {
            return true;
        }
        let Shell { stream, output, .. } = self;
        let writing = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        let written = matches!(timeout(self.respondent.limits().write_timeout, writing).await, Ok(Ok(())));
        self.output.clear();
        if self.output.capacity() > OUTPUT_OCTETS_KEPT {
            self.output = Vec::new();
        }
        written
    }

    async fn wait(&mut self, deadline: Instant) -> Event {
        let Shell { stream, machine, timer, stop, clock, .. } = self;
        poll_fn(|cx| {
            if stop.as_mut().is_some_and(|stop| stop.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Event::Stop);
            }
            if let Poll::Ready(received) = poll_receive(stream, machine, clock, cx) {
                return Poll::Ready(received.map_or(Event::Lost, Event::Received));
            }
            poll_deadline(timer, deadline, clock, cx).map(|()| Event::Deadline)
        })
        .await
    }

    fn tell(&mut self, event: Event) {
        let now = self.clock.monotonic();
        match event {
            Event::Received(0) => self.machine.peer_closed(now),
            Event::Lost => {
                // RFC 8446 §6.1: an end without close_notify may be an attacker's; it ends nothing but the connection.
                if matches!(self.stream, Stream::Tls(_)) {
                    self.services.counters.tls_error("cut");
                }
                self.machine.peer_closed(now);
            }
            Event::Received(_) => {}
            Event::Deadline => self.machine.deadline_passed(now),
            Event::Stop => {
                self.stop = None;
                self.machine.shut_down(now);
            }
        }
    }

    /// RFC 3207 §4.2: what both sides knew before is forgotten.
    async fn start_tls(mut self) -> Option<Shell> {
        if !self.flush().await {
            self.lost();
            return None;
        }
        let Stream::Clear(socket) = self.stream else { return None };
        self.stream = handshake(&self.services, &self.respondent, socket).await?;
        self.respondent.tls_established(self.stream.tls_facts());
        self.machine.tls_established(self.clock.monotonic());
        Some(self)
    }

    /// The connection broke while we wrote.
    fn lost(mut self) {
        self.respondent.closed("connection lost");
    }

    async fn close(mut self, reason: &'static str) {
        self.respondent.closed(reason);
        tracing::debug!(session = self.respondent.session_word(), reason, "session ends");
        if self.flush().await {
            let _ = timeout(LINGER, self.linger()).await;
        }
    }

    /// Closing a socket with unread octets resets it, and the reset can overtake our last reply. So read on for a
    /// moment, a bounded amount, before it is dropped.
    async fn linger(&mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut space = [0; 1024];
        let mut left = LINGER_OCTETS_MAX;
        while left > 0 {
            let read = self.stream.read(&mut space).await?;
            if read == 0 {
                break;
            }
            left = left.saturating_sub(read);
        }
        Ok(())
    }
}

const LINGER: Duration = Duration::from_secs(1);
const LINGER_OCTETS_MAX: usize = 256 * 1024;

/// Reads once, straight into the machine.
fn poll_receive(
    stream: &mut Stream,
    machine: &mut Session,
    clock: &Clock,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut space = [MaybeUninit::<u8>::uninit(); READ_OCTETS];
    let mut read = ReadBuf::uninit(&mut space);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    if !read.filled().is_empty() {
        machine.receive(read.filled(), clock.monotonic());
    }
    Poll::Ready(Ok(read.filled().len()))
}

/// One timer for the session: a deadline that moves away costs nothing until the timer fires early and is set anew.
fn poll_deadline(
    timer: &mut Option<Pin<Box<Sleep>>>,
    deadline: Instant,
    clock: &Clock,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let deadline = tokio::time::Instant::from_std(deadline);
    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
    if deadline < timer.deadline() {
        timer.as_mut().reset(deadline);
    }
    while timer.as_mut().poll(cx).is_ready() {
        if tokio::time::Instant::from_std(clock.monotonic()) >= deadline {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
    Poll::Pending
}
