//! The evaluation of SPF records (RFC 7208 §4.6, §5, §6.1), within its limits on lookups.

use super::macros::{DomainSpec, MacroValues};
use super::record::{self, Mechanism, Prefixes, Qualifier, Record};
use crate::dns::{DnsFailure, Questions};
use crate::sender_auth::results::SpfResult;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;

/// RFC 7208 §4.6.4: terms that ask the DNS, in the record and all that it includes.
const TERMS_MAX: usize = 10;
/// RFC 7208 §4.6.4: terms whose question finds nothing.
const VOIDS_MAX: usize = 2;
/// RFC 7208 §4.6.4: hosts of one `mx`, names of one `ptr`.
const NAMES_MAX: usize = 10;

/// One call of check_host() with everything below it.
pub(super) struct Evaluation<'a> {
    questions: &'a Questions<'a>,
    ip: IpAddr,
    local: &'a str,
    sender_domain: &'a str,
    helo: &'a str,
    terms: usize,
    voids: usize,
    client_names: Option<Vec<String>>,
}

/// What ends an evaluation early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Temporary,
    Permanent,
}

type Checked<'b> = Pin<Box<dyn Future<Output = Result<SpfResult, Stop>> + Send + 'b>>;

impl<'a> Evaluation<'a> {
    pub fn new(
        questions: &'a Questions<'a>,
        ip: IpAddr,
        local: &'a str,
        sender_domain: &'a str,
        helo: &'a str,
    ) -> Evaluation<'a> {
        Evaluation { questions, ip, local, sender_domain, helo, terms: 0, voids: 0, client_names: None }
    }

    pub async fn check_host(mut self) -> SpfResult {
        let domain = self.sender_domain.to_owned();
        self.check_domain(domain).await.unwrap_or_else(|stop| match stop {
            Stop::Temporary => SpfResult::TempError,
            Stop::Permanent => SpfResult::PermError,
        })
    }

    /// Boxed because `include` and `redirect` come back here; [`TERMS_MAX`] bounds the depth.
    fn check_domain(&mut self, domain: String) -> Checked<'_> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else { return Ok(SpfResult::None) };
            for (qualifier, mechanism) in &record.directives {
                if self.matches(mechanism, &domain).await? {
                    return Ok(meaning(*qualifier));
                }
            }
            let Some(target) = &record.redirect else { return Ok(SpfResult::Neutral) };
            self.count_term()?;
            let target = self.expand(target, &domain).await?;
            match self.check_domain(target).await? {
                // RFC 7208 §6.1: a redirect to no record is an error.
                SpfResult::None => Err(Stop::Permanent),
                result => Ok(result),
            }
        })
    }

    /// RFC 7208 §4.4, §4.5: one record, or none, or a permerror.
    async fn record(&mut self, domain: &str) -> Result<Option<Record>, Stop> {
        let texts = match self.questions.txt(domain).await {
            Ok(texts) => texts,
            Err(failure) => return stop_or_void(&failure).map(|()| None),
        };
        let mut records = texts.iter().filter(|text| record::is_spf(text));
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(text), None) => Record::parse(text).map(Some).map_err(|_| Stop::Permanent),
            (Some(_), Some(_)) => Err(Stop::Permanent),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, prefix) => Ok(matches!(self.ip, IpAddr::V4(ip) if same_ip4(ip, *network, *prefix))),
            Mechanism::Ip6(network, prefix) => Ok(matches!(self.ip, IpAddr::V6(ip) if same_ip6(ip, *network, *prefix))),
            Mechanism::Include(target) => self.include(target, domain).await,
            Mechanism::A(target, prefixes) => self.a(target.as_ref(), *prefixes, domain).await,
            Mechanism::Mx(target, prefixes) => self.mx(target.as_ref(), *prefixes, domain).await,
            Mechanism::Ptr(target) => self.ptr(target.as_ref(), domain).await,
            Mechanism::Exists(target) => self.exists(target, domain).await,
        }
    }

    /// RFC 7208 §5.2.
    async fn include(&mut self, target: &DomainSpec, domain: &str) -> Result<bool, Stop> {
        self.count_term()?;
        let target = self.expand(target, domain).await?;
        match self.check_domain(target).await? {
            SpfResult::Pass => Ok(true),
            SpfResult::None => Err(Stop::Permanent),
            _ => Ok(false),
        }
    }

    /// RFC 7208 §5.3.
    async fn a(&mut self, target: Option<&DomainSpec>, prefixes: Prefixes, domain: &str) -> Result<bool, Stop> {
        self.count_term()?;
        let host = self.target(target, domain).await?;
        let found = self.questions.addresses(&host, self.ip).await;
        let addresses = self.unless_void(found)?;
        Ok(addresses.iter().any(|address| self.is_near(*address, prefixes)))
    }

    /// RFC 7208 §5.4.
    async fn mx(&mut self, target: Option<&DomainSpec>, prefixes: Prefixes, domain: &str) -> Result<bool, Stop> {
        self.count_term()?;
        let host = self.target(target, domain).await?;
        let found = self.questions.mx(&host).await;
        let exchanges = self.unless_void(found)?;
        // RFC 7208 §4.6.4: more than 10 hosts are an error, not a reason to look at the first ten.
        if exchanges.len() > NAMES_MAX {
            return Err(Stop::Permanent);
        }
        for exchange in exchanges {
            let addresses = match self.questions.addresses(&exchange.host, self.ip).await {
                Ok(addresses) => addresses,
                Err(failure) => {
                    stop_or_void(&failure)?;
                    continue;
                }
            };
            if addresses.iter().any(|address| self.is_near(*address, prefixes)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// RFC 7208 §5.5.
    async fn ptr(&mut self, target: Option<&DomainSpec>, domain: &str) -> Result<bool, Stop> {
        self.count_term()?;
        let target = self.target(target, domain).await?;
        let names = self.client_names().await;
        Ok(names.iter().any(|name| is_same_or_below(name, &target)))
    }

    /// RFC 7208 §5.7: an A record, whatever the family of the client.
    async fn exists(&mut self, target: &DomainSpec, domain: &str) -> Result<bool, Stop> {
        self.count_term()?;
        let name = self.expand(target, domain).await?;
        let found = self.questions.ipv4(&name).await;
        Ok(!self.unless_void(found)?.is_empty())
    }

    fn count_term(&mut self) -> Result<(), Stop> {
        self.terms += 1;
        if self.terms > TERMS_MAX { Err(Stop::Permanent) } else { Ok(()) }
    }

    /// The records of a term's own question. RFC 7208 §4.6.4 counts the *terms* that find nothing, so hosts of an
    /// `mx` without an address in the client's family are no voids.
    fn unless_void<T>(&mut self, found: Result<Vec<T>, DnsFailure>) -> Result<Vec<T>, Stop> {
        match found {
            Ok(records) => Ok(records),
            Err(failure) => {
                stop_or_void(&failure)?;
                self.voids += 1;
                if self.voids > VOIDS_MAX { Err(Stop::Permanent) } else { Ok(Vec::new()) }
            }
        }
    }

    async fn target(&mut self, target: Option<&DomainSpec>, domain: &str) -> Result<String, Stop> {
        match target {
            Some(target) => self.expand(target, domain).await,
            None => Ok(domain.to_owned()),
        }
    }

    async fn expand(&mut self, spec: &DomainSpec, domain: &str) -> Result<String, Stop> {
        let client_name = if spec.asks_client_name() { self.client_name(domain).await } else { String::new() };
        Ok(spec.expand(&MacroValues {
            ip: self.ip,
            local: self.local,
            sender_domain: self.sender_domain,
            helo: self.helo,
            domain,
            client_name: &client_name,
        }))
    }

    /// RFC 7208 §7.3 `p`: the domain itself, else a name below it, else any validated name.
    async fn client_name(&mut self, domain: &str) -> String {
        let names = self.client_names().await;
        let exact = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|name| is_same_or_below(name, domain));
        exact.or_else(below).or_else(|| names.first()).cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    /// RFC 7208 §5.5: names of the client whose addresses lead back to it. Trouble means no name.
    async fn client_names(&mut self) -> Vec<String> {
        if let Some(names) = &self.client_names {
            return names.clone();
        }
        let mut names = Vec::new();
        for name in self.questions.ptr(self.ip).await.unwrap_or_default().into_iter().take(NAMES_MAX) {
            if self.questions.addresses(&name, self.ip).await.unwrap_or_default().contains(&self.ip) {
                names.push(name);
            }
        }
        self.client_names.insert(names).clone()
    }

    fn is_near(&self, address: IpAddr, prefixes: Prefixes) -> bool {
        match (self.ip, address) {
            (IpAddr::V4(ip), IpAddr::V4(address)) => same_ip4(ip, address, prefixes.ip4),
            (IpAddr::V6(ip), IpAddr::V6(address)) => same_ip6(ip, address, prefixes.ip6),
            _ => false,
        }
    }
}

/// RFC 7208 §2.6: trouble is temporary; a record that needs more questions than a mail gets is too costly, now and
/// later.
fn stop_or_void(failure: &DnsFailure) -> Result<(), Stop> {
    match failure {
        DnsFailure::NoName | DnsFailure::NoRecord => Ok(()),
        DnsFailure::Trouble(_) => Err(Stop::Temporary),
        DnsFailure::Exhausted => Err(Stop::Permanent),
    }
}

fn meaning(qualifier: Qualifier) -> SpfResult {
    match qualifier {
        Qualifier::Pass => SpfResult::Pass,
        Qualifier::Fail => SpfResult::Fail,
        Qualifier::SoftFail => SpfResult::SoftFail,
        Qualifier::Neutral => SpfResult::Neutral,
    }
}

fn same_ip4(a: Ipv4Addr, b: Ipv4Addr, prefix: u8) -> bool {
    let differing = a.to_bits() ^ b.to_bits();
    differing.leading_zeros() >= u32::from(prefix)
}

fn same_ip6(a: Ipv6Addr, b: Ipv6Addr, prefix: u8) -> bool {
    let differing = a.to_bits() ^ b.to_bits();
    differing.leading_zeros() >= u32::from(prefix)
}

fn is_same_or_below(name: &str, domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let Some(split) = name.len().checked_sub(domain.len()) else { return false };
    match name.split_at_checked(split) {
        Some((above, end)) => end.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with('.')),
        None => false,
    }
}
