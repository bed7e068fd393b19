//! Whether the DNS publishes our DKIM keys: mail signed with a key that nobody can look up is worth less than unsigned mail.

use super::own_key;
use crate::config::checked::DkimKey;
use crate::dns::{DnsFailure, Resolver};

/// What stands at a key's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    Ours,
    Missing,
    AnotherKey,
    /// RFC 6376 §3.6.2.2: then none of them counts for sure.
    Several(usize),
    Unanswered(DnsFailure),
}

/// `r1._domainkey.acme.example`
pub fn name(key: &DkimKey) -> String {
    format!("{}._domainkey.{}", key.selector, key.domain)
}

/// Asks.
pub async fn look(key: &DkimKey, resolver: &Resolver) -> Published {
    let texts = match resolver.txt(&name(key)).await {
        Ok(texts) => texts,
        Err(trouble) if trouble.is_trouble() => return Published::Unanswered(trouble),
        Err(_) => return Published::Missing,
    };
    let ours = own_key::public_half(key.key.expose()).map(|public| format!("p={public}"));
    let is_ours = |record: &[u8]| {
        let record: String = String::from_utf8_lossy(record).chars().filter(|c| !c.is_whitespace()).collect();
        ours.as_ref().is_some_and(|ours| record.contains(ours))
    };
    match texts.iter().collect::<Vec<_>>().as_slice() {
        [] => Published::Missing,
        [record] if is_ours(record) => Published::Ours,
        [_] => Published::AnotherKey,
        several => Published::Several(several.len()),
    }
}
