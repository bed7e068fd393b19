//! Commands as they go out. Every part of one is a checked type or written here, so no value can end a command and begin
//! another.

use super::capabilities::{Capabilities, Size};
use crate::mail::address::Address;

/// One mail's envelope: one mail goes to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// `None`: the null reverse-path `<>`.
    pub reverse_path: Option<Address>,
    pub forward_path: Address,
    /// RFC 8689: only to hosts that promise the same.
    pub require_tls: bool,
}

/// What a mail needs of a host, besides the recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub octets: u64,
    /// Octets above 127.
    pub eight_bit: bool,
}

/// Why a mail cannot be offered to a host. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the mail has {octets} octets and this host takes {max} (5.3.4)")]
    TooLarge { octets: u64, max: u64 },
    #[error("the address has letters that this host's mail software does not take (no SMTPUTF8, 5.6.7)")]
    NoSmtpUtf8,
    #[error("the mail has 8-bit content, which this host does not take (no 8BITMIME, 5.6.3)")]
    NoEightBitMime,
    #[error(
        "the mail may only go to hosts that keep it encrypted (REQUIRETLS), which this one does not promise (5.7.30)"
    )]
    NoRequireTls,
}

impl Envelope {
    /// RFC 6531: domains are A-labels already, so only local parts ask for it.
    fn needs_smtputf8(&self) -> bool {
        let local = |address: &Address| !address.local().is_ascii();
        local(&self.forward_path) || self.reverse_path.as_ref().is_some_and(local)
    }
}

/// `EHLO`, with a name of which only what may stand in one is taken.
pub fn ehlo(own_name: &str) -> String {
    greeting("EHLO", own_name)
}

/// For hosts that know no EHLO (RFC 5321 §3.2).
pub fn helo(own_name: &str) -> String {
    greeting("HELO", own_name)
}

fn greeting(verb: &str, own_name: &str) -> String {
    let name: String = own_name.chars().filter(char::is_ascii_graphic).take(255).collect();
    format!("{verb} {name}\r\n")
}

/// `MAIL FROM` with the parameters that this host and this mail need.
pub fn mail(envelope: &Envelope, content: Content, offered: &Capabilities) -> Result<String, Unfit> {
    let mut command = match &envelope.reverse_path {
        Some(address) => format!("MAIL FROM:<{address}>"),
        None => "MAIL FROM:<>".to_owned(),
    };
    match offered.size {
        Size::AtMost(max) if content.octets > max => return Err(Unfit::TooLarge { octets: content.octets, max }),
        Size::AtMost(_) | Size::Unbounded => command.push_str(&format!(" SIZE={}", content.octets)),
        Size::NotOffered => {}
    }
    if envelope.needs_smtputf8() {
        command.push_str(offered.smtputf8.then_some(" SMTPUTF8").ok_or(Unfit::NoSmtpUtf8)?);
    }
    if content.eight_bit {
        command.push_str(offered.eight_bit_mime.then_some(" BODY=8BITMIME").ok_or(Unfit::NoEightBitMime)?);
    }
    if envelope.require_tls {
        command.push_str(offered.requiretls.then_some(" REQUIRETLS").ok_or(Unfit::NoRequireTls)?);
    }
    command.push_str("\r\n");
    Ok(command)
}

/// `RCPT TO`.
pub fn rcpt(envelope: &Envelope) -> String {
    format!("RCPT TO:<{}>\r\n", envelope.forward_path)
}

pub const DATA: &str = "DATA\r\n";
pub const STARTTLS: &str = "STARTTLS\r\n";
pub const RSET: &str = "RSET\r\n";
pub const QUIT: &str = "QUIT\r\n";
/// The end of content that itself ends with CRLF (RFC 5321 §4.1.1.4).
pub const FINAL_DOT: &str = ".\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to: &str, content: (u64, bool), require_tls: bool, offered: &Capabilities, expected: Result<&str, Unfit>) {
        let reverse_path = Some(Address::parse("bounce+1@desk.example").unwrap());
        let envelope = Envelope { reverse_path, forward_path: Address::parse(to).unwrap(), require_tls };
        let mail = mail(&envelope, Content { octets: content.0, eight_bit: content.1 }, offered);
        let expected = expected.map(|parameters| format!("MAIL FROM:<bounce+1@desk.example>{parameters}\r\n"));
        assert_eq!(mail, expected);
    }

    #[test]
    fn mail_asks_for_what_it_needs_and_nothing_else() {
        let nothing = Capabilities::default();
        let everything = Capabilities {
            size: Size::AtMost(10),
            smtputf8: true,
            eight_bit_mime: true,
            requiretls: true,
            ..Default::default()
        };
        check("a@b.example", (11, false), false, &nothing, Ok(""));
        check("a@b.example", (10, false), false, &everything, Ok(" SIZE=10"));
        check("a@b.example", (11, false), false, &everything, Err(Unfit::TooLarge { octets: 11, max: 10 }));
        check("a@bücher.example", (1, false), false, &nothing, Ok(""));
        check("ä@b.example", (1, true), false, &everything, Ok(" SIZE=1 SMTPUTF8 BODY=8BITMIME"));
        check("ä@b.example", (1, false), false, &nothing, Err(Unfit::NoSmtpUtf8));
        check("a@b.example", (1, true), false, &nothing, Err(Unfit::NoEightBitMime));
        check("a@b.example", (1, false), true, &everything, Ok(" SIZE=1 REQUIRETLS"));
        check("a@b.example", (1, false), true, &nothing, Err(Unfit::NoRequireTls));
    }

    #[test]
    fn no_name_ends_the_command() {
        assert_eq!(ehlo("desk.example\r\nRCPT TO:<c>\0"), "EHLO desk.exampleRCPTTO:<c>\r\n");
        let quoted = Address::parse("\"a b\"@c.example").unwrap();
        let envelope = Envelope { reverse_path: None, forward_path: quoted, require_tls: false };
        assert_eq!(rcpt(&envelope), "RCPT TO:<\"a b\"@c.example>\r\n");
        let content = Content { octets: 1, eight_bit: false };
        assert_eq!(mail(&envelope, content, &Capabilities::default()).unwrap(), "MAIL FROM:<>\r\n");
    }
}
