//! RCPT: whose mail it is, decided from the config and one look-up. Pure.

use super::bridged::{self, LiveToken};
use crate::clock::UnixMs;
use crate::config::checked::{Account, Config};
use crate::conversation::id::Id;
use crate::conversation::keys::{BOUNCE_LIFE, Keys};
use crate::conversation::reply_token::ReplyToken;
use crate::mail::address::Address;
use crate::smtp::question::ForwardPath;
use crate::smtp::reply::{self, Reply};
use crate::store::StoreError;
use crate::store::unit::{BridgeOrder, TokenState};
use std::time::Duration;

/// A recipient that mail is taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// One spelling for every way to write it, so that retries and doubles meet.
    pub address: String,
    pub account: String,
    /// The registered address of the agent whose token it is: nobody else may write there.
    pub agent: Option<String>,
    /// Its mail goes over a bridge.
    pub bridge: Option<BridgeOrder>,
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

/// What RCPT goes by besides the config.
#[derive(Debug)]
pub struct RecipientEvidence {
    /// State of [`token_to_look_up`].
    pub token: Result<TokenState, StoreError>,
    pub bounced: Option<Bounced>,
    pub now: UnixMs,
}

/// A mail of ours whose bounce token was written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounced {
    pub entry: Id,
    /// One spelling for every way to write it.
    pub address: String,
}

impl Bounced {
    /// Told by the keyed digits of the address alone: it costs no look-up beside the one of every recipient.
    pub fn of(path: &ForwardPath, keys: &Keys) -> Option<Bounced> {
        let ForwardPath::Mailbox(address) = path else { return None };
        let entry = keys.bounced_entry(address.local(), address.domain())?;
        Some(Bounced { entry, address: keys.bounce_address(entry, address.domain()) })
    }

    /// How old the mail is that it is about decides, so that no token is good for ever.
    fn is_alive(&self, now: UnixMs) -> bool {
        let age = now.0.saturating_sub(self.entry.issued_at().0);
        Duration::from_millis(u64::try_from(age).unwrap_or(0)) <= BOUNCE_LIFE
    }
}

/// RCPT: whose mail this is, from the config in force and the evidence.
pub fn recipient(path: &ForwardPath, config: &Config, evidence: RecipientEvidence) -> RecipientDecision {
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
    let Ok(token) = evidence.token else { return RecipientDecision::Refuse(reply::store_unreadable()) };
    let bounced = evidence.bounced.filter(|bounced| bounced.is_alive(evidence.now));
    match mailbox {
        None => accept(format!("postmaster@{}", account.inbound_domain), account),
        Some(address) if is_role(address) => bridged::role(address, account),
        Some(address) => match (config.inbox_of_address(&address.key()), bounced) {
            (Some((account, inbox)), _) => bridged::inbox(address, account, inbox),
            (None, Some(bounced)) if address.domain() == account.inbound_domain => accept(bounced.address, account),
            (None, _) => by_token(address, account, token),
        },
    }
}

/// Ours alone.
fn accept(address: String, account: &Account) -> RecipientDecision {
    RecipientDecision::Accept(Recipient { address, account: account.name.clone(), agent: None, bridge: None })
}

/// RFC 5321 §4.5.1 and RFC 2142 §4: a domain that takes mail answers for itself at these.
fn is_role(address: &Address) -> bool {
    ["postmaster", "abuse"].iter().any(|role| address.local().eq_ignore_ascii_case(role))
}

/// A token opens its own account's inbound domain only: elsewhere it is as unknown as any other word.
fn by_token(address: &Address, account: &Account, state: TokenState) -> RecipientDecision {
    let at_home = |owner: &str| owner == account.name && address.domain() == account.inbound_domain;
    match (ReplyToken::of(address), state) {
        (Some(token), TokenState::Live { account: owner, agent, conversation_id }) if at_home(&owner) => {
            let token = LiveToken { token, conversation: conversation_id, agent };
            RecipientDecision::Accept(bridged::token(address, &token, account))
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
        ) => bridged::stranger(address, account),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked::{Dns, ForgedPolicy, Http, Inbox, IngressSecrets, Outbound, Server, Smtp};
    use crate::conversation::model::Channel;
    use crate::limits::Limits;
    use std::sync::Arc;

    const HEX: &str = "00112233445566778899aabbccddeeff";

    fn account(name: &str, inbound_domain: &str, inbox: Option<&str>) -> Account {
        let inbox = inbox.map(|address| Inbox {
            name: "support".into(),
            channel: Channel::Email,
            address: Some(address.into()),
            offline_delay: Duration::ZERO,
            unseen_delay: Duration::ZERO,
            quiet_hours: None,
            time_zone: "UTC".into(),
            undo_window: Duration::ZERO,
            resume_url: String::new(),
            notify_agents: true,
            voice: crate::config::checked::Voice::default(),
            bridge: None,
            widget: Default::default(),
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
            voice: crate::config::checked::Voice::default(),
            templates: Vec::new(),
            inboxes: inbox.into_iter().collect(),
        }
    }

    fn config(accounts: Vec<Account>) -> Config {
        Config {
            server: Server { hostname: "mx.example".into(), data_dir: "/nowhere".into() },
            smtp: Smtp::default(),
            http: Http { listen: Vec::new(), public_url: String::new(), forwarded_from: Vec::new() },
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
        let evidence = RecipientEvidence { token, bounced: Bounced::of(&path, &keys()), now: NOW };
        recipient(&path, &two_accounts(), evidence)
    }

    const NOW: UnixMs = UnixMs(1_795_000_000_000);

    fn keys() -> Keys {
        Keys::new(&[7; 32])
    }

    fn entry(issued_at: UnixMs) -> Id {
        Id(Id::first_of(issued_at).0 | 5)
    }

    fn live(account: &str) -> TokenState {
        TokenState::Live { account: account.into(), conversation_id: Id(1), agent: None }
    }

    fn accepts(path: &str, token: TokenState, address: &str, account: &str) {
        let expected = Recipient { address: address.into(), account: account.into(), agent: None, bridge: None };
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
    fn an_agents_token_carries_whose_it_is() {
        let token = TokenState::Live {
            account: "acme".into(),
            conversation_id: Id(1),
            agent: Some("sara@acme.example".into()),
        };
        let RecipientDecision::Accept(recipient) = decide(&format!("reply+{HEX}@reply.acme.example"), Ok(token)) else {
            panic!("a live token is taken");
        };
        assert_eq!(recipient.agent.as_deref(), Some("sara@acme.example"));
    }

    #[test]
    fn a_bounce_token_is_taken_in_every_spelling_while_it_lives_and_nowhere_else() {
        let life = i64::try_from(BOUNCE_LIFE.as_millis()).unwrap();
        let canonical = keys().bounce_address(entry(UnixMs(NOW.0 - life)), "reply.acme.example");
        let local = canonical.split('@').next().unwrap();
        for spelling in [local.to_owned(), local.to_uppercase(), local.replace('+', "=")] {
            accepts(&format!("{spelling}@Reply.ACME.example"), TokenState::Unknown, &canonical, "acme");
        }
        let unknown = RecipientDecision::Unknown(reply::unknown_recipient());
        let old = keys().bounce_address(entry(UnixMs(NOW.0 - life - 1)), "reply.acme.example");
        let forged = Keys::new(&[8; 32]).bounce_address(entry(NOW), "reply.acme.example");
        let elsewhere = ["acme.example", "reply.bolt.example"].map(|domain| format!("{local}@{domain}"));
        for wrong in [old, forged].into_iter().chain(elsewhere) {
            assert_eq!(decide(&wrong, Ok(TokenState::Unknown)), unknown, "{wrong}");
        }
        let closed = decide(&canonical, Err(StoreError::Closed));
        assert_eq!(closed, RecipientDecision::Refuse(reply::store_unreadable()));
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
}
