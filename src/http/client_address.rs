//! Whose call it is when a reverse proxy brings it: the last client that a proxy of the config names in `X-Forwarded-For`.
//! What stands before that name was written by the client, who writes what it likes.

use super::listener::PeerAddress;
use crate::config::checked::Network;
use axum::http::HeaderMap;
use std::net::IpAddr;

/// The address that budgets count.
pub fn client(peer: PeerAddress, headers: &HeaderMap, proxies: &[Network]) -> PeerAddress {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let Some(mut client) = peer.0.filter(|peer| is_proxy(*peer)) else { return peer };
    let fields = headers.get_all("x-forwarded-for");
    let names: Vec<&str> =
        fields.iter().filter_map(|field| field.to_str().ok()).flat_map(|field| field.split(',')).collect();
    for name in names.into_iter().rev() {
        let Some(named) = address(name.trim()) else { break };
        client = named;
        if !is_proxy(named) {
            break;
        }
    }
    PeerAddress(Some(client))
}

/// Some proxies name the port as well.
fn address(name: &str) -> Option<IpAddr> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| name.parse().ok().map(|with_port: std::net::SocketAddr| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let network = |address: &str, prefix| Network { address: address.parse().expect("an address"), prefix };
        let proxies = [network("127.0.0.0", 8), network("10.0.0.0", 8)];
        let mut headers = HeaderMap::new();
        for field in forwarded {
            headers.append("x-forwarded-for", field.parse().expect("a header value"));
        }
        let found = client(PeerAddress(peer.parse().ok()), &headers, &proxies).0.map(|address| address.to_string());
        assert_eq!(found.as_deref(), Some(expected), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_a_proxys_word_counts_and_only_its_last() {
        check("203.0.113.9", &["192.0.2.1"], "203.0.113.9");
        check("127.0.0.1", &["192.0.2.1"], "192.0.2.1");
        check("127.0.0.1", &["198.51.100.7, 192.0.2.1"], "192.0.2.1");
        check("127.0.0.1", &["198.51.100.7", "192.0.2.1, 10.0.0.5"], "192.0.2.1");
        check("127.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1");
        check("127.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1");
        check("127.0.0.1", &["10.0.0.5"], "10.0.0.5");
        check("127.0.0.1", &["192.0.2.1, unknown"], "127.0.0.1");
        check("127.0.0.1", &[], "127.0.0.1");
    }
}
