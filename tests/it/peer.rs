//! The other side of a connection: writes octets, reads replies, over TCP, Unix sockets and TLS.

use super::site::Site;
use replyd::config::checked::Endpoint;
use replyd::inbound::Door;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A test that waits longer than this has failed; nothing is timed by it.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Peer {
    wire: Box<dyn Wire>,
    unread: Vec<u8>,
}

impl Peer {
    fn over(wire: impl Wire + 'static) -> Peer {
        Peer { wire: Box::new(wire), unread: Vec::new() }
    }

    pub async fn connect(endpoint: &Endpoint) -> Peer {
        match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await.expect("the door is open");
                stream.set_nodelay(true).expect("a socket option");
                Peer::over(stream)
            }
            Endpoint::Unix(path) => Peer::over(UnixStream::connect(path).await.expect("the door is open")),
        }
    }

    /// Connected to the plain SMTP door, greeting read.
    pub async fn greeted(site: &Site) -> Peer {
        let mut peer = Peer::connect(&site.endpoint(Door::Smtp)).await;
        peer.expect("220").await;
        peer
    }

    /// Greeting and EHLO done.
    pub async fn ready(site: &Site) -> Peer {
        let mut peer = Peer::greeted(site).await;
        peer.asks("EHLO client.example", "250").await;
        peer
    }

    pub async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.wire.write_all(octets.as_ref()).await.expect("the connection takes octets");
        self.wire.flush().await.expect("the connection takes octets");
    }

    /// Like [`Peer::send`], to a peer that may have closed.
    pub async fn tries_to_send(&mut self, octets: &[u8]) {
        if self.wire.write_all(octets).await.is_ok() {
            let _ = self.wire.flush().await;
        }
    }

    /// One command and the reply that begins with `expected`.
    pub async fn asks(&mut self, command: &str, expected: &str) -> String {
        self.send(format!("{command}\r\n")).await;
        self.expect(expected).await
    }

    /// MAIL, RCPT and DATA, up to `354`.
    pub async fn begins_data(&mut self, to: &str) {
        self.asks("MAIL FROM:<ann@example.org>", "250").await;
        self.asks(&format!("RCPT TO:<{to}>"), "250").await;
        self.asks("DATA", "354").await;
    }

    /// A whole mail; the reply to its end.
    pub async fn mails(&mut self, to: &str, content: &str, expected: &str) -> String {
        self.begins_data(to).await;
        self.send(content).await;
        self.send("\r\n.\r\n").await;
        self.expect(expected).await
    }

    /// The next reply, all lines of it, which begins with `expected`.
    pub async fn expect(&mut self, expected: &str) -> String {
        let reply = self.reply().await.unwrap_or_else(|| panic!("the peer closed, {expected} was expected"));
        assert!(reply.starts_with(expected), "{expected} was expected, not {reply:?}");
        reply
    }

    /// Nothing more comes but the end of the connection.
    pub async fn expect_end(&mut self) {
        assert_eq!(self.reply().await, None);
    }

    /// `None` at the end of the connection, orderly or not.
    pub async fn reply(&mut self) -> Option<String> {
        let mut lines = String::new();
        loop {
            let line = self.line().await?;
            lines.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(lines);
            }
        }
    }

    /// Whatever comes next, no line or not.
    pub async fn octets(&mut self) -> Option<Vec<u8>> {
        let mut space = [0; 4096];
        let reading = tokio::time::timeout(PATIENCE, self.wire.read(&mut space)).await;
        match reading.expect("an answer before patience ends") {
            Ok(0) | Err(_) => None,
            Ok(read) => Some(space[..read].to_vec()),
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                return Some(String::from_utf8(line).expect("replies are ASCII"));
            }
            let octets = self.octets().await?;
            self.unread.extend_from_slice(&octets);
        }
    }

    pub async fn shuts_its_side(&mut self) {
        self.wire.shutdown().await.expect("the connection can be half closed");
    }

    /// TLS over the connection as it stands.
    pub async fn handshake(self, trust: &Trust, name: &str) -> std::io::Result<Peer> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let stream = TlsConnector::from(trust.config()).connect(name, self.wire).await?;
        Ok(Peer::over(stream))
    }
}

/// Every version that replyd speaks.
pub const ALL: Versions = &[&TLS13, &TLS12];

pub type Versions = &'static [&'static SupportedProtocolVersion];

/// What a client accepts.
pub struct Trust {
    pub roots: Vec<CertificateDer<'static>>,
    pub versions: Versions,
}

impl Trust {
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for root in &self.roots {
            roots.add(root.clone()).expect("a certificate");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions of the provider")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

/// A mail that nobody can object to.
pub fn letter(body: &str) -> String {
    format!(
        "From: Ann <ann@example.org>\r\nTo: x@y.example\r\nMessage-ID: <letter@example.org>\r\nSubject: Re: tea\r\n\r\n{body}"
    )
}
