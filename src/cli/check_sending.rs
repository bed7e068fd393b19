//! `replyd check --dns`: what a receiver makes of mail of ours, and whether we get through to one. Each From address signs a
//! mail of its own, and the verifier that judges other people's mail judges it as if it came from this host: that covers
//! SPF of the reverse-path, the published keys and DMARC's alignment at once (what Google, Yahoo and Microsoft ask of senders).

use super::check::Finding;
use super::check_reach::in_words;
use crate::clock::Clock;
use crate::config::checked::{Account, Config, Inbox, Route, Smarthost};
use crate::dns::Resolver;
use crate::sender_auth::{AuthResults, Check, DkimResult, DmarcResult, Signer, SpfResult, Verifier};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// For each From address, sent from each of these addresses.
pub async fn judged(config: &Config, resolver: &Resolver, addresses: &[IpAddr]) -> Vec<Finding> {
    // Through a smarthost it is that one's address that counts, which nobody here knows.
    let addresses: Vec<Option<IpAddr>> = match config.outbound.route {
        Route::Mx { .. } => addresses.iter().copied().map(Some).collect(),
        Route::Smarthosts(_) => vec![None],
    };
    let verifier = Verifier::new(resolver.clone(), Clock::System);
    let mut findings = Vec::new();
    for account in config.accounts.iter().filter(|account| !account.dkim.is_empty()) {
        for from in senders(account) {
            for ip in &addresses {
                findings.push(mail(config, account, &from, *ip, &verifier).await);
            }
        }
    }
    findings
}

/// What may stand in From: an inbox without an address writes from the contact's reply address.
fn senders(account: &Account) -> Vec<String> {
    let own = |inbox: &Inbox| inbox.address.clone().unwrap_or_else(|| format!("reply@{}", account.inbound_domain));
    let mut senders: Vec<String> = account.inboxes.iter().map(own).collect();
    senders.sort();
    senders.dedup();
    senders
}

async fn mail(config: &Config, account: &Account, from: &str, ip: Option<IpAddr>, verifier: &Verifier) -> Finding {
    let name = match ip {
        Some(ip) => format!("mail from {from} by {ip}"),
        None => format!("mail from {from}"),
    };
    let now = Clock::System.now().seconds();
    let plain = format!("From: <{from}>\r\nTo: <{from}>\r\nSubject: check\r\n\r\ncheck\r\n");
    let domain = from.rsplit_once('@').map_or("", |(_, domain)| domain);
    let signed = Signer::load(&account.dkim).map_err(|error| error.to_string());
    let signed = signed.and_then(|signer| signer.sign(plain.as_bytes(), domain, now).map_err(|e| e.to_string()));
    let mut raw = match signed {
        Ok(fields) => fields,
        Err(reason) => return Finding::error(format!("{name}: it cannot be signed: {reason}")),
    };
    raw.extend_from_slice(plain.as_bytes());
    let reverse_path = format!("bounce@{}", account.inbound_domain);
    let check = Check {
        ip,
        helo: &config.server.hostname,
        mail_from: &reverse_path,
        raw: &raw,
        now,
        limits: &config.limits,
        trusted_sealers: &[],
    };
    conclusion(&name, config, account, ip, &verifier.verify(check).await)
}

fn conclusion(name: &str, config: &Config, account: &Account, ip: Option<IpAddr>, results: &AuthResults) -> Finding {
    let signed = results.dkim.iter().any(|signature| signature.result == DkimResult::Pass);
    if !signed && results.dkim.iter().any(|signature| signature.result == DkimResult::TempError) {
        return Finding::warning(format!(
            "{name}: the DNS does not answer for the keys of its DKIM signatures; try again, or name other servers in dns.servers"
        ));
    }
    match (signed, results.dmarc.result, ip, results.spf) {
        (false, ..) => Finding::error(format!(
            "{name}: no receiver can verify its DKIM signatures; publish the keys' records, as replyd init prints them"
        )),
        (true, DmarcResult::Fail, ..) => Finding::error(format!(
            "{name}: DMARC fails, so it is refused or filed as spam: {}; add a dkim key of that domain",
            results.basis
        )),
        (true, _, Some(ip), spf) if spf != SpfResult::Pass => {
            let (domain, hostname) = (&account.inbound_domain, &config.server.hostname);
            Finding::warning(format!(
                "{name}: SPF of its reverse-path does not name {ip}; publish {domain}. TXT \"v=spf1 a:{hostname} ~all\""
            ))
        }
        (true, _, Some(_), _) => Finding::ok(format!("{name}: a receiver sees SPF and DKIM pass")),
        (true, _, None, _) => Finding::ok(format!(
            "{name}: a receiver sees DKIM pass; whether SPF passes is for the smarthost's operator to say"
        )),
    }
}

/// Whether mail gets out: to the smarthosts, or to a mail host of `domain`, for many networks let port 25 out to nobody.
pub async fn way_out(config: &Config, resolver: &Resolver, domain: &str) -> Vec<Finding> {
    let mut findings = to_route(config, resolver, domain).await;
    findings.extend(config.outbound.fallback.as_ref().map(smarthost));
    findings
}

fn smarthost(host: &Smarthost) -> Finding {
    let name = format!("smarthost {}, port {}", host.host, host.port);
    let place = (host.host.as_str(), host.port).to_socket_addrs().map(|mut places| places.next());
    reached(&name, place.ok().flatten(), "look at its name and port, and whether a firewall lets them out")
}

async fn to_route(config: &Config, resolver: &Resolver, domain: &str) -> Vec<Finding> {
    match &config.outbound.route {
        Route::Smarthosts(hosts) => hosts.iter().map(smarthost).collect(),
        Route::Mx { .. } if domain.is_empty() => Vec::new(),
        Route::Mx { port } => {
            let exchange = resolver.mx(domain).await.ok().and_then(|hosts| hosts.into_iter().next());
            let host = exchange.map_or_else(|| domain.to_owned(), |exchange| exchange.host);
            let address = resolver.ipv4(&host).await.ok().and_then(|found| found.into_iter().next());
            let place = address.map(|address| SocketAddr::new(address.into(), *port));
            let advice =
                "if the network lets nobody out at port 25, have it opened, or use a smarthost (outbound.route)";
            vec![reached(&format!("port {port} of {host}, a mail host of {domain}"), place, advice)]
        }
    }
}

fn reached(name: &str, place: Option<SocketAddr>, advice: &str) -> Finding {
    let Some(place) = place else {
        return Finding::warning(format!("{name}: the DNS has no address for it; {advice}"));
    };
    match greeted(place) {
        Ok(()) => Finding::ok(format!("{name}: can be reached")),
        Err(error) => Finding::warning(format!("{name}: {}; {advice}", in_words(&error))),
    }
}

/// With implicit TLS the host waits for us: that it takes the connection says enough.
fn greeted(place: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&place, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = Vec::new();
    let _ = BufReader::new((&stream).take(GREETING_MAX)).read_until(b'\n', &mut line);
    let _ = stream.write_all(b"QUIT\r\n");
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(5);
const GREETING_MAX: u64 = 2048;
