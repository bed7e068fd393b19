//! The session at its limits, its deadlines, and under any cut of the octets. Whole dialogs stand in `fixtures/smtp`.

use replyd::limits::{Limits, RECIPIENTS_BEYOND_MAX};
use replyd::smtp::question::{Answer, ForwardPath, Protocol, Question};
use replyd::smtp::reply;
use replyd::smtp::session::{Output, Session, SessionConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};

const HELLO: &str = "EHLO c.example\r\n";
const ENVELOPE: &str = "MAIL FROM:<a@b.example>\r\nRCPT TO:<known@d.example>\r\nDATA\r\n";

/// What a session did, with what a cut may change put together.
#[derive(Debug, Default, PartialEq)]
struct Record {
    sent: String,
    content: Vec<u8>,
    mails: Vec<(Vec<u8>, Vec<&'static str>)>,
    pauses: usize,
    starttls: usize,
    closed: Option<&'static str>,
}

/// A session with a policy that knows `known…@` and nobody else.
struct Shell {
    session: Session,
    now: Instant,
    deadline: Instant,
    record: Record,
}

impl Shell {
    fn new(config: SessionConfig) -> Shell {
        let now = Instant::now();
        let mut shell = Shell { session: Session::new(config, now), now, deadline: now, record: Record::default() };
        shell.run();
        shell
    }

    fn run(&mut self) {
        while self.record.closed.is_none() {
            match self.session.poll(self.now) {
                Output::Send(octets) => self.record.sent += std::str::from_utf8(&octets).unwrap(),
                Output::Ask(question) => self.decide(question),
                Output::Content(octets) => {
                    assert!(!octets.is_empty());
                    self.record.content.extend(octets);
                }
                Output::DiscardContent => self.record.content.clear(),
                Output::StartTls => {
                    self.record.starttls += 1;
                    self.session.tls_established(self.now);
                }
                Output::Pause(_) => self.record.pauses += 1,
                Output::Wait { deadline } => {
                    self.deadline = deadline;
                    return;
                }
                Output::Close { reason } => self.record.closed = Some(reason),
            }
        }
    }

    fn decide(&mut self, question: Question) {
        let answer = match question {
            Question::Recipient(ForwardPath::Mailbox(address)) if !address.local().starts_with("known") => {
                Answer::UnknownRecipient(reply::unknown_recipient())
            }
            Question::EndOfContent(summary) => {
                let content = std::mem::take(&mut self.record.content);
                assert_eq!(content.len() as u64, summary.octets);
                self.record.mails.push((content, summary.defects));
                Answer::Accept
            }
            _ => Answer::Accept,
        };
        self.session.answer(answer, self.now);
    }

    fn send(&mut self, octets: impl AsRef<[u8]>) -> &mut Shell {
        self.session.receive(octets.as_ref(), self.now);
        self.run();
        self
    }

    /// The replies since the last call, each as its code and enhanced code.
    fn codes(&mut self) -> String {
        let sent = std::mem::take(&mut self.record.sent);
        let code = |line: &str| {
            let mut words = line.split(' ');
            let (code, enhanced) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if enhanced.starts_with(|c: char| c.is_ascii_digit()) {
                format!("{code} {enhanced}")
            } else {
                code.to_owned()
            }
        };
        let last_lines = sent.lines().filter(|line| line.as_bytes().get(3) == Some(&b' '));
        last_lines.map(code).collect::<Vec<_>>().join(", ")
    }

    /// Lets time pass up to the deadline, and tells how long that was.
    fn expire(&mut self) -> Duration {
        let waited = self.deadline - self.now;
        self.now = self.deadline;
        self.session.deadline_passed(self.now);
        self.run();
        waited
    }
}

fn config(limits: Limits) -> SessionConfig {
    SessionConfig {
        protocol: Protocol::Smtp,
        hostname: "mx.example".to_owned(),
        limits: Arc::new(limits),
        starttls: true,
        tls: false,
        xclient: false,
        under_load: false,
    }
}

fn greeted(limits: Limits) -> Shell {
    let mut shell = Shell::new(config(limits));
    shell.send(HELLO);
    shell.codes();
    shell
}

fn in_data(limits: Limits) -> Shell {
    let mut shell = greeted(limits);
    assert_eq!(shell.send(ENVELOPE).codes(), "250 2.1.0, 250 2.1.5, 354");
    shell
}

#[track_caller]
fn check_commands(limits: Limits, commands: &str, expected: &str, closed: Option<&str>) {
    let mut shell = greeted(limits);
    for command in commands.split_inclusive('\n') {
        shell.send(command);
    }
    assert_eq!(shell.codes(), expected, "{commands:?}");
    assert_eq!(shell.record.closed, closed, "{commands:?}");
}

#[track_caller]
fn check_content(limits: Limits, content: &str, expected: &str) {
    let mut shell = in_data(limits.clone());
    assert_eq!(shell.send(format!("{content}.\r\n")).codes(), expected, "DATA {content:?}");
    assert_eq!(shell.record.mails.len(), usize::from(expected.starts_with('2')));
    let mut shell = greeted(limits);
    shell.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<known@d.example>\r\n").codes();
    assert_eq!(shell.send(format!("BDAT {} LAST\r\n{content}", content.len())).codes(), expected, "BDAT {content:?}");
}

#[test]
fn every_limit_holds_at_n_and_refuses_n_plus_1() {
    let two = || Limits { recipients_max: 2, ..Limits::default() };
    let rcpt = "RCPT TO:<known@d.example>\r\n";
    let mail = "MAIL FROM:<a@b.example>\r\n";
    check_commands(two(), &format!("{mail}{}", rcpt.repeat(2)), "250 2.1.0, 250 2.1.5, 250 2.1.5", None);
    check_commands(two(), &format!("{mail}{}", rcpt.repeat(3)), "250 2.1.0, 250 2.1.5, 250 2.1.5, 452 4.5.3", None);

    let one = || Limits { recipients_max: 1, ..Limits::default() };
    let beyond = |count| {
        let mut shell = greeted(one());
        let codes = shell.send(format!("{mail}{}", rcpt.repeat(1 + count))).codes();
        (codes.matches("452 4.5.3").count(), codes.ends_with("421 4.7.0"), shell.record.closed)
    };
    assert_eq!(beyond(RECIPIENTS_BEYOND_MAX), (RECIPIENTS_BEYOND_MAX, false, None));
    let closed = Some("too many recipients");
    assert_eq!(beyond(RECIPIENTS_BEYOND_MAX + 1), (RECIPIENTS_BEYOND_MAX, true, closed));

    let two = || Limits { errors_max: 2, ..Limits::default() };
    check_commands(two(), "X\r\nX\r\nNOOP\r\n", "500 5.5.2, 500 5.5.2, 250 2.0.0", None);
    check_commands(two(), "X\r\nX\r\nX\r\n", "500 5.5.2, 500 5.5.2, 421 4.7.0", Some("too many errors"));

    let one = || Limits { unknown_recipients_max: 1, ..Limits::default() };
    let unknown = "RCPT TO:<nobody@d.example>\r\n";
    check_commands(one(), &format!("{mail}{unknown}{rcpt}"), "250 2.1.0, 550 5.1.1, 250 2.1.5", None);
    let closed = Some("too many unknown recipients");
    check_commands(one(), &format!("{mail}{unknown}{unknown}"), "250 2.1.0, 550 5.1.1, 421 4.7.0", closed);

    // EHLO is the first of them.
    let three = || Limits { idle_commands_max: 3, ..Limits::default() };
    check_commands(three(), "NOOP\r\nRSET\r\n", "250 2.0.0, 250 2.0.0", None);
    let closed = Some("too many commands without a mail");
    check_commands(three(), "NOOP\r\nRSET\r\nVRFY x\r\n", "250 2.0.0, 250 2.0.0, 421 4.7.0", closed);

    let two = || Limits { chunks_max: 2, ..Limits::default() };
    let chunk = "BDAT 0\r\n";
    check_commands(
        two(),
        &format!("{mail}{rcpt}{}", chunk.repeat(2)),
        "250 2.1.0, 250 2.1.5, 250 2.0.0, 250 2.0.0",
        None,
    );
    let replies = "250 2.1.0, 250 2.1.5, 250 2.0.0, 250 2.0.0, 421 4.7.0";
    check_commands(two(), &format!("{mail}{rcpt}{}", chunk.repeat(3)), replies, Some("too many chunks"));

    let ten = || Limits { mail_octets_max: 10, ..Limits::default() };
    check_commands(ten(), "MAIL FROM:<> SIZE=10\r\n", "250 2.1.0", None);
    check_commands(ten(), "MAIL FROM:<> SIZE=11\r\n", "552 5.3.4", None);
}

#[test]
fn every_limit_of_content_holds_at_n_and_refuses_n_plus_1() {
    let ten = || Limits { mail_octets_max: 10, ..Limits::default() };
    check_content(ten(), "A: b\r\n\r\n\r\n", "250 2.0.0");
    check_content(ten(), "A: b\r\n\r\nx\r\n", "552 5.3.4");
    let ten = || Limits { header_octets_max: 10, ..Limits::default() };
    check_content(ten(), "A: 45678\r\n\r\n0123456789\r\n", "250 2.0.0");
    check_content(ten(), "A: 456789\r\n\r\n", "552 5.3.4");
    let two = || Limits { header_fields_max: 2, ..Limits::default() };
    check_content(two(), "A: 1\r\n x\r\nB: 2\r\n\r\nC: 3\r\n", "250 2.0.0");
    check_content(two(), "A: 1\r\nB: 2\r\nC: 3\r\n\r\n", "552 5.3.4");
    let one = || Limits { hops_max: 1, ..Limits::default() };
    check_content(one(), "Received: x\r\n\r\nReceived: y\r\n", "250 2.0.0");
    check_content(one(), "Received: x\r\nreceived: y\r\n\r\n", "554 5.4.6");
}

#[test]
fn mails_per_session_are_counted_and_the_next_one_is_told_to_come_again() {
    let mut shell = greeted(Limits { mails_per_session_max: 2, ..Limits::default() });
    for _ in 0..2 {
        shell.send(ENVELOPE).send("A: b\r\n\r\n.\r\n");
    }
    shell.codes();
    assert_eq!(shell.send(ENVELOPE).codes(), "421 4.7.0");
    assert_eq!((shell.record.mails.len(), shell.record.closed), (2, Some("too many mails")));
}

#[test]
fn an_accepted_mail_wins_the_session_new_commands_and_new_time() {
    let limits =
        Limits { idle_commands_max: 2, session_without_mail_timeout: Duration::from_secs(300), ..Limits::default() };
    let mut shell = greeted(limits);
    for _ in 0..5 {
        shell.now += Duration::from_secs(200);
        assert_eq!(shell.send("RSET\r\n").codes(), "250 2.0.0");
        shell.send(ENVELOPE);
        assert_eq!(shell.send("A: b\r\n.\r\n").codes(), "250 2.1.0, 250 2.1.5, 354, 250 2.0.0");
    }
}

#[test]
fn a_header_over_its_limit_is_not_held_until_its_end() {
    let mut shell = in_data(Limits { header_octets_max: 10, ..Limits::default() });
    shell.send("A: 45678");
    assert!(!shell.record.content.is_empty());
    shell.send("901");
    assert!(shell.record.content.is_empty());
}

#[test]
fn content_that_policy_was_asked_about_is_its_own() {
    let mut shell = in_data(Limits::default());
    let now = shell.now;
    shell.session.receive(b"A: b\r\n.\r\n", now);
    assert!(matches!(shell.session.poll(now), Output::Content(_)));
    assert!(matches!(shell.session.poll(now), Output::Ask(Question::EndOfContent(_))));
    shell.session.answer(Answer::Close(reply::unhealthy()), now);
    assert!(matches!(shell.session.poll(now), Output::Send(octets) if octets.starts_with(b"421 4.3.0")));
    assert_eq!(shell.session.poll(now), Output::Close { reason: "closed by policy" });
}

#[test]
fn octets_that_come_while_policy_decides_on_data_came_too_early() {
    let mut shell = greeted(Limits::default());
    shell.send("MAIL FROM:<a@b.example>\r\nRCPT TO:<known@d.example>\r\n").codes();
    shell.session.receive(b"DATA\r\n", shell.now);
    assert_eq!(shell.session.poll(shell.now), Output::Ask(Question::Content));
    shell.session.receive(b"A: b\r\n", shell.now);
    shell.session.answer(Answer::Accept, shell.now);
    shell.run();
    assert_eq!((shell.codes().as_str(), shell.record.closed), ("554 5.5.0", Some("unauthorised pipelining")));
}

#[test]
fn too_large_a_mail_is_swallowed_to_its_end_and_dropped_at_twice_the_limit() {
    let ten = || Limits { mail_octets_max: 10, ..Limits::default() };
    let mut shell = in_data(ten());
    shell.send("A: b\r\n").send("0123456789");
    assert!(shell.record.content.is_empty(), "nothing is held once the limit is passed");
    shell.send("1\r\n.\r\nNOOP\r\n");
    assert_eq!(shell.codes(), "552 5.3.4");
    assert_eq!(shell.record.closed, Some("mail far too large"));

    let mut shell = in_data(ten());
    assert_eq!(shell.send("A: b\r\n0123456\r\n.\r\nNOOP\r\n").codes(), "552 5.3.4, 250 2.0.0");

    let mut shell = greeted(ten());
    let envelope = "MAIL FROM:<>\r\nRCPT TO:<known@d.example>\r\n";
    shell.send(envelope).codes();
    assert_eq!(shell.send("BDAT 20\r\nQUIT\r\nQUIT\r\nQUIT\r\n..NOOP\r\n").codes(), "552 5.3.4, 250 2.0.0");
    shell.send(envelope).codes();
    assert_eq!(shell.send("BDAT 21\r\n").codes(), "552 5.3.4");
    assert_eq!(shell.record.closed, Some("chunk too large to swallow"));
}

#[test]
fn errors_are_answered_late_from_the_third_on() {
    let mut shell = greeted(Limits::default());
    assert_eq!(shell.send("X\r\nX\r\n").record.pauses, 0);
    assert_eq!(shell.send("X\r\nX\r\n").record.pauses, 2);
}

#[test]
fn each_wait_has_its_deadline() {
    let seconds = Duration::from_secs;
    let mut shell = greeted(Limits::default());
    shell.now += seconds(200);
    shell.send("NOO");
    assert_eq!(shell.expire(), seconds(100), "half a command wins no time");
    assert_eq!((shell.codes().as_str(), shell.record.closed), ("421 4.4.2", Some("timed out waiting for a command")));

    let mut shell = greeted(Limits { session_without_mail_timeout: seconds(400), ..Limits::default() });
    shell.now += seconds(200);
    shell.send("NOOP\r\n");
    assert_eq!(shell.expire(), seconds(200));
    assert_eq!(shell.record.closed, Some("no mail accepted in time"));

    let mut shell = Shell::new(SessionConfig { under_load: true, ..config(Limits::default()) });
    shell.send(HELLO).codes();
    assert_eq!(shell.deadline - shell.now, seconds(30));
    shell.send("MAIL FROM:<>\r\n");
    assert_eq!(shell.deadline - shell.now, seconds(300));

    let mut shell = greeted(Limits::default());
    shell.send("MAIL FROM:<>\r\nRCPT TO:<known@d.example>\r\nBDAT 6\r\nA: b\r\n");
    for _ in 0..3 {
        assert_eq!(shell.deadline - shell.now, seconds(300), "the next chunk is waited for like a command");
        shell.now += seconds(150);
        shell.send("NOOP\r\n");
    }
    assert_eq!(shell.deadline - shell.now, seconds(150), "and the mail as a whole has its deadline");

    let mut shell = in_data(Limits::default());
    shell.now += seconds(100);
    shell.send("A: b\r\n");
    assert_eq!(shell.expire(), seconds(180));
    assert_eq!((shell.codes().as_str(), shell.record.closed), ("421 4.4.2", Some("timed out in data")));
    assert!(shell.record.content.is_empty());
}

#[test]
fn a_mail_earns_time_by_its_octets() {
    let seconds = Duration::from_secs;
    let mut shell = in_data(Limits { data_octets_per_second_min: 10, ..Limits::default() });
    for _ in 0..6 {
        shell.now += seconds(100);
        shell.send("A: 45678\r\n");
    }
    assert_eq!(shell.expire(), seconds(6), "600 s and one for each ten octets, not another 180");
    assert_eq!(shell.record.closed, Some("too slow in data"));
}

#[test]
fn a_peer_that_never_pauses_meets_its_deadline_too() {
    let mut shell = in_data(Limits::default());
    for _ in 0..59 {
        shell.now += Duration::from_secs(10);
        shell.send("x");
    }
    assert_eq!(shell.record.closed, None);
    shell.now += Duration::from_secs(10);
    assert_eq!((shell.send("x").codes().as_str(), shell.record.closed), ("421 4.4.2", Some("too slow in data")));
}

#[test]
fn a_stopping_daemon_ends_idle_sessions_and_lets_content_finish() {
    let mut shell = greeted(Limits::default());
    shell.session.shut_down(shell.now);
    shell.run();
    assert_eq!((shell.codes().as_str(), shell.record.closed), ("421 4.3.2", Some("shutting down")));

    let mut shell = in_data(Limits::default());
    shell.session.shut_down(shell.now);
    assert_eq!(shell.send("A: b\r\n\r\n").codes(), "");
    assert_eq!(shell.send(".\r\n").codes(), "250 2.0.0, 421 4.3.2");
    assert_eq!(shell.record.mails.len(), 1);
}

#[test]
fn a_peer_that_leaves_in_content_leaves_nothing() {
    for content in ["", "A: b\r\n\r\nx", "A: b\r\n\r\n.\r", "A: b\r\n."] {
        let mut shell = in_data(Limits::default());
        shell.send(content);
        shell.session.peer_closed(shell.now);
        shell.run();
        assert_eq!((shell.record.closed, shell.record.mails.len()), (Some("disconnected in data"), 0), "{content:?}");
        assert!(shell.record.content.is_empty());
    }
    let mut shell = in_data(Limits::default());
    shell.session.receive(b"A: b\r\n\r\n.\r\nNOOP\r\n", shell.now);
    shell.session.peer_closed(shell.now);
    shell.run();
    assert_eq!((shell.codes().as_str(), shell.record.closed), ("250 2.0.0, 250 2.0.0", Some("peer closed")));
}

#[test]
fn octets_before_the_greeting_or_in_the_handshake_are_no_commands() {
    let now = Instant::now();
    let mut session = Session::new(config(Limits::default()), now);
    assert_eq!(session.poll(now), Output::Ask(Question::Connect));
    session.receive(b"EHLO x\r\n", now);
    session.answer(Answer::Accept, now);
    assert!(matches!(session.poll(now), Output::Send(octets) if octets.starts_with(b"554 5.5.0")));
    assert_eq!(session.poll(now), Output::Close { reason: "spoke before the greeting" });

    let mut shell = greeted(Limits::default());
    shell.session.receive(b"STARTTLS\r\n", shell.now);
    assert!(matches!(shell.session.poll(shell.now), Output::Send(_)));
    shell.session.receive(b"MAIL FROM:<injected@b.example>\r\n", shell.now);
    shell.run();
    assert_eq!((shell.codes().as_str(), shell.record.starttls), ("", 1));
    assert_eq!(shell.send("MAIL FROM:<>\r\n").codes(), "503 5.5.1", "EHLO is needed again");
}

/// xorshift64*: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// A dialog in writes, between which the peer waits: only inside one may the cut vary.
fn random_writes(numbers: &mut Numbers) -> Vec<Vec<u8>> {
    const PIECES: [&str; 16] = [
        "\r\n",
        "\n",
        "\r",
        ".",
        "..",
        "\r\n.",
        "\r\n.\r",
        "\0",
        "Received: x\r\n",
        "A: b\r\n",
        "\r\n\r\n",
        "text",
        "\u{fc}",
        "a longer piece of text",
        "\r\r\n",
        "\r\n..\r\n",
    ];
    let text = |numbers: &mut Numbers| (0..numbers.below(20)).map(|_| numbers.pick(&PIECES)).collect::<String>();
    let mut writes = vec![HELLO.as_bytes().to_vec()];
    for _ in 0..1 + numbers.below(3) {
        let start = numbers.pick(&["", "A: b\r\n\r\n"]);
        if numbers.below(3) > 0 {
            writes.push(ENVELOPE.as_bytes().to_vec());
            writes.push(format!("{start}{}\r\n.\r\nNOOP\r\n", text(numbers)).into_bytes());
        } else {
            let (first, last) = (format!("{start}{}", text(numbers)), text(numbers));
            let chunks = format!("BDAT {}\r\n{first}BDAT {} last\r\n{last}NOOP\r\n", first.len(), last.len());
            writes.push(format!("mail from:<a@b.example>\r\nrcpt to:<known@d.example>\r\n{chunks}").into_bytes());
        }
        if numbers.below(8) == 0 {
            writes.push(format!("{}{}\r\n", "x".repeat(numbers.below(4000)), text(numbers)).into_bytes());
        }
    }
    writes
}

fn record(writes: &[Vec<u8>], mut cut: impl FnMut() -> usize) -> Record {
    let limits = Limits { mail_octets_max: 120, header_octets_max: 60, hops_max: 2, ..Limits::default() };
    let mut shell = Shell::new(config(limits));
    for write in writes {
        let mut rest = write.as_slice();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(cut().clamp(1, rest.len()));
            shell.send(piece);
            rest = tail;
        }
    }
    shell.session.peer_closed(shell.now);
    shell.run();
    shell.record
}

#[test]
fn any_cut_of_the_same_octets_gives_the_same_outputs() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 1..=1000u64 {
        let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let writes = random_writes(&mut numbers);
        let whole = record(&writes, || usize::MAX);
        assert_eq!(record(&writes, || 1), whole, "octet by octet, seed {seed}: {writes:?}");
        for _ in 0..3 {
            assert_eq!(record(&writes, || 1 + numbers.below(9)), whole, "seed {seed}: {writes:?}");
        }
        accepted += whole.mails.len();
        refused += usize::from(whole.sent.contains("\r\n55"));
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused: the dialogs must reach both");
}
