//! What a session remembers between MAIL and the end of the content: the envelope, and the content on its way in.

use super::content_buffer::{Content, ContentBuffer, ContentError};
use super::ledger::Offer;
use super::policy::Recipient;
use crate::smtp::question::MailCommand;
use crate::smtp::reply::{self, Reply};
use std::path::Path;

#[derive(Debug)]
pub(super) struct Transaction {
    /// Empty for the null reverse-path.
    pub envelope_from: String,
    /// As MAIL declared it, later what came.
    pub size: Option<u64>,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    pub recipients: Vec<Recipient>,
    pub intake: Intake,
}

/// The content of a transaction.
#[derive(Debug)]
pub(super) enum Intake {
    Nothing,
    Taking(ContentBuffer),
    /// It cannot be held: the rest passes by, and this is said at its end.
    Failed(Failure),
    /// The protocol refused it: the reply that follows is the ledger's.
    Discarded,
}

/// What the peer hears at the end, and the reason for the ledger.
#[derive(Debug)]
pub(super) struct Failure {
    pub reply: Reply,
    pub reason: String,
}

impl Transaction {
    pub fn new(envelope_from: String, mail: &MailCommand) -> Transaction {
        let MailCommand { size, require_tls, .. } = *mail;
        Transaction { envelope_from, size, require_tls, recipients: Vec::new(), intake: Intake::Nothing }
    }

    /// Octets of content. What cannot be held is remembered, for the peer listens at the end only.
    pub async fn take(&mut self, octets: Vec<u8>, spool_dir: &Path) {
        let Intake::Taking(buffer) = &mut self.intake else { return };
        if let Err(error) = buffer.append(octets, spool_dir).await {
            self.size = Some(buffer.octets());
            self.intake = Intake::Failed(Failure::of(&error));
        }
    }

    /// The machine wants the content no more.
    pub fn discard(&mut self) {
        if let Intake::Taking(buffer) = &self.intake {
            self.size = Some(buffer.octets());
        }
        self.intake = Intake::Discarded;
    }

    /// All of it is there; or it could not be held.
    pub async fn finish(&mut self, spool_dir: &Path) -> Result<Content, Failure> {
        match std::mem::replace(&mut self.intake, Intake::Nothing) {
            Intake::Taking(buffer) => buffer.finish(spool_dir).await.map_err(|error| Failure::of(&error)),
            Intake::Failed(failure) => Err(failure),
            Intake::Nothing | Intake::Discarded => {
                Err(Failure { reply: reply::not_stored(), reason: "the content was lost".to_owned() })
            }
        }
    }

    /// Content was begun and not yet answered.
    pub fn is_in_content(&self) -> bool {
        match self.intake {
            Intake::Nothing => false,
            Intake::Taking(_) | Intake::Failed(_) | Intake::Discarded => true,
        }
    }

    /// Whether a reply of the protocol's own ends this transaction's content: it does when it says why no mail is
    /// taken of it, and whatever it says when the content is gone. A syntax error (500 to 504) is about a command
    /// between two chunks.
    pub fn is_ended_by(&self, reply: &[u8]) -> bool {
        match self.intake {
            Intake::Nothing => false,
            Intake::Taking(_) | Intake::Failed(_) => is_refusal(reply),
            Intake::Discarded => true,
        }
    }

    /// For the ledger, of one recipient.
    pub fn offer<'a>(&'a self, recipient: &'a Recipient) -> Offer<'a> {
        let size = match &self.intake {
            Intake::Taking(buffer) => Some(buffer.octets()),
            Intake::Nothing | Intake::Failed(_) | Intake::Discarded => self.size,
        };
        Offer {
            envelope_from: Some(&self.envelope_from),
            envelope_to: Some(&recipient.address),
            account: Some(&recipient.account),
            size,
            ..Offer::default()
        }
    }
}

impl Failure {
    fn of(error: &ContentError) -> Failure {
        let reply = match error {
            ContentError::Budget => reply::no_space(),
            ContentError::Spill(_) => reply::not_stored(),
        };
        Failure { reply, reason: error.to_string() }
    }
}

/// A 4xx or 5xx that is not about a command's form.
pub(super) fn is_refusal(reply: &[u8]) -> bool {
    matches!(reply, [b'4' | b'5', ..]) && !matches!(reply, [b'5', b'0', b'0'..=b'4', ..])
}
