//! SIGHUP: the config and the certificates are read again. What is wrong is refused as a whole and the old stays.

use super::composition::Running;
use crate::config::checked::Config;
use crate::config::{self, ConfigError};
use crate::net::roots::{self, RootsError};
use crate::net::tls::TlsError;
use crate::outbound::SendingError;
use crate::store::outgoing::OutgoingSettings;
use std::path::Path;
use std::sync::Arc;

/// Why the config in use stays.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Sending(#[from] SendingError),
    #[error("outbound.ca_file: {0}")]
    Roots(#[from] RootsError),
}

/// Takes the file's config, or says in the log why not. Running sessions keep the limits they began with.
pub fn reload(path: &Path, running: &Running) {
    let taken = take(path, running);
    if taken.is_ok() {
        super::serve::warn_of_ingresses(&running.services.config.load());
    }
    match taken {
        Ok(ignored) if ignored.is_empty() => tracing::info!(path = %path.display(), "the config was reloaded"),
        Ok(ignored) => {
            let keys = ignored.join(", ");
            tracing::warn!(path = %path.display(), keys, "the config was reloaded; these keys need a restart");
        }
        Err(error) => tracing::error!(%error, "the new config is refused, the old one stays in use; run replyd check"),
    }
}

fn take(path: &Path, running: &Running) -> Result<Vec<&'static str>, Refused> {
    let new = config::load(path)?;
    let old = running.services.config.load_full();
    let ignored = needs_restart(&old, &new);
    // What is bound and opened stays what it is, and every reader must see that.
    let kept = Config { server: old.server.clone(), smtp: kept_listeners(&old, &new), http: old.http.clone(), ..new };
    let kept = Arc::new(kept);
    // Keys, templates and certificates first: if one of them is broken nothing has changed yet.
    let sending = running.sending.load(Arc::clone(&kept))?;
    let roots = roots::load(kept.outbound.ca_file.as_deref())?;
    running.services.tls.reload(&kept.tls)?;
    running.sending.take(sending);
    let (hostname, give_up) = (kept.server.hostname.clone(), kept.outbound.give_up);
    let budgets = kept.limits.mail_budgets.clone();
    running.services.store.set_outgoing(OutgoingSettings { hostname, give_up, budgets });
    running.services.config.store(kept);
    running.hooks.client.trust(roots);
    running.hooks.reloaded();
    Ok(ignored)
}

fn kept_listeners(old: &Config, new: &Config) -> crate::config::checked::Smtp {
    let mut smtp = new.smtp.clone();
    smtp.listen.clone_from(&old.smtp.listen);
    smtp.listen_tls.clone_from(&old.smtp.listen_tls);
    smtp.listen_lmtp.clone_from(&old.smtp.listen_lmtp);
    smtp
}

/// Keys whose change a reload cannot follow.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let changed = [
        ("server.hostname", old.server.hostname != new.server.hostname),
        ("server.data_dir", old.server.data_dir != new.server.data_dir),
        ("smtp.listen", old.smtp.listen != new.smtp.listen),
        ("smtp.listen_tls", old.smtp.listen_tls != new.smtp.listen_tls),
        ("smtp.listen_lmtp", old.smtp.listen_lmtp != new.smtp.listen_lmtp),
        ("http", old.http != new.http),
        ("dns", old.dns != new.dns),
    ];
    changed.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Surroundings;

    fn config(text: &str) -> Config {
        let text = format!("[server]\nhostname = \"mx.example.com\"\n{text}");
        config::parse(Path::new("/etc/replyd/replyd.toml"), &text, Surroundings::SYSTEM).expect("a good config")
    }

    #[test]
    fn a_reload_says_what_it_cannot_follow() {
        let old = config("");
        assert_eq!(needs_restart(&old, &config("[limits]\nsessions = 5\n")), Vec::<&str>::new());
        let new = config("[smtp]\nlisten = [\"127.0.0.1:2526\"]\n[dns]\nservers = [\"127.0.0.1\"]\n");
        assert_eq!(needs_restart(&old, &new), ["smtp.listen", "dns"]);
        assert_eq!(kept_listeners(&old, &new).listen, old.smtp.listen);
    }
}
