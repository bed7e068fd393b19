//! One HTTP call to another host: the address that is dialled is the one that was checked, every wait has an end, no redirect
//! is followed, and of the answer no more is held than was asked for.
//!
//! Who calls has resolved the name and bounds the whole call; here are the steps. Certificates are always verified.

use super::{dialable, handshake_words};
use crate::config::target::{Scheme, Target, TargetHost};
use arc_swap::ArcSwap;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Makes calls; clones share whom they trust.
#[derive(Clone)]
pub struct HttpClient {
    tls: Arc<ArcSwap<ClientConfig>>,
}

/// Which addresses may be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Hosts of the public internet.
    Public,
    /// Also this host and its networks: an operator says so.
    Anywhere,
}

/// Where a call goes, resolved.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    pub target: &'a Target,
    pub addresses: &'a [IpAddr],
    pub reach: Reach,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("it has no address")]
    NoAddress,
    #[error("its address {ip} is {what}, and such addresses are called only with allow_private = true")]
    Refused { ip: IpAddr, what: &'static str },
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("no connection within {} s", CONNECT_DEADLINE.as_secs())]
    ConnectLate,
    #[error("the connection broke before the answer was complete: {0}")]
    Broken(String),
    #[error("the answer is longer than {0} octets")]
    TooLong(usize),
}

/// What came back; the connection ends when this is dropped.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    body: Incoming,
    _connection: JoinSet<hyper::Result<()>>,
}

impl Reach {
    pub fn of(allow_private: bool) -> Reach {
        if allow_private { Reach::Anywhere } else { Reach::Public }
    }
}

impl Answer {
    /// The whole body, if it is no longer than this.
    pub async fn body(self, octets_max: usize) -> Result<Vec<u8>, CallError> {
        let read = Limited::new(self.body, octets_max).collect().await;
        read.map(|body| body.to_bytes().to_vec()).map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => CallError::TooLong(octets_max),
            None => CallError::Broken(error.to_string()),
        })
    }

    /// The beginning of the body; what follows is never read.
    pub async fn beginning(mut self, octets_max: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        while octets.len() < octets_max {
            let Some(Ok(frame)) = self.body.frame().await else { break };
            octets.extend_from_slice(frame.data_ref().map_or(&[][..], Bytes::as_ref));
        }
        octets.truncate(octets_max);
        octets
    }
}

impl HttpClient {
    pub fn new(roots: Arc<RootCertStore>) -> HttpClient {
        HttpClient { tls: Arc::new(ArcSwap::from_pointee(config(roots))) }
    }

    /// From now on these authorities name other hosts for us.
    pub fn trust(&self, roots: Arc<RootCertStore>) {
        self.tls.store(Arc::new(config(roots)));
    }

    /// Connects, asks, and waits for the head of the answer. The path is the target's; the fields that name the host and us
    /// are added.
    pub async fn call<B>(&self, place: &Place<'_>, mut request: Request<B>) -> Result<Answer, CallError>
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.connect(place).await?;
        let target = place.target;
        let bad = |error: &dyn std::fmt::Display| CallError::Unreachable(format!("{target} cannot be asked: {error}"));
        *request.uri_mut() = target.path.parse().map_err(|error| bad(&error))?;
        let host = HeaderValue::from_str(&target.authority()).map_err(|error| bad(&error))?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let mut connection = JoinSet::new();
        let response = ask(stream, request, &mut connection).await?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body, _connection: connection })
    }

    async fn connect(&self, place: &Place<'_>) -> Result<Stream, CallError> {
        let mut last = CallError::NoAddress;
        for ip in place.addresses.iter().take(ADDRESSES_MAX) {
            let refusal = dialable::refusal(*ip).filter(|_| place.reach == Reach::Public);
            let connected = match refusal {
                Some(what) => Err(CallError::Refused { ip: *ip, what }),
                None => self.connect_to(SocketAddr::new(*ip, place.target.port), place.target).await,
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, address: SocketAddr, target: &Target) -> Result<Stream, CallError> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            match target.scheme {
                Scheme::Http => Ok(Box::new(stream) as Stream),
                Scheme::Https => {
                    let name = server_name(&target.host).map_err(std::io::Error::other)?;
                    let tls = TlsConnector::from(self.tls.load_full());
                    Ok(Box::new(tls.connect(name, stream).await?) as Stream)
                }
            }
        };
        let connected: Result<std::io::Result<Stream>, _> = timeout(CONNECT_DEADLINE, connecting).await;
        let connected = connected.map_err(|_| CallError::ConnectLate)?;
        connected.map_err(|error| CallError::Unreachable(format!("{address}: {}", handshake_words::of(&error))))
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpClient")
    }
}

fn config(roots: Arc<RootCertStore>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider supports both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn server_name(host: &TargetHost) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    match host {
        TargetHost::Name(name) => ServerName::try_from(name.clone()),
        TargetHost::Address(ip) => Ok(ServerName::IpAddress((*ip).into())),
    }
}

/// The connection runs in the set, and ends with it.
async fn ask<B>(
    stream: Stream,
    request: Request<B>,
    running: &mut JoinSet<hyper::Result<()>>,
) -> Result<Response<Incoming>, CallError>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(HEAD_OCTETS_MAX).max_headers(FIELDS_MAX);
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| CallError::Broken(words(&error)))?;
    running.spawn(connection);
    sender.send_request(request).await.map_err(|error| CallError::Broken(words(&error)))
}

/// hyper's own words with their cause, which has the news.
fn words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
type Stream = Box<dyn Duplex>;

const AGENT: &str = concat!("replyd/", env!("CARGO_PKG_VERSION"));
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Of one host.
const ADDRESSES_MAX: usize = 4;
/// Of an answer; hyper asks for 8 KiB at least.
const HEAD_OCTETS_MAX: usize = 64 * 1024;
const FIELDS_MAX: usize = 128;
