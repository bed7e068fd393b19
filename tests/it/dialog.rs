//! Dialogs with the SMTP server as text: `fixtures/smtp/*.dialog`, whose form `fixtures/smtp/README.md` tells.
//!
//! Here they are read. `pure` runs them on the protocol machine alone; a runner over sockets reads the same files.

mod pure;
mod sockets;

use replyd::limits::Limits;
use replyd::smtp::question::Protocol;
use replyd::smtp::reply::Reply;
use std::time::Duration;

/// One dialog: what is said, what is answered, what is stored in the end.
#[derive(Debug)]
pub struct Dialog {
    /// File and title.
    pub name: String,
    pub settings: Settings,
    pub steps: Vec<Step>,
    pub stored: Vec<Stored>,
}

/// How the server is set up.
#[derive(Debug)]
pub struct Settings {
    pub protocol: Protocol,
    pub limits: Limits,
    /// `starttls`, `xclient`, `tls` (the connection begins with it).
    pub offers: Vec<String>,
    /// Policy's answer to a question, instead of the usual one.
    pub answers: Vec<(String, Vec<Reply>)>,
    pub writes: Writes,
}

/// Whether the octets of one write may come in any pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    Any,
    /// The server is to see them at once.
    Whole,
}

#[derive(Debug)]
pub enum Step {
    Write(Vec<u8>),
    Reply(Expected),
    /// The client does its handshake.
    Tls,
    /// The client closes its side.
    Eof,
    /// Time passes up to the deadline.
    Timeout,
    /// The daemon is told to stop.
    Stop,
    /// The server closes, for this reason if one is given.
    Close(String),
}

/// One reply, however many lines it has.
#[derive(Debug, Default)]
pub struct Expected {
    start: String,
    has: Vec<String>,
    lacks: Vec<String>,
}

/// A mail that is there when the dialog is over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Stored {
    pub raw: Vec<u8>,
    pub defects: Vec<String>,
}

impl Expected {
    /// `reply` is all lines of it, as read.
    pub fn check(&self, reply: &str, name: &str) {
        let has = |text: &String| reply.contains(text.as_str());
        let fits = reply.replacen('-', " ", 1).starts_with(&self.start) && self.has.iter().all(has);
        assert!(fits && !self.lacks.iter().any(has), "{name}: {reply:?} is not {self:?}");
    }
}

/// Every dialog of every file.
pub fn all() -> Vec<Dialog> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/smtp");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "dialog"));
    files.sort();
    let read = |file: std::path::PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        parse(&name, &std::fs::read_to_string(&file).unwrap())
    };
    files.into_iter().flat_map(read).collect()
}

/// The recipients that the words `{known}`, `{known2}` and `{unknown}` stand for.
pub const KNOWN: [&str; 2] =
    ["reply+00112233445566778899aabbccddeeff@reply.example", "reply+ffeeddccbbaa99887766554433221100@reply.example"];
const UNKNOWN: &str = "reply+0000000000000000000000000000dead@reply.example";

fn parse(file: &str, text: &str) -> Vec<Dialog> {
    let mut dialogs: Vec<Dialog> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("=== ") {
            Some(title) => dialogs.push(Dialog {
                name: format!("{file}: {title}"),
                settings: Settings {
                    protocol: Protocol::Smtp,
                    limits: Limits::default(),
                    offers: Vec::new(),
                    answers: Vec::new(),
                    writes: Writes::Any,
                },
                steps: Vec::new(),
                stored: Vec::new(),
            }),
            None => {
                let dialog = dialogs.last_mut().unwrap_or_else(|| panic!("{file}: {line:?} stands before a title"));
                if !(dialog.step(line) || dialog.setting(line)) {
                    panic!("{}: {line:?} is no line of a dialog", dialog.name);
                }
            }
        }
    }
    for dialog in &mut dialogs {
        dialog.steps.retain(|step| !matches!(step, Step::Write(octets) if octets.is_empty()));
    }
    dialogs
}

impl Dialog {
    fn step(&mut self, line: &str) -> bool {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "C:" => self.write(&[unescape(rest), b"\r\n".to_vec()].concat()),
            "C-" => self.write(&unescape(rest)),
            "--" => self.steps.push(Step::Write(Vec::new())),
            "S:" => self.steps.push(Step::Reply(Expected { start: rest.to_owned(), ..Expected::default() })),
            "S&" => self.last_reply().has.push(rest.to_owned()),
            "S!" => self.last_reply().lacks.push(rest.to_owned()),
            "tls" => self.steps.push(Step::Tls),
            "eof" => self.steps.push(Step::Eof),
            "timeout" => self.steps.push(Step::Timeout),
            "stop" => self.steps.push(Step::Stop),
            "close" => self.steps.push(Step::Close(rest.to_owned())),
            "hello" => self.phrase("S: 220\nC: EHLO client.example\nS: 250"),
            "mail" => self.phrase("C: MAIL FROM:<a@b.example>\nC: RCPT TO:<{known}>\nS: 250 2.1.0\nS: 250 2.1.5"),
            "envelope" => self.phrase(
                "C: MAIL FROM:<a@b.example>\nC: RCPT TO:<{known}>\nC: DATA\nS: 250 2.1.0\nS: 250 2.1.5\nS: 354",
            ),
            "stored" => self
                .stored
                .push(Stored { raw: Vec::new(), defects: rest.split_whitespace().map(str::to_owned).collect() }),
            "|" => self.last_stored().raw.extend([unescape(rest), b"\r\n".to_vec()].concat()),
            "|-" => self.last_stored().raw.extend(unescape(rest)),
            _ => return false,
        }
        true
    }

    fn setting(&mut self, line: &str) -> bool {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "lmtp" => self.settings.protocol = Protocol::Lmtp,
            "offers" => self.settings.offers = rest.split(' ').map(str::to_owned).collect(),
            "limits" => rest.split(' ').for_each(|limit| set_limit(&mut self.settings.limits, limit)),
            "whole" => self.settings.writes = Writes::Whole,
            "answer" => {
                let (question, replies) = rest.split_once(' ').unwrap();
                self.settings.answers.push((question.to_owned(), replies.split(" | ").map(parse_reply).collect()));
            }
            _ => return false,
        }
        true
    }

    /// Several lines by one word, so that a dialog shows what it is about.
    fn phrase(&mut self, lines: &str) {
        assert!(lines.lines().all(|line| self.step(line)));
    }

    fn write(&mut self, octets: &[u8]) {
        match self.steps.last_mut() {
            Some(Step::Write(written)) => written.extend(octets),
            _ => self.steps.push(Step::Write(octets.to_vec())),
        }
    }

    fn last_reply(&mut self) -> &mut Expected {
        match self.steps.last_mut() {
            Some(Step::Reply(expected)) => expected,
            _ => panic!("{}: no reply before", self.name),
        }
    }

    fn last_stored(&mut self) -> &mut Stored {
        self.stored.last_mut().expect("`stored` stands before its octets")
    }
}

fn parse_reply(text: &str) -> Reply {
    let [code, enhanced, text] = text.splitn(3, ' ').collect::<Vec<_>>().try_into().expect("code, enhanced code, text");
    Reply { code: code.parse().unwrap(), enhanced: Some(enhanced.to_owned().leak()), text: text.to_owned() }
}

fn set_limit(limits: &mut Limits, limit: &str) {
    let (name, value) = limit.split_once('=').unwrap();
    let number: usize = value.parse().unwrap();
    match name {
        "mail_octets_max" => limits.mail_octets_max = number as u64,
        "recipients_max" => limits.recipients_max = number,
        "mails_per_session_max" => limits.mails_per_session_max = number,
        "header_octets_max" => limits.header_octets_max = number,
        "header_fields_max" => limits.header_fields_max = number,
        "hops_max" => limits.hops_max = number,
        "errors_max" => limits.errors_max = number,
        "unknown_recipients_max" => limits.unknown_recipients_max = number,
        "idle_commands_max" => limits.idle_commands_max = number,
        "chunks_max" => limits.chunks_max = number,
        "command_timeout" => limits.command_timeout = Duration::from_secs(number as u64),
        "data_block_timeout" => limits.data_block_timeout = Duration::from_secs(number as u64),
        _ => panic!("no such limit: {name}"),
    }
}

/// `\r \n \t \0 \\ \xHH`, `{known}` and its like, and `{12*text}` for text twelve times.
fn unescape(text: &str) -> Vec<u8> {
    let text = text.replace("{known}", KNOWN[0]).replace("{known2}", KNOWN[1]).replace("{unknown}", UNKNOWN);
    let (mut octets, mut rest) = (Vec::new(), text.as_str());
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\\' => rest = unescape_one(rest, &mut octets),
            '{' if rest.starts_with(|c: char| c.is_ascii_digit()) => {
                let (times, repeated) = rest.split_once('*').expect("a * behind the number");
                let (repeated, tail) = repeated.split_once('}').expect("a closing brace");
                octets.extend(unescape(repeated).repeat(times.parse().unwrap()));
                rest = tail;
            }
            c => octets.extend(c.to_string().as_bytes()),
        }
    }
    octets
}

fn unescape_one<'a>(rest: &'a str, octets: &mut Vec<u8>) -> &'a str {
    let (kind, tail) = rest.split_at(1);
    match kind {
        "r" => octets.push(b'\r'),
        "n" => octets.push(b'\n'),
        "t" => octets.push(b'\t'),
        "0" => octets.push(0),
        "\\" => octets.push(b'\\'),
        "x" => {
            octets.push(u8::from_str_radix(&tail[..2], 16).unwrap());
            return &tail[2..];
        }
        _ => panic!("no such escape: \\{kind}"),
    }
    tail
}
