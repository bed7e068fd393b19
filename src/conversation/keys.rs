//! What only this installation can make: the keyed part of Message-IDs, bounce tokens, signed links. Pure: the secret is
//! an argument.

use super::id::Id;
use crate::clock::UnixMs;
use aws_lc_rs::{constant_time, hmac};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use std::fmt;
use std::time::Duration;

/// Keys of every purpose, derived from the one secret of the store.
#[derive(Clone)]
pub struct Keys {
    key: hmac::Key,
}

/// What a keyed word is for; one purpose's word opens nothing of another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    MessageId,
    Bounce,
    Attachment,
    Unsubscribe,
    Resume,
    /// Our own mail, come back.
    Loop,
    /// The boundaries of a mail's parts.
    Boundary,
    /// Where a visitor's widget begins to listen.
    Position,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Purpose::MessageId => "message-id",
            Purpose::Bounce => "bounce",
            Purpose::Attachment => "attachment",
            Purpose::Unsubscribe => "unsubscribe",
            Purpose::Resume => "resume",
            Purpose::Loop => "loop",
            Purpose::Boundary => "boundary",
            Purpose::Position => "position",
        }
    }
}

impl Keys {
    pub fn new(secret: &[u8; 32]) -> Keys {
        Keys { key: hmac::Key::new(hmac::HMAC_SHA256, secret) }
    }

    /// The Message-ID of a queue entry, without angle brackets: the same at every attempt, and not to be guessed.
    pub fn message_id(&self, entry: Id, hostname: &str) -> String {
        let mac = self.mac(Purpose::MessageId, entry.to_string().as_bytes());
        format!("{entry}.{}@{hostname}", head(&mac, 10))
    }

    /// The queue entry whose Message-ID this is; anyone can write a Message-ID, nobody else one of ours.
    pub fn mailed_entry(&self, message_id: &str) -> Option<Id> {
        let (left, _) = message_id.trim_matches(['<', '>']).split_once('@')?;
        let (entry, given) = left.split_once('.')?;
        let entry: Id = entry.parse().ok()?;
        let expected = head(&self.mac(Purpose::MessageId, entry.to_string().as_bytes()), 10);
        constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).ok().map(|()| entry)
    }

    /// The reverse-path of a queue entry: `bounce+<hex>@inbound_domain`, good for [`BOUNCE_LIFE`].
    pub fn bounce_address(&self, entry: Id, inbound_domain: &str) -> String {
        let mac = self.bounce_mac(entry, inbound_domain);
        format!("bounce+{:016x}{}@{inbound_domain}", entry.0, head(&mac, 16))
    }

    /// The queue entry that a local part is the bounce token of, at the domain it was made for: of two accounts, one's token
    /// is as unknown at the other's domain as any other word. Its age is the entry's own.
    pub fn bounced_entry(&self, local: &str, domain: &str) -> Option<Id> {
        let rest = local.get(..6).filter(|word| word.eq_ignore_ascii_case("bounce")).and_then(|_| local.get(6..))?;
        let digits = rest.strip_prefix(['+', '.', '-', '='])?.to_ascii_lowercase();
        if digits.len() != 48 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let (id, given) = digits.split_at(16);
        let entry = Id(i64::from_str_radix(id, 16).ok()?);
        let expected = head(&self.bounce_mac(entry, domain), 16);
        constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).ok().map(|()| entry)
    }

    /// The signature of a link to `subject` that is good until `until`.
    pub fn sign(&self, purpose: Purpose, subject: &str, until: UnixMs) -> String {
        head(&self.mac(purpose, format!("{subject}\n{}", until.0).as_bytes()), 16)
    }

    /// Whether a link's signature is ours and still good.
    pub fn verify(&self, purpose: Purpose, subject: &str, until: UnixMs, now: UnixMs, signature: &str) -> bool {
        let expected = self.sign(purpose, subject, until);
        now <= until && constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).is_ok()
    }

    /// A place in the order of events as strangers may see it: when an account was busy last is none of their business. The
    /// salt makes two of the same place look unlike.
    pub fn sealed_position(&self, position: Id, salt: [u8; 8]) -> String {
        let sealed = position.0 ^ self.mask(salt);
        BASE32_NOPAD.encode(&[salt, sealed.to_be_bytes()].concat()).to_lowercase()
    }

    /// The place that [`Keys::sealed_position`] names; of any other word of that length some place, as of any id.
    pub fn position(&self, sealed: &str) -> Option<Id> {
        let octets: [u8; 16] = BASE32_NOPAD.decode(sealed.to_uppercase().as_bytes()).ok()?.try_into().ok()?;
        let (salt, sealed) = octets.split_at(8);
        let salt: [u8; 8] = salt.try_into().ok()?;
        Some(Id(i64::from_be_bytes(sealed.try_into().ok()?) ^ self.mask(salt)))
    }

    fn mask(&self, salt: [u8; 8]) -> i64 {
        let mac = self.mac(Purpose::Position, &salt);
        let octets = mac.as_ref().first_chunk().copied().unwrap_or_default();
        i64::from_be_bytes(octets)
    }

    fn bounce_mac(&self, entry: Id, domain: &str) -> hmac::Tag {
        let domain = domain.to_ascii_lowercase();
        self.mac(Purpose::Bounce, &[&entry.0.to_be_bytes(), domain.as_bytes()].concat())
    }

    fn mac(&self, purpose: Purpose, subject: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose.label().as_bytes());
        context.update(&[0]);
        context.update(subject);
        context.sign()
    }
}

fn head(mac: &hmac::Tag, octets: usize) -> String {
    HEXLOWER.encode(mac.as_ref().get(..octets).unwrap_or_default())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// How long a bounce may take: longer than any queue keeps a mail.
pub const BOUNCE_LIFE: Duration = Duration::from_secs(30 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_position_says_nothing_and_leads_back() {
        let keys = Keys::new(&[7; 32]);
        let at = Id(7_466_000_000_000_123);
        let [one, other] = [[1; 8], [2; 8]].map(|salt| keys.sealed_position(at, salt));
        assert_eq!((keys.position(&one), keys.position(&other)), (Some(at), Some(at)));
        assert!(one.len() == 26 && one[13..] != other[13..] && !one.contains(&at.to_string()[..8]), "{one} {other}");
        assert_ne!(Keys::new(&[8; 32]).position(&one), Some(at));
        assert!(["", "x", &at.to_string(), &one[1..]].iter().all(|text| keys.position(text).is_none()));
    }

    #[test]
    fn a_bounce_token_is_ours_in_every_spelling_and_nobody_elses() {
        let keys = Keys::new(&[7; 32]);
        let address = keys.bounce_address(Id(7_466_000_000_000_123), "r.example");
        let local = address.strip_suffix("@r.example").expect("the domain stands last");
        assert!(local.len() <= 64, "RFC 5321 §4.5.3.1.1");
        for spelling in [local.to_owned(), local.to_uppercase(), local.replace('+', "-")] {
            assert_eq!(keys.bounced_entry(&spelling, "R.example"), Some(Id(7_466_000_000_000_123)), "{spelling}");
        }
        assert_eq!(keys.bounced_entry(local, "other.example"), None);
        assert_eq!(Keys::new(&[8; 32]).bounced_entry(local, "r.example"), None);
        for wrong in [&local[..local.len() - 1], "bounce+", "reply+00", &local.replace('a', "b"), "bounce+é"] {
            assert!(wrong == local || keys.bounced_entry(wrong, "r.example").is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_link_is_good_for_its_purpose_subject_and_time() {
        let (keys, until) = (Keys::new(&[7; 32]), UnixMs(1000));
        let signature = keys.sign(Purpose::Attachment, "x", until);
        assert!(keys.verify(Purpose::Attachment, "x", until, UnixMs(1000), &signature));
        assert!(!keys.verify(Purpose::Attachment, "x", until, UnixMs(1001), &signature));
        assert!(!keys.verify(Purpose::Attachment, "x", UnixMs(2000), UnixMs(1), &signature));
        assert!(!keys.verify(Purpose::Attachment, "y", until, UnixMs(1), &signature));
        assert!(!keys.verify(Purpose::Resume, "x", until, UnixMs(1), &signature));
    }

    #[test]
    fn a_message_id_is_stable_and_keyed() {
        let (ours, theirs) = (Keys::new(&[7; 32]), Keys::new(&[8; 32]));
        assert_eq!(ours.message_id(Id(5), "mx.example"), ours.message_id(Id(5), "mx.example"));
        assert_ne!(ours.message_id(Id(5), "mx.example"), theirs.message_id(Id(5), "mx.example"));
        assert_eq!(ours.mailed_entry(&ours.message_id(Id(5), "mx.example")), Some(Id(5)));
        assert_eq!(ours.mailed_entry(&theirs.message_id(Id(5), "mx.example")), None);
        assert!(["", "a@b", "a.b@c", "@"].iter().all(|text| ours.mailed_entry(text).is_none()));
    }
}
