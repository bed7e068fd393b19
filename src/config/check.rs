//! From the text of a config to its checked form. Pure but for the secrets and files that it is given means to read.

use super::checked::{
    Account, Certificate, Config, DkimKey, Dns, Endpoint, ForgedPolicy, Http, Inbox, IngressSecret, IngressSecrets,
    Network, Server, Smtp, TEMPLATE_NAMES, TemplateFile, Voice,
};
use super::error::{ConfigError, Source};
use super::file::{self, File, KeyFile};
use super::permission;
use super::secret::{Secret, SecretSource, Surroundings};
use super::units::Url;
use crate::conversation::delivery::UNSEEN_DELAY;
use crate::conversation::model::Channel;
use crate::conversation::quiet_hours::{QuietHours, is_time_zone};
use crate::limits::Limits;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

/// Reads and checks the file.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    load_in(path, Surroundings::SYSTEM)
}

/// Reads and checks the file, with secrets from elsewhere.
pub fn load_in(path: &Path, surroundings: Surroundings<'_>) -> Result<Config, ConfigError> {
    parse(path, &read(path)?, surroundings)
}

/// Where the daemon of this config keeps its socket; no secret is read, so any user may ask.
pub fn data_dir(path: &Path) -> Result<PathBuf, ConfigError> {
    let text = read(path)?;
    let file = written(Source { path, text: &text })?;
    Ok(checked_data_dir(&file, base(path)))
}

/// The name servers of this config; no secret is read, so any user may ask.
pub fn name_servers(path: &Path) -> Result<Vec<SocketAddr>, ConfigError> {
    let text = read(path)?;
    Ok(name_servers_of(&written(Source { path, text: &text })?))
}

fn name_servers_of(file: &File) -> Vec<SocketAddr> {
    file.dns.servers.iter().map(|server| server.0).collect()
}

/// The files that hold secrets; the config itself is one of them if a secret stands in it.
pub fn secret_files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let text = read(path)?;
    let file = written(Source { path, text: &text })?;
    let place = |source: &SecretSource| match source {
        SecretSource::File(file) => Some(base(path).join(file)),
        SecretSource::Text(_) => Some(path.to_owned()),
        SecretSource::Environment(_) | SecretSource::Credential(_) => None,
    };
    let mut files: Vec<PathBuf> = file.secrets().filter_map(place).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// The config of this text, as if it stood in the file `path`.
pub fn parse(path: &Path, text: &str, surroundings: Surroundings<'_>) -> Result<Config, ConfigError> {
    let source = Source { path, text };
    let file = written(source)?;
    Checker { source, base: base(path), surroundings }.config(&file)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.into(), reason: unreadable(path, &error) })
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let way_out = match error.kind() {
        std::io::ErrorKind::PermissionDenied => return format!("{error}{}", permission::way_out(path, error)),
        std::io::ErrorKind::InvalidData => "a text in UTF-8 is expected",
        _ => "name another file with --config or $REPLYD_CONFIG, or make one with replyd init",
    };
    format!("{error}; {way_out}")
}

fn written(source: Source<'_>) -> Result<File, ConfigError> {
    toml::from_str(source.text).map_err(|error| source.unparsable(&error))
}

/// Relative paths in a config are relative to the config's own folder.
fn base(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

fn checked_data_dir(file: &File, base: &Path) -> PathBuf {
    base.join(file.server.data_dir.as_deref().unwrap_or(Path::new("/var/lib/replyd")))
}

pub(super) struct Checker<'a> {
    source: Source<'a>,
    pub(super) base: &'a Path,
    surroundings: Surroundings<'a>,
}

pub(super) type Checked<T> = Result<T, ConfigError>;

impl Checker<'_> {
    fn config(&self, file: &File) -> Checked<Config> {
        let config = Config {
            server: Server { hostname: file.server.hostname.0.clone(), data_dir: checked_data_dir(file, self.base) },
            smtp: smtp(&file.smtp),
            http: self.http(&file.http)?,
            tls: self.tls(file)?,
            dns: Dns { servers: name_servers_of(file) },
            outbound: self.outbound(&file.outbound)?,
            limits: Arc::new(limits(&file.limits)),
            accounts: file.account.iter().map(|account| self.account(account)).collect::<Checked<_>>()?,
        };
        self.no_doubles(file)?;
        Ok(config)
    }

    fn http(&self, http: &file::Http) -> Checked<Http> {
        let listen = match &http.listen {
            None => vec![DEFAULT_HTTP],
            Some(listen) => listen
                .get_ref()
                .iter()
                .map(|endpoint| match endpoint {
                    Endpoint::Tcp(address) => Ok(*address),
                    Endpoint::Unix(_) => Err(self.refuse(listen, "HTTP listens on IP addresses and ports; its Unix socket is replyd.sock in the data directory, always")),
                })
                .collect::<Checked<_>>()?,
        };
        let own = || format!("http://{}", listen.first().unwrap_or(&DEFAULT_HTTP));
        let public_url = http.public_url.as_ref().map_or_else(own, |Url(url)| url.clone());
        let forwarded_from = http.forwarded_from.clone().unwrap_or_else(|| LOOPBACK.to_vec());
        Ok(Http { listen, public_url, forwarded_from })
    }

    fn tls(&self, file: &File) -> Checked<Vec<Certificate>> {
        let Some(tls) = &file.tls else {
            return match &file.smtp.listen_tls {
                Some(listen) if !listen.get_ref().is_empty() => {
                    Err(self.refuse(listen, "implicit TLS needs a certificate: add [tls] with certificate and key"))
                }
                Some(_) | None => Ok(Vec::new()),
            };
        };
        let first = self.certificate(&tls.certificate, &tls.key)?;
        let others = tls.additional.iter().map(|pair| self.certificate(&pair.certificate, &pair.key));
        std::iter::once(Ok(first)).chain(others).collect()
    }

    fn certificate(&self, certificate: &Spanned<KeyFile>, key: &Spanned<KeyFile>) -> Checked<Certificate> {
        Ok(Certificate { certificate: self.key_file(certificate)?, key: self.key_file(key)? })
    }

    fn key_file(&self, file: &Spanned<KeyFile>) -> Checked<PathBuf> {
        match file.get_ref() {
            KeyFile::Path(path) => Ok(self.base.join(path)),
            KeyFile::Credential(name) => {
                self.surroundings.credential_path(name).map_err(|reason| self.refuse(file, &reason))
            }
        }
    }

    fn account(&self, account: &file::Account) -> Checked<Account> {
        let voice = Voice {
            display_name: account.display_name.as_ref().map_or(&account.name.get_ref().0, |name| &name.0).clone(),
            language: account.language.unwrap_or_default(),
            history: account.history.unwrap_or_default(),
        };
        Ok(Account {
            name: account.name.get_ref().0.clone(),
            inbound_domain: account.inbound_domain.get_ref().0.clone(),
            forged: match account.forged {
                Some(file::Forged::Keep) => ForgedPolicy::Keep,
                Some(file::Forged::Reject) | None => ForgedPolicy::Reject,
            },
            outbound_tls: account.outbound_tls.unwrap_or_default(),
            trusted_arc_sealers: account.trusted_arc_sealers.iter().map(|domain| domain.0.clone()).collect(),
            continuity: account.continuity.unwrap_or(true),
            dkim: account.dkim.iter().map(|key| self.dkim(key)).collect::<Checked<_>>()?,
            ingress: self.ingress(&account.ingress),
            webhooks: account.webhooks.iter().map(|hook| self.webhook(hook)).collect::<Checked<_>>()?,
            bridge: account.bridge.as_ref().map(|bridge| self.bridge(bridge)).transpose()?,
            inboxes: account.inbox.iter().map(|inbox| self.inbox(inbox, &voice)).collect::<Checked<_>>()?,
            voice,
            templates: account.templates.as_ref().map_or(Ok(Vec::new()), |folder| self.templates(folder))?,
        })
    }

    fn templates(&self, folder: &Spanned<PathBuf>) -> Checked<Vec<TemplateFile>> {
        let mut found = Vec::new();
        for name in TEMPLATE_NAMES {
            let path = self.base.join(folder.get_ref()).join(name);
            match (self.surroundings.read_file)(&path) {
                Ok(text) => found.push(TemplateFile { name, path, text }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.refuse(folder, &format!("cannot read {}: {error}", path.display()))),
            }
        }
        if found.is_empty() {
            let names = TEMPLATE_NAMES.join(", ");
            return Err(self.refuse(folder, &format!("there is no template in this folder; their names are {names}")));
        }
        Ok(found)
    }

    fn dkim(&self, dkim: &file::Dkim) -> Checked<DkimKey> {
        let key = self.secret(&dkim.key)?;
        self.private(&dkim.key)?;
        if !key.expose().contains("-----BEGIN PRIVATE KEY-----") {
            return Err(
                self.refuse(&dkim.key, "a private key in PKCS#8 PEM form is expected, as replyd init writes it")
            );
        }
        Ok(DkimKey { domain: dkim.domain.0.clone(), selector: dkim.selector.0.clone(), key })
    }

    /// Whoever has the key writes mail in the domain's name. A group may read it: that is how a service gets at it.
    fn private(&self, source: &Spanned<SecretSource>) -> Checked<()> {
        let SecretSource::File(file) = source.get_ref() else { return Ok(()) };
        match (self.surroundings.file_mode)(&self.base.join(file)) {
            Some(mode) if mode & 0o027 != 0 => {
                let message =
                    format!("others than its owner and group may use this key (mode {mode:o}); chmod g-w,o-rwx it");
                Err(self.refuse(source, &message))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn ingress(&self, ingress: &file::Ingress) -> IngressSecrets {
        let read = |secret: Option<&Spanned<SecretSource>>| secret.map(|secret| self.ingress_secret(secret.get_ref()));
        let (usual, mailgun, sendgrid) =
            (IngressSecrets::default(), ingress.mailgun.as_ref(), ingress.sendgrid.as_ref());
        let freshness = mailgun.and_then(|door| door.freshness).map(|time| time.0);
        let safe_status = sendgrid.and_then(|door| door.safe_status);
        IngressSecrets {
            relay: read(ingress.relay.as_ref().map(|door| &door.password)),
            postmark: read(ingress.postmark.as_ref().map(|door| &door.password)),
            sendgrid: read(sendgrid.map(|door| &door.password)),
            sendgrid_safe_status: safe_status.unwrap_or(usual.sendgrid_safe_status),
            mailgun_signing_key: read(mailgun.map(|door| &door.signing_key)),
            mailgun_freshness: freshness.unwrap_or(usual.mailgun_freshness),
            mandrill_api_key: read(ingress.mandrill.as_ref().map(|door| &door.api_key)),
        }
    }

    /// One ingress without its secret must not keep the MX from starting.
    fn ingress_secret(&self, source: &SecretSource) -> IngressSecret {
        match source.read(self.base, self.surroundings) {
            Ok(secret) if secret.expose().trim().is_empty() => IngressSecret::Missing("the secret is blank".to_owned()),
            Ok(secret) => IngressSecret::Ready(secret),
            Err(reason) => IngressSecret::Missing(reason),
        }
    }

    fn inbox(&self, inbox: &file::Inbox, voice: &Voice) -> Checked<Inbox> {
        let channel = inbox.channel.as_ref().map_or(Channel::Widget, |channel| *channel.get_ref());
        if let (Channel::Email, None, Some(key)) = (channel, &inbox.address, &inbox.channel) {
            return Err(self.refuse(key, "an inbox of channel email needs the key address"));
        }
        let time = |time: Option<super::units::Time>, usual| time.map_or(usual, |time| time.0);
        let (time_zone, quiet_hours) = self.quiet_hours(inbox)?;
        Ok(Inbox {
            name: inbox.name.get_ref().0.clone(),
            channel,
            address: inbox.address.as_ref().map(|address| address.get_ref().0.clone()),
            offline_delay: time(inbox.offline_delay, Duration::from_secs(120)),
            unseen_delay: time(inbox.unseen_delay, UNSEEN_DELAY),
            quiet_hours,
            time_zone,
            undo_window: time(inbox.undo_window, Duration::from_secs(10)),
            resume_url: inbox.resume_url.as_ref().map_or_else(String::new, |url| url.0.clone()),
            notify_agents: inbox.notify_agents.unwrap_or(true),
            voice: Voice {
                display_name: inbox.display_name.as_ref().map_or(&voice.display_name, |name| &name.0).clone(),
                language: inbox.language.unwrap_or(voice.language),
                history: inbox.history.unwrap_or(voice.history),
            },
            bridge: inbox.bridge.as_ref().map(|bridge| self.inbox_bridge(inbox, bridge)).transpose()?,
            widget: self.widget(inbox, channel)?,
        })
    }

    fn quiet_hours(&self, inbox: &file::Inbox) -> Checked<(String, Option<QuietHours>)> {
        let time_zone = inbox.time_zone.as_ref().map_or("UTC", |zone| zone.get_ref());
        if let Some(zone) = inbox.time_zone.as_ref().filter(|_| !is_time_zone(time_zone)) {
            return Err(self.refuse(zone, "a time zone by its IANA name is expected, such as \"Europe/Berlin\""));
        }
        let Some(hours) = &inbox.quiet_hours else { return Ok((time_zone.to_owned(), None)) };
        match QuietHours::parse(hours.get_ref(), time_zone) {
            Some(quiet) => Ok((time_zone.to_owned(), Some(quiet))),
            None => Err(self.refuse(hours, "two different times of day are expected, such as \"22:00-07:00\"")),
        }
    }

    /// A mail must belong to one account and one inbox, and an API call must name one.
    fn no_doubles(&self, file: &File) -> Checked<()> {
        let (mut names, mut domains, mut addresses) = (HashSet::new(), HashSet::new(), HashSet::new());
        for account in &file.account {
            self.first(&mut names, &account.name, "another account has this name")?;
            self.first(&mut domains, &account.inbound_domain, "another account has this domain")?;
            self.no_double_hooks(account)?;
            let mut inboxes = HashSet::new();
            for inbox in &account.inbox {
                self.first(&mut inboxes, &inbox.name, "another inbox of this account has this name")?;
                if let Some(address) = &inbox.address {
                    self.first(&mut addresses, address, "another inbox has this address")?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn first<'f, T: Eq + std::hash::Hash>(
        &self,
        seen: &mut HashSet<&'f T>,
        value: &'f Spanned<T>,
        message: &str,
    ) -> Checked<()> {
        if seen.insert(value.get_ref()) { Ok(()) } else { Err(self.refuse(value, message)) }
    }

    pub(super) fn secret(&self, source: &Spanned<SecretSource>) -> Checked<Secret> {
        source.get_ref().read(self.base, self.surroundings).map_err(|reason| self.refuse(source, &reason))
    }

    pub(super) fn refuse<T>(&self, key: &Spanned<T>, message: &str) -> ConfigError {
        self.source.refuse(key.span(), message)
    }
}

fn smtp(smtp: &file::Smtp) -> Smtp {
    let port_25 = || vec![Endpoint::Tcp(ANY_V4_PORT_25), Endpoint::Tcp(ANY_V6_PORT_25)];
    Smtp {
        listen: smtp.listen.clone().unwrap_or_else(port_25),
        listen_tls: smtp.listen_tls.as_ref().map_or_else(Vec::new, |listen| listen.get_ref().clone()),
        listen_lmtp: smtp.listen_lmtp.clone(),
        proxy_from: smtp.proxy_from.clone(),
        xclient_from: smtp.xclient_from.clone(),
    }
}

fn limits(overrides: &file::LimitOverrides) -> Limits {
    let mut limits = Limits::default();
    let set_count = |limit: &mut usize, written: Option<u32>| {
        *limit = written.and_then(|count| usize::try_from(count).ok()).unwrap_or(*limit);
    };
    let set_rate = |limit: &mut u32, written: Option<u32>| *limit = written.unwrap_or(*limit);
    let set_octets =
        |limit: &mut u64, written: Option<super::units::Size>| *limit = written.map_or(*limit, |size| size.0);
    let set_time =
        |limit: &mut Duration, written: Option<super::units::Time>| *limit = written.map_or(*limit, |time| time.0);
    set_count(&mut limits.recipients_max, overrides.recipients.map(|n| n.0));
    set_count(&mut limits.mails_per_session_max, overrides.mails_per_session.map(|n| n.0));
    set_count(&mut limits.hops_max, overrides.hops.map(|n| n.0));
    set_count(&mut limits.sessions_max, overrides.sessions.map(|n| n.0));
    set_count(&mut limits.sessions_per_client_max, overrides.sessions_per_client.map(|n| n.0));
    set_count(&mut limits.sessions_per_network_max, overrides.sessions_per_network.map(|n| n.0));
    set_count(&mut limits.unknown_recipients_max, overrides.unknown_recipients.map(|n| n.0));
    set_rate(&mut limits.connections_per_minute_max, overrides.connections_per_minute.map(|n| n.0));
    set_rate(&mut limits.mails_per_minute_max, overrides.mails_per_minute.map(|n| n.0));
    set_rate(&mut limits.recipients_per_minute_max, overrides.recipients_per_minute.map(|n| n.0));
    set_octets(&mut limits.mail_octets_max, overrides.mail_size);
    set_octets(&mut limits.content_octets_in_flight_max, overrides.content_in_flight);
    set_octets(&mut limits.disk_free_octets_min, overrides.disk_free);
    limits.disk_free_inodes_min =
        overrides.disk_free_inodes.map_or(limits.disk_free_inodes_min, |count| u64::from(count.0));
    set_time(&mut limits.greeting_delay, overrides.greeting_delay);
    set_time(&mut limits.command_timeout, overrides.command_timeout);
    set_time(&mut limits.data_block_timeout, overrides.data_block_timeout);
    set_time(&mut limits.data_timeout, overrides.data_timeout);
    set_time(&mut limits.session_without_mail_timeout, overrides.session_without_mail_timeout);
    set_time(&mut limits.tls_handshake_timeout, overrides.tls_handshake_timeout);
    set_time(&mut limits.authentication_timeout, overrides.authentication_timeout);
    set_time(&mut limits.filing_timeout, overrides.filing_timeout);
    set_time(&mut limits.drain_timeout, overrides.drain_timeout);
    let budgets = &mut limits.mail_budgets;
    set_count(&mut budgets.looping, overrides.looping_mails_per_hour.map(|n| n.0));
    set_count(&mut budgets.answers, overrides.answers_per_hour.map(|n| n.0));
    set_count(&mut budgets.notifications, overrides.chat_notifications_per_hour.map(|n| n.0));
    set_count(&mut budgets.claimed, overrides.unproven_address_mails_per_hour.map(|n| n.0));
    set_count(&mut budgets.agent, overrides.agent_notifications_per_hour.map(|n| n.0));
    limits
}

const LOOPBACK: [Network; 2] = [
    Network { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 },
    Network { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix: 128 },
];
const DEFAULT_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8025);
const ANY_V4_PORT_25: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 25);
const ANY_V6_PORT_25: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 25);
