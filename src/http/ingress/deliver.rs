//! From a mail that was brought to the acceptance of all mail: whom it is for, then the ledger. What this refuses is
//! worth another try; everything else is answered as taken, and so it is: what nobody wants is kept for a while.

use super::answer::Refused;
use super::call::Call;
use super::intake::Taken;
use crate::conversation::model::Outcome;
use crate::inbound::addressee::{Addressees, ENVELOPE_MAX, Named, Stranger, addressees};
use crate::inbound::doorstep::Untaken;
use crate::inbound::kept::{self, account_of};
use crate::inbound::policy::Answering;
use crate::inbound::receive::{self, Offered, Received};
use crate::mail::address::Address;
use crate::mail::traces::Traces;
use crate::store::unit::TurnedAway;
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
    let offered = Offered {
        require_tls: false,
        origin: call.origin.clone(),
        author_ip,
        envelope_from: envelope_from.or_else(|| traces.reverse_path.clone()),
        recipients: Vec::new(),
        content: mail.content,
        // Nobody reads one answer for all here, so what one recipient refuses is no reason for the others.
        answering: Answering::PerRecipient,
        words: Some(call.words()),
    };
    let turning = Turning { call, opened };
    if mail.hops > services.limits().hops_max {
        // A loop ends here; a provider that is told so would only go round again.
        let looped = |address| Stranger { address, reason: LOOP.to_owned() };
        return turning.keep(offered, envelope.into_iter().map(looped).collect(), LOOP).await;
    }
    match addressees(services, &Named { envelope, traces }, opened).await {
        Addressees::Undecided => Err(Refused::unavailable("the store cannot say whose the recipients are")),
        Addressees::Unknown(strangers) => turning.keep(offered, strangers, "the mail names no recipient").await,
        Addressees::Known { recipients, strangers } => {
            let offer = Offer::of(&offered);
            accept(call, Offered { recipients, ..offered }).await?;
            strangers.iter().for_each(|stranger| turning.note(&offer, stranger));
            Ok(())
        }
    }
}

const LOOP: &str = "it has more Received fields than limits.hops: a loop";

async fn accept(call: &Call, offered: Offered) -> Result<(), Refused> {
    look_for_room(call, &offered)?;
    let received = receive::accept_mail(&call.services, offered).await;
    let is_for_now = |received: &Received| matches!(received, Received::Refused(reply) if reply.is_transient());
    if received.iter().any(is_for_now) { Err(Refused::deferred()) } else { Ok(()) }
}

fn look_for_room(call: &Call, offered: &Offered) -> Result<(), Refused> {
    let services = &call.services;
    let (now, octets) = (services.clock.monotonic(), offered.content.octets());
    if services.space.has_room(octets, &services.store, &services.limits(), now) {
        Ok(())
    } else {
        Err(Refused::unavailable("the disk under the data directory is nearly full"))
    }
}

/// What an entry says of a mail whose octets are elsewhere.
struct Offer {
    envelope_from: Option<String>,
    size: u64,
    sha256: [u8; 32],
}

impl Offer {
    fn of(offered: &Offered) -> Offer {
        let Offered { envelope_from, content, .. } = offered;
        Offer { envelope_from: envelope_from.clone(), size: content.octets(), sha256: content.sha256() }
    }
}

/// Mail that somebody is not given.
struct Turning<'a> {
    call: &'a Call,
    opened: &'a [String],
}

impl Turning<'_> {
    /// From everybody.
    async fn keep(&self, offered: Offered, strangers: Vec<Stranger>, otherwise: &str) -> Result<(), Refused> {
        look_for_room(self.call, &offered)?;
        let mut turned_away: Vec<TurnedAway> =
            strangers.into_iter().map(|stranger| self.turned_away(Some(&stranger.address), stranger.reason)).collect();
        if turned_away.is_empty() {
            turned_away.push(self.turned_away(None, otherwise.to_owned()));
        }
        let kept = kept::keep(&self.call.services, offered, turned_away).await;
        kept.map_err(|error| Refused::unavailable(format!("a mail that nobody takes could not be kept: {error}")))
    }

    fn turned_away(&self, recipient: Option<&Address>, reason: String) -> TurnedAway {
        let account = account_of(&self.call.config, self.opened, recipient);
        TurnedAway { recipient: recipient.map(ToString::to_string), account, reason }
    }

    /// The mail is with those who are known.
    fn note(&self, offer: &Offer, stranger: &Stranger) {
        let account = account_of(&self.call.config, self.opened, Some(&stranger.address));
        let reason = format!("{}; others of its envelope have it, see the session's other entries", stranger.reason);
        self.call.note(&Untaken {
            outcome: Outcome::Rejected,
            reason: &reason,
            said: self.call.words().taken,
            envelope_from: offer.envelope_from.as_deref(),
            envelope_to: Some(&stranger.address.to_string()),
            account: account.as_deref(),
            message_id: None,
            size: Some(offer.size),
            sha256: Some(offer.sha256),
        });
    }
}
