//! `replyd check`: the config and what it needs on this machine, one line per finding with what to do. Changes
//! nothing.

use super::failure::{Done, Exit, Failure};
use super::print::{json, one_line, say};
use super::shell_config::ShellConfig;
use crate::clock::{Clock, UnixMs};
use crate::config::checked::{Account, Config, Endpoint, Inbox};
use crate::conversation::keys::Keys;
use crate::net::listen;
use crate::net::tls::Tls;
use crate::outbound::compose::Sender;
use crate::sender_auth::own_key;
use crate::sender_auth::{Alignment, Signer};
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Also the DNS records that mail needs, and whether this host answers as their MX
    #[arg(long)]
    dns: bool,
    /// The port at which other mail servers reach this host
    #[arg(long, requires = "dns", default_value_t = 25, value_name = "PORT")]
    mx_port: u16,
    /// Whose mail host is dialled to see whether port 25 is open on the way out; "" dials nobody
    #[arg(long, requires = "dns", default_value = "gmail.com", value_name = "DOMAIN")]
    reach: String,
    #[arg(long)]
    json: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Ok,
    Warning,
    Error,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// What was looked at, what was found, and what to do.
    pub line: String,
}

impl Finding {
    pub fn ok(line: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, line: line.into() }
    }

    pub fn warning(line: impl Into<String>) -> Finding {
        Finding { level: Level::Warning, line: line.into() }
    }

    pub fn error(line: impl Into<String>) -> Finding {
        Finding { level: Level::Error, line: line.into() }
    }
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

pub fn run(config_file: &Path, args: &CheckArgs) -> Done {
    let findings = findings(config_file, args);
    if args.json {
        let lines = findings.iter().map(|finding| json!({ "level": finding.level.word(), "finding": finding.line }));
        json(&json!({ "items": lines.collect::<Vec<_>>() }));
    } else {
        for finding in &findings {
            say!("{:<8} {}", finding.level.word(), one_line(&finding.line));
        }
    }
    let errors = findings.iter().filter(|finding| finding.level == Level::Error).count();
    match errors {
        0 => Ok(()),
        count => Err(Failure::new(Exit::Config, format!("{}: {count} to mend, see above", config_file.display()))),
    }
}

fn findings(config_file: &Path, args: &CheckArgs) -> Vec<Finding> {
    let shell = match ShellConfig::load(config_file) {
        Ok(shell) => shell,
        Err(error) => return vec![Finding::error(error.to_string())],
    };
    let config = &shell.config;
    let mut findings = vec![Finding::ok(format!("{}: every key is known and allowed", config_file.display()))];
    findings.extend(shell.unchecked());
    findings.extend(accounts(&shell));
    findings.extend(super::check_doors::findings(config));
    findings.extend(sender(config));
    findings.extend(super::check_hooks::findings(config));
    findings.extend(super::check_outbound::findings(config));
    if shell.has_tls() {
        findings.extend(tls(config));
    }
    findings.extend(secret_modes(config_file));
    findings.extend(super::check_access::findings(config_file, config));
    findings.push(data_dir(&config.server.data_dir));
    findings.extend(full_disk(config));
    let socket = config.server.data_dir.join(crate::daemon::sockets::OWNER_SOCKET);
    findings.extend(too_long("server.data_dir", &socket));
    let running = UnixStream::connect(socket).is_ok();
    findings.extend(ports(config, &if running { In::Use } else { In::Rest }));
    if args.dns {
        findings.extend(super::check_dns::findings(&shell.with_own_keys(), args.mx_port, &args.reach));
    }
    findings
}

/// Whether the daemon of this config is running.
enum In {
    Use,
    Rest,
}

fn accounts(shell: &ShellConfig) -> Vec<Finding> {
    let (config, mut findings) = (&shell.config, Vec::new());
    if config.accounts.is_empty() {
        findings.push(Finding::warning("account: there is none, so every mail is refused; add [[account]]"));
    }
    for account in config.accounts.iter().filter(|account| account.inboxes.is_empty() && account.bridge.is_none()) {
        findings.push(Finding::warning(format!(
            "account {}: it has no inbox, so no conversation can begin; add [[account.inbox]]",
            account.name
        )));
    }
    for address in config.http.listen.iter().filter(|address| !address.ip().is_loopback()) {
        findings.push(Finding::warning(format!(
            "http.listen {address}: API tokens cross the network in the clear; listen on loopback behind a TLS proxy"
        )));
    }
    findings.extend(config.accounts.iter().flat_map(|account| dkim_keys(shell, account)));
    findings
}

fn dkim_keys(shell: &ShellConfig, account: &Account) -> Vec<Finding> {
    let check = |key: &crate::config::checked::DkimKey| {
        let name = format!("account {}: DKIM key {}._domainkey.{}", account.name, key.selector, key.domain);
        match own_key::public_half(key.key.expose()) {
            Some(_) => Finding::ok(name),
            None => Finding::error(format!(
                "{name}: it is no RSA or Ed25519 private key in PKCS#8 PEM form; make one with replyd init"
            )),
        }
    };
    account.dkim.iter().filter(|key| shell.is_here(&key.key)).map(check).collect()
}

/// Whether mail can be composed and signed, and by whom it is signed.
fn sender(config: &Config) -> Vec<Finding> {
    if let Err(error) = Sender::new(config, Keys::new(&[0; 32])) {
        return vec![Finding::error(error.to_string())];
    }
    let signed = config.accounts.iter().filter(|account| !account.dkim.is_empty());
    signed.flat_map(|account| account.inboxes.iter().filter_map(|inbox| foreign_address(account, inbox))).collect()
}

fn foreign_address(account: &Account, inbox: &Inbox) -> Option<Finding> {
    let address = inbox.address.as_deref()?;
    let (_, domain) = address.rsplit_once('@')?;
    let signer = Signer::load(&account.dkim).ok()?;
    (signer.alignment(domain) == Alignment::Foreign).then(|| {
        Finding::warning(format!(
            "account {}: mail from {address} is signed by no DKIM key of {domain}, so DMARC does not count its signatures; \
             add a key for {domain} to dkim",
            account.name
        ))
    })
}

fn tls(config: &Config) -> Vec<Finding> {
    if config.tls.is_empty() {
        return vec![Finding::warning("tls: there is no certificate, so mail arrives unencrypted; add [tls]")];
    }
    let loaded = match Tls::load(&config.tls) {
        Ok(loaded) => loaded,
        Err(error) => {
            let line = format!(
                "tls: {error}; mend tls.certificate and tls.key, which take a chain and its own key in PEM form"
            );
            return vec![Finding::error(line)];
        }
    };
    let now = Clock::System.now();
    let age = |(file, not_after): (std::path::PathBuf, UnixMs)| {
        let name = format!("tls certificate {}: valid until {}", file.display(), not_after.rfc3339());
        match (not_after.seconds() - now.seconds()) / 86_400 {
            ..0 => Finding::error(format!("{name}; renew it")),
            0..14 => Finding::warning(format!("{name}; renew it soon")),
            _ => Finding::ok(name),
        }
    };
    let modes = config.tls.iter().filter_map(|pair| mode(&pair.key));
    let names = wrong_name(config).into_iter();
    loaded.not_after().into_iter().map(age).chain(names).chain(modes).collect()
}

/// Senders that check names (MTA-STS, DANE) look for the MX host's in the certificate that all others get too.
fn wrong_name(config: &Config) -> Option<Finding> {
    let (file, hostname) = (&config.tls.first()?.certificate, &config.server.hostname);
    let certificate = CertificateDer::from_pem_file(file).ok()?;
    let parsed = ParsedCertificate::try_from(&certificate).ok()?;
    let name = ServerName::try_from(hostname.clone()).ok()?;
    verify_server_name(&parsed, &name).is_err().then(|| {
        Finding::warning(format!(
            "tls certificate {}: it does not name {hostname}, so senders that check names refuse it; get one that does",
            file.display()
        ))
    })
}

/// Files that hold secrets, and the config itself if secrets stand in it.
fn secret_modes(config_file: &Path) -> Vec<Finding> {
    crate::config::secret_files(config_file).unwrap_or_default().iter().filter_map(|file| mode(file)).collect()
}

fn mode(file: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & 0o007 != 0).then(|| {
        Finding::warning(format!(
            "{}: everybody on this machine may read it (mode {mode:o}); chmod o-rwx it",
            file.display()
        ))
    })
}

fn data_dir(folder: &Path) -> Finding {
    let name = format!("server.data_dir {}", folder.display());
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => return Finding::error(format!("{name}: it is no folder; name another")),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return absent(&name, folder);
        }
        Err(error) => return Finding::error(format!("{name}: {error}; name a folder that can be reached")),
    }
    if let Ok(found) = rustix::fs::statvfs(folder)
        && found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)
    {
        return Finding::error(format!("{name}: its file system is read-only; mount it for writing"));
    }
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Finding::ok(format!("{name}: can be written")),
        Err(error) => Finding::error(format!("{name}: {error}; run this as root or as the daemon's user, or chown it")),
    }
}

/// Below this the daemon defers every mail.
fn full_disk(config: &Config) -> Option<Finding> {
    let found = rustix::fs::statvfs(&config.server.data_dir).ok()?;
    let (free, wanted) = (found.f_bavail.saturating_mul(found.f_frsize), config.limits.disk_free_octets_min);
    (free < wanted).then(|| {
        Finding::error(format!(
            "server.data_dir {}: {free} octets are free, and mail is deferred below limits.disk_free, {wanted}; free some, \
             or lower the limit",
            config.server.data_dir.display()
        ))
    })
}

/// The folder above must take it.
fn absent(name: &str, folder: &Path) -> Finding {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let above = absolute.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::access(above, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Finding::warning(format!("{name}: not there; the daemon makes it at its first start if it may")),
        Err(error) => Finding::error(format!(
            "{name}: not there, and {} does not take it: {error}; make it for the daemon's user",
            above.display()
        )),
    }
}

fn ports(config: &Config, daemon: &In) -> Vec<Finding> {
    let smtp = [
        ("smtp.listen", &config.smtp.listen),
        ("smtp.listen_tls", &config.smtp.listen_tls),
        ("smtp.listen_lmtp", &config.smtp.listen_lmtp),
    ];
    let http: Vec<Endpoint> = config.http.listen.iter().copied().map(Endpoint::Tcp).collect();
    let all = smtp.into_iter().chain(std::iter::once(("http.listen", &http)));
    all.flat_map(|(key, endpoints)| endpoints.iter().map(move |endpoint| (key, endpoint)))
        .map(|(key, endpoint)| match endpoint {
            Endpoint::Tcp(address) => port(key, &address.to_string(), endpoint, daemon),
            Endpoint::Unix(path) => socket_file(key, path),
        })
        .collect()
}

/// Looked at only: binding a socket file would change the disk.
fn socket_file(key: &str, path: &Path) -> Finding {
    let name = format!("{key} {}", path.display());
    if let Some(finding) = too_long(key, path) {
        return finding;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        let folder = folder.display();
        return Finding::error(format!(
            "{name}: there is no folder {folder}; make it for the daemon's user, or change {key}"
        ));
    }
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => Finding::ok(format!("{name}: its folder can be written")),
        Err(error) => Finding::error(format!(
            "{name}: {}: {error}; run this as the daemon's user, or chown the folder",
            folder.display()
        )),
    }
}

/// unix(7): a socket's path has room for 107 octets.
fn too_long(key: &str, socket: &Path) -> Option<Finding> {
    std::os::unix::net::SocketAddr::from_pathname(socket).is_err().then(|| {
        Finding::error(format!(
            "{key}: the path {} has {} octets, and a Unix socket's has room for {SOCKET_PATH_MAX}; name a shorter one",
            socket.display(),
            socket.as_os_str().len()
        ))
    })
}

const SOCKET_PATH_MAX: usize = 107;

fn port(key: &str, address: &str, endpoint: &Endpoint, daemon: &In) -> Finding {
    let name = format!("{key} {address}");
    match (listen::bind(endpoint), daemon) {
        (Ok(_), In::Rest) => Finding::ok(format!("{name}: free")),
        (Ok(_), In::Use) => Finding::warning(format!("{name}: the running daemon does not listen there; restart it")),
        (Err(error), daemon) => match (error.reason.kind(), daemon) {
            (std::io::ErrorKind::AddrInUse, In::Use) => {
                Finding::ok(format!("{name}: in use, and the daemon is running"))
            }
            (std::io::ErrorKind::AddrInUse, In::Rest) => Finding::error(format!(
                "{name}: another program listens there (systemd, if replyd.socket is active); stop it or change {key}"
            )),
            (std::io::ErrorKind::PermissionDenied, _) => Finding::warning(format!(
                "{name}: this user may not listen there; use systemd/replyd.socket, or run this as root"
            )),
            _ => Finding::error(format!("{name}: {}; change {key}", error.reason)),
        },
    }
}
