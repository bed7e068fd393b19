//! How far an attempt came, what went wrong, and what that means for the mail, the recipient and the site. Pure; the
//! rules are in `judge`.

use crate::conversation::delivery::SuppressionReason;
use crate::smtp::client::remote_reply::RemoteReply;
use std::fmt;
use std::time::Duration;

/// The step that a wait or an answer belongs to (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Connect,
    Greeting,
    Ehlo,
    StartTls,
    TlsHandshake,
    Auth,
    Mail,
    Rcpt,
    Data,
    Content,
    FinalDot,
}

/// Why a step did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// 4xx or 5xx.
    Refused(RemoteReply),
    /// Octets that are no reply, or a reply that answers something else.
    BadReply(String),
    Timeout,
    Closed,
    Io(String),
    TlsFailed(String),
    /// The host does not offer what this mail or its route must have.
    PolicyUnmet {
        demand: Demand,
        words: String,
    },
    /// No host could take it as it is; nothing was sent.
    Unsendable(String),
    /// Ourselves: the store did not take what has to be known before the dot.
    Interrupted(String),
}

/// What a mail or its route must have of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Demand {
    Tls,
    /// CA certificates on our side, to verify a host with.
    Roots,
    /// The address of ours that the config names.
    Source,
    Authentication,
    Size,
    SmtpUtf8,
    EightBitMime,
    RequireTls,
}

/// What becomes of the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    /// Another host of the route may take it; `otherwise` is what holds if there is none.
    TryNextHop {
        otherwise: Otherwise,
    },
    Deferred,
    Failed,
}

/// What a mail comes to that no host of its route took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    Deferred,
    /// A greeting of 5xx is a blocklist or overload as often as it is meant: a day is given to it.
    FailedAfterADay,
    Failed,
}

/// Whom the trouble is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The host, or the way to it.
    Site,
    Recipient,
    Message,
    /// Our reputation, configuration or store: an operator should know.
    Ourselves,
}

/// What an answer, or its lack, means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    pub result: Fate,
    pub blame: Blame,
    /// Rather than the usual wait: a greylister says, or is known, to want it.
    pub retry_after: Option<Duration>,
    /// The address itself is the trouble.
    pub suppress: Option<SuppressionReason>,
    /// The site asks for less: fewer connections to it from here on.
    pub slow_down: bool,
    /// What the host dislikes is our IPv6 address: an IPv4 one may do.
    pub try_ipv4: bool,
    /// TLS that nobody demanded does not work: a new connection may go without.
    pub try_plaintext: bool,
    /// And it will not work soon: the host is spoken to without from now on. A host that says "later" to STARTTLS has TLS.
    pub tls_is_broken: bool,
    /// The peer may have taken the mail.
    pub uncertain: bool,
    /// What it means, for a person.
    pub reason: String,
}

impl Judgement {
    /// What holds when no host of the route is left; `age` is the mail's.
    pub fn without_next_hop(&self, age: Duration) -> Fate {
        match self.result {
            Fate::TryNextHop { otherwise: Otherwise::Failed } => Fate::Failed,
            Fate::TryNextHop { otherwise: Otherwise::FailedAfterADay } if age >= A_DAY => Fate::Failed,
            Fate::TryNextHop { .. } => Fate::Deferred,
            result @ (Fate::Delivered | Fate::Deferred | Fate::Failed) => result,
        }
    }
}

const A_DAY: Duration = Duration::from_secs(24 * 3600);

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Connect => "connecting",
            Stage::Greeting => "the greeting",
            Stage::Ehlo => "EHLO",
            Stage::StartTls => "STARTTLS",
            Stage::TlsHandshake => "the TLS handshake",
            Stage::Auth => "AUTH",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
            Stage::Content => "the content",
            Stage::FinalDot => "the final dot",
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused(reply) => write!(f, "{reply}"),
            Trouble::Timeout => f.write_str("no answer in time"),
            Trouble::Closed => f.write_str("the connection was closed"),
            Trouble::BadReply(words)
            | Trouble::Io(words)
            | Trouble::TlsFailed(words)
            | Trouble::PolicyUnmet { words, .. }
            | Trouble::Unsendable(words)
            | Trouble::Interrupted(words) => f.write_str(words),
        }
    }
}
