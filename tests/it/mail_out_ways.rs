//! Mail out by ways that the config names: from an address of ours, and to a smarthost when a recipient's host refuses us.

use crate::mail_out::{Post, listeners};
use crate::mail_out_peer::{MailHost, Moment, Script, last, say};
use replyd::conversation::delivery::DeliveryState;
use replyd::store::outgoing::QueueEntry;
use std::net::{IpAddr, Ipv4Addr};

/// The host of `customer.example`, and a smarthost that gets what it refuses.
async fn with_fallback(host: Script, fallback: Script) -> (Post, MailHost, MailHost) {
    let (one, two) = listeners().await;
    let port = one.local_addr().expect("an address").port();
    let lines = format!("fallback = {{ host = \"127.0.0.2\", port = {port}, tls = \"none\" }}");
    let post = Post::with_outbound(port, &lines).await;
    (post, MailHost::start_at(one, host), MailHost::start_at(two, fallback))
}

fn says(text: Option<&String>, words: &[&str]) -> bool {
    words.iter().all(|word| text.is_some_and(|text| text.contains(word)))
}

async fn check(moment: Moment, reply: &str, state: DeliveryState, at_fallback: usize) -> QueueEntry {
    let script = Script::default().at(moment, if moment == Moment::Greeting { last(reply) } else { say(reply) });
    let (post, _host, fallback) = with_fallback(script, Script::default()).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, state).await;
    assert_eq!(fallback.received().len(), at_fallback, "{moment:?} {reply}: {entry:#?}");
    post.stop().await;
    entry
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_refuses_because_of_us_goes_to_the_fallback_and_shows_it() {
    let refusal = "550 5.7.1 Your network is on our block list";
    let entry = check(Moment::Rcpt, refusal, DeliveryState::Delivered, 1).await;
    assert!(says(entry.remote.as_ref(), &["127.0.0.2"]), "{entry:#?}");
    assert_eq!(entry.remote_reply.as_deref(), Some("250 2.0.0 queued as 4711"));
    assert!(says(entry.reason.as_ref(), &["outbound.fallback", "mx1.customer.example", refusal]), "{entry:#?}");
    assert!(says(entry.transcript.as_ref(), &[refusal, "-- on to outbound.fallback", "queued as 4711"]), "{entry:#?}");
    assert_eq!(entry.attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_refusal_of_us_goes_there() {
    check(Moment::Greeting, "554 5.7.1 blocked using dnsbl.example", DeliveryState::Delivered, 1).await;
    check(Moment::Mail, "550 5.7.23 SPF validation failed", DeliveryState::Delivered, 1).await;
    check(Moment::Dot, "554 5.7.1 Message blocked due to spam", DeliveryState::Delivered, 1).await;
    check(Moment::Rcpt, "550 5.1.1 No such user", DeliveryState::Failed, 0).await;
    check(Moment::Rcpt, "552 5.2.2 Mailbox full", DeliveryState::Failed, 0).await;
    check(Moment::Dot, "554 5.6.0 I cannot read this", DeliveryState::Failed, 0).await;
    check(Moment::Rcpt, "450 4.7.1 come back later", DeliveryState::Deferred, 0).await;
    check(Moment::Greeting, "421 4.3.2 not now", DeliveryState::Deferred, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_has_trouble_fails_nothing_and_one_that_refuses_too_has_the_last_word() {
    let refusing = || Script::default().at(Moment::Rcpt, say("550 5.7.1 not from you"));
    let busy = Script::default().at(Moment::Rcpt, say("451 4.3.0 come back")).at(Moment::Rcpt, say("250 2.1.5 ok"));
    let (post, host, fallback) = with_fallback(refusing(), busy).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!(says(entry.remote_reply.as_ref(), &["451 4.3.0"]), "{entry:#?}");
    assert!(says(entry.reason.as_ref(), &["not from you"]), "{entry:#?}");
    post.when_due(&entry).await;
    post.settled(entry.id, DeliveryState::Delivered).await;
    host.has_heard("RCPT", 2).await;
    assert_eq!(fallback.received().iter().filter(|mail| !mail.content.is_empty()).count(), 1, "it went there once");
    post.stop().await;

    let refuses = Script::default().at(Moment::Rcpt, say("550 5.7.1 we do not relay that"));
    let (post, _host, _fallback) = with_fallback(refusing(), refuses).await;
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Failed).await;
    assert!(says(entry.remote_reply.as_ref(), &["we do not relay that"]), "{entry:#?}");
    assert!(says(entry.reason.as_ref(), &["not from you"]), "{entry:#?}");
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_cannot_be_reached_keeps_the_mail() {
    let (one, two) = listeners().await;
    let port = one.local_addr().expect("an address").port();
    drop(two);
    let lines = format!("fallback = {{ host = \"127.0.0.2\", port = {port}, tls = \"none\" }}");
    let post = Post::with_outbound(port, &lines).await;
    let script = Script::default().at(Moment::Rcpt, say("550 5.7.1 not from you"));
    let _host = MailHost::start_at(one, script);
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!(says(entry.reason.as_ref(), &["cannot be reached", "not from you"]), "{entry:#?}");
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_leaves_from_the_configured_address() {
    let (one, _two) = listeners().await;
    let port = one.local_addr().expect("an address").port();
    let post = Post::with_outbound(port, "source_ipv4 = \"127.0.0.3\"").await;
    let host = MailHost::start_at(one, Script::default());
    let entry = post.answer("jane@customer.example").await;
    post.settled(entry.id, DeliveryState::Delivered).await;
    assert_eq!(host.peers(), [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3))]);
    assert!(host.commands().iter().any(|line| line == "EHLO mx.reply.example"), "{:?}", host.commands());
    post.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_waits_while_the_configured_address_is_not_there() {
    let (one, _two) = listeners().await;
    let port = one.local_addr().expect("an address").port();
    let post = Post::with_outbound(port, "source_ipv4 = \"192.0.2.1\"").await;
    let host = MailHost::start_at(one, Script::default());
    let entry = post.answer("jane@customer.example").await;
    let entry = post.settled(entry.id, DeliveryState::Deferred).await;
    assert!(says(entry.reason.as_ref(), &["outbound.source_ipv4 192.0.2.1", "replyd check"]), "{entry:#?}");
    assert_eq!(host.connections(), 0);
    post.stop().await;
}
