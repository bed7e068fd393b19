//! The mail of one attempt: composed when the first host wants it, or read back as it went out before; and the note,
//! before the final dot, that from then on a host may have it.

use super::cargo::Cargo;
use super::compose::ComposeError;
use super::composing::ComposingError;
use super::in_hand::Told;
use super::schedule::Verdict;
use super::services::{MakingError, Sending, Services};
use super::session::Envelope;
use crate::mail::address::Address;
use crate::store::StoreError;
use crate::store::outgoing::{Outgoing, QueueEntry};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far the attempt has come, for whoever ends it from outside.
#[derive(Debug, Default)]
pub struct Reached {
    open: AtomicBool,
    data_sent: AtomicBool,
}

impl Reached {
    /// A host listens and wants the mail.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn note_open(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(super) fn note_data_sent(&self) {
        self.data_sent.store(true, Ordering::SeqCst);
    }

    /// From here on an end without an answer is uncertain.
    pub fn is_data_sent(&self) -> bool {
        self.data_sent.load(Ordering::SeqCst)
    }
}

pub struct Letter<'a> {
    services: &'a Services,
    sending: &'a Sending,
    entry: &'a QueueEntry,
    reached: &'a Reached,
    content: Option<Content>,
}

struct Content {
    octets: Arc<Vec<u8>>,
    envelope: Envelope,
    /// What the store is to keep, until it has.
    outgoing: Option<Outgoing>,
}

impl<'a> Letter<'a> {
    pub fn new(
        services: &'a Services,
        sending: &'a Sending,
        entry: &'a QueueEntry,
        reached: &'a Reached,
    ) -> Letter<'a> {
        Letter { services, sending, entry, reached, content: None }
    }

    async fn made(&self) -> Result<Content, Box<Told>> {
        let Some(raw_id) = self.entry.raw_id else { return self.composed().await };
        // A host that took the earlier attempt knows it again by its octets.
        let octets = self.services.store.raw_mail(raw_id).await.map_err(|error| Box::new(unread(&error)))?;
        Ok(Content { octets: Arc::new(octets), envelope: self.envelope()?, outgoing: None })
    }

    async fn composed(&self) -> Result<Content, Box<Told>> {
        let outgoing =
            self.services.compose(self.sending, self.entry.id).await.map_err(|error| Box::new(self.unmade(&error)))?;
        Ok(Content { octets: Arc::new(outgoing.octets.clone()), envelope: self.envelope()?, outgoing: Some(outgoing) })
    }

    fn unmade(&self, error: &MakingError) -> Told {
        let reason = format!("the mail could not be made: {error}");
        let verdict = match error {
            MakingError::Store(_) => Verdict::Later { after: None },
            MakingError::Composing(ComposingError::Compose(error)) if error.enhanced().is_some() => {
                Verdict::Never { suppress: None }
            }
            // An operator can mend it.
            MakingError::Composing(ComposingError::Compose(_) | ComposingError::NoThread(_)) => {
                Verdict::Later { after: None }
            }
            MakingError::Composing(ComposingError::Panicked | ComposingError::TooLong(_)) => {
                self.services.counters.panics.inc();
                Verdict::Defect
            }
        };
        tracing::warn!(entry = %self.entry.id, reason, "see replyd queue show");
        Told::unsaid(verdict, reason)
    }

    fn envelope(&self) -> Result<Envelope, Box<Told>> {
        let defect = |what: &str| Box::new(Told::unsaid(Verdict::Never { suppress: None }, what.to_owned()));
        let domain = self.sending.inbound_domain(&self.entry.account);
        // An operator can put it back.
        let gone = || Told::unsaid(Verdict::Later { after: None }, ComposeError::NoAccount.to_string());
        let domain = domain.ok_or_else(gone)?;
        let bounces = self.services.store.keys().bounce_address(self.entry.id, domain);
        Ok(Envelope {
            reverse_path: Address::parse(&bounces).ok(),
            forward_path: Address::parse(&self.entry.recipient)
                .map_err(|_| defect("the recipient's address is no address"))?,
            require_tls: self.entry.require_tls,
        })
    }
}

impl Cargo for Letter<'_> {
    fn name(&self) -> String {
        self.entry.id.to_string()
    }

    async fn content(&mut self) -> Result<(Envelope, Arc<Vec<u8>>), Box<Told>> {
        self.reached.note_open();
        if self.content.is_none() {
            self.content = Some(self.made().await?);
        }
        let content = self.content.as_ref().expect("it was made above");
        Ok((content.envelope.clone(), Arc::clone(&content.octets)))
    }

    async fn data_sent(&mut self) -> Result<(), String> {
        // Before the commit: whoever ends the attempt while it runs must not take the mail for unsent.
        self.reached.data_sent.store(true, Ordering::SeqCst);
        let outgoing = self.content.as_mut().and_then(|content| content.outgoing.take());
        let noted = self.services.store.data_sent(self.entry.id, outgoing.clone()).await;
        noted.map_err(|error| {
            self.reached.data_sent.store(false, Ordering::SeqCst);
            if let Some(content) = self.content.as_mut() {
                content.outgoing = outgoing;
            }
            match error {
                StoreError::Conflict(_) | StoreError::NotFound(_) => {
                    "it was cancelled, or read in the chat, just before it was sent".to_owned()
                }
                error => format!("that it is being sent could not be written down, so it was not: {error}"),
            }
        })
    }
}

fn unread(error: &StoreError) -> Told {
    Told::unsaid(Verdict::Later { after: None }, format!("the mail could not be read from the store: {error}"))
}
