//! Where a mail may belong by its own words: reply tokens and Message-IDs, best first. Pure.
//!
//! The envelope recipient is what RCPT accepted; the fields are where forwarding software leaves the address that a
//! mail was first sent to. Old threads of Chatwoot carry the token in their Message-IDs, which every reader of a mail
//! has: such a token counts as a Message-ID does, not as an address.

use crate::conversation::reply_token::ReplyToken;
use crate::mail::address::Address;
use crate::mail::mailboxes;
use crate::mail::msg_id::MsgId;
use crate::mail::parsed::ParsedMail;
use crate::mail::traces::RECIPIENT_FIELDS;

/// What the store is asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of the envelope recipient.
    pub envelope_token: Option<ReplyToken>,
    /// Of the header, best field first.
    pub header_tokens: Vec<ReplyToken>,
    /// In-Reply-To, then References from the latest.
    pub message_ids: Vec<String>,
}

impl Wanted {
    pub fn of(recipient: &str, mail: &ParsedMail) -> Wanted {
        Wanted {
            envelope_token: token_of(recipient),
            header_tokens: header_tokens(mail),
            message_ids: replied_to(mail).into_iter().map(|id| id.to_string()).collect(),
        }
    }

    /// All tokens, best first.
    pub fn tokens(&self) -> Vec<ReplyToken> {
        let of_ids = self.message_ids.iter().filter_map(|id| ReplyToken::in_message_id(id)).take(TOKENS_MAX);
        self.envelope_token.into_iter().chain(self.header_tokens.iter().copied()).chain(of_ids).collect()
    }
}

/// In-Reply-To names the very mail; References grows at its end (RFC 5322 §3.6.4).
fn replied_to(mail: &ParsedMail) -> Vec<MsgId> {
    let mut ids = mail.in_reply_to();
    for id in mail.references().into_iter().rev() {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// Tokens of the reply addresses that the header names, best field first.
pub fn header_tokens(mail: &ParsedMail) -> Vec<ReplyToken> {
    let mut tokens: Vec<ReplyToken> = Vec::new();
    let of_fields = RECIPIENT_FIELDS.iter().copied().flatten().flat_map(|name| mail.all(name)).flat_map(|value| {
        let mut found = Vec::new();
        mailboxes::parse(value, &mut found);
        found.into_iter().filter_map(|mailbox| token_of(&mailbox.email))
    });
    for token in of_fields {
        if tokens.len() < TOKENS_MAX && !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}

fn token_of(address: &str) -> Option<ReplyToken> {
    Address::parse(address).ok().and_then(|address| ReplyToken::of(&address))
}

/// A mail may name any number of tokens; each is a question to the store.
const TOKENS_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    fn token(digit: u8) -> ReplyToken {
        ReplyToken([digit * 0x11; 16])
    }

    fn check(header: &str, recipient: &str, tokens: &[u8], ids: &[&str]) {
        let mail = ParsedMail::parse(format!("{header}\r\n\r\nbody").as_bytes());
        let wanted = Wanted::of(recipient, &mail);
        assert_eq!(wanted.tokens(), tokens.iter().map(|digit| token(*digit)).collect::<Vec<_>>(), "{header}");
        assert_eq!(wanted.message_ids, ids, "{header}");
    }

    #[test]
    fn tokens_are_found_wherever_forwarders_leave_them_best_first() {
        let address = |digit: u8| format!("reply+{}@r.example", token(digit));
        let header = format!("To: {}\r\nX-Original-To: {}", address(1), address(2));
        check(&header, &address(3), &[3, 2, 1], &[]);
        check(&format!("Cc: \"Support\" <{}>, x@y.example", address(4)), "support@acme.example", &[4], &[]);
        check(&format!("Bcc: {0}, {0}", address(5)), &address(5).to_uppercase(), &[5, 5], &[]);
    }

    #[test]
    fn old_threads_of_chatwoot_carry_the_token_in_their_ids() {
        let uuid = "11111111-1111-1111-1111-111111111111";
        let reply = format!("conversation/{uuid}/messages/7@chat.my-host.example");
        check(&format!("In-Reply-To: <{reply}>"), "x@y.example", &[1], &[&reply]);
        let first = format!("account/3/conversation/{uuid}@chat.example");
        check(&format!("References: <{first}> <a@b>"), "x@y.example", &[1], &["a@b", &first]);
        let long = format!("References:{} <new@x>", " <old@x>".repeat(300));
        let ids = Wanted::of("x@y.example", &ParsedMail::parse(long.as_bytes())).message_ids;
        assert_eq!(ids.first().map(String::as_str), Some("new@x"));
        check(
            "References: <conversation/nonsense/messages/7@x>",
            "x@y.example",
            &[],
            &["conversation/nonsense/messages/7@x"],
        );
    }
}
