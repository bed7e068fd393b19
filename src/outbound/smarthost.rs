//! A smarthost as a hop: what TLS it must show, and what is said when it cannot be used. Pure.
//!
//! The operator named the host, so its name needs no further proof; its trouble is always the operator's to mend, so mail
//! waits for it and is never refused for it.

use super::hop::{Credentials, Security, TlsMode, Unroutable, Verification};
use super::route::Demand;
use crate::config::checked::{Smarthost, SmarthostTls};
use crate::dns::{Answer, DnsFailure};
use std::net::IpAddr;

/// What the config says, or more if the mail demands it.
pub fn security(host: &Smarthost, demand: Demand) -> Result<Security, Unroutable> {
    let (tls, verification) = match (host.tls, demand) {
        (SmarthostTls::Implicit, _) => (TlsMode::Implicit, Verification::HostName),
        (SmarthostTls::Required, _) => (TlsMode::Required, Verification::HostName),
        (SmarthostTls::Opportunistic, Demand::RequireTls) => (TlsMode::Required, Verification::HostName),
        (SmarthostTls::Opportunistic, Demand::Encryption) => (TlsMode::Required, Verification::Nothing),
        (SmarthostTls::Opportunistic, Demand::Usual) => (TlsMode::Opportunistic, Verification::Nothing),
        (SmarthostTls::None, Demand::Usual) => (TlsMode::None, Verification::Nothing),
        (SmarthostTls::None, Demand::Encryption | Demand::RequireTls) => return Err(without_tls(host, demand)),
    };
    let because = match (tls, demand) {
        (TlsMode::Opportunistic, _) => "opportunistic",
        (_, Demand::RequireTls) => "requiretls",
        (_, Demand::Usual | Demand::Encryption) => "config",
    };
    Ok(Security { tls, verification, because })
}

fn without_tls(host: &Smarthost, demand: Demand) -> Unroutable {
    // RFC 8689 §4.2.1; RFC 5248 has 5.7.10 for any other wish for encryption.
    let enhanced = if demand == Demand::RequireTls { "5.7.30" } else { "5.7.10" };
    let reason = format!("the mail must not go out without TLS, and the smarthost {} is used without it", host.host);
    Unroutable::PolicyUnmet { enhanced, reason }
}

pub fn credentials(host: &Smarthost) -> Option<Credentials> {
    let (username, password) = host.credentials.clone()?;
    Some(Credentials { username, password })
}

pub fn found(host: &Smarthost, answer: Result<Answer<IpAddr>, DnsFailure>) -> Result<Vec<IpAddr>, Unroutable> {
    let reason = |failure| format!("the smarthost {} has no address: {failure}; see outbound.host", host.host);
    answer.map(|answer| answer.found).map_err(|failure| Unroutable::Temporary { reason: reason(failure) })
}

pub fn private(host: &Smarthost, ip: IpAddr, what: &str) -> Unroutable {
    let name = &host.host;
    let reason = format!(
        "the smarthost {name} has the address {ip}, which is {what}; outbound.allow_private = true lets it be dialled"
    );
    Unroutable::Temporary { reason }
}

/// A mail that no smarthost may have is refused only if not one of them could have it at another time.
pub fn none_is_left(trouble: Vec<Unroutable>) -> Unroutable {
    let temporary = |unroutable: &Unroutable| matches!(unroutable, Unroutable::Temporary { .. });
    let first_temporary = trouble.iter().position(temporary).unwrap_or(0);
    let none = || Unroutable::Temporary { reason: "no smarthost is configured; see outbound.host".to_owned() };
    trouble.into_iter().nth(first_temporary).unwrap_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tls: SmarthostTls, demand: Demand, expected: &str) {
        let host = Smarthost { host: "smtp.example".into(), port: 587, tls, credentials: None };
        let decided = match security(&host, demand) {
            Ok(Security { tls, verification, because }) => format!("{tls:?} {verification:?} {because}"),
            Err(Unroutable::PolicyUnmet { enhanced, .. }) => enhanced.to_owned(),
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(decided, expected, "{tls:?} {demand:?}");
    }

    #[test]
    fn the_config_decides_and_a_mail_may_ask_for_more() {
        check(SmarthostTls::None, Demand::Usual, "None Nothing config");
        check(SmarthostTls::None, Demand::Encryption, "5.7.10");
        check(SmarthostTls::None, Demand::RequireTls, "5.7.30");
        check(SmarthostTls::Opportunistic, Demand::Usual, "Opportunistic Nothing opportunistic");
        check(SmarthostTls::Opportunistic, Demand::Encryption, "Required Nothing config");
        check(SmarthostTls::Opportunistic, Demand::RequireTls, "Required HostName requiretls");
        check(SmarthostTls::Required, Demand::Usual, "Required HostName config");
        check(SmarthostTls::Required, Demand::RequireTls, "Required HostName requiretls");
        check(SmarthostTls::Implicit, Demand::Encryption, "Implicit HostName config");
    }

    #[test]
    fn a_smarthost_that_may_come_back_keeps_the_mail() {
        let unmet = || Unroutable::PolicyUnmet { enhanced: "5.7.10", reason: "a".into() };
        let later = Unroutable::Temporary { reason: "b".into() };
        assert_eq!(none_is_left(vec![unmet(), later.clone()]), later);
        assert_eq!(none_is_left(vec![unmet()]), unmet());
    }
}
