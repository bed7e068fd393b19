//! Fetches an MTA-STS policy over HTTPS (RFC 8461 §3.3): a verified certificate, no redirect, at most 64 KiB within a minute.

use super::mta_sts::{Policy, PolicyError};
use crate::dns::{DnsFailure, Resolver};
use crate::net::dialable;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// RFC 8461 §3.3 suggests a minute and 64 KiB.
const DEADLINE: Duration = Duration::from_secs(60);
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
const POLICY_OCTETS_MAX: usize = 64 * 1024;
/// Of the policy host.
const ADDRESSES_MAX: usize = 4;

/// Why there is no policy to be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the policy host has no address: {0}")]
    NoAddress(#[from] DnsFailure),
    #[error("the policy host's address is {0}")]
    Refused(&'static str),
    #[error("the policy host cannot be reached: {0}")]
    Unreachable(String),
    #[error("the policy host answers {0}, and only 200 counts")]
    Answer(u16),
    #[error("the policy is not text/plain")]
    ContentType,
    #[error("the policy is longer than {POLICY_OCTETS_MAX} octets, or broke off: {0}")]
    Body(String),
    #[error("the policy cannot be used: {0}")]
    Policy(#[from] PolicyError),
    #[error("the policy did not come in time")]
    Late,
}

/// How policies are fetched.
#[derive(Clone)]
pub struct PolicyFetcher {
    resolver: Resolver,
    tls: TlsConnector,
    port: u16,
    allow_private: bool,
}

impl std::fmt::Debug for PolicyFetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyFetcher").field("port", &self.port).finish_non_exhaustive()
    }
}

impl PolicyFetcher {
    /// `port` is 443 but in tests.
    pub fn new(resolver: Resolver, roots: Arc<RootCertStore>, port: u16, allow_private: bool) -> PolicyFetcher {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider supports both versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        PolicyFetcher { resolver, tls: TlsConnector::from(Arc::new(config)), port, allow_private }
    }

    /// The policy that the domain serves.
    pub async fn fetch(&self, domain: &str) -> Result<Policy, FetchError> {
        timeout(DEADLINE, self.fetch_unhurried(domain)).await.map_err(|_| FetchError::Late)?
    }

    async fn fetch_unhurried(&self, domain: &str) -> Result<Policy, FetchError> {
        let host = format!("mta-sts.{domain}");
        let stream = self.connect(&host).await?;
        let mut connection = JoinSet::new();
        let response = ask(stream, &host, &mut connection).await?;
        // RFC 8461 §3.3: redirects are not followed, so 3xx is as good as 404.
        match response.status().as_u16() {
            200 => {}
            other => return Err(FetchError::Answer(other)),
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("text/plain") {
            return Err(FetchError::ContentType);
        }
        let body = Limited::new(response.into_body(), POLICY_OCTETS_MAX).collect().await;
        let body = body.map_err(|error| FetchError::Body(error.to_string()))?.to_bytes();
        Ok(Policy::parse(&String::from_utf8_lossy(&body))?)
    }

    async fn connect(&self, host: &str) -> Result<TlsStream<TcpStream>, FetchError> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| FetchError::Unreachable(error.to_string()))?;
        let mut last = FetchError::Unreachable("no address".to_owned());
        for ip in self.addresses(host).await?.into_iter().take(ADDRESSES_MAX) {
            let refusal = dialable::refusal(ip).filter(|_| !self.allow_private);
            let connected = match refusal {
                Some(what) => Err(FetchError::Refused(what)),
                None => self.connect_to(SocketAddr::new(ip, self.port), &name).await,
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_to(
        &self,
        address: SocketAddr,
        name: &ServerName<'static>,
    ) -> Result<TlsStream<TcpStream>, FetchError> {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            self.tls.connect(name.clone(), stream).await
        };
        let connected = timeout(CONNECT_DEADLINE, connecting).await.map_err(|_| FetchError::Late)?;
        connected.map_err(|error| FetchError::Unreachable(error.to_string()))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, FetchError> {
        let (v4, v6) = tokio::join!(self.resolver.ipv4(host), self.resolver.ipv6(host));
        let addresses = |v4: Vec<_>, v6: Vec<_>| {
            let v4 = v4.into_iter().map(IpAddr::V4);
            v4.chain(v6.into_iter().map(IpAddr::V6)).collect()
        };
        match (v4, v6) {
            (Err(error), Err(_)) => Err(error.into()),
            (v4, v6) => Ok(addresses(v4.unwrap_or_default(), v6.unwrap_or_default())),
        }
    }
}

/// The connection runs in the set, and ends with it.
async fn ask(
    stream: TlsStream<TcpStream>,
    host: &str,
    running: &mut JoinSet<hyper::Result<()>>,
) -> Result<Response<Incoming>, FetchError> {
    let unreachable = |error: hyper::Error| FetchError::Unreachable(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    running.spawn(connection);
    let request = Request::get("/.well-known/mta-sts.txt").header(HOST, host).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| FetchError::Unreachable(error.to_string()))?;
    sender.send_request(request).await.map_err(unreachable)
}
