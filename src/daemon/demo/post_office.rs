//! Posts what the people of the demo write in their mailboxes: composed as their mail clients would, signed as their mail
//! host would, and given to the demo's own door over SMTP.

use super::answer::{self, Answering};
use super::keys::DemoKey;
use super::post::{Letter, post};
use super::scene::SINK_HOST;
use crate::clock::Clock;
use crate::http::page::mailboxes::{Mailboxes, Owner, Post, Signature};
use crate::mail::address::Address;
use crate::sender_auth::{Alignment, Signer};
use aws_lc_rs::rand;
use data_encoding::HEXLOWER;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Knows every mailbox's owner, and has the agent's key.
#[derive(Debug)]
pub struct PostOffice {
    /// Where the demo takes mail.
    door: SocketAddr,
    mailboxes: Arc<Mailboxes>,
    signer: Signer,
    clock: Clock,
}

impl PostOffice {
    pub fn new(door: SocketAddr, mailboxes: Arc<Mailboxes>, key: &DemoKey, clock: Clock) -> io::Result<PostOffice> {
        let signer = Signer::load(&[key.checked()]).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(PostOffice { door, mailboxes, signer, clock })
    }

    /// Until the pages are gone.
    pub async fn serve(self, mut posts: mpsc::Receiver<Post>) {
        while let Some(wanted) = posts.recv().await {
            let said = match self.letter(&wanted) {
                Ok(letter) => post(self.door, &letter).await,
                Err(reason) => Err(reason),
            };
            // Whoever asked may be gone.
            let _ = wanted.done.send(said);
        }
    }

    fn letter(&self, wanted: &Post) -> Result<Letter, String> {
        let Post { mail, text, signature, .. } = wanted;
        let owner = self.mailboxes.owner(&mail.owner).ok_or("this mailbox has no owner")?;
        let message_id = format!("{}@{SINK_HOST}", unique()?);
        let answering = Answering {
            name: owner.name,
            address: owner.address,
            mail: &mail.raw,
            text,
            at: self.clock.now(),
            message_id: &message_id,
        };
        let (to, octets) = answer::compose(&answering).ok_or("this mail names nobody to answer to")?;
        let octets = match signature {
            Signature::Signed => self.signed(owner, octets)?,
            Signature::Unsigned => octets,
        };
        Ok(Letter { hello: SINK_HOST, from: owner.address.to_owned(), to, octets })
    }

    /// As the owner's mail host does: only a domain's own key is worth something.
    fn signed(&self, owner: &Owner, octets: Vec<u8>) -> Result<Vec<u8>, String> {
        let address = Address::parse(owner.address).map_err(|error| error.to_string())?;
        if self.signer.alignment(address.domain()) == Alignment::Foreign {
            return Ok(octets);
        }
        let signature = self.signer.sign(&octets, address.domain(), self.clock.now().seconds());
        let mut signed = signature.map_err(|error| error.to_string())?;
        signed.extend_from_slice(&octets);
        Ok(signed)
    }
}

fn unique() -> Result<String, String> {
    let mut random = [0; 12];
    rand::fill(&mut random).map_err(|_| "there is no randomness".to_owned())?;
    Ok(HEXLOWER.encode(&random))
}
