//! Until when the session waits for its peer. Each deadline is named after its step (RFC 5321 §4.5.3.2).

use super::session::SessionConfig;
use std::time::{Duration, Instant};

/// Since when things are waited for.
#[derive(Debug, Clone)]
pub(super) struct Timers {
    connected: Instant,
    /// The greeting or the last answer.
    command: Instant,
    /// The last accepted mail, or the connection.
    mail: Instant,
    first_mail_command: FirstMailCommand,
    content: Instant,
    block: Instant,
    content_octets: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstMailCommand {
    Awaited,
    Seen,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Command,
    /// A command between the chunks of a mail.
    NextChunk,
    Content,
}

impl Timers {
    pub(super) fn new(now: Instant) -> Timers {
        Timers {
            connected: now,
            command: now,
            mail: now,
            first_mail_command: FirstMailCommand::Awaited,
            content: now,
            block: now,
            content_octets: 0,
        }
    }

    /// A command was answered. Octets of half a command do not count, or a slow peer could hold a session.
    pub(super) fn command_answered(&mut self, now: Instant) {
        self.command = now;
    }

    pub(super) fn mail_command_taken(&mut self) {
        self.first_mail_command = FirstMailCommand::Seen;
    }

    pub(super) fn mail_accepted(&mut self, now: Instant) {
        self.mail = now;
    }

    pub(super) fn content_begins(&mut self, now: Instant) {
        (self.content, self.block, self.content_octets) = (now, now, 0);
    }

    pub(super) fn block_begins(&mut self, now: Instant) {
        self.block = now;
    }

    pub(super) fn content_came(&mut self, octets: u64, now: Instant) {
        self.block = now;
        self.content_octets += octets;
    }

    /// Octets the peer sent of the content, stuffed dots included.
    pub(super) fn content_octets(&self) -> u64 {
        self.content_octets
    }

    /// The first deadline to pass, and how the session ends with it.
    pub(super) fn next(&self, step: Step, config: &SessionConfig) -> (Instant, &'static str) {
        let limits = &config.limits;
        let command = (self.command + limits.command_timeout, "timed out waiting for a command");
        let session = (self.mail + limits.session_without_mail_timeout, "no mail accepted in time");
        let earned = Duration::from_secs(self.content_octets / limits.data_octets_per_second_min.max(1));
        let mail = (self.content + limits.data_timeout + earned, "too slow in data");
        let block = (self.block + limits.data_block_timeout, "timed out in data");
        let first = (self.connected + limits.first_mail_timeout_under_load, "no MAIL in time under load");
        match step {
            Step::Content => earlier(mail, block),
            Step::NextChunk => earlier(command, mail),
            Step::Command if config.under_load && self.first_mail_command == FirstMailCommand::Awaited => {
                earlier(first, earlier(command, session))
            }
            Step::Command => earlier(command, session),
        }
    }
}

fn earlier(a: (Instant, &'static str), b: (Instant, &'static str)) -> (Instant, &'static str) {
    if b.0 < a.0 { b } else { a }
}
