//! Where a mail to a domain goes: MX hosts or smarthosts, in order, with their addresses and what TLS each must show.
//!
//! Asks [`mx`](super::mx) for hosts and addresses, MTA-STS and DANE for their security. RFC 5321 §5.1, 7505, 7672, 8461, 8689.

use super::hop::{Route, Unroutable};
use crate::clock::Clock;
use crate::config::checked::Config;
use crate::dns::Resolver;

/// The least that a mail asks of its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// What the domain's policies ask for, else opportunistic TLS.
    Usual,
    /// TLS, whatever certificate (`outbound_tls = "require"`).
    Encryption,
    /// REQUIRETLS (RFC 8689): TLS with a certificate that is verified.
    RequireTls,
}

/// Finds routes; clones are not needed, share it in an `Arc`.
#[derive(Debug)]
pub struct Router {}

/// Why there is no router.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    #[error("outbound.ca_file {path}: {reason}")]
    Roots { path: String, reason: String },
}

impl Router {
    /// With the system's certificate authorities and `outbound.ca_file`; MTA-STS policies are kept in the data directory.
    pub fn new(config: &Config, resolver: Resolver, clock: Clock) -> Result<Router, RouterError> {
        let _ = (config, resolver, clock);
        Ok(Router {})
    }

    /// The hosts for mail to this domain (canonical, or an address literal in brackets).
    pub async fn route(&self, domain: &str, demand: Demand) -> Result<Route, Unroutable> {
        let _ = demand;
        Err(Unroutable::Temporary { reason: format!("{domain}: no route yet") })
    }
}
