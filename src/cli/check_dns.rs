//! `replyd check --dns`: the records that mail to and from the accounts needs, asked of the configured resolver, and
//! whether this host then answers as their MX.

use super::check::Finding;
use super::{check_reach, check_sending};
use crate::config::checked::{Account, Config, DkimKey, SourceAddresses};
use crate::config::outbound::source_key;
use crate::dns::{DnsFailure, Resolver};
use crate::sender_auth::own_key;
use crate::sender_auth::published::{self, Published};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

pub fn findings(config: &Config, mx_port: u16, reach: &str) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let looked = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        // The resolver's tasks live in the runtime, so it is made inside.
        runtime.block_on(async {
            let resolver = Resolver::new(&config.dns.servers).map_err(|error| error.to_string())?;
            let (mut findings, addresses) = look(config, &resolver).await;
            findings.extend(sources(config, &addresses, &resolver).await);
            let senders = senders(config.outbound.sources, &addresses);
            findings.extend(check_sending::judged(config, &resolver, &senders).await);
            findings.extend(check_sending::way_out(config, &resolver, reach).await);
            Ok((findings, addresses))
        })
    });
    match looked {
        Ok((mut findings, addresses)) => {
            let places = addresses.into_iter().map(|address| SocketAddr::new(address, mx_port));
            findings.extend(places.flat_map(|place| check_reach::findings(config, place)));
            findings
        }
        Err(reason) => vec![Finding::error(format!("dns: {reason}; name servers in dns.servers"))],
    }
}

/// What the records say, and where they lead.
async fn look(config: &Config, resolver: &Resolver) -> (Vec<Finding>, Vec<IpAddr>) {
    let hostname = &config.server.hostname;
    let (mut findings, addresses) = host(hostname, resolver).await;
    for account in &config.accounts {
        findings.push(exchange(account, hostname, resolver).await);
        for key in &account.dkim {
            findings.push(signing_key(key, resolver).await);
        }
    }
    for domain in sending_domains(config) {
        findings.push(policy("SPF", &domain, "v=spf1", resolver).await);
        findings.push(policy("DMARC", &format!("_dmarc.{domain}"), "v=DMARC1", resolver).await);
    }
    (findings, addresses)
}

async fn host(hostname: &str, resolver: &Resolver) -> (Vec<Finding>, Vec<IpAddr>) {
    let mut addresses: Vec<IpAddr> = Vec::new();
    let (ipv4, ipv6) = (resolver.ipv4(hostname).await, resolver.ipv6(hostname).await);
    addresses.extend(ipv4.iter().flatten().copied().map(IpAddr::V4));
    addresses.extend(ipv6.iter().flatten().copied().map(IpAddr::V6));
    let mut findings = Vec::new();
    if addresses.is_empty() {
        let name = format!("A/AAAA {hostname}");
        findings.push(match ipv4.err().filter(DnsFailure::is_trouble) {
            Some(trouble) => unanswered(&name, &trouble),
            None => Finding::error(format!(
                "{name}: none found; publish this host's address there, or mend server.hostname"
            )),
        });
    }
    for address in &addresses {
        findings.push(reverse(*address, hostname, resolver).await);
    }
    (findings, addresses)
}

/// The addresses that mail leaves from: of each family the configured one, else those of the host's name.
fn senders(sources: SourceAddresses, addresses: &[IpAddr]) -> Vec<IpAddr> {
    let others = addresses.iter().copied().filter(|address| sources.towards(*address).is_none());
    sources.all().chain(others).collect()
}

/// EHLO says the host's name wherever a mail leaves from: receivers look whether name and address lead to each other (RFC 8601
/// §2.7.3).
async fn sources(config: &Config, addresses: &[IpAddr], resolver: &Resolver) -> Vec<Finding> {
    let hostname = &config.server.hostname;
    let mut findings = Vec::new();
    for source in config.outbound.sources.all().filter(|source| !addresses.contains(source)) {
        let kind = if source.is_ipv4() { "A" } else { "AAAA" };
        findings.push(Finding::warning(format!(
            "{} {source}: {hostname} does not lead to it, so many hosts distrust mail from there; publish {hostname}. {kind} {source}",
            source_key(source)
        )));
        findings.push(reverse(source, hostname, resolver).await);
    }
    findings
}

/// Many receivers take no mail from an address whose name does not lead back to it.
async fn reverse(address: IpAddr, hostname: &str, resolver: &Resolver) -> Finding {
    let name = format!("PTR {address}");
    let names = match resolver.ptr(address).await {
        Ok(names) => names,
        Err(trouble) if trouble.is_trouble() => return unanswered(&name, &trouble),
        Err(_) => Vec::new(),
    };
    if names.iter().any(|name| same_name(name, hostname)) {
        return Finding::ok(format!("{name}: names {hostname}"));
    }
    let found = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    Finding::warning(format!("{name}: it names {found}, not {hostname}; ask whoever owns the address to set it"))
}

async fn exchange(account: &Account, hostname: &str, resolver: &Resolver) -> Finding {
    let name = format!("MX {}", account.inbound_domain);
    match resolver.mx(&account.inbound_domain).await {
        Ok(exchanges) if exchanges.iter().any(|exchange| same_name(&exchange.host, hostname)) => {
            Finding::ok(format!("{name}: names {hostname}"))
        }
        Ok(exchanges) => {
            let hosts: Vec<String> = exchanges.into_iter().map(|exchange| format!("{}.", exchange.host)).collect();
            let found = hosts.join(", ");
            Finding::error(format!("{name}: it names {found} and not {hostname}; publish MX 10 {hostname}."))
        }
        Err(trouble) if trouble.is_trouble() => unanswered(&name, &trouble),
        Err(_) => Finding::error(format!("{name}: none found, so replies go nowhere; publish MX 10 {hostname}.")),
    }
}

async fn signing_key(key: &DkimKey, resolver: &Resolver) -> Finding {
    let name = format!("DKIM {}", published::name(key));
    match published::look(key, resolver).await {
        Published::Ours => Finding::ok(format!("{name}: the published key is ours")),
        Published::Missing => Finding::error(format!("{name}: none found; publish {}", txt(key))),
        Published::AnotherKey => {
            Finding::error(format!("{name}: the published key is another one; publish {}", txt(key)))
        }
        Published::Several(count) => {
            Finding::error(format!("{name}: {count} records, so none counts; leave only ours"))
        }
        Published::Unanswered(trouble) => unanswered(&name, &trouble),
    }
}

/// The line of a zone that publishes the key.
fn txt(key: &DkimKey) -> String {
    let record = own_key::record(key.key.expose()).unwrap_or_default();
    format!("{}. TXT {}", published::name(key), own_key::strings(&record))
}

/// The domains in From of what the accounts send.
fn sending_domains(config: &Config) -> BTreeSet<String> {
    let signed = config.accounts.iter().flat_map(|account| account.dkim.iter().map(|key| key.domain.clone()));
    let addresses =
        config.accounts.iter().flat_map(|account| account.inboxes.iter().filter_map(|i| i.address.as_ref()));
    let named = addresses.filter_map(|address| Some(address.rsplit_once('@')?.1.to_ascii_lowercase()));
    signed.chain(named).collect()
}

/// A record that may stand there once (RFC 7208 §4.5, RFC 9989 §4.10).
async fn policy(kind: &str, name: &str, begins: &str, resolver: &Resolver) -> Finding {
    match texts(resolver, name, begins).await.as_deref() {
        Err(trouble) => unanswered(&format!("{kind} {name}"), trouble),
        Ok([]) => Finding::warning(format!("{kind} {name}: none found; publish one, as replyd init prints it")),
        Ok([record]) => Finding::ok(format!("{kind} {name}: {record}")),
        Ok(several) => Finding::error(format!(
            "{kind} {name}: {} records, so receivers take none; make one of them",
            several.len()
        )),
    }
}

fn unanswered(name: &str, trouble: &DnsFailure) -> Finding {
    Finding::warning(format!("{name}: {trouble}; try again, or name other servers in dns.servers"))
}

/// The TXT records of the name that begin so; an error only if the DNS did not answer.
async fn texts(resolver: &Resolver, name: &str, begins: &str) -> Result<Vec<String>, DnsFailure> {
    let texts = match resolver.txt(name).await {
        Ok(texts) => texts,
        Err(trouble) if trouble.is_trouble() => return Err(trouble),
        Err(_) => Vec::new(),
    };
    let all = texts.iter().map(|record| String::from_utf8_lossy(record).into_owned());
    Ok(all.filter(|record| record.to_ascii_lowercase().starts_with(&begins.to_ascii_lowercase())).collect())
}

fn same_name(left: &str, right: &str) -> bool {
    left.trim_end_matches('.').eq_ignore_ascii_case(right.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Level;
    use crate::dns::{Zone, ZoneServer};

    async fn check(records: &str, level: Level, says: &[&str]) {
        let server = ZoneServer::start(Zone::parse(records).expect("a zone")).await.expect("a zone server");
        let resolver = server.resolver().expect("a resolver");
        let finding = reverse(IpAddr::from([192, 0, 2, 1]), "mx.shop.test", &resolver).await;
        assert_eq!(finding.level, level, "{}", finding.line);
        assert!(says.iter().all(|word| finding.line.contains(word)), "{}", finding.line);
    }

    #[tokio::test]
    async fn an_address_must_name_the_host() {
        let ours = r#"{"1.2.0.192.in-addr.arpa": [{"PTR": "MX.shop.test"}]}"#;
        check(ours, Level::Ok, &["PTR 192.0.2.1", "names mx.shop.test"]).await;
        let another = r#"{"1.2.0.192.in-addr.arpa": [{"PTR": "a.isp.test"}]}"#;
        check(another, Level::Warning, &["names a.isp.test, not mx.shop.test", "ask whoever owns"]).await;
        check("{}", Level::Warning, &["it names nothing"]).await;
        check(r#"{"1.2.0.192.in-addr.arpa": ["SERVFAIL"]}"#, Level::Warning, &["DNS trouble", "try again"]).await;
    }
}
