//! What is ourselves, seen from outside: the name we greet with and the addresses we listen on. Mail that is sent there
//! comes back (RFC 5321 §5.1).

use crate::config::checked::{Config, Endpoint, Outbound, Route};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

#[derive(Debug, Clone)]
pub struct Own {
    hostname: String,
    /// At the port that is dialled.
    listen: Vec<IpAddr>,
    /// Loopback and private addresses may be dialled.
    pub allow_private: bool,
}

impl Own {
    pub fn of(config: &Config) -> Own {
        let port = port(&config.outbound);
        let listen = config.smtp.listen.iter().filter_map(|endpoint| match endpoint {
            Endpoint::Tcp(address) if address.port() == port => Some(address.ip()),
            Endpoint::Tcp(_) | Endpoint::Unix(_) => None,
        });
        Own {
            hostname: config.server.hostname.clone(),
            listen: listen.collect(),
            allow_private: config.outbound.allow_private,
        }
    }

    pub fn is_named(&self, host: &str) -> bool {
        host.eq_ignore_ascii_case(&self.hostname)
    }

    /// Whether a connection to this address, at the port that mail is sent to, would reach this process.
    pub fn is_address(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.listen.iter().any(|listen| match listen {
            IpAddr::V4(any) if any.is_unspecified() => ip.is_ipv4() && is_of_this_host(ip),
            // A socket at [::] takes IPv4 as well.
            IpAddr::V6(any) if any.is_unspecified() => is_of_this_host(ip),
            listen => *listen == ip,
        })
    }
}

/// The port that MX hosts are dialled at; of smarthosts it does not matter.
fn port(outbound: &Outbound) -> u16 {
    match outbound.route {
        Route::Mx { port } => port,
        Route::Smarthosts(_) => 25,
    }
}

/// A socket that would send to an address of this host would send from that very address. Connecting a UDP socket
/// asks the routing table and sends nothing.
fn is_of_this_host(ip: IpAddr) -> bool {
    let any = match ip {
        IpAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        IpAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let source = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((ip, DISCARD_PORT))?;
        socket.local_addr()
    });
    ip.is_loopback() || ip.is_unspecified() || source.is_ok_and(|source| source.ip() == ip)
}

const DISCARD_PORT: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn own(listen: &[&str]) -> Own {
        let listen = listen.iter().map(|ip| ip.parse().unwrap()).collect();
        Own { hostname: "mx.example.com".into(), listen, allow_private: false }
    }

    #[test]
    fn our_name_and_the_addresses_we_listen_on_are_ours() {
        assert!(own(&[]).is_named("MX.example.com") && !own(&[]).is_named("mx2.example.com"));
        for (listen, ip, expected) in [
            (&["192.0.2.1"][..], "192.0.2.1", true),
            (&["192.0.2.1"], "::ffff:192.0.2.1", true),
            (&["192.0.2.1"], "192.0.2.2", false),
            (&["192.0.2.1"], "127.0.0.1", false),
            (&["0.0.0.0"], "127.0.0.1", true),
            (&["0.0.0.0"], "0.0.0.0", true),
            (&["0.0.0.0"], "192.0.2.1", false),
            (&["::"], "127.0.0.1", true),
            (&[], "127.0.0.1", false),
        ] {
            assert_eq!(own(listen).is_address(ip.parse().unwrap()), expected, "{listen:?} {ip}");
        }
    }
}
