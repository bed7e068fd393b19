//! What `replyd check` says of outgoing mail: by which way it leaves, who signs it, where its links lead.

use super::check::Finding;
use crate::config::checked::{Account, Config, Route, Smarthost, SmarthostTls};
use crate::config::outbound::source_key;
use std::net::{IpAddr, UdpSocket};

pub fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = way(config);
    findings.extend(config.outbound.sources.all().map(source));
    findings.extend(config.outbound.fallback.as_ref().map(|host| {
        smarthost(
            host,
            format!("outbound.fallback: {}, port {}, takes what a host refuses because of us", host.host, host.port),
        )
    }));
    findings.extend(config.outbound.allow_private.then(|| {
        Finding::warning(
            "outbound.allow_private: a stranger's DNS record may lead our connections to loopback and private addresses; \
             set it to false outside of tests and internal networks",
        )
    }));
    findings.extend(links(config));
    findings.extend(config.accounts.iter().filter_map(unsigned));
    findings
}

fn way(config: &Config) -> Vec<Finding> {
    match &config.outbound.route {
        Route::Mx { port: 25 } => vec![Finding::ok("outbound: mail goes straight to the MX hosts of its recipients")],
        Route::Mx { port } => vec![Finding::warning(format!(
            "outbound.port {port}: MX hosts answer at port 25; remove the key, unless this is a test"
        ))],
        Route::Smarthosts(hosts) => hosts
            .iter()
            .map(|host| {
                let name = format!("outbound: mail goes through the smarthost {}, port {}", host.host, host.port);
                smarthost(host, name)
            })
            .collect(),
    }
}

/// Only an address of this machine can be bound.
fn source(address: IpAddr) -> Finding {
    let name = format!("{} {address}", source_key(address));
    match UdpSocket::bind((address, 0)) {
        Ok(_) => Finding::ok(format!("{name}: it is an address of this machine")),
        Err(error) => Finding::error(format!(
            "{name}: mail cannot leave from it: {error}; name an address that `ip address` shows, or leave the key out"
        )),
    }
}

fn smarthost(smarthost: &Smarthost, name: String) -> Finding {
    match smarthost.tls {
        SmarthostTls::None => {
            Finding::warning(format!("{name}, in the clear; set tls = \"required\" if it offers STARTTLS"))
        }
        SmarthostTls::Opportunistic | SmarthostTls::Required | SmarthostTls::Implicit => Finding::ok(name),
    }
}

/// Files and unsubscribe links stand in mails: whoever gets them must reach us.
fn links(config: &Config) -> Option<Finding> {
    let url = &config.http.public_url;
    let host = url.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if name.is_empty() || name == "localhost" || name.starts_with("127.") || name == "[::1]" {
        return Some(Finding::warning(format!(
            "http.public_url {url:?}: links in mails (files, unsubscribing) lead nowhere for whoever gets them; \
             set the address at which your TLS proxy serves this"
        )));
    }
    url.starts_with("http://").then(|| {
        Finding::warning(format!(
            "http.public_url {url:?}: mail clients offer one-click unsubscribing for https only (RFC 8058); set the address at \
             which your TLS proxy serves this"
        ))
    })
}

fn unsigned(account: &Account) -> Option<Finding> {
    let from = account.inboxes.first()?.address.as_deref().unwrap_or(&account.inbound_domain);
    account.dkim.is_empty().then(|| {
        Finding::warning(format!(
            "account {}: mail from {from} is not signed, so many hosts refuse it; make keys with replyd init and name them in dkim",
            account.name
        ))
    })
}
