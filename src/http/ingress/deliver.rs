//! From a mail that was brought to the acceptance of all mail: whom it is for, then the ledger. What this refuses is
//! worth another try; everything else is answered as taken.

use super::answer::Refused;
use super::call::Call;
use super::intake::Taken;
use crate::conversation::model::Outcome;
use crate::inbound::addressee::{Addressees, ENVELOPE_MAX, Named, addressees};
use crate::inbound::doorstep::Untaken;
use crate::inbound::policy::{Answering, Recipient};
use crate::inbound::receive::{self, Offered, Received};
use crate::mail::address::Address;
use crate::mail::traces::Traces;
use std::net::IpAddr;

/// A mail and what came with it.
#[derive(Debug)]
pub struct Brought {
    pub mail: Taken,
    /// Recipients, where the provider names the envelope.
    pub envelope: Vec<Address>,
    /// The reverse-path, where the provider names it.
    pub envelope_from: Option<String>,
    /// The address that sent it to the provider, where the provider says so.
    pub author_ip: Option<IpAddr>,
}

impl Brought {
    /// With what the mail itself says only.
    pub fn bare(mail: Taken) -> Brought {
        Brought { mail, envelope: Vec::new(), envelope_from: None, author_ip: None }
    }
}

/// Takes the mail for the recipients of these accounts.
pub async fn deliver(call: &Call, opened: &[String], brought: Brought) -> Result<(), Refused> {
    let Brought { mail, envelope, envelope_from, author_ip } = brought;
    let services = &call.services;
    if envelope.len() > ENVELOPE_MAX {
        return Err(Refused::too_large(format!("the envelope names more than {ENVELOPE_MAX} recipients")));
    }
    let traces = mail.content.read(&services.large_mails, async |raw| Traces::read(raw)).await;
    let traces = traces.map_err(|error| Refused::unavailable(error.to_string()))?;
    let envelope_from = envelope_from.or_else(|| traces.reverse_path.clone());
    let named = Named { envelope, traces };
    let of = Offer { call, mail: &mail, envelope_from: envelope_from.as_deref(), opened };
    if mail.hops > services.limits().hops_max {
        // A loop ends here; a provider that is told so would only go round again.
        of.turn_away(None, "it has more Received fields than limits.hops: a loop");
        return Ok(());
    }
    match addressees(services, &named, opened).await {
        Addressees::Undecided => Err(Refused::unavailable("the store cannot say whose the recipients are")),
        Addressees::Unknown { named, reason } => {
            of.turn_away(named.as_deref(), &reason);
            Ok(())
        }
        Addressees::Known(recipients) => accept(call, recipients, mail, envelope_from, author_ip).await,
    }
}

async fn accept(
    call: &Call,
    recipients: Vec<Recipient>,
    mail: Taken,
    envelope_from: Option<String>,
    author_ip: Option<IpAddr>,
) -> Result<(), Refused> {
    let services = &call.services;
    let (now, octets) = (services.clock.monotonic(), mail.content.octets());
    if !services.space.has_room(octets, &services.store, &services.limits(), now) {
        return Err(Refused::unavailable("the disk under the data directory is nearly full"));
    }
    let offered = Offered {
        require_tls: false,
        origin: call.origin.clone(),
        author_ip,
        envelope_from,
        recipients,
        content: mail.content,
        // Nobody reads one answer for all here, so what one recipient refuses is no reason for the others.
        answering: Answering::PerRecipient,
        words: Some(call.words()),
    };
    let received = receive::accept_mail(services, offered).await;
    let is_for_now = |received: &Received| matches!(received, Received::Refused(reply) if reply.is_transient());
    if received.iter().any(is_for_now) { Err(Refused::deferred()) } else { Ok(()) }
}

/// A mail that is turned away for good.
struct Offer<'a> {
    call: &'a Call,
    mail: &'a Taken,
    envelope_from: Option<&'a str>,
    opened: &'a [String],
}

impl Offer<'_> {
    fn turn_away(&self, named: Option<&str>, reason: &str) {
        let account = match self.opened {
            [only] => Some(only.as_str()),
            _ => None,
        };
        self.call.note(&Untaken {
            outcome: Outcome::Rejected,
            reason,
            said: self.call.words().taken,
            envelope_from: self.envelope_from,
            envelope_to: named,
            account,
            message_id: None,
            size: Some(self.mail.content.octets()),
            sha256: Some(self.mail.content.sha256()),
        });
    }
}
