//! The Authenticated Received Chain (RFC 8617): whether it holds from the first sealer to the last. Evidence only: who
//! sealed is trusted by the operator's list or not at all.

use super::fields::{RawField, RawMail};
use super::key_record::{self, KeyRecord};
use super::results::ArcResult;
use super::signature::{BodyHashes, Coverage, Signer, number, verify, without_signature};
use super::tag_list::{TagList, is_space};
use crate::dns::Questions;
use mail_auth::dkim::Canonicalization;

/// RFC 8617 §5.1.1.
const SETS_MAX: usize = 50;

/// RFC 8617 §4.1.2 leaves DKIM's default, simple; but sealers that omit `c=` seal relaxed, and so does the reference
/// suite. What verifies is sealed in either form.
const UNSAID: Canonicalization = Canonicalization::Relaxed;

/// The fields of one instance.
struct Set<'a> {
    results: RawField<'a>,
    signature: RawField<'a>,
    seal: RawField<'a>,
    sealer: Signer,
}

/// The chain does not hold.
struct Broken;

enum Chain<'a> {
    None,
    Sets(Vec<Set<'a>>),
}

/// The result, and the last sealer of a chain that passes.
pub(super) async fn check(
    mail: &RawMail<'_>,
    hashes: &mut BodyHashes<'_>,
    questions: &Questions<'_>,
) -> (ArcResult, Option<String>) {
    match chain(mail) {
        Err(Broken) => (ArcResult::Fail, None),
        Ok(Chain::None) => (ArcResult::None, None),
        Ok(Chain::Sets(sets)) => match validate(mail, hashes, questions, &sets).await {
            Err(Broken) => (ArcResult::Fail, None),
            Ok(()) => (ArcResult::Pass, sets.last().map(|set| set.sealer.domain.clone())),
        },
    }
}

/// RFC 8617 §5.2 steps 1 to 3: the structure.
fn chain<'a>(mail: &RawMail<'a>) -> Result<Chain<'a>, Broken> {
    let seals: Vec<_> = mail.all("arc-seal").copied().collect();
    let signatures: Vec<_> = mail.all("arc-message-signature").copied().collect();
    let results: Vec<_> = mail.all("arc-authentication-results").copied().collect();
    let length = seals.len();
    if length == 0 && signatures.is_empty() && results.is_empty() {
        return Ok(Chain::None);
    }
    if length > SETS_MAX || signatures.len() != length || results.len() != length {
        return Err(Broken);
    }
    let seals = by_instance(seals, seal_instance)?;
    let signatures = by_instance(signatures, signature_instance)?;
    let results = by_instance(results, results_instance)?;
    let mut said_broken = false;
    let mut sets = Vec::with_capacity(length);
    for (index, ((seal, signature), results)) in seals.into_iter().zip(signatures).zip(results).enumerate() {
        let text = text_of(&seal)?;
        let tags = TagList::parse(text).ok_or(Broken)?;
        match (index, tags.get("cv")) {
            (0, Some("none")) | (1.., Some("pass")) => {}
            (_, Some("fail")) => said_broken = true,
            _ => return Err(Broken),
        }
        // RFC 8617 §4.1.3: a seal covers what it covers, it does not choose.
        if tags.get("h").is_some() || number(&tags, "t").is_err() {
            return Err(Broken);
        }
        let sealer = Signer::parse(&tags).map_err(|_| Broken)?;
        sets.push(Set { results, signature, seal, sealer });
    }
    // A sealer has already found the chain broken: it tells nothing any more, and there is nothing left to verify.
    Ok(if said_broken { Chain::None } else { Chain::Sets(sets) })
}

/// RFC 8617 §5.2 steps 4 to 6: the last signature, then every seal.
async fn validate(
    mail: &RawMail<'_>,
    hashes: &mut BodyHashes<'_>,
    questions: &Questions<'_>,
    sets: &[Set<'_>],
) -> Result<(), Broken> {
    let last = sets.last().ok_or(Broken)?;
    let tags = TagList::parse(text_of(&last.signature)?).ok_or(Broken)?;
    let signer = Signer::parse(&tags).map_err(|_| Broken)?;
    let coverage = Coverage::parse(&tags, UNSAID).map_err(|_| Broken)?;
    // RFC 8617 §4.1.2: seals come after it.
    let fine = !coverage.names("arc-seal") && coverage.body_octets.is_none() && hashes.agree_with(&coverage);
    let key = key_of(questions, &signer).await?;
    if !fine || !verify(mail, &last.signature, &signer, &coverage, &key) {
        return Err(Broken);
    }
    for count in (1..=sets.len()).rev() {
        let (Some(sealed), Some(set)) = (sets.get(..count), sets.get(count - 1)) else { return Err(Broken) };
        let key = key_of(questions, &set.sealer).await?;
        if !seal_holds(sealed, set, &key) {
            return Err(Broken);
        }
    }
    Ok(())
}

async fn key_of(questions: &Questions<'_>, signer: &Signer) -> Result<KeyRecord, Broken> {
    key_record::fetch(questions, &signer.selector, &signer.domain).await.map_err(|_| Broken)
}

/// RFC 8617 §5.1.1: every set up to this one in order, the seal itself last and without its value.
fn seal_holds(sealed: &[Set<'_>], set: &Set<'_>, key: &KeyRecord) -> bool {
    let unsigned = without_signature(set.seal.value);
    let all = sealed.iter().flat_map(|set| [set.results, set.signature, set.seal]);
    let before = all.take(sealed.len() * 3 - 1).map(|field| (field.name, field.value));
    let mut fields = before.chain([(set.seal.name, unsigned.as_slice())]);
    key.key.p.verify(&mut fields, &set.sealer.signature, Canonicalization::Relaxed, set.sealer.algorithm).is_ok()
}

/// One field for each instance from 1 on (RFC 8617 §4.2.1).
fn by_instance<'a>(
    fields: Vec<RawField<'a>>,
    instance: fn(&str) -> Option<usize>,
) -> Result<Vec<RawField<'a>>, Broken> {
    let mut ordered: Vec<Option<RawField<'a>>> = vec![None; fields.len()];
    for field in fields {
        let place = instance(text_of(&field)?).and_then(|instance| ordered.get_mut(instance.checked_sub(1)?));
        if place.ok_or(Broken)?.replace(field).is_some() {
            return Err(Broken);
        }
    }
    ordered.into_iter().collect::<Option<_>>().ok_or(Broken)
}

fn seal_instance(text: &str) -> Option<usize> {
    TagList::parse(text)?.get("i").and_then(instance_number)
}

fn signature_instance(text: &str) -> Option<usize> {
    let tags = TagList::parse(text)?;
    // RFC 8617 §4.1.2: every signature of the chain must be one, though only the last is verified.
    let whole = Signer::parse(&tags).is_ok() && Coverage::parse(&tags, UNSAID).is_ok();
    tags.get("i").filter(|_| whole).and_then(instance_number)
}

/// RFC 8617 §4.1.1: `i=` first, then the results of RFC 8601.
fn results_instance(text: &str) -> Option<usize> {
    let (first, _) = text.split_once(';')?;
    let (name, value) = first.split_once('=')?;
    instance_number(value.trim_matches(is_space)).filter(|_| name.trim_matches(is_space) == "i")
}

fn instance_number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|_| text.bytes().all(|octet| octet.is_ascii_digit()) && text.len() <= 2)
}

fn text_of<'a>(field: &RawField<'a>) -> Result<&'a str, Broken> {
    std::str::from_utf8(field.value).map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(instance: usize, cv: &str) -> String {
        format!(
            "ARC-Seal: i={instance}; a=rsa-sha256; cv={cv}; d=a.example; s=s; b=eA==\r\n\
             ARC-Message-Signature: i={instance}; a=rsa-sha256; d=a.example; s=s; h=from; bh=eA==; b=eA==\r\n\
             ARC-Authentication-Results: i={instance}; a.example; spf=pass\r\n"
        )
    }

    fn check(header: &str, expected: &str) {
        let mail = format!("{header}From: a@b.example\r\n\r\n");
        let said = match chain(&RawMail::split(mail.as_bytes())) {
            Ok(Chain::None) => "none".to_owned(),
            Ok(Chain::Sets(sets)) => format!("{} sets", sets.len()),
            Err(Broken) => "broken".to_owned(),
        };
        assert_eq!(said, expected, "{header}");
    }

    #[test]
    fn chains_have_every_instance_once() {
        check("", "none");
        check(&set(1, "none"), "1 sets");
        check(&(set(2, "pass") + &set(1, "none")), "2 sets");
        check(&(set(1, "none") + &set(2, "pass")), "2 sets");
        check(&(set(2, "fail") + &set(1, "none")), "none");
        for broken in [
            set(1, "pass"),
            set(1, "maybe"),
            set(2, "pass"),
            set(0, "none"),
            set(1, "none") + &set(1, "none"),
            set(1, "none") + &set(3, "pass"),
            set(1, "none") + &set(2, "none"),
            set(1, "none").replace("h=from;", ""),
            set(1, "none").replace("cv=none", "cv=none; h=from"),
            set(1, "none").replace("i=1; a.example", "i=1 a.example"),
            set(1, "none").replace("ARC-Seal", "X"),
            set(1, "none").replace("sha256; d", "sha1; d"),
            set(1, "none").replace("i=1", "i=+1"),
        ] {
            check(&broken, "broken");
        }
    }

    #[test]
    fn fifty_sets_at_most() {
        let chain_of = |count| (1..=count).map(|n| set(n, if n == 1 { "none" } else { "pass" })).collect::<String>();
        check(&chain_of(50), "50 sets");
        check(&chain_of(51), "broken");
    }
}
