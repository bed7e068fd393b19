//! What a remote host may answer, and what a mail comes to by it: polite, slow, confused and hostile hosts, over real
//! sockets and real TLS.

use super::mail_out_peer::{Act, MailHost, Moment, NAME, Script, ehlo, last, say};
use replyd::config::secret::Secret;
use replyd::mail::address::Address;
use replyd::outbound::attempt::Attempt;
use replyd::outbound::hop::{Credentials, Hop, Security, TlsMode, Verification};
use replyd::outbound::outcome::{Blame, Fate, Otherwise, Stage};
use replyd::outbound::session::{Connection, Envelope};
use replyd::outbound::timeouts::Timeouts;
use replyd::outbound::verifier::ClientTls;
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::timeout;

const CONTENT: &[u8] = b"Subject: answer\r\n\r\n.hidden\r\n.\r\nbye\r\n";
const PASSWORD: &str = "hunter2-is-wrong";
const NEXT: Fate = Fate::TryNextHop { otherwise: Otherwise::Deferred };

/// A test that waits longer than this has failed; nothing is timed by it.
const PATIENCE: Duration = Duration::from_secs(30);

/// For the one step that a host never finishes: the outcome is the same however slow the machine is.
const SHORT: Duration = Duration::from_millis(100);

/// How a host is dialled.
#[derive(Clone)]
struct Dial {
    tls: TlsMode,
    verification: Verification,
    credentials: bool,
    require_tls: bool,
    to: &'static str,
    content: &'static [u8],
    timeouts: Timeouts,
}

impl Default for Dial {
    fn default() -> Dial {
        Dial {
            tls: TlsMode::None,
            verification: Verification::Nothing,
            credentials: false,
            require_tls: false,
            to: "ann@example.net",
            content: CONTENT,
            timeouts: Timeouts::uniform(PATIENCE),
        }
    }
}

impl Dial {
    fn hop(&self, host: &MailHost) -> Hop {
        let because = if self.tls == TlsMode::Opportunistic { "opportunistic" } else { "config" };
        Hop {
            host: NAME.to_owned(),
            addresses: vec![host.address],
            security: Security { tls: self.tls, verification: self.verification.clone(), because },
            credentials: self
                .credentials
                .then(|| Credentials { username: "desk".to_owned(), password: Secret::from(PASSWORD.to_owned()) }),
        }
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            reverse_path: Some(Address::parse("bounce+1@desk.example").unwrap()),
            forward_path: Address::parse(self.to).unwrap(),
            require_tls: self.require_tls,
        }
    }

    async fn open(&self, host: &MailHost) -> Result<Connection, Attempt> {
        let tls = ClientTls::with_roots(host.roots.clone());
        let hop = self.hop(host);
        let opening = Connection::open(&hop, host.address, "desk.example", &tls, &self.timeouts);
        timeout(PATIENCE, opening).await.expect("an end").map_err(|attempt| *attempt)
    }

    async fn send(&self, connection: &mut Connection) -> Attempt {
        let envelope = self.envelope();
        let sending = connection.send(&envelope, self.content, async { Ok::<(), Infallible>(()) });
        timeout(PATIENCE, sending).await.expect("an end")
    }

    /// One mail over a new connection.
    async fn attempt(&self, host: &MailHost) -> Attempt {
        match self.open(host).await {
            Ok(mut connection) => self.send(&mut connection).await,
            Err(attempt) => attempt,
        }
    }
}

/// What a mail comes to at a host with this script: where it ended, how, and what is shown of it.
async fn check(script: Script, dial: &Dial, stage: Stage, result: Fate, reply: &str) -> Attempt {
    let host = MailHost::start(script).await;
    let attempt = dial.attempt(&host).await;
    assert_eq!((attempt.stage, attempt.judgement.result), (stage, result), "{reply}: {attempt:#?}");
    assert!(attempt.reply.contains(reply) && attempt.reply.len() <= 2048, "{reply}: {attempt:#?}");
    assert!(!attempt.reply.contains(|c: char| c.is_control()), "{attempt:#?}");
    assert!(attempt.transcript.len() <= 16 * 1024, "{attempt:#?}");
    assert_eq!(attempt.remote, format!("mx.example [127.0.0.1]:{}", host.address.port()));
    let uncertain = stage == Stage::FinalDot && result == Fate::Deferred && !attempt.reply.starts_with('4');
    assert_eq!(attempt.judgement.uncertain, uncertain, "{attempt:#?}");
    attempt
}

/// The same with and without PIPELINING.
async fn check_both(moment: Moment, act: Act, stage: Stage, result: Fate, reply: &str) {
    for keywords in [&["PIPELINING"][..], &[]] {
        let script = Script::default().at(moment, act.clone());
        let script = if moment == Moment::Ehlo { script } else { script.offers(keywords) };
        check(script, &Dial::default(), stage, result, reply).await;
    }
}

#[tokio::test]
async fn a_polite_host_gets_the_mail_as_it_is() {
    for keywords in [&["PIPELINING", "SIZE"][..], &["SIZE 100"]] {
        let host = MailHost::start(Script::default().offers(keywords)).await;
        let attempt = Dial::default().attempt(&host).await;
        assert!(attempt.is_delivered(), "{attempt:#?}");
        assert_eq!((attempt.reply.as_str(), attempt.tls.as_str()), ("250 2.0.0 queued as 4711", "none"));
        let received = host.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].mail, "FROM:<bounce+1@desk.example> SIZE=36");
        assert_eq!(received[0].rcpt, ["TO:<ann@example.net>"]);
        assert_eq!(received[0].content, CONTENT);
        assert_eq!(received[0].raw, b"Subject: answer\r\n\r\n..hidden\r\n..\r\nbye\r\n.\r\n");
        let expected = "S: 220 mx.example ESMTP\nC: EHLO desk.example\nS: 250 mx.example ";
        assert!(attempt.transcript.starts_with(expected), "{}", attempt.transcript);
        assert!(attempt.transcript.ends_with("C: .\nS: 250 2.0.0 queued as 4711\n"), "{}", attempt.transcript);
        assert!(!attempt.transcript.contains("hidden"), "content is not in the transcript");
    }
}

#[tokio::test]
async fn a_refusal_ends_where_it_was_said() {
    let day = Fate::TryNextHop { otherwise: Otherwise::FailedAfterADay };
    check_both(Moment::Greeting, last("554 5.7.1 listed"), Stage::Greeting, day, "554 5.7.1 listed").await;
    check_both(Moment::Greeting, last("421 4.3.2 busy"), Stage::Greeting, NEXT, "421 4.3.2 busy").await;
    check_both(Moment::Ehlo, say("550 no"), Stage::Ehlo, day, "550 no").await;
    check_both(Moment::Mail, say("451 4.3.0 later"), Stage::Mail, NEXT, "451 4.3.0 later").await;
    check_both(Moment::Mail, say("550 5.7.1 no"), Stage::Mail, Fate::Failed, "550 5.7.1 no").await;
    check_both(Moment::Rcpt, say("550 5.1.1 gone"), Stage::Rcpt, Fate::Failed, "550 5.1.1 gone").await;
    check_both(Moment::Rcpt, say("450 4.2.0 later"), Stage::Rcpt, Fate::Deferred, "450 4.2.0 later").await;
    check_both(Moment::Rcpt, last("421 4.7.0 slow"), Stage::Rcpt, NEXT, "421 4.7.0 slow").await;
    check_both(Moment::Data, say("451 4.3.0 later"), Stage::Data, Fate::Deferred, "451 4.3.0").await;
    check_both(Moment::Dot, say("451 4.3.0 later"), Stage::FinalDot, Fate::Deferred, "451 4.3.0").await;
    check_both(Moment::Dot, say("554 5.7.1 spam"), Stage::FinalDot, Fate::Failed, "554 5.7.1 spam").await;
    check_both(Moment::Dot, last("421 4.3.2 down"), Stage::FinalDot, NEXT, "421 4.3.2 down").await;
}

#[tokio::test]
async fn a_greylister_names_the_wait() {
    let script = Script::default().at(Moment::Rcpt, say("451 4.7.1 greylisted, try again in 2 minutes"));
    let attempt = check(script, &Dial::default(), Stage::Rcpt, Fate::Deferred, "greylisted").await;
    assert_eq!(attempt.judgement.retry_after, Some(Duration::from_secs(120)));
    assert!(!attempt.judgement.slow_down);
}

#[tokio::test]
async fn what_is_no_reply_is_bounded_escaped_and_temporary() {
    for (act, words) in [
        (say("99 x"), "no line of an SMTP reply"),
        (say("999 x"), "no line of an SMTP reply"),
        (say("<html>\x07hello</html>"), "<html>\\u{7}hello"),
        (say("250-a\r\n550 b"), "the codes 250 and 550"),
        (say("553-\n$(reboot)"), "\"$(reboot)\" is no line"),
        (say("354 go on"), "is no answer to"),
        (Act::Flood(b"2", 10_000_000), "more than 2048 octets"),
        (Act::Flood(b"250-x\r\n", 1_000_000), "more than 64 lines"),
        (Act::Close, "the connection was closed"),
        (Act::Last(b"250-cut short\r\n25".to_vec()), "the connection was closed"),
    ] {
        check_both(Moment::Mail, act.clone(), Stage::Mail, NEXT, words).await;
        check_both(Moment::Greeting, act.clone(), Stage::Greeting, NEXT, words).await;
        check_both(Moment::Dot, act, Stage::FinalDot, Fate::Deferred, words).await;
    }
    let escaped = "550 5.1.1 a\\u{0}b\\u{1b}[2J\u{fffd}";
    let hostile = Act::Say(b"550 5.1.1 a\0b\x1b[2J\xff\r\n".to_vec());
    check_both(Moment::Rcpt, hostile, Stage::Rcpt, Fate::Failed, escaped).await;
}

#[tokio::test]
async fn each_wait_has_its_own_deadline() {
    let generous = Timeouts::uniform(PATIENCE);
    for (moment, act, stage, result, timeouts) in [
        (Moment::Greeting, Act::Never, Stage::Greeting, NEXT, Timeouts { greeting: SHORT, ..generous }),
        (Moment::Greeting, Act::Drip, Stage::Greeting, NEXT, Timeouts { greeting: SHORT, ..generous }),
        (Moment::Ehlo, Act::Never, Stage::Ehlo, NEXT, Timeouts { command: SHORT, ..generous }),
        (Moment::Data, Act::Never, Stage::Data, NEXT, Timeouts { data: SHORT, ..generous }),
        (Moment::Dot, Act::Never, Stage::FinalDot, Fate::Deferred, Timeouts { final_dot: SHORT, ..generous }),
        (Moment::Dot, Act::Drip, Stage::FinalDot, Fate::Deferred, Timeouts { final_dot: SHORT, ..generous }),
        (Moment::Dot, Act::Never, Stage::FinalDot, Fate::Deferred, Timeouts { total: 20 * SHORT, ..generous }),
    ] {
        let script = Script::default().at(moment, act);
        check(script, &Dial { timeouts, ..Dial::default() }, stage, result, "no answer in time").await;
    }
    let opportunistic =
        Dial { tls: TlsMode::Opportunistic, timeouts: Timeouts { starttls: SHORT, ..generous }, ..Dial::default() };
    let silent = Script::default().at(Moment::Handshake, Act::Never);
    let attempt = check(silent, &opportunistic, Stage::TlsHandshake, NEXT, "no answer in time").await;
    assert!(attempt.judgement.try_plaintext);
}

#[tokio::test]
async fn a_mail_that_may_have_arrived_is_uncertain_and_no_other() {
    check_both(Moment::Dot, Act::Close, Stage::FinalDot, Fate::Deferred, "the connection was closed").await;
    check_both(Moment::Data, Act::Close, Stage::Data, NEXT, "the connection was closed").await;
    // More than sockets hold, so that the end comes before the dot.
    let content: &'static [u8] = Vec::leak(b"a line of sixteen\r\n".repeat(1_000_000));
    let cut = Script::default().offers(&[]).at(Moment::Content, Act::Close);
    check(cut, &Dial { content, ..Dial::default() }, Stage::Content, NEXT, "the connection was closed").await;
}

#[tokio::test]
async fn what_a_host_says_amid_the_content_counts() {
    let script = Script::default().at(Moment::Content, last("552 5.3.4 enough"));
    let host = MailHost::start(script).await;
    let attempt = Dial::default().attempt(&host).await;
    assert_eq!((attempt.judgement.result, attempt.reply.as_str()), (Fate::Failed, "552 5.3.4 enough"), "{attempt:#?}");
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_is_never_taken_for_one() {
    let twice = || say("250 ok\r\n250 ok");
    let plain = |moment, act| Script::default().offers(&[]).at(moment, act);
    check(plain(Moment::Mail, twice()), &Dial::default(), Stage::Rcpt, NEXT, "without being asked").await;
    let early = say("354 go on\r\n250 taken");
    let script = || Script::default().at(Moment::Data, early.clone());
    check(script(), &Dial::default(), Stage::Content, NEXT, "without being asked").await;

    let host = MailHost::start(Script::default().at(Moment::Dot, twice())).await;
    let mut connection = Dial::default().open(&host).await.expect("a connection");
    assert!(Dial::default().send(&mut connection).await.is_delivered());
    assert!(!connection.is_reusable(), "the next mail's MAIL would have its answer already");
}

#[tokio::test]
async fn a_pipelined_refusal_leaves_the_connection_in_step() {
    for rcpt in ["550 5.1.1 gone", "450 4.2.0 later"] {
        for data in ["354 go on", "554 5.5.1 no valid recipients"] {
            let script = Script::default()
                .at(Moment::Rcpt, say(rcpt))
                .at(Moment::Rcpt, say("250 ok"))
                .at(Moment::Data, say(data))
                .at(Moment::Data, say("354 go on"))
                .at(Moment::Dot, if data.starts_with('3') { say("554 5.5.1 nobody to send to") } else { say("250 ok") })
                .at(Moment::Dot, say("250 ok"));
            let host = MailHost::start(script).await;
            let mut connection = Dial::default().open(&host).await.expect("a connection");
            let refused = Dial::default().send(&mut connection).await;
            assert_eq!((refused.stage, refused.reply.as_str()), (Stage::Rcpt, rcpt));
            assert!(connection.is_reusable());
            assert!(Dial::default().send(&mut connection).await.is_delivered());
            let received = host.received();
            assert_eq!(received.last().expect("a mail").content, CONTENT);
            assert!(received.iter().rev().skip(1).all(|mail| mail.content.is_empty()), "{received:?}");
            assert_eq!(host.connections(), 1);
        }
    }
}

#[tokio::test]
async fn a_kept_connection_takes_mail_after_mail_until_the_host_has_enough() {
    let script = Script::default().at(Moment::Dot, say("250 ok")).at(Moment::Dot, last("250 ok, enough"));
    let host = MailHost::start(script).await;
    let mut connection = Dial::default().open(&host).await.expect("a connection");
    for mails in 1..=2 {
        assert!(connection.is_reusable());
        let attempt = Dial::default().send(&mut connection).await;
        assert!(attempt.is_delivered() && attempt.transcript.starts_with("C: MAIL") == (mails > 1), "{attempt:#?}");
        assert_eq!(connection.offered(), mails);
    }
    let third = Dial::default().send(&mut connection).await;
    assert!(third.stale && third.judgement.result == NEXT, "{third:#?}");
    assert!(!connection.is_reusable());
    assert_eq!(host.received().len(), 2);
}

/// The next mail may be another account's: its transcript must not tell whom the one before was for, nor its bounce token.
#[tokio::test]
async fn a_transcript_has_nothing_of_a_mail_that_was_refused_before() {
    for moment in [Moment::Rcpt, Moment::Data, Moment::Dot] {
        for keywords in [&["PIPELINING"][..], &[]] {
            let script = Script::default()
                .offers(keywords)
                .at(moment, say("554 5.7.1 no"))
                .at(moment, say(if moment == Moment::Data { "354 go on" } else { "250 ok" }));
            let script = match moment {
                // A pipelined DATA is refused as well.
                Moment::Rcpt if !keywords.is_empty() => {
                    script.at(Moment::Data, say("554 5.5.1 nobody")).at(Moment::Data, say("354 go on"))
                }
                _ => script,
            };
            let host = MailHost::start(script).await;
            let mut connection = Dial::default().open(&host).await.expect("a connection");
            let secret = Dial { to: "secret-patient@example.net", ..Dial::default() };
            let refused = secret.send(&mut connection).await;
            assert!(!refused.is_delivered() && refused.transcript.contains("secret-patient"), "{refused:#?}");
            let next = Dial::default().send(&mut connection).await;
            assert!(!next.transcript.contains("secret-patient"), "{moment:?}: {next:#?}");
            assert_eq!(next.transcript.matches("C: MAIL FROM:<bounce+1@").count(), 1, "{moment:?}: {next:#?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_offered_that_the_host_cannot_take() {
    let failed = Fate::TryNextHop { otherwise: Otherwise::Failed };
    let with = |keywords: &[&str]| Script::default().offers(keywords);
    check(with(&["SIZE 1"]), &Dial::default(), Stage::Mail, failed, "this host takes 1").await;
    let umlaut = Dial { to: "jörg@example.net", ..Dial::default() };
    check(with(&["8BITMIME"]), &umlaut, Stage::Mail, failed, "no SMTPUTF8").await;
    let demanding = Dial { require_tls: true, ..Dial::default() };
    check(with(&["REQUIRETLS"]), &demanding, Stage::Mail, failed, "REQUIRETLS").await;
    let under_tls = Dial { tls: TlsMode::Required, ..demanding };
    check(with(&["STARTTLS"]), &under_tls, Stage::Mail, failed, "REQUIRETLS").await;
    check(with(&["STARTTLS", "REQUIRETLS"]), &under_tls, Stage::FinalDot, Fate::Delivered, "250").await;

    let host = MailHost::start(with(&["SIZE 1"])).await;
    Dial::default().attempt(&host).await;
    assert_eq!(host.commands(), ["EHLO desk.example"], "no MAIL");
}

#[tokio::test]
async fn a_list_of_ten_thousand_keywords_is_no_list() {
    let keywords: Vec<String> = (0..10_000).map(|number| format!("X{number}")).collect();
    let keywords: Vec<&str> = keywords.iter().map(String::as_str).collect();
    check(Script::default().offers(&keywords), &Dial::default(), Stage::Ehlo, NEXT, "more than 64 lines").await;
}

#[tokio::test]
async fn content_that_could_smuggle_is_never_sent() {
    for content in ["a: b\n.\nMAIL", "a: b\r\n.\rx\r\n", "a: b\r.\r\n", "a: b\r\n\0\r\n", "a: b\n.\r\nRCPT"] {
        let host = MailHost::start(Script::default()).await;
        let attempt = Dial { content: content.as_bytes(), ..Dial::default() }.attempt(&host).await;
        let got = (attempt.judgement.result, attempt.judgement.blame, attempt.stage);
        assert_eq!(got, (Fate::Failed, Blame::Message, Stage::Mail), "{attempt:#?}");
        assert_eq!(host.commands(), ["EHLO desk.example"], "{content:?}");
    }
}

#[tokio::test]
async fn the_dot_waits_for_the_store() {
    let host = MailHost::start(Script::default()).await;
    let mut connection = Dial::default().open(&host).await.expect("a connection");
    let envelope = Dial::default().envelope();
    let committed = async {
        host.has_content(CONTENT.len()).await;
        if host.received().is_empty() { Err("the store is busy") } else { Ok(()) }
    };
    let attempt = timeout(PATIENCE, connection.send(&envelope, CONTENT, committed)).await.expect("an end");
    let got = (attempt.judgement.result, attempt.judgement.blame, attempt.judgement.uncertain);
    assert_eq!(got, (Fate::Deferred, Blame::Ourselves, false), "{attempt:#?}");
    assert!(attempt.reply.contains("the store is busy") && !connection.is_reusable());
    drop(connection);
    assert_eq!(host.received(), []);
}

#[tokio::test]
async fn a_host_with_helo_only_gets_mail_too() {
    let script = Script::default().at(Moment::Ehlo, say("502 5.5.1 what")).at(Moment::Ehlo, say("250 hello"));
    let host = MailHost::start(script).await;
    assert!(Dial::default().attempt(&host).await.is_delivered());
    assert_eq!(host.commands()[..2], ["EHLO desk.example", "HELO desk.example"]);
}

#[tokio::test]
async fn quit_is_not_waited_for() {
    let host = MailHost::start(Script::default().at(Moment::Quit, Act::Never)).await;
    let timeouts = Timeouts { quit: SHORT, ..Timeouts::uniform(PATIENCE) };
    let connection = Dial { timeouts, ..Dial::default() }.open(&host).await.expect("a connection");
    timeout(PATIENCE, connection.quit()).await.expect("an end");
}

mod tls {
    use super::*;

    fn dial(tls: TlsMode, verification: Verification) -> Dial {
        Dial { tls, verification, ..Dial::default() }
    }

    #[tokio::test]
    async fn mail_goes_under_tls_and_says_so() {
        for (tls, verification, words) in [
            (TlsMode::Opportunistic, Verification::Nothing, "certificate not checked (opportunistic)"),
            (TlsMode::Required, Verification::HostName, "certificate matches mx.example (config)"),
            (TlsMode::Implicit, Verification::HostName, "certificate matches mx.example (config)"),
        ] {
            let script = if tls == TlsMode::Implicit { Script::default().implicit_tls() } else { Script::default() };
            let host = MailHost::start(script).await;
            let attempt = dial(tls, verification).attempt(&host).await;
            assert!(attempt.is_delivered(), "{attempt:#?}");
            assert_eq!(attempt.tls, format!("TLSv1.3 TLS_AES_256_GCM_SHA384, {words}"));
            assert!(host.received()[0].under_tls);
        }
    }

    /// Row 67: what is said in clear behind 220 would be read as the answer to EHLO under TLS.
    #[tokio::test]
    async fn injected_replies_end_the_attempt() {
        let script = || Script::default().at(Moment::StartTls, say("220 go\r\n250-evil.example\r\n250 AUTH PLAIN"));
        for tls in [TlsMode::Opportunistic, TlsMode::Required] {
            let dial = dial(tls, Verification::Nothing);
            let attempt = check(script(), &dial, Stage::StartTls, NEXT, "somebody injects replies").await;
            assert!(!attempt.judgement.try_plaintext);
        }
    }

    /// Row 68: who takes TLS away gets plaintext only where nobody demanded TLS.
    #[tokio::test]
    async fn stripped_or_broken_tls_is_policys_to_judge() {
        let refused = || Script::default().at(Moment::StartTls, say("454 4.7.0 TLS not available"));
        let garbage = || Script::default().at(Moment::Handshake, say("220 what TLS"));
        let cut = || Script::default().at(Moment::Handshake, Act::Close);
        let stripped = || Script::default().offers(&["PIPELINING"]);
        for (script, stage, words) in [
            (refused(), Stage::StartTls, "454 4.7.0"),
            (garbage(), Stage::TlsHandshake, ""),
            (cut(), Stage::TlsHandshake, ""),
        ] {
            let required = dial(TlsMode::Required, Verification::HostName);
            let attempt = check(script.clone(), &required, stage, NEXT, words).await;
            assert!(!attempt.judgement.try_plaintext, "{attempt:#?}");
            let opportunistic = dial(TlsMode::Opportunistic, Verification::Nothing);
            let attempt = check(script, &opportunistic, stage, NEXT, words).await;
            assert!(attempt.judgement.try_plaintext, "{attempt:#?}");
            // "Not now" is no reason to go without TLS for a week.
            let is_for_now = stage == Stage::StartTls;
            assert_eq!(attempt.judgement.tls_is_broken, !is_for_now, "{attempt:#?}");
        }
        let required = dial(TlsMode::Required, Verification::Nothing);
        check(stripped(), &required, Stage::Ehlo, NEXT, "offers no TLS").await;
        let opportunistic = dial(TlsMode::Opportunistic, Verification::Nothing);
        check(stripped(), &opportunistic, Stage::FinalDot, Fate::Delivered, "250").await;
    }

    #[tokio::test]
    async fn no_mail_goes_to_a_host_with_anothers_certificate() {
        let (host, other) = (MailHost::start(Script::default()).await, MailHost::start(Script::default()).await);
        let required = dial(TlsMode::Required, Verification::HostName);
        let tls = ClientTls::with_roots(other.roots.clone());
        let open = |name: &str, tls: ClientTls| {
            let hop = Hop { host: name.to_owned(), ..required.hop(&host) };
            async move { Connection::open(&hop, hop.addresses[0], "desk.example", &tls, &required.timeouts).await }
        };
        let open = &open;
        for attempt in [open(NAME, tls).await, open("other.example", ClientTls::with_roots(host.roots.clone())).await] {
            let attempt = attempt.expect_err("no connection");
            assert_eq!((attempt.stage, attempt.judgement.result), (Stage::TlsHandshake, NEXT));
            assert!(attempt.reply.contains("certificate") && !attempt.judgement.try_plaintext, "{attempt:#?}");
        }
        assert_eq!(host.commands().iter().filter(|line| line.starts_with("MAIL")).count(), 0);
    }

    /// What a host offered in clear does not hold under TLS (RFC 3207 §4.2).
    #[tokio::test]
    async fn capabilities_are_asked_again_under_tls() {
        let script = Script::default()
            .at(Moment::Ehlo, ehlo(&["STARTTLS", "SIZE 1", "PIPELINING", "AUTH PLAIN"]))
            .at(Moment::EhloUnderTls, ehlo(&[]));
        let host = MailHost::start(script).await;
        assert!(dial(TlsMode::Opportunistic, Verification::Nothing).attempt(&host).await.is_delivered());
        assert_eq!(host.received()[0].mail, "FROM:<bounce+1@desk.example>", "no SIZE");
    }
}

mod auth {
    use super::*;
    use data_encoding::BASE64;

    fn dial(tls: TlsMode) -> Dial {
        Dial { tls, credentials: true, ..Dial::default() }
    }

    fn encoded(text: &str) -> String {
        BASE64.encode(text.as_bytes())
    }

    /// Nothing that is stored or shown holds the password in any form it went out.
    fn keeps_the_secret(attempt: &Attempt) {
        let shown = format!("{attempt:?}");
        let plain = encoded(&format!("\0desk\0{PASSWORD}"));
        for secret in [PASSWORD, &encoded(PASSWORD), &plain] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[tokio::test]
    async fn the_password_goes_under_tls_only() {
        for tls in [TlsMode::None, TlsMode::Opportunistic] {
            let host = MailHost::start(Script::default().offers(&["AUTH PLAIN"])).await;
            let attempt = dial(tls).attempt(&host).await;
            let got = (attempt.stage, attempt.judgement.result, attempt.judgement.blame);
            assert_eq!(got, (Stage::Auth, NEXT, Blame::Ourselves), "{attempt:#?}");
            assert_eq!(host.commands(), ["EHLO desk.example"]);
        }
    }

    #[tokio::test]
    async fn plain_and_login_are_spoken() {
        let plain = Script::default().offers(&["STARTTLS", "AUTH LOGIN PLAIN"]);
        let login = Script::default()
            .offers(&["STARTTLS", "AUTH LOGIN"])
            .at(Moment::Auth, say("334 VXNlcm5hbWU6"))
            .at(Moment::AuthContinued, say("334 UGFzc3dvcmQ6"))
            .at(Moment::AuthContinued, say("235 ok"));
        let said = encoded(&format!("\0desk\0{PASSWORD}"));
        for (script, expected) in [
            (plain, vec![format!("AUTH PLAIN {said}")]),
            (login, vec!["AUTH LOGIN".to_owned(), encoded("desk"), encoded(PASSWORD)]),
        ] {
            let host = MailHost::start(script).await;
            let attempt = dial(TlsMode::Required).attempt(&host).await;
            assert!(attempt.is_delivered(), "{attempt:#?}");
            assert_eq!(host.commands()[3..3 + expected.len()], expected);
            keeps_the_secret(&attempt);
        }
    }

    #[tokio::test]
    async fn a_wrong_password_keeps_the_mail_and_the_secret() {
        let echo = format!("535 5.7.8 {PASSWORD} {} is wrong", encoded(&format!("\0desk\0{PASSWORD}")));
        let script = Script::default().at(Moment::Auth, say(&echo));
        let attempt = check(script, &dial(TlsMode::Required), Stage::Auth, NEXT, "535 5.7.8 (secret) (secret)").await;
        assert_eq!(attempt.judgement.blame, Blame::Ourselves);
        assert!(attempt.transcript.contains("C: AUTH PLAIN (secret)\n"), "{}", attempt.transcript);
        keeps_the_secret(&attempt);
    }

    #[tokio::test]
    async fn with_scram_the_password_stays_here_and_the_host_proves_that_it_knows_it() {
        let offers = || Script::default().offers(&["STARTTLS", "AUTH PLAIN SCRAM-SHA-256"]);
        let knowing = offers().at(Moment::Auth, Act::Scram(PASSWORD));
        let attempt = check(knowing, &dial(TlsMode::Required), Stage::FinalDot, Fate::Delivered, "250").await;
        assert!(attempt.transcript.contains("C: AUTH SCRAM-SHA-256 (secret)\n"), "{}", attempt.transcript);
        keeps_the_secret(&attempt);
        let guessing = offers().at(Moment::Auth, Act::Scram("password"));
        check(guessing, &dial(TlsMode::Required), Stage::Auth, NEXT, "does not prove that it knows").await;
    }

    #[tokio::test]
    async fn a_host_that_does_not_prove_itself_gets_no_mail() {
        let script = Script::default()
            .offers(&["STARTTLS", "AUTH SCRAM-SHA-256 PLAIN"])
            .at(Moment::Auth, say(&format!("334 {}", encoded("r=another,s=c2FsdA==,i=4096"))));
        let attempt = check(script, &dial(TlsMode::Required), Stage::Auth, NEXT, "does not continue ours").await;
        keeps_the_secret(&attempt);
        let none = Script::default().offers(&["STARTTLS", "AUTH GSSAPI"]);
        check(none, &dial(TlsMode::Required), Stage::Auth, NEXT, "no AUTH mechanism").await;
    }
}
