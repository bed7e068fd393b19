//! One accepted mail from its octets to a decision: read, classify, load evidence, decide, compose. Runs on a filing
//! thread, where a mail that breaks it breaks nothing else.

use super::bounce;
use super::message::{Composed, Parts, compose};
use super::route::{BounceToken, Case, InboxRef, Proof, Route, Writer, decide};
use super::wanted::Wanted;
use super::worker::Services;
use crate::config::checked::{Account, Config};
use crate::conversation::id::Id;
use crate::conversation::keys::Keys;
use crate::conversation::links;
use crate::conversation::model::{Channel, Direction};
use crate::conversation::reply_token::ReplyToken;
use crate::mail::address::Address;
use crate::mail::automatic::{Class, Classification, ReversePathKind, classify};
use crate::mail::dsn::{self, Bounce};
use crate::mail::parsed::ParsedMail;
use crate::store::StoreError;
use crate::store::ledger::LedgerEntry;
use crate::store::outgoing::QueueEntry;
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
    let mail = (services.parse)(&raw);
    drop(raw);
    let origin = origin(services, runtime, &mail, account)?;
    let letter = Letter::of(mail, entry, &config, account, services.store.keys(), origin);
    let filer = Filer { services, runtime, config: &config, account, entry, raw_id };
    let bounced = filer.bounced()?;
    let evidence = filer.evidence(&letter, bounced.as_ref())?;
    match decide(&letter.case(entry, account, services.store.keys(), bounced.as_ref()), &evidence) {
        Ok(route) => Ok(Decision::File(Box::new(filer.result(&letter, route, &evidence, bounced.as_ref())?))),
        Err(reason) => Ok(Decision::Fail(reason.to_owned())),
    }
}

/// A mail as far as it can be read alone.
struct Letter {
    mail: ParsedMail,
    bounce: Option<Bounce>,
    classification: Classification,
    wanted: Wanted,
    /// The one From address, lower case.
    sender: Option<String>,
    /// Sent by us.
    own: bool,
}

/// Whose Message-ID a mail has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Elsewhere,
    /// This account's, or of a mail that nobody knows any more.
    Ours,
    /// Another account of this installation sent it: to this one it is a stranger's mail.
    OtherAccount,
}

/// A Message-ID of ours is keyed, so it tells for sure which account sent the mail.
fn origin(services: &Services, runtime: &Handle, mail: &ParsedMail, account: &Account) -> Result<Origin, StoreError> {
    let id = mail.message_id();
    let Some(sent) = id.and_then(|id| services.store.keys().mailed_entry(id.as_str())) else {
        return Ok(Origin::Elsewhere);
    };
    match runtime.block_on(services.store.queue_entry(sent)) {
        Ok(sent) if sent.account != account.name => Ok(Origin::OtherAccount),
        Ok(_) | Err(StoreError::NotFound(_)) => Ok(Origin::Ours),
        Err(error) => Err(error),
    }
}

impl Letter {
    fn of(
        mail: ParsedMail,
        entry: &LedgerEntry,
        config: &Config,
        account: &Account,
        keys: &Keys,
        origin: Origin,
    ) -> Letter {
        let bounce = dsn::read(&mail);
        let own = own_names(config, account, origin);
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let mut classification = classify(&mail, bounce.as_ref(), reverse_path(entry), &own);
        if classification.class == Class::Human && is_from_our_token(&mail, account, keys) {
            // Nobody sends from there: whoever puts it in From wants our answer to come back to us.
            let reason = "a reply address of ours in From".to_owned();
            classification = Classification { class: Class::AutoReply, reason };
        }
        let wanted = Wanted::of(entry.envelope_to.as_deref().unwrap_or_default(), &mail);
        let sender = sender(&mail);
        // A report of a delivery may carry our marks along; what it tells counts all the same.
        let own = classification.class != Class::Bounce
            && (origin == Origin::Ours || is_marked(&mail, account, keys) && is_from_us(&mail, account));
        Letter { mail, bounce, classification, wanted, sender, own }
    }

    fn bounced_message_id(&self) -> Option<&str> {
        self.bounce.as_ref().and_then(|bounce| bounce.original_message_id.as_deref())
    }

    fn case<'a>(
        &'a self,
        entry: &'a LedgerEntry,
        account: &'a Account,
        keys: &Keys,
        bounced: Option<&QueueEntry>,
    ) -> Case<'a> {
        let recipient = entry.envelope_to.as_deref().unwrap_or_default();
        Case {
            recipient,
            wanted: &self.wanted,
            class: self.classification.class,
            subject: self.mail.subject(),
            own: self.own,
            bounce_token: match (bounced, bounce_token(entry, account, keys)) {
                (Some(mail), _) => BounceToken::Of(mail.conversation_id),
                (None, Some(_)) => BounceToken::OfNothing,
                (None, None) => BounceToken::Absent,
            },
            bounced_message_id: self.bounced_message_id(),
            sender: self.sender.as_deref(),
            sender_proof: proof(entry, self.sender.as_deref()),
            inbox: inbox_of(account, recipient),
            first_inbox: first_inbox(account),
        }
    }
}

/// What filing one entry goes by.
struct Filer<'a> {
    services: &'a Services,
    runtime: &'a Handle,
    config: &'a Config,
    account: &'a Account,
    entry: &'a LedgerEntry,
    raw_id: Id,
}

impl Filer<'_> {
    /// The mail of ours whose bounce token this came to.
    fn bounced(&self) -> Result<Option<QueueEntry>, StoreError> {
        let Some(id) = bounce_token(self.entry, self.account, self.services.store.keys()) else { return Ok(None) };
        match self.runtime.block_on(self.services.store.queue_entry(id)) {
            Ok(mail) => Ok(Some(mail).filter(|mail| mail.account == self.account.name)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn evidence(&self, letter: &Letter, bounced: Option<&QueueEntry>) -> Result<RoutingEvidence, StoreError> {
        let named = letter.bounced_message_id().map(str::to_owned);
        let named = named.into_iter().chain(bounced.map(|mail| mail.message_id.clone()));
        let ids = named.chain(letter.wanted.message_ids.iter().cloned()).collect();
        let (tokens, sender) = (letter.wanted.tokens(), letter.sender.clone());
        self.runtime.block_on(self.services.store.routing_evidence(&self.account.name, tokens, ids, sender))
    }

    fn result(
        &self,
        letter: &Letter,
        route: Route,
        evidence: &RoutingEvidence,
        bounced: Option<&QueueEntry>,
    ) -> Result<FilingResult, StoreError> {
        let composed = self.composed(letter, &route, evidence)?;
        let is_nowhere = matches!(route.destination, Destination::Nowhere);
        let fact = letter.bounce.as_ref().filter(|_| is_nowhere).map(bounce::sentence);
        let why = fact.or(composed.refused);
        let told = bounced.zip(letter.bounce.as_ref());
        Ok(FilingResult {
            ledger_id: self.entry.id,
            account: self.account.name.clone(),
            destination: route.destination,
            message: composed.message,
            reason: why.map_or(route.reason.to_owned(), |why| format!("{}: {why}", route.reason)),
            message_id: letter.mail.message_id().map(|id| id.to_string()),
            received_at: self.entry.received_at,
            bounce: told.map(|(mail, bounce)| bounce::fact(bounce, mail)),
            orders: composed.orders,
            agent: match route.writer {
                Writer::Agent(agent) | Writer::AgentElsewhere(agent) => Some(agent.email),
                Writer::Contact | Writer::Participant | Writer::Machine => None,
            },
        })
    }

    fn composed(&self, letter: &Letter, route: &Route, evidence: &RoutingEvidence) -> Result<Composed, StoreError> {
        let inbox = match &route.destination {
            Destination::Nowhere => return Ok(Composed::default()),
            Destination::New { inbox, .. } => Some(inbox),
            Destination::Existing(id) => {
                evidence.contacts.iter().find(|contact| contact.conversation == *id).map(|contact| &contact.inbox)
            }
        };
        let inbox = inbox.map(String::as_str).unwrap_or_default();
        let agents = self.agents(&route.writer)?;
        let posting = |direction: Direction| self.config.posting_of(&self.account.name, inbox, direction);
        Ok(compose(&Parts {
            entry: self.entry,
            raw_id: self.raw_id,
            mail: &letter.mail,
            classification: &letter.classification,
            bounce: letter.bounce.as_ref(),
            writer: &route.writer,
            known: &self.known(route)?,
            agents: &agents,
            hidden: &self.hidden(&agents),
            posting: &posting,
        }))
    }

    /// What a quote is compared with: what this author got by mail.
    fn known(&self, route: &Route) -> Result<Vec<String>, StoreError> {
        let Destination::Existing(id) = route.destination else { return Ok(Vec::new()) };
        let store = &self.services.store;
        match route.writer {
            Writer::Contact | Writer::Participant | Writer::Machine => {
                self.runtime.block_on(store.sent_texts(id, KNOWN_TEXTS))
            }
            Writer::Agent(_) | Writer::AgentElsewhere(_) => {
                let messages = self.runtime.block_on(store.messages(id, KNOWN_TEXTS))?;
                Ok(messages.into_iter().map(|message| message.text).collect())
            }
        }
    }

    /// An agent who is registered with an inbox's address has none of their own to hide.
    fn hidden(&self, agents: &[String]) -> Vec<String> {
        let is_public =
            |agent: &&String| self.account.inboxes.iter().any(|inbox| inbox.address.as_ref() == Some(*agent));
        agents.iter().filter(|agent| !is_public(agent)).cloned().collect()
    }

    fn agents(&self, writer: &Writer) -> Result<Vec<String>, StoreError> {
        match writer {
            Writer::Contact | Writer::Participant | Writer::Machine => Ok(Vec::new()),
            Writer::Agent(_) | Writer::AgentElsewhere(_) => {
                let agents = self.services.store.agents(Some(self.account.name.clone()));
                Ok(self.runtime.block_on(agents)?.into_iter().map(|agent| agent.email).collect())
            }
        }
    }
}

/// The queue entry that the recipient is the bounce token of; a token opens its account's inbound domain only.
fn bounce_token(entry: &LedgerEntry, account: &Account, keys: &Keys) -> Option<Id> {
    let (local, domain) = entry.envelope_to.as_deref()?.rsplit_once('@')?;
    keys.bounced_entry(local, domain).filter(|_| domain == account.inbound_domain)
}

/// Some hosts give what they bring back a Message-ID of their own; the mark still names the mail. It proves where a header
/// came from, not who wrote the rest: clients that send on with all fields put a person's words under it, in the person's name.
fn is_marked(mail: &ParsedMail, account: &Account, keys: &Keys) -> bool {
    mail.all(links::LOOP_FIELD).any(|mark| links::marked_mail(keys, &account.name, mark).is_some())
}

/// In the name of an address that this account sends from, as mail of ours that comes back is.
fn is_from_us(mail: &ParsedMail, account: &Account) -> bool {
    let is_own = |address: Address| {
        let is_inbox = account.inboxes.iter().any(|inbox| inbox.address.as_deref() == Some(address.key().as_str()));
        is_inbox || address.domain() == account.inbound_domain
    };
    mail.mailboxes("from").iter().filter_map(|mailbox| mailbox.address()).any(is_own)
}

fn is_from_our_token(mail: &ParsedMail, account: &Account, keys: &Keys) -> bool {
    let is_own = |address: Address| {
        let is_token =
            ReplyToken::of(&address).is_some() || keys.bounced_entry(address.local(), address.domain()).is_some();
        is_token && address.domain() == account.inbound_domain
    };
    mail.mailboxes("from").iter().filter_map(|mailbox| mailbox.address()).any(is_own)
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

/// Addresses that we send from, and host names that our Message-IDs end in: of those all accounts share one.
fn own_names(config: &Config, account: &Account, origin: Origin) -> Vec<String> {
    let addresses = account.inboxes.iter().filter_map(|inbox| inbox.address.clone());
    let hostname = (origin != Origin::OtherAccount).then(|| config.server.hostname.to_lowercase());
    addresses.chain(hostname).chain([account.inbound_domain.clone()]).collect()
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
