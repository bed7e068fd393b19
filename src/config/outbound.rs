//! How outgoing mail leaves, as the config says it after it was checked.

use super::file::SmarthostTls;
use super::secret::Secret;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

/// How outgoing mail leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    pub route: Route,
    /// Loopback and private addresses may be dialled.
    pub allow_private: bool,
    /// Octets of the files in one mail; the others are links.
    pub attachments_max: u64,
    /// How long such a link is good.
    pub link_life: Duration,
    /// TLSA records are asked for where DNSSEC can be validated.
    pub dane: bool,
    /// PEM; roots that count beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A mail that could not be delivered for this long has failed.
    pub give_up: Duration,
    /// Connections at one time.
    pub connections: usize,
    /// Of those to one site.
    pub connections_per_site: usize,
    /// Mails to one site within a minute; `None`: as many as it takes.
    pub mails_per_minute_per_site: Option<u32>,
    /// Where mail leaves from; the system chooses where it is not said.
    pub sources: SourceAddresses,
    /// Takes what a host refuses because of us; only by MX.
    pub fallback: Option<Smarthost>,
}

/// The address of this machine that connections of each family are made from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceAddresses {
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
}

impl SourceAddresses {
    /// The one for a connection to this address.
    pub fn towards(self, address: IpAddr) -> Option<IpAddr> {
        match address {
            IpAddr::V4(_) => self.ipv4.map(IpAddr::V4),
            IpAddr::V6(_) => self.ipv6.map(IpAddr::V6),
        }
    }

    pub fn all(self) -> impl Iterator<Item = IpAddr> {
        self.ipv4.map(IpAddr::V4).into_iter().chain(self.ipv6.map(IpAddr::V6))
    }
}

/// The key that says this address.
pub fn source_key(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "outbound.source_ipv4" } else { "outbound.source_ipv6" }
}

impl Default for Outbound {
    fn default() -> Outbound {
        Outbound {
            route: Route::default(),
            allow_private: false,
            // What nearly every mailbox takes, Base64 included.
            attachments_max: 10 * 1024 * 1024,
            link_life: Duration::from_secs(30 * 86_400),
            dane: true,
            ca_file: None,
            // RFC 5321 §4.5.4.1: at least 4 to 5 days.
            give_up: Duration::from_secs(5 * 86_400),
            connections: 64,
            connections_per_site: 4,
            mails_per_minute_per_site: None,
            sources: SourceAddresses::default(),
            fallback: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To the MX hosts of the recipient's domain, at this port.
    Mx { port: u16 },
    /// To the first of these that works; never empty.
    Smarthosts(Vec<Smarthost>),
}

/// A server that takes all outgoing mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smarthost {
    /// A name, or an IP address without brackets.
    pub host: String,
    pub port: u16,
    pub tls: SmarthostTls,
    /// Only with `tls` required or implicit.
    pub credentials: Option<(String, Secret)>,
}

impl Default for Route {
    fn default() -> Route {
        Route::Mx { port: 25 }
    }
}
