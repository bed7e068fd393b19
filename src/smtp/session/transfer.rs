//! Content on its way in: blocks of DATA, chunks of BDAT, and what is said at their end.

use super::super::chunk::{Chunk, Fate, Position};
use super::super::content::ContentRefusal;
use super::super::data::Progress;
use super::super::question::{Protocol, Question};
use super::super::reply::{self, Reply};
use super::{Asked, Session, State};
use std::time::Instant;

impl Session {
    pub(super) fn read_data(&mut self, now: Instant) -> bool {
        let limits = self.config.limits.clone();
        let content = self.transaction.as_mut().and_then(|transaction| transaction.content.as_mut());
        let (State::Data(reader), Some(content)) = (&mut self.state, content) else { return false };
        if self.input.is_empty() {
            return false;
        }
        // A peer that goes on at twice the limit will not stop to hear the answer.
        let allowed = limits.mail_octets_max.saturating_mul(2).saturating_sub(self.timers.content_octets());
        let unread = self.input.unread();
        let block = unread.get(..usize::try_from(allowed).unwrap_or(usize::MAX)).unwrap_or(unread);
        if block.is_empty() {
            self.end(reply::mail_too_large(), "mail far too large");
            return true;
        }
        let mut octets = Vec::with_capacity(block.len());
        let progress = reader.read(block, &mut octets);
        let read = match progress {
            Progress::More => block.len(),
            Progress::Ended(read) => read,
        };
        if reader.saw_smuggling() {
            content.found_smuggling();
        }
        self.outputs.extend(content.take(octets, &limits));
        self.input.consume(read);
        self.timers.content_came(read as u64, now);
        if progress != Progress::More {
            self.finish_content(now);
        }
        true
    }

    pub(super) fn start_chunk(&mut self, chunk: Chunk, now: Instant) {
        self.timers.block_begins(now);
        if self.transaction.as_ref().is_none_or(|transaction| transaction.content.is_none()) {
            self.timers.content_begins(now);
        }
        self.state = State::Chunk(chunk);
    }

    pub(super) fn read_chunk(&mut self, now: Instant) -> bool {
        let State::Chunk(chunk) = &mut self.state else { return false };
        let unread = self.input.unread();
        let octets = unread.get(..usize::try_from(chunk.left).unwrap_or(usize::MAX)).unwrap_or(unread);
        let read = octets.len();
        chunk.left -= read as u64;
        let (left, kept) = (chunk.left, chunk.fate == Fate::Keep);
        let content = self.transaction.as_mut().and_then(|transaction| transaction.content.as_mut());
        if let Some(content) = content.filter(|_| kept) {
            self.outputs.extend(content.take(octets.to_vec(), &self.config.limits));
        }
        self.input.consume(read);
        self.timers.content_came(read as u64, now);
        if left == 0 {
            self.end_chunk(now);
        }
        left == 0 || read > 0
    }

    fn end_chunk(&mut self, now: Instant) {
        let State::Chunk(chunk) = std::mem::replace(&mut self.state, State::Command) else { return };
        self.timers.command_answered(now);
        match (chunk.fate, chunk.header.position) {
            (Fate::RefuseAsError(reply), _) => {
                self.drop_transaction();
                self.say_error(&reply);
            }
            (Fate::Refuse(reply), Position::Inner) => {
                self.drop_transaction();
                self.say(&reply);
            }
            (Fate::Refuse(reply), Position::Last) => self.refuse_content(&reply),
            (Fate::Keep, Position::Last) => self.finish_content(now),
            (Fate::Keep, Position::Inner) => self.end_inner_chunk(chunk.header.octets),
        }
    }

    fn end_inner_chunk(&mut self, octets: u64) {
        let content = self.transaction.as_ref().and_then(|transaction| transaction.content.as_ref());
        match content.and_then(|content| content.refusal(&self.config.limits)) {
            None => self.say(&reply::chunk_taken(octets)),
            // RFC 3030 §4.2: the mail has failed, and chunks that follow are out of order.
            Some(ContentRefusal::Reply(reply) | ContentRefusal::Close(reply)) => {
                self.drop_transaction();
                self.say(&reply);
            }
        }
    }

    fn finish_content(&mut self, now: Instant) {
        self.timers.command_answered(now);
        self.state = State::Command;
        self.counters.mails += 1;
        let Some(transaction) = &mut self.transaction else { return };
        let Some(content) = &mut transaction.content else { return };
        match content.finish(&self.config.limits) {
            Ok(summary) => {
                // From here on the octets are policy's.
                transaction.content = None;
                self.ask(Question::EndOfContent(summary), Asked::EndOfContent);
            }
            Err(ContentRefusal::Reply(reply)) => self.refuse_content(&reply),
            Err(ContentRefusal::Close(reply)) => {
                self.refuse_content(&reply);
                self.leave("smuggling");
            }
        }
    }

    /// Refuses the mail: LMTP has one answer per recipient (RFC 2033 §4.2).
    fn refuse_content(&mut self, reply: &Reply) {
        let recipients = self.transaction.as_ref().map_or(1, |transaction| transaction.recipients);
        self.drop_transaction();
        let times = match self.config.protocol {
            Protocol::Smtp => 1,
            Protocol::Lmtp => recipients,
        };
        (0..times).for_each(|_| self.say(reply));
    }
}
