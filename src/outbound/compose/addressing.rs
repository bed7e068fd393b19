//! Whom a mail is from and to, in its header and on its envelope.
//!
//! Each recipient gets a mail of their own, with their own reply token and bounce token, and sees in `To` and `Cc` whom the
//! agent wrote to: the contact, and the participants the agent chose. Nobody else is named: an agent's address never, a
//! participant that was not chosen never.

use super::composed::ComposeError;
use super::fields::Mailbox;
use super::sender::{Desk, Sender};
use crate::conversation::delivery::{MailKind, RecipientKind};
use crate::conversation::model::{Author, AuthorKind, Message};
use crate::mail::address::{Address, AddressError};
use crate::store::outgoing::ToCompose;

/// Header mailboxes and envelope.
#[derive(Debug)]
pub struct Addressing {
    pub from: Mailbox,
    pub reply_to: Mailbox,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub envelope_from: String,
    pub envelope_to: Address,
}

impl Addressing {
    pub fn of(to: &ToCompose, desk: &Desk, sender: &Sender) -> Result<Addressing, ComposeError> {
        let entry = &to.entry;
        let display_name = &desk.voice(&to.conversation.inbox).display_name;
        let envelope_to = recipient(&entry.recipient)?;
        let token = own(&entry.reply_token.address(&desk.inbound_domain))?;
        let from = desk.address(&to.conversation.inbox).unwrap_or_else(|| token.clone());
        let name = from_name(to, display_name);
        let (shown_to, cc) = match entry.kind {
            MailKind::Answer => visible(to, &envelope_to),
            MailKind::Notification | MailKind::Notice => {
                let name = to.agent.as_ref().map(|agent| agent.name.as_str());
                (vec![Mailbox::new(name, envelope_to.clone())], Vec::new())
            }
        };
        Ok(Addressing {
            from: Mailbox::new(Some(&name), from),
            reply_to: Mailbox::new(Some(&name), token),
            to: shown_to,
            cc,
            envelope_from: sender.keys.bounce_address(entry.id, &desk.inbound_domain),
            envelope_to,
        })
    }
}

/// `Sara (Acme)`, `Jane via Acme`, `Acme`.
fn from_name(to: &ToCompose, display_name: &str) -> String {
    let last = to.messages.last();
    match to.entry.kind {
        MailKind::Answer => match last.and_then(agent_name) {
            Some(agent) => format!("{agent} ({display_name})"),
            None => display_name.to_owned(),
        },
        MailKind::Notification => {
            let contact = &to.conversation.contact;
            let author = last.and_then(|message| person_name(&message.author));
            let name = author.or(contact.name.as_deref()).unwrap_or("A visitor");
            // A stranger's name must not pass for an address in the agent's list of mails.
            format!("{} via {display_name}", name.replace('@', " at "))
        }
        MailKind::Notice => display_name.to_owned(),
    }
}

fn person_name(author: &Author) -> Option<&str> {
    author.name.as_deref().filter(|name| !name.trim().is_empty())
}

/// An agent is shown by name only: one who has none but an address stays nameless.
pub fn agent_name(message: &Message) -> Option<&str> {
    let author = &message.author;
    (author.kind == AuthorKind::Agent).then(|| person_name(author)).flatten().filter(|name| !name.contains('@'))
}

/// `To` and `Cc` as a mail to all of them would have them.
fn visible(to: &ToCompose, recipient: &Address) -> (Vec<Mailbox>, Vec<Mailbox>) {
    let own = [(to.entry.recipient_kind, recipient.clone())].into_iter();
    let others = to.others.iter().filter_map(|other| Some((other.kind, Address::parse(&other.address).ok()?)));
    let (mut contact, mut copied) = (Vec::new(), Vec::new());
    for (kind, address) in own.chain(others) {
        // Octets beyond ASCII need SMTPUTF8; the mail is still a mail without this line in its header.
        if !address.local().is_ascii() {
            continue;
        }
        match kind {
            RecipientKind::Contact => contact.push(Mailbox::new(to.conversation.contact.name.as_deref(), address)),
            RecipientKind::Participant => copied.push(Mailbox::new(participant_name(to, &address), address)),
            RecipientKind::Agent => {}
        }
    }
    // `Cc` without `To` is legal, and some filters count it against a mail.
    if contact.is_empty() { (copied, Vec::new()) } else { (contact, copied) }
}

fn participant_name<'a>(to: &'a ToCompose, address: &Address) -> Option<&'a str> {
    let key = address.key();
    to.conversation.participants.iter().find(|known| known.email.to_lowercase() == key)?.name.as_deref()
}

/// RFC 6531 §3.7.1: a local part beyond ASCII needs SMTPUTF8 all the way, which mails of ours do without.
fn recipient(text: &str) -> Result<Address, ComposeError> {
    let address = Address::parse(text).map_err(|reason| ComposeError::Recipient { reason })?;
    if address.local().is_ascii() { Ok(address) } else { Err(ComposeError::InternationalRecipient) }
}

fn own(text: &str) -> Result<Address, ComposeError> {
    Address::parse(text).map_err(|reason: AddressError| ComposeError::Own { reason })
}
