//! One mail over an open connection: MAIL, RCPT, DATA (at once where the host offers PIPELINING), the content, and the final
//! dot only after the store knows that it is about to be sent.
//!
//! The connection counts as broken from the first octet to an end that leaves both sides in step, so a mail that is given
//! up midway can never lend its answers to the next one.

use super::attempt::Attempt;
use super::outcome::{Demand, Stage, Trouble};
use super::session::{Connection, Envelope, State};
use crate::smtp::client::command::{self, Unfit};
use crate::smtp::client::outgoing;
use crate::smtp::client::remote_reply::RemoteReply;
use std::fmt;
use tokio::time::timeout;

impl Connection {
    /// Sends one mail. `before_dot` runs when the host has all content and could not have taken it yet; if it fails, the mail
    /// is not sent.
    pub async fn send<E: fmt::Display>(
        &mut self,
        envelope: &Envelope,
        content: &[u8],
        before_dot: impl Future<Output = Result<(), E>>,
    ) -> Attempt {
        let kept = self.offered > 0;
        self.offered += 1;
        if kept {
            // Whatever became of the mail before, it may have been another account's.
            self.wire.transcript.begin_anew();
        }
        self.stage = Stage::Mail;
        let sending = timeout(self.timeouts.total, self.transaction(envelope, content, before_dot));
        match sending.await.unwrap_or(Err(Trouble::Timeout)) {
            Ok(reply) => self.delivered_by(&reply),
            Err(trouble) => {
                let stale = kept && self.stage == Stage::Mail && is_lost(&trouble);
                Attempt { stale, ..self.ended_by(&trouble) }
            }
        }
    }

    async fn transaction<E: fmt::Display>(
        &mut self,
        envelope: &Envelope,
        content: &[u8],
        before_dot: impl Future<Output = Result<(), E>>,
    ) -> Result<RemoteReply, Trouble> {
        let mail = self.mail_command(envelope, content)?;
        let state = std::mem::replace(&mut self.state, State::Broken);
        let reset = match state {
            State::Ready => "",
            State::NeedsReset => command::RSET,
            State::Broken => return Err(Trouble::Closed),
        };
        self.nothing_unasked().await?;
        let rcpt = command::rcpt(envelope);
        if self.capabilities.pipelining {
            self.offer_at_once(reset, &mail, &rcpt).await?;
        } else {
            self.offer(reset, &mail, &rcpt).await?;
        }
        self.content(&outgoing::stuffed(content)).await?;
        before_dot.await.map_err(|error| Trouble::Interrupted(error.to_string()))?;
        self.final_dot().await
    }

    /// Everything that can be known to be refused before anything is said.
    fn mail_command(&self, envelope: &Envelope, content: &[u8]) -> Result<String, Trouble> {
        let checked = outgoing::check(content).map_err(|fault| Trouble::Unsendable(fault.to_string()))?;
        if envelope.require_tls && !self.is_encrypted() {
            return Err(unmet(Unfit::NoRequireTls));
        }
        command::mail(envelope, checked, &self.capabilities).map_err(unmet)
    }

    /// One command after the other.
    async fn offer(&mut self, reset: &str, mail: &str, rcpt: &str) -> Result<(), Trouble> {
        let steps =
            [(Stage::Mail, reset, 2), (Stage::Mail, mail, 2), (Stage::Rcpt, rcpt, 2), (Stage::Data, command::DATA, 3)];
        for (stage, command, class) in steps.into_iter().filter(|(_, command, _)| !command.is_empty()) {
            self.stage = stage;
            let answer = self.ask(command, class).await;
            self.state = if refusal(&answer).is_some() { State::NeedsReset } else { State::Broken };
            answer?;
        }
        Ok(())
    }

    /// RFC 2920: all commands in one write, then every answer, whatever the first ones say.
    async fn offer_at_once(&mut self, reset: &str, mail: &str, rcpt: &str) -> Result<(), Trouble> {
        let commands = [reset, mail, rcpt, command::DATA].concat();
        self.wire.say(&commands, &commands, self.timeouts.of(Stage::Mail)).await?;
        if !reset.is_empty() {
            self.expect(2).await?;
        }
        let (mut refused, mut data_accepted) = (None, false);
        for (stage, class) in [(Stage::Mail, 2), (Stage::Rcpt, 2), (Stage::Data, 3)] {
            self.stage = stage;
            match self.expect(class).await {
                Ok(_) => data_accepted = stage == Stage::Data,
                Err(Trouble::Refused(reply)) if reply.code != 421 => refused = refused.or(Some((stage, reply))),
                Err(trouble) => return Err(self.first_of(refused, trouble)),
            }
        }
        let Some((stage, reply)) = refused else { return Ok(()) };
        if data_accepted {
            self.end_nothing().await
        } else {
            self.state = State::NeedsReset
        }
        self.stage = stage;
        Err(Trouble::Refused(reply))
    }

    /// A refusal that came before the trouble is what counts.
    fn first_of(&mut self, refused: Option<(Stage, RemoteReply)>, trouble: Trouble) -> Trouble {
        let Some((stage, reply)) = refused else { return trouble };
        self.stage = stage;
        Trouble::Refused(reply)
    }

    /// RFC 2920 §3.1: a host may ask for content although it refused the only recipient; it gets none.
    async fn end_nothing(&mut self) {
        self.stage = Stage::Content;
        if let Err(Trouble::Refused(reply)) = self.ask(command::FINAL_DOT, 2).await
            && reply.code != 421
        {
            self.state = State::NeedsReset;
        }
    }

    async fn content(&mut self, stuffed: &[u8]) -> Result<(), Trouble> {
        self.stage = Stage::Content;
        for block in stuffed.chunks(BLOCK_OCTETS) {
            if let Err(trouble) = self.wire.write(block, self.timeouts.data_block).await {
                return Err(self.last_words(trouble).await);
            }
        }
        let octets = stuffed.len();
        self.wire.transcript.event(&format!("{octets} octets of content"));
        Ok(())
    }

    /// A host that closes amid the content may have said why.
    async fn last_words(&mut self, trouble: Trouble) -> Trouble {
        if trouble == Trouble::Timeout {
            return trouble;
        }
        match self.wire.reply(self.timeouts.quit).await {
            Ok(reply) if reply.class() >= 4 => Trouble::Refused(reply),
            _ => trouble,
        }
    }

    /// Up to here the host cannot have taken the mail; from here on it may have, until it says that it has not.
    async fn final_dot(&mut self) -> Result<RemoteReply, Trouble> {
        if !self.wire.has_unread() && !self.wire.glance() {
            return Err(Trouble::Closed);
        }
        self.nothing_unasked().await?;
        self.stage = Stage::FinalDot;
        self.wire.say(command::FINAL_DOT, command::FINAL_DOT, self.timeouts.data_block).await?;
        let answer = self.expect(2).await;
        if answer.is_ok() || refusal(&answer).is_some() {
            self.state = State::Ready;
        }
        answer
    }
}

/// A refusal after which the host goes on listening: 421 announces its end.
fn refusal(answer: &Result<RemoteReply, Trouble>) -> Option<&RemoteReply> {
    match answer {
        Err(Trouble::Refused(reply)) => Some(reply).filter(|reply| reply.code != 421),
        _ => None,
    }
}

fn is_lost(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Closed | Trouble::Io(_) => true,
        Trouble::Refused(reply) => reply.code == 421,
        _ => false,
    }
}

fn unmet(unfit: Unfit) -> Trouble {
    let demand = match unfit {
        Unfit::TooLarge { .. } => Demand::Size,
        Unfit::NoSmtpUtf8 => Demand::SmtpUtf8,
        Unfit::NoEightBitMime => Demand::EightBitMime,
        Unfit::NoRequireTls => Demand::RequireTls,
    };
    Trouble::PolicyUnmet { demand, words: unfit.to_string() }
}

/// Each gets the time of a block, however large the mail.
const BLOCK_OCTETS: usize = 64 * 1024;
