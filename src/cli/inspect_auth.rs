//! The `--auth` part of `replyd inspect`: what the daemon would conclude of the mail's author if it came from this
//! client now. Asks the name servers of the config, without a config the system's, or a zone in a file.

use crate::clock::Clock;
use crate::config;
use crate::dns::{Resolver, Zone, ZoneServer};
use crate::filing::inspect::Inspection;
use crate::limits::Limits;
use crate::sender_auth::{AuthResults, Check, Verifier};
use anyhow::Context;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct AuthArgs {
    /// Check who wrote it: SPF, DKIM, DMARC, ARC
    #[arg(long)]
    auth: bool,
    /// The address of the client that sent it
    #[arg(long, value_name = "ADDRESS", requires = "auth")]
    ip: Option<IpAddr>,
    /// What the client said in EHLO
    #[arg(long, value_name = "NAME", requires = "auth", default_value = "", allow_hyphen_values = true)]
    helo: String,
    /// What the client said in MAIL FROM; empty for the null reverse-path
    #[arg(long, value_name = "ADDRESS", requires = "auth", default_value = "", allow_hyphen_values = true)]
    mail_from: String,
    /// Ask these records instead of the DNS: JSON, name to list of {"TYPE": data}
    #[arg(long, value_name = "FILE", requires = "auth")]
    zone: Option<PathBuf>,
    /// Verify as if it were this second since the Unix epoch
    #[arg(long, value_name = "UNIX", requires = "auth", allow_hyphen_values = true)]
    time: Option<i64>,
}

/// An inspection, and the results if they were asked for.
#[derive(Debug, serde::Serialize)]
pub struct WithAuth {
    #[serde(flatten)]
    pub inspection: Inspection,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthResults>,
}

/// The results for a person.
pub fn lines(auth: &AuthResults) -> String {
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let mut text = format!("\nauthor: {}: {}\n", word(serde_json::to_value(auth.verdict)), auth.basis);
    text += &format!("spf: {} {}\n", word(serde_json::to_value(auth.spf)), auth.spf_domain);
    for signature in &auth.dkim {
        let result = word(serde_json::to_value(signature.result));
        text += &format!("dkim: {result} {} ({}): {}\n", signature.domain, signature.selector, signature.reason);
    }
    text += &format!("dmarc: {} {}\n", word(serde_json::to_value(auth.dmarc.result)), auth.dmarc.domain);
    text + &format!("arc: {}", word(serde_json::to_value(auth.arc)))
}

impl AuthArgs {
    /// The results, if they are asked for.
    pub fn check(&self, config_file: &Path, raw: &[u8]) -> anyhow::Result<Option<AuthResults>> {
        if !self.auth {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.verify(config_file, raw)).map(Some)
    }

    async fn verify(&self, config_file: &Path, raw: &[u8]) -> anyhow::Result<AuthResults> {
        let server = match &self.zone {
            Some(file) => {
                let name = file.display();
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("--zone {name}: give a readable file"))?;
                let zone = Zone::parse(&text).with_context(|| format!("--zone {name}"))?;
                Some(ZoneServer::start(zone).await.context("a server on loopback for --zone cannot be started")?)
            }
            None => None,
        };
        let resolver = match &server {
            Some(server) => server.resolver()?,
            None => Resolver::new(&name_servers(config_file)?)?,
        };
        let verifier = Verifier::new(resolver, Clock::System);
        let limits = Limits::default();
        let check = Check {
            ip: self.ip,
            helo: &self.helo,
            mail_from: self.mail_from.trim_start_matches('<').trim_end_matches('>'),
            raw,
            now: self.time.unwrap_or_else(|| Clock::System.now().seconds()),
            limits: &limits,
            trusted_sealers: &[],
        };
        Ok(verifier.verify(check).await)
    }
}

/// Those of the config. A mail can be looked at where no daemon was ever set up: the usual file may be missing, or be
/// another user's; one that was asked for must be good.
fn name_servers(config_file: &Path) -> anyhow::Result<Vec<SocketAddr>> {
    let is_usual = config_file == Path::new(super::USUAL_CONFIG);
    if is_usual && std::fs::File::open(config_file).is_err() {
        return Ok(Vec::new());
    }
    Ok(config::name_servers(config_file)?)
}
