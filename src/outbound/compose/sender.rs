//! What mails of ours are made with, from the config: who sends for an account, with which keys, words and templates.
//! Made at the start and at every reload; what is wrong with a key or a template is found then, not at the first mail.

use super::composed::{ComposeError, compose};
use super::example;
use super::sign_in::{self, compose_sign_in};
use super::templates::{TemplateError, Templates};
use crate::config::checked::{Account, Config, Inbox, Voice};
use crate::conversation::delivery::MailKind;
use crate::conversation::keys::Keys;
use crate::conversation::model::Channel;
use crate::mail::address::Address;
use crate::sender_auth::{KeyError, Signer};
use std::collections::HashMap;
use std::time::Duration;

/// Composes for every account.
#[derive(Debug)]
pub struct Sender {
    /// Right side of Message-IDs.
    pub(super) hostname: String,
    pub(super) public_url: String,
    pub(super) attachments_max: u64,
    pub(super) link_life: Duration,
    pub(super) keys: Keys,
    desks: HashMap<String, Desk>,
}

/// One account as a sender.
#[derive(Debug)]
pub(super) struct Desk {
    pub inbound_domain: String,
    pub signer: Signer,
    pub templates: Templates,
    voice: Voice,
    inboxes: Vec<Inbox>,
}

/// Why nothing can be sent with this config.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error("account {account}: dkim: {error}")]
    Key { account: String, error: KeyError },
    #[error("account {account}: templates: {error}")]
    Template { account: String, error: TemplateError },
}

impl Sender {
    /// Reads keys and templates, and tries templates that are not ours on the examples.
    pub fn new(config: &Config, keys: Keys) -> Result<Sender, SenderError> {
        let desk = |account: &Account| Ok((account.name.clone(), Desk::new(account)?));
        let sender = Sender {
            hostname: config.server.hostname.clone(),
            public_url: config.http.public_url.clone(),
            attachments_max: config.outbound.attachments_max,
            link_life: config.outbound.link_life,
            keys,
            desks: config.accounts.iter().map(desk).collect::<Result<_, _>>()?,
        };
        for account in config.accounts.iter().filter(|account| !account.templates.is_empty()) {
            sender.try_templates(account)?;
        }
        Ok(sender)
    }

    /// On a mail of each kind, with and without what a mail may lack.
    fn try_templates(&self, account: &Account) -> Result<(), SenderError> {
        for kind in [MailKind::Answer, MailKind::Notification, MailKind::Notice] {
            let full = example::mail(kind, &account.name, "", Channel::Widget);
            let mut bare = example::mail(kind, &account.name, "", Channel::Email);
            bare.messages.truncate(1);
            bare.history.clear();
            bare.assignee = None;
            for mail in [full, bare] {
                if let Err(ComposeError::Template(error)) = compose(&mail, &[], self) {
                    return Err(SenderError::Template { account: account.name.clone(), error });
                }
            }
        }
        match compose_sign_in(&sign_in::example(&account.name), self) {
            Err(ComposeError::Template(error)) => Err(SenderError::Template { account: account.name.clone(), error }),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    pub(super) fn desk(&self, account: &str) -> Option<&Desk> {
        self.desks.get(account)
    }
}

impl Desk {
    fn new(account: &Account) -> Result<Desk, SenderError> {
        let name = || account.name.clone();
        Ok(Desk {
            inbound_domain: account.inbound_domain.clone(),
            signer: Signer::load(&account.dkim).map_err(|error| SenderError::Key { account: name(), error })?,
            templates: Templates::new(&account.templates)
                .map_err(|error| SenderError::Template { account: name(), error })?,
            voice: account.voice.clone(),
            inboxes: account.inboxes.clone(),
        })
    }

    /// An inbox that left the config speaks as its account does.
    pub fn voice(&self, inbox: &str) -> &Voice {
        self.inbox(inbox).map_or(&self.voice, |inbox| &inbox.voice)
    }

    /// Where mail of this inbox comes from.
    pub fn address(&self, inbox: &str) -> Option<Address> {
        self.inbox(inbox)?.address.as_deref().and_then(|address| Address::parse(address).ok())
    }

    /// Whether the inbox names a page of its own where the chat is.
    pub fn has_resume_page(&self, inbox: &str) -> bool {
        self.inbox(inbox).is_some_and(|inbox| !inbox.resume_url.is_empty())
    }

    /// The first inbox that has an address speaks for the account.
    pub fn first_address(&self) -> Option<Address> {
        self.inboxes.iter().find_map(|inbox| Address::parse(inbox.address.as_deref()?).ok())
    }

    fn inbox(&self, name: &str) -> Option<&Inbox> {
        self.inboxes.iter().find(|inbox| inbox.name == name)
    }
}
