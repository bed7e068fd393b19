//! Whose mail goes over a bridge, and for whom mail is taken that only the other system knows. Pure.
//!
//! What concerns replyd itself stays here: news of its own mails, and agents' addresses. Postmaster and abuse are answered for
//! by whoever runs the MX, so they are filed here whatever the bridge says.

use super::recipient::{Recipient, RecipientDecision};
use crate::config::checked::{Account, Bridge, BridgeMode, Config, Inbox, RecipientHook};
use crate::conversation::reply_token::ReplyToken;
use crate::mail::address::Address;
use crate::smtp::question::ForwardPath;
use crate::smtp::reply;
use crate::store::unit::BridgeOrder;

pub fn role(address: &Address, account: &Account) -> RecipientDecision {
    let also = |_: &Bridge| order(address, address.key(), None, BridgeMode::Also);
    accept(address.key(), account, account.bridge.as_ref().map(also))
}

pub fn inbox(address: &Address, account: &Account, inbox: &Inbox) -> RecipientDecision {
    let own = inbox.bridge.as_ref().map(|bridge| (bridge, Some(inbox.name.clone())));
    let bridge = own.or_else(|| account.bridge.as_ref().map(|bridge| (bridge, None)));
    let order = bridge.map(|(bridge, inbox)| order(address, address.key(), inbox, bridge.mode));
    accept(address.key(), account, order)
}

/// A conversation of ours.
pub fn token(address: &Address, token: ReplyToken, account: &Account, agent: Option<String>) -> Recipient {
    let canonical = token.address(&account.inbound_domain);
    let bridge = account.bridge.as_ref().filter(|_| agent.is_none());
    let bridge = bridge.map(|bridge| order(address, canonical.clone(), None, bridge.mode));
    Recipient { address: canonical, account: account.name.clone(), agent, bridge }
}

/// Nobody of ours: the other system may know it.
pub fn stranger(address: &Address, account: &Account) -> RecipientDecision {
    let knows = |bridge: &&Bridge| bridge.recipients.name(address, &account.inbound_domain);
    match account.bridge.as_ref().filter(knows) {
        Some(_) => taken_for(address, account),
        None => RecipientDecision::Unknown(reply::unknown_recipient()),
    }
}

/// There is nothing to file it in here, whatever the mode is.
fn taken_for(address: &Address, account: &Account) -> RecipientDecision {
    accept(address.key(), account, Some(order(address, address.key(), None, BridgeMode::Only)))
}

fn accept(address: String, account: &Account, bridge: Option<BridgeOrder>) -> RecipientDecision {
    RecipientDecision::Accept(Recipient { address, account: account.name.clone(), agent: None, bridge })
}

fn order(address: &Address, recipient: String, inbox: Option<String>, mode: BridgeMode) -> BridgeOrder {
    BridgeOrder { recipient, spelled: address.to_string(), inbox, mode }
}

/// A recipient that nobody knows here, and whom to ask.
#[derive(Debug, Clone)]
pub struct HookQuestion {
    pub address: Address,
    pub account: Account,
    pub hook: RecipientHook,
}

/// What the other system says of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookSays {
    Known,
    Unknown,
    /// It did not answer, or not with yes or no.
    Unsure,
}

/// Whom to ask about a recipient that is unknown here; `None` where that is the end.
pub fn hook_to_ask(path: &ForwardPath, config: &Config) -> Option<HookQuestion> {
    let ForwardPath::Mailbox(address) = path else { return None };
    let account = config.account_of_domain(address.domain())?;
    let hook = account.bridge.as_ref()?.recipients.hook.as_ref()?;
    Some(HookQuestion { address: address.clone(), account: account.clone(), hook: hook.clone() })
}

/// RCPT, when the hook has been asked.
pub fn by_hook(question: &HookQuestion, says: HookSays) -> RecipientDecision {
    match says {
        HookSays::Known => taken_for(&question.address, &question.account),
        HookSays::Unknown => RecipientDecision::Unknown(reply::unknown_recipient()),
        HookSays::Unsure => RecipientDecision::Refuse(reply::recipient_undetermined()),
    }
}
