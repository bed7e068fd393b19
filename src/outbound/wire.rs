//! Octets to and from a remote host, each wait with a deadline: a TCP connection, later TLS over it, and the replies read
//! from it one by one. Knows nothing of what a reply means.

use super::outcome::{Demand, Trouble};
use super::transcript::Transcript;
use crate::config::outbound::source_key;
use crate::net::handshake_words;
use crate::smtp::client::remote_reply::{RemoteReply, ReplyReader, escaped};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[derive(Debug, Default)]
pub(super) struct Wire {
    stream: Stream,
    reader: ReplyReader,
    /// Behind the last reply; what one read brings at most.
    unread: Vec<u8>,
    /// What no reply may be remembered with, should the host repeat it.
    secrets: Vec<String>,
    pub(super) transcript: Transcript,
}

#[derive(Debug, Default)]
enum Stream {
    #[default]
    None,
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A socket that connects from this address. A failure here is the config's or the machine's, never the host's.
fn socket_at(source: IpAddr) -> Result<TcpSocket, Trouble> {
    let socket = if source.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| socket.bind(SocketAddr::new(source, 0)).map(|()| socket));
    bound.map_err(|error| {
        let words = format!("{} {source} cannot be connected from: {error}; see replyd check", source_key(source));
        Trouble::PolicyUnmet { demand: Demand::Source, words }
    })
}

impl Wire {
    /// TCP_NODELAY: with Nagle the final dot, in a write of its own, waits for an acknowledgement of the content; 44 ms a mail.
    pub(super) async fn connect(
        &mut self,
        address: SocketAddr,
        source: Option<IpAddr>,
        limit: Duration,
    ) -> Result<(), Trouble> {
        let stream = match source {
            None => within(limit, TcpStream::connect(address)).await?,
            Some(source) => within(limit, socket_at(source)?.connect(address)).await?,
        };
        stream.set_nodelay(true).map_err(|error| trouble_of(&error))?;
        self.stream = Stream::Clear(stream);
        Ok(())
    }

    /// TLS from here on. What came in clear and was not read is the caller's to have refused.
    pub(super) async fn start_tls(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        limit: Duration,
    ) -> Result<(), Trouble> {
        let Stream::Clear(stream) = std::mem::take(&mut self.stream) else { return Err(Trouble::Closed) };
        let handshake = timeout(limit, TlsConnector::from(config).connect(name, stream));
        match handshake.await {
            Err(_) => Err(Trouble::Timeout),
            Ok(Err(error)) => Err(Trouble::TlsFailed(escaped(handshake_words::of(&error).as_bytes()))),
            Ok(Ok(stream)) => {
                self.stream = Stream::Tls(Box::new(stream));
                Ok(())
            }
        }
    }

    /// `TLSv1.3 TLS_AES_256_GCM_SHA384`, by the suite's IANA name.
    pub(super) fn tls(&self) -> Option<String> {
        let Stream::Tls(stream) = &self.stream else { return None };
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
            rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
            _ => "TLS",
        };
        let suite = format!("{:?}", session.negotiated_cipher_suite()?.suite());
        Some(format!("{version} {}", suite.replace("TLS13_", "TLS_")))
    }

    /// Writes a command, and `shown` into the transcript.
    pub(super) async fn say(&mut self, command: &str, shown: &str, limit: Duration) -> Result<(), Trouble> {
        self.transcript.sent(shown);
        self.write(command.as_bytes(), limit).await
    }

    pub(super) async fn write(&mut self, octets: &[u8], limit: Duration) -> Result<(), Trouble> {
        let stream = self.stream.duplex()?;
        within(limit, async {
            stream.write_all(octets).await?;
            stream.flush().await
        })
        .await
    }

    /// The next reply, whole: a host that sends it octet by octet has the same time.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<RemoteReply, Trouble> {
        let reply = timeout(limit, self.whole_reply()).await.unwrap_or(Err(Trouble::Timeout))?;
        let reply = self.secrets.iter().fold(reply, |reply, secret| reply.without(secret));
        self.transcript.received(&reply.to_string());
        Ok(reply)
    }

    async fn whole_reply(&mut self) -> Result<RemoteReply, Trouble> {
        loop {
            let fed = self.reader.feed(&self.unread);
            let (taken, reply) = fed.map_err(|fault| Trouble::BadReply(fault.to_string()))?;
            self.unread.drain(..taken);
            match reply {
                Some(reply) => return Ok(reply),
                None => self.read().await?,
            }
        }
    }

    async fn read(&mut self) -> Result<(), Trouble> {
        let mut octets = [0; READ_OCTETS];
        let count = self.stream.duplex()?.read(&mut octets).await.map_err(|error| trouble_of(&error))?;
        self.unread.extend_from_slice(octets.get(..count).unwrap_or_default());
        if count == 0 { Err(Trouble::Closed) } else { Ok(()) }
    }

    /// Octets that answer nothing.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty() || self.reader.is_amid()
    }

    /// Takes what has come meanwhile without waiting. False: the host has closed.
    pub(super) fn glance(&mut self) -> bool {
        let mut octets = [0; READ_OCTETS];
        let mut read = ReadBuf::new(&mut octets);
        let Ok(stream) = self.stream.duplex() else { return false };
        match Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut read) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => {
                self.unread.extend_from_slice(read.filled());
                !read.filled().is_empty()
            }
            Poll::Ready(Err(_)) => false,
        }
    }

    /// From here on nothing the host says is remembered with this in it.
    pub(super) fn keeps_secret(&mut self, secret: String) {
        self.secrets.push(secret);
    }
}

impl Stream {
    fn duplex(&mut self) -> Result<&mut dyn Duplex, Trouble> {
        match self {
            Stream::None => Err(Trouble::Closed),
            Stream::Clear(stream) => Ok(stream),
            Stream::Tls(stream) => Ok(stream),
        }
    }
}

async fn within<T>(limit: Duration, wait: impl Future<Output = io::Result<T>>) -> Result<T, Trouble> {
    timeout(limit, wait).await.map_or(Err(Trouble::Timeout), |done| done.map_err(|error| trouble_of(&error)))
}

fn trouble_of(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Trouble::Closed,
        _ => Trouble::Io(error.to_string()),
    }
}

const READ_OCTETS: usize = 4096;
