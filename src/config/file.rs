//! The config as written. What each key means is said once, in `config.example.toml`; a test proves that file
//! complete and equal to the defaults here. Unknown keys are errors.

use super::bridge::BridgeMode;
use super::checked::{Endpoint, History, Network};
use super::file_widget::Widget;
use super::secret::SecretSource;
use super::target::Target;
use super::units::{Count, DisplayName, Domain, Host, Mailbox, Name, NameServer, Size, Time, Url};
use crate::conversation::event::EventKind;
use crate::conversation::language::Language;
use crate::conversation::model::Channel;
use serde::Deserialize;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub server: Server,
    #[serde(default)]
    pub smtp: Smtp,
    #[serde(default)]
    pub http: Http,
    pub tls: Option<Tls>,
    #[serde(default)]
    pub dns: Dns,
    #[serde(default)]
    pub outbound: Outbound,
    #[serde(default)]
    pub limits: LimitOverrides,
    #[serde(default)]
    pub account: Vec<Account>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub hostname: Domain,
    pub data_dir: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    pub listen: Option<Vec<Endpoint>>,
    pub listen_tls: Option<Spanned<Vec<Endpoint>>>,
    #[serde(default)]
    pub listen_lmtp: Vec<Endpoint>,
    #[serde(default)]
    pub proxy_from: Vec<Network>,
    #[serde(default)]
    pub xclient_from: Vec<Network>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    pub listen: Option<Spanned<Vec<Endpoint>>>,
    pub public_url: Option<Url>,
    pub forwarded_from: Option<Vec<Network>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: Spanned<KeyFile>,
    pub key: Spanned<KeyFile>,
    #[serde(default)]
    pub additional: Vec<CertificateFiles>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    pub certificate: Spanned<KeyFile>,
    pub key: Spanned<KeyFile>,
}

/// A file that stays a file, because it is read again when it changes.
#[derive(Debug)]
pub enum KeyFile {
    Path(PathBuf),
    Credential(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    #[serde(default)]
    pub servers: Vec<NameServer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    pub route: Option<Spanned<RouteKind>>,
    pub host: Option<Spanned<Host>>,
    pub port: Option<Count<1, 65535>>,
    pub tls: Option<Spanned<SmarthostTls>>,
    pub username: Option<Spanned<String>>,
    pub password: Option<Spanned<SecretSource>>,
    pub additional: Option<Spanned<Vec<AdditionalSmarthost>>>,
    #[serde(default)]
    pub allow_private: bool,
    pub attachments_max: Option<Size>,
    pub link_life: Option<Time>,
    pub dane: Option<bool>,
    pub ca_file: Option<PathBuf>,
    pub give_up: Option<Spanned<Time>>,
    pub connections: Option<Count<1, 10_000>>,
    pub connections_per_site: Option<Count<1, 1000>>,
    pub mails_per_minute_per_site: Option<Count<1, 1_000_000>>,
    pub source_ipv4: Option<Spanned<Ipv4Addr>>,
    pub source_ipv6: Option<Spanned<Ipv6Addr>>,
    pub fallback: Option<Spanned<AdditionalSmarthost>>,
}

/// A smarthost beside the first: tried when the ones before it cannot be reached, or when a host refuses us.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditionalSmarthost {
    pub host: Host,
    pub port: Option<Count<1, 65535>>,
    pub tls: Option<SmarthostTls>,
    pub username: Option<Spanned<String>>,
    pub password: Option<Spanned<SecretSource>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteKind {
    Mx,
    Smarthost,
}

/// How a smarthost is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmarthostTls {
    None,
    Opportunistic,
    Required,
    Implicit,
}

/// The few of [`crate::limits::Limits`] that operators need to move; their keys leave out `_max`, `_min` and `octets`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitOverrides {
    pub mail_size: Option<Size>,
    pub recipients: Option<Count<1, 10_000>>,
    pub mails_per_session: Option<Count<1, 1_000_000>>,
    pub hops: Option<Count<1, 1000>>,
    pub sessions: Option<Count<1, 1_000_000>>,
    pub sessions_per_client: Option<Count<1, 1_000_000>>,
    pub sessions_per_network: Option<Count<1, 1_000_000>>,
    pub unknown_recipients: Option<Count<1, 10_000>>,
    pub connections_per_minute: Option<Count<1, 100_000_000>>,
    pub mails_per_minute: Option<Count<1, 100_000_000>>,
    pub recipients_per_minute: Option<Count<1, 100_000_000>>,
    pub content_in_flight: Option<Size>,
    pub disk_free: Option<Size>,
    pub disk_free_inodes: Option<Count<0, 1_000_000_000>>,
    pub greeting_delay: Option<Time>,
    pub command_timeout: Option<Time>,
    pub data_block_timeout: Option<Time>,
    pub data_timeout: Option<Time>,
    pub session_without_mail_timeout: Option<Time>,
    pub tls_handshake_timeout: Option<Time>,
    pub authentication_timeout: Option<Time>,
    pub filing_timeout: Option<Time>,
    pub hook_timeout: Option<Time>,
    pub drain_timeout: Option<Time>,
    pub looping_mails_per_hour: Option<Count<1, 1_000_000>>,
    pub answers_per_hour: Option<Count<1, 1_000_000>>,
    pub chat_notifications_per_hour: Option<Count<1, 1_000_000>>,
    pub unproven_address_mails_per_hour: Option<Count<1, 1_000_000>>,
    pub agent_notifications_per_hour: Option<Count<1, 1_000_000>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    pub name: Spanned<Name>,
    pub inbound_domain: Spanned<Domain>,
    pub continuity: Option<bool>,
    pub display_name: Option<DisplayName>,
    pub language: Option<Language>,
    pub history: Option<History>,
    pub templates: Option<Spanned<PathBuf>>,
    pub forged: Option<Forged>,
    pub outbound_tls: Option<OutboundTls>,
    #[serde(default)]
    pub trusted_arc_sealers: Vec<Domain>,
    #[serde(default)]
    pub dkim: Vec<Dkim>,
    #[serde(default)]
    pub ingress: Ingress,
    #[serde(default)]
    pub webhooks: Vec<Webhook>,
    pub bridge: Option<Bridge>,
    #[serde(default)]
    pub inbox: Vec<Inbox>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forged {
    Reject,
    Keep,
}

/// The least TLS that an account's mail needs on its way to a recipient's host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboundTls {
    /// TLS where it works.
    #[default]
    Prefer,
    /// TLS or no delivery.
    Require,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dkim {
    pub domain: Domain,
    pub selector: Domain,
    pub key: Spanned<SecretSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingress {
    pub relay: Option<Password>,
    pub postmark: Option<Password>,
    pub sendgrid: Option<Sendgrid>,
    pub mailgun: Option<SigningKey>,
    pub mandrill: Option<ApiKey>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Password {
    pub password: Spanned<SecretSource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sendgrid {
    pub password: Spanned<SecretSource>,
    pub safe_status: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningKey {
    pub signing_key: Spanned<SecretSource>,
    pub freshness: Option<Time>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    pub api_key: Spanned<SecretSource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: Spanned<Target>,
    pub secret: Spanned<SecretSource>,
    #[serde(default)]
    pub allow_private: bool,
    pub events: Option<Vec<EventKind>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    pub url: Spanned<Target>,
    pub password: Spanned<SecretSource>,
    #[serde(default)]
    pub mode: BridgeMode,
    #[serde(default)]
    pub allow_private: bool,
    #[serde(default)]
    pub recipients: BridgeRecipients,
}

/// Of one inbox: its address is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxBridge {
    pub url: Spanned<Target>,
    pub password: Spanned<SecretSource>,
    #[serde(default)]
    pub mode: BridgeMode,
    #[serde(default)]
    pub allow_private: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BridgeRecipients {
    pub pattern: Option<Spanned<String>>,
    #[serde(default)]
    pub list: Vec<Spanned<Mailbox>>,
    pub hook: Option<RecipientHook>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipientHook {
    pub url: Spanned<Target>,
    pub token: Option<Spanned<SecretSource>>,
    #[serde(default)]
    pub allow_private: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inbox {
    pub name: Spanned<Name>,
    pub channel: Option<Spanned<Channel>>,
    pub address: Option<Spanned<Mailbox>>,
    pub offline_delay: Option<Time>,
    pub unseen_delay: Option<Time>,
    pub quiet_hours: Option<Spanned<String>>,
    pub time_zone: Option<Spanned<String>>,
    pub undo_window: Option<Time>,
    pub resume_url: Option<ResumeUrl>,
    pub notify_agents: Option<bool>,
    pub display_name: Option<DisplayName>,
    pub language: Option<Language>,
    pub history: Option<History>,
    pub bridge: Option<Spanned<InboxBridge>>,
    pub widget: Option<Spanned<Widget>>,
}

impl File {
    /// Where every secret is written.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let accounts = self.account.iter().flat_map(Account::secrets);
        let additional = self.outbound.additional.iter().flat_map(|hosts| hosts.get_ref());
        let smarthosts = self.outbound.password.iter().chain(additional.filter_map(|host| host.password.as_ref()));
        let fallback = self.outbound.fallback.iter().filter_map(|host| host.get_ref().password.as_ref());
        smarthosts.chain(fallback).chain(accounts).map(Spanned::get_ref)
    }
}

impl Account {
    fn secrets(&self) -> impl Iterator<Item = &Spanned<SecretSource>> {
        let doors = &self.ingress;
        let passwords = [&doors.relay, &doors.postmark].into_iter().flatten().map(|door| &door.password);
        let sendgrid = doors.sendgrid.iter().map(|door| &door.password);
        let mailgun = doors.mailgun.iter().map(|door| &door.signing_key);
        let mandrill = doors.mandrill.iter().map(|door| &door.api_key);
        let dkim = self.dkim.iter().map(|dkim| &dkim.key);
        let hooks = self.webhooks.iter().map(|hook| &hook.secret);
        let recipients = self.bridge.iter().filter_map(|bridge| bridge.recipients.hook.as_ref()?.token.as_ref());
        let of_inboxes = self.inbox.iter().filter_map(|inbox| inbox.bridge.as_ref());
        let of_inboxes = of_inboxes.map(|bridge| &bridge.get_ref().password);
        let widgets = self.inbox.iter().filter_map(|inbox| inbox.widget.as_ref()?.get_ref().identity_secret.as_ref());
        let bridges = self.bridge.iter().map(|bridge| &bridge.password).chain(of_inboxes).chain(recipients);
        passwords.chain(sendgrid).chain(mailgun).chain(mandrill).chain(dkim).chain(hooks).chain(bridges).chain(widgets)
    }
}

/// Empty, or an address.
#[derive(Debug)]
pub struct ResumeUrl(pub String);

impl<'de> Deserialize<'de> for ResumeUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(ResumeUrl(text));
        }
        let url = Url::deserialize(serde::de::value::StringDeserializer::<D::Error>::new(text))?;
        Ok(ResumeUrl(url.0))
    }
}

impl<'de> Deserialize<'de> for KeyFile {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match SecretSource::deserialize(deserializer)? {
            SecretSource::Text(path) => Ok(KeyFile::Path(path.into())),
            SecretSource::File(path) => Ok(KeyFile::Path(path)),
            SecretSource::Credential(name) => Ok(KeyFile::Credential(name)),
            SecretSource::Environment(_) => Err(serde::de::Error::custom(
                "a path is expected, or { credential = \"…\" }; a certificate and its key are files, so that they can be renewed",
            )),
        }
    }
}
