//! Why the daemon does not start, with the way out.

use super::telemetry::LogError;
use crate::config::ConfigError;
use crate::dns::ResolverError;
use crate::net::listen::BindError;
use crate::net::roots::RootsError;
use crate::net::tls::TlsError;
use crate::outbound::SendingError;
use crate::store::StoreError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}; mend tls.certificate and tls.key in the config, replyd check says more")]
    Tls(#[from] TlsError),
    #[error("{error}; {way_out}", way_out = bind_way_out(error))]
    Bind {
        #[source]
        error: BindError,
    },
    #[error("cannot listen on {path}: {reason}; see docs/OPERATIONS.md", path = path.display())]
    OwnerSocket { path: PathBuf, reason: io::Error },
    #[error("cannot take over systemd's sockets: {0}; see systemd/replyd.socket")]
    Systemd(io::Error),
    #[error("{0}; name reachable servers in dns.servers")]
    Resolver(#[from] ResolverError),
    #[error("{0}; replyd check says more")]
    Sending(#[from] SendingError),
    #[error("outbound.ca_file: {0}")]
    Roots(#[from] RootsError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

fn bind_way_out(error: &BindError) -> &'static str {
    if error.endpoint.starts_with('/') {
        return "make its folder for the daemon's user, or change smtp.listen_lmtp in the config";
    }
    match error.reason.kind() {
        io::ErrorKind::AddrInUse => "another process listens there: stop it, or change listen in the config",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need systemd/replyd.socket or the capability CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: change listen in the config",
        _ => "change listen in the config",
    }
}

impl StartError {
    /// Whether an unchanged config can never work.
    pub fn blames_config(&self) -> bool {
        match self {
            StartError::Config(_)
            | StartError::Log(_)
            | StartError::Tls(_)
            | StartError::Resolver(_)
            | StartError::Sending(_)
            | StartError::Roots(_) => true,
            StartError::Bind { error } => error.reason.kind() != io::ErrorKind::AddrInUse,
            StartError::OwnerSocket { .. } | StartError::Systemd(_) | StartError::Store(_) | StartError::System(_) => {
                false
            }
        }
    }

    /// The address that another process holds, if that is the reason.
    pub fn taken_address(&self) -> Option<&str> {
        match self {
            StartError::Bind { error } if error.reason.kind() == io::ErrorKind::AddrInUse => Some(&error.endpoint),
            _ => None,
        }
    }
}
