//! Where a mail to a domain goes: MX hosts or smarthosts, in order, with their addresses and what TLS each must show.
//!
//! [`mx`](super::mx) finds the hosts, [`hop_security`](super::hop_security) what each must show; here they become a route.
//! RFC 5321 §5.1, 7505, 7672, 8461, 8689.

use super::broken_tls::BrokenTls;
use super::hop::{Hop, Route, Security, TlsMode, Unroutable};
use super::hop_security::{self, Evidence, Refusal, TlsaAnswer};
use super::mta_sts::Policy;
use super::mx::{ADDRESSES_PER_HOST_MAX, Circle, Lookup, MxHost};
use super::own::Own;
use super::policies::Policies;
use super::policy_fetch::PolicyFetcher;
use super::site::site;
use super::smarthost;
use super::{dane, mx};
use crate::clock::Clock;
use crate::config::checked::{Config, Route as ConfiguredRoute, Smarthost};
use crate::dns::{Resolver, ResolverError, SecureResolver};
use crate::net::roots::{self, RootsError};
use rustls::RootCertStore;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The least that a mail asks of its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// What the domain's policies ask for, else opportunistic TLS.
    Usual,
    /// TLS, whatever certificate (`outbound_tls = "require"`).
    Encryption,
    /// REQUIRETLS (RFC 8689): TLS with a certificate that is verified.
    RequireTls,
}

/// Finds routes; share it in an `Arc`.
#[derive(Debug)]
pub struct Router {
    dns: SecureResolver,
    policies: Policies,
    own: Own,
    config: Config,
    broken_tls: BrokenTls,
    clock: Clock,
}

/// What a router is made of that a test makes otherwise.
#[derive(Debug)]
pub struct RouterParts {
    pub dns: SecureResolver,
    /// Asks for announcements and addresses of MTA-STS policies.
    pub resolver: Resolver,
    /// Of policy hosts.
    pub roots: Arc<RootCertStore>,
    pub policy_port: u16,
    pub clock: Clock,
}

/// Why there is no router.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    #[error("outbound.ca_file: {0}")]
    Roots(#[from] RootsError),
    #[error(transparent)]
    Resolver(#[from] ResolverError),
}

/// Of a hop that goes without TLS because it failed there.
const BROKEN_TLS: &str = "broken-tls";
/// All questions of one route together; then it is tried later.
const DEADLINE: Duration = Duration::from_secs(120);

impl Router {
    /// With the system's certificate authorities and `outbound.ca_file`; MTA-STS policies are kept in the data directory.
    pub fn new(config: &Config, resolver: Resolver, clock: Clock) -> Result<Router, RouterError> {
        let roots = roots::load(config.outbound.ca_file.as_deref())?;
        let dns = match config.outbound.dane {
            true => SecureResolver::new(resolver.clone())?,
            false => SecureResolver::without_validation(resolver.clone()),
        };
        Ok(Router::assembled(config, RouterParts { dns, resolver, roots, policy_port: 443, clock }))
    }

    /// From its parts.
    pub fn assembled(config: &Config, parts: RouterParts) -> Router {
        let RouterParts { dns, resolver, roots, policy_port, clock } = parts;
        let fetcher = PolicyFetcher::new(resolver.clone(), roots, policy_port, config.outbound.allow_private);
        let file = config.server.data_dir.join("mta-sts.json");
        let policies = Policies::load(resolver, fetcher, clock.clone(), file);
        let broken = config.server.data_dir.join("broken-tls.json");
        let (own, broken_tls) = (Own::of(config), BrokenTls::load(clock.clone(), broken));
        Router { dns, policies, own, config: config.clone(), broken_tls, clock }
    }

    /// The host offered STARTTLS, and it failed: where TLS is only a wish, it is not tried there for a week.
    pub async fn remember_broken_tls(&self, host: &str, words: &str) {
        self.broken_tls.remember(host, words).await;
    }

    /// Why this hop goes in the clear, if it does because TLS failed there before.
    pub fn why_in_clear(&self, hop: &Hop) -> Option<String> {
        let words = || self.broken_tls.words(&hop.host).unwrap_or_else(|| "it was so within the last week".to_owned());
        (hop.security.because == BROKEN_TLS).then(words)
    }

    /// The hosts for mail to this domain (canonical, or an address literal in brackets).
    pub async fn route(&self, domain: &str, demand: Demand) -> Result<Route, Unroutable> {
        self.routed(domain, demand, Circle::Loop).await
    }

    /// The same for a mail of an account: to another account of this installation it may come to this host.
    pub async fn route_of(&self, account: &str, domain: &str, demand: Demand) -> Result<Route, Unroutable> {
        let owner = self.config.account_of_domain(domain);
        let circle =
            owner.map_or(Circle::Loop, |owner| if owner.name == account { Circle::Loop } else { Circle::OtherAccount });
        self.routed(domain, demand, circle).await
    }

    /// The smarthost of `outbound.fallback`, if there is one.
    pub async fn fallback(&self, demand: Demand) -> Option<Result<Route, Unroutable>> {
        let host = self.config.outbound.fallback.as_ref()?;
        let late = || Unroutable::Temporary { reason: format!("{} cannot be looked up in time", host.host) };
        let found = tokio::time::timeout(DEADLINE, self.by_smarthosts(std::slice::from_ref(host), demand)).await;
        Some(found.unwrap_or_else(|_| Err(late())))
    }

    async fn routed(&self, domain: &str, demand: Demand, circle: Circle) -> Result<Route, Unroutable> {
        let routed = async {
            match &self.config.outbound.route {
                ConfiguredRoute::Smarthosts(hosts) => self.by_smarthosts(hosts, demand).await,
                ConfiguredRoute::Mx { port } => self.by_mx(domain, *port, demand, circle).await,
            }
        };
        let late = || Unroutable::Temporary { reason: format!("the way to {domain} cannot be looked up in time") };
        tokio::time::timeout(DEADLINE, routed).await.unwrap_or_else(|_| Err(late()))
    }

    async fn by_mx(&self, domain: &str, port: u16, demand: Demand, circle: Circle) -> Result<Route, Unroutable> {
        if let Some(literal) = mx::literal(domain) {
            return self.to_literal(domain, SocketAddr::new(literal?, port), demand);
        }
        let now = self.clock.monotonic();
        let lookup = Lookup { dns: &self.dns, own: &self.own, now, shuffle: shuffle(), circle };
        let hosts = lookup.hosts(domain).await?;
        let policy = self.policies.policy(domain).await;
        let site = site(best(&hosts));
        let hops = self.hops(domain, port, hosts, policy.as_ref(), demand).await?;
        Ok(Route { site, hops })
    }

    /// Every host that may be used; why the others may not decides what becomes of the mail when none is left.
    async fn hops(
        &self,
        domain: &str,
        port: u16,
        hosts: Vec<MxHost>,
        policy: Option<&Policy>,
        demand: Demand,
    ) -> Result<Vec<Hop>, Unroutable> {
        let (mut hops, mut refusals) = (Vec::new(), Vec::new());
        for host in hosts {
            let (name, tlsa) = self.tlsa(domain, port, &host).await;
            let evidence = Evidence { host: &host, tlsa, policy };
            match hop_security::security(evidence, demand) {
                Ok(security) => hops.push(self.hop(name, &host.addresses, port, security)),
                Err(refusal) => refusals.push(refusal),
            }
        }
        if hops.is_empty() { Err(Refusal::of_all(domain, &refusals)) } else { Ok(hops) }
    }

    fn hop(&self, host: String, addresses: &[IpAddr], port: u16, mut security: Security) -> Hop {
        if security.tls == TlsMode::Opportunistic && self.broken_tls.words(&host).is_some() {
            security = Security { tls: TlsMode::None, because: BROKEN_TLS, ..security };
        }
        let addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Hop { host, addresses, security, credentials: None }
    }

    /// The name that TLSA records stand under, which is also the one to ask for in SNI (RFC 7672 §2.1.3, §8.1), and what
    /// they say.
    async fn tlsa(&self, domain: &str, port: u16, host: &MxHost) -> (String, TlsaAnswer) {
        let now = self.clock.monotonic();
        if !host.secure {
            return (host.name.clone(), TlsaAnswer::None);
        }
        for name in names(host) {
            match self.dns.tlsa(&format!("_{port}._tcp.{name}"), now).await {
                Ok(records) if records.is_empty() => {}
                Ok(records) => return (name.to_owned(), TlsaAnswer::Published(dane::usable(&records, domain))),
                Err(failure) => return (name.to_owned(), TlsaAnswer::Trouble(failure.to_string())),
            }
        }
        (host.name.clone(), TlsaAnswer::None)
    }

    fn to_literal(&self, domain: &str, address: SocketAddr, demand: Demand) -> Result<Route, Unroutable> {
        if self.own.is_address(address.ip()) {
            return Err(mx::looped(domain));
        }
        if let Some(what) = self.own.refusal(address.ip()) {
            let reason = format!("the address {domain} is {what}, and mail goes only to hosts on the public internet");
            return Err(Unroutable::Permanent { enhanced: "5.4.4", reason });
        }
        let refused = |refusal: Refusal| Refusal::of_all(domain, &[refusal]);
        let security = hop_security::without_evidence(domain, demand).map_err(refused)?;
        let hop = self.hop(address.ip().to_string(), &[address.ip()], address.port(), security);
        Ok(Route { site: domain.to_owned(), hops: vec![hop] })
    }

    async fn by_smarthosts(&self, hosts: &[Smarthost], demand: Demand) -> Result<Route, Unroutable> {
        let now = self.clock.monotonic();
        let (mut hops, mut trouble) = (Vec::new(), Vec::new());
        for host in hosts {
            match self.smarthost(host, demand, now).await {
                Ok(hop) => hops.push(hop),
                Err(unroutable) => trouble.push(unroutable),
            }
        }
        let site = hosts.first().map_or_else(String::new, |host| host.host.clone());
        if hops.is_empty() { Err(smarthost::none_is_left(trouble)) } else { Ok(Route { site, hops }) }
    }

    async fn smarthost(&self, host: &Smarthost, demand: Demand, now: Instant) -> Result<Hop, Unroutable> {
        let security = smarthost::security(host, demand)?;
        let found = match host.host.parse::<IpAddr>() {
            Ok(literal) => vec![literal],
            Err(_) => smarthost::found(host, self.dns.addresses(&host.host, now).await)?,
        };
        let (allowed, refused): (Vec<IpAddr>, Vec<IpAddr>) =
            found.into_iter().partition(|ip| self.own.refusal(*ip).is_none());
        if let ([], [first, ..]) = (allowed.as_slice(), refused.as_slice()) {
            return Err(smarthost::private(host, *first, self.own.refusal(*first).unwrap_or_default()));
        }
        let addresses = mx::families_in_turn(allowed, ADDRESSES_PER_HOST_MAX);
        let hop = self.hop(host.host.clone(), &addresses, host.port, security);
        Ok(Hop { credentials: smarthost::credentials(host), ..hop })
    }
}

fn best(hosts: &[MxHost]) -> impl Iterator<Item = &str> {
    let preference = hosts.iter().map(|host| host.preference).min();
    hosts.iter().filter(move |host| Some(host.preference) == preference).map(|host| host.name.as_str())
}

/// RFC 7672 §2.1.3: where an alias leads counts first.
fn names(host: &MxHost) -> impl Iterator<Item = &str> {
    let alias = (host.canonical != host.name && !host.canonical.is_empty()).then_some(host.canonical.as_str());
    alias.into_iter().chain(std::iter::once(host.name.as_str()))
}

/// Without randomness the order is the same each time, which is no reason to send nothing.
fn shuffle() -> u64 {
    let mut octets = [0; 8];
    let _ = aws_lc_rs::rand::fill(&mut octets);
    u64::from_ne_bytes(octets)
}
