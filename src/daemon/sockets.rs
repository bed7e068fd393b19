//! Which sockets the daemon listens on: those systemd hands over, by name, and for the rest those of the config.
//!
//! The owner's socket comes first: whoever sees a port answer may use the commands at once.
//!
//! Names (`FileDescriptorName=`): `smtp`, `smtp-tls`, `lmtp`, `http`. A name that is handed over replaces that
//! `listen` key of the config.

use super::error::StartError;
use crate::config::checked::{Config, Endpoint};
use crate::http;
use crate::inbound::{Door, Listener};
use crate::net::listen::{self, Bound};

/// Bound, not yet accepting: peers wait in the kernel until they are.
#[derive(Debug)]
pub struct Sockets {
    pub owner: Bound,
    pub mail: Vec<Listener>,
    pub http: Vec<Bound>,
}

/// In the data directory; the commands look for it there.
pub const OWNER_SOCKET: &str = "replyd.sock";

impl Sockets {
    /// `handed_over` comes from [`listen::from_systemd`]. The store is open: its lock says that the data directory is
    /// ours, so a socket in it is nobody else's.
    pub fn bind(config: &Config, handed_over: Vec<(String, Bound)>) -> Result<Sockets, StartError> {
        let mut sockets = Sockets { owner: owner_socket(config)?, mail: Vec::new(), http: Vec::new() };
        for (name, socket) in handed_over {
            sockets.adopt(&name, socket);
        }
        for (door, endpoints) in [
            (Door::Smtp, &config.smtp.listen),
            (Door::SmtpTls, &config.smtp.listen_tls),
            (Door::Lmtp, &config.smtp.listen_lmtp),
        ] {
            if !sockets.mail.iter().any(|listener| listener.door == door) {
                let bound = bind_all(endpoints)?;
                sockets.mail.extend(bound.into_iter().map(|socket| Listener { door, socket }));
            }
        }
        if sockets.http.is_empty() {
            let endpoints: Vec<Endpoint> = config.http.listen.iter().copied().map(Endpoint::Tcp).collect();
            sockets.http = bind_all(&endpoints)?;
        }
        Ok(sockets)
    }

    fn adopt(&mut self, name: &str, socket: Bound) {
        let door = match name {
            "smtp" => Door::Smtp,
            "smtp-tls" => Door::SmtpTls,
            "lmtp" => Door::Lmtp,
            "http" => return self.http.push(socket),
            other => {
                tracing::warn!(name = other, "systemd handed over a socket of unknown name; it is closed");
                return;
            }
        };
        self.mail.push(Listener { door, socket });
    }
}

fn owner_socket(config: &Config) -> Result<Bound, StartError> {
    let path = config.server.data_dir.join(OWNER_SOCKET);
    http::listener::bind_owner_socket(&path).map_err(|reason| StartError::OwnerSocket { path, reason })
}

fn bind_all(endpoints: &[Endpoint]) -> Result<Vec<Bound>, StartError> {
    endpoints.iter().map(|endpoint| listen::bind(endpoint).map_err(|error| StartError::Bind { error })).collect()
}
