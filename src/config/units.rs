//! Values a config spells with a unit or by a rule: sizes, times, counts in a range, names, endpoints, networks.
//! Each is checked where it is read, so that the error carries the line.

use super::checked::{Endpoint, Network};
use crate::mail::address::{Address, canonical_domain, is_host_name};
use serde::de::{Deserialize, Deserializer, Error};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Octets, written "25 MiB".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// A time, written "90 s".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(pub Duration);

/// A whole number within bounds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MIN: u32, const MAX: u32>(pub u32);

/// A domain in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain(pub String);

/// A host to connect to: a canonical name, or an IP address without brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host(pub String);

/// The name of an account or inbox: it stands in URLs, logs and file names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(pub String);

/// The canonical key of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox(pub String);

/// A name as people see it before an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(pub String);

/// An http or https address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(pub String);

/// Name server: an IP address with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

/// "25 MiB" in octets.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let factor = match unit {
        "B" => 1,
        "kB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// "90 s" as a duration.
pub fn parse_time(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    // A hundred years: sums with a clock's time cannot overflow.
    number.checked_mul(factor).filter(|ms| *ms <= 100 * 365 * 86_400_000).map(Duration::from_millis)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start_matches(' ')))
}

fn parse_endpoint(text: &str) -> Option<Endpoint> {
    if text.starts_with('/') && !text.contains('\0') && text.len() <= UNIX_PATH_OCTETS_MAX {
        return Some(Endpoint::Unix(text.into()));
    }
    text.parse().ok().map(Endpoint::Tcp)
}

fn parse_network(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, Some(prefix.parse::<u8>().ok()?)),
        None => (text.parse().ok()?, None),
    };
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.unwrap_or(width);
    (prefix <= width).then_some(Network { address, prefix })
}

fn parse_name(text: &str) -> Option<Name> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    ((1..=64).contains(&text.len()) && text.chars().all(fine)).then(|| Name(text.to_owned()))
}

/// An `@` in a name passes for an address where only the name is shown.
fn parse_display_name(text: &str) -> Option<DisplayName> {
    let text = text.trim();
    let fine = (1..=100).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control() || c == '@');
    fine.then(|| DisplayName(text.to_owned()))
}

fn parse_url(text: &str) -> Option<Url> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    let fine = text.chars().all(|c| c.is_ascii_graphic()) && !host.contains('@') && text.len() <= 2048;
    fine.then(|| Url(text.trim_end_matches('/').to_owned()))
}

fn parse_name_server(text: &str) -> Option<NameServer> {
    let bare = || text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
    text.parse().ok().or_else(bare).map(NameServer)
}

fn parse_domain(text: &str) -> Option<Domain> {
    canonical_domain(text).ok().filter(|domain| is_host_name(domain)).map(Domain)
}

fn parse_host(text: &str) -> Option<Host> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let literal = bare.parse::<IpAddr>().ok().map(|ip| Host(ip.to_string()));
    literal.or_else(|| parse_domain(text).map(|Domain(name)| Host(name)))
}

fn parse_mailbox(text: &str) -> Option<Mailbox> {
    Address::parse(text).ok().map(|address| Mailbox(address.key()))
}

/// Reads a string and turns it into the type, or says what is allowed.
fn from_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: fn(&str) -> Option<T>,
    allowed: &str,
) -> Result<T, D::Error> {
    // serde's own "expected a string" for `mail_size = 1000` would not say which.
    let in_words = |error: D::Error| {
        let is_wrong = error.to_string().starts_with("invalid type");
        if is_wrong { D::Error::custom(allowed) } else { error }
    };
    let text = String::deserialize(deserializer).map_err(in_words)?;
    parse(&text).ok_or_else(|| D::Error::custom(allowed))
}

macro_rules! written_as_text {
    ($($kind:ty, $parse:expr, $allowed:expr;)+) => {
        $(impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer, $parse, $allowed)
            }
        })+
    };
}

written_as_text! {
    Size, |text| parse_size(text).map(Size), "a size is a whole number and one of B, kB, KiB, MB, MiB, GB, GiB, such as \"25 MiB\"";
    Time, |text| parse_time(text).map(Time), "a time is a whole number and one of ms, s, m, h, d, such as \"90 s\"";
    Domain, parse_domain, "a domain name such as \"mx.example.com\" is expected";
    Host, parse_host, "a host name such as \"smtp.example.net\" or an IP address is expected";
    Name, parse_name, "a name is 1 to 64 of a-z, 0-9, - and _";
    Mailbox, parse_mailbox, "an email address such as \"support@example.com\" is expected";
    DisplayName, parse_display_name, "a name of 1 to 100 characters without control characters and @ is expected, such as \"Acme\"";
    Url, parse_url, "an address that begins with http:// or https:// is expected, without a user name in it";
    NameServer, parse_name_server, "an IP address with or without a port is expected, such as \"127.0.0.1:5353\"";
    Endpoint, parse_endpoint, "an IP address and a port such as \"0.0.0.0:25\" or \"[::]:25\" is expected, or the absolute path of a Unix socket";
    Network, parse_network, "an address block such as \"192.0.2.0/24\" or a single IP address is expected";
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Count<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let inside = u32::try_from(number).ok().filter(|number| (MIN..=MAX).contains(number));
        inside.map(Count).ok_or_else(|| D::Error::custom(format!("a whole number from {MIN} to {MAX} is expected")))
    }
}

/// `sun_path` of Linux, with its ending NUL.
const UNIX_PATH_OCTETS_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_need_a_known_unit() {
        for (text, expected) in [
            ("25 MiB", Some(25 << 20)),
            ("25MiB", Some(25 << 20)),
            ("0 B", Some(0)),
            ("1 GB", Some(1_000_000_000)),
            ("25", None),
            ("MiB", None),
            ("-1 B", None),
            ("1.5 MiB", None),
            ("1 mib", None),
            ("18446744073709551615 GiB", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("90 s", Some(90_000)),
            ("2 m", Some(120_000)),
            ("5 d", Some(432_000_000)),
            ("150 ms", Some(150)),
            ("1 month", None),
            ("99999999 d", None),
            ("2", None),
        ] {
            assert_eq!(parse_time(text).map(|time| time.as_millis()), expected, "{text:?}");
        }
    }

    #[test]
    fn endpoints_and_networks_are_exact() {
        assert_eq!(parse_endpoint("/run/replyd/lmtp.sock"), Some(Endpoint::Unix("/run/replyd/lmtp.sock".into())));
        assert!(matches!(parse_endpoint("[::]:25"), Some(Endpoint::Tcp(_))));
        for text in ["25", "localhost:25", "0.0.0.0", "lmtp.sock", "0.0.0.0:99999", "::1:25x"] {
            assert_eq!(parse_endpoint(text), None, "{text}");
        }
        assert_eq!(parse_network("10.0.0.0/8").map(|n| n.prefix), Some(8));
        assert_eq!(parse_network("::1").map(|n| n.prefix), Some(128));
        for text in ["10.0.0.0/33", "10.0.0/8", "", "::/129", "x"] {
            assert_eq!(parse_network(text), None, "{text}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for (text, expected) in [
            ("smtp.example.net", Some("smtp.example.net")),
            ("SMTP.Example.net", Some("smtp.example.net")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("smtp.example.net:587", None),
            ("", None),
        ] {
            assert_eq!(parse_host(text).map(|host| host.0).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn urls_hold_no_credentials_and_no_spaces() {
        assert_eq!(parse_url("https://chat.example.com/"), Some(Url("https://chat.example.com".into())));
        for text in ["ftp://x", "https://", "https://u:p@x/", "https://x y", "javascript:alert(1)", "https:///x"] {
            assert_eq!(parse_url(text), None, "{text}");
        }
    }
}
