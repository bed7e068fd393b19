//! What happens when policy has answered.

use super::super::chunk::{Chunk, Fate};
use super::super::command::HelloVerb;
use super::super::content::Content;
use super::super::data::DataReader;
use super::super::extension;
use super::super::question::{Answer, MailCommand, Protocol};
use super::super::reply::{self, Reply};
use super::{Asked, Session, State, Transaction};
use std::time::Instant;

impl Session {
    /// Policy's answer to the question that `poll` asked.
    pub fn answer(&mut self, answer: Answer, now: Instant) {
        if !matches!(self.state, State::Asked(_)) {
            return;
        }
        let State::Asked(asked) = std::mem::replace(&mut self.state, State::Command) else { return };
        self.timers.command_answered(now);
        if self.spoke_early {
            return self.end(reply::early_talker(), "spoke before the greeting");
        }
        if let Answer::Close(reply) = answer {
            return self.end(reply, "closed by policy");
        }
        match asked {
            Asked::Connect => match taken(answer, self.greeting()) {
                Ok(greeting) => self.say(&greeting),
                Err(reply) => self.end(reply, "closed by policy"),
            },
            Asked::Hello(verb) => self.hello_answered(verb, answer),
            Asked::Sender(mail) => self.sender_answered(mail, answer),
            Asked::Recipient => self.recipient_answered(answer),
            Asked::Data => self.data_answered(answer, now),
            Asked::Chunk(chunk) => self.chunk_answered(chunk, answer, now),
            Asked::EndOfContent => self.end_of_content_answered(answer, now),
            Asked::Xclient => match taken(answer, self.greeting()) {
                Ok(greeting) => {
                    self.start_over(now);
                    self.say(&greeting);
                }
                Err(reply) => self.say_error(&reply),
            },
        }
    }

    fn greeting(&self) -> Reply {
        reply::greeting(&self.config.hostname, self.config.protocol)
    }

    fn hello_answered(&mut self, verb: HelloVerb, answer: Answer) {
        match taken(answer, reply::hello(&self.config.hostname)) {
            Ok(reply) => {
                // RFC 5321 §4.1.4: a later EHLO is also a RSET.
                self.drop_transaction();
                self.hello = Some(verb);
                let keywords = match verb {
                    HelloVerb::Helo => Vec::new(),
                    HelloVerb::Ehlo | HelloVerb::Lhlo => extension::keywords(&self.config, self.channel),
                };
                self.outputs.push_back(super::Output::Send(reply.to_wire_with(&keywords)));
            }
            Err(reply) => self.say(&reply),
        }
    }

    fn sender_answered(&mut self, mail: MailCommand, answer: Answer) {
        match taken(answer, reply::sender_taken()) {
            // RFC 1870 §6.1 (3): whatever policy thinks of the rest.
            Ok(_) if mail.size.is_some_and(|size| size > self.config.limits.mail_octets_max) => {
                self.say_idle(&reply::mail_too_large());
            }
            Ok(reply) => {
                self.transaction = Some(Transaction { mail, recipients: 0, chunks: 0, content: None });
                self.say(&reply);
            }
            Err(reply) => self.say_idle(&reply),
        }
    }

    fn recipient_answered(&mut self, answer: Answer) {
        if matches!(answer, Answer::UnknownRecipient(_)) {
            self.counters.unknown_recipients += 1;
            if self.counters.unknown_recipients > self.config.limits.unknown_recipients_max {
                return self.end(reply::too_many_unknown_recipients(), "too many unknown recipients");
            }
        }
        match taken(answer, reply::recipient_taken()) {
            Ok(reply) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients += 1;
                }
                self.say(&reply);
            }
            Err(reply) => self.say_idle(&reply),
        }
    }

    fn data_answered(&mut self, answer: Answer, now: Instant) {
        match taken(answer, reply::start_content()) {
            // What came while policy was asked came before `354`.
            Ok(_) if self.is_pipelined() => {}
            Ok(reply) => {
                self.start_content(now);
                self.state = State::Data(DataReader::new());
                self.say(&reply);
            }
            Err(reply) => {
                self.drop_transaction();
                self.say_idle(&reply);
            }
        }
    }

    fn chunk_answered(&mut self, chunk: Chunk, answer: Answer, now: Instant) {
        match taken(answer, reply::chunk_taken(0)) {
            Ok(_) => {
                self.start_content(now);
                self.start_chunk(chunk, now);
            }
            Err(reply) => self.start_chunk(Chunk { fate: Fate::Refuse(reply), ..chunk }, now),
        }
    }

    fn start_content(&mut self, now: Instant) {
        self.timers.content_begins(now);
        if let Some(transaction) = &mut self.transaction {
            transaction.content = Some(Content::new());
        }
    }

    fn end_of_content_answered(&mut self, answer: Answer, now: Instant) {
        let recipients = self.transaction.take().map_or(1, |transaction| transaction.recipients);
        let replies = match (answer, self.config.protocol) {
            (Answer::PerRecipient(mut replies), Protocol::Lmtp) => {
                // RFC 2033 §4.2: exactly one reply each; a peer that waits for more would hang.
                replies.resize(recipients, reply::not_stored());
                replies
            }
            (answer, Protocol::Lmtp) => {
                vec![taken(answer, reply::done()).unwrap_or_else(std::convert::identity); recipients]
            }
            (answer, Protocol::Smtp) => vec![taken(answer, reply::done()).unwrap_or_else(std::convert::identity)],
        };
        if replies.iter().any(Reply::is_positive) {
            self.counters.idle_commands = 0;
            self.timers.mail_accepted(now);
        }
        replies.iter().for_each(|reply| self.say(reply));
    }
}

/// What to say when the answer lets the session go on, or what instead.
fn taken(answer: Answer, protocols_own: Reply) -> Result<Reply, Reply> {
    let reply = match answer {
        Answer::Accept => protocols_own,
        Answer::Reply(reply) | Answer::UnknownRecipient(reply) | Answer::Close(reply) => reply,
        // Only the end of content has one reply per recipient; where there is one reply, the worst one counts.
        Answer::PerRecipient(replies) => {
            let refused = replies.iter().find(|reply| !reply.is_positive()).cloned();
            refused.or(replies.into_iter().next()).unwrap_or_else(reply::not_stored)
        }
    };
    if reply.is_positive() { Ok(reply) } else { Err(reply) }
}
