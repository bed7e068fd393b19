//! An address that replyd calls over HTTP: a subscriber, a bridge, a hook. Read once and strictly, so that what was checked
//! is what is dialled: no second reader of the text can see another host in it.

use crate::mail::address::{canonical_domain, is_host_name};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub scheme: Scheme,
    pub host: TargetHost,
    pub port: u16,
    /// With its query; begins with `/`.
    pub path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TargetHost {
    /// Canonical.
    Name(String),
    Address(IpAddr),
}

/// The text is no such address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an address such as \"https://app.example.com/hook\" is expected: http or https, a host name or an IP address, no user \
     name, no #"
)]
pub struct TargetError;

impl Scheme {
    fn word(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn usual_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl Target {
    /// Host and port as the Host field has them.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.usual_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The same place with one more parameter, whose value is any text.
    pub fn with_parameter(&self, name: &str, value: &str) -> Target {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        let escaped: String = value
            .bytes()
            .map(|octet| if plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
            .collect();
        let joint = if self.path.contains('?') { '&' } else { '?' };
        Target { path: format!("{}{joint}{name}={escaped}", self.path), ..self.clone() }
    }
}

impl fmt::Display for TargetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TargetHost::Name(name) => f.write_str(name),
            TargetHost::Address(IpAddr::V4(ip)) => ip.fmt(f),
            TargetHost::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.word(), self.authority(), self.path)
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Target, TargetError> {
        parse(text).ok_or(TargetError)
    }
}

fn parse(text: &str) -> Option<Target> {
    let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '#' | '\\' | '"' | '<' | '>');
    if text.len() > TARGET_OCTETS_MAX || !text.chars().all(fine) {
        return None;
    }
    let (scheme, rest) = text.split_once("://")?;
    let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|known| scheme.eq_ignore_ascii_case(known.word()))?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = split_port(authority)?;
    let port = port.map_or(Some(scheme.usual_port()), |port| port.parse().ok().filter(|port| *port > 0))?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some(Target { scheme, host: parse_host(host)?, port, path })
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let behind = if authority.starts_with('[') { authority.find(']')? } else { 0 };
    let colon = authority.get(behind..)?.find(':').map(|at| behind + at);
    let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
    Some((host, port.strip_prefix(':')))
}

fn parse_host(text: &str) -> Option<TargetHost> {
    if let Some(literal) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<Ipv6Addr>().ok().map(|ip| TargetHost::Address(ip.into()));
    }
    if let Ok(ip) = text.parse() {
        return Some(TargetHost::Address(IpAddr::V4(ip)));
    }
    let name = canonical_domain(text).ok().filter(|name| is_host_name(name))?;
    // `127.1` and `0x7f000001` are addresses to some readers: no name ends in a number.
    let last = name.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|octet| octet.is_ascii_digit()) || last.starts_with("0x");
    (!numeric).then_some(TargetHost::Name(name))
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

const TARGET_OCTETS_MAX: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(text.parse::<Target>().ok().map(|target| target.to_string()).as_deref(), expected, "{text}");
    }

    #[test]
    fn a_place_has_one_reading() {
        check("https://App.Example.com", Some("https://app.example.com/"));
        check("HTTP://app.example.com:80/hook/", Some("http://app.example.com/hook/"));
        check("https://app.example.com:8443?a=1", Some("https://app.example.com:8443/?a=1"));
        check("http://192.0.2.1:3000/x", Some("http://192.0.2.1:3000/x"));
        check("http://[::1]:3000/x", Some("http://[::1]:3000/x"));
        check("https://[::FFFF:127.0.0.1]/", Some("https://[::ffff:127.0.0.1]/"));
    }

    #[test]
    fn what_could_be_read_as_another_host_is_refused() {
        for text in [
            "",
            "ftp://a.example/",
            "https:///x",
            "https://a@b.example/",
            "https://a.example\\@b.example/",
            "https://a.example#@b.example/",
            "https://a.example:0/",
            "https://a.example:99999/",
            "https://a.example:/",
            "https://a.example:80:80/",
            "https://a b.example/",
            "https://a.example/\r\nx",
            "http://2130706433/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://[::1/",
            "http://[::1%25eth0]/",
            "http://::1/",
            "https://ä.example/",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_parameter_holds_any_text() {
        let with = |text: &str| text.parse::<Target>().unwrap().with_parameter("recipient", "a+b&c@d.example").path;
        assert_eq!(with("https://x.example/r"), "/r?recipient=a%2Bb%26c%40d.example");
        assert_eq!(with("https://x.example/r?k=1"), "/r?k=1&recipient=a%2Bb%26c%40d.example");
    }
}
