//! What a peer is answered, over a socket, with the store and the verifier behind it.

use super::peer::{Peer, letter};
use super::site::{Setting, Site, new_token};
use replyd::conversation::model::Outcome;
use replyd::inbound::Door;
use replyd::store::Fault;
use std::sync::Arc;

#[tokio::test]
async fn recipients_are_decided_against_live_data() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    let token = site.token.to_string();
    let unknown = "00112233445566778899aabbccddeeff";
    for (to, expected) in [
        (format!("<reply+{token}@reply.acme.example>"), "250 "),
        (format!("<REPLY-{}@Reply.Acme.Example.>", token.to_uppercase()), "250 "),
        (format!("<\"reply+{token}\"@reply.acme.example>"), "250 "),
        ("<support@acme.example>".into(), "250 "),
        ("<Postmaster>".into(), "250 "),
        ("<abuse@reply.bolt.example>".into(), "250 "),
        (format!("<reply+{token}@reply.bolt.example>"), "550 5.1.1"),
        (format!("<reply+{token}@acme.example>"), "550 5.1.1"),
        (format!("<reply+{unknown}@reply.acme.example>"), "550 5.1.1"),
        ("<nobody@reply.acme.example>".into(), "550 5.1.1"),
        (format!("<reply+{token}@elsewhere.example>"), "550 5.7.1"),
        ("<v%elsewhere.example@reply.acme.example>".into(), "550 5.1.1"),
        ("<v@[127.0.0.1]>".into(), "550 5.7.1"),
    ] {
        peer.asks(&format!("RCPT TO:{to}"), expected).await;
    }
    let entries = site.ledger().await;
    assert_eq!(entries.len(), 7, "one for each refusal: {entries:?}");
    assert!(entries.iter().all(|entry| entry.outcome == Outcome::Rejected && entry.reply.starts_with("550 ")));
}

#[tokio::test]
async fn an_expired_or_revoked_token_is_told_apart_in_words() {
    let site = Site::plain().await;
    let token = new_token(&site.store).await;
    let config = site.services.config.load_full();
    assert_eq!(config.accounts[0].name, "acme");
    let replyd::store::unit::TokenState::Live { conversation_id, .. } = site.store.token_state(token).await.unwrap()
    else {
        panic!("a live token")
    };
    let to = format!("RCPT TO:<{}>", token.address("reply.acme.example"));
    let mut peer = Peer::ready(&site).await;
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    site.store.expire_tokens(conversation_id, Some(replyd::clock::UnixMs(1))).await.unwrap();
    assert!(peer.asks(&to, "550 5.1.6").await.contains("expired"));
    site.store.expire_tokens(conversation_id, None).await.unwrap();
    peer.asks(&to, "250").await;
    site.store.revoke_tokens(conversation_id).await.unwrap();
    peer.asks(&to, "550 5.1.6").await;
}

#[tokio::test]
async fn one_unknown_recipient_too_many_ends_the_session() {
    let mut setting = Setting::default();
    setting.limits.unknown_recipients_max = 3;
    setting.limits.errors_max = 100;
    let site = Site::start(setting).await;
    let mut peer = Peer::ready(&site).await;
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    for _ in 0..3 {
        peer.asks("RCPT TO:<nobody@reply.acme.example>", "550 5.1.1").await;
    }
    peer.asks("RCPT TO:<nobody@reply.acme.example>", "421").await;
    peer.expect_end().await;
}

const BANK: &str = r#"{
    "bank.example": [{"TXT": "v=spf1 -all"}],
    "_dmarc.bank.example": [{"TXT": "v=DMARC1; p=reject"}],
    "slow.example": ["TIMEOUT"],
    "_dmarc.slow.example": ["TIMEOUT"]
}"#;

fn forgery(domain: &str) -> String {
    letter("give me money").replace("ann@example.org", &format!("ceo@{domain}"))
}

#[tokio::test]
async fn a_forgery_that_its_domain_wants_rejected_is_rejected_unless_the_account_keeps_it() {
    let site = Site::start(Setting { zone: BANK, ..Setting::default() }).await;
    let mut peer = Peer::ready(&site).await;
    peer.mails("support@acme.example", &forgery("bank.example"), "550 5.7.26").await;
    peer.mails("help@bolt.example", &forgery("bank.example"), "250").await;
    // One answer for both: who wants it gets it.
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    peer.asks("RCPT TO:<support@acme.example>", "250").await;
    peer.asks("RCPT TO:<help@bolt.example>", "250").await;
    peer.asks("DATA", "354").await;
    peer.send(forgery("bank.example") + " now\r\n.\r\n").await;
    peer.expect("250").await;
    let entries = site.ledger().await;
    assert!(entries.iter().all(|entry| entry.auth.as_ref().unwrap()["verdict"] == "forged"), "{entries:?}");
    let rejected: Vec<_> = entries.iter().filter(|entry| entry.outcome == Outcome::Rejected).collect();
    assert_eq!((entries.len(), rejected.len()), (4, 1));
    assert_eq!(rejected[0].envelope_to.as_deref(), Some("support@acme.example"));
    assert!(rejected[0].sha256.is_some() && rejected[0].message_id.is_some());
}

#[tokio::test]
async fn by_lmtp_each_recipient_has_its_own_fate_and_a_silent_relay_proves_no_forgery() {
    let mut setting = Setting { zone: BANK, ..Setting::default() };
    setting.smtp.xclient_from = vec![replyd::config::checked::Network { address: [127, 0, 0, 0].into(), prefix: 8 }];
    let site = Site::start(setting).await;
    for (xclient, expected) in [(true, ["550 5.7.26", "250"]), (false, ["250", "250"])] {
        let mut peer = Peer::connect(&site.endpoint(Door::Lmtp)).await;
        peer.expect("220").await;
        peer.asks("LHLO relay.example", "250").await;
        if xclient {
            peer.asks("XCLIENT ADDR=192.0.2.66", "220").await;
            peer.asks("LHLO relay.example", "250").await;
        }
        peer.asks("MAIL FROM:<ann@example.org>", "250").await;
        peer.asks("RCPT TO:<support@acme.example>", "250").await;
        peer.asks("RCPT TO:<help@bolt.example>", "250").await;
        peer.asks("DATA", "354").await;
        peer.send(forgery("bank.example") + &format!("{xclient}\r\n.\r\n")).await;
        for code in expected {
            peer.expect(code).await;
        }
    }
}

#[tokio::test]
async fn silent_dns_neither_rejects_nor_holds_up_a_mail() {
    let site = Site::start(Setting { zone: BANK, ..Setting::default() }).await;
    let mut peer = Peer::ready(&site).await;
    peer.mails("support@acme.example", &forgery("slow.example"), "250").await;
    assert_eq!(site.ledger().await[0].auth.as_ref().unwrap()["verdict"], "undetermined");
}

#[tokio::test]
async fn the_bounds_on_authentication_of_a_new_config_count_for_the_next_mail() {
    let site = Site::start(Setting { zone: BANK, ..Setting::default() }).await;
    let mut peer = Peer::ready(&site).await;
    peer.mails("support@acme.example", &forgery("bank.example"), "550 5.7.26").await;
    site.reconfigure(|config| {
        let limits = replyd::limits::Limits::clone(&config.limits);
        config.limits = Arc::new(replyd::limits::Limits { dns_questions_max: 0, ..limits });
    });
    peer.mails("support@acme.example", &forgery("bank.example"), "250").await;
    let entries = site.ledger().await;
    let accepted = entries.iter().find(|entry| entry.outcome == Outcome::Accepted).unwrap();
    assert_eq!(accepted.auth.as_ref().unwrap()["verdict"], "undetermined");
}

#[tokio::test]
async fn a_store_that_cannot_commit_defers_and_recovers_without_loss() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    peer.begins_data(&site.reply_address()).await;
    site.store.inject(Fault::FailCommits(1));
    peer.send(letter("first try\r\n.\r\n")).await;
    peer.expect("45").await;
    while site.store.health().is_err() {
        tokio::task::yield_now().await;
    }
    let mut again = Peer::ready(&site).await;
    again.mails(&site.reply_address(), &letter("first try"), "250").await;
    let accepted = site.ledger().await.iter().filter(|entry| entry.outcome == Outcome::Accepted).count();
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn accounts_and_policy_of_a_new_config_count_for_running_sessions() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    peer.asks("RCPT TO:<sales@acme.example>", "550 5.1.1").await;
    site.reconfigure(|config| config.accounts[0].inboxes[1].address = Some("sales@acme.example".into()));
    peer.asks("RCPT TO:<sales@acme.example>", "250").await;
    site.reconfigure(|config| {
        let mut limits = replyd::limits::Limits::clone(&config.limits);
        limits.sessions_max = 1;
        config.limits = Arc::new(limits);
    });
    Peer::connect(&site.endpoint(Door::Smtp)).await.expect("421 4.3.2").await;
}
