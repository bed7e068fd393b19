//! The config as a command in a shell sees it. Credentials and variables are the service's: where they are not here, the rest is
//! checked all the same with a stand-in, and what could not be checked is told. `serve` is not so kind.

use super::check::Finding;
use crate::config::checked::Config;
use crate::config::secret::{Secret, Surroundings};
use crate::config::{self, ConfigError};
use crate::sender_auth::own_key::{KeyKind, new_key};
use std::cell::RefCell;
use std::io;
use std::path::Path;

/// A config, and what of it is only in the service's hands.
#[derive(Debug)]
pub struct ShellConfig {
    pub config: Config,
    absent: Vec<Absent>,
    stand_in: Secret,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Absent {
    Credential(String),
    Variable(String),
}

impl ShellConfig {
    pub fn load(file: &Path) -> Result<ShellConfig, ConfigError> {
        // Good for every secret: as a password it is text, as a DKIM key it signs.
        let stand_in = new_key(KeyKind::Ed25519).unwrap_or_default().trim_end().to_owned();
        let told = std::env::var("CREDENTIALS_DIRECTORY").ok();
        let folder = told.clone().unwrap_or_else(|| SERVICE_CREDENTIALS.to_owned());
        let absent = RefCell::new(Vec::new());
        let environment = |name: &str| match (name, std::env::var(name)) {
            ("CREDENTIALS_DIRECTORY", _) => Some(folder.clone()),
            (_, Ok(value)) => Some(value),
            (name, Err(_)) => {
                absent.borrow_mut().push(Absent::Variable(name.to_owned()));
                Some(stand_in.clone())
            }
        };
        let read_file = |path: &Path| -> io::Result<String> {
            match (std::fs::read_to_string(path), credential(path, &folder)) {
                // Whoever names a folder is told what it lacks.
                (Err(_), Some(name)) if told.is_none() => {
                    absent.borrow_mut().push(Absent::Credential(name));
                    Ok(stand_in.clone())
                }
                (read, _) => read,
            }
        };
        let surroundings = Surroundings { environment: &environment, read_file: &read_file, ..Surroundings::SYSTEM };
        let config = config::load_in(file, surroundings)?;
        let files = config.tls.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        let unread = files.filter(|path| told.is_none() && std::fs::File::open(path).is_err());
        let mut absent = absent.take();
        absent.extend(unread.filter_map(|path| credential(path, &folder)).map(Absent::Credential));
        absent.dedup();
        Ok(ShellConfig { config, absent, stand_in: Secret::from(stand_in) })
    }

    /// The config without the DKIM keys that are not here: what the DNS says of stand-ins means nothing.
    pub fn with_own_keys(&self) -> Config {
        let mut config = self.config.clone();
        for account in &mut config.accounts {
            account.dkim.retain(|key| self.is_here(&key.key));
        }
        config
    }

    pub fn is_here(&self, secret: &Secret) -> bool {
        *secret != self.stand_in
    }

    /// Whether every certificate and key can be looked at.
    pub fn has_tls(&self) -> bool {
        let folder = Path::new(SERVICE_CREDENTIALS);
        let names = self.absent.iter().filter_map(|absent| match absent {
            Absent::Credential(name) => Some(folder.join(name)),
            Absent::Variable(_) => None,
        });
        let mut paths = self.config.tls.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        let names: Vec<_> = names.collect();
        !paths.any(|path| names.contains(path))
    }

    /// What could not be checked.
    pub fn unchecked(&self) -> Vec<Finding> {
        self.absent.iter().map(|absent| Finding::warning(absent.to_string())).collect()
    }
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Absent::Credential(name) => write!(
                f,
                "credential {name}: it cannot be checked from here; the unit must have LoadCredential={name}:FILE, then systemctl \
                 daemon-reload and restart (CREDENTIALS_DIRECTORY=FOLDER replyd check looks for it in a folder)"
            ),
            Absent::Variable(name) => write!(
                f,
                "env {name}: it is not set here, so it cannot be checked; the unit must set it (Environment= or EnvironmentFile=)"
            ),
        }
    }
}

/// The name of the credential that this file is.
fn credential(path: &Path, folder: &str) -> Option<String> {
    path.strip_prefix(folder).ok().map(|name| name.display().to_string())
}

/// Where systemd puts the credentials of replyd.service; root may read them while it runs.
const SERVICE_CREDENTIALS: &str = "/run/credentials/replyd.service";
