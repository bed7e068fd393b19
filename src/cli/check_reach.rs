//! `replyd check --dns`: does this host answer as the MX of its accounts? Connects as another mail server would and
//! offers an envelope to each postmaster, but no mail. From inside: what a firewall does to the world it cannot tell.

use super::check::Finding;
use crate::config::checked::Config;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub fn findings(config: &Config, place: SocketAddr) -> Vec<Finding> {
    let name = format!("port {} of {}", place.port(), place.ip());
    match converse(config, place, &name) {
        Ok(findings) => findings,
        Err(error) => vec![Finding::warning(format!(
            "{name}: {}; is replyd running, and does the firewall let port {} in? Behind NAT this may fail here and \
             work from outside",
            in_words(&error),
            place.port()
        ))],
    }
}

/// What a wait that ended is called depends on the system; "resource temporarily unavailable" says nothing.
pub fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("no answer within {} s", PATIENCE.as_secs()),
        _ => error.to_string(),
    }
}

fn converse(config: &Config, place: SocketAddr, name: &str) -> io::Result<Vec<Finding>> {
    let mut peer = Peer::connect(place)?;
    let hostname = &config.server.hostname;
    let greeting = peer.reply()?;
    let said = greeting.first().map(String::as_str).unwrap_or_default();
    if said.split([' ', '-']).nth(1) != Some(hostname.as_str()) || !said.starts_with("220") {
        return Ok(vec![Finding::error(format!(
            "{name}: it greets with {said:?}, which is not this replyd's 220 {hostname}; another server has the port or \
             the address, or server.hostname is wrong"
        ))]);
    }
    let mut findings = vec![Finding::ok(format!(
        "{name}: replyd answers; that the world gets through, only a mail from elsewhere shows (replyd inbound list)"
    ))];
    let offered = peer.ask(&format!("EHLO {hostname}"))?;
    findings.push(starttls(config, name, &offered));
    for account in &config.accounts {
        let postmaster = format!("postmaster@{}", account.inbound_domain);
        let sender = peer.ask("MAIL FROM:<>")?;
        let recipient = if is_positive(&sender) { peer.ask(&format!("RCPT TO:<{postmaster}>"))? } else { sender };
        findings.push(if is_positive(&recipient) {
            Finding::ok(format!("{name}: takes mail for {postmaster}"))
        } else {
            let reply = recipient.join(" ");
            Finding::error(format!("{name}: refuses mail for {postmaster}: {reply}; see /readyz and the daemon's log"))
        });
        peer.ask("RSET")?;
    }
    let _ = peer.ask("QUIT");
    Ok(findings)
}

fn starttls(config: &Config, name: &str, offered: &[String]) -> Finding {
    let is_offered = offered.iter().any(|line| line.get(4..).is_some_and(|word| word.eq_ignore_ascii_case("STARTTLS")));
    match (is_offered, config.tls.is_empty()) {
        (true, _) => Finding::ok(format!("{name}: offers STARTTLS")),
        (false, true) => Finding::warning(format!("{name}: offers no STARTTLS; add [tls]")),
        (false, false) => Finding::error(format!(
            "{name}: offers no STARTTLS although [tls] is there; restart replyd, or look for a firewall that filters SMTP"
        )),
    }
}

fn is_positive(reply: &[String]) -> bool {
    reply.first().is_some_and(|line| line.starts_with('2'))
}

/// An SMTP server on the other side; what it may send is bounded.
struct Peer {
    lines: BufReader<io::Take<TcpStream>>,
}

impl Peer {
    fn connect(place: SocketAddr) -> io::Result<Peer> {
        let stream = TcpStream::connect_timeout(&place, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Peer { lines: BufReader::new(stream.take(OCTETS_MAX)) })
    }

    fn ask(&mut self, command: &str) -> io::Result<Vec<String>> {
        self.lines.get_mut().get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// All lines of one reply (RFC 5321 §4.2.1).
    fn reply(&mut self) -> io::Result<Vec<String>> {
        let mut reply = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.lines.read_until(b'\n', &mut line)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server broke off"));
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            reply.push(line);
            if !goes_on {
                return Ok(reply);
            }
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const OCTETS_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_ended_is_said_in_words() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            assert_eq!(in_words(&kind.into()), "no answer within 5 s");
        }
        assert!(in_words(&io::ErrorKind::ConnectionRefused.into()).contains("refused"));
    }
}
