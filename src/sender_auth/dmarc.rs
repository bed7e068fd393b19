//! DMARC records and their discovery by tree walk (RFC 9989 §4): what the author's domain asks for. `pct` is gone
//! (RFC 9989 §C.5); reports are not sent.

use super::alignment::{Mode, Organization};
use super::results::Policy;
use super::tag_list::TagList;
use crate::dns::{DnsFailure, Questions};

/// RFC 9989 §4.10: names with more labels are asked for at this length next.
const LABELS_MAX: usize = 8;

/// A record, read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    policy: Option<Policy>,
    subdomains: Option<Policy>,
    nonexistent: Option<Policy>,
    /// `psd=y`, `psd=n`, or neither.
    public_suffix: Option<bool>,
    testing: bool,
    dkim_mode: Mode,
    spf_mode: Mode,
    /// `rua=` names somewhere to send reports to: then a missing `p=` is `none`.
    reported: bool,
}

/// What applies to one author's domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub policy: Policy,
    pub dkim_mode: Mode,
    pub spf_mode: Mode,
}

/// The DNS did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble(pub String);

/// The policy for mail from this domain, if one is published (RFC 9989 §4.10.1).
pub(super) async fn discover(questions: &Questions<'_>, domain: &str) -> Result<Option<Published>, Trouble> {
    if let Some(own) = record_at(questions, domain).await? {
        return Ok(own.effective(own.policy));
    }
    let walk = walk(questions, domain).await?;
    let organization = organization(&walk, domain);
    let Some((_, record)) = walk
        .iter()
        .find(|(name, _)| *name == organization.name)
        .or_else(|| walk.last().filter(|(_, last)| last.public_suffix == Some(true)))
    else {
        return Ok(None);
    };
    let subdomains = record.subdomains.or(record.policy);
    let policy = match record.nonexistent {
        Some(nonexistent) if Some(nonexistent) != subdomains && !exists(questions, domain).await? => Some(nonexistent),
        _ => subdomains,
    };
    Ok(record.effective(policy.filter(|_| record.policy.is_some())))
}

/// The organizational domain (RFC 9989 §4.10.2).
pub(super) async fn organization_of(questions: &Questions<'_>, domain: &str) -> Result<Organization, Trouble> {
    Ok(organization(&walk(questions, domain).await?, domain))
}

/// RFC 8020: NXDOMAIN for one type is NXDOMAIN for all.
async fn exists(questions: &Questions<'_>, domain: &str) -> Result<bool, Trouble> {
    match questions.ipv4(domain).await {
        Ok(_) | Err(DnsFailure::NoRecord) => Ok(true),
        Err(DnsFailure::NoName) => Ok(false),
        Err(trouble @ (DnsFailure::Trouble(_) | DnsFailure::Exhausted)) => Err(Trouble(trouble.to_string())),
    }
}

/// The records from the domain up to its top level, longest name first (RFC 9989 §4.10).
async fn walk<'a>(questions: &Questions<'_>, domain: &'a str) -> Result<Vec<(&'a str, Record)>, Trouble> {
    let mut found = Vec::new();
    for name in steps(domain) {
        if let Some(record) = record_at(questions, name).await? {
            let end = record.public_suffix.is_some();
            found.push((name, record));
            if end {
                break;
            }
        }
    }
    Ok(found)
}

fn steps(domain: &str) -> impl Iterator<Item = &str> {
    let above = domain.match_indices('.').filter_map(|(dot, _)| domain.get(dot + 1..));
    let labels = |name: &str| name.split('.').count();
    std::iter::once(domain).chain(above.filter(move |name| labels(name) < LABELS_MAX))
}

/// RFC 9989 §4.10.2: drawn by `psd=n` at the name, or by `psd=y` one label below it; else the shortest name.
fn organization(walk: &[(&str, Record)], domain: &str) -> Organization {
    let whole = || Organization { name: domain.to_owned(), drawn: false };
    match walk.last() {
        Some((name, Record { public_suffix: Some(false), .. })) => {
            Organization { name: (*name).to_owned(), drawn: true }
        }
        Some((name, Record { public_suffix: Some(true), .. })) => {
            let below = domain.strip_suffix(name).and_then(|above| above.strip_suffix('.'));
            let label = below.and_then(|above| above.rsplit('.').next());
            let name = label.map_or_else(|| (*name).to_owned(), |label| format!("{label}.{name}"));
            Organization { name, drawn: true }
        }
        // A record at a top-level domain that does not call itself a public suffix joins nobody.
        Some((name, _)) if name.contains('.') => Organization { name: (*name).to_owned(), drawn: false },
        Some(_) => walk
            .iter()
            .rev()
            .find(|(name, _)| name.contains('.'))
            .map_or_else(whole, |(name, _)| Organization { name: (*name).to_owned(), drawn: false }),
        None => whole(),
    }
}

/// RFC 9989 §4.10.1: texts that are no DMARC records do not count, and several that are count as none.
async fn record_at(questions: &Questions<'_>, name: &str) -> Result<Option<Record>, Trouble> {
    let texts = match questions.txt(&format!("_dmarc.{name}")).await {
        Ok(texts) => texts,
        Err(trouble @ (DnsFailure::Trouble(_) | DnsFailure::Exhausted)) => return Err(Trouble(trouble.to_string())),
        Err(DnsFailure::NoName | DnsFailure::NoRecord) => return Ok(None),
    };
    let mut records = texts.iter().filter_map(|text| Record::parse(text));
    match (records.next(), records.next()) {
        (Some(record), None) => Ok(Some(record)),
        _ => Ok(None),
    }
}

impl Record {
    /// RFC 9989 §4.7, §4.8: the version stands first; what we do not understand is as if it were absent.
    fn parse(text: &[u8]) -> Option<Record> {
        let text = std::str::from_utf8(text).ok()?;
        let (version, rest) = text.split_once(';').unwrap_or((text, ""));
        let (name, value) = version.split_once('=')?;
        if name.trim() != "v" || value.trim() != "DMARC1" {
            return None;
        }
        let tags = TagList::lenient(rest);
        let get = |name: &str| tags.get(name).map(str::to_ascii_lowercase);
        let policy = |name: &str| match get(name).as_deref() {
            Some("none") => Some(Policy::None),
            Some("quarantine") => Some(Policy::Quarantine),
            Some("reject") => Some(Policy::Reject),
            _ => None,
        };
        let is = |name: &str, value: &str| get(name).as_deref() == Some(value);
        let mode = |name: &str| if is(name, "s") { Mode::Strict } else { Mode::Relaxed };
        Some(Record {
            policy: policy("p"),
            subdomains: policy("sp"),
            nonexistent: policy("np"),
            public_suffix: if is("psd", "y") { Some(true) } else { is("psd", "n").then_some(false) },
            testing: is("t", "y"),
            dkim_mode: mode("adkim"),
            spf_mode: mode("aspf"),
            reported: get("rua").is_some_and(|rua| rua.contains("mailto:")),
        })
    }

    fn effective(&self, policy: Option<Policy>) -> Option<Published> {
        // RFC 9989 §4.10.1: no valid `p`, but somewhere to report to: monitoring; else as if nothing were published.
        let policy = policy.or(self.reported.then_some(Policy::None))?;
        let policy = match (self.testing, policy) {
            // RFC 9989 §4.7 `t=y`: one level down.
            (true, Policy::Reject) => Policy::Quarantine,
            (true, _) => Policy::None,
            (false, policy) => policy,
        };
        Some(Published { policy, dkim_mode: self.dkim_mode, spf_mode: self.spf_mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Zone, ZoneServer};

    const ZONE: &str = r#"{
        "_dmarc.a.example":[{"TXT":"v=DMARC1; p=reject; sp=quarantine; np=none"}], "sub.a.example":[{"A":"192.0.2.1"}],
        "_dmarc.t.example":[{"TXT":"v=DMARC1;p=reject;t=y;adkim=s"}], "_dmarc.rua.example":[{"TXT":"v=DMARC1; rua=mailto:x@y.example"}],
        "_dmarc.nop.example":[{"TXT":"v=DMARC1; sp=reject"}], "_dmarc.old.example":[{"TXT":"v=DMARC1; p=reject; pct=0"}],
        "_dmarc.two.example":[{"TXT":"v=DMARC1; p=reject"},{"TXT":"v=DMARC1; p=none"}], "_dmarc.noise.example":[{"TXT":"bio=x"},{"TXT":"v=DMARC1;p=none"}],
        "_dmarc.alias.example":[{"CNAME":"_dmarc.a.example"}], "_dmarc.dead.example":["TIMEOUT"], "_dmarc.bad.example":[{"TXT":"v=DMARC1 p=reject"}],
        "_dmarc.messy.example":[{"TXT":"v=DMARC1; ; p = Reject; rua; sp=all"}], "_dmarc.late.example":[{"TXT":"p=reject; v=DMARC1"}], "_dmarc.bank":[{"TXT":"v=DMARC1; psd=y; p=reject"}],
        "_dmarc.own.a.example":[{"TXT":"v=DMARC1; p=none; psd=n"}], "_dmarc.top":[{"TXT":"v=DMARC1; p=reject"}],
        "_dmarc.g.h.i.j.k.l.deep":[{"TXT":"v=DMARC1; p=reject"}]
    }"#;

    #[tokio::test]
    async fn policies_are_found_where_the_rfc_looks() {
        let server = ZoneServer::start(Zone::parse(ZONE).unwrap()).await.unwrap();
        let resolver = server.resolver().unwrap();
        for (domain, expected) in [
            ("a.example", Some(Policy::Reject)),
            ("sub.a.example", Some(Policy::Quarantine)),
            ("ghost.a.example", Some(Policy::None)),
            ("t.example", Some(Policy::Quarantine)),
            ("rua.example", Some(Policy::None)),
            ("nop.example", None),
            ("old.example", Some(Policy::Reject)),
            ("two.example", None),
            ("noise.example", Some(Policy::None)),
            ("alias.example", Some(Policy::Reject)),
            ("bad.example", None),
            ("late.example", None),
            ("messy.example", Some(Policy::Reject)),
            ("sub.messy.example", Some(Policy::Reject)),
            ("x.top", None),
            ("x.y.bank", Some(Policy::Reject)),
            ("a.b.c.d.e.f.g.h.i.j.k.l.deep", Some(Policy::Reject)),
            ("unlisted.example", None),
        ] {
            let questions = Questions::new(&resolver, 20);
            let said = discover(&questions, domain).await.unwrap().map(|published| published.policy);
            assert_eq!(said, expected, "{domain}");
        }
        assert!(discover(&Questions::new(&resolver, 20), "dead.example").await.is_err());
        assert!(discover(&Questions::new(&resolver, 1), "sub.a.example").await.is_err(), "out of questions");
    }

    #[tokio::test]
    async fn organizations_are_where_records_draw_them() {
        let server = ZoneServer::start(Zone::parse(ZONE).unwrap()).await.unwrap();
        let resolver = server.resolver().unwrap();
        for (domain, name, drawn) in [
            ("x.sub.a.example", "a.example", false),
            ("x.own.a.example", "own.a.example", true),
            ("x.y.bank", "y.bank", true),
            ("bank", "bank", true),
            ("x.y.top", "x.y.top", false),
            ("x.unlisted.example", "x.unlisted.example", false),
        ] {
            let said = organization_of(&Questions::new(&resolver, 20), domain).await.unwrap();
            assert_eq!(said, Organization { name: name.to_owned(), drawn }, "{domain}");
        }
    }

    #[test]
    fn the_walk_asks_eight_times_at_most() {
        assert_eq!(steps("a.b.example").collect::<Vec<_>>(), ["a.b.example", "b.example", "example"]);
        let deep = "x.".repeat(100) + "example";
        assert_eq!(steps(&deep).count(), 8);
        assert_eq!(steps(&deep).nth(1).map(|name| name.split('.').count()), Some(7));
    }
}
