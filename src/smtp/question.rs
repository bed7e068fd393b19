//! What the protocol asks of policy, and what policy may answer.

use super::reply::Reply;
use crate::mail::address::Address;

/// Which protocol a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Smtp,
    /// RFC 2033: LHLO, and one answer per recipient after the content.
    Lmtp,
}

/// Where a mail is to go, as RCPT names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain (RFC 5321 §4.5.1).
    Postmaster,
    Mailbox(Address),
}

/// MAIL, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailCommand {
    /// `None` is the null reverse-path `<>`.
    pub reverse_path: Option<Address>,
    /// SIZE=, if said.
    pub size: Option<u64>,
    /// BODY=8BITMIME or BINARYMIME, if said.
    pub body: Option<BodyType>,
    pub smtputf8: bool,
    /// RFC 8689: the mail is to travel under TLS only, and so are answers to it.
    pub require_tls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyType {
    SevenBit,
    EightBitMime,
    BinaryMime,
}

/// A true client as a trusted proxy names it (Postfix XCLIENT).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XclientAttributes {
    pub address: Option<std::net::IpAddr>,
    pub helo: Option<String>,
    pub name: Option<String>,
    pub protocol: Option<String>,
}

/// What the session cannot decide by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// May this peer talk at all? Before the greeting.
    Connect,
    /// HELO, EHLO or LHLO with its argument as given.
    Hello {
        domain: String,
    },
    Sender(MailCommand),
    Recipient(ForwardPath),
    /// Is there room? Before `354` or the first BDAT chunk.
    Content,
    /// The content is complete and its form is fine: take responsibility for it, or refuse.
    EndOfContent(ContentSummary),
    /// A listed proxy names its client; an accepted one restarts the session at the greeting.
    Xclient(XclientAttributes),
}

/// What the receiver saw while the content passed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContentSummary {
    /// After unstuffing.
    pub octets: u64,
    /// Short names: `bare_lf`, `bare_cr`, `nul`, `long_line`, `eight_bit`.
    pub defects: Vec<&'static str>,
}

/// Policy's answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The protocol's own positive reply.
    Accept,
    /// Instead of it. For `EndOfContent` this is also how acceptance is worded.
    Reply(Reply),
    /// A recipient nobody knows: like `Reply`, and counted against the session.
    UnknownRecipient(Reply),
    /// Say this and close.
    Close(Reply),
    /// LMTP's `EndOfContent`: one reply per accepted recipient, in order.
    PerRecipient(Vec<Reply>),
}
