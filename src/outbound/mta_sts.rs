//! MTA-STS as text: the TXT record that announces a policy, the policy, and which hosts it allows (RFC 8461 §3.1, §3.2, §4.1).
//! Pure.

use crate::mail::address::is_host_name;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Of a policy that is read.
const PATTERNS_MAX: usize = 100;
/// RFC 8461 §3.2: about a year.
const AGE_SECONDS_MAX: u64 = 31_557_600;

/// What a domain says about its hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub mode: Mode,
    max_age_seconds: u64,
    /// Canonical names; one that begins with `*.` stands for any single label.
    mx: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Enforce,
    /// Would be enforced if its domain trusted it: nothing is withheld for it.
    Testing,
    /// The domain takes its policy back.
    None,
}

/// Why a text is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("it does not say version: STSv1")]
    Version,
    #[error("its mode is not enforce, testing or none")]
    Mode,
    #[error("its max_age is no number of seconds")]
    MaxAge,
    #[error("it names no mail server, or one that is no name")]
    Mx,
}

impl Policy {
    pub fn max_age(&self) -> Duration {
        Duration::from_secs(self.max_age_seconds.min(AGE_SECONDS_MAX))
    }

    /// Whether mail may go to the host with this canonical name.
    pub fn allows(&self, host: &str) -> bool {
        let beyond_first_label = host.split_once('.').map(|(_, rest)| rest);
        self.mx.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(suffix) => beyond_first_label == Some(suffix),
            None => pattern == host,
        })
    }

    /// Lines end with LF or CRLF; keys that are not known, and values after the first of a key, do not count.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        let fields: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        let first = |wanted: &str| fields.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
        if first("version") != Some("STSv1") {
            return Err(PolicyError::Version);
        }
        let mode = match first("mode") {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            Some(_) | None => return Err(PolicyError::Mode),
        };
        let seconds =
            first("max_age").filter(|text| text.len() <= 10 && text.bytes().all(|octet| octet.is_ascii_digit()));
        let max_age_seconds: u64 = seconds.and_then(|text| text.parse().ok()).ok_or(PolicyError::MaxAge)?;
        let patterns = fields.iter().filter(|(key, _)| *key == "mx").map(|(_, value)| value);
        let mx = patterns.take(PATTERNS_MAX).map(|value| pattern(value)).collect::<Option<Vec<_>>>();
        let mx = mx.filter(|mx| mode == Mode::None || !mx.is_empty()).ok_or(PolicyError::Mx)?;
        Ok(Policy { mode, max_age_seconds: max_age_seconds.min(AGE_SECONDS_MAX), mx })
    }
}

fn pattern(value: &str) -> Option<String> {
    let name = value.to_ascii_lowercase();
    is_host_name(name.strip_prefix("*.").unwrap_or(&name)).then_some(name)
}

/// The id of the one record that announces a policy. RFC 8461 §3.1: with none, with two, or with a broken one there is no
/// announcement.
pub fn announced_id(texts: &[Vec<u8>]) -> Option<String> {
    let mut records = texts.iter().filter_map(|text| {
        let text = std::str::from_utf8(text).ok()?;
        let rest = text.strip_prefix("v=STSv1")?.trim_start();
        rest.strip_prefix(';')
    });
    let (Some(fields), None) = (records.next(), records.next()) else { return None };
    let mut ids = fields.split(';').filter_map(|field| field.trim().strip_prefix("id="));
    ids.next().filter(|id| is_id(id)).map(str::to_owned)
}

fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sound_record_announces_a_policy() {
        for (texts, expected) in [
            (&["v=STSv1; id=20160831085700Z;"][..], Some("20160831085700Z")),
            (&["v=STSv1;id=a"], Some("a")),
            (&["v=STSv1 ; x=y; id=a; id=b"], Some("a")),
            (&["v=spf1 -all", "v=STSv1; id=a;"], Some("a")),
            (&["v=STSv1; id=a;", "v=STSv1; id=b;"], None),
            (&["v=STSv1; id=;"], None),
            (&["v=STSv1; id=a-b;"], None),
            (&["v=STSv1; id=123456789012345678901234567890123;"], None),
            (&["v=STSv10; id=a;"], None),
            (&["v=STSv1"], None),
            (&["V=STSV1; id=a"], None),
            (&[], None),
        ] {
            let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
            assert_eq!(announced_id(&texts).as_deref(), expected, "{texts:?}");
        }
    }

    #[test]
    fn policies_are_read_strictly() {
        let good = "version: STSv1\r\nmode: enforce\r\nmx: MX.example.com\r\nmx: *.example.net\r\nmax_age: 86400\r\n";
        let policy = Policy::parse(good).unwrap();
        assert_eq!((policy.mode, policy.max_age()), (Mode::Enforce, Duration::from_secs(86400)));
        for (host, expected) in [
            ("mx.example.com", true),
            ("a.mx.example.com", false),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            ("evilexample.net", false),
        ] {
            assert_eq!(policy.allows(host), expected, "{host}");
        }
        for (from, to, expected) in [
            ("version: STSv1", "version: STSv2", Err(PolicyError::Version)),
            ("version: STSv1\r\n", "", Err(PolicyError::Version)),
            ("enforce", "Enforce", Err(PolicyError::Mode)),
            ("enforce", "testing", Ok(Mode::Testing)),
            ("enforce", "none", Ok(Mode::None)),
            ("86400", "-1", Err(PolicyError::MaxAge)),
            ("86400", "99999999999", Err(PolicyError::MaxAge)),
            ("86400", "9999999999", Ok(Mode::Enforce)),
            ("mx: *.example.net", "mx: *", Err(PolicyError::Mx)),
            ("mx: *.example.net", "mx: a b", Err(PolicyError::Mx)),
            ("\r\n", "\n", Ok(Mode::Enforce)),
            ("mode", "future: x\nmode: none\nmode", Ok(Mode::None)),
        ] {
            let read = Policy::parse(&good.replace(from, to));
            assert_eq!(read.as_ref().map(|policy| policy.mode).map_err(|error| *error), expected, "{from} -> {to}");
            assert!(
                read.is_ok_and(|policy| policy.max_age() <= Duration::from_secs(AGE_SECONDS_MAX)) || expected.is_err()
            );
        }
        assert_eq!(Policy::parse("version: STSv1\nmode: testing\nmax_age: 1"), Err(PolicyError::Mx));
        assert!(Policy::parse("version: STSv1\nmode: none\nmax_age: 1").is_ok());
    }
}
