//! The config as the program needs it: parsed, checked, secrets read. Only this form leaves the module.

use super::secret::Secret;
use crate::conversation::event::EventKind;
use crate::conversation::language::Language;
use crate::conversation::model::{Channel, Ingress};
use crate::conversation::quiet_hours::QuietHours;
use crate::limits::Limits;
use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use super::bridge::{Bridge, BridgeMode, BridgeRecipients, LocalPattern, RecipientHook};
pub use super::file::{OutboundTls, SmarthostTls};
pub use super::outbound::{Outbound, Route, Smarthost, SourceAddresses};
pub use super::target::{Scheme, Target, TargetHost};
pub use super::widget::{IdentityRule, Pattern, PreChatField, PreChatKind, Widget, WidgetPosition};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub server: Server,
    pub smtp: Smtp,
    pub http: Http,
    pub tls: Vec<Certificate>,
    pub dns: Dns,
    pub outbound: Outbound,
    pub limits: Arc<Limits>,
    pub accounts: Vec<Account>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Greeting, `Received`, right side of Message-IDs.
    pub hostname: String,
    pub data_dir: PathBuf,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => address.fmt(f),
            Endpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Smtp {
    pub listen: Vec<Endpoint>,
    pub listen_tls: Vec<Endpoint>,
    pub listen_lmtp: Vec<Endpoint>,
    /// Networks whose connections must begin with a PROXY header.
    pub proxy_from: Vec<Network>,
    /// Networks that may use XCLIENT.
    pub xclient_from: Vec<Network>,
}

/// An address block in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    pub address: IpAddr,
    pub prefix: u8,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    pub listen: Vec<SocketAddr>,
    pub public_url: String,
    /// Networks of reverse proxies, whose word on the client's address counts.
    pub forwarded_from: Vec<Network>,
}

/// A certificate for STARTTLS and implicit TLS; the first one is the default for unknown names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Empty: the system's.
    pub servers: Vec<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    /// Canonical.
    pub inbound_domain: String,
    /// What becomes of a mail whose verdict is `forged` under a published `p=reject`.
    pub forged: ForgedPolicy,
    pub outbound_tls: OutboundTls,
    /// Sealers whose ARC results count as evidence.
    pub trusted_arc_sealers: Vec<String>,
    /// Whether what stays unseen goes out by mail.
    pub continuity: bool,
    pub dkim: Vec<DkimKey>,
    pub ingress: IngressSecrets,
    pub webhooks: Vec<Webhook>,
    pub bridge: Option<Bridge>,
    /// Where an inbox says nothing else.
    pub voice: Voice,
    /// Templates in place of ours.
    pub templates: Vec<TemplateFile>,
    pub inboxes: Vec<Inbox>,
}

/// A key that signs outgoing mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimKey {
    pub domain: String,
    pub selector: String,
    /// PKCS#8 PEM.
    pub key: Secret,
}

/// What opens each HTTP ingress of an account; `None` keeps it shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressSecrets {
    pub relay: Option<IngressSecret>,
    pub postmark: Option<IngressSecret>,
    pub sendgrid: Option<IngressSecret>,
    /// SendGrid drops a mail at any 4xx: what is wrong on our side answers 503 instead.
    pub sendgrid_safe_status: bool,
    pub mailgun_signing_key: Option<IngressSecret>,
    /// How old a signature of Mailgun may be.
    pub mailgun_freshness: Duration,
    pub mandrill_api_key: Option<IngressSecret>,
}

/// A secret that one ingress needs and nothing else: without it that ingress answers "try again", and mail goes on
/// coming in by every other door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngressSecret {
    Ready(Secret),
    /// Blank or unreadable, and why.
    Missing(String),
}

impl IngressSecrets {
    /// The secret of one ingress; `None` where it is not set up.
    pub fn secret(&self, ingress: Ingress) -> Option<&IngressSecret> {
        match ingress {
            Ingress::Relay | Ingress::Pipe => self.relay.as_ref(),
            Ingress::Postmark => self.postmark.as_ref(),
            Ingress::Sendgrid => self.sendgrid.as_ref(),
            Ingress::Mailgun => self.mailgun_signing_key.as_ref(),
            Ingress::Mandrill => self.mandrill_api_key.as_ref(),
            Ingress::Smtp | Ingress::Lmtp => None,
        }
    }

    /// Those that are set up and have no secret: the name, and why.
    pub fn missing(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("relay", &self.relay),
            ("postmark", &self.postmark),
            ("sendgrid", &self.sendgrid),
            ("mailgun", &self.mailgun_signing_key),
            ("mandrill", &self.mandrill_api_key),
        ];
        all.into_iter().filter_map(|(name, secret)| match secret {
            Some(IngressSecret::Missing(reason)) => Some((name, reason.as_str())),
            Some(IngressSecret::Ready(_)) | None => None,
        })
    }
}

impl Default for IngressSecrets {
    fn default() -> IngressSecrets {
        IngressSecrets {
            relay: None,
            postmark: None,
            sendgrid: None,
            sendgrid_safe_status: true,
            mailgun_signing_key: None,
            // Mailgun tries again for eight hours, with the signature of the first try.
            mailgun_freshness: Duration::from_secs(9 * 3600),
            mandrill_api_key: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub url: Target,
    pub secret: Secret,
    pub allow_private: bool,
    /// Empty: all.
    pub events: Vec<EventKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForgedPolicy {
    /// 550 5.7.26 while SMTP is open.
    Reject,
    /// Kept and marked.
    Keep,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    pub name: String,
    pub channel: Channel,
    /// Canonical key of the address.
    pub address: Option<String>,
    pub offline_delay: Duration,
    pub unseen_delay: Duration,
    /// In which nothing goes out that could wait; in the contact's own time zone where it is known.
    pub quiet_hours: Option<QuietHours>,
    /// IANA name.
    pub time_zone: String,
    /// How long the desk lets agents take back what they sent.
    pub undo_window: Duration,
    pub resume_url: String,
    /// Whether agents get the messages of its contacts by mail.
    pub notify_agents: bool,
    pub voice: Voice,
    /// In place of its account's.
    pub bridge: Option<Bridge>,
    pub widget: Widget,
}

/// How mails of an inbox speak.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Voice {
    /// Whose mail it is: `Sara (Acme)`.
    pub display_name: String,
    pub language: Language,
    pub history: History,
}

/// What was said before, below an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum History {
    None,
    /// What the other side said last.
    #[default]
    Last,
    Full,
}

/// A mail template, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFile {
    /// One of [`TEMPLATE_NAMES`].
    pub name: &'static str,
    pub path: PathBuf,
    pub text: String,
}

/// What a folder of templates may hold.
pub const TEMPLATE_NAMES: [&str; 8] = [
    "answer.txt",
    "answer.html",
    "notification.txt",
    "notification.html",
    "notice.txt",
    "notice.html",
    "sign_in.txt",
    "sign_in.html",
];

impl Network {
    /// Whether the block holds this address; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let bits = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V4(v4) => (32u32, u128::from(u32::from(v4))),
            IpAddr::V6(v6) => (128, u128::from(v6)),
        };
        let ((width, own), (other_width, other)) = (bits(self.address), bits(ip));
        let shift = width.saturating_sub(u32::from(self.prefix));
        width == other_width && own.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
    }
}

impl Account {
    fn takes_mail_at(&self, domain: &str) -> bool {
        let inboxes = self.inboxes.iter().filter_map(|inbox| inbox.address.as_deref());
        self.inbound_domain == domain
            || self.bridge.as_ref().is_some_and(|bridge| bridge.recipients.has_domain(domain))
            || inboxes.filter_map(|address| address.rsplit_once('@')).any(|(_, own)| own == domain)
    }
}

/// Whose a recipient domain or address is.
impl Config {
    /// The account that takes replies at this domain, has an inbox there, or takes mail there for another system.
    pub fn account_of_domain(&self, domain: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.takes_mail_at(domain))
    }

    /// That account, if no other takes mail there too.
    pub fn only_account_of_domain(&self, domain: &str) -> Option<&Account> {
        let mut all = self.accounts.iter().filter(|account| account.takes_mail_at(domain));
        all.next().filter(|_| all.next().is_none())
    }

    /// The bridge of an account, or of one of its inboxes.
    pub fn bridge(&self, account: &str, inbox: Option<&str>) -> Option<&Bridge> {
        let account = self.accounts.iter().find(|known| known.name == account)?;
        match inbox {
            None => account.bridge.as_ref(),
            Some(name) => account.inboxes.iter().find(|inbox| inbox.name == name)?.bridge.as_ref(),
        }
    }

    /// The inbox with this address (its canonical key), and its account.
    pub fn inbox_of(&self, account: &str, inbox: &str) -> Option<&Inbox> {
        let account = self.accounts.iter().find(|known| known.name == account)?;
        account.inboxes.iter().find(|known| known.name == inbox)
    }

    pub fn inbox_of_address(&self, key: &str) -> Option<(&Account, &Inbox)> {
        self.accounts
            .iter()
            .flat_map(|account| account.inboxes.iter().map(move |inbox| (account, inbox)))
            .find(|(_, inbox)| inbox.address.as_deref() == Some(key))
    }
}
