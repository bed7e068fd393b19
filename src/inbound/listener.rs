//! The doors' sockets: accept, give a slot, spawn a session; and stop in good order.

use super::services::Services;
use super::session;
use crate::config::checked::Endpoint;
use crate::net::listen::{Acceptor, Bound};
use crate::net::permits::Slot;
use crate::net::stream::Socket;
use crate::smtp::reply;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// SMTP, STARTTLS if there is a certificate.
    Smtp,
    /// SMTP inside TLS from the first octet.
    SmtpTls,
    /// LMTP (RFC 2033), STARTTLS if there is a certificate.
    Lmtp,
}

impl Door {
    /// As in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Door::Smtp => "smtp",
            Door::SmtpTls => "smtp_tls",
            Door::Lmtp => "lmtp",
        }
    }
}

/// A bound socket and what is spoken there.
#[derive(Debug)]
pub struct Listener {
    pub door: Door,
    pub socket: Bound,
}

/// One accepted connection with its place among all sessions.
#[derive(Debug)]
pub(super) struct Arrival {
    pub door: Door,
    pub socket: Socket,
    /// `None` on a Unix socket.
    pub peer: Option<IpAddr>,
    pub slot: Slot,
}

/// The running listeners.
#[derive(Debug)]
pub struct Handle {
    listeners: Vec<JoinHandle<usize>>,
    endpoints: Vec<(Door, Endpoint)>,
}

/// What did not end by itself within `limits.drain_timeout`, and was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover {
    pub sessions: usize,
}

/// Starts to accept on every listener, until `stop` is cancelled. Call it inside a runtime.
pub fn start(services: &Arc<Services>, listeners: Vec<Listener>, stop: CancellationToken) -> io::Result<Handle> {
    let mut handle = Handle { listeners: Vec::new(), endpoints: Vec::new() };
    for listener in listeners {
        handle.endpoints.push((listener.door, listener.socket.endpoint()?));
        let acceptor = Acceptor::new(listener.socket)?;
        let run = run(Arc::clone(services), listener.door, acceptor, stop.clone());
        handle.listeners.push(tokio::spawn(run));
    }
    Ok(handle)
}

impl Handle {
    /// Where peers connect, in the order of the listeners given.
    pub fn endpoints(&self) -> &[(Door, Endpoint)] {
        &self.endpoints
    }

    /// Waits until every session ended, or was cut at the end of `limits.drain_timeout`. Cancel the token first.
    pub async fn stopped(self) -> Leftover {
        let mut sessions = 0;
        for listener in self.listeners {
            sessions += listener.await.unwrap_or_default();
        }
        Leftover { sessions }
    }
}

async fn run(services: Arc<Services>, door: Door, mut acceptor: Acceptor, stop: CancellationToken) -> usize {
    let mut sessions = JoinSet::new();
    let on_error = |error: &io::Error| {
        services.counters.accept_errors.inc();
        tracing::warn!(%error, listener = door.word(), "cannot accept connections for now; is LimitNOFILE high enough?");
    };
    loop {
        let (socket, peer) = tokio::select! {
            accepted = acceptor.accept(on_error) => accepted,
            Some(ended) = sessions.join_next() => {
                note_panic(&services, ended);
                continue;
            }
            () = stop.cancelled() => break,
        };
        match services.slots.take(&services.config.load().limits) {
            Some(slot) => {
                let arrival = Arrival { door, socket, peer: peer.map(|peer| peer.ip().to_canonical()), slot };
                sessions.spawn(session::run(Arc::clone(&services), arrival, stop.child_token()));
            }
            None => turn_away(&services, door, &socket),
        }
    }
    drop(acceptor);
    drain(&services, sessions).await
}

/// No task, no TLS and no DNS for a peer beyond the slots: one write that fits into any socket buffer.
fn turn_away(services: &Services, door: Door, socket: &Socket) {
    services.counters.connection(door.word(), "slots");
    let line = format!("{}\r\n", reply::too_many_sessions());
    // Best effort: a peer that does not hear it finds the connection closed, which means the same.
    let _ = match (door, socket) {
        (Door::SmtpTls, _) => Ok(0),
        (Door::Smtp | Door::Lmtp, Socket::Tcp(stream)) => stream.try_write(line.as_bytes()),
        (Door::Smtp | Door::Lmtp, Socket::Unix(stream)) => stream.try_write(line.as_bytes()),
    };
}

async fn drain(services: &Services, mut sessions: JoinSet<()>) -> usize {
    let limits = services.limits();
    let all_ended = async {
        while let Some(ended) = sessions.join_next().await {
            note_panic(services, ended);
        }
    };
    let _ = tokio::time::timeout(limits.drain_timeout, all_ended).await;
    let left = sessions.len();
    sessions.shutdown().await;
    left
}

/// The runtime keeps a panic from everyone else; it is still a bug that somebody must hear of.
fn note_panic(services: &Services, ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        services.counters.panics.inc();
        tracing::error!(%error, "a session panicked; this is a bug of replyd, please report it with the lines above");
    }
}
