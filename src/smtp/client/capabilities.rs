//! What a host says in its answer to EHLO (RFC 5321 §4.1.1.1). Only what a sender uses is kept, so a host's list cannot grow
//! anything. What was said before TLS is forgotten after it (RFC 3207 §4.2).

use super::remote_reply::RemoteReply;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    pub pipelining: bool,
    pub starttls: bool,
    pub eight_bit_mime: bool,
    pub smtputf8: bool,
    pub requiretls: bool,
    pub size: Size,
    pub auth: Mechanisms,
}

/// RFC 1870 §3: no SIZE, SIZE without a bound (also 0), or the octets of the largest mail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Size {
    #[default]
    NotOffered,
    Unbounded,
    AtMost(u64),
}

/// SASL mechanisms that both sides know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mechanisms {
    pub plain: bool,
    pub login: bool,
    pub scram_sha_256: bool,
    pub xoauth2: bool,
}

impl Capabilities {
    /// Of the answer to EHLO; its first line is the host's name and greeting.
    pub fn of(reply: &RemoteReply) -> Capabilities {
        let mut capabilities = Capabilities::default();
        reply.lines().iter().skip(1).for_each(|line| capabilities.note(line));
        capabilities
    }

    fn note(&mut self, line: &str) {
        let mut words = line.split_ascii_whitespace().map(str::to_ascii_uppercase);
        match words.next().unwrap_or_default().as_str() {
            "PIPELINING" => self.pipelining = true,
            "STARTTLS" => self.starttls = true,
            "8BITMIME" => self.eight_bit_mime = true,
            "SMTPUTF8" => self.smtputf8 = true,
            "REQUIRETLS" => self.requiretls = true,
            "SIZE" => self.size = Size::of(words.next().as_deref()),
            "AUTH" => words.for_each(|word| self.auth.note(&word)),
            // Written so by hosts for clients of the nineties: `AUTH=PLAIN LOGIN`.
            first => {
                if let Some(mechanism) = first.strip_prefix("AUTH=") {
                    self.auth.note(mechanism);
                    words.for_each(|word| self.auth.note(&word));
                }
            }
        }
    }
}

impl Size {
    fn of(parameter: Option<&str>) -> Size {
        match parameter.and_then(|digits| digits.parse().ok()) {
            None | Some(0) => Size::Unbounded,
            Some(octets) => Size::AtMost(octets),
        }
    }
}

impl Mechanisms {
    fn note(&mut self, name: &str) {
        match name {
            "PLAIN" => self.plain = true,
            "LOGIN" => self.login = true,
            "SCRAM-SHA-256" => self.scram_sha_256 = true,
            "XOAUTH2" => self.xoauth2 = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::remote_reply::ReplyReader;
    use super::*;

    fn check(lines: &[&str], expected: Capabilities) {
        let reply = format!(
            "250-mx.example\r\n{}250 HELP\r\n",
            lines.iter().map(|l| format!("250-{l}\r\n")).collect::<String>()
        );
        let (_, reply) = ReplyReader::default().feed(reply.as_bytes()).expect("a reply");
        assert_eq!(Capabilities::of(&reply.expect("a whole one")), expected, "{lines:?}");
    }

    #[test]
    fn what_is_offered_is_known_by_its_keyword() {
        check(&[], Capabilities::default());
        check(&["pipelining", "STARTTLS now"], Capabilities { pipelining: true, starttls: true, ..Default::default() });
        check(&["SIZE 1"], Capabilities { size: Size::AtMost(1), ..Default::default() });
        check(&["SIZE"], Capabilities { size: Size::Unbounded, ..Default::default() });
        check(&["SIZE 0"], Capabilities { size: Size::Unbounded, ..Default::default() });
        check(&["SIZE 99999999999999999999999"], Capabilities { size: Size::Unbounded, ..Default::default() });
        check(&["XSTARTTLS", "SMTPUTF8X"], Capabilities::default());
        let both = Mechanisms { plain: true, scram_sha_256: true, ..Default::default() };
        check(&["AUTH plain SCRAM-SHA-256 GSSAPI"], Capabilities { auth: both, ..Default::default() });
        let old = Mechanisms { login: true, plain: true, ..Default::default() };
        check(&["AUTH=LOGIN PLAIN"], Capabilities { auth: old, ..Default::default() });
    }
}
