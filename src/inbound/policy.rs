//! What we answer to a peer, decided from evidence that the session loaded. Pure: no I/O, no clock, no waiting.

use crate::config::checked::{Account, Config, ForgedPolicy};
use crate::conversation::reply_token::ReplyToken;
use crate::limits::Limits;
use crate::mail::address::Address;
use crate::net::permits::SlotRefusal;
use crate::smtp::question::ForwardPath;
use crate::smtp::reply::{self, Reply};
use crate::store::StoreError;
use crate::store::unit::TokenState;

/// What is known of a peer before the greeting.
#[derive(Debug, Clone, Copy)]
pub struct ConnectEvidence {
    pub slot: Result<(), SlotRefusal>,
    pub connections_in_budget: Within,
    pub store: Health,
}

/// A client's budget of the last minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    Budget,
    Exhausted,
}

/// Whether the store takes mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Healthy,
    Unhealthy,
}

/// Why a peer is sent away before the greeting: the metric's word, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    pub result: &'static str,
    pub reply: Reply,
}

/// May this peer talk at all?
pub fn connect(evidence: &ConnectEvidence) -> Result<(), Turned> {
    let turned = |result, reply| Err(Turned { result, reply });
    match evidence.slot {
        Err(SlotRefusal::Client) => return turned("client_slots", reply::too_many_sessions_of_client()),
        Err(SlotRefusal::Network) => return turned("network_slots", reply::too_many_sessions_of_client()),
        Ok(()) => {}
    }
    match (evidence.connections_in_budget, evidence.store) {
        (Within::Exhausted, _) => turned("throttled", reply::too_many_connections_of_client()),
        (Within::Budget, Health::Unhealthy) => turned("unhealthy", reply::unhealthy()),
        (Within::Budget, Health::Healthy) => Ok(()),
    }
}

/// What is known at MAIL.
#[derive(Debug, Clone, Copy)]
pub struct SenderEvidence {
    pub store: Health,
    pub commits_waiting: usize,
    pub mails_in_budget: Within,
}

/// MAIL: who writes does not matter here (bounces come from odd places), whether we can keep up does.
pub fn sender(evidence: &SenderEvidence, limits: &Limits) -> Result<(), Reply> {
    match (evidence.store, evidence.mails_in_budget) {
        (Health::Unhealthy, _) => Err(reply::unhealthy()),
        (Health::Healthy, Within::Exhausted) => Err(reply::too_many_mails_of_client()),
        (Health::Healthy, Within::Budget) if evidence.commits_waiting > limits.commits_waiting_max => {
            Err(reply::busy())
        }
        (Health::Healthy, Within::Budget) => Ok(()),
    }
}

/// A recipient that mail is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// One spelling for every way to write it, so that retries and doubles meet.
    pub address: String,
    pub account: String,
}

/// RCPT, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientDecision {
    Accept(Recipient),
    /// Nobody knows it: counts against the session.
    Unknown(Reply),
    Refuse(Reply),
}

/// The token that RCPT looks up: every recipient costs exactly one look-up, known, unknown or no token at all, so
/// that time tells nothing about which tokens exist.
pub fn token_to_look_up(path: &ForwardPath) -> ReplyToken {
    match path {
        ForwardPath::Postmaster => None,
        ForwardPath::Mailbox(address) => ReplyToken::of(address),
    }
    .unwrap_or(NO_TOKEN)
}

const NO_TOKEN: ReplyToken = ReplyToken([0; 16]);

/// RCPT: whose mail this is, from the config in force and the state of [`token_to_look_up`].
pub fn recipient(path: &ForwardPath, config: &Config, token: Result<TokenState, StoreError>) -> RecipientDecision {
    let mailbox = match path {
        ForwardPath::Postmaster => None,
        ForwardPath::Mailbox(address) => Some(address),
    };
    let account = match mailbox {
        // RFC 5321 §4.5.1: `<Postmaster>` without a domain is always taken.
        None => config.accounts.first(),
        Some(address) => config.account_of_domain(address.domain()),
    };
    let Some(account) = account else { return RecipientDecision::Refuse(reply::not_our_domain()) };
    let Ok(token) = token else { return RecipientDecision::Refuse(reply::store_unreadable()) };
    match mailbox {
        None => accept(format!("postmaster@{}", account.inbound_domain), account),
        Some(address) if is_role(address) => accept(address.key(), account),
        Some(address) => match config.inbox_of_address(&address.key()) {
            Some((account, _)) => accept(address.key(), account),
            None => by_token(address, account, token),
        },
    }
}

fn accept(address: String, account: &Account) -> RecipientDecision {
    RecipientDecision::Accept(Recipient { address, account: account.name.clone() })
}

/// RFC 5321 §4.5.1 and RFC 2142 §4: a domain that takes mail answers for itself at these.
fn is_role(address: &Address) -> bool {
    ["postmaster", "abuse"].iter().any(|role| address.local().eq_ignore_ascii_case(role))
}

/// A token opens its own account's inbound domain only: elsewhere it is as unknown as any other word.
fn by_token(address: &Address, account: &Account, state: TokenState) -> RecipientDecision {
    let at_home = |owner: &str| owner == account.name && address.domain() == account.inbound_domain;
    match (ReplyToken::of(address), state) {
        (Some(token), TokenState::Live { account: owner, .. }) if at_home(&owner) => {
            accept(token.address(&account.inbound_domain), account)
        }
        (Some(_), TokenState::Revoked { account: owner }) if at_home(&owner) => {
            RecipientDecision::Refuse(reply::token_revoked())
        }
        (Some(_), TokenState::Expired { account: owner }) if at_home(&owner) => {
            RecipientDecision::Refuse(reply::token_expired())
        }
        (
            _,
            TokenState::Unknown | TokenState::Live { .. } | TokenState::Revoked { .. } | TokenState::Expired { .. },
        ) => RecipientDecision::Unknown(reply::unknown_recipient()),
    }
}

/// Room for a mail, in the budget of all sessions and on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Enough,
    NotEnough,
}

/// Before `354`.
pub fn content(budget: Room, disk: Room) -> Result<(), Reply> {
    match (budget, disk) {
        (Room::Enough, Room::Enough) => Ok(()),
        (Room::NotEnough, _) | (_, Room::NotEnough) => Err(reply::no_space()),
    }
}

/// How many answers a door gives to one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answering {
    /// SMTP, HTTP, pipe.
    Once,
    /// LMTP.
    PerRecipient,
}

/// What becomes of a mail that its author's domain asks to refuse, for each recipient's account: `true` is refused.
///
/// One answer for all can only refuse what nobody wants: a mixed result is kept for all, and marked.
pub fn refused_as_forged(policies: &[ForgedPolicy], answering: Answering) -> Vec<bool> {
    let rejects = |policy: &ForgedPolicy| match policy {
        ForgedPolicy::Reject => true,
        ForgedPolicy::Keep => false,
    };
    let all = policies.iter().all(rejects);
    policies.iter().map(|policy| rejects(policy) && (all || answering == Answering::PerRecipient)).collect()
}

/// What the store's trouble means to a peer: always "try again".
pub fn not_stored(error: &StoreError) -> Reply {
    match error {
        StoreError::Full(_) => reply::no_space(),
        StoreError::Unhealthy(_)
        | StoreError::Damaged(_)
        | StoreError::Backup { .. }
        | StoreError::Busy(_)
        | StoreError::Open { .. }
        | StoreError::Database(_)
        | StoreError::Closed
        | StoreError::NotFound(_) => reply::not_stored(),
    }
}

#[cfg(test)]
mod tests;
