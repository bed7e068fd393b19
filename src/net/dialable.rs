//! Which addresses somebody else's word may make us connect to. A DNS record or a URL of a stranger must not reach what
//! only this host or its network can reach (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is that is no host on the public internet; `None` may be dialled.
pub fn refusal(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(v4) => refusal_v4(v4),
        IpAddr::V6(v6) => refusal_v6(v6),
    }
}

fn refusal_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        (0, ..) => Some("unspecified"),
        (127, ..) => Some("loopback"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("private"),
        (169, 254, _) => Some("link-local"),
        // RFC 6598: between a provider and its customers.
        (100, 64..=127, _) => Some("shared address space"),
        // RFC 6890, RFC 2544.
        (192, 0, 0) | (198, 18..=19, _) => Some("reserved"),
        (224..=239, ..) => Some("multicast"),
        (240..=255, ..) => Some("reserved"),
        _ => None,
    }
}

fn refusal_v6(ip: Ipv6Addr) -> Option<&'static str> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        // RFC 4291 §2.5.5: the kernel would dial the IPv4 address, past any filter that looks at IPv6.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0, 0, ..] => Some("an IPv4 address in disguise"),
        // RFC 2765 §2.1: the same under another prefix, where a translator stands.
        [0, 0, 0, 0, 0xffff, 0, high, low] => refusal_v4(embedded(high, low)),
        // RFC 6052: translated to the IPv4 address, so what counts is that one.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => refusal_v4(embedded(high, low)),
        // RFC 8215: translation inside one network.
        [0x64, 0xff9b, 1, ..] => Some("private"),
        [0x2002, high, low, ..] => refusal_v4(embedded(high, low)),
        [0xfc00..=0xfdff, ..] => Some("private"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xfec0..=0xfeff, ..] => Some("private"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x100, 0, 0, 0, ..] => Some("reserved"),
        _ => None,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_the_public_internet_may_be_dialled() {
        for (ip, expected) in [
            ("192.0.2.1", None),
            ("8.8.8.8", None),
            ("2001:db8::1", None),
            ("2a00:1450::1b", None),
            ("0.0.0.0", Some("unspecified")),
            ("0.1.2.3", Some("unspecified")),
            ("127.0.0.1", Some("loopback")),
            ("127.255.255.254", Some("loopback")),
            ("10.0.0.1", Some("private")),
            ("172.15.0.1", None),
            ("172.16.0.1", Some("private")),
            ("172.31.255.255", Some("private")),
            ("172.32.0.1", None),
            ("192.168.1.1", Some("private")),
            ("169.254.169.254", Some("link-local")),
            ("100.63.0.1", None),
            ("100.64.0.1", Some("shared address space")),
            ("100.128.0.1", None),
            ("198.18.0.1", Some("reserved")),
            ("224.0.0.1", Some("multicast")),
            ("255.255.255.255", Some("reserved")),
            ("::", Some("unspecified")),
            ("::1", Some("loopback")),
            ("::ffff:127.0.0.1", Some("an IPv4 address in disguise")),
            ("::ffff:8.8.8.8", Some("an IPv4 address in disguise")),
            ("::127.0.0.1", Some("an IPv4 address in disguise")),
            ("::ffff:0:127.0.0.1", Some("loopback")),
            ("::ffff:0:8.8.8.8", None),
            ("64:ff9b::10.0.0.1", Some("private")),
            ("64:ff9b::8.8.8.8", None),
            ("64:ff9b:1::8.8.8.8", Some("private")),
            ("2002:7f00:1::1", Some("loopback")),
            ("fe80::1", Some("link-local")),
            ("fd00::1", Some("private")),
            ("fec0::1", Some("private")),
            ("ff02::1", Some("multicast")),
            ("100::1", Some("reserved")),
        ] {
            assert_eq!(refusal(ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
