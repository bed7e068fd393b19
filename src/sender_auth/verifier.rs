//! Runs every method over one mail, within one budget of time and questions, and joins what they say.

use super::alignment::{Mode, Organization, could_align, is_aligned};
use super::author::Author;
use super::dkim::Bounds;
use super::dmarc::{Published, Trouble};
use super::fields::RawMail;
use super::results::{ArcResult, AuthResults, DkimResult, DkimSignature, Dmarc, DmarcResult, IprevResult, SpfResult};
use super::signature::BodyHashes;
use super::spf::SpfOutcome;
use super::verdict::{Evidence, judge};
use super::{arc, dkim, dmarc, iprev, spf};
use crate::clock::Clock;
use crate::dns::{Questions, Resolver};
use crate::limits::Limits;
use std::future::Future;
use std::net::IpAddr;
use tokio::time::{Instant, timeout_at};

const OUT_OF_TIME: &str = "the time for one mail is over";

/// One mail as it was offered.
#[derive(Debug, Clone, Copy)]
pub struct Check<'a> {
    /// The client's address; none if another system took the mail and did not say.
    pub ip: Option<IpAddr>,
    pub helo: &'a str,
    /// The reverse-path without brackets; empty for the null one.
    pub mail_from: &'a str,
    pub raw: &'a [u8],
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// In force for this mail.
    pub limits: &'a Limits,
    /// Domains whose ARC seal excuses a DMARC failure; usually none.
    pub trusted_sealers: &'a [String],
}

/// Authenticates mails; one for the process.
#[derive(Debug, Clone)]
pub struct Verifier {
    resolver: Resolver,
    clock: Clock,
}

impl Verifier {
    pub fn new(resolver: Resolver, clock: Clock) -> Verifier {
        Verifier { resolver, clock }
    }

    /// Never fails: what cannot be found out is a result too.
    pub async fn verify(&self, check: Check<'_>) -> AuthResults {
        let mail = RawMail::split(check.raw);
        let author = Author::of(&mail);
        let shares = Shares::new(&self.resolver, check.limits.dns_questions_max);
        let bounds = Bounds {
            signatures_max: check.limits.signatures_max,
            deadline: Instant::from_std(self.clock.monotonic()) + check.limits.authentication_timeout,
            now: u64::try_from(check.now).unwrap_or(0),
        };
        let run = Run { check: &check, mail: &mail, author: &author, shares: &shares, bounds: &bounds };
        let (spf, (iprev, client_name), (dkim, (arc, arc_sealer)), published) =
            tokio::join!(run.spf(), run.iprev(), run.signatures(), run.published());
        let aligned = run.align(&spf, &dkim, &published).await;
        let dmarc = aligned.dmarc(author.domain(), &published);
        let trusted_sealer = arc_sealer.as_deref().filter(|sealer| run.trusts(sealer));
        let (verdict, basis) = judge(&Evidence {
            author: &author,
            signed_by: aligned.signed_by.as_deref(),
            partly_signed_by: aligned.partly_signed_by.as_deref(),
            sent_by: aligned.sent_by.as_deref(),
            trouble: aligned.trouble.as_deref(),
            dmarc: &dmarc,
            trusted_sealer,
        });
        let author = match &author {
            Author::One(address) => Some(address.to_string()),
            Author::Missing | Author::Several | Author::Unclear => None,
        };
        let SpfOutcome { result: spf, domain: spf_domain } = spf;
        AuthResults { spf, spf_domain, dkim, dmarc, arc, arc_sealer, iprev, client_name, verdict, basis, author }
    }
}

/// The questions of one mail, divided: what a forger's own records make us ask must not use up what the policy of
/// the forged domain needs.
struct Shares<'a> {
    /// SPF and iprev.
    client: Questions<'a>,
    /// DKIM keys.
    keys: Questions<'a>,
    /// ARC keys.
    chain: Questions<'a>,
    /// DMARC.
    policy: Questions<'a>,
}

impl<'a> Shares<'a> {
    fn new(resolver: &'a Resolver, max: usize) -> Shares<'a> {
        let (policy, keys, chain) = (max * 3 / 10, max * 2 / 15, max * 2 / 15);
        let share = |questions| Questions::new(resolver, questions);
        let client = share(max.saturating_sub(policy + keys + chain));
        Shares { client, keys: share(keys), chain: share(chain), policy: share(policy) }
    }
}

/// The methods over one mail.
struct Run<'a> {
    check: &'a Check<'a>,
    mail: &'a RawMail<'a>,
    author: &'a Author,
    shares: &'a Shares<'a>,
    bounds: &'a Bounds,
}

/// What speaks for the author, and what kept us from knowing.
#[derive(Debug, Default)]
struct Aligned {
    signed_by: Option<String>,
    partly_signed_by: Option<String>,
    sent_by: Option<String>,
    trouble: Option<String>,
}

impl Run<'_> {
    fn trusts(&self, sealer: &str) -> bool {
        self.check.trusted_sealers.iter().any(|trusted| trusted.eq_ignore_ascii_case(sealer))
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.bounds.deadline, work).await.ok()
    }

    async fn spf(&self) -> SpfOutcome {
        let Some(ip) = self.check.ip else {
            return SpfOutcome { result: SpfResult::None, domain: String::new() };
        };
        let (helo, mail_from) = (self.check.helo, self.check.mail_from);
        self.in_time(spf::check(&self.shares.client, ip, helo, mail_from)).await.unwrap_or_else(|| SpfOutcome {
            result: SpfResult::TempError,
            domain: spf::checked_domain(helo, mail_from),
        })
    }

    async fn iprev(&self) -> (IprevResult, Option<String>) {
        let Some(ip) = self.check.ip else { return (IprevResult::None, None) };
        self.in_time(iprev::check(&self.shares.client, ip)).await.unwrap_or((IprevResult::TempError, None))
    }

    async fn signatures(&self) -> (Vec<DkimSignature>, (ArcResult, Option<String>)) {
        let mut hashes = BodyHashes::new(self.mail.body);
        let dkim = dkim::check(self.mail, &mut hashes, &self.shares.keys, self.author.domain(), self.bounds).await;
        let arc = self.in_time(arc::check(self.mail, &mut hashes, &self.shares.chain)).await;
        (dkim, arc.unwrap_or((ArcResult::Fail, None)))
    }

    async fn published(&self) -> Result<Option<Published>, Trouble> {
        if self.author.domain().is_empty() || self.author.domain().starts_with('[') {
            return Ok(None);
        }
        let found = self.in_time(dmarc::discover(&self.shares.policy, self.author.domain())).await;
        found.unwrap_or_else(|| Err(Trouble(OUT_OF_TIME.to_owned())))
    }

    /// RFC 9989 §4.10.2, §5.3: identifiers that could change the result, in the modes that the record asks for.
    async fn align(
        &self,
        spf: &SpfOutcome,
        dkim: &[DkimSignature],
        published: &Result<Option<Published>, Trouble>,
    ) -> Aligned {
        let mut aligned = Aligned::default();
        let mut trouble = published.as_ref().err().map(|trouble| trouble.0.clone());
        let (dkim_mode, spf_mode) = match published {
            Ok(Some(published)) => (published.dkim_mode, published.spf_mode),
            Ok(None) => (Mode::Relaxed, Mode::Relaxed),
            // Without the record only equal names are aligned in either mode.
            Err(_) => (Mode::Strict, Mode::Strict),
        };
        for signature in dkim.iter().filter(|s| matches!(s.result, DkimResult::Pass | DkimResult::TempError)) {
            match self.speaks_for_author(&signature.domain, dkim_mode).await {
                Err(why) => trouble = Some(why.0),
                Ok(false) => {}
                Ok(true) => match (signature.result, signature.partial) {
                    (DkimResult::Pass, false) => aligned.signed_by = Some(signature.domain.clone()),
                    (DkimResult::Pass, true) => aligned.partly_signed_by = Some(signature.domain.clone()),
                    _ => trouble = Some(signature.reason.clone()),
                },
            }
            if aligned.signed_by.is_some() {
                break;
            }
        }
        if matches!(spf.result, SpfResult::Pass | SpfResult::TempError) {
            match self.speaks_for_author(&spf.domain, spf_mode).await {
                Err(why) => trouble = Some(why.0),
                Ok(true) if spf.result == SpfResult::Pass => aligned.sent_by = Some(spf.domain.clone()),
                Ok(true) => trouble = Some("SPF has no result".to_owned()),
                Ok(false) => {}
            }
        }
        aligned.trouble = trouble;
        aligned
    }

    async fn speaks_for_author(&self, domain: &str, mode: Mode) -> Result<bool, Trouble> {
        let author_domain = self.author.domain();
        if domain.is_empty() || author_domain.is_empty() {
            return Ok(false);
        }
        if domain == author_domain {
            return Ok(true);
        }
        if mode == Mode::Strict || !could_align(domain, author_domain) {
            return Ok(false);
        }
        let author_organization = self.organization(author_domain).await?;
        let organization = self.organization(domain).await?;
        Ok(is_aligned((domain, &organization), (author_domain, &author_organization)))
    }

    async fn organization(&self, domain: &str) -> Result<Organization, Trouble> {
        let found = self.in_time(dmarc::organization_of(&self.shares.policy, domain)).await;
        found.unwrap_or_else(|| Err(Trouble(OUT_OF_TIME.to_owned())))
    }
}

impl Aligned {
    fn dmarc(&self, domain: &str, published: &Result<Option<Published>, Trouble>) -> Dmarc {
        let domain = domain.to_owned();
        match published {
            Err(_) => Dmarc { result: DmarcResult::TempError, policy: None, domain },
            Ok(None) => Dmarc { result: DmarcResult::None, policy: None, domain },
            Ok(Some(published)) => Dmarc { result: self.dmarc_result(), policy: Some(published.policy), domain },
        }
    }

    fn dmarc_result(&self) -> DmarcResult {
        if self.signed_by.is_some() || self.partly_signed_by.is_some() || self.sent_by.is_some() {
            DmarcResult::Pass
        } else if self.trouble.is_some() {
            DmarcResult::TempError
        } else {
            DmarcResult::Fail
        }
    }
}
