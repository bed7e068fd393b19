//! DKIM-Signature fields (RFC 6376): which are tried, in what order, and what each is worth.

use super::fields::{RawField, RawMail};
use super::key_record::{self, NoKey};
use super::results::{DkimResult, DkimSignature};
use super::signature::{BodyHashes, Coverage, Flaw, Signer, verify};
use super::tag_list::{TagList, items, squeezed};
use crate::dns::Questions;
use crate::mail::address::canonical_domain;
use mail_auth::dkim::Canonicalization;
use tokio::time::Instant;

/// Clocks differ, and mail-auth's own test mails are hours ahead; a day is no more than an honest mistake.
const AHEAD_SECONDS_MAX: u64 = 24 * 3600;

/// What bounds the work on one mail's signatures.
pub(super) struct Bounds {
    pub signatures_max: usize,
    pub deadline: Instant,
    /// Unix seconds.
    pub now: u64,
}

struct Candidate<'a> {
    field: &'a RawField<'a>,
    signer: Signer,
    coverage: Coverage,
    /// The domain of `i=`.
    identity: String,
}

/// Tries the signatures, those that can speak for the author's domain first.
pub(super) async fn check(
    mail: &RawMail<'_>,
    hashes: &mut BodyHashes<'_>,
    questions: &Questions<'_>,
    author_domain: &str,
    bounds: &Bounds,
) -> Vec<DkimSignature> {
    let mut read: Vec<Result<Candidate<'_>, (TagNames, Flaw)>> = mail.all("dkim-signature").map(candidate).collect();
    // The sort is stable: among equals the topmost field, which is the latest signature, goes first.
    read.sort_by_key(|candidate| match candidate {
        Ok(candidate) => !super::alignment::could_align(&candidate.signer.domain, author_domain),
        Err(_) => true,
    });
    let untried = read.len().saturating_sub(bounds.signatures_max);
    let mut results = Vec::new();
    for candidate in read.into_iter().take(bounds.signatures_max) {
        results.push(match candidate {
            Ok(candidate) => try_one(mail, hashes, questions, &candidate, bounds).await,
            Err((names, Flaw(reason))) => names.into_result(DkimResult::PermError, reason),
        });
    }
    if untried > 0 {
        let reason = format!("{untried} more signatures are not tried");
        results.push(TagNames::default().into_result(DkimResult::Policy, &reason));
    }
    results
}

/// Domain and selector for the results: only host names are shown.
#[derive(Default)]
struct TagNames {
    domain: String,
    selector: String,
}

impl TagNames {
    fn of(tags: &TagList<'_>) -> TagNames {
        let name = |tag| tags.get(tag).and_then(|text| canonical_domain(text).ok()).unwrap_or_default();
        TagNames { domain: name("d"), selector: name("s") }
    }

    fn into_result(self, result: DkimResult, reason: &str) -> DkimSignature {
        DkimSignature {
            domain: self.domain,
            selector: self.selector,
            result,
            reason: reason.to_owned(),
            partial: false,
        }
    }
}

fn candidate<'a>(field: &'a RawField<'a>) -> Result<Candidate<'a>, (TagNames, Flaw)> {
    let tags = std::str::from_utf8(field.value).ok().and_then(TagList::parse);
    let Some(tags) = tags else { return Err((TagNames::default(), Flaw("the field is no tag list"))) };
    read(field, &tags).map_err(|flaw| (TagNames::of(&tags), flaw))
}

fn read<'a>(field: &'a RawField<'a>, tags: &TagList<'_>) -> Result<Candidate<'a>, Flaw> {
    if tags.get("v") != Some("1") {
        return Err(Flaw("v= is not 1"));
    }
    let signer = Signer::parse(tags)?;
    let coverage = Coverage::parse(tags, Canonicalization::Simple)?;
    // RFC 6376 §5.4: a signature that does not cover From says nothing of the author.
    if !coverage.names("from") {
        return Err(Flaw("From is not signed"));
    }
    if tags.get("q").is_some_and(|methods| !items(methods).any(|method| squeezed(method) == "dns/txt")) {
        return Err(Flaw("the key is not in the DNS"));
    }
    if matches!((coverage.signed_at, coverage.expires_at), (Some(signed), Some(expires)) if expires <= signed) {
        return Err(Flaw("the signature ends before it begins"));
    }
    let identity = match tags.get("i") {
        None => signer.domain.clone(),
        Some(identity) => identity
            .rsplit_once('@')
            .and_then(|(_, domain)| canonical_domain(domain).ok())
            .filter(|domain| super::alignment::is_same_or_below(domain, &signer.domain))
            .ok_or(Flaw("i= is not under d="))?,
    };
    Ok(Candidate { field, signer, coverage, identity })
}

async fn try_one(
    mail: &RawMail<'_>,
    hashes: &mut BodyHashes<'_>,
    questions: &Questions<'_>,
    candidate: &Candidate<'_>,
    bounds: &Bounds,
) -> DkimSignature {
    let Candidate { field, signer, coverage, identity } = candidate;
    let say = |result, reason: &str| DkimSignature {
        domain: signer.domain.clone(),
        selector: signer.selector.clone(),
        result,
        reason: reason.to_owned(),
        partial: coverage.body_octets.is_some(),
    };
    if coverage.expires_at.is_some_and(|expires| expires <= bounds.now) {
        return say(DkimResult::Fail, "the signature has expired");
    }
    if coverage.signed_at.is_some_and(|signed| signed > bounds.now.saturating_add(AHEAD_SECONDS_MAX)) {
        return say(DkimResult::Neutral, "the signature is of the future");
    }
    if !hashes.agree_with(coverage) {
        return say(DkimResult::Fail, "the body is not the one that was signed");
    }
    let fetched = key_record::fetch(questions, &signer.selector, &signer.domain);
    let key = match tokio::time::timeout_at(bounds.deadline, fetched).await {
        Ok(Ok(key)) => key,
        Ok(Err(NoKey::Trouble(reason))) => return say(DkimResult::TempError, &reason),
        Ok(Err(NoKey::Unfit(reason))) => return say(DkimResult::Policy, reason),
        Ok(Err(NoKey::Broken(reason))) => return say(DkimResult::PermError, reason),
        Err(_) => return say(DkimResult::TempError, "no key within the time for one mail"),
    };
    if key.exact_identity && *identity != signer.domain {
        return say(DkimResult::PermError, "the key does not speak for the subdomain in i=");
    }
    if !verify(mail, field, signer, coverage, &key) {
        return say(DkimResult::Fail, "the signature does not fit the header and the key");
    }
    match coverage.body_octets {
        Some(_) => say(DkimResult::Pass, "only the first part of the body is signed (l=)"),
        None => say(DkimResult::Pass, "the signature fits"),
    }
}
