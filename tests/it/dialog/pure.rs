//! Every dialog on the protocol machine alone: no socket, no store, a clock that stands still. Each runs twice, with
//! its writes whole and octet by octet.

use super::{Dialog, Expected, KNOWN, Step, Stored, Writes, all};
use replyd::mail::address::Address;
use replyd::smtp::question::{Answer, ForwardPath, Protocol, Question};
use replyd::smtp::reply;
use replyd::smtp::session::{Output, Session, SessionConfig};
use std::sync::Arc;
use std::time::Instant;

#[test]
fn every_dialog_holds_with_whole_writes() {
    let dialogs = all();
    assert!(dialogs.len() > 100, "only {} dialogs were found", dialogs.len());
    dialogs.iter().for_each(|dialog| Run::new(dialog).run(usize::MAX));
}

#[test]
fn every_dialog_holds_octet_by_octet() {
    let cuttable = all().into_iter().filter(|dialog| dialog.settings.writes == Writes::Any);
    cuttable.for_each(|dialog| Run::new(&dialog).run(1));
}

/// One dialog under way.
struct Run<'a> {
    dialog: &'a Dialog,
    session: Session,
    now: Instant,
    deadline: Instant,
    said: String,
    content: Vec<u8>,
    stored: Vec<Stored>,
    tls_wanted: bool,
    closed: Option<&'static str>,
}

impl<'a> Run<'a> {
    fn new(dialog: &'a Dialog) -> Run<'a> {
        let now = Instant::now();
        let offers = |name: &str| dialog.settings.offers.iter().any(|offer| offer == name);
        let config = SessionConfig {
            protocol: dialog.settings.protocol,
            hostname: "mx.reply.example".to_owned(),
            limits: Arc::new(dialog.settings.limits.clone()),
            starttls: offers("starttls"),
            tls: offers("tls"),
            xclient: offers("xclient"),
            under_load: false,
        };
        Run {
            dialog,
            session: Session::new(config, now),
            now,
            deadline: now,
            said: String::new(),
            content: Vec::new(),
            stored: Vec::new(),
            tls_wanted: false,
            closed: None,
        }
    }

    fn run(mut self, piece: usize) {
        if !matches!(self.dialog.steps.first(), Some(Step::Write(_))) {
            self.drive();
        }
        for step in &self.dialog.steps {
            self.step(step, piece);
        }
        self.session.peer_closed(self.now);
        self.drive();
        let name = &self.dialog.name;
        assert_eq!(self.said, "", "{name}: nobody expected this");
        let raw = |stored: &[Stored]| stored.iter().map(|mail| mail.raw.escape_ascii().to_string()).collect::<Vec<_>>();
        assert_eq!(raw(&self.stored), raw(&self.dialog.stored), "{name}: stored mails");
        assert_eq!(self.stored, self.dialog.stored, "{name}: defects");
    }

    fn step(&mut self, step: &Step, piece: usize) {
        let name = &self.dialog.name;
        match step {
            Step::Write(octets) => {
                for part in octets.chunks(piece.min(octets.len())) {
                    self.session.receive(part, self.now);
                    self.drive();
                }
            }
            Step::Reply(expected) => self.expect(expected),
            Step::Tls => {
                assert!(std::mem::take(&mut self.tls_wanted), "{name}: the server does not want TLS");
                self.session.tls_established(self.now);
                self.drive();
            }
            Step::Eof => {
                self.session.peer_closed(self.now);
                self.drive();
            }
            Step::Timeout => {
                self.now = self.deadline;
                self.session.deadline_passed(self.now);
                self.drive();
            }
            Step::Stop => {
                self.session.shut_down(self.now);
                self.drive();
            }
            Step::Close(reason) => {
                let closed = self.closed.unwrap_or_else(|| panic!("{name}: not closed, said {:?}", self.said));
                assert!(reason.is_empty() || reason == closed, "{name}: closed for {closed:?}, not {reason:?}");
            }
        }
    }

    fn expect(&mut self, expected: &Expected) {
        let name = &self.dialog.name;
        let mut end = 0;
        for line in self.said.split_inclusive('\n') {
            end += line.len();
            if line.as_bytes().get(3) == Some(&b' ') {
                break;
            }
        }
        assert!(end > 0, "{name}: no reply, but {expected:?} was expected");
        let reply: String = self.said.drain(..end).collect();
        expected.check(&reply, name);
    }

    fn drive(&mut self) {
        while self.closed.is_none() {
            match self.session.poll(self.now) {
                Output::Send(octets) => self.said += std::str::from_utf8(&octets).unwrap(),
                Output::Ask(question) => {
                    let answer = self.answer(question);
                    self.session.answer(answer, self.now);
                }
                Output::Content(octets) => self.content.extend(octets),
                Output::DiscardContent => self.content.clear(),
                Output::StartTls => self.tls_wanted = true,
                Output::Pause(_) => {}
                Output::Wait { deadline } => {
                    self.deadline = deadline;
                    return;
                }
                Output::Close { reason } => self.closed = Some(reason),
            }
        }
    }

    fn answer(&mut self, question: Question) -> Answer {
        let usual = match &question {
            Question::Recipient(ForwardPath::Mailbox(address)) => usual_answer(address),
            Question::EndOfContent(_)
            | Question::Recipient(ForwardPath::Postmaster)
            | Question::Connect
            | Question::Hello { .. }
            | Question::Sender(_)
            | Question::Content
            | Question::Xclient(_) => Answer::Accept,
        };
        let content = std::mem::take(&mut self.content);
        let scripted = self.scripted(&question).unwrap_or(usual);
        let accepted = match &scripted {
            Answer::Accept => true,
            Answer::Reply(reply) => reply.is_positive(),
            Answer::PerRecipient(replies) => replies.iter().any(|reply| reply.is_positive()),
            Answer::UnknownRecipient(_) | Answer::Close(_) => false,
        };
        if let (Question::EndOfContent(summary), true) = (question, accepted) {
            assert_eq!(summary.octets, content.len() as u64, "{}", self.dialog.name);
            let defects = summary.defects.into_iter().map(str::to_owned).collect();
            self.stored.push(Stored { raw: content, defects });
        }
        scripted
    }

    fn scripted(&self, question: &Question) -> Option<Answer> {
        let name = match question {
            Question::Connect => "connect",
            Question::Hello { .. } => "hello",
            Question::Sender(_) => "sender",
            Question::Recipient(_) => "recipient",
            Question::Content => "content",
            Question::EndOfContent(_) => "end",
            Question::Xclient(_) => "xclient",
        };
        let (_, replies) = self.dialog.settings.answers.iter().find(|(question, _)| question == name)?;
        match (replies.as_slice(), self.dialog.settings.protocol) {
            ([reply], Protocol::Smtp) => Some(Answer::Reply(reply.clone())),
            (replies, _) => Some(Answer::PerRecipient(replies.to_vec())),
        }
    }
}

/// What a policy says that knows two reply addresses and the domain they are in.
fn usual_answer(address: &Address) -> Answer {
    if KNOWN.contains(&address.key().as_str()) {
        Answer::Accept
    } else if address.domain() == "reply.example" {
        Answer::UnknownRecipient(reply::unknown_recipient())
    } else {
        Answer::Reply(reply::not_our_domain())
    }
}
