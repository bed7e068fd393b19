//! `replyd check --dns`: the records that mail to and from the accounts needs, asked of the configured resolver.

use super::check::Finding;
use super::dkim_key;
use crate::config::checked::{Account, Config};
use crate::dns::Resolver;
use std::net::IpAddr;

pub fn findings(config: &Config) -> Vec<Finding> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let looked = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        // The resolver's tasks live in the runtime, so it is made inside.
        runtime.block_on(async {
            let resolver = Resolver::new(&config.dns.servers).map_err(|error| error.to_string())?;
            Ok(look(config, &resolver).await)
        })
    });
    looked.unwrap_or_else(|reason| vec![Finding::error(format!("dns: {reason}; name servers in dns.servers"))])
}

async fn look(config: &Config, resolver: &Resolver) -> Vec<Finding> {
    let mut findings = host(&config.server.hostname, resolver).await;
    for account in &config.accounts {
        findings.push(exchange(account, &config.server.hostname, resolver).await);
        findings.extend(sending(account, resolver).await);
    }
    findings.push(Finding::warning("port 25 from outside and a round trip are not tried by this version: send a mail to a reply address from elsewhere and look at replyd inbound list"));
    findings
}

async fn host(hostname: &str, resolver: &Resolver) -> Vec<Finding> {
    let mut addresses: Vec<IpAddr> = Vec::new();
    addresses.extend(resolver.ipv4(hostname).await.unwrap_or_default().into_iter().map(IpAddr::V4));
    addresses.extend(resolver.ipv6(hostname).await.unwrap_or_default().into_iter().map(IpAddr::V6));
    if addresses.is_empty() {
        return vec![Finding::error(format!("A/AAAA {hostname}: none found; publish this host's address"))];
    }
    let mut findings = Vec::new();
    for address in addresses {
        let names = resolver.ptr(address).await.unwrap_or_default();
        findings.push(match names.iter().any(|name| same_name(name, hostname)) {
            true => Finding::ok(format!("{hostname} {address}: its PTR names it")),
            false => Finding::warning(format!(
                "PTR {address}: it names {}, not {hostname}; ask whoever owns the address to set it",
                if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
            )),
        });
    }
    findings
}

async fn exchange(account: &Account, hostname: &str, resolver: &Resolver) -> Finding {
    let domain = &account.inbound_domain;
    match resolver.mx(domain).await {
        Ok(exchanges) if exchanges.iter().any(|exchange| same_name(&exchange.host, hostname)) => {
            Finding::ok(format!("MX {domain}: names {hostname}"))
        }
        Ok(_) => Finding::error(format!("MX {domain}: does not name {hostname}; publish MX 10 {hostname}.")),
        Err(error) => Finding::error(format!("MX {domain}: {error}; publish MX 10 {hostname}.")),
    }
}

async fn sending(account: &Account, resolver: &Resolver) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in &account.dkim {
        let name = format!("{}._domainkey.{}", key.selector, key.domain);
        findings.push(match (text(resolver, &name, "").await, dkim_key::public_half(key.key.expose())) {
            (Some(record), Some(public)) if without_spaces(&record).contains(&format!("p={public}")) => {
                Finding::ok(format!("DKIM {name}: the published key is ours"))
            }
            (Some(_), _) => Finding::error(format!(
                "DKIM {name}: the published key is another one; publish the one replyd init printed"
            )),
            (None, _) => Finding::error(format!("DKIM {name}: none found; publish the one replyd init printed")),
        });
        let spf = text(resolver, &key.domain, "v=spf1").await;
        findings.push(found("SPF", &key.domain, spf.as_deref()));
        let dmarc = format!("_dmarc.{}", key.domain);
        let record = text(resolver, &dmarc, "v=DMARC1").await;
        findings.push(found("DMARC", &dmarc, record.as_deref()));
    }
    findings
}

fn found(kind: &str, name: &str, record: Option<&str>) -> Finding {
    match record {
        Some(record) => Finding::ok(format!("{kind} {name}: {record}")),
        None => Finding::warning(format!("{kind} {name}: none found; publish one, as replyd init prints it")),
    }
}

/// The first TXT record of the name that begins so.
async fn text(resolver: &Resolver, name: &str, begins: &str) -> Option<String> {
    let texts = resolver.txt(name).await.ok()?;
    let all = texts.iter().map(|record| String::from_utf8_lossy(record).into_owned());
    all.into_iter().find(|record| record.to_ascii_lowercase().starts_with(&begins.to_ascii_lowercase()))
}

fn without_spaces(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

fn same_name(left: &str, right: &str) -> bool {
    left.trim_end_matches('.').eq_ignore_ascii_case(right.trim_end_matches('.'))
}
