//! One SMTP or LMTP session as a state machine. The shell feeds it and does what [`Output`] says.
//!
//! Here: the states, what comes out, and how a session ends. `commands` obeys command lines, `answers` goes on with
//! what policy said, `transfer` takes content in. A negative answer to the end of content is policy's, and the content
//! is its own from the question on; before it, whatever ends a transaction says [`Output::DiscardContent`].

mod answers;
mod commands;
mod transfer;

use super::chunk::Chunk;
use super::command::HelloVerb;
use super::content::Content;
use super::data::DataReader;
use super::deadline::{Step, Timers};
use super::extension::Channel;
use super::input::Input;
use super::question::{MailCommand, Protocol, Question};
use super::reply::{self, Reply};
use crate::limits::{Limits, RECIPIENTS_BEYOND_MAX};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What does not change during a session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    pub protocol: Protocol,
    /// Greeting and EHLO name.
    pub hostname: String,
    pub limits: Arc<Limits>,
    /// Offer STARTTLS: a certificate is there and the connection is in clear.
    pub starttls: bool,
    /// The connection began with TLS.
    pub tls: bool,
    /// The peer may use XCLIENT.
    pub xclient: bool,
    /// Fewer than half of the session slots are free: wait less for the first MAIL.
    pub under_load: bool,
}

/// What the session wants of its shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Write these octets. The shell may gather several before it flushes, but flushes before any other output is done.
    Send(Vec<u8>),
    /// Decide, then call [`Session::answer`].
    Ask(Question),
    /// Append these octets to the transaction's content.
    Content(Vec<u8>),
    /// Forget the content gathered so far.
    DiscardContent,
    /// Make the connection a TLS one, then call [`Session::tls_established`]. Octets read before it are gone.
    StartTls,
    /// Wait this long before polling on: the price of errors.
    Pause(Duration),
    /// Nothing to do before octets come ([`Session::receive`]), the peer closes ([`Session::peer_closed`]) or the
    /// deadline passes ([`Session::deadline_passed`]).
    Wait { deadline: Instant },
    /// Flush and close. `reason` is for the ledger and the log; a transaction cut in its content is named in it.
    Close { reason: &'static str },
}

/// The state machine. See the module for how to drive it.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    input: Input,
    outputs: VecDeque<Output>,
    state: State,
    hello: Option<HelloVerb>,
    channel: Channel,
    transaction: Option<Transaction>,
    counters: Counters,
    timers: Timers,
    /// Octets came before the greeting went out.
    spoke_early: bool,
    peer_gone: bool,
    stopping: bool,
    /// Of the last command line.
    verb: &'static str,
}

#[derive(Debug)]
enum State {
    /// Nothing was asked or said.
    Opening,
    Command,
    /// The rest of an over-long command line.
    OverlongLine,
    Asked(Asked),
    Data(DataReader),
    Chunk(Chunk),
    /// The shell makes the connection a TLS one.
    Handshake,
    Closed(&'static str),
}

/// The question that is out.
#[derive(Debug)]
enum Asked {
    Connect,
    Hello(HelloVerb),
    Sender(MailCommand),
    Recipient,
    Data,
    Chunk(Chunk),
    EndOfContent,
    Xclient,
}

/// MAIL was accepted.
#[derive(Debug)]
struct Transaction {
    mail: MailCommand,
    /// Accepted ones.
    recipients: usize,
    chunks: usize,
    /// There from `354` or the first chunk on.
    content: Option<Content>,
}

#[derive(Debug, Default)]
struct Counters {
    errors: usize,
    unknown_recipients: usize,
    idle_commands: usize,
    /// Recipients that their mail has no place for.
    recipients_beyond: usize,
    /// Mails whose content came to its end, whatever was said to it.
    mails: usize,
}

impl Session {
    pub fn new(config: SessionConfig, now: Instant) -> Session {
        let channel = if config.tls { Channel::Tls } else { Channel::Clear };
        Session {
            config,
            input: Input::default(),
            outputs: VecDeque::new(),
            state: State::Opening,
            hello: None,
            channel,
            transaction: None,
            counters: Counters::default(),
            timers: Timers::new(now),
            spoke_early: false,
            peer_gone: false,
            stopping: false,
            verb: "connect",
        }
    }

    /// The verb that the latest reply answers: one of a few words, `connect` for the greeting.
    pub fn verb(&self) -> &'static str {
        self.verb
    }

    /// The next thing to do. Poll until `Wait` or `Close`.
    pub fn poll(&mut self, now: Instant) -> Output {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return output;
            }
            if let State::Closed(reason) = self.state {
                return Output::Close { reason };
            }
            if self.advance(now) {
                continue;
            }
            let (deadline, late) = self.deadline();
            let is_on_the_shell = matches!(self.state, State::Asked(_) | State::Handshake);
            if self.peer_gone && !matches!(self.state, State::Asked(_)) {
                self.leave(if self.content_runs() { "disconnected in data" } else { "peer closed" });
            } else if now >= deadline && !is_on_the_shell {
                // A peer that sends without pause never lets the shell's timer fire.
                self.end(reply::timed_out(), late);
            } else {
                if matches!(self.state, State::Command) {
                    self.input.shrink();
                }
                return Output::Wait { deadline };
            }
        }
    }

    /// Octets from the peer.
    pub fn receive(&mut self, octets: &[u8], now: Instant) {
        match self.state {
            State::Opening | State::Asked(Asked::Connect) => self.spoke_early |= !octets.is_empty(),
            // RFC 3207 §5, CVE-2011-0411: what came in clear is no part of the TLS session.
            State::Handshake | State::Closed(_) => {}
            State::Data(_) | State::Chunk(_) => {
                self.timers.block_begins(now);
                self.input.push(octets);
            }
            State::Command | State::OverlongLine | State::Asked(_) => self.input.push(octets),
        }
    }

    /// The TLS handshake is done: everything said before is forgotten (RFC 3207 §4.2).
    pub fn tls_established(&mut self, now: Instant) {
        if matches!(self.state, State::Handshake) {
            self.channel = Channel::Tls;
            self.start_over(now);
        }
    }

    /// The peer closed its side. What it sent before is still answered.
    pub fn peer_closed(&mut self, _now: Instant) {
        self.peer_gone = true;
    }

    /// The deadline of the last `Wait` passed.
    pub fn deadline_passed(&mut self, now: Instant) {
        let (deadline, late) = self.deadline();
        if now >= deadline && !matches!(self.state, State::Closed(_)) {
            self.end(reply::timed_out(), late);
        }
    }

    /// The daemon stops: idle sessions get 421, a running DATA may finish.
    pub fn shut_down(&mut self, _now: Instant) {
        self.stopping = true;
    }

    /// Does one thing; `false` when only the peer or the shell can go on.
    fn advance(&mut self, now: Instant) -> bool {
        match &self.state {
            State::Opening => {
                self.ask(Question::Connect, Asked::Connect);
                true
            }
            State::Command | State::OverlongLine if self.stopping && !self.content_runs() => {
                self.end(reply::shutting_down(), "shutting down");
                true
            }
            State::Command => self.read_command(now),
            State::OverlongLine => self.read_overlong_line(now),
            State::Data(_) => self.read_data(now),
            State::Chunk(_) => self.read_chunk(now),
            State::Asked(_) | State::Handshake | State::Closed(_) => false,
        }
    }

    fn deadline(&self) -> (Instant, &'static str) {
        let step = match self.state {
            State::Data(_) | State::Chunk(_) => Step::Content,
            _ if self.content_runs() => Step::NextChunk,
            State::Opening | State::Command | State::OverlongLine | State::Asked(_) => Step::Command,
            State::Handshake | State::Closed(_) => Step::Command,
        };
        self.timers.next(step, &self.config)
    }

    /// Content is being read, or more chunks of it are to come.
    fn content_runs(&self) -> bool {
        matches!(self.state, State::Data(_) | State::Chunk(_))
            || self.transaction.as_ref().is_some_and(|transaction| transaction.content.is_some())
    }

    fn ask(&mut self, question: Question, asked: Asked) {
        self.outputs.push_back(Output::Ask(question));
        self.state = State::Asked(asked);
    }

    fn say(&mut self, reply: &Reply) {
        self.outputs.push_back(Output::Send(reply.to_wire()));
    }

    /// An error of the peer: the answer waits from the third one on, and after too many there is none.
    fn say_error(&mut self, reply: &Reply) {
        self.counters.errors += 1;
        if self.counters.errors > self.config.limits.errors_max {
            return self.end(reply::too_many_errors(), "too many errors");
        }
        if self.counters.errors > ERRORS_WITHOUT_DELAY {
            self.outputs.push_back(Output::Pause(self.config.limits.error_delay));
        }
        self.say(reply);
    }

    /// Answers a command that brings no mail.
    fn say_idle(&mut self, reply: &Reply) {
        if self.is_idle_too_long() {
            return;
        }
        self.say(reply);
    }

    /// Answers a recipient that the mail has no place for.
    fn say_beyond(&mut self, reply: &Reply) {
        self.counters.recipients_beyond += 1;
        if self.counters.recipients_beyond > RECIPIENTS_BEYOND_MAX {
            return self.end(reply::too_many_errors(), "too many recipients");
        }
        self.say(reply);
    }

    /// Counts a command that brings no mail, and ends the session that does nothing else.
    fn is_idle_too_long(&mut self) -> bool {
        self.counters.idle_commands += 1;
        let too_long = self.counters.idle_commands > self.config.limits.idle_commands_max;
        if too_long {
            self.end(reply::too_many_idle_commands(), "too many commands without a mail");
        }
        too_long
    }

    /// Octets stand behind a command whose answer the peer had to wait for (RFC 2920 §3.1).
    fn is_pipelined(&mut self) -> bool {
        let pipelined = !self.input.is_empty();
        if pipelined {
            self.end(reply::unauthorised_pipelining(), "unauthorised pipelining");
        }
        pipelined
    }

    /// Back to the state behind the greeting.
    fn start_over(&mut self, now: Instant) {
        self.drop_transaction();
        self.input.clear();
        self.hello = None;
        self.state = State::Command;
        self.timers.command_answered(now);
    }

    fn drop_transaction(&mut self) {
        let content = self.transaction.take().and_then(|transaction| transaction.content);
        if content.is_some_and(|content| content.is_held()) {
            self.outputs.push_back(Output::DiscardContent);
        }
    }

    /// Says a last word and closes.
    fn end(&mut self, reply: Reply, reason: &'static str) {
        self.drop_transaction();
        self.say(&reply);
        self.leave(reason);
    }

    fn leave(&mut self, reason: &'static str) {
        self.drop_transaction();
        self.input.clear();
        self.state = State::Closed(reason);
    }
}

/// People mistype, programs repeat.
const ERRORS_WITHOUT_DELAY: usize = 2;
