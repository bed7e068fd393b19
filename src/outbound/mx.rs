//! Which hosts take mail for a domain, and at which addresses: RFC 5321 §5.1, null MX (RFC 7505), and what is refused.
//!
//! A stranger chooses these records, so names that are no host names are left out, at most ten hosts and ten addresses are
//! looked at, nothing is dialled that is not on the public internet, and mail for ourselves is not sent in a circle.

use super::hop::Unroutable;
use super::own::Own;
use crate::dns::{Answer, DnsFailure, Exchange, SecureResolver};
use crate::mail::address::is_host_name;
use crate::net::dialable;
use std::net::IpAddr;
use std::time::Instant;

/// Hosts of a domain that are looked at.
pub const HOSTS_MAX: usize = 10;
/// Of one host, both families.
pub const ADDRESSES_PER_HOST_MAX: usize = 5;
/// Of all hosts of a route.
pub const ADDRESSES_MAX: usize = 10;

/// A host that may be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxHost {
    pub name: String,
    pub preference: u16,
    /// Families take turns, IPv4 first: hosts ask less of an IPv4 client (PTR, reputation).
    pub addresses: Vec<IpAddr>,
    /// Where the name led, if it is an alias.
    pub canonical: String,
    /// DNSSEC proves name and addresses.
    pub secure: bool,
}

/// How a domain is looked up.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    pub dns: &'a SecureResolver,
    pub own: &'a Own,
    pub now: Instant,
    /// Every order of hosts of equal preference is some value of this.
    pub shuffle: u64,
    pub circle: Circle,
}

/// What it means that mail for a domain would come to this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circle {
    /// It comes back to where it was sent from, or nobody takes it here.
    Loop,
    /// Another account of this installation has the domain: it is a mail like any other.
    OtherAccount,
}

/// The MX records of a domain, or what stands for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanges {
    pub hosts: Vec<Exchange>,
    /// DNSSEC proves the names.
    pub secure: bool,
    /// What was left out, in words.
    pub left_out: Vec<String>,
}

impl Lookup<'_> {
    /// The hosts to try, in order; never empty.
    pub async fn hosts(self, domain: &str) -> Result<Vec<MxHost>, Unroutable> {
        let exchanges = self.exchanges(domain).await?;
        self.resolve(domain, self.in_order(domain, exchanges)?).await
    }

    async fn exchanges(self, domain: &str) -> Result<Exchanges, Unroutable> {
        match self.dns.mx(domain, self.now).await {
            Ok(Answer { found, secure, .. }) => named_hosts(domain, found, secure),
            // RFC 5321 §5.1: only a domain without any MX record is its own host.
            Err(DnsFailure::NoRecord) => {
                let own_host = Exchange { preference: 0, host: domain.to_owned() };
                Ok(Exchanges { hosts: vec![own_host], secure: true, left_out: Vec::new() })
            }
            Err(DnsFailure::NoName) => {
                Err(Unroutable::NoSuchDomain { reason: format!("the domain {domain} does not exist") })
            }
            Err(trouble @ (DnsFailure::Trouble(_) | DnsFailure::Exhausted)) => Err(Unroutable::Temporary {
                reason: format!("the mail servers of {domain} cannot be looked up: {trouble}"),
            }),
        }
    }

    /// By preference, equal ones in random order (RFC 5321 §5.1), and none that is not better than we are.
    fn in_order(self, domain: &str, mut exchanges: Exchanges) -> Result<Exchanges, Unroutable> {
        let us = exchanges.hosts.iter().filter(|exchange| self.is_loop() && self.own.is_named(&exchange.host));
        if let Some(us) = us.map(|exchange| exchange.preference).min() {
            exchanges.hosts.retain(|exchange| exchange.preference < us);
        }
        if exchanges.hosts.is_empty() {
            return Err(looped(domain));
        }
        shuffle(&mut exchanges.hosts, self.shuffle);
        exchanges.hosts.sort_by_key(|exchange| exchange.preference);
        exchanges.hosts.truncate(HOSTS_MAX);
        Ok(exchanges)
    }

    async fn resolve(self, domain: &str, exchanges: Exchanges) -> Result<Vec<MxHost>, Unroutable> {
        let Exchanges { hosts: named, secure, mut left_out } = exchanges;
        let (mut hosts, mut room, mut trouble) = (Vec::<MxHost>::new(), ADDRESSES_MAX, None);
        for exchange in named {
            if room == 0 {
                break;
            }
            let answer = match self.dns.addresses(&exchange.host, self.now).await {
                Ok(answer) => answer,
                Err(failure) if failure.is_trouble() => {
                    trouble = trouble.or_else(|| Some(format!("{}: {failure}", exchange.host)));
                    continue;
                }
                Err(_) => {
                    left_out.push(format!("{} has no address", exchange.host));
                    continue;
                }
            };
            if self.is_loop() && answer.found.iter().any(|ip| self.own.is_address(*ip)) {
                hosts.retain(|host| host.preference < exchange.preference);
                return if hosts.is_empty() { Err(looped(domain)) } else { Ok(hosts) };
            }
            let addresses = self.dialable(&exchange.host, &answer.found, room, &mut left_out);
            if !addresses.is_empty() {
                room -= addresses.len();
                let secure = secure && answer.secure;
                let Exchange { host: name, preference } = exchange;
                hosts.push(MxHost { name, preference, addresses, canonical: answer.name, secure });
            }
        }
        if hosts.is_empty() { Err(unreachable(domain, trouble, &left_out)) } else { Ok(hosts) }
    }

    fn is_loop(self) -> bool {
        self.circle == Circle::Loop
    }

    fn dialable(self, host: &str, found: &[IpAddr], room: usize, left_out: &mut Vec<String>) -> Vec<IpAddr> {
        let mut allowed = Vec::with_capacity(found.len());
        for ip in found {
            match self.own.refusal(*ip) {
                None => allowed.push(*ip),
                Some(what) => left_out.push(format!("{host} has the address {ip}, which is {what}")),
            }
        }
        families_in_turn(allowed, room.min(ADDRESSES_PER_HOST_MAX))
    }
}

/// The address of an address literal (RFC 5321 §4.1.3) in place of a domain.
pub fn literal(domain: &str) -> Option<Result<IpAddr, Unroutable>> {
    let text = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))?;
    let ip = text.strip_prefix("IPv6:").unwrap_or(text).parse();
    let unknown = |_| Unroutable::Permanent { enhanced: "5.1.2", reason: format!("{domain} is no address of a host") };
    Some(ip.map_err(unknown))
}

/// RFC 7505 §3: one MX with the root as host says that there is no mail.
fn named_hosts(domain: &str, found: Vec<Exchange>, secure: bool) -> Result<Exchanges, Unroutable> {
    if let [only] = found.as_slice()
        && only.host.is_empty()
    {
        let reason = format!("the domain {domain} says that it takes no mail (null MX)");
        return Err(Unroutable::Permanent { enhanced: "5.1.10", reason });
    }
    let (hosts, wrong): (Vec<_>, Vec<_>) = found.into_iter().partition(|exchange| may_be_host(&exchange.host));
    let left_out: Vec<String> = wrong.iter().map(|exchange| format!("{:?} is no host name", exchange.host)).collect();
    if hosts.is_empty() { Err(unreachable(domain, None, &left_out)) } else { Ok(Exchanges { hosts, secure, left_out }) }
}

/// RFC 1123 §2.1, RFC 5321 §2.3.5: letters, digits and hyphens, and not an address written where a name belongs.
fn may_be_host(name: &str) -> bool {
    let literal = name.rsplit('.').next().is_some_and(|top| top.bytes().all(|octet| octet.is_ascii_digit()));
    is_host_name(name) && !name.contains('_') && !literal
}

/// Fisher-Yates; the randomness of xorshift64 is enough to spread load.
fn shuffle(hosts: &mut [Exchange], seed: u64) {
    let mut state = seed | 1;
    for last in (1..hosts.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let chosen = usize::try_from(state % (last as u64 + 1)).unwrap_or(last);
        hosts.swap(last, chosen);
    }
}

pub fn families_in_turn(addresses: Vec<IpAddr>, max: usize) -> Vec<IpAddr> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv4);
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    let mut turns = Vec::new();
    while turns.len() < max {
        let before = turns.len();
        turns.extend(v4.next());
        turns.extend(v6.next());
        if turns.len() == before {
            break;
        }
    }
    turns.truncate(max);
    turns
}

pub fn looped(domain: &str) -> Unroutable {
    let reason = format!("mail for {domain} would come back to this host, its best mail server, where nobody takes it");
    Unroutable::Permanent { enhanced: "5.4.6", reason }
}

fn unreachable(domain: &str, trouble: Option<String>, left_out: &[String]) -> Unroutable {
    if let Some(trouble) = trouble {
        return Unroutable::Temporary { reason: format!("no mail server of {domain} can be looked up: {trouble}") };
    }
    let why: Vec<&str> = left_out.iter().map(String::as_str).take(REASONS_MAX).collect();
    let reason = format!("no mail server of {domain} can be dialled: {}", why.join("; "));
    Unroutable::Permanent { enhanced: "5.4.4", reason }
}

/// Of the hosts that were left out, so many are told of.
const REASONS_MAX: usize = 5;

impl Own {
    /// What keeps this address from being dialled.
    pub(super) fn refusal(&self, ip: IpAddr) -> Option<&'static str> {
        if self.allow_private { None } else { dialable::refusal(ip) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn hosts_of_equal_preference_come_in_every_order() {
        let orders: BTreeSet<String> = (0..100)
            .map(|seed: u64| {
                let mut hosts: Vec<Exchange> =
                    ["a", "b", "c"].map(|host| Exchange { preference: 10, host: host.to_owned() }).into();
                // Neighbouring seeds are alike; the system's are not.
                shuffle(&mut hosts, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                hosts.iter().map(|exchange| exchange.host.as_str()).collect()
            })
            .collect();
        assert_eq!(orders.into_iter().collect::<Vec<_>>(), ["abc", "acb", "bac", "bca", "cab", "cba"]);
    }

    #[test]
    fn names_that_no_host_may_have_are_told_from_those_it_may() {
        for (name, expected) in [
            ("mx.example", true),
            ("mx1.example", true),
            ("xn--bcher-kva.example", true),
            ("mx_1.example", false),
            ("192.0.2.1", false),
            ("[192.0.2.1]", false),
            ("", false),
            ("mx..example", false),
            ("-mx.example", false),
            ("a\u{fffd}b.example", false),
        ] {
            assert_eq!(may_be_host(name), expected, "{name}");
        }
    }
}
