//! `check_host()` of RFC 7208: may this host send for this domain? Written here because mail-auth 0.13 knows no
//! limit on void lookups and lets the first of two records win.
//!
//! What a result means for the author of a mail is decided in `verdict`.

mod evaluate;
mod macros;
mod record;

use super::results::SpfResult;
use crate::dns::Questions;
use crate::mail::address::canonical_domain;
use evaluate::Evaluation;
use std::net::IpAddr;

/// The identity that was checked, and the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpfOutcome {
    pub result: SpfResult,
    /// The domain that the result speaks of, in lower case; empty if there is none.
    pub domain: String,
}

/// The domain of the reverse-path, or of the HELO if the path is null (RFC 7208 §2.4).
pub(super) fn checked_domain(helo: &str, mail_from: &str) -> String {
    let domain = mail_from.rsplit_once('@').map_or(mail_from, |(_, domain)| domain);
    ascii_domain(if mail_from.is_empty() { helo } else { domain })
}

/// Checks [`checked_domain`].
pub(super) async fn check(questions: &Questions<'_>, ip: IpAddr, helo: &str, mail_from: &str) -> SpfOutcome {
    // RFC 7208 §4.3: no local part is `postmaster`.
    let local = mail_from.rsplit_once('@').map_or("", |(local, _)| local);
    let local = if local.is_empty() { "postmaster" } else { local };
    let domain = checked_domain(helo, mail_from);
    if !is_checkable(&domain) {
        return SpfOutcome { result: SpfResult::None, domain };
    }
    // RFC 7208 §5: an IPv4-mapped address is an IPv4 address.
    let result = Evaluation::new(questions, ip.to_canonical(), local, &domain, helo).check_host().await;
    SpfOutcome { result, domain }
}

fn ascii_domain(domain: &str) -> String {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if domain.is_ascii() { domain.to_ascii_lowercase() } else { canonical_domain(domain).unwrap_or_default() }
}

/// RFC 7208 §4.3: malformed and single-label names and address literals have no record to look for.
fn is_checkable(domain: &str) -> bool {
    domain.contains('.')
        && domain.len() <= 253
        && !domain.starts_with('[')
        && domain.split('.').all(|label| !label.is_empty() && label.len() <= 63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Resolver, Zone, ZoneServer};

    /// Names and records of a zone; `{n}` in a name stands for 1 to 12.
    fn zone(records: &[(&str, &str)]) -> Zone {
        let mut names = Vec::new();
        for (name, data) in records {
            let range = if name.contains("{n}") { 1..=12 } else { 1..=1 };
            names.extend(
                range.map(|n| {
                    format!("{:?}:{}", name.replace("{n}", &n.to_string()), data.replace("{n}", &n.to_string()))
                }),
            );
        }
        Zone::parse(&format!("{{{}}}", names.join(","))).unwrap()
    }

    async fn ask(resolver: &Resolver, ip: &str, mail_from: &str) -> SpfResult {
        check(&Questions::new(resolver, 60), ip.parse().unwrap(), "mx.h.example", mail_from).await.result
    }

    fn terms(count: usize, term: impl Fn(usize) -> String) -> String {
        let terms: Vec<String> = (1..=count).map(term).collect();
        format!(r#"[{{"TXT":"v=spf1 {} ?all"}}]"#, terms.join(" "))
    }

    #[tokio::test]
    async fn limits_hold_at_n_and_n_plus_one() {
        let exists = |n: usize| format!("exists:e{n}.example");
        let (ten, eleven) = (terms(10, exists), terms(11, exists));
        let ghost = |n: usize| format!("a:ghost{n}.example");
        let (two_voids, three_voids) = (terms(2, ghost), terms(3, ghost));
        let hosts = |count: usize| {
            let hosts: Vec<String> = (1..=count).map(|n| format!(r#"{{"MX":[{n},"e{n}.example"]}}"#)).collect();
            format!(r#"[{{"TXT":"v=spf1 mx ?all"}},{}]"#, hosts.join(","))
        };
        let (ten_hosts, eleven_hosts) = (hosts(10), hosts(11));
        let server = ZoneServer::start(zone(&[
            ("ten.example", &ten),
            ("eleven.example", &eleven),
            ("two.example", &two_voids),
            ("three.example", &three_voids),
            ("hosts.example", &ten_hosts),
            ("morehosts.example", &eleven_hosts),
            ("e{n}.example", r#"[{"A":"198.51.100.{n}"}]"#),
            ("loop.example", r#"[{"TXT":"v=spf1 include:loop.example -all"}]"#),
            ("circle.example", r#"[{"TXT":"v=spf1 redirect=circle.example"}]"#),
            ("chain{n}.example", r#"[{"TXT":"v=spf1 include:chain{n}.chain.example -all"}]"#),
        ]))
        .await
        .unwrap();
        let resolver = server.resolver().unwrap();
        for (domain, expected) in [
            ("ten.example", SpfResult::Pass),
            ("two.example", SpfResult::Neutral),
            ("hosts.example", SpfResult::Neutral),
            ("three.example", SpfResult::PermError),
            ("morehosts.example", SpfResult::PermError),
            ("loop.example", SpfResult::PermError),
            ("circle.example", SpfResult::PermError),
            ("chain1.example", SpfResult::PermError),
        ] {
            assert_eq!(ask(&resolver, "192.0.2.1", &format!("x@{domain}")).await, expected, "{domain}");
        }
        let ghosts = Questions::new(&resolver, 3);
        let said = check(&ghosts, [192, 0, 2, 1].into(), "", "x@hosts.example").await.result;
        assert_eq!(said, SpfResult::PermError, "a record that costs more than a mail's questions");
    }

    #[tokio::test]
    async fn records_are_evaluated_by_the_rfc() {
        let server = ZoneServer::start(zone(&[
            ("a.example", r#"[{"TXT":"v=spf1 ip4:192.0.2.0/28 ip6:2001:db8::/32 include:i.example ~all"}]"#),
            ("i.example", r#"[{"TXT":"v=spf1 ip4:198.51.100.1 -all"}]"#),
            ("two.example", r#"[{"TXT":"v=spf1 -all"},{"TXT":"v=spf1 +all"}]"#),
            ("none.example", r#"[{"TXT":"v=spf10"}]"#),
            ("dead.example", r#"["TIMEOUT"]"#),
            ("bad.example", r#"[{"TXT":"v=spf1 +all ip4/33"}]"#),
            ("zero.example", "[{\"TXT\":\"v=spf1 ip4:192.0.2.1\u{200b} -all\"}]"),
            ("in.example", r#"[{"TXT":"v=spf1 include:none.example +all"}]"#),
            ("re.example", r#"[{"TXT":"v=spf1 redirect=a.example"}]"#),
            ("renone.example", r#"[{"TXT":"v=spf1 redirect=none.example"}]"#),
            ("h.example", r#"[{"TXT":"v=spf1 exists:%{ir}.%{l1r-}._x.%{d} -all"}]"#),
            ("1.2.0.192.ann._x.h.example", r#"[{"A":"127.0.0.2"}]"#),
            ("p.example", r#"[{"TXT":"v=spf1 ptr -all"}]"#),
            ("1.2.0.192.in-addr.arpa", r#"[{"PTR":"c.p.example"},{"PTR":"d.p.example"}]"#),
            ("c.p.example", r#"[{"A":"203.0.113.1"}]"#),
            ("d.p.example", r#"[{"A":"192.0.2.1"}]"#),
            ("mx.h.example", r#"[{"TXT":"v=spf1 a -all"},{"A":"192.0.2.1"}]"#),
            ("m.example", r#"[{"TXT":"v=spf1 mx/28 -all"},{"MX":[5,"d.p.example"]}]"#),
            ("long.example", r#"[{"TXT":"v=spf1 a:%{l}.x.example -all"}]"#),
            ("exp.example", r#"[{"TXT":"v=spf1 -all exp=e\r.example"}]"#),
        ]))
        .await
        .unwrap();
        let resolver = server.resolver().unwrap();
        for (ip, mail_from, expected) in [
            ("192.0.2.15", "x@a.example", SpfResult::Pass),
            ("192.0.2.16", "x@a.example", SpfResult::SoftFail),
            ("::ffff:192.0.2.1", "x@A.example", SpfResult::Pass),
            ("2001:db8:9::1", "x@a.example", SpfResult::Pass),
            ("198.51.100.1", "x@a.example", SpfResult::Pass),
            ("198.51.100.2", "x@re.example", SpfResult::SoftFail),
            ("192.0.2.1", "x@two.example", SpfResult::PermError),
            ("192.0.2.1", "x@none.example", SpfResult::None),
            ("192.0.2.1", "x@dead.example", SpfResult::TempError),
            ("192.0.2.1", "x@bad.example", SpfResult::PermError),
            ("192.0.2.1", "x@zero.example", SpfResult::PermError),
            ("192.0.2.1", "x@in.example", SpfResult::PermError),
            ("192.0.2.1", "x@renone.example", SpfResult::PermError),
            ("192.0.2.1", "ann-b@h.example", SpfResult::Pass),
            ("192.0.2.1", "bob@h.example", SpfResult::Fail),
            ("192.0.2.1", "x@p.example", SpfResult::Pass),
            ("203.0.113.1", "x@p.example", SpfResult::Fail),
            ("192.0.2.1", "", SpfResult::Pass),
            ("192.0.2.2", "", SpfResult::Fail),
            ("192.0.2.9", "x@m.example", SpfResult::Pass),
            ("2001:db8::1", "x@m.example", SpfResult::Fail),
            ("192.0.2.1", "x@[192.0.2.1]", SpfResult::None),
            ("192.0.2.1", "x@single", SpfResult::None),
            ("192.0.2.1", "x@a..example", SpfResult::None),
            ("192.0.2.1", "@a.example", SpfResult::Pass),
            ("192.0.2.1", "x@exp.example", SpfResult::PermError),
        ] {
            assert_eq!(ask(&resolver, ip, mail_from).await, expected, "{ip} {mail_from}");
        }
        let thousand_labels = format!("{}@long.example", "l.".repeat(1000));
        assert_eq!(ask(&resolver, "192.0.2.1", &thousand_labels).await, SpfResult::Fail);
    }
}
