//! What the methods said of one mail, as it is stored, shown and asked for: the words of RFC 8601 §2.7 where it has
//! them.

use serde::{Deserialize, Serialize};

/// RFC 7208 §2.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpfResult {
    #[default]
    None,
    Neutral,
    Pass,
    Fail,
    SoftFail,
    TempError,
    PermError,
}

/// RFC 8601 §2.7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DkimResult {
    Pass,
    Fail,
    /// The signature may be right, and our rules do not count it: `l=`, a weak key, one too many.
    Policy,
    Neutral,
    TempError,
    PermError,
}

/// One DKIM-Signature field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DkimSignature {
    /// Of the signature; empty if it could not be read.
    pub domain: String,
    pub selector: String,
    pub result: DkimResult,
    /// For people.
    pub reason: String,
    /// Only the first part of the body is signed (`l=`): anything may follow it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

/// RFC 9989 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DmarcResult {
    #[default]
    None,
    Pass,
    Fail,
    TempError,
    PermError,
}

/// What the domain owner asks receivers to do with mail that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    #[default]
    None,
    Quarantine,
    Reject,
}

/// DMARC for the domain of the author.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dmarc {
    pub result: DmarcResult,
    /// As it applies to this mail: after `sp`, `np` and `t`. Absent if none is published.
    pub policy: Option<Policy>,
    /// Of the one From address; empty if there is none.
    pub domain: String,
}

/// RFC 8617 §4.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArcResult {
    #[default]
    None,
    Pass,
    Fail,
}

/// RFC 8601 §2.7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IprevResult {
    #[default]
    None,
    Pass,
    Fail,
    TempError,
}

/// What we conclude of the author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The domain of the From address answers for this mail.
    Authentic,
    /// Nothing speaks for the From address, nothing definite against it.
    #[default]
    Unproven,
    /// The domain asks to distrust such mail, and this is such mail.
    Forged,
    /// The DNS did not let us decide.
    Undetermined,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuthResults {
    pub spf: SpfResult,
    /// Domain of the reverse-path, or of the HELO if the path is null.
    #[serde(default)]
    pub spf_domain: String,
    pub dkim: Vec<DkimSignature>,
    pub dmarc: Dmarc,
    pub arc: ArcResult,
    /// The last sealer of a chain that passes.
    #[serde(default)]
    pub arc_sealer: Option<String>,
    #[serde(default)]
    pub iprev: IprevResult,
    /// The validated name of the client.
    #[serde(default)]
    pub client_name: Option<String>,
    pub verdict: Verdict,
    /// The reason of the verdict, for a person.
    pub basis: String,
    /// The address that the verdict is about: the one From address, if there is exactly one.
    pub author: Option<String>,
}

impl AuthResults {
    /// Of a mail that we wrote ourselves: there was nothing to check.
    pub fn of_ours() -> AuthResults {
        let basis = "replyd sent it".to_owned();
        AuthResults { verdict: Verdict::Authentic, basis, ..AuthResults::default() }
    }

    /// Of a mail that came before anything was checked, or by a door that checks nothing.
    pub fn unchecked() -> AuthResults {
        let basis = "nothing was checked".to_owned();
        AuthResults { verdict: Verdict::Undetermined, basis, ..AuthResults::default() }
    }

    /// Whether the domain owner's published wish is that nobody takes this mail: 550 5.7.26.
    pub fn refusable(&self) -> bool {
        self.verdict == Verdict::Forged && self.dmarc.policy == Some(Policy::Reject)
    }

    /// Method and result of each, as they are written in JSON: for counters.
    pub fn words(&self) -> Vec<(&'static str, String)> {
        let mut words = vec![
            ("spf", word(&self.spf)),
            ("dmarc", word(&self.dmarc.result)),
            ("arc", word(&self.arc)),
            ("iprev", word(&self.iprev)),
            ("verdict", word(&self.verdict)),
        ];
        words.extend(self.dkim.iter().map(|signature| ("dkim", word(&signature.result))));
        if self.dkim.is_empty() {
            words.push(("dkim", "none".to_owned()));
        }
        words
    }
}

fn word(result: &impl Serialize) -> String {
    let value = serde_json::to_value(result).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_word_and_no_signature_counts_as_none() {
        let results = AuthResults { spf: SpfResult::SoftFail, ..AuthResults::default() };
        let expected = [
            ("spf", "softfail"),
            ("dmarc", "none"),
            ("arc", "none"),
            ("iprev", "none"),
            ("verdict", "unproven"),
            ("dkim", "none"),
        ];
        assert_eq!(results.words(), expected.map(|(method, word)| (method, word.to_owned())));
    }

    #[test]
    fn results_come_back_from_the_store_as_they_went_in() {
        let results = AuthResults {
            spf: SpfResult::SoftFail,
            spf_domain: "b.example".into(),
            dkim: vec![DkimSignature {
                domain: "b.example".into(),
                selector: "s".into(),
                result: DkimResult::Policy,
                reason: "l=".into(),
                partial: true,
            }],
            dmarc: Dmarc {
                result: DmarcResult::TempError,
                policy: Some(Policy::Quarantine),
                domain: "b.example".into(),
            },
            verdict: Verdict::Undetermined,
            author: Some("a@b.example".into()),
            ..AuthResults::default()
        };
        let json = serde_json::to_value(&results).unwrap();
        assert_eq!(json["spf"], "softfail");
        assert_eq!(json["dmarc"]["result"], "temperror");
        assert_eq!(json["arc"], "none");
        assert_eq!(serde_json::from_value::<AuthResults>(json).unwrap(), results);
    }

    #[test]
    fn only_forged_under_reject_is_refusable() {
        let mut results = AuthResults { verdict: Verdict::Forged, ..AuthResults::default() };
        for (policy, expected) in [
            (None, false),
            (Some(Policy::None), false),
            (Some(Policy::Quarantine), false),
            (Some(Policy::Reject), true),
        ] {
            results.dmarc.policy = policy;
            assert_eq!(results.refusable(), expected, "{policy:?}");
        }
        results.verdict = Verdict::Undetermined;
        assert!(!results.refusable());
    }
}
