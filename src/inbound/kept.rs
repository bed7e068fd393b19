//! Mail that its bringer is told is taken, and that nobody here takes: a provider would bring it again for hours and then
//! drop it, and who wrote it would never know. So it is kept for a while, with the evidence of who wrote it; and taken later,
//! once the config knows its recipient.

use super::addressee::{Addressees, Named, addressees};
use super::ledger::{self, Offer};
use super::policy::{self, AgentEvidence, Answering, Recipient};
use super::receive::{self, Envelope, Offered, without_doubles};
use super::services::Services;
use crate::config::checked::Config;
use crate::conversation::model::Outcome;
use crate::limits::KEPT_MAIL_ROOM;
use crate::mail::address::{Address, email_key};
use crate::mail::identity;
use crate::mail::traces::Traces;
use crate::sender_auth::AuthResults;
use crate::store::StoreError;
use crate::store::ledger::LedgerEntry;
use crate::store::mail_file::MailOctets;
use crate::store::unit::{Acceptance, BridgeOrder, Keeping, TurnedAway};

/// Keeps a mail that is turned away from everybody; it is on disk when this returns.
pub async fn keep(services: &Services, offered: Offered, turned_away: Vec<TurnedAway>) -> Result<(), StoreError> {
    let evidence = receive::examine(services, &offered).await;
    let evidence = evidence.map_err(|error| StoreError::Unhealthy(error.to_string()))?;
    let envelope = Envelope::of(&offered, &evidence);
    commit(services, &envelope, offered, turned_away).await
}

/// The same for a mail that was examined.
pub(super) async fn commit(
    services: &Services,
    envelope: &Envelope,
    offered: Offered,
    turned_away: Vec<TurnedAway>,
) -> Result<(), StoreError> {
    let told = turned_away.clone();
    let (octets, _share) = offered.content.into_mail_octets();
    let mail = envelope.acceptance(octets, &[]);
    let reply = mail.reply.clone();
    services.store.keep(Keeping { mail, turned_away, room: KEPT_MAIL_ROOM }).await?;
    for TurnedAway { recipient, account, reason } in &told {
        let offer = Offer { envelope_to: recipient.as_deref(), account: account.as_deref(), ..envelope.offer() };
        ledger::tell(services, &envelope.origin, &offer, (Outcome::Rejected, reason, &reply));
    }
    Ok(())
}

/// Why a kept mail stays where it is.
#[derive(Debug, thiserror::Error)]
pub enum Staying {
    #[error("nobody of ours is its recipient yet: {0}")]
    Unknown(String),
    #[error("it may not be taken for that recipient: {0}")]
    Refused(String),
    #[error("the store cannot say whose the recipients are; try again")]
    Undecided,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks again whom the mail is for, and takes it for them. The evidence is that of the day it came: keys of signatures are
/// changed meanwhile. Whether a forged mail is wanted after all is decided by who asks for it.
pub async fn replay(services: &Services, entry: &LedgerEntry) -> Result<LedgerEntry, Staying> {
    let raw_id = entry.raw_id.ok_or(StoreError::NotFound("raw mail"))?;
    let _permit = services.large_mails.room_for(entry.size.unwrap_or_default()).await;
    let raw = services.store.raw_mail(raw_id).await?;
    let envelope = entry.envelope_to.as_deref().and_then(|to| Address::parse(to).ok()).into_iter().collect();
    let named = Named { envelope, traces: Traces::read(&raw) };
    let recipients = match addressees(services, &named, &accounts(&services.config.load(), entry)).await {
        Addressees::Known { recipients, .. } => recipients,
        Addressees::Undecided => return Err(Staying::Undecided),
        Addressees::Unknown(strangers) => {
            let reason = strangers.into_iter().next().map(|stranger| stranger.reason);
            return Err(Staying::Unknown(reason.unwrap_or_else(|| "the mail names no recipient".to_owned())));
        }
    };
    let recipients = allowed(recipients, entry)?;
    Ok(services.store.take_kept(entry.id, acceptance(entry, &raw, &recipients)).await?)
}

/// Those whose recipients it may be for: where no single one opened the door, all that have it.
fn accounts(config: &Config, entry: &LedgerEntry) -> Vec<String> {
    match &entry.account {
        Some(account) => vec![account.clone()],
        None => {
            let with_door = config.accounts.iter().filter(|account| account.ingress.secret(entry.ingress).is_some());
            with_door.map(|account| account.name.clone()).collect()
        }
    }
}

/// What is sent from an agent's token goes out in the name of the company: no replay makes a stranger an agent.
fn allowed(recipients: Vec<Recipient>, entry: &LedgerEntry) -> Result<Vec<Recipient>, Staying> {
    let results: AuthResults =
        entry.auth.clone().and_then(|auth| serde_json::from_value(auth).ok()).unwrap_or_default();
    let author = results.author.as_deref().map(email_key);
    let agents: Vec<Option<&str>> = recipients.iter().map(|recipient| recipient.agent.as_deref()).collect();
    let evidence = AgentEvidence { agents: &agents, verdict: results.verdict, author: author.as_deref() };
    let refused = policy::refused_of_agents(&evidence, Answering::PerRecipient);
    let first = refused.iter().flatten().next().map(ToString::to_string);
    let refused: Vec<bool> = refused.iter().map(Option::is_some).collect();
    let allowed = recipients.into_iter().zip(refused).filter(|(_, refused)| !refused).map(|(recipient, _)| recipient);
    match (allowed.collect::<Vec<_>>(), first) {
        (allowed, Some(reason)) if allowed.is_empty() => Err(Staying::Refused(reason)),
        (allowed, _) => Ok(allowed),
    }
}

fn acceptance(entry: &LedgerEntry, raw: &[u8], recipients: &[Recipient]) -> Acceptance {
    let mut sha256 = [0; 32];
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, raw);
    sha256.copy_from_slice(digest.as_ref());
    Acceptance {
        ingress: entry.ingress,
        session: entry.session.clone(),
        remote_ip: entry.remote_ip,
        helo: entry.helo.clone(),
        tls: entry.tls.clone(),
        envelope_from: entry.envelope_from.clone(),
        recipients: without_doubles(recipients),
        // They are in the store.
        octets: MailOctets::Memory(Vec::new()),
        sha256,
        identity: identity::authored(raw),
        message_id: entry.message_id.clone(),
        auth: entry.auth.clone().unwrap_or_default(),
        require_tls: entry.require_tls,
        reply: entry.reply.clone(),
        bridged: recipients.iter().filter_map(|recipient| recipient.bridge.clone()).collect::<Vec<BridgeOrder>>(),
    }
}

/// Whose the ledger's entry for a recipient is, of the accounts that opened the door: the only one, or the one that has the
/// recipient's domain.
pub fn account_of(config: &Config, opened: &[String], recipient: Option<&Address>) -> Option<String> {
    match opened {
        [only] => Some(only.clone()),
        _ => {
            let account = config.account_of_domain(recipient?.domain())?;
            opened.contains(&account.name).then(|| account.name.clone())
        }
    }
}
