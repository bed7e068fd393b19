//! Fetches an MTA-STS policy over HTTPS (RFC 8461 §3.3): a verified certificate, no redirect, at most 64 KiB within a minute.

use super::mta_sts::{Policy, PolicyError};
use crate::config::target::{Scheme, Target, TargetHost};
use crate::dns::{DnsFailure, Resolver};
use crate::net::https::{CallError, HttpClient, Place, Reach};
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use rustls::RootCertStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// RFC 8461 §3.3 suggests a minute and 64 KiB.
const DEADLINE: Duration = Duration::from_secs(60);
const POLICY_OCTETS_MAX: usize = 64 * 1024;

/// Why there is no policy to be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the policy host has no address: {0}")]
    NoAddress(#[from] DnsFailure),
    #[error("the policy host: {0}")]
    Call(#[from] CallError),
    #[error("the policy host answers {0}, and only 200 counts")]
    Answer(u16),
    #[error("the policy is not text/plain")]
    ContentType,
    #[error("the policy cannot be used: {0}")]
    Policy(#[from] PolicyError),
    #[error("the policy did not come in time")]
    Late,
}

/// How policies are fetched.
#[derive(Debug, Clone)]
pub struct PolicyFetcher {
    resolver: Resolver,
    client: HttpClient,
    port: u16,
    reach: Reach,
}

impl PolicyFetcher {
    /// `port` is 443 but in tests.
    pub fn new(resolver: Resolver, roots: Arc<RootCertStore>, port: u16, allow_private: bool) -> PolicyFetcher {
        PolicyFetcher { resolver, client: HttpClient::new(roots), port, reach: Reach::of(allow_private) }
    }

    /// The policy that the domain serves.
    pub async fn fetch(&self, domain: &str) -> Result<Policy, FetchError> {
        timeout(DEADLINE, self.fetch_unhurried(domain)).await.map_err(|_| FetchError::Late)?
    }

    async fn fetch_unhurried(&self, domain: &str) -> Result<Policy, FetchError> {
        let host = format!("mta-sts.{domain}");
        let addresses = self.resolver.addresses(&host).await?;
        let (host, path) = (TargetHost::Name(host), "/.well-known/mta-sts.txt".to_owned());
        let target = Target { scheme: Scheme::Https, host, port: self.port, path };
        let place = Place { target: &target, addresses: &addresses, reach: self.reach };
        let answer = self.client.call(&place, Request::new(Empty::<Bytes>::new())).await?;
        // RFC 8461 §3.3: redirects are not followed, so 3xx is as good as 404.
        match answer.status {
            200 => {}
            other => return Err(FetchError::Answer(other)),
        }
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("text/plain") {
            return Err(FetchError::ContentType);
        }
        let body = answer.body(POLICY_OCTETS_MAX).await?;
        Ok(Policy::parse(&String::from_utf8_lossy(&body))?)
    }
}
