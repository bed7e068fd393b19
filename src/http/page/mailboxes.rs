//! The demo's mailboxes: what the people of the demo got by mail, in memory, bounded in number and octets. A page shows
//! them; whoever receives and posts for these people stands behind `Post`.

use crate::clock::UnixMs;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What the demo's pages show and do.
#[derive(Debug, Clone)]
pub struct DemoPages {
    /// The agent's registered address: as whom the reader of the pages is signed in at the desk.
    pub agent: &'static str,
    /// Who is signed in at the shop.
    pub shopper: Shopper,
    /// The inbox whose chat the shop has, as the chat's script names it.
    pub inbox: &'static str,
    /// How long after the shopper left an answer goes out by mail.
    pub offline_delay: Duration,
    pub mailboxes: Arc<Mailboxes>,
    /// Answers from the mailboxes go out here, as mail.
    pub posts: mpsc::Sender<Post>,
}

/// A customer of the shop, and the proof of it that the shop gives the chat.
#[derive(Debug, Clone)]
pub struct Shopper {
    pub identifier: &'static str,
    /// HMAC-SHA256 of the identifier in lower-case hex digits.
    pub hash: String,
    pub email: &'static str,
    pub name: &'static str,
}

/// Whose mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub name: &'static str,
    /// In lower case.
    pub address: &'static str,
    /// Who that is in the demo.
    pub role: &'static str,
}

/// An answer that somebody wrote in their mailbox.
#[derive(Debug)]
pub struct Post {
    /// What is answered, in its owner's mailbox.
    pub mail: Arc<MailboxMail>,
    pub text: String,
    pub signature: Signature,
    /// What the mail door said to it.
    pub done: oneshot::Sender<Result<String, String>>,
}

/// Whether an answer carries the DKIM signature of its author's domain; without one it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    Signed,
    Unsigned,
}

/// A mail in somebody's mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxMail {
    /// Counts up from 1.
    pub number: u64,
    pub at: UnixMs,
    pub envelope_from: String,
    /// In lower case.
    pub owner: String,
    pub raw: Vec<u8>,
    pub dkim: Vec<SignatureFound>,
}

/// A DKIM signature that stands in a mail, and what verifying it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFound {
    pub passes: bool,
    /// `r1._domainkey.demo.example: pass`
    pub words: String,
}

/// All of them, newest first.
#[derive(Debug, Default)]
pub struct Mailboxes {
    owners: Vec<Owner>,
    mails: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    mails: VecDeque<Arc<MailboxMail>>,
    count: u64,
    octets: usize,
}

impl Mailboxes {
    pub fn new(owners: Vec<Owner>) -> Mailboxes {
        Mailboxes { owners, mails: Mutex::default() }
    }

    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// Whose mailbox an address is, in any case.
    pub fn owner(&self, address: &str) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.address.eq_ignore_ascii_case(address))
    }

    /// Keeps a mail; the oldest go when there are too many or too large ones. Its number is given here.
    pub fn keep(&self, mail: MailboxMail) {
        let mut kept = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        kept.count += 1;
        kept.octets += mail.raw.len();
        let number = kept.count;
        kept.mails.push_front(Arc::new(MailboxMail { number, ..mail }));
        while kept.mails.len() > MAILS_MAX || kept.octets > OCTETS_MAX {
            let Some(oldest) = kept.mails.pop_back() else { return };
            kept.octets -= oldest.raw.len();
        }
    }

    /// Of one owner, newest first.
    pub fn of(&self, owner: &Owner) -> Vec<Arc<MailboxMail>> {
        let kept = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        kept.mails.iter().filter(|mail| mail.owner == owner.address).cloned().collect()
    }

    pub fn mail(&self, number: u64) -> Option<Arc<MailboxMail>> {
        let kept = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        kept.mails.iter().find(|mail| mail.number == number).cloned()
    }
}

const MAILS_MAX: usize = 100;
const OCTETS_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(octets: usize) -> MailboxMail {
        MailboxMail {
            number: 0,
            at: UnixMs(0),
            envelope_from: String::new(),
            owner: "a@b.example".into(),
            raw: vec![0; octets],
            dkim: Vec::new(),
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_large_ones() {
        let owner = Owner { name: "A", address: "a@b.example", role: "customer" };
        let numbers = |sizes: &[usize]| {
            let mailboxes = Mailboxes::new(vec![owner.clone()]);
            sizes.iter().for_each(|size| mailboxes.keep(mail(*size)));
            mailboxes.of(&owner).iter().map(|mail| mail.number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(&[1, 1, 1]), [3, 2, 1]);
        let many = numbers(&[1; MAILS_MAX + 2]);
        assert_eq!((many.len(), many.first(), many.last()), (MAILS_MAX, Some(&102), Some(&3)));
        assert_eq!(numbers(&[OCTETS_MAX / 2, OCTETS_MAX / 2, 1]), [3, 2]);
        assert_eq!(numbers(&[OCTETS_MAX + 1]), Vec::<u64>::new());
    }
}
