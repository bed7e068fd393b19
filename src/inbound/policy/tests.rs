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
    });
    Account {
        name: name.into(),
        inbound_domain: inbound_domain.into(),
        forged: ForgedPolicy::Reject,
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
    TokenState::Live { account: account.into(), conversation_id: Id(1) }
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
    let check = |commits_waiting, mails_in_budget, expected: Result<(), Reply>| {
        let evidence = SenderEvidence { store: Health::Healthy, commits_waiting, mails_in_budget };
        assert_eq!(sender(&evidence, &limits), expected);
    };
    check(2, Within::Budget, Ok(()));
    check(3, Within::Budget, Err(reply::busy()));
    check(0, Within::Exhausted, Err(reply::too_many_mails_of_client()));
}

#[test]
fn one_answer_for_all_refuses_only_what_nobody_keeps() {
    use ForgedPolicy::{Keep, Reject};
    assert_eq!(refused_as_forged(&[Reject, Reject], Answering::Once), [true, true]);
    assert_eq!(refused_as_forged(&[Reject, Keep], Answering::Once), [false, false]);
    assert_eq!(refused_as_forged(&[Reject, Keep], Answering::PerRecipient), [true, false]);
    assert_eq!(refused_as_forged(&[Keep], Answering::Once), [false]);
}
