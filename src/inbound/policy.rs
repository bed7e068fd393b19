//! What we answer to a peer, decided from evidence that the session loaded. Pure: no I/O, no clock, no waiting.

mod agents;
mod bridged;
mod recipient;

pub use agents::{AgentEvidence, refused_of_agents};
pub use bridged::{HookQuestion, HookSays, by_hook, hook_to_ask};
pub use recipient::{Bounced, Recipient, RecipientDecision, RecipientEvidence, recipient, token_to_look_up};

use crate::config::checked::ForgedPolicy;
use crate::limits::Limits;
use crate::net::permits::SlotRefusal;
use crate::smtp::reply::{self, Reply};
use crate::store::StoreError;

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
    /// SIZE of MAIL, or 0.
    pub declared: u64,
}

/// MAIL: who writes does not matter here (bounces come from odd places), whether we can keep up does.
pub fn sender(evidence: &SenderEvidence, limits: &Limits) -> Result<(), Reply> {
    match (evidence.store, evidence.mails_in_budget) {
        (Health::Unhealthy, _) => Err(reply::unhealthy()),
        (Health::Healthy, Within::Exhausted) => Err(reply::too_many_mails_of_client()),
        (Health::Healthy, Within::Budget) if evidence.commits_waiting > limits.commits_waiting_max => {
            Err(reply::busy())
        }
        (Health::Healthy, Within::Budget) if evidence.declared > limits.mail_octets_max => Err(reply::mail_too_large()),
        (Health::Healthy, Within::Budget) => Ok(()),
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
        | StoreError::NotFound(_)
        | StoreError::Conflict(_) => reply::not_stored(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_sent_away_for_the_first_reason_there_is() {
        let check = |slot, connections_in_budget, store, expected| {
            let turned = connect(&ConnectEvidence { slot, connections_in_budget, store }).err();
            assert_eq!(turned.map(|turned| (turned.result, turned.reply.code)), expected);
        };
        check(Ok(()), Within::Budget, Health::Healthy, None);
        check(Err(SlotRefusal::Client), Within::Exhausted, Health::Unhealthy, Some(("client_slots", 421)));
        check(Err(SlotRefusal::Network), Within::Budget, Health::Healthy, Some(("network_slots", 421)));
        check(Ok(()), Within::Exhausted, Health::Unhealthy, Some(("throttled", 421)));
        check(Ok(()), Within::Budget, Health::Unhealthy, Some(("unhealthy", 421)));
    }

    #[test]
    fn mail_is_deferred_when_the_writer_falls_behind_by_more_than_the_limit() {
        let limits = Limits { commits_waiting_max: 2, ..Limits::default() };
        let limits = Limits { mail_octets_max: 10, ..limits };
        let check = |commits_waiting, mails_in_budget, declared, expected: Result<(), Reply>| {
            let evidence = SenderEvidence { store: Health::Healthy, commits_waiting, mails_in_budget, declared };
            assert_eq!(sender(&evidence, &limits), expected);
        };
        check(2, Within::Budget, 10, Ok(()));
        check(3, Within::Budget, 10, Err(reply::busy()));
        check(0, Within::Exhausted, 10, Err(reply::too_many_mails_of_client()));
        check(0, Within::Budget, 11, Err(reply::mail_too_large()));
    }

    #[test]
    fn one_answer_for_all_refuses_only_what_nobody_keeps() {
        use ForgedPolicy::{Keep, Reject};
        assert_eq!(refused_as_forged(&[Reject, Reject], Answering::Once), [true, true]);
        assert_eq!(refused_as_forged(&[Reject, Keep], Answering::Once), [false, false]);
        assert_eq!(refused_as_forged(&[Reject, Keep], Answering::PerRecipient), [true, false]);
        assert_eq!(refused_as_forged(&[Keep], Answering::Once), [false]);
    }
}
