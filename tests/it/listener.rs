//! The doors take mail, keep to their limits, and close in good order.

use super::peer::{Peer, letter};
use super::site::{Setting, Site, entries, new_token};
use replyd::config::checked::{Endpoint, Network, Smtp};
use replyd::conversation::model::{Ingress, Outcome};
use replyd::inbound::Door;
use replyd::limits::{CONTENT_IN_MEMORY_OCTETS, Limits};
use std::io::{BufRead, Write};
use std::time::Duration;

fn limits(change: impl FnOnce(&mut Limits)) -> Setting {
    let mut setting = Setting::default();
    change(&mut setting.limits);
    setting
}

fn loopback() -> Network {
    Network { address: [127, 0, 0, 0].into(), prefix: 8 }
}

#[tokio::test]
async fn a_mail_is_in_the_ledger_octet_for_octet_when_250_is_said() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    let reply = peer.mails(&site.reply_address(), &letter("Yes.\r\n..two dots\nbare LF"), "250 2.0.0").await;
    peer.asks("QUIT", "221").await;
    peer.expect_end().await;

    let entries = site.ledger().await;
    let [entry] = entries.as_slice() else { panic!("one entry: {entries:?}") };
    assert!(reply.contains(&entry.id.to_string()), "{reply} names {}", entry.id);
    let raw = site.store.raw_mail(entry.raw_id.unwrap()).await.unwrap();
    assert_eq!(String::from_utf8(raw).unwrap(), letter("Yes.\r\n.two dots\nbare LF\r\n"));
    assert_eq!((entry.ingress, entry.outcome), (Ingress::Smtp, Outcome::Accepted));
    assert_eq!(entry.helo.as_deref(), Some("client.example"));
    assert_eq!(entry.remote_ip, Some([127, 0, 0, 1].into()));
    assert_eq!(entry.envelope_from.as_deref(), Some("ann@example.org"));
    assert_eq!(entry.envelope_to, Some(site.reply_address()));
    assert_eq!(entry.message_id.as_deref(), Some("letter@example.org"));
    assert_eq!(entry.auth.as_ref().unwrap()["verdict"], "unproven");
}

#[tokio::test]
async fn a_pipelined_group_is_answered_and_a_retry_after_a_lost_250_is_a_duplicate() {
    let site = Site::plain().await;
    let to = site.reply_address();
    for outcome in [Outcome::Accepted, Outcome::Duplicate] {
        let mut peer = Peer::ready(&site).await;
        peer.send(format!("MAIL FROM:<ann@example.org>\r\nRCPT TO:<{to}>\r\nRCPT TO:<{to}>\r\nDATA\r\n")).await;
        for code in ["250", "250", "250", "354"] {
            peer.expect(code).await;
        }
        peer.send(letter("the same\r\n.\r\nQUIT\r\n")).await;
        peer.expect("250").await;
        peer.expect("221").await;
        assert_eq!(site.ledger().await.last().unwrap().outcome, outcome);
    }
    assert_eq!(site.ledger().await.len(), 2);
}

#[tokio::test]
async fn a_large_mail_goes_by_a_spill_file_and_leaves_none() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    for octets in [CONTENT_IN_MEMORY_OCTETS - 500, CONTENT_IN_MEMORY_OCTETS + 500, 3 << 20] {
        let mail = letter(&"a line of some length, to fill the mail with\r\n".repeat(octets / 46));
        peer.mails(&site.reply_address(), mail.trim_end(), "250").await;
        let entry = site.ledger().await.pop().unwrap();
        let raw = site.store.raw_mail(entry.raw_id.unwrap()).await.unwrap();
        assert!(raw == mail.as_bytes(), "{octets}: {} octets came back of {}", raw.len(), mail.len());
        assert_eq!(entry.size, Some(mail.len() as u64));
        assert_eq!(site.spool_files(), 0);
    }
}

#[tokio::test]
async fn chunks_bring_the_same_mail_as_data() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    let mail = letter("one\r\n");
    let (first, second) = mail.split_at(40);
    peer.asks("MAIL FROM:<ann@example.org> BODY=BINARYMIME", "250").await;
    peer.asks(&format!("RCPT TO:<{}>", site.reply_address()), "250").await;
    peer.send(format!("BDAT {}\r\n{first}BDAT {} LAST\r\n{second}", first.len(), second.len())).await;
    peer.expect("250").await;
    peer.expect("250").await;
    peer.mails(&site.reply_address(), mail.trim_end(), "250").await;
    let outcomes: Vec<Outcome> = site.ledger().await.iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, [Outcome::Accepted, Outcome::Duplicate]);
}

#[tokio::test]
async fn lmtp_answers_for_every_recipient_over_tcp_and_a_unix_socket() {
    let site = Site::plain().await;
    let other = new_token(&site.store).await.address("reply.acme.example");
    for endpoint in [site.endpoint(Door::Lmtp), site.lmtp_socket()] {
        let mut peer = Peer::connect(&endpoint).await;
        peer.expect("220").await;
        peer.asks("EHLO client.example", "500").await;
        peer.asks("LHLO client.example", "250").await;
        peer.asks("MAIL FROM:<ann@example.org>", "250").await;
        for to in [site.reply_address(), other.clone(), site.reply_address()] {
            peer.asks(&format!("RCPT TO:<{to}>"), "250").await;
        }
        peer.asks("DATA", "354").await;
        peer.send(letter(&format!("{endpoint:?}\r\n.\r\n"))).await;
        let replies = [peer.expect("250").await, peer.expect("250").await, peer.expect("250").await];
        assert_eq!(replies[0], replies[2], "the same recipient is the same entry");
        assert_ne!(replies[0], replies[1]);
    }
    let entries = site.ledger().await;
    assert_eq!(entries.len(), 4);
    assert!(entries.iter().all(|entry| (entry.ingress, entry.outcome) == (Ingress::Lmtp, Outcome::Accepted)));
}

#[tokio::test]
async fn the_session_beyond_the_slots_of_its_client_is_sent_away_until_one_is_free() {
    let site = Site::start(limits(|limits| limits.sessions_per_client_max = 2)).await;
    let (first, mut second) = (Peer::greeted(&site).await, Peer::greeted(&site).await);
    let mut third = Peer::connect(&site.endpoint(Door::Smtp)).await;
    third.expect("421 4.7.0").await;
    third.expect_end().await;
    second.asks("QUIT", "221").await;
    second.expect_end().await;
    wait_for_sessions(&site, 1).await;
    Peer::greeted(&site).await;
    drop(first);
}

#[tokio::test]
async fn the_session_beyond_all_slots_is_sent_away_before_anything_is_done_for_it() {
    let site = Site::start(limits(|limits| limits.sessions_max = 2)).await;
    let held = (Peer::greeted(&site).await, Peer::greeted(&site).await);
    let mut third = Peer::connect(&site.endpoint(Door::Smtp)).await;
    third.expect("421 4.3.2").await;
    third.expect_end().await;
    drop(held);
    wait_for_sessions(&site, 0).await;
    Peer::greeted(&site).await;
}

async fn wait_for_sessions(site: &Site, count: usize) {
    while site.services.slots.taken() > count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_mails_and_recipients_of_a_client_are_counted_by_the_minute() {
    let site = Site::start(limits(|limits| {
        limits.connections_per_minute_max = 2;
        limits.mails_per_minute_max = 2;
        limits.recipients_per_minute_max = 3;
    }))
    .await;
    let mut peer = Peer::ready(&site).await;
    let rcpt = format!("RCPT TO:<{}>", site.reply_address());
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    for code in ["250", "250", "250", "451 4.7.1"] {
        peer.asks(&rcpt, code).await;
    }
    peer.asks("RSET", "250").await;
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    peer.asks("RSET", "250").await;
    peer.asks("MAIL FROM:<ann@example.org>", "451 4.7.1").await;
    Peer::greeted(&site).await;
    let mut beyond = Peer::connect(&site.endpoint(Door::Smtp)).await;
    beyond.expect("421 4.7.0").await;
    beyond.expect_end().await;
    assert_eq!(site.ledger().await.iter().map(|e| e.outcome).collect::<Vec<_>>(), [Outcome::Deferred; 2]);
}

#[tokio::test]
async fn who_speaks_before_a_delayed_greeting_is_sent_away_and_our_relays_do_not_wait() {
    let mut setting = limits(|limits| limits.greeting_delay = Duration::from_secs(600));
    setting.smtp.xclient_from = vec![loopback()];
    let relays = Site::start(setting).await;
    Peer::greeted(&relays).await;
    let site = Site::start(limits(|limits| limits.greeting_delay = Duration::from_secs(600))).await;
    let mut early = Peer::connect(&site.endpoint(Door::Smtp)).await;
    early.send("EHLO client.example\r\n").await;
    early.expect("554 5.5.0").await;
    early.expect_end().await;
    let full = Site::start(limits(|limits| {
        limits.greeting_delay = Duration::from_secs(600);
        limits.sessions_per_client_max = 0;
    }))
    .await;
    Peer::connect(&full.endpoint(Door::Smtp)).await.expect("421 4.7.0").await;
    let patient = Site::start(limits(|limits| limits.greeting_delay = Duration::from_millis(5))).await;
    Peer::ready(&patient).await;
}

#[tokio::test]
async fn a_peer_that_never_reads_is_cut_when_the_wait_for_it_is_over() {
    let site = Site::start(limits(|limits| {
        limits.idle_commands_max = usize::MAX;
        limits.write_timeout = Duration::from_millis(20);
    }))
    .await;
    let mut peer = Peer::connect(&site.lmtp_socket()).await;
    peer.expect("220").await;
    peer.tries_to_send("NOOP\r\n".repeat(200_000).as_bytes()).await;
    wait_for_sessions(&site, 0).await;
}

#[tokio::test]
async fn a_mail_that_is_declared_too_large_is_refused_and_listed() {
    let site = Site::start(limits(|limits| limits.mail_octets_max = 1000)).await;
    let mut peer = Peer::ready(&site).await;
    peer.asks("MAIL FROM:<ann@example.org> SIZE=1001", "552 5.3.4").await;
    peer.asks("MAIL FROM:<ann@example.org> SIZE=1000", "250").await;
    let entries = site.ledger().await;
    let shown: Vec<_> = entries.iter().map(|entry| (entry.outcome, entry.size, entry.reason.as_str())).collect();
    assert_eq!(shown, [(Outcome::Rejected, Some(1001), "declared too large")]);
}

#[tokio::test]
async fn content_beyond_the_budget_of_all_sessions_is_deferred_and_the_budget_comes_back() {
    let site = Site::start(limits(|limits| limits.content_octets_in_flight_max = 10_000)).await;
    let to = site.reply_address();
    let mut holder = Peer::ready(&site).await;
    holder.begins_data(&to).await;
    holder.send(letter(&"x".repeat(9_000))).await;
    let mut peer = Peer::ready(&site).await;
    // The declared size counts before a single octet came, the real one while they come.
    peer.asks("MAIL FROM:<ann@example.org> SIZE=10001", "250").await;
    peer.asks(&format!("RCPT TO:<{to}>"), "250").await;
    peer.asks("DATA", "452 4.3.1").await;
    peer.mails(&to, &letter(&"y".repeat(10_000)), "452 4.3.1").await;
    holder.send("\r\n.\r\n").await;
    holder.expect("250").await;
    peer.mails(&to, &letter(&"z".repeat(9_000)), "250").await;
    let entries = site.ledger().await;
    let of = |outcome| entries.iter().filter(|entry| entry.outcome == outcome).count();
    assert_eq!((of(Outcome::Deferred), of(Outcome::Accepted)), (2, 2));
}

#[tokio::test]
async fn a_disk_that_would_become_too_full_defers_before_the_content() {
    let site = Site::start(limits(|limits| limits.disk_free_octets_min = u64::MAX)).await;
    let mut peer = Peer::ready(&site).await;
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    peer.asks(&format!("RCPT TO:<{}>", site.reply_address()), "250").await;
    peer.asks("DATA", "452 4.3.1").await;
    peer.asks("NOOP", "250").await;
    assert_eq!(site.ledger().await[0].outcome, Outcome::Deferred);
}

#[tokio::test]
async fn a_peer_that_half_closes_behind_its_last_command_gets_every_answer() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    peer.begins_data(&site.reply_address()).await;
    peer.send(letter("half\r\n.\r\n")).await;
    peer.shuts_its_side().await;
    peer.expect("250").await;
    peer.expect_end().await;
    assert_eq!(site.ledger().await[0].outcome, Outcome::Accepted);
}

#[tokio::test]
async fn a_connection_that_ends_in_its_content_leaves_nothing_but_its_ledger_entry() {
    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    peer.begins_data(&site.reply_address()).await;
    peer.send(letter(&"x\r\n".repeat(CONTENT_IN_MEMORY_OCTETS))).await;
    drop(peer);
    let entries = site.ledger_of(1).await;
    assert_eq!((entries[0].outcome, entries[0].reason.as_str()), (Outcome::Deferred, "disconnected in data"));
    assert_eq!((entries[0].raw_id, entries[0].reply.as_str()), (None, ""));
    wait_for_sessions(&site, 0).await;
    assert_eq!(site.spool_files(), 0);
}

#[tokio::test]
async fn a_reset_behind_the_end_of_the_mail_leaves_one_mail_or_none_and_a_retry_makes_it_one() {
    let site = Site::plain().await;
    let Endpoint::Tcp(address) = site.endpoint(Door::Smtp) else { panic!("a TCP door") };
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let to = site.reply_address();
    let conversation = tokio::task::spawn_blocking(move || {
        let mut read = std::io::BufReader::new(stream.try_clone().unwrap());
        let mut asks = |octets: &str| {
            stream.write_all(octets.as_bytes()).unwrap();
            let mut line = String::from("   -");
            while line.as_bytes()[3] == b'-' {
                line.clear();
                read.read_line(&mut line).unwrap();
            }
        };
        for command in ["", "EHLO client.example\r\n", "MAIL FROM:<ann@example.org>\r\n"] {
            asks(command);
        }
        asks(&format!("RCPT TO:<{to}>\r\n"));
        asks("DATA\r\n");
        stream.write_all(letter("reset\r\n.\r\n").as_bytes()).unwrap();
        // Zero seconds to linger: closing sends RST.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    });
    conversation.await.unwrap();
    wait_for_sessions(&site, 0).await;
    Peer::ready(&site).await.mails(&site.reply_address(), &letter("reset"), "250").await;
    let accepted = site.ledger().await.iter().filter(|entry| entry.outcome == Outcome::Accepted).count();
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn a_mail_larger_than_allowed_is_refused_at_its_end_and_listed() {
    let site = Site::start(limits(|limits| limits.mail_octets_max = 1000)).await;
    let mut peer = Peer::ready(&site).await;
    peer.mails(&site.reply_address(), &letter(&"x".repeat(1200)), "552 5.3.4").await;
    peer.mails(&site.reply_address(), &letter("small"), "250").await;
    let entries = site.ledger().await;
    let [refused] = entries.iter().filter(|entry| entry.outcome == Outcome::Rejected).collect::<Vec<_>>()[..] else {
        panic!("one refusal: {entries:?}")
    };
    assert!(refused.reply.starts_with("552 5.3.4"), "{}", refused.reply);
    assert_eq!(refused.envelope_to, Some(site.reply_address()));
    assert_eq!(entries.len(), 2);
}

#[tokio::test]
async fn a_refused_recipient_is_in_the_log_of_the_one_account_that_takes_mail_there() {
    let site = Site::plain().await;
    let foreign = new_token(&site.store).await;
    let cases = [
        ("reply+00112233445566778899aabbccddeeff@reply.acme.example".to_owned(), "550", Some("acme")),
        ("suport@reply.acme.example".to_owned(), "550", Some("acme")),
        ("x@elsewhere.example".to_owned(), "550", None),
        (foreign.address("reply.bolt.example").to_string(), "550", None),
    ];
    for (count, (to, code, account)) in cases.into_iter().enumerate() {
        let mut peer = Peer::ready(&site).await;
        peer.asks("MAIL FROM:<ann@example.org>", "250").await;
        peer.asks(&format!("RCPT TO:<{to}>"), code).await;
        let entry = site.ledger_of(count + 1).await.pop().expect("a refusal");
        assert_eq!((entry.envelope_to, entry.account.as_deref()), (Some(to), account));
    }
}

#[tokio::test]
async fn stopping_lets_running_content_finish_and_sends_the_idle_away() {
    let site = Site::plain().await;
    let (mut busy, mut idle) = (Peer::ready(&site).await, Peer::ready(&site).await);
    busy.begins_data(&site.reply_address()).await;
    site.begin_to_stop();
    idle.expect("421 4.3.2").await;
    idle.expect_end().await;
    busy.send(letter("in time\r\n.\r\n")).await;
    busy.expect("250").await;
    busy.expect("421 4.3.2").await;
    busy.expect_end().await;
    assert_eq!(site.ledger().await[0].outcome, Outcome::Accepted);
    assert_eq!(site.stopped().await.sessions, 0);
}

#[tokio::test]
async fn stopping_ends_what_does_not_finish_in_time_and_says_how_much() {
    let site = Site::start(limits(|limits| limits.drain_timeout = Duration::ZERO)).await;
    let mut busy = Peer::ready(&site).await;
    busy.begins_data(&site.reply_address()).await;
    let store = site.store.clone();
    assert_eq!(site.stopped().await.sessions, 1);
    busy.expect_end().await;
    let entries = entries(&store).await;
    assert_eq!((entries[0].outcome, entries[0].reason.as_str()), (Outcome::Deferred, "session ended by replyd"));
}

fn proxied() -> Setting {
    Setting { smtp: Smtp { proxy_from: vec![loopback()], ..Smtp::default() }, ..Setting::default() }
}

#[tokio::test]
async fn a_listed_proxy_names_its_client_in_both_versions() {
    let site = Site::start(proxied()).await;
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc0\0\x02\x0a\x10\x92\0\x19";
    for (header, ip) in
        [(b"PROXY TCP4 192.0.2.8 192.0.2.10 4242 25\r\n".as_slice(), [192, 0, 2, 8]), (v2, [192, 0, 2, 9])]
    {
        let mut peer = Peer::connect(&site.endpoint(Door::Smtp)).await;
        peer.send(header).await;
        peer.expect("220").await;
        peer.asks("EHLO client.example", "250").await;
        peer.mails(&site.reply_address(), &letter(&format!("{ip:?}")), "250").await;
        assert_eq!(site.ledger().await.pop().unwrap().remote_ip, Some(ip.into()));
    }
}

#[tokio::test]
async fn a_listed_proxy_without_a_header_is_cut_and_an_unlisted_peer_with_one_gets_no_further() {
    let site = Site::start(proxied()).await;
    let mut peer = Peer::connect(&site.endpoint(Door::Smtp)).await;
    peer.send("EHLO client.example\r\n").await;
    peer.expect_end().await;

    let site = Site::plain().await;
    let mut peer = Peer::greeted(&site).await;
    peer.asks("PROXY TCP4 192.0.2.8 192.0.2.10 4242 25", "5").await;
}

#[tokio::test]
async fn a_listed_proxy_that_is_silent_is_cut_at_the_deadline() {
    let mut setting = proxied();
    setting.limits.proxy_header_timeout = Duration::ZERO;
    let site = Site::start(setting).await;
    Peer::connect(&site.endpoint(Door::Smtp)).await.expect_end().await;
}

#[tokio::test]
async fn xclient_of_a_listed_peer_replaces_the_client_and_begins_anew() {
    let smtp = Smtp { xclient_from: vec![loopback()], ..Smtp::default() };
    let site = Site::start(Setting { smtp, ..Setting::default() }).await;
    let mut peer = Peer::ready(&site).await;
    peer.asks("XCLIENT ADDR=192.0.2.44 HELO=true.client.example", "220").await;
    peer.asks("EHLO true.client.example", "250").await;
    peer.mails(&site.reply_address(), &letter("by proxy"), "250").await;
    let entry = site.ledger().await.pop().unwrap();
    assert_eq!(entry.remote_ip, Some([192, 0, 2, 44].into()));
    assert_eq!(entry.helo.as_deref(), Some("true.client.example"));

    let site = Site::plain().await;
    let mut peer = Peer::ready(&site).await;
    peer.asks("XCLIENT ADDR=192.0.2.44", "550").await;
}

/// The domain of [`letter`]'s envelope lets one address send.
const ONE_SENDER: &str = r#"{"example.org": [{"TXT": "v=spf1 ip4:192.0.2.44 -all"}]}"#;

#[tokio::test]
async fn spf_asks_about_the_client_that_a_listed_relay_names_and_about_none_otherwise() {
    for door in [Door::Smtp, Door::Lmtp] {
        let smtp = Smtp { xclient_from: vec![loopback()], ..Smtp::default() };
        let site = Site::start(Setting { smtp, zone: ONE_SENDER, ..Setting::default() }).await;
        let hello = if door == Door::Lmtp { "LHLO relay.example" } else { "EHLO relay.example" };
        for (address, expected) in [
            (Some("192.0.2.44"), "pass"),
            (Some("192.0.2.45"), "fail"),
            (Some("[UNAVAILABLE]"), "none"),
            (None, "none"),
        ] {
            let mut peer = Peer::connect(&site.endpoint(door)).await;
            peer.expect("220").await;
            peer.asks(hello, "250").await;
            if let Some(address) = address {
                peer.asks(&format!("XCLIENT ADDR={address}"), "220").await;
                peer.asks(hello, "250").await;
            }
            peer.mails(&site.reply_address(), &letter(&format!("{address:?}")), "250").await;
            let entry = site.ledger().await.pop().unwrap();
            assert_eq!(entry.auth.unwrap()["spf"], expected, "{door:?} {address:?}");
        }
    }
}

#[tokio::test]
async fn spf_asks_about_the_client_that_a_listed_proxy_names() {
    let site = Site::start(Setting { zone: ONE_SENDER, ..proxied() }).await;
    for (address, expected) in [("192.0.2.44", "pass"), ("192.0.2.45", "fail")] {
        let mut peer = Peer::connect(&site.endpoint(Door::Smtp)).await;
        peer.send(format!("PROXY TCP4 {address} 192.0.2.10 4242 25\r\n")).await;
        peer.expect("220").await;
        peer.asks("EHLO client.example", "250").await;
        peer.mails(&site.reply_address(), &letter(address), "250").await;
        assert_eq!(site.ledger().await.pop().unwrap().auth.unwrap()["spf"], expected, "{address}");
    }
}

#[tokio::test]
async fn a_socket_file_left_by_a_crash_is_replaced_and_one_in_use_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::Unix(dir.path().join("lmtp.sock"));
    let bound = replyd::net::listen::bind(&endpoint).unwrap();
    assert!(replyd::net::listen::bind(&endpoint).is_err());
    drop(bound);
    replyd::net::listen::bind(&endpoint).unwrap();
}
