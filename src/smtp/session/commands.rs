//! Command lines: each is obeyed, asked about or refused, in the order RFC 5321 §4.1.4 wants.

use super::super::chunk::{Chunk, ChunkHeader, Fate};
use super::super::command::{self, Alphabet, Command, HelloVerb, Refusal};
use super::super::extension::Channel;
use super::super::input::{Discard, Line};
use super::super::question::{BodyType, ForwardPath, MailCommand, Protocol, Question};
use super::super::reply;
use super::super::xclient;
use super::{Asked, Output, Session, State, Transaction};
use std::time::Instant;

impl Session {
    pub(super) fn read_command(&mut self, now: Instant) -> bool {
        let length = match self.input.line() {
            Line::Incomplete => return false,
            Line::NotText => {
                self.end(reply::not_smtp(), "another protocol");
                return true;
            }
            // RFC 3030 §2: the octets behind it are no commands, and how many there are is unknown.
            Line::TooLong | Line::EndedBare(_) if self.input.starts_with_verb(b"BDAT") => {
                self.end(reply::bare_line_end(), "unreadable BDAT");
                return true;
            }
            Line::TooLong => {
                self.state = State::OverlongLine;
                self.say_error(&reply::line_too_long());
                return true;
            }
            Line::EndedBare(length) => {
                self.input.consume(length);
                self.timers.command_answered(now);
                self.say_error(&reply::bare_line_end());
                return true;
            }
            Line::Ended(length) => length,
        };
        let line = self.input.unread().get(..length - 2).unwrap_or_default();
        let parsed = command::parse(line);
        self.verb = command::verb_word(line);
        self.input.consume(length);
        self.timers.command_answered(now);
        match parsed {
            // RFC 2920 §3: only who was offered PIPELINING may use it.
            Ok(command) if self.hello == Some(HelloVerb::Helo) && command != Command::Quit && self.is_pipelined() => {}
            Ok(command) => self.obey(command, now),
            Err(Refusal::Reply(reply)) => self.say_error(&reply),
            Err(Refusal::Close { reply, reason }) => self.end(reply, reason),
        }
        true
    }

    pub(super) fn read_overlong_line(&mut self, now: Instant) -> bool {
        match self.input.discard_line() {
            Discard::More => return false,
            Discard::Ended => {
                self.timers.command_answered(now);
                self.state = State::Command;
            }
            Discard::TooMuch => self.leave("command line without end"),
        }
        true
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Hello { verb, domain } => self.obey_hello(verb, domain),
            Command::Mail(mail) => self.obey_mail(mail),
            Command::Recipient { path, alphabet } => self.obey_recipient(path, alphabet),
            Command::Data => self.obey_data(),
            Command::Chunk(header) => self.obey_chunk(header, now),
            Command::Reset => {
                self.drop_transaction();
                self.say_idle(&reply::done());
            }
            Command::Noop => self.say_idle(&reply::done()),
            Command::Help => self.say_idle(&reply::help()),
            Command::Verify => self.say_idle(&reply::cannot_verify()),
            Command::Quit => self.end(reply::goodbye(), "quit"),
            Command::StartTls => self.obey_starttls(),
            Command::Xclient { attributes } => self.obey_xclient(&attributes),
        }
    }

    fn obey_hello(&mut self, verb: HelloVerb, domain: String) {
        if verb.protocol() != self.config.protocol {
            let expected = match self.config.protocol {
                Protocol::Smtp => "EHLO",
                Protocol::Lmtp => "LHLO",
            };
            return self.say_error(&reply::wrong_hello(expected));
        }
        if !self.is_pipelined() && !self.is_idle_too_long() {
            self.ask(Question::Hello { domain }, Asked::Hello(verb));
        }
    }

    fn obey_mail(&mut self, mail: MailCommand) {
        let limits = &self.config.limits;
        if self.hello.is_none() {
            self.say_error(&reply::out_of_order("say EHLO first"));
        } else if self.transaction.is_some() {
            self.say_error(&reply::out_of_order("a mail is open already: RSET drops it"));
        } else if mail.require_tls && self.channel == Channel::Clear {
            self.say_error(&reply::tls_needed_for_requiretls());
        } else if self.counters.mails >= limits.mails_per_session_max {
            self.end(reply::too_many_mails(), "too many mails");
        } else {
            self.timers.mail_command_taken();
            self.ask(Question::Sender(mail.clone()), Asked::Sender(mail));
        }
    }

    fn obey_recipient(&mut self, path: ForwardPath, alphabet: Alphabet) {
        let recipients_max = self.config.limits.recipients_max;
        let Some(transaction) = self.transaction.as_ref().filter(|transaction| transaction.content.is_none()) else {
            return self.say_error(&reply::out_of_order("RCPT comes behind MAIL and before content"));
        };
        if alphabet == Alphabet::Utf8 && !transaction.mail.smtputf8 {
            self.say_error(&reply::address_needs_smtputf8());
        } else if transaction.mail.reverse_path.is_none() && transaction.recipients > 0 {
            // A bounce answers one mail of one sender. More recipients are a spammer's, or sent again one by one.
            self.say_beyond(&reply::one_recipient_for_a_bounce());
        } else if transaction.recipients >= recipients_max {
            self.say_beyond(&reply::too_many_recipients());
        } else {
            self.ask(Question::Recipient(path), Asked::Recipient);
        }
    }

    fn obey_data(&mut self) {
        let wrong = match &self.transaction {
            None => Some("DATA comes behind MAIL and RCPT"),
            Some(transaction) if transaction.content.is_some() => Some("this mail comes by BDAT"),
            Some(transaction) if transaction.recipients == 0 => Some("no recipient was accepted"),
            // RFC 3030 §3: DATA cannot carry what need not have lines.
            Some(transaction) if transaction.mail.body == Some(BodyType::BinaryMime) => Some("BINARYMIME needs BDAT"),
            Some(_) => None,
        };
        if self.is_pipelined() {
            return;
        }
        match wrong {
            Some(wanted) => self.say_error(&reply::out_of_order(wanted)),
            None => self.ask(Question::Content, Asked::Data),
        }
    }

    fn obey_chunk(&mut self, header: ChunkHeader, now: Instant) {
        let limits = self.config.limits.clone();
        let swallowable = header.octets <= limits.mail_octets_max.saturating_mul(2);
        let fate = match self.transaction.as_mut().filter(|transaction| transaction.recipients > 0) {
            None => Fate::RefuseAsError(reply::out_of_order("BDAT comes behind MAIL and an accepted RCPT")),
            Some(transaction) => {
                transaction.chunks += 1;
                if transaction.chunks > limits.chunks_max {
                    return self.end(reply::too_many_chunks(), "too many chunks");
                }
                let before = transaction.content.as_ref().map_or(0, |content| content.octets());
                if before.saturating_add(header.octets) > limits.mail_octets_max {
                    Fate::Refuse(reply::mail_too_large())
                } else {
                    Fate::Keep
                }
            }
        };
        let begun = self.transaction.as_ref().is_some_and(|transaction: &Transaction| transaction.content.is_some());
        match fate {
            Fate::Refuse(reply) | Fate::RefuseAsError(reply) if !swallowable => {
                self.end(reply, "chunk too large to swallow");
            }
            Fate::Keep if !begun => self.ask(Question::Content, Asked::Chunk(Chunk::new(header, Fate::Keep))),
            fate => self.start_chunk(Chunk::new(header, fate), now),
        }
    }

    fn obey_starttls(&mut self) {
        if self.channel == Channel::Tls {
            self.say_error(&reply::out_of_order("TLS is on already"));
        } else if !self.config.starttls {
            self.say_error(&reply::not_implemented());
        } else if self.is_pipelined() {
            // RFC 3207 §5, CVE-2011-0411: commands injected in clear would run inside TLS.
        } else if self.hello.is_none() || self.transaction.is_some() {
            self.say_error(&reply::out_of_order("STARTTLS comes behind EHLO and outside a mail"));
        } else {
            self.say(&reply::ready_for_tls());
            self.outputs.push_back(Output::StartTls);
            self.state = State::Handshake;
        }
    }

    fn obey_xclient(&mut self, attributes: &str) {
        if !self.config.xclient {
            self.end(reply::xclient_denied(), "XCLIENT from an unlisted peer");
        } else if self.is_pipelined() {
            // The answer is a new greeting, which the peer has to read.
        } else if self.transaction.is_some() {
            self.say_error(&reply::out_of_order("XCLIENT comes outside a mail"));
        } else {
            match xclient::parse_attributes(attributes) {
                Some(attributes) => self.ask(Question::Xclient(attributes), Asked::Xclient),
                None => self.say_error(&reply::bad_argument("XCLIENT NAME= ADDR= PORT= PROTO= HELO=")),
            }
        }
    }
}
