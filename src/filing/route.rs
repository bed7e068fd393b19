//! Which conversation a mail joins, and who its author is. Pure: evidence in, decision out.
//!
//! In order: token of the envelope recipient; tokens of the header; the mails it answers, if the sender takes part in
//! that conversation; inbox address; postmaster and abuse. Never by subject: strangers share subjects.

use super::wanted::Wanted;
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Channel};
use crate::conversation::reply_token::ReplyToken;
use crate::mail::automatic::Class;
use crate::store::unit::{Destination, RoutingEvidence};

/// What is known of a mail beside the store's evidence.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    pub recipient: &'a str,
    pub wanted: &'a Wanted,
    pub class: Class,
    pub subject: Option<&'a str>,
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
    pub author: AuthorKind,
    /// For the ledger.
    pub reason: &'static str,
}

/// `None`: nothing says where it belongs.
pub fn decide(case: &Case<'_>, evidence: &RoutingEvidence) -> Option<Route> {
    let machine = case.class == Class::Bounce;
    if let Some((conversation, reason)) = existing(case, evidence) {
        let author = if machine { AuthorKind::System } else { author(case, evidence, conversation) };
        return Some(Route { destination: Destination::Existing(conversation), author, reason });
    }
    if machine {
        let reason = "a bounce that concerns no conversation";
        return Some(Route { destination: Destination::Nowhere, author: AuthorKind::System, reason });
    }
    let (inbox, reason) = match (case.inbox, case.first_inbox) {
        (Some(inbox), _) => (inbox, "inbox address"),
        (None, Some(inbox)) if is_role(case.recipient) => (inbox, "postmaster or abuse address"),
        (None, _) => return None,
    };
    let subject = case.subject.map(str::to_owned);
    let destination = Destination::New { inbox: inbox.name.to_owned(), channel: inbox.channel, subject };
    Some(Route { destination, author: AuthorKind::Contact, reason })
}

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
        same.chain(of_chatwoot).find(|id| evidence.sender_takes_part.contains(id))
    };
    case.wanted.message_ids.iter().find_map(joined).map(|id| (id, "answer to a mail of the conversation"))
}

/// Possession of a token lets mail in and proves nothing: the contact is who writes from the contact's address. Where
/// the contact left no address, only an address that its domain vouches for becomes the contact's, and only a
/// person's: a vacation notice may come from anywhere.
fn author(case: &Case<'_>, evidence: &RoutingEvidence, conversation: Id) -> AuthorKind {
    let contact = evidence.contacts.iter().find(|contact| contact.conversation == conversation);
    match (contact.map(|contact| contact.email.as_deref()), case.sender) {
        (Some(Some(email)), Some(sender)) if email == sender => AuthorKind::Contact,
        (Some(None), Some(_)) if case.sender_proof == Proof::Authentic && case.class == Class::Human => {
            AuthorKind::Contact
        }
        _ => AuthorKind::Participant,
    }
}

/// RFC 5321 §4.5.1 and RFC 2142: these are always taken, so they must land somewhere.
fn is_role(recipient: &str) -> bool {
    let local = recipient.rsplit_once('@').map_or(recipient, |(local, _)| local);
    ["postmaster", "abuse"].iter().any(|role| local.eq_ignore_ascii_case(role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::unit::ContactOf;

    const TOKEN: ReplyToken = ReplyToken([1; 16]);
    const OTHER: ReplyToken = ReplyToken([2; 16]);
    const INBOX: InboxRef<'static> = InboxRef { name: "mail", channel: Channel::Email };

    /// Conversation 1 is with ann, has TOKEN and `sent@us`; 2 is with an unnamed visitor and has OTHER.
    fn evidence(takes_part: &[i64]) -> RoutingEvidence {
        RoutingEvidence {
            by_token: vec![(TOKEN, Id(1)), (OTHER, Id(2))],
            by_message_id: vec![("sent@us".into(), Id(1))],
            sender_takes_part: takes_part.iter().map(|id| Id(*id)).collect(),
            contacts: vec![
                ContactOf { conversation: Id(1), email: Some("ann@x.example".into()) },
                ContactOf { conversation: Id(2), email: None },
            ],
        }
    }

    fn wanted(envelope: Option<ReplyToken>, header: &[ReplyToken], ids: &[&str]) -> Wanted {
        Wanted {
            envelope_token: envelope,
            header_tokens: header.to_vec(),
            message_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    fn case(wanted: &Wanted) -> Case<'_> {
        Case {
            recipient: "x@r.example",
            wanted,
            class: Class::Human,
            subject: Some("Hi"),
            bounced_message_id: None,
            sender: Some("ann@x.example"),
            sender_proof: Proof::Unproven,
            inbox: None,
            first_inbox: Some(INBOX),
        }
    }

    fn shown(route: Option<Route>) -> String {
        route.map_or("none".into(), |route| {
            let place = match route.destination {
                Destination::Existing(id) => format!("conversation {}", id.0),
                Destination::New { inbox, .. } => format!("new in {inbox}"),
                Destination::Nowhere => "nowhere".into(),
            };
            format!("{place}, {:?}", route.author)
        })
    }

    #[test]
    fn the_best_evidence_wins() {
        let both = wanted(Some(TOKEN), &[OTHER], &[]);
        assert_eq!(shown(decide(&case(&both), &evidence(&[]))), "conversation 1, Contact");
        let header = wanted(Some(ReplyToken([9; 16])), &[OTHER], &["sent@us"]);
        assert_eq!(shown(decide(&case(&header), &evidence(&[1]))), "conversation 2, Participant");
        let answer = wanted(None, &[], &["unknown@x", "sent@us"]);
        assert_eq!(shown(decide(&case(&answer), &evidence(&[1]))), "conversation 1, Contact");
        let to_inbox = Case { inbox: Some(INBOX), ..case(&answer) };
        assert_eq!(shown(decide(&to_inbox, &evidence(&[1]))), "conversation 1, Contact");
    }

    #[test]
    fn a_known_message_id_opens_nothing_to_a_stranger() {
        let answer = wanted(None, &[], &["sent@us"]);
        assert_eq!(shown(decide(&case(&answer), &evidence(&[]))), "none");
        let to_inbox = Case { inbox: Some(INBOX), ..case(&answer) };
        assert_eq!(shown(decide(&to_inbox, &evidence(&[]))), "new in mail, Contact");
    }

    #[test]
    fn an_old_thread_of_chatwoot_goes_on_for_those_who_take_part_and_for_nobody_else() {
        let old = wanted(None, &[], &["conversation/01010101-0101-0101-0101-010101010101/messages/7@chat.example"]);
        assert_eq!(shown(decide(&case(&old), &evidence(&[1]))), "conversation 1, Contact");
        assert_eq!(shown(decide(&case(&old), &evidence(&[]))), "none");
    }

    #[test]
    fn postmaster_lands_in_the_first_inbox_and_other_strangers_nowhere() {
        let nothing = wanted(None, &[], &[]);
        for recipient in ["Postmaster@r.example", "abuse@r.example", "postmaster"] {
            let role = Case { recipient, ..case(&nothing) };
            assert_eq!(shown(decide(&role, &evidence(&[]))), "new in mail, Contact", "{recipient}");
        }
        assert_eq!(shown(decide(&case(&nothing), &evidence(&[]))), "none");
    }

    #[test]
    fn another_writer_is_never_the_contact() {
        let by_token = wanted(Some(TOKEN), &[], &[]);
        for sender in [Some("eve@y.example"), None] {
            let eve = Case { sender, sender_proof: Proof::Authentic, ..case(&by_token) };
            assert_eq!(shown(decide(&eve, &evidence(&[]))), "conversation 1, Participant");
        }
    }

    #[test]
    fn an_unnamed_visitor_takes_only_a_proven_address_of_a_person() {
        let by_token = wanted(Some(OTHER), &[], &[]);
        let author =
            |sender_proof, class| shown(decide(&Case { sender_proof, class, ..case(&by_token) }, &evidence(&[])));
        assert_eq!(author(Proof::Authentic, Class::Human), "conversation 2, Contact");
        assert_eq!(author(Proof::Unproven, Class::Human), "conversation 2, Participant");
        assert_eq!(author(Proof::Authentic, Class::AutoReply), "conversation 2, Participant");
    }

    #[test]
    fn a_bounce_is_an_activity_where_it_belongs_and_a_fact_elsewhere() {
        let nothing = wanted(None, &[], &[]);
        let bounce = Case { class: Class::Bounce, inbox: Some(INBOX), sender: None, ..case(&nothing) };
        assert_eq!(shown(decide(&bounce, &evidence(&[]))), "nowhere, System");
        let ours = Case { bounced_message_id: Some("sent@us"), ..bounce };
        assert_eq!(shown(decide(&ours, &evidence(&[]))), "conversation 1, System");
    }
}
