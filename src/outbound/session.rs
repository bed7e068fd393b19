//! One connection to a remote host: opened as its route demands, used for one mail after another, closed without waiting.
//!
//! Decides what is said when; what an answer means is `judge`'s, and one mail's part is `transaction`. Every wait on the host
//! has the deadline of its step. RFC 5321, 3207.

use crate::config::outbound::SourceAddresses;
pub use crate::smtp::client::command::Envelope;

use super::attempt::Attempt;
use super::authentication::authenticate;
use super::hop::{Hop, TlsMode, Verification};
use super::judge::{Setting, delivered, judge};
use super::outcome::{Demand, Judgement, Stage, Trouble};
use super::timeouts::Timeouts;
use super::verifier::ClientTls;
use super::wire::Wire;
use crate::limits::REMOTE_WORDS_OCTETS_MAX;
use crate::smtp::client::capabilities::Capabilities;
use crate::smtp::client::command;
use crate::smtp::client::remote_reply::{RemoteReply, capped};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use tokio::time::timeout;

#[derive(Debug)]
pub struct Connection {
    pub(super) wire: Wire,
    /// The step in hand: what a deadline that ends here is put down to.
    pub(super) stage: Stage,
    pub(super) state: State,
    pub(super) capabilities: Capabilities,
    pub(super) timeouts: Timeouts,
    pub(super) offered: u32,
    setting: Setting,
    remote: String,
    tls: String,
}

/// Whether another mail may go over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// A transaction has begun and was refused.
    NeedsReset,
    /// Amid a step, or out of step with the host.
    Broken,
}

/// Who connects.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// What EHLO says.
    pub name: &'a str,
    pub sources: SourceAddresses,
}

impl<'a> From<&'a str> for Origin<'a> {
    fn from(name: &'a str) -> Origin<'a> {
        Origin { name, sources: SourceAddresses::default() }
    }
}

impl Connection {
    /// Connects, greets, starts TLS and authenticates as the hop demands.
    ///
    /// If the attempt's judgement says `try_plaintext`, the same hop with
    /// [`TlsMode::None`] is worth a new connection.
    pub async fn open(
        hop: &Hop,
        address: SocketAddr,
        origin: impl Into<Origin<'_>>,
        tls: &ClientTls,
        timeouts: &Timeouts,
    ) -> Result<Connection, Box<Attempt>> {
        let origin = origin.into();
        let mut connection = Connection {
            wire: Wire::default(),
            stage: Stage::Connect,
            state: State::Broken,
            capabilities: Capabilities::default(),
            timeouts: *timeouts,
            offered: 0,
            setting: Setting { tls: hop.security.tls, address: address.ip() },
            remote: format!("{} [{}]:{}", hop.host, address.ip(), address.port()),
            tls: "none".to_owned(),
        };
        let opening = timeout(timeouts.total, connection.establish(hop, address, origin, tls));
        match opening.await.unwrap_or(Err(Trouble::Timeout)) {
            Ok(()) => Ok(connection),
            Err(trouble) => Err(Box::new(connection.ended_by(&trouble))),
        }
    }

    /// Whether the host still holds it and expects a mail; looks at the socket, waits for nothing.
    pub fn is_reusable(&mut self) -> bool {
        self.state != State::Broken && self.wire.glance() && !self.wire.has_unread()
    }

    /// Mails that the host was offered over it, whatever it said.
    pub fn offered(&self) -> u32 {
        self.offered
    }

    /// Says goodbye. No delivery depends on it, so nobody needs to wait for it.
    pub async fn quit(mut self) {
        let goodbye = async {
            self.wire.say(command::QUIT, command::QUIT, self.timeouts.quit).await?;
            self.wire.reply(self.timeouts.quit).await
        };
        if let Ok(Err(trouble)) = timeout(self.timeouts.quit, goodbye).await {
            tracing::debug!(remote = self.remote, %trouble, "QUIT was not answered");
        }
    }

    async fn establish(
        &mut self,
        hop: &Hop,
        address: SocketAddr,
        origin: Origin<'_>,
        tls: &ClientTls,
    ) -> Result<(), Trouble> {
        let source = origin.sources.towards(address.ip());
        self.wire.connect(address, source, self.timeouts.connect).await?;
        if hop.security.tls == TlsMode::Implicit {
            self.handshake(hop, address, tls).await?;
        }
        self.stage = Stage::Greeting;
        self.expect(2).await?;
        self.greet(origin.name).await?;
        if self.wants_starttls(hop)? {
            self.start_tls().await?;
            self.handshake(hop, address, tls).await?;
            self.greet(origin.name).await?;
        }
        if let Some(credentials) = &hop.credentials {
            self.stage = Stage::Auth;
            authenticate(self, credentials).await?;
        }
        self.state = State::Ready;
        Ok(())
    }

    /// RFC 5321 §3.2: a host that knows no EHLO may know HELO; it then offers nothing.
    async fn greet(&mut self, own_name: &str) -> Result<(), Trouble> {
        self.stage = Stage::Ehlo;
        self.capabilities = Capabilities::default();
        match self.ask(&command::ehlo(own_name), 2).await {
            Ok(reply) => self.capabilities = Capabilities::of(&reply),
            Err(Trouble::Refused(reply)) if matches!(reply.code, 500 | 502 | 504) => {
                self.ask(&command::helo(own_name), 2).await?;
            }
            Err(trouble) => return Err(trouble),
        }
        Ok(())
    }

    fn wants_starttls(&self, hop: &Hop) -> Result<bool, Trouble> {
        match hop.security.tls {
            TlsMode::None | TlsMode::Implicit => Ok(false),
            TlsMode::Opportunistic => Ok(self.capabilities.starttls),
            TlsMode::Required if self.capabilities.starttls => Ok(true),
            TlsMode::Required => {
                let words = format!("the mail host offers no TLS, which is demanded ({})", hop.security.because);
                Err(Trouble::PolicyUnmet { demand: Demand::Tls, words })
            }
        }
    }

    /// RFC 3207 §4: octets behind the answer came in clear and would be read as if they had come under TLS.
    async fn start_tls(&mut self) -> Result<(), Trouble> {
        self.stage = Stage::StartTls;
        self.ask(command::STARTTLS, 2).await?;
        if self.wire.has_unread() {
            return Err(Trouble::BadReply("octets follow the answer to STARTTLS: somebody injects replies".to_owned()));
        }
        Ok(())
    }

    async fn handshake(&mut self, hop: &Hop, address: SocketAddr, tls: &ClientTls) -> Result<(), Trouble> {
        self.stage = Stage::TlsHandshake;
        let verification = &hop.security.verification;
        let config = tls.config(verification).ok_or_else(|| Trouble::PolicyUnmet {
            demand: Demand::Roots,
            words: "this system has no CA certificates to verify the mail host with".to_owned(),
        })?;
        let name = server_name(hop, address)?;
        self.wire.start_tls(config, name, self.timeouts.starttls).await?;
        let words = self.wire.tls().unwrap_or_else(|| "TLS".to_owned());
        self.tls = match verification {
            Verification::Nothing => format!("{words}, certificate not checked ({})", hop.security.because),
            Verification::HostName | Verification::Dane(_) => {
                format!("{words}, certificate matches {} ({})", hop.host, hop.security.because)
            }
        };
        self.wire.transcript.event(&self.tls);
        Ok(())
    }

    /// One command of this stage and its reply.
    pub(super) async fn ask(&mut self, command: &str, class: u16) -> Result<RemoteReply, Trouble> {
        self.ask_masked(command, command, class).await
    }

    /// The same, with other words in the transcript.
    pub(super) async fn ask_masked(&mut self, command: &str, shown: &str, class: u16) -> Result<RemoteReply, Trouble> {
        self.nothing_unasked().await?;
        self.wire.say(command, shown, self.timeouts.of(self.stage)).await?;
        self.expect(class).await
    }

    /// A reply of this class; one of 4xx or 5xx is a refusal, any other answers something else.
    pub(super) async fn expect(&mut self, class: u16) -> Result<RemoteReply, Trouble> {
        let reply = self.wire.reply(self.timeouts.of(self.stage)).await?;
        match reply.class() {
            got if got == class => Ok(reply),
            4 | 5 => Err(Trouble::Refused(reply)),
            _ => Err(Trouble::BadReply(format!("\"{reply}\" is no answer to {}", self.stage))),
        }
    }

    /// What is said before it was asked would be taken for the answer to what comes next. A 421 may come at any time.
    pub(super) async fn nothing_unasked(&mut self) -> Result<(), Trouble> {
        if !self.wire.has_unread() {
            return Ok(());
        }
        let reply = self.wire.reply(self.timeouts.of(self.stage)).await?;
        if reply.class() >= 4 {
            return Err(Trouble::Refused(reply));
        }
        Err(Trouble::BadReply(format!("the mail host says \"{reply}\" without being asked")))
    }

    /// TLS is on.
    pub(super) fn is_encrypted(&self) -> bool {
        self.wire.tls().is_some()
    }

    pub(super) fn delivered_by(&self, reply: &RemoteReply) -> Attempt {
        self.attempt(&reply.to_string(), delivered())
    }

    pub(super) fn ended_by(&mut self, trouble: &Trouble) -> Attempt {
        if !matches!(trouble, Trouble::Refused(_)) {
            self.wire.transcript.event(&format!("{}: {trouble}", self.stage));
        }
        self.attempt(&trouble.to_string(), judge(self.stage, trouble, self.setting))
    }

    fn attempt(&self, reply: &str, judgement: Judgement) -> Attempt {
        Attempt {
            judgement,
            stage: self.stage,
            remote: self.remote.clone(),
            reply: capped(reply, REMOTE_WORDS_OCTETS_MAX).to_owned(),
            tls: self.tls.clone(),
            transcript: self.wire.transcript.text().to_owned(),
            stale: false,
        }
    }
}

/// The host's name, for SNI and the certificate; an address where the host has no name that TLS can carry.
fn server_name(hop: &Hop, address: SocketAddr) -> Result<ServerName<'static>, Trouble> {
    let name = ServerName::try_from(hop.host.trim_end_matches('.').to_owned());
    match (name, &hop.security.verification) {
        (Ok(name), _) => Ok(name),
        (Err(_), Verification::Nothing) => Ok(ServerName::from(address.ip())),
        (Err(_), Verification::HostName | Verification::Dane(_)) => {
            Err(Trouble::TlsFailed(format!("{} is no name that a certificate can have", hop.host)))
        }
    }
}
