//! Any octets may come to port 25, in any pieces: the session answers, stays within its limits and never spins, and
//! content cut in pieces is the content it is in one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::limits::Limits;
use replyd::smtp::question::{Answer, Protocol, Question};
use replyd::smtp::session::{Output, Session, SessionConfig};
use std::sync::Arc;
use std::time::Instant;

const MAIL_OCTETS_MAX: usize = 2000;

/// What a client could see of a session, and what was stored.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    said: Vec<u8>,
    held: Vec<u8>,
    stored: Vec<Vec<u8>>,
    closed: Option<&'static str>,
}

impl Seen {
    fn drive(&mut self, session: &mut Session, now: Instant) {
        // Each command has a few outputs and each block of content one; more means that the machine spins.
        for _ in 0..100_000 {
            match session.poll(now) {
                Output::Send(octets) => self.said.extend(octets),
                Output::Ask(question) => {
                    if let Question::EndOfContent(summary) = question {
                        assert_eq!(summary.octets, self.held.len() as u64);
                        self.stored.push(std::mem::take(&mut self.held));
                    }
                    session.answer(Answer::Accept, now);
                }
                Output::Content(octets) => {
                    self.held.extend(octets);
                    assert!(self.held.len() <= MAIL_OCTETS_MAX, "more is held than SIZE allows");
                }
                Output::DiscardContent => self.held.clear(),
                Output::StartTls => session.tls_established(now),
                Output::Pause(_) => {}
                Output::Wait { .. } => return,
                Output::Close { reason } => {
                    self.closed = Some(reason);
                    return;
                }
            }
        }
        panic!("the session does not come to rest");
    }
}

fn run<'a>(protocol: Protocol, pieces: impl Iterator<Item = &'a [u8]>) -> Seen {
    let now = Instant::now();
    let limits = Limits { mail_octets_max: MAIL_OCTETS_MAX as u64, ..Limits::default() };
    let config = SessionConfig {
        protocol,
        hostname: "mx.example".to_owned(),
        limits: Arc::new(limits),
        starttls: true,
        tls: false,
        xclient: true,
        under_load: false,
    };
    let (mut session, mut seen) = (Session::new(config, now), Seen::default());
    seen.drive(&mut session, now);
    for piece in pieces {
        session.receive(piece, now);
        seen.drive(&mut session, now);
    }
    session.peer_closed(now);
    seen.drive(&mut session, now);
    assert!(seen.closed.is_some(), "a session whose peer has gone ends");
    assert!(seen.held.is_empty(), "content outlives its session");
    assert!(seen.said.is_empty() || seen.said.ends_with(b"\r\n"));
    seen
}

fuzz_target!(|input: &[u8]| {
    let Some((cut, octets)) = input.split_first() else { return };
    let cut = usize::from(*cut % 32) + 1;
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        run(protocol, octets.chunks(cut));
    }
    // Up to the content the client waits for each answer. Behind the content's end a cut may matter: a command that
    // must not be pipelined is refused when others stand behind it.
    let start: [&[u8]; 2] = [b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"];
    let sent = [b"\r\n", octets].concat();
    let end = sent.windows(5).position(|five| five == b"\r\n.\r\n").map_or(octets.len(), |at| at + 3);
    let content = &octets[..end];
    let whole = run(Protocol::Smtp, start.into_iter().chain([content]));
    let pieces = run(Protocol::Smtp, start.into_iter().chain(content.chunks(cut)));
    assert_eq!(whole, pieces, "what a peer sees depends on the cut");
});
