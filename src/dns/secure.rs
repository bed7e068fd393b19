//! Answers with a flag that says whether DNSSEC proves them, for DANE (RFC 7672 §2).
//!
//! Validation is in this process: the AD bit of a server is not looked at, for whoever can forge an answer on the way can set
//! it. Where the name servers do not hand out signatures, validation would call every signed domain forged; so
//! the root is asked first, and without its proof every answer is merely insecure.

use super::resolver::{Answer, DnsFailure, Exchange, Resolver, ResolverError, Tlsa};
use hickory_resolver::proto::dnssec::TrustAnchors;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Inability may pass: name servers are replaced, a network comes up late.
const ASKED_AGAIN: Duration = Duration::from_secs(600);

/// A resolver that says of each answer whether it is proven.
#[derive(Debug)]
pub struct SecureResolver {
    plain: Resolver,
    validating: Option<Resolver>,
    ability: Mutex<Option<Ability>>,
}

#[derive(Debug, Clone, Copy)]
enum Ability {
    Validates,
    Cannot { since: Instant },
}

impl SecureResolver {
    /// Nothing is proven.
    pub fn without_validation(plain: Resolver) -> SecureResolver {
        SecureResolver { plain, validating: None, ability: Mutex::new(None) }
    }

    /// Validates against the keys of the DNS root that ICANN publishes, through the same servers.
    pub fn new(plain: Resolver) -> Result<SecureResolver, ResolverError> {
        SecureResolver::anchored(plain, TrustAnchors::default())
    }

    /// Validates against these keys.
    pub fn anchored(plain: Resolver, anchors: TrustAnchors) -> Result<SecureResolver, ResolverError> {
        let validating = plain.validating(Arc::new(anchors))?;
        Ok(SecureResolver { plain, validating: Some(validating), ability: Mutex::new(None) })
    }

    /// Most preferred first.
    pub async fn mx(&self, name: &str, now: Instant) -> Result<Answer<Exchange>, DnsFailure> {
        self.resolver(now).await.ask_mx(name).await
    }

    /// Both families, IPv4 first; trouble with one is no trouble while the other has addresses.
    pub async fn addresses(&self, host: &str, now: Instant) -> Result<Answer<IpAddr>, DnsFailure> {
        let resolver = self.resolver(now).await;
        let (v4, v6) = tokio::join!(resolver.ask_ipv4(host), resolver.ask_ipv6(host));
        match (v4, v6) {
            (Ok(mut v4), Ok(v6)) => {
                v4.found.extend(v6.found);
                v4.secure &= v6.secure;
                Ok(v4)
            }
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(v4), Err(v6)) => Err(if v4.is_trouble() { v4 } else { v6 }),
        }
    }

    /// Empty unless proven: records that anybody may have written bind nobody.
    pub async fn tlsa(&self, name: &str, now: Instant) -> Result<Vec<Tlsa>, DnsFailure> {
        match self.resolver(now).await.ask_tlsa(name).await {
            Ok(answer) if answer.secure => Ok(answer.found),
            Ok(_) | Err(DnsFailure::NoName | DnsFailure::NoRecord) => Ok(Vec::new()),
            Err(trouble) => Err(trouble),
        }
    }

    /// The one to ask: the validating one where it can.
    async fn resolver(&self, now: Instant) -> &Resolver {
        let Some(validating) = &self.validating else { return &self.plain };
        let mut ability = self.ability.lock().await;
        let known = match *ability {
            Some(Ability::Cannot { since }) if now.saturating_duration_since(since) >= ASKED_AGAIN => None,
            known => known,
        };
        let known = match known {
            Some(known) => known,
            None => probe(validating, now).await,
        };
        *ability = Some(known);
        match known {
            Ability::Validates => validating,
            Ability::Cannot { .. } => &self.plain,
        }
    }
}

async fn probe(validating: &Resolver, now: Instant) -> Ability {
    if validating.proves_the_root().await {
        return Ability::Validates;
    }
    tracing::info!(
        "the name servers give no DNSSEC proofs, so DANE is not used; dns.servers can name a resolver that does"
    );
    Ability::Cannot { since: now }
}
