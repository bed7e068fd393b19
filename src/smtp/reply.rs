//! Every reply a peer can get, on one page (RFC 5321 §4.2, enhanced codes RFC 3463). No other file holds SMTP text.

use super::question::Protocol;

/// One reply: code, enhanced code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// `None` where RFC 2034 has none: greeting, HELO and EHLO.
    pub enhanced: Option<&'static str>,
    pub text: String,
}

impl Reply {
    fn new(code: u16, enhanced: &'static str, text: impl Into<String>) -> Reply {
        Reply { code, enhanced: Some(enhanced), text: text.into() }
    }

    /// Where RFC 2034 has no enhanced code.
    fn plain(code: u16, text: impl Into<String>) -> Reply {
        Reply { code, enhanced: None, text: text.into() }
    }

    /// 2xx or 3xx.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// The line a peer reads. Words of others in the text (a domain, an id) cannot end the line or make it too long
    /// for RFC 5321 §4.5.3.1.5.
    pub(super) fn to_wire(&self) -> Vec<u8> {
        let mut line: Vec<u8> = self.to_string().into_bytes();
        line.truncate(REPLY_LINE_OCTETS_MAX - 2);
        line.iter_mut().filter(|octet| !matches!(octet, b' '..=b'~')).for_each(|octet| *octet = b'?');
        line.extend_from_slice(b"\r\n");
        line
    }

    /// The lines of one reply: this one's text, then `more`.
    pub(super) fn to_wire_with(&self, more: &[String]) -> Vec<u8> {
        let texts: Vec<&str> = [self.text.as_str()].into_iter().chain(more.iter().map(String::as_str)).collect();
        let line = |(at, text): (usize, &&str)| {
            let separator = if at + 1 < texts.len() { '-' } else { ' ' };
            format!("{}{separator}{text}\r\n", self.code)
        };
        texts.iter().enumerate().map(line).collect::<String>().into_bytes()
    }

    /// 4xx.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.enhanced {
            Some(enhanced) => write!(f, "{} {enhanced} {}", self.code, self.text),
            None => write!(f, "{} {}", self.code, self.text),
        }
    }
}

const REPLY_LINE_OCTETS_MAX: usize = 512;

// The protocol: positive.

pub(super) fn greeting(hostname: &str, protocol: Protocol) -> Reply {
    let name = match protocol {
        Protocol::Smtp => "ESMTP",
        Protocol::Lmtp => "LMTP",
    };
    Reply::plain(220, format!("{hostname} {name} replyd"))
}

pub(super) fn hello(hostname: &str) -> Reply {
    Reply::plain(250, hostname)
}

pub(super) fn ready_for_tls() -> Reply {
    Reply::new(220, "2.0.0", "ready for TLS")
}

pub(super) fn goodbye() -> Reply {
    Reply::new(221, "2.0.0", "goodbye")
}

pub(super) fn done() -> Reply {
    Reply::new(250, "2.0.0", "ok")
}

pub(super) fn sender_taken() -> Reply {
    Reply::new(250, "2.1.0", "sender ok")
}

pub(super) fn recipient_taken() -> Reply {
    Reply::new(250, "2.1.5", "recipient ok")
}

pub(super) fn chunk_taken(octets: u64) -> Reply {
    Reply::new(250, "2.0.0", format!("{octets} octets received"))
}

pub(super) fn help() -> Reply {
    Reply::new(214, "2.0.0", "this server takes answers to mails of its own domains; see RFC 5321")
}

pub(super) fn cannot_verify() -> Reply {
    Reply::new(252, "2.0.0", "addresses are not verified; send the mail to learn")
}

pub(super) fn start_content() -> Reply {
    Reply::plain(354, "send the mail, end with a dot on a line by itself")
}

// The protocol: commands refused.

pub(super) fn not_smtp() -> Reply {
    Reply::new(500, "5.5.2", "this is not SMTP")
}

pub(super) fn unknown_command() -> Reply {
    Reply::new(500, "5.5.2", "command not known")
}

pub(super) fn bare_line_end() -> Reply {
    Reply::new(500, "5.5.2", "a command ends with CR LF and holds no control characters")
}

pub(super) fn line_too_long() -> Reply {
    Reply::new(500, "5.5.6", "command line too long")
}

pub(super) fn wrong_hello(expected: &str) -> Reply {
    Reply::new(500, "5.5.1", format!("this listener wants {expected}"))
}

pub(super) fn not_implemented() -> Reply {
    Reply::new(502, "5.5.1", "command not implemented")
}

pub(super) fn bad_argument(wanted: &str) -> Reply {
    Reply::new(501, "5.5.4", format!("syntax: {wanted}"))
}

pub(super) fn bad_sender(reason: &str) -> Reply {
    Reply::new(501, "5.1.7", format!("bad sender address: {reason}"))
}

pub(super) fn bad_recipient(reason: &str) -> Reply {
    Reply::new(501, "5.1.3", format!("bad recipient address: {reason}"))
}

pub(super) fn source_route() -> Reply {
    Reply::new(550, "5.1.3", "source routes are not taken: name the mailbox alone")
}

pub(super) fn address_needs_smtputf8() -> Reply {
    Reply::new(553, "5.6.7", "an address with such letters needs SMTPUTF8 in MAIL")
}

pub(super) fn parameter_not_known(name: &str) -> Reply {
    Reply::new(555, "5.5.4", format!("parameter not known: {name}"))
}

/// RFC 8689 §4.1: asked for in clear, where it cannot be kept and was not offered.
pub(super) fn tls_needed_for_requiretls() -> Reply {
    Reply::new(530, "5.7.10", "REQUIRETLS needs TLS: say STARTTLS first")
}

pub(super) fn out_of_order(wanted: &str) -> Reply {
    Reply::new(503, "5.5.1", wanted)
}

pub(super) fn unauthorised_pipelining() -> Reply {
    Reply::new(554, "5.5.0", "wait for the answer to this command before you go on")
}

pub(super) fn early_talker() -> Reply {
    Reply::new(554, "5.5.0", "wait for the greeting")
}

pub(super) fn xclient_denied() -> Reply {
    Reply::new(550, "5.7.0", "XCLIENT is for listed proxies only")
}

// The protocol: content refused.

pub fn mail_too_large() -> Reply {
    Reply::new(552, "5.3.4", "the mail is larger than SIZE allows")
}

pub(super) fn header_too_large() -> Reply {
    Reply::new(552, "5.3.4", "the header is too large or has too many fields")
}

pub(super) fn too_many_hops() -> Reply {
    Reply::new(554, "5.4.6", "too many Received fields: the mail goes in a loop")
}

pub(super) fn control_in_header() -> Reply {
    Reply::new(550, "5.6.0", "the header holds a NUL or a CR without LF")
}

pub(super) fn no_header() -> Reply {
    Reply::new(550, "5.6.0", "the mail has no header")
}

pub(super) fn dot_line_beside_bare_line_end() -> Reply {
    Reply::new(554, "5.5.2", "a dot line beside a CR or LF that stands alone")
}

// The protocol: limits.

pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, "4.5.3", "too many recipients, send the rest in another mail")
}

pub(super) fn one_recipient_for_a_bounce() -> Reply {
    Reply::new(452, "4.5.3", "a mail from <> has one recipient")
}

pub(super) fn too_many_errors() -> Reply {
    Reply::new(421, "4.7.0", "too many errors")
}

pub(super) fn too_many_unknown_recipients() -> Reply {
    Reply::new(421, "4.7.0", "too many unknown recipients")
}

pub(super) fn too_many_idle_commands() -> Reply {
    Reply::new(421, "4.7.0", "too many commands without a mail")
}

pub(super) fn too_many_mails() -> Reply {
    Reply::new(421, "4.7.0", "too many mails in this session, connect again")
}

pub(super) fn too_many_chunks() -> Reply {
    Reply::new(421, "4.7.0", "too many chunks in this mail")
}

pub(super) fn timed_out() -> Reply {
    Reply::new(421, "4.4.2", "you took too long")
}

// Policy: recipients.

pub fn unknown_recipient() -> Reply {
    Reply::new(550, "5.1.1", "no such address here: the reply address may be mistyped; answer the original mail again")
}

pub fn token_revoked() -> Reply {
    Reply::new(550, "5.1.6", "this reply address is no longer in use; please write to the company's usual address")
}

pub fn token_expired() -> Reply {
    Reply::new(550, "5.1.6", "this reply address has expired; please write to the company's usual address")
}

pub fn not_our_domain() -> Reply {
    Reply::new(550, "5.7.1", "relaying denied: this server takes mail for its own domains only")
}

pub fn store_unreadable() -> Reply {
    Reply::new(451, "4.3.0", "cannot look up the recipient now, try again later")
}

/// RFC 3463 §3.5: whoever knows the recipients does not answer.
pub fn recipient_undetermined() -> Reply {
    Reply::new(451, "4.4.3", "cannot find out now whether this recipient exists, try again later")
}

// Policy: content.

pub fn accepted(ledger_id: &str) -> Reply {
    Reply::new(250, "2.0.0", format!("safe on disk as {ledger_id}"))
}

/// As the ledger keeps it: the entry's own id is the word that the peer was told.
pub fn accepted_in_ledger() -> Reply {
    Reply::new(250, "2.0.0", "safe on disk")
}

pub fn forged(domain: &str) -> Reply {
    Reply::new(550, "5.7.26", format!("the mail fails DMARC and {domain} asks to reject such mail (p=reject)"))
}

pub fn not_the_agent() -> Reply {
    Reply::new(
        550,
        "5.7.1",
        "this reply address belongs to an agent and takes mail from that agent's registered address only: \
         answer from that address, or in the desk",
    )
}

pub fn agent_unproven() -> Reply {
    Reply::new(
        550,
        "5.7.1",
        "nothing proves that the agent wrote this mail: send it through your company's mail server, so that it carries \
         the DKIM signature of your domain, or answer in the desk",
    )
}

pub fn agent_undetermined() -> Reply {
    Reply::new(451, "4.7.5", "the DNS does not say now whether the agent wrote this mail, try again later")
}

pub fn not_stored() -> Reply {
    Reply::new(451, "4.3.0", "could not store the mail now, try again later")
}

pub fn no_space() -> Reply {
    Reply::new(452, "4.3.1", "not enough space now, try again later")
}

// Policy: peers.

pub fn unhealthy() -> Reply {
    Reply::new(421, "4.3.0", "cannot take mail now, try again later")
}

pub fn too_many_sessions() -> Reply {
    Reply::new(421, "4.3.2", "too many connections now, try again later")
}

pub fn too_many_sessions_of_client() -> Reply {
    Reply::new(421, "4.7.0", "too many connections from your network, try again later")
}

pub fn too_many_connections_of_client() -> Reply {
    Reply::new(421, "4.7.0", "too many new connections from your network, try again later")
}

pub fn too_many_mails_of_client() -> Reply {
    Reply::new(451, "4.7.1", "too many mails from your network, try again later")
}

pub fn too_many_recipients_of_client() -> Reply {
    Reply::new(451, "4.7.1", "too many recipients from your network, try again later")
}

pub fn busy() -> Reply {
    Reply::new(451, "4.3.2", "too many mails wait for the disk, try again later")
}

pub fn shutting_down() -> Reply {
    Reply::new(421, "4.3.2", "shutting down, try again in a minute")
}
