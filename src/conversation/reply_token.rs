//! The capability in `reply+<hex>@inbound_domain`: 128 random bits, one per conversation and participant.
//! Possession lets mail in; it never proves who wrote.

use crate::mail::address::Address;
use data_encoding::HEXLOWER;
use std::fmt;

/// 128 random bits. Not `Debug`-printed: it lets mail into a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplyToken(pub [u8; 16]);

impl ReplyToken {
    /// The token of a local part: `reply`, one of `+ . - =`, then 32 hex digits or a UUID, in any case; mail
    /// software rewrites separators and case, and Chatwoot's addresses carry a hyphenated UUID.
    pub fn from_local_part(local: &str) -> Option<ReplyToken> {
        let rest = local.get(..5).filter(|word| word.eq_ignore_ascii_case("reply")).and_then(|_| local.get(5..))?;
        ReplyToken::from_digits(rest.strip_prefix(['+', '.', '-', '='])?)
    }

    /// 32 hex digits, or the same with the hyphens of a UUID (RFC 9562 §4), in any case.
    pub fn from_digits(digits: &str) -> Option<ReplyToken> {
        let hyphens: Vec<usize> = digits.char_indices().filter(|(_, c)| *c == '-').map(|(at, _)| at).collect();
        if !hyphens.is_empty() && hyphens != [8, 13, 18, 23] {
            return None;
        }
        let plain = digits.replace('-', "").to_ascii_lowercase();
        let octets = HEXLOWER.decode(plain.as_bytes()).ok()?;
        octets.try_into().ok().map(ReplyToken)
    }

    /// The token that an address carries, whatever its domain.
    pub fn of(address: &Address) -> Option<ReplyToken> {
        ReplyToken::from_local_part(address.local())
    }

    /// The token in a Message-ID of Chatwoot: `conversation/{uuid}/messages/{id}@…` or
    /// `account/{id}/conversation/{uuid}@…`.
    pub fn in_message_id(id: &str) -> Option<ReplyToken> {
        let (left, _) = id.rsplit_once('@')?;
        let words: Vec<&str> = left.split('/').collect();
        match words.as_slice() {
            ["conversation", uuid, "messages", _] | ["account", _, "conversation", uuid] => {
                ReplyToken::from_digits(uuid)
            }
            _ => None,
        }
    }

    /// The address that carries this token.
    pub fn address(&self, inbound_domain: &str) -> String {
        format!("reply+{self}@{inbound_domain}")
    }
}

impl fmt::Display for ReplyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ReplyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn every_spelling_that_mail_software_makes_of_a_token_is_that_token() {
        let token = ReplyToken::from_local_part(&format!("reply+{HEX}"));
        assert!(token.is_some());
        for local in [
            format!("Reply.{HEX}"),
            format!("REPLY-{}", HEX.to_uppercase()),
            format!("reply={HEX}"),
            "reply+00112233-4455-6677-8899-AABBCCDDEEFF".into(),
            "reply-00112233-4455-6677-8899-aabbccddeeff".into(),
        ] {
            assert_eq!(ReplyToken::from_local_part(&local), token, "{local}");
        }
        assert_eq!(token.map(|t| t.address("r.example")), Some(format!("reply+{HEX}@r.example")));
    }

    #[test]
    fn what_is_not_exactly_a_token_is_none() {
        for local in [
            "reply".to_owned(),
            "reply+".into(),
            HEX.into(),
            format!("reply{HEX}"),
            format!("reply+{HEX}+x"),
            format!("reply+{}", &HEX[1..]),
            format!("reply+{HEX}0"),
            "reply+0011-2233445566778899aabbccddeeff".into(),
            format!("réply+{HEX}"),
            "reply+0011223344556677zz99aabbccddeeff".into(),
        ] {
            assert_eq!(ReplyToken::from_local_part(&local), None, "{local}");
        }
    }
}
