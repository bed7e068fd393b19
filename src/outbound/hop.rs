//! Where a mail goes next and how that host is to be spoken to: what routing decides and a session obeys.

use crate::config::secret::Secret;
use std::net::SocketAddr;
use std::time::Duration;

/// RFC 2308 §5: a negative answer may be held for a while; ours are for at most this long.
pub const NO_SUCH_DOMAIN_ASKED_AGAIN: Duration = Duration::from_secs(900);

/// The hosts to try for one recipient domain, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What shares a concurrency budget: the names of the best MX hosts, so that every domain at one provider counts as one
    /// site; the name of a smarthost.
    pub site: String,
    pub hops: Vec<Hop>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Also the SNI name.
    pub host: String,
    /// At most five, both families mixed.
    pub addresses: Vec<SocketAddr>,
    pub security: Security,
    pub credentials: Option<Credentials>,
}

/// What a connection must be before mail goes over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    pub tls: TlsMode,
    pub verification: Verification,
    /// Who asks for it, for `delivery.tls` and errors: `opportunistic`, `mta-sts`, `dane`, `requiretls`, `config`.
    pub because: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never TLS.
    None,
    /// STARTTLS where it works; plaintext where it is not offered or broken.
    Opportunistic,
    /// STARTTLS or nothing.
    Required,
    /// TLS from the first octet.
    Implicit,
}

/// What a certificate is checked against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verification {
    /// Opportunistic: any certificate.
    Nothing,
    /// A chain to a root of the system, and the host's own name.
    HostName,
    /// TLSA records (RFC 7672) from a validated answer.
    Dane(Dane),
}

/// What a certificate has to match: any one of the records suffices.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dane {
    /// Usable ones only, at least one.
    pub records: Vec<TlsaRecord>,
    /// RFC 7672 §3.2.2: beside the host's own name, the name that DANE-TA(2) certificates may be for; `None` without such a
    /// record, so that domains at one host can share a connection.
    pub next_hop: Option<String>,
}

/// RFC 6698 §2.1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsaRecord {
    pub usage: u8,
    pub selector: u8,
    pub matching: u8,
    pub data: Vec<u8>,
}

/// For AUTH, which is used over TLS only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

/// Why there is no route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unroutable {
    /// Null MX, loop to ourselves, no host that may be dialled: `enhanced` as in RFC 3463, e.g. `5.1.10`.
    Permanent { enhanced: &'static str, reason: String },
    /// NXDOMAIN: permanent (`5.1.2`) only if it is still so when asked again after [`NO_SUCH_DOMAIN_ASKED_AGAIN`], for a domain
    /// may be brand-new and a negative answer old.
    NoSuchDomain { reason: String },
    /// The mail needs more (REQUIRETLS, `outbound_tls = "require"`) than any host of the domain can prove: RFC 8689 §4.2.1 has it
    /// returned as `5.7.30`.
    PolicyUnmet { enhanced: &'static str, reason: String },
    /// DNS trouble, a policy that cannot be had: later.
    Temporary { reason: String },
}
