//! One accepted mail from its octets to a decision: read, classify, load evidence, decide, compose. Runs on a filing
//! thread, where a mail that breaks it breaks nothing else.

use super::message::{self, Parts, compose};
use super::route::{Case, InboxRef, Proof, Route, decide};
use super::wanted::Wanted;
use super::worker::Services;
use crate::config::checked::{Account, Config};
use crate::conversation::id::Id;
use crate::conversation::model::Channel;
use crate::mail::automatic::{Classification, ReversePathKind, classify};
use crate::mail::dsn::{self, Bounce};
use crate::mail::parsed::ParsedMail;
use crate::store::StoreError;
use crate::store::ledger::LedgerEntry;
use crate::store::unit::{Destination, FilingResult, RoutingEvidence};
use tokio::runtime::Handle;

/// How reading a mail ended.
#[derive(Debug)]
pub enum Decision {
    /// To be committed.
    File(Box<FilingResult>),
    /// To be kept as failed, with this reason.
    Fail(String),
    /// The store could not be read: to be tried again.
    TryAgain(StoreError),
}

/// Reads one mail and decides.
pub fn read(services: &Services, runtime: &Handle, entry: &LedgerEntry) -> Decision {
    match try_read(services, runtime, entry) {
        Ok(decision) => decision,
        Err(error @ (StoreError::NotFound(_) | StoreError::Conflict(_) | StoreError::Database(_))) => {
            Decision::Fail(error.to_string())
        }
        Err(error) => Decision::TryAgain(error),
    }
}

fn try_read(services: &Services, runtime: &Handle, entry: &LedgerEntry) -> Result<Decision, StoreError> {
    let config = services.config.load();
    let (Some(raw_id), Some(account_name)) = (entry.raw_id, entry.account.as_deref()) else {
        return Ok(Decision::Fail("the entry has no raw mail or no account".to_owned()));
    };
    let Some(account) = config.accounts.iter().find(|account| account.name == account_name) else {
        return Ok(Decision::Fail(format!("account {account_name} is not in the config; add it and replay")));
    };
    let raw = runtime.block_on(services.store.raw_mail(raw_id))?;
    let letter = Letter::of((services.parse)(&raw), entry, &own_names(&config, account));
    drop(raw);
    let evidence = evidence(services, runtime, account, &letter)?;
    let Some(route) = decide(&letter.case(entry, account), &evidence) else {
        return Ok(Decision::Fail("nothing says which conversation or inbox it belongs to".to_owned()));
    };
    let known = match &route.destination {
        Destination::Existing(id) => runtime.block_on(services.store.sent_texts(*id, KNOWN_TEXTS))?,
        Destination::New { .. } | Destination::Nowhere => Vec::new(),
    };
    Ok(Decision::File(Box::new(letter.result(entry, raw_id, route, &known))))
}

/// A mail as far as it can be read alone.
struct Letter {
    mail: ParsedMail,
    bounce: Option<Bounce>,
    classification: Classification,
    wanted: Wanted,
    /// The one From address, lower case.
    sender: Option<String>,
}

impl Letter {
    fn of(mail: ParsedMail, entry: &LedgerEntry, own: &[String]) -> Letter {
        let bounce = dsn::read(&mail);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let classification = classify(&mail, bounce.as_ref(), reverse_path(entry), &own);
        let wanted = Wanted::of(entry.envelope_to.as_deref().unwrap_or_default(), &mail);
        let sender = sender(&mail);
        Letter { mail, bounce, classification, wanted, sender }
    }

    fn bounced_message_id(&self) -> Option<&str> {
        self.bounce.as_ref().and_then(|bounce| bounce.original_message_id.as_deref())
    }

    fn case<'a>(&'a self, entry: &'a LedgerEntry, account: &'a Account) -> Case<'a> {
        let recipient = entry.envelope_to.as_deref().unwrap_or_default();
        Case {
            recipient,
            wanted: &self.wanted,
            class: self.classification.class,
            subject: self.mail.subject(),
            bounced_message_id: self.bounced_message_id(),
            sender: self.sender.as_deref(),
            sender_proof: proof(entry, self.sender.as_deref()),
            inbox: inbox_of(account, recipient),
            first_inbox: first_inbox(account),
        }
    }

    fn result(&self, entry: &LedgerEntry, raw_id: Id, route: Route, known: &[String]) -> FilingResult {
        let parts = Parts {
            entry,
            raw_id,
            mail: &self.mail,
            classification: &self.classification,
            bounce: self.bounce.as_ref(),
            author: route.author,
            known,
        };
        let nowhere = matches!(route.destination, Destination::Nowhere);
        let fact = self.bounce.as_ref().filter(|_| nowhere).map(message::bounce_sentence);
        FilingResult {
            bounce: None,
            orders: Vec::new(),
            agent: None,
            ledger_id: entry.id,
            account: entry.account.clone().unwrap_or_default(),
            destination: route.destination,
            message: (!nowhere).then(|| compose(&parts)),
            reason: fact.map_or(route.reason.to_owned(), |fact| format!("{}: {fact}", route.reason)),
            message_id: self.mail.message_id().map(|id| id.to_string()),
            received_at: entry.received_at,
        }
    }
}

fn evidence(
    services: &Services,
    runtime: &Handle,
    account: &Account,
    letter: &Letter,
) -> Result<RoutingEvidence, StoreError> {
    let bounced = letter.bounced_message_id().map(str::to_owned);
    let ids = bounced.into_iter().chain(letter.wanted.message_ids.iter().cloned()).collect();
    let (tokens, sender) = (letter.wanted.tokens(), letter.sender.clone());
    runtime.block_on(services.store.routing_evidence(&account.name, tokens, ids, sender))
}

/// RFC 5322 §3.6.2 allows several From addresses; then none of them is the author for sure.
fn sender(mail: &ParsedMail) -> Option<String> {
    match mail.mailboxes("from").as_slice() {
        [one] => Some(one.address().map_or_else(|| one.email.trim().to_lowercase(), |address| address.key())),
        _ => None,
    }
}

/// The verdict is about one address; it proves that one only.
fn proof(entry: &LedgerEntry, sender: Option<&str>) -> Proof {
    let word = |name: &str| entry.auth.as_ref().and_then(|auth| auth.get(name)).and_then(serde_json::Value::as_str);
    let about_sender = word("author").is_none_or(|author| Some(author.to_lowercase().as_str()) == sender);
    if word("verdict") == Some("authentic") && about_sender { Proof::Authentic } else { Proof::Unproven }
}

fn reverse_path(entry: &LedgerEntry) -> Option<ReversePathKind> {
    let path = entry.envelope_from.as_deref()?;
    Some(if path.is_empty() { ReversePathKind::Null } else { ReversePathKind::Mailbox })
}

/// Addresses that we send from, and host names that our Message-IDs end in.
fn own_names(config: &Config, account: &Account) -> Vec<String> {
    let addresses = account.inboxes.iter().filter_map(|inbox| inbox.address.clone());
    addresses.chain([config.server.hostname.to_lowercase(), account.inbound_domain.clone()]).collect()
}

fn inbox_of<'a>(account: &'a Account, recipient: &str) -> Option<InboxRef<'a>> {
    let key = recipient.to_lowercase();
    let inbox = account.inboxes.iter().find(|inbox| inbox.address.as_deref() == Some(key.as_str()))?;
    Some(InboxRef { name: &inbox.name, channel: inbox.channel })
}

fn first_inbox(account: &Account) -> Option<InboxRef<'_>> {
    let by_mail = account.inboxes.iter().find(|inbox| inbox.channel == Channel::Email);
    let inbox = by_mail.or(account.inboxes.first())?;
    Some(InboxRef { name: &inbox.name, channel: Channel::Email })
}

/// Our own latest texts that a quote is compared with: replies quote those.
const KNOWN_TEXTS: usize = 20;
