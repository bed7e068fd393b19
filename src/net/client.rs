//! Whom a budget counts: an address stands for its holder, and an IPv6 holder has a whole /64.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One client: an IPv4 address or an IPv6 /64.
pub fn client_of(ip: IpAddr) -> IpAddr {
    masked(ip, 32, 64)
}

/// Its neighbourhood, which one owner can usually fill: an IPv4 /24 or an IPv6 /56.
pub fn network_of(ip: IpAddr) -> IpAddr {
    masked(ip, 24, 56)
}

fn masked(ip: IpAddr, v4_bits: u32, v6_bits: u32) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from(u32::from(v4) & (u32::MAX << (32 - v4_bits)))),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & (u128::MAX << (128 - v6_bits)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ip: &str, client: &str, network: &str) {
        let ip: IpAddr = ip.parse().unwrap();
        assert_eq!((client_of(ip).to_string(), network_of(ip).to_string()), (client.into(), network.into()));
    }

    #[test]
    fn a_client_is_an_address_or_a_64_and_a_network_a_24_or_a_56() {
        check("192.0.2.77", "192.0.2.77", "192.0.2.0");
        check("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0");
        check("2001:db8:1:2ff:3::4", "2001:db8:1:2ff::", "2001:db8:1:200::");
    }
}
