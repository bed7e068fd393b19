//! Whom a mail is for that came by a door without RCPT: the first place that names somebody we know decides.
//!
//! A door was opened by the secret of some accounts, and only their recipients count: whoever holds one account's secret
//! brings no mail to another.

use super::policy::{Recipient, RecipientDecision};
use super::recipients;
use super::services::Services;
use crate::conversation::reply_token::ReplyToken;
use crate::mail::address::Address;
use crate::mail::traces::Traces;
use crate::smtp::question::ForwardPath;

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// The envelope, where the door tells it.
    pub envelope: Vec<Address>,
    /// What the header says.
    pub traces: Traces,
}

/// Who it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressees {
    Known {
        recipients: Vec<Recipient>,
        /// Whom the envelope names beside them.
        strangers: Vec<Stranger>,
    },
    /// Nobody of ours: all whom the envelope names, or the first that the mail itself does.
    Unknown(Vec<Stranger>),
    /// The store could not say.
    Undecided,
}

/// Somebody who was named and is nobody of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    pub address: Address,
    /// Why not, as RCPT would have said.
    pub reason: String,
}

/// Finds the recipients, of these accounts only.
pub async fn addressees(services: &Services, named: &Named, accounts: &[String]) -> Addressees {
    let mut unknown: Vec<Stranger> = Vec::new();
    let places = std::iter::once(&named.envelope).chain(&named.traces.places).cloned();
    let places = places.chain(std::iter::once(of_threads(services, named, accounts)));
    for (number, place) in places.enumerate() {
        let (mut recipients, mut strangers) = (Vec::new(), Vec::new());
        // Whoever wrote the header decides how long its lists are. A provider that names more recipients than one mail by
        // SMTP may have will not bring the rest by itself.
        let recipients_max = if number == 0 { ENVELOPE_MAX } else { services.limits().recipients_max };
        for address in place.into_iter().take(recipients_max) {
            match decide(services, &address, accounts).await {
                RecipientDecision::Accept(recipient) => recipients.push(recipient),
                RecipientDecision::Refuse(reply) if reply.is_transient() => return Addressees::Undecided,
                RecipientDecision::Unknown(reply) | RecipientDecision::Refuse(reply) => {
                    strangers.push(Stranger { address, reason: reply.to_string() });
                }
            }
        }
        if !recipients.is_empty() {
            // A header names all the world.
            strangers.truncate(if number == 0 { ENVELOPE_MAX } else { 0 });
            return Addressees::Known { recipients, strangers };
        }
        if unknown.is_empty() {
            strangers.truncate(if number == 0 { ENVELOPE_MAX } else { 1 });
            unknown = strangers;
        }
    }
    Addressees::Unknown(unknown)
}

/// The last place: old threads of Chatwoot carry the token in their Message-IDs.
fn of_threads(services: &Services, named: &Named, accounts: &[String]) -> Vec<Address> {
    let tokens: Vec<ReplyToken> =
        named.traces.replied_to.iter().filter_map(|id| ReplyToken::in_message_id(id)).take(THREAD_TOKENS_MAX).collect();
    let config = services.config.load();
    let domains = config.accounts.iter().filter(|account| accounts.contains(&account.name));
    domains
        .flat_map(|account| tokens.iter().map(|token| token.address(&account.inbound_domain)))
        .filter_map(|address| Address::parse(&address).ok())
        .collect()
}

async fn decide(services: &Services, address: &Address, accounts: &[String]) -> RecipientDecision {
    let path = ForwardPath::Mailbox(address.clone());
    // Who holds one account's secret makes us ask no other account's hook.
    match recipients::decide(services, &path, |account| accounts.iter().any(|own| own == account)).await {
        RecipientDecision::Accept(recipient) if !accounts.contains(&recipient.account) => {
            RecipientDecision::Refuse(crate::smtp::reply::not_our_domain())
        }
        decision => decision,
    }
}

const THREAD_TOKENS_MAX: usize = 10;
/// Recipients that a provider's envelope may name.
pub const ENVELOPE_MAX: usize = 1000;
