//! Which conversation a mail joins, and who its author is. Pure: evidence in, decision out.
//!
//! First what is not a person's word to a conversation: a mail of ours that came back, news of a mail of ours at its bounce
//! token. Then, in order: token of the envelope recipient; tokens of the header; the mails it answers, if the sender takes
//! part in that conversation; inbox address; postmaster and abuse. Never by subject: strangers share subjects.
//!
//! An agent writes as an agent only with proof, and only to the own token: what an agent sends elsewhere in a conversation
//! is nobody's answer yet, and never the contact's word.

use super::wanted::Wanted;
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Channel};
use crate::conversation::reply_token::ReplyToken;
use crate::mail::automatic::Class;
use crate::store::unit::{AgentRef, Destination, RoutingEvidence};

/// What is known of a mail beside the store's evidence.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    pub recipient: &'a str,
    pub wanted: &'a Wanted,
    pub class: Class,
    pub subject: Option<&'a str>,
    /// Sent by us, by a sign that nobody else can make.
    pub own: bool,
    /// What the recipient is, if it is a bounce token.
    pub bounce_token: BounceToken,
    /// Of the mail that a bounce is about.
    pub bounced_message_id: Option<&'a str>,
    /// The one From address, lower case; `None` if there is none or more than one.
    pub sender: Option<&'a str>,
    pub sender_proof: Proof,
    /// The inbox that has the recipient's address.
    pub inbox: Option<InboxRef<'a>>,
    /// Where postmaster and abuse go without an inbox of their own.
    pub first_inbox: Option<InboxRef<'a>>,
}

/// A recipient as a bounce token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BounceToken {
    /// It is none.
    Absent,
    /// Of a mail that the store does not know.
    OfNothing,
    /// Of a mail of this conversation.
    Of(Id),
}

/// Whether the sender's domain vouches for the From address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    Authentic,
    Unproven,
}

/// An inbox of the account.
#[derive(Debug, Clone, Copy)]
pub struct InboxRef<'a> {
    pub name: &'a str,
    pub channel: Channel,
}

/// Where the mail goes.
#[derive(Debug, Clone)]
pub struct Route {
    pub destination: Destination,
    pub writer: Writer,
    /// For the ledger.
    pub reason: &'static str,
}

/// Who wrote, as the conversation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    Contact,
    Participant,
    /// News of a delivery.
    Machine,
    /// An agent, to the customer.
    Agent(AgentRef),
    /// An agent, to where agents' mail is not passed on from.
    AgentElsewhere(AgentRef),
}

impl Writer {
    pub fn kind(&self) -> AuthorKind {
        match self {
            Writer::Contact => AuthorKind::Contact,
            Writer::Participant => AuthorKind::Participant,
            Writer::Machine => AuthorKind::System,
            Writer::Agent(_) | Writer::AgentElsewhere(_) => AuthorKind::Agent,
        }
    }
}

impl Route {
    fn nowhere(reason: &'static str) -> Route {
        Route { destination: Destination::Nowhere, writer: Writer::Machine, reason }
    }
}

/// `Err`: it is kept as failed, for this reason.
pub fn decide(case: &Case<'_>, evidence: &RoutingEvidence) -> Result<Route, &'static str> {
    if case.own {
        return Ok(Route::nowhere("a mail of ours that came back"));
    }
    if let Some(route) = by_bounce_token(case, evidence) {
        return route;
    }
    if let Some(route) = by_agent_token(case, evidence) {
        return route;
    }
    if let Some((conversation, reason)) = existing(case, evidence) {
        let writer = if case.class == Class::Bounce { Writer::Machine } else { writer(case, evidence, conversation) };
        return Ok(Route { destination: Destination::Existing(conversation), writer, reason });
    }
    if case.class == Class::Bounce {
        return Ok(Route::nowhere("a bounce that concerns no conversation"));
    }
    if is_agents_machine(case, evidence) {
        return Ok(Route::nowhere(AUTOMATIC_OF_AGENT));
    }
    begun(case)
}

/// A conversation that the mail begins.
fn begun(case: &Case<'_>) -> Result<Route, &'static str> {
    let (inbox, reason) = match (case.inbox, case.first_inbox) {
        (Some(inbox), _) => (inbox, "inbox address"),
        (None, Some(inbox)) if is_role(case.recipient) => (inbox, "postmaster or abuse address"),
        (None, _) => return Err("nothing says which conversation or inbox it belongs to"),
    };
    let subject = case.subject.map(str::to_owned);
    let destination = Destination::New { inbox: inbox.name.to_owned(), channel: inbox.channel, subject };
    Ok(Route { destination, writer: Writer::Contact, reason })
}

/// Mail to a bounce token: news of that mail; or a person who answered the reverse-path, whose words are not lost.
fn by_bounce_token(case: &Case<'_>, evidence: &RoutingEvidence) -> Option<Result<Route, &'static str>> {
    let conversation = match case.bounce_token {
        BounceToken::Absent => return None,
        BounceToken::Of(conversation) => Some(conversation),
        BounceToken::OfNothing => None,
    };
    let to =
        |conversation, writer, reason| Ok(Route { destination: Destination::Existing(conversation), writer, reason });
    Some(match (case.class, conversation) {
        (Class::Bounce, Some(id)) => to(id, Writer::Machine, "bounce token of a mail of the conversation"),
        (Class::Bounce, None) => Ok(Route::nowhere("a bounce of a mail that is not known")),
        (Class::AutoReply | Class::List, _) => Ok(Route::nowhere("an automatic mail to a bounce address")),
        (Class::Human, Some(id)) => to(id, writer(case, evidence, id), "a person's mail to a bounce address"),
        (Class::Human, None) => Err("it came to the bounce address of a mail that is not known"),
    })
}

/// Mail to an agent's token. What came in is proven again, for what is sent out of it is sent in the company's name.
fn by_agent_token(case: &Case<'_>, evidence: &RoutingEvidence) -> Option<Result<Route, &'static str>> {
    let agent_of = |token| evidence.agents_by_token.iter().find(|(known, _)| *known == token).map(|(_, agent)| agent);
    let is_author =
        |agent: &&AgentRef| case.sender_proof == Proof::Authentic && case.sender == Some(agent.email.as_str());
    // A mail to the token and to an inbox is one mail, whichever of the two is filed first.
    let tokens = case.wanted.envelope_token.iter().chain(&case.wanted.header_tokens);
    let own = tokens.filter_map(|token| Some((*token, agent_of(*token).filter(is_author)?))).next();
    let Some((token, agent)) = own else {
        let of_other = case.wanted.envelope_token.and_then(agent_of).is_some();
        return of_other.then_some(Err("it came to an agent's reply address and is not proven to be that agent's"));
    };
    let conversation = evidence.by_token.iter().find(|(known, _)| *known == token).map(|(_, id)| *id)?;
    let destination = Destination::Existing(conversation);
    Some(Ok(match case.class {
        Class::Human => Route { destination, writer: Writer::Agent(agent.clone()), reason: "reply token of an agent" },
        Class::List => Route {
            destination,
            writer: Writer::AgentElsewhere(agent.clone()),
            reason: "a list's mail to the reply token of an agent",
        },
        Class::AutoReply | Class::Bounce => Route::nowhere(AUTOMATIC_OF_AGENT),
    }))
}

/// An agent's vacation notice about a mail of ours, sent to where that mail came from: it begins nothing.
fn is_agents_machine(case: &Case<'_>, evidence: &RoutingEvidence) -> bool {
    case.class == Class::AutoReply && evidence.sender_agent.is_some() && !evidence.by_message_id.is_empty()
}

const AUTOMATIC_OF_AGENT: &str = "an automatic answer of an agent";

fn existing(case: &Case<'_>, evidence: &RoutingEvidence) -> Option<(Id, &'static str)> {
    let by_token = |wanted| evidence.by_token.iter().find(|(token, _)| *token == wanted).map(|(_, id)| *id);
    if let Some(id) = case.wanted.envelope_token.and_then(by_token) {
        return Some((id, "reply token of the recipient"));
    }
    // A bounce names the mail it is about; whoever wrote the report takes part in nothing.
    let of_id = |wanted: &str| evidence.by_message_id.iter().find(|(id, _)| id == wanted).map(|(_, id)| *id);
    if let Some(id) = case.bounced_message_id.filter(|_| case.class == Class::Bounce).and_then(of_id) {
        return Some((id, "bounce of a mail of the conversation"));
    }
    if let Some(id) = case.wanted.header_tokens.iter().copied().find_map(by_token) {
        return Some((id, "reply token in the header"));
    }
    let joined = |wanted: &String| {
        let same = evidence.by_message_id.iter().filter(|(id, _)| id == wanted).map(|(_, id)| *id);
        let of_chatwoot = ReplyToken::in_message_id(wanted).and_then(by_token);
        same.chain(of_chatwoot)
            .find(|id| evidence.sender_takes_part.contains(id) || proven_agent(case, evidence).is_some())
    };
    case.wanted.message_ids.iter().find_map(joined).map(|id| (id, "answer to a mail of the conversation"))
}

/// Possession of a token lets mail in and proves nothing: the contact is who writes from the contact's address, proven or
/// only claimed. Where
/// the contact left no address, only an address that its domain vouches for becomes the contact's, and only a
/// person's: a vacation notice may come from anywhere. An agent never becomes a contact this way.
fn writer(case: &Case<'_>, evidence: &RoutingEvidence, conversation: Id) -> Writer {
    let contact = evidence.contacts.iter().find(|contact| contact.conversation == conversation);
    if let (Some(contact), Some(sender)) = (contact, case.sender)
        && contact.is_at(sender)
    {
        return Writer::Contact;
    }
    let has_none = contact.is_some_and(|contact| contact.email.is_none() && contact.claimed.is_none());
    match proven_agent(case, evidence) {
        Some(agent) => Writer::AgentElsewhere(agent.clone()),
        None if has_none && case.sender_proof == Proof::Authentic && case.class == Class::Human => Writer::Contact,
        None => Writer::Participant,
    }
}

/// The agent who wrote, by the sender's address and its domain's word for it.
fn proven_agent<'e>(case: &Case<'_>, evidence: &'e RoutingEvidence) -> Option<&'e AgentRef> {
    let is_person = case.sender_proof == Proof::Authentic && case.class == Class::Human;
    evidence.sender_agent.as_ref().filter(|_| is_person)
}

/// RFC 5321 §4.5.1 and RFC 2142: these are always taken, so they must land somewhere.
fn is_role(recipient: &str) -> bool {
    let local = recipient.rsplit_once('@').map_or(recipient, |(local, _)| local);
    ["postmaster", "abuse"].iter().any(|role| local.eq_ignore_ascii_case(role))
}

#[cfg(test)]
mod tests;
