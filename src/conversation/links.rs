//! Links in mails of ours that open something without a login, and what proves them ours. Pure.
//!
//! A link is a capability: it is signed for one purpose and one thing, and an attachment's ends. `GET` on one never
//! changes anything, because scanners fetch what they find in mails.

use super::id::Id;
use super::keys::{Keys, Purpose};
use crate::clock::UnixMs;
use std::time::Duration;

/// `{public_url}/attachments/{id}?until=…&signature=…`, good until the end of that second.
pub fn attachment_url(keys: &Keys, public_url: &str, attachment: Id, until: UnixMs) -> String {
    let until = until.seconds();
    let signature = keys.sign(Purpose::Attachment, &attachment.to_string(), end_of(until));
    format!("{public_url}/attachments/{attachment}?until={until}&signature={signature}")
}

/// Whether such a link is ours and still good; `until` as it stands in the link.
pub fn opens_attachment(keys: &Keys, attachment: Id, until: i64, signature: &str, now: UnixMs) -> bool {
    keys.verify(Purpose::Attachment, &attachment.to_string(), end_of(until), now, signature)
}

/// When a link that is made at `from` ends.
pub fn until(from: UnixMs, life: Duration) -> UnixMs {
    UnixMs(from.0.saturating_add(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)))
}

/// `{public_url}/resume/{conversation}?until=…&signature=…`: opens this conversation in the chat, and nothing else.
pub fn resume_url(keys: &Keys, public_url: &str, conversation: Id, until: UnixMs) -> String {
    let until = until.seconds();
    let signature = keys.sign(Purpose::Resume, &conversation.to_string(), end_of(until));
    format!("{public_url}/resume/{conversation}?until={until}&signature={signature}")
}

/// Whether such a link is ours and still good; `until` as it stands in the link.
pub fn opens_resume(keys: &Keys, conversation: Id, until: i64, signature: &str, now: UnixMs) -> bool {
    keys.verify(Purpose::Resume, &conversation.to_string(), end_of(until), now, signature)
}

/// How long a mail opens its chat.
pub const RESUME_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// `{public_url}/unsubscribe/{entry}?signature=…`: RFC 8058 §3.1 wants it to identify the recipient by itself. It does not
/// end: whoever finds an old mail may still say no.
pub fn unsubscribe_url(keys: &Keys, public_url: &str, entry: Id) -> String {
    let signature = keys.sign(Purpose::Unsubscribe, &entry.to_string(), FOREVER);
    format!("{public_url}/unsubscribe/{entry}?signature={signature}")
}

/// Whether such a link is ours.
pub fn opens_unsubscribe(keys: &Keys, entry: Id, signature: &str) -> bool {
    keys.verify(Purpose::Unsubscribe, &entry.to_string(), FOREVER, UnixMs(0), signature)
}

/// What a mail of an account carries in [`LOOP_FIELD`]: nobody else can make it, no two mails have the same, and it tells
/// nothing of the account.
pub fn loop_mark(keys: &Keys, account: &str, mail: Id) -> String {
    format!("{mail}.{}", keys.sign(Purpose::Loop, &format!("{account}\n{mail}"), FOREVER))
}

/// The mail of the account that was sent with this mark.
pub fn marked_mail(keys: &Keys, account: &str, value: &str) -> Option<Id> {
    let (mail, signature) = value.trim().split_once('.')?;
    let mail: Id = mail.parse().ok()?;
    keys.verify(Purpose::Loop, &format!("{account}\n{mail}"), FOREVER, UnixMs(0), signature).then_some(mail)
}

/// Names the mark in a header.
pub const LOOP_FIELD: &str = "X-Replyd-Loop";

fn end_of(second: i64) -> UnixMs {
    UnixMs(second.saturating_mul(1000).saturating_add(999))
}

const FOREVER: UnixMs = UnixMs(i64::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Id = Id(7_466_000_000_000_123);

    fn keys() -> Keys {
        Keys::new(&[7; 32])
    }

    #[test]
    fn an_attachment_link_is_good_for_its_attachment_and_time() {
        let url = attachment_url(&keys(), "https://chat.example", ID, UnixMs(90_500));
        let (start, signature) = url.rsplit_once('=').expect("a signature");
        assert_eq!(start, format!("https://chat.example/attachments/{ID}?until=90&signature"));
        assert!(opens_attachment(&keys(), ID, 90, signature, UnixMs(90_999)));
        assert!(!opens_attachment(&keys(), ID, 90, signature, UnixMs(91_000)));
        assert!(!opens_attachment(&keys(), ID, 91, signature, UnixMs(1)));
        assert!(!opens_attachment(&keys(), Id(5), 90, signature, UnixMs(1)));
        assert!(!opens_attachment(&keys(), ID, i64::MAX, signature, UnixMs(1)));
        assert!(!opens_unsubscribe(&keys(), ID, signature));
    }

    #[test]
    fn a_resume_link_is_good_for_its_conversation_and_time() {
        let url = resume_url(&keys(), "https://chat.example", ID, UnixMs(90_500));
        let (start, signature) = url.rsplit_once('=').expect("a signature");
        assert_eq!(start, format!("https://chat.example/resume/{ID}?until=90&signature"));
        assert!(opens_resume(&keys(), ID, 90, signature, UnixMs(90_999)));
        assert!(!opens_resume(&keys(), ID, 90, signature, UnixMs(91_000)));
        assert!(!opens_resume(&keys(), ID, i64::MAX, signature, UnixMs(1)));
        assert!(!opens_resume(&keys(), Id(5), 90, signature, UnixMs(1)));
        assert!(!opens_attachment(&keys(), ID, 90, signature, UnixMs(1)));
        assert!(!opens_resume(&keys(), ID, 90, "", UnixMs(1)));
    }

    #[test]
    fn an_unsubscribe_link_is_good_for_its_mail() {
        let url = unsubscribe_url(&keys(), "https://chat.example", ID);
        let signature = url.rsplit('=').next().unwrap_or_default();
        assert!(opens_unsubscribe(&keys(), ID, signature));
        assert!(!opens_unsubscribe(&keys(), Id(5), signature));
        assert!(!opens_unsubscribe(&Keys::new(&[8; 32]), ID, signature));
    }

    #[test]
    fn a_loop_mark_is_the_accounts_and_the_mails_own() {
        let mark = loop_mark(&keys(), "acme", ID);
        assert_eq!(marked_mail(&keys(), "acme", &format!(" {mark}\r\n")), Some(ID));
        let (_, signature) = mark.split_once('.').expect("two parts");
        for (keys, account, mark) in [
            (keys(), "bolt", mark.as_str()),
            (Keys::new(&[8; 32]), "acme", &mark),
            (keys(), "acme", &format!("{}.{signature}", Id(5))),
            (keys(), "acme", signature),
            (keys(), "acme", ""),
        ] {
            assert_eq!(marked_mail(&keys, account, mark), None, "{mark}");
        }
    }
}
