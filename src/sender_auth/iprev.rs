//! Whether the client's address has a name that leads back to it (RFC 8601 §3). Recorded only: many honest hosts fail.

use super::results::IprevResult;
use crate::dns::{DnsFailure, Questions};
use crate::mail::address::is_host_name;
use std::net::IpAddr;

/// Names looked at: honest hosts have one, and each is a question.
const NAMES_MAX: usize = 2;

/// The result, and the name if there is one.
pub(super) async fn check(questions: &Questions<'_>, ip: IpAddr) -> (IprevResult, Option<String>) {
    let ip = ip.to_canonical();
    let names = match questions.ptr(ip).await {
        Ok(names) => names,
        Err(DnsFailure::Trouble(_) | DnsFailure::Exhausted) => return (IprevResult::TempError, None),
        Err(DnsFailure::NoName | DnsFailure::NoRecord) => return (IprevResult::Fail, None),
    };
    let mut result = IprevResult::Fail;
    // What a zone calls a host name may hold anything; only host names are kept.
    for name in names.into_iter().filter(|name| is_host_name(name)).take(NAMES_MAX) {
        match questions.addresses(&name, ip).await {
            Ok(addresses) if addresses.contains(&ip) => return (IprevResult::Pass, Some(name)),
            Err(DnsFailure::Trouble(_) | DnsFailure::Exhausted) => result = IprevResult::TempError,
            Ok(_) | Err(DnsFailure::NoName | DnsFailure::NoRecord) => {}
        }
    }
    (result, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Zone, ZoneServer};

    #[tokio::test]
    async fn a_name_counts_if_it_leads_back() {
        let zone = r#"{
            "1.2.0.192.in-addr.arpa":[{"PTR":"mx.a.example"}], "mx.a.example":[{"A":"192.0.2.1"}],
            "2.2.0.192.in-addr.arpa":[{"PTR":"mx.a.example"}],
            "3.2.0.192.in-addr.arpa":[{"PTR":"<b>\r\n.example"}],
            "4.2.0.192.in-addr.arpa":["TIMEOUT"]
        }"#;
        let server = ZoneServer::start(Zone::parse(zone).unwrap()).await.unwrap();
        let resolver = server.resolver().unwrap();
        for (ip, expected, name) in [
            ("192.0.2.1", IprevResult::Pass, Some("mx.a.example")),
            ("::ffff:192.0.2.1", IprevResult::Pass, Some("mx.a.example")),
            ("192.0.2.2", IprevResult::Fail, None),
            ("192.0.2.3", IprevResult::Fail, None),
            ("192.0.2.4", IprevResult::TempError, None),
            ("192.0.2.5", IprevResult::Fail, None),
        ] {
            let said = check(&Questions::new(&resolver, 9), ip.parse().unwrap()).await;
            assert_eq!(said, (expected, name.map(str::to_owned)), "{ip}");
        }
    }
}
