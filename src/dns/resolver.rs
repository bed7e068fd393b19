//! The one resolver: typed answers with three kinds of failure, whatever the network or the peer's zone did.
//!
//! Answers, also negative ones, are held in the resolver's own bounded cache for their time to live. Names are asked
//! as they stand (RFC 1034 §3.1 absolute names): search domains and the hosts file never take part.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::{Proof, TrustAnchors};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Names and types held at once; a name costs about 1 KiB.
const CACHE_ENTRIES: u64 = 16_384;
/// Of the resolver that validates: MX, host and TLSA questions of outgoing mail only.
const VALIDATED_CACHE_ENTRIES: u64 = 4096;
/// A zone may ask for more, but a withdrawn key must stop counting within a day.
const POSITIVE_TTL_MAX: Duration = Duration::from_secs(24 * 3600);
/// RFC 2308 §5 advises one to three hours; a name that was just published should not stay unknown that long.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(900);
/// Answers of one question that are looked at: SPF and iprev stop at 10 names, hosts have a handful of addresses.
const ANSWERS_MAX: usize = 100;

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// NXDOMAIN, or a text that can be no name.
    #[error("no such name")]
    NoName,
    /// The name exists, records of this type do not.
    #[error("no such record")]
    NoRecord,
    /// No answer, or an error of a server: asking again later may help.
    #[error("DNS trouble: {0}")]
    Trouble(String),
    /// Not asked: the mail has used up its questions.
    #[error("this mail asks for too many DNS answers")]
    Exhausted,
}

impl DnsFailure {
    /// Whether the name may have such records all the same.
    pub fn is_trouble(&self) -> bool {
        matches!(self, DnsFailure::Trouble(_) | DnsFailure::Exhausted)
    }
}

/// Why a resolver cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    #[error("the system's resolver configuration cannot be read: {0}; set dns.servers")]
    System(String),
    #[error("the resolver cannot be made: {0}")]
    Build(String),
}

/// The texts of a TXT answer, each with its strings joined (RFC 7208 §3.3, RFC 6376 §3.6.2.2).
pub type Texts = Vec<Vec<u8>>;

/// A host of an MX answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    pub preference: u16,
    /// Without trailing dot; empty for the null MX (RFC 7505).
    pub host: String,
}

/// A TLSA record (RFC 6698 §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlsa {
    pub usage: u8,
    pub selector: u8,
    pub matching: u8,
    pub data: Vec<u8>,
}

/// Records and how far they can be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub found: Vec<T>,
    /// DNSSEC proves these records and every alias that led to them.
    pub secure: bool,
    /// Whose records they are: another name than the one asked for, where that is an alias.
    pub name: String,
}

/// A handle on the process's resolver; clones share connections and cache.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
    asks: Asks,
}

/// Whom a resolver asks, and how patiently.
#[derive(Debug, Clone)]
struct Asks {
    /// Empty: the system's.
    servers: Vec<SocketAddr>,
    timeout: Duration,
    attempts: usize,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

impl Resolver {
    /// A resolver that asks these servers, or the system's if there are none.
    pub fn new(servers: &[SocketAddr]) -> Result<Resolver, ResolverError> {
        Resolver::with_patience(servers, Duration::from_secs(2), 2)
    }

    /// As [`Resolver::new`], waiting this long for each of so many attempts.
    pub fn with_patience(
        servers: &[SocketAddr],
        timeout: Duration,
        attempts: usize,
    ) -> Result<Resolver, ResolverError> {
        Resolver::build(Asks { servers: servers.to_vec(), timeout, attempts }, None)
    }

    /// Another one that asks the same servers, and believes only what these anchors prove: what fails the proof is trouble.
    pub(super) fn validating(&self, anchors: Arc<TrustAnchors>) -> Result<Resolver, ResolverError> {
        Resolver::build(self.asks.clone(), Some(anchors))
    }

    fn build(asks: Asks, anchors: Option<Arc<TrustAnchors>>) -> Result<Resolver, ResolverError> {
        let name_servers = if asks.servers.is_empty() {
            let (system, _) =
                hickory_resolver::system_conf::read_system_conf().map_err(|e| ResolverError::System(e.to_string()))?;
            system.name_servers().to_vec()
        } else {
            asks.servers.iter().map(name_server).collect()
        };
        let config = ResolverConfig::from_name_servers(name_servers);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options(asks.timeout, asks.attempts);
        if let Some(anchors) = anchors {
            builder.options_mut().cache_size = VALIDATED_CACHE_ENTRIES;
            builder = builder.with_trust_anchor(anchors);
        }
        let inner = builder.build().map_err(|e| ResolverError::Build(e.to_string()))?;
        Ok(Resolver { inner, asks })
    }

    pub async fn txt(&self, name: &str) -> Result<Texts, DnsFailure> {
        let read = |data: &RData| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        };
        Ok(self.ask(name, RecordType::TXT, read).await?.found)
    }

    pub async fn ipv4(&self, name: &str) -> Result<Vec<Ipv4Addr>, DnsFailure> {
        Ok(self.ask(name, RecordType::A, v4_of).await?.found)
    }

    pub async fn ipv6(&self, name: &str) -> Result<Vec<Ipv6Addr>, DnsFailure> {
        Ok(self.ask(name, RecordType::AAAA, v6_of).await?.found)
    }

    /// Of both families, IPv4 first; a failure of one does not hide the other.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsFailure> {
        match tokio::join!(self.ipv4(name), self.ipv6(name)) {
            (Err(error), Err(_)) => Err(error),
            (v4, v6) => {
                let v4 = v4.unwrap_or_default().into_iter().map(IpAddr::V4);
                Ok(v4.chain(v6.unwrap_or_default().into_iter().map(IpAddr::V6)).collect())
            }
        }
    }

    /// Most preferred first.
    pub async fn mx(&self, name: &str) -> Result<Vec<Exchange>, DnsFailure> {
        Ok(self.ask_mx(name).await?.found)
    }

    /// The names that an address claims.
    pub async fn ptr(&self, ip: IpAddr) -> Result<Vec<String>, DnsFailure> {
        let read = |data: &RData| match data {
            RData::PTR(name) => Some(text_of(name)),
            _ => None,
        };
        Ok(self.ask(&Name::from(ip).to_ascii(), RecordType::PTR, read).await?.found)
    }

    pub(super) async fn ask_mx(&self, name: &str) -> Result<Answer<Exchange>, DnsFailure> {
        let read = |data: &RData| match data {
            RData::MX(mx) => Some(Exchange { preference: mx.preference, host: text_of(&mx.exchange) }),
            _ => None,
        };
        let mut answer = self.ask(name, RecordType::MX, read).await?;
        answer.found.sort_by_key(|exchange| exchange.preference);
        Ok(answer)
    }

    pub(super) async fn ask_ipv4(&self, name: &str) -> Result<Answer<IpAddr>, DnsFailure> {
        self.ask(name, RecordType::A, |data| v4_of(data).map(IpAddr::V4)).await
    }

    pub(super) async fn ask_ipv6(&self, name: &str) -> Result<Answer<IpAddr>, DnsFailure> {
        self.ask(name, RecordType::AAAA, |data| v6_of(data).map(IpAddr::V6)).await
    }

    pub(super) async fn ask_tlsa(&self, name: &str) -> Result<Answer<Tlsa>, DnsFailure> {
        let read = |data: &RData| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        };
        self.ask(name, RecordType::TLSA, read).await
    }

    /// Whether the root's own records are proven: without that nothing below it is.
    pub(super) async fn proves_the_root(&self) -> bool {
        let lookup = self.inner.lookup(Name::root(), RecordType::NS).await;
        lookup.is_ok_and(|lookup| proven(&lookup))
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<T>, DnsFailure> {
        let name = absolute(name).ok_or(DnsFailure::NoName)?;
        let lookup: Lookup = self.inner.lookup(name, kind).await.map_err(failure)?;
        let last = lookup.answers().iter().rfind(|record| record.record_type() == kind);
        let name = last.map_or_else(String::new, |record| text_of(&record.name));
        let found: Vec<T> = lookup.answers().iter().filter_map(|record| read(&record.data)).take(ANSWERS_MAX).collect();
        let secure = proven(&lookup);
        if found.is_empty() { Err(DnsFailure::NoRecord) } else { Ok(Answer { found, secure, name }) }
    }
}

/// Aliases on the way count too: who can forge one forges the end (RFC 7672 §2.1.3). Signatures themselves carry no proof.
fn proven(lookup: &Lookup) -> bool {
    let mut records = lookup.answers().iter().filter(|record| record.record_type() != RecordType::RRSIG).peekable();
    records.peek().is_some() && records.all(|record| record.proof == Proof::Secure)
}

fn v4_of(data: &RData) -> Option<Ipv4Addr> {
    match data {
        RData::A(address) => Some(address.0),
        _ => None,
    }
}

fn v6_of(data: &RData) -> Option<Ipv6Addr> {
    match data {
        RData::AAAA(address) => Some(address.0),
        _ => None,
    }
}

fn options(timeout: Duration, attempts: usize) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = timeout;
    options.attempts = attempts;
    options.cache_size = CACHE_ENTRIES;
    options.use_hosts_file = ResolveHosts::Never;
    options.positive_max_ttl = Some(POSITIVE_TTL_MAX);
    options.negative_max_ttl = Some(NEGATIVE_TTL_MAX);
    // An off-path forger must also guess the case of every letter of the name.
    options.case_randomization = true;
    // Of one TCP connection; hundreds of sessions may ask for long answers at once.
    options.max_active_requests = 1024;
    options.ndots = 0;
    options
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connection = |protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    };
    let connections = vec![connection(ProtocolConfig::Udp), connection(ProtocolConfig::Tcp)];
    NameServerConfig::new(address.ip(), true, connections)
}

/// Any octets may stand in a label: SPF macros bring what a peer wrote. Only lengths and empty labels make a text
/// no name (RFC 1035 §2.3.4).
fn absolute(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.is_empty() || text.len() > 253 || text.split('.').any(|label| label.is_empty() || label.len() > 63) {
        return None;
    }
    Name::from_labels(text.split('.').map(str::as_bytes)).ok()
}

/// As it can be asked again: in lower case, without escapes and trailing dot. A dot inside a label would make another
/// name of it, so it becomes what no host has.
fn text_of(name: &Name) -> String {
    let labels: Vec<String> =
        name.iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase().replace('.', "\u{fffd}")).collect();
    labels.join(".")
}

fn failure(error: NetError) -> DnsFailure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => DnsFailure::NoName,
            ResponseCode::NoError => DnsFailure::NoRecord,
            code => DnsFailure::Trouble(format!("the server answers {code}")),
        },
        NetError::Dns(DnsError::ResponseCode(ResponseCode::NXDomain)) => DnsFailure::NoName,
        // RFC 9276 §3.2: too many NSEC3 iterations leave a denial unproven, but not false.
        NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. }) => match response.response_code {
            ResponseCode::NXDomain => DnsFailure::NoName,
            _ => DnsFailure::NoRecord,
        },
        NetError::Dns(DnsError::DnssecBogus | DnsError::Nsec { .. }) => {
            DnsFailure::Trouble("the answer fails DNSSEC validation".to_owned())
        }
        NetError::Timeout => DnsFailure::Trouble("no answer in time".to_owned()),
        other => DnsFailure::Trouble(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Zone, ZoneServer};

    #[tokio::test]
    async fn answers_and_failures_of_every_kind() {
        let long = "x".repeat(3000);
        let zone = Zone::parse(&format!(
            r#"{{"A.example":[{{"A":"192.0.2.1"}},{{"TXT":"one"}},{{"TXT":["two ","parts"]}},{{"MX":[20,"b.example"]}},{{"MX":[10,"a.example"]}}],
               "long.example":[{{"TXT":"{long}"}}], "alias.example":[{{"CNAME":"a.example"}}], "loop.example":[{{"CNAME":"loop.example"}}],
               "none.example":[], "null.example":[{{"MX":[0,""]}}], "dead.example":["TIMEOUT"], "broken.example":["SERVFAIL"],
               "1.2.0.192.in-addr.arpa":[{{"PTR":"a.example"}}]}}"#
        ))
        .unwrap();
        let server = ZoneServer::start(zone).await.unwrap();
        let resolver = server.resolver().unwrap();
        let mut texts = resolver.txt("a.example").await.unwrap();
        texts.sort();
        assert_eq!(texts, [b"one".to_vec(), b"two parts".to_vec()]);
        assert_eq!(resolver.txt("long.example.").await.unwrap(), [long.into_bytes()], "truncated, then asked by TCP");
        assert_eq!(resolver.ipv4("alias.example").await.unwrap(), [Ipv4Addr::new(192, 0, 2, 1)]);
        let hosts: Vec<String> = resolver.mx("a.example").await.unwrap().into_iter().map(|mx| mx.host).collect();
        assert_eq!(hosts, ["a.example", "b.example"]);
        assert_eq!(resolver.mx("null.example").await.unwrap()[0].host, "");
        assert_eq!(resolver.ptr("192.0.2.1".parse().unwrap()).await.unwrap(), ["a.example"]);
        assert_eq!(resolver.ipv6("a.example").await, Err(DnsFailure::NoRecord));
        for name in ["none.example", "unlisted.example", "", ".", "a..example", &"x".repeat(64)] {
            assert_eq!(resolver.txt(name).await, Err(DnsFailure::NoName), "{name:?}");
        }
        for name in ["dead.example", "broken.example"] {
            assert!(resolver.txt(name).await.unwrap_err().is_trouble(), "{name}");
        }
        assert!(resolver.ipv4("loop.example").await.is_err());
    }
}
