//! A command line becomes a command or the reply it earns. Octets are never removed or repaired.
//!
//! The framing is strict, the grammar lenient where real senders need it: verbs in any case, white space behind
//! `FROM:` and at the line's end. Order, limits and policy are the session's. RFC 5321 §4.1, 6531 §3.3.

use super::chunk::{self, ChunkHeader};
use super::parameters::{self, Path};
use super::question::{ForwardPath, MailCommand, Protocol};
use super::reply::{self, Reply};

/// RFC 1035 §2.3.4, and room for an address literal.
const HELLO_OCTETS_MAX: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Hello { verb: HelloVerb, domain: String },
    Mail(MailCommand),
    Recipient { path: ForwardPath, alphabet: Alphabet },
    Data,
    Chunk(ChunkHeader),
    Reset,
    Noop,
    Help,
    Verify,
    Quit,
    StartTls,
    Xclient { attributes: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HelloVerb {
    Helo,
    Ehlo,
    Lhlo,
}

impl HelloVerb {
    pub(super) fn protocol(self) -> Protocol {
        match self {
            HelloVerb::Helo | HelloVerb::Ehlo => Protocol::Smtp,
            HelloVerb::Lhlo => Protocol::Lmtp,
        }
    }
}

/// Whether an address as written needs SMTPUTF8 (RFC 6531 §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Ascii,
    Utf8,
}

impl Alphabet {
    pub(super) fn of(text: &str) -> Alphabet {
        if text.is_ascii() { Alphabet::Ascii } else { Alphabet::Utf8 }
    }
}

/// A line that is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Reply(Reply),
    /// What follows cannot be commands of a mail sender.
    Close {
        reply: Reply,
        reason: &'static str,
    },
}

impl From<Reply> for Refusal {
    fn from(reply: Reply) -> Refusal {
        Refusal::Reply(reply)
    }
}

/// Parses a line without its CR LF.
pub(super) fn parse(line: &[u8]) -> Result<Command, Refusal> {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    let upper = verb.to_ascii_uppercase();
    if is_another_protocol(&upper) {
        return Err(Refusal::Close { reply: reply::not_smtp(), reason: "another protocol" });
    }
    // RFC 3030 §2: octets of unknown number follow a BDAT that cannot be read.
    if upper == b"BDAT" {
        return match std::str::from_utf8(rest).ok().and_then(chunk::parse_header) {
            Some(header) => Ok(Command::Chunk(header)),
            None => Err(Refusal::Close { reply: reply::bad_argument("BDAT octets [LAST]"), reason: "unreadable BDAT" }),
        };
    }
    if !verb.iter().all(u8::is_ascii_graphic) || line.iter().any(u8::is_ascii_control) {
        return Err(reply::bare_line_end().into());
    }
    let Ok(rest) = std::str::from_utf8(rest) else {
        return Err(reply::bad_argument("arguments in UTF-8").into());
    };
    Ok(parse_verb(&upper, rest.trim_matches(' '))?)
}

fn parse_verb(verb: &[u8], argument: &str) -> Result<Command, Reply> {
    match verb {
        b"MAIL" => parse_mail(argument),
        b"RCPT" => parse_recipient(argument),
        b"DATA" => alone(Command::Data, argument),
        b"EHLO" => parse_hello(HelloVerb::Ehlo, argument),
        b"HELO" => parse_hello(HelloVerb::Helo, argument),
        b"LHLO" => parse_hello(HelloVerb::Lhlo, argument),
        b"STARTTLS" => alone(Command::StartTls, argument),
        b"RSET" => alone(Command::Reset, argument),
        b"QUIT" => alone(Command::Quit, argument),
        b"NOOP" => Ok(Command::Noop),
        b"HELP" => Ok(Command::Help),
        b"VRFY" => Ok(Command::Verify),
        b"XCLIENT" => Ok(Command::Xclient { attributes: argument.to_owned() }),
        b"AUTH" | b"EXPN" | b"ETRN" | b"TURN" | b"ATRN" | b"SEND" | b"SOML" | b"SAML" | b"DEBUG" | b"WIZ"
        | b"XFORWARD" | b"BURL" => Err(reply::not_implemented()),
        _ => Err(reply::unknown_command()),
    }
}

/// The verb of a line in a few words: what a peer says must not decide how many series a counter has.
pub(super) fn verb_word(line: &[u8]) -> &'static str {
    const VERBS: [&str; 14] = [
        "MAIL", "RCPT", "DATA", "BDAT", "EHLO", "HELO", "LHLO", "STARTTLS", "RSET", "QUIT", "NOOP", "HELP", "VRFY",
        "XCLIENT",
    ];
    let verb = line.split(|octet| *octet == b' ').next().unwrap_or_default();
    VERBS.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(verb)).unwrap_or("other")
}

/// What browsers, SSH clients and unlisted proxies say (ALPACA, CVE-2021-3618): a mail sender never does.
fn is_another_protocol(verb: &[u8]) -> bool {
    const VERBS: [&[u8]; 10] =
        [b"GET", b"POST", b"PUT", b"HEAD", b"CONNECT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"PROXY"];
    VERBS.contains(&verb) || verb.starts_with(b"SSH-") || verb == b"PRI"
}

fn alone(command: Command, argument: &str) -> Result<Command, Reply> {
    if argument.is_empty() { Ok(command) } else { Err(reply::bad_argument("no argument")) }
}

/// RFC 5321 §4.1.1.1 wants a host name or a literal; real senders say anything, so anything printable is a name.
fn parse_hello(verb: HelloVerb, argument: &str) -> Result<Command, Reply> {
    if argument.is_empty() || argument.len() > HELLO_OCTETS_MAX || !argument.is_ascii() {
        return Err(reply::bad_argument("EHLO host name"));
    }
    Ok(Command::Hello { verb, domain: argument.to_owned() })
}

fn parse_mail(argument: &str) -> Result<Command, Reply> {
    let wanted = || reply::bad_argument("MAIL FROM:<address> [parameters]");
    let (path, rest) = parameters::split_path(argument, "FROM:").ok_or_else(wanted)?;
    let mail = parameters::parse_mail(rest)?;
    if !mail.smtputf8 && Alphabet::of(path) == Alphabet::Utf8 {
        return Err(reply::address_needs_smtputf8());
    }
    let reverse_path = match parameters::parse_path(path) {
        Path::Null => None,
        Path::Mailbox(address) => Some(address),
        Path::SourceRoute => return Err(reply::source_route()),
        Path::Postmaster => return Err(reply::bad_sender("no @ between local part and domain")),
        Path::Wrong(error) => return Err(reply::bad_sender(&error.to_string())),
    };
    Ok(Command::Mail(MailCommand { reverse_path, ..mail }))
}

fn parse_recipient(argument: &str) -> Result<Command, Reply> {
    let wanted = || reply::bad_argument("RCPT TO:<address>");
    let (path, rest) = parameters::split_path(argument, "TO:").ok_or_else(wanted)?;
    // RFC 5321 §4.1.1.11: DSN (RFC 3461) is not offered, so NOTIFY and ORCPT are not known either.
    if let Some(parameter) = rest.split(' ').find(|parameter| !parameter.is_empty()) {
        return Err(reply::parameter_not_known(parameter.split('=').next().unwrap_or_default()));
    }
    let path_taken = match parameters::parse_path(path) {
        Path::Mailbox(address) => ForwardPath::Mailbox(address),
        Path::Postmaster => ForwardPath::Postmaster,
        Path::SourceRoute => return Err(reply::source_route()),
        Path::Null => return Err(reply::bad_recipient("it is empty")),
        Path::Wrong(error) => return Err(reply::bad_recipient(&error.to_string())),
    };
    Ok(Command::Recipient { path: path_taken, alphabet: Alphabet::of(path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: impl AsRef<[u8]>, expected: &str) {
        let line = line.as_ref();
        let got = match parse(line) {
            Ok(command) => format!("{command:?}"),
            Err(Refusal::Reply(reply)) => reply.to_string(),
            Err(Refusal::Close { reply, reason }) => format!("{reply} ({reason})"),
        };
        assert!(got.starts_with(expected), "{:?} gave {got}", line.escape_ascii());
    }

    #[test]
    fn verbs_come_in_any_case_and_with_spaces_behind() {
        check("quit  ", "Quit");
        check("Noop anything at all", "Noop");
        check("mail from:<>", "Mail(MailCommand { reverse_path: None");
        check("MAIL FROM: <a@b.example>  ", "Mail(MailCommand { reverse_path: Some(Address");
        check("RCPT TO:<postmaster>", "Recipient { path: Postmaster");
        check("EHLO under_score", "Hello { verb: Ehlo, domain: \"under_score\" }");
    }

    #[test]
    fn arguments_where_none_belong_are_refused() {
        for verb in ["DATA", "RSET", "STARTTLS", "QUIT"] {
            check(format!("{verb} x"), "501 5.5.4");
        }
        for verb in ["EHLO", "HELO", "LHLO"] {
            check(verb, "501 5.5.4");
            check(format!("{verb} {}", "x".repeat(256)), "501 5.5.4");
        }
    }

    #[test]
    fn odd_octets_are_refused_and_never_removed() {
        for octet in (0..0x20u8).chain([0x7f]).filter(|octet| *octet != b'\n') {
            check([b"NO", &[octet][..], b"OP"].concat(), "500 5.5.2");
            check([b"RCPT TO:<a", &[octet][..], b"b@c.example>"].concat(), "500 5.5.2");
            check([b"EHLO c.ex", &[octet][..], b"ample"].concat(), "500 5.5.2");
        }
        for octet in [0x80, 0xff] {
            check([b"NO", &[octet][..], b"OP"].concat(), "500 5.5.2");
            check([b"MAIL FROM:<a", &[octet][..], b"b@c.example> SMTPUTF8"].concat(), "501 5.5.4");
            check([b"EHLO c", &[octet][..]].concat(), "501 5.5.4");
        }
        check(b"VRFY \xc0\xaf", "501 5.5.4");
    }

    #[test]
    fn what_mail_senders_never_say_closes() {
        for line in ["GET / HTTP/1.1", "SSH-2.0-x", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2", "connect x", "BDAT -1"] {
            check(line, if line.starts_with("BDAT") { "501 5.5.4" } else { "500 5.5.2" });
            assert!(matches!(parse(line.as_bytes()), Err(Refusal::Close { .. })), "{line}");
        }
        for verb in ["TURN", "ATRN", "ETRN #x", "DEBUG", "WIZ", "XFORWARD", "EXPN x", "AUTH PLAIN"] {
            check(verb, "502 5.5.1");
        }
        check("", "500 5.5.2");
        check("MAILFROM:<a@b>", "500 5.5.2");
    }

    #[test]
    fn addresses_are_refused_with_the_code_of_their_fault() {
        check("MAIL FROM:<a@b", "501 5.5.4");
        check("MAIL FROM a@b", "501 5.5.4");
        check("MAIL FROM:<a@b>x", "501 5.5.4");
        check("MAIL FROM:<a>", "501 5.1.7");
        check("RCPT TO:<>", "501 5.1.3");
        check("RCPT TO:<v@>", "501 5.1.3");
        check("RCPT TO:<\"v@example.com\">", "501 5.1.3");
        check("RCPT TO:<@evil.example:v@d.example>", "550 5.1.3");
        check("RCPT TO:<a@b.example> NOTIFY=NEVER", "555 5.5.4");
        check("MAIL FROM:<ü@b.example>", "553 5.6.7");
        check("MAIL FROM:<ü@b.example> SMTPUTF8", "Mail");
        check("RCPT TO:<a@ü.example>", "Recipient");
        check("RCPT TO:<\"a> b\"@c.example>", "Recipient");
        check(format!("RCPT TO:<{}@d.example>", "x".repeat(64)), "Recipient");
        check(format!("RCPT TO:<{}@d.example>", "x".repeat(65)), "501 5.1.3");
    }
}
