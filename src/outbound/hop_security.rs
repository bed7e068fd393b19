//! What a host must show before it gets a mail: from DANE, MTA-STS, and what the mail itself demands. Pure.
//!
//! DANE comes first, because its records are proven and MTA-STS is trusted at first sight (RFC 8461 §2). REQUIRETLS wants
//! the host's name proven, too, and not only its certificate (RFC 8689 §4.2.1).

use super::hop::{Dane, Security, TlsMode, Unroutable, Verification};
use super::mta_sts::{Mode, Policy};
use super::mx::MxHost;
use super::route::Demand;

/// What is known of a host.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    pub host: &'a MxHost,
    pub tlsa: TlsaAnswer,
    pub policy: Option<&'a Policy>,
}

/// Records that DNSSEC proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsaAnswer {
    None,
    /// `None` inside: there are records, but not one that can be used.
    Published(Option<Dane>),
    /// Forged, or no answer: RFC 7672 §2.1.2 has the host left alone.
    Trouble(String),
}

/// Why a host gets no mail now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Later(String),
    /// It can never do what the mail demands.
    Unmet(String),
}

/// What this host must show.
pub fn security(evidence: Evidence<'_>, demand: Demand) -> Result<Security, Refusal> {
    let Evidence { host, tlsa, policy } = evidence;
    match tlsa {
        TlsaAnswer::Trouble(what) => {
            Err(Refusal::Later(format!("whether {} has TLSA records cannot be told: {what}", host.name)))
        }
        TlsaAnswer::Published(Some(dane)) => Ok(required(Verification::Dane(dane), "dane")),
        // RFC 7672 §2.2: the host promises TLS, so plaintext is an attack, but what it published proves no certificate.
        TlsaAnswer::Published(None) => by_policy(host, policy, demand, required(Verification::Nothing, "dane")),
        TlsaAnswer::None => by_policy(host, policy, demand, opportunistic()),
    }
}

fn by_policy(host: &MxHost, policy: Option<&Policy>, demand: Demand, otherwise: Security) -> Result<Security, Refusal> {
    let allowed = policy.map(|policy| (policy.mode, policy.allows(&host.name)));
    match (allowed, demand) {
        (Some((Mode::Enforce, true)), _) => Ok(required(Verification::HostName, "mta-sts")),
        (Some((Mode::Enforce, false)), _) => {
            Err(Refusal::Later(format!("{} is not among the hosts that the domain's MTA-STS policy names", host.name)))
        }
        (Some((Mode::Testing, true)), Demand::RequireTls) => Ok(required(Verification::HostName, "requiretls")),
        (_, Demand::RequireTls) if host.secure => Ok(required(Verification::HostName, "requiretls")),
        (Some((Mode::Testing | Mode::None, _)) | None, demand) => demanded(&host.name, demand, otherwise),
    }
}

/// What a host must show of which nothing is known but the name.
pub fn without_evidence(host: &str, demand: Demand) -> Result<Security, Refusal> {
    demanded(host, demand, opportunistic())
}

fn demanded(host: &str, demand: Demand, otherwise: Security) -> Result<Security, Refusal> {
    match demand {
        Demand::Usual => Ok(otherwise),
        Demand::Encryption if otherwise.tls == TlsMode::Required => Ok(otherwise),
        Demand::Encryption => Ok(required(Verification::Nothing, "config")),
        Demand::RequireTls => {
            Err(Refusal::Unmet(format!("neither DNSSEC nor an MTA-STS policy proves that {host} is the right host")))
        }
    }
}

fn required(verification: Verification, because: &'static str) -> Security {
    Security { tls: TlsMode::Required, verification, because }
}

fn opportunistic() -> Security {
    Security { tls: TlsMode::Opportunistic, verification: Verification::Nothing, because: "opportunistic" }
}

impl Refusal {
    /// What becomes of a mail when every host of its domain is refused: as long as one may change its mind, later.
    pub fn of_all(domain: &str, refusals: &[Refusal]) -> Unroutable {
        let later = refusals.iter().find_map(|refusal| match refusal {
            Refusal::Later(why) => Some(why),
            Refusal::Unmet(_) => None,
        });
        let unmet = refusals.iter().find_map(|refusal| match refusal {
            Refusal::Unmet(why) => Some(why.as_str()),
            Refusal::Later(_) => None,
        });
        match later {
            Some(why) => Unroutable::Temporary { reason: format!("no host of {domain} may get this mail now: {why}") },
            None => Unroutable::PolicyUnmet {
                enhanced: "5.7.30",
                reason: format!("the mail must not go to {domain} without REQUIRETLS: {}", unmet.unwrap_or_default()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(mode: &str) -> Policy {
        Policy::parse(&format!("version: STSv1\nmode: {mode}\nmx: mx.example\nmax_age: 86400")).unwrap()
    }

    fn check(tlsa: TlsaAnswer, policy: Option<&Policy>, name: &str, demand: Demand) -> String {
        let secure = tlsa != TlsaAnswer::None || name == "proven.example";
        let host =
            MxHost { name: name.to_owned(), preference: 0, addresses: Vec::new(), canonical: name.to_owned(), secure };
        match security(Evidence { host: &host, tlsa, policy }, demand) {
            Ok(Security { tls, verification, because }) => {
                let checked = match verification {
                    Verification::Nothing => "nothing",
                    Verification::HostName => "name",
                    Verification::Dane(_) => "dane",
                };
                format!("{tls:?} {checked} {because}")
            }
            Err(Refusal::Later(_)) => "later".to_owned(),
            Err(Refusal::Unmet(_)) => "unmet".to_owned(),
        }
    }

    #[test]
    fn the_strongest_evidence_and_the_demand_decide() {
        let (enforce, testing) = (policy("enforce"), policy("testing"));
        let dane = || TlsaAnswer::Published(Some(Dane { records: Vec::new(), next_hop: None }));
        let (unusable, trouble) = (TlsaAnswer::Published(None), TlsaAnswer::Trouble("bogus".into()));
        for (tlsa, policy, name, expected) in [
            (
                TlsaAnswer::None,
                None,
                "mx.example",
                ["Opportunistic nothing opportunistic", "Required nothing config", "unmet"],
            ),
            (
                TlsaAnswer::None,
                None,
                "proven.example",
                ["Opportunistic nothing opportunistic", "Required nothing config", "Required name requiretls"],
            ),
            (
                TlsaAnswer::None,
                Some(&testing),
                "mx.example",
                ["Opportunistic nothing opportunistic", "Required nothing config", "Required name requiretls"],
            ),
            (
                TlsaAnswer::None,
                Some(&testing),
                "other.example",
                ["Opportunistic nothing opportunistic", "Required nothing config", "unmet"],
            ),
            (TlsaAnswer::None, Some(&enforce), "mx.example", ["Required name mta-sts"; 3]),
            (TlsaAnswer::None, Some(&enforce), "other.example", ["later"; 3]),
            (dane(), None, "mx.example", ["Required dane dane"; 3]),
            (dane(), Some(&enforce), "other.example", ["Required dane dane"; 3]),
            (unusable.clone(), Some(&enforce), "mx.example", ["Required name mta-sts"; 3]),
            (
                unusable,
                None,
                "mx.example",
                ["Required nothing dane", "Required nothing dane", "Required name requiretls"],
            ),
            (trouble, Some(&enforce), "mx.example", ["later"; 3]),
        ] {
            for (demand, expected) in [Demand::Usual, Demand::Encryption, Demand::RequireTls].into_iter().zip(expected)
            {
                let decided = check(tlsa.clone(), policy, name, demand);
                assert_eq!(decided, expected, "{tlsa:?} {policy:?} {name} {demand:?}");
            }
        }
    }

    #[test]
    fn one_host_that_may_do_better_later_keeps_the_mail() {
        let (later, unmet) = (Refusal::Later("a".into()), Refusal::Unmet("b".into()));
        let temporary = Refusal::of_all("example", &[unmet.clone(), later]);
        assert!(matches!(temporary, Unroutable::Temporary { .. }));
        assert!(matches!(Refusal::of_all("example", &[unmet]), Unroutable::PolicyUnmet { enhanced: "5.7.30", .. }));
    }
}
