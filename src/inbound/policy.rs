//! What we answer to a peer, decided from evidence that the session loaded. Pure: no I/O, no clock, no waiting.

use crate::config::checked::{Account, Config, ForgedPolicy};
use crate::conversation::reply_token::ReplyToken;
use crate::limits::Limits;
use crate::mail::address::Address;
use crate::net::permits::SlotRefusal;
use crate::smtp::question::ForwardPath;
use crate::smtp::reply::{self, Reply};
use crate::store::StoreError;
use crate::store::unit::TokenState;

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

/// A recipient that mail is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// One spelling for every way to write it, so that retries and doubles meet.
    pub address: String,
    pub account: String,
}

/// RCPT, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientDecision {
    Accept(Recipient),
    /// Nobody knows it: counts against the session.
    Unknown(Reply),
    Refuse(Reply),
}

/// The token that RCPT looks up: every recipient costs exactly one look-up, known, unknown or no token at all, so
/// that time tells nothing about which tokens exist.
pub fn token_to_look_up(path: &ForwardPath) -> ReplyToken {
    match path {
        ForwardPath::Postmaster => None,
        ForwardPath::Mailbox(address) => ReplyToken::of(address),
    }
    .unwrap_or(NO_TOKEN)
}

const NO_TOKEN: ReplyToken = ReplyToken([0; 16]);

/// RCPT: whose mail this is, from the config in force and the state of [`token_to_look_up`].
pub fn recipient(path: &ForwardPath, config: &Config, token: Result<TokenState, StoreError>) -> RecipientDecision {
    let mailbox = match path {
        ForwardPath::Postmaster => None,
        ForwardPath::Mailbox(address) => Some(address),
    };
    let account = match mailbox {
        // RFC 5321 §4.5.1: `<Postmaster>` without a domain is always taken.
        None => config.accounts.first(),
        Some(address) => config.account_of_domain(address.domain()),
    };
    let Some(account) = account else { return RecipientDecision::Refuse(reply::not_our_domain()) };
    let Ok(token) = token else { return RecipientDecision::Refuse(reply::store_unreadable()) };
    match mailbox {
        None => accept(format!("postmaster@{}", account.inbound_domain), account),
        Some(address) if is_role(address) => accept(address.key(), account),
        Some(address) => match config.inbox_of_address(&address.key()) {
            Some((account, _)) => accept(address.key(), account),
            None => by_token(address, account, token),
        },
    }
}

fn accept(address: String, account: &Account) -> RecipientDecision {
    RecipientDecision::Accept(Recipient { address, account: account.name.clone() })
}

/// RFC 5321 §4.5.1 and RFC 2142 §4: a domain that takes mail answers for itself at these.
fn is_role(address: &Address) -> bool {
    ["postmaster", "abuse"].iter().any(|role| address.local().eq_ignore_ascii_case(role))
}

/// A token opens its own account's inbound domain only: elsewhere it is as unknown as any other word.
fn by_token(address: &Address, account: &Account, state: TokenState) -> RecipientDecision {
    let at_home = |owner: &str| owner == account.name && address.domain() == account.inbound_domain;
    match (ReplyToken::of(address), state) {
        (Some(token), TokenState::Live { account: owner, .. }) if at_home(&owner) => {
            accept(token.address(&account.inbound_domain), account)
        }
        (Some(_), TokenState::Revoked { account: owner }) if at_home(&owner) => {
            RecipientDecision::Refuse(reply::token_revoked())
        }
        (Some(_), TokenState::Expired { account: owner }) if at_home(&owner) => {
            RecipientDecision::Refuse(reply::token_expired())
        }
        (
            _,
            TokenState::Unknown | TokenState::Live { .. } | TokenState::Revoked { .. } | TokenState::Expired { .. },
        ) => RecipientDecision::Unknown(reply::unknown_recipient()),
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
        | StoreError::NotFound(_) => reply::not_stored(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked::{Dns, Http, Inbox, IngressSecrets, Outbound, Server, Smtp};
    use crate::conversation::id::Id;
    use crate::conversation::model::Channel;
    use std::sync::Arc;
    use std::time::Duration;

    const HEX: &str = "00112233445566778899aabbccddeeff";

    fn account(name: &str, inbound_domain: &str, inbox: Option<&str>) -> Account {
        let inbox = inbox.map(|address| Inbox {
            name: "support".into(),
            channel: Channel::Email,
            address: Some(address.into()),
            offline_delay: Duration::ZERO,
            unseen_delay: Duration::ZERO,
            resume_url: String::new(),
            notify_agents: true,
        });
        Account {
            name: name.into(),
            inbound_domain: inbound_domain.into(),
            forged: ForgedPolicy::Reject,
            outbound_tls: Default::default(),
            trusted_arc_sealers: Vec::new(),
            continuity: true,
            dkim: Vec::new(),
            ingress: IngressSecrets::default(),
            webhooks: Vec::new(),
            bridge: None,
            inboxes: inbox.into_iter().collect(),
        }
    }

    fn config(accounts: Vec<Account>) -> Config {
        Config {
            server: Server { hostname: "mx.example".into(), data_dir: "/nowhere".into() },
            smtp: Smtp::default(),
            http: Http { listen: Vec::new(), public_url: String::new() },
            tls: Vec::new(),
            dns: Dns::default(),
            outbound: Outbound::default(),
            limits: Arc::new(Limits::default()),
            accounts,
        }
    }

    fn two_accounts() -> Config {
        config(vec![
            account("acme", "reply.acme.example", Some("support@acme.example")),
            account("bolt", "reply.bolt.example", None),
        ])
    }

    fn decide(path: &str, token: Result<TokenState, StoreError>) -> RecipientDecision {
        let path = match path {
            "postmaster" => ForwardPath::Postmaster,
            address => ForwardPath::Mailbox(Address::parse(address).unwrap()),
        };
        recipient(&path, &two_accounts(), token)
    }

    fn live(account: &str) -> TokenState {
        TokenState::Live { account: account.into(), conversation_id: Id(1), agent: None }
    }

    fn accepts(path: &str, token: TokenState, address: &str, account: &str) {
        let expected = Recipient { address: address.into(), account: account.into() };
        assert_eq!(decide(path, Ok(token)), RecipientDecision::Accept(expected), "{path}");
    }

    #[test]
    fn a_live_token_is_taken_in_every_spelling_and_filed_under_one() {
        let canonical = format!("reply+{HEX}@reply.acme.example");
        for local in [format!("reply+{HEX}"), format!("Reply-{}", HEX.to_uppercase()), format!("REPLY.{HEX}")] {
            accepts(&format!("{local}@Reply.ACME.example."), live("acme"), &canonical, "acme");
        }
    }

    #[test]
    fn role_and_inbox_addresses_are_taken_without_a_token() {
        accepts("postmaster", TokenState::Unknown, "postmaster@reply.acme.example", "acme");
        accepts("POSTMASTER@reply.bolt.example", TokenState::Unknown, "postmaster@reply.bolt.example", "bolt");
        accepts("Abuse@acme.example", TokenState::Unknown, "abuse@acme.example", "acme");
        accepts("Support@acme.example", TokenState::Unknown, "support@acme.example", "acme");
    }

    #[test]
    fn unknown_and_ended_tokens_and_foreign_domains_each_get_their_reply() {
        let token = format!("reply+{HEX}@reply.acme.example");
        let unknown = RecipientDecision::Unknown(reply::unknown_recipient());
        let refused = RecipientDecision::Refuse;
        let acme = || "acme".to_owned();
        assert_eq!(decide(&token, Ok(TokenState::Unknown)), unknown);
        assert_eq!(decide("nobody@reply.acme.example", Ok(TokenState::Unknown)), unknown);
        assert_eq!(decide(&token, Ok(TokenState::Revoked { account: acme() })), refused(reply::token_revoked()));
        assert_eq!(decide(&token, Ok(TokenState::Expired { account: acme() })), refused(reply::token_expired()));
        let elsewhere = format!("reply+{HEX}@elsewhere.example");
        assert_eq!(decide(&elsewhere, Ok(live("acme"))), refused(reply::not_our_domain()));
        assert_eq!(decide("postmaster@elsewhere.example", Ok(TokenState::Unknown)), refused(reply::not_our_domain()));
    }

    #[test]
    fn a_token_is_unknown_at_any_domain_but_its_accounts_own() {
        let unknown = RecipientDecision::Unknown(reply::unknown_recipient());
        for domain in ["reply.bolt.example", "acme.example"] {
            assert_eq!(decide(&format!("reply+{HEX}@{domain}"), Ok(live("acme"))), unknown, "{domain}");
        }
        let revoked = TokenState::Revoked { account: "acme".into() };
        assert_eq!(decide(&format!("reply+{HEX}@reply.bolt.example"), Ok(revoked)), unknown);
        // The state of the stand-in token must open nothing, whatever it is.
        assert_eq!(decide("nobody@reply.acme.example", Ok(live("acme"))), unknown);
    }

    #[test]
    fn an_unreadable_store_defers_and_never_rejects_our_own() {
        for path in [format!("reply+{HEX}@reply.acme.example").as_str(), "postmaster", "support@acme.example"] {
            let decision = decide(path, Err(StoreError::Closed));
            assert_eq!(decision, RecipientDecision::Refuse(reply::store_unreadable()), "{path}");
        }
    }

    #[test]
    fn every_recipient_costs_one_look_up() {
        let of = |text: &str| token_to_look_up(&ForwardPath::Mailbox(Address::parse(text).unwrap()));
        assert_eq!(of(&format!("reply+{HEX}@x.example")), ReplyToken::from_digits(HEX).unwrap());
        assert_eq!(of("nobody@x.example"), NO_TOKEN);
        assert_eq!(token_to_look_up(&ForwardPath::Postmaster), NO_TOKEN);
    }

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
