//! Results → verdict and its basis in words. Pure: the table of docs/AUTHENTICATION.md.

use super::author::Author;
use super::results::{Dmarc, DmarcResult, Policy, Verdict};

/// What the methods leave to judge by.
#[derive(Debug, Clone)]
pub(super) struct Evidence<'a> {
    pub author: &'a Author,
    /// Domain of a passing signature over the whole mail that is aligned with the author.
    pub signed_by: Option<&'a str>,
    /// Domain of an aligned signature over a part of the body.
    pub partly_signed_by: Option<&'a str>,
    /// Domain that lets this client send, aligned with the author.
    pub sent_by: Option<&'a str>,
    /// Why a question that could change the verdict has no answer.
    pub trouble: Option<&'a str>,
    pub dmarc: &'a Dmarc,
    /// A listed sealer whose chain holds.
    pub trusted_sealer: Option<&'a str>,
}

/// The verdict and the reason for a person who has to answer the mail.
pub(super) fn judge(evidence: &Evidence<'_>) -> (Verdict, String) {
    let domain = match evidence.author {
        Author::One(address) => address.domain(),
        Author::Missing => return (Verdict::Unproven, "the mail names no author: From is missing or empty".into()),
        Author::Several => return (Verdict::Unproven, "From names several authors, so none of them is proven".into()),
        Author::Unclear => return (Verdict::Unproven, "From holds no address that every reader reads alike".into()),
    };
    if let Some(signer) = evidence.signed_by {
        return (Verdict::Authentic, format!("DKIM signature of {signer}, aligned with From"));
    }
    if let Some(sender) = evidence.sent_by {
        let basis = format!(
            "SPF only: the sending host may send for {sender}, aligned with From; weaker than a signature, others may \
             send through the same host"
        );
        return (Verdict::Authentic, basis);
    }
    if let Some(trouble) = evidence.trouble {
        return (Verdict::Undetermined, format!("the DNS of {domain} or of its signer did not answer: {trouble}"));
    }
    without_proof(evidence, domain)
}

fn without_proof(evidence: &Evidence<'_>, domain: &str) -> (Verdict, String) {
    match (evidence.dmarc.result, evidence.dmarc.policy, evidence.trusted_sealer) {
        (DmarcResult::Fail, Some(Policy::Quarantine | Policy::Reject), Some(sealer)) => {
            (Verdict::Unproven, format!("DMARC of {domain} fails here, but {sealer}, a listed sealer, forwarded it"))
        }
        (DmarcResult::Fail, Some(policy @ (Policy::Quarantine | Policy::Reject)), None) => {
            let wish = if policy == Policy::Reject { "reject" } else { "quarantine" };
            let basis =
                format!("{domain} asks receivers to {wish} mail that neither its signature nor its hosts vouch for");
            (Verdict::Forged, basis)
        }
        (DmarcResult::Fail, _, _) => {
            (Verdict::Unproven, format!("DMARC of {domain} fails, but its owner only watches (p=none)"))
        }
        _ => match evidence.partly_signed_by {
            Some(signer) => {
                (Verdict::Unproven, format!("the signature of {signer} covers only the first part of the body (l=)"))
            }
            None => (Verdict::Unproven, format!("no signature and no sending host speaks for {domain}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address::Address;

    struct Case {
        signed: bool,
        partly: bool,
        sent: bool,
        trouble: bool,
        dmarc: (DmarcResult, Option<Policy>),
        sealed: bool,
    }

    const PLAIN: Case = Case {
        signed: false,
        partly: false,
        sent: false,
        trouble: false,
        dmarc: (DmarcResult::None, None),
        sealed: false,
    };

    fn check(case: &Case, expected: Verdict, words: &str) {
        let author = Author::One(Address::parse("a@b.example").unwrap());
        let (verdict, basis) = judge(&evidence(case, &author, &dmarc(case)));
        assert_eq!(verdict, expected, "{basis}");
        assert!(basis.contains(words), "{basis}");
    }

    fn dmarc(case: &Case) -> Dmarc {
        Dmarc { result: case.dmarc.0, policy: case.dmarc.1, domain: "b.example".into() }
    }

    fn evidence<'a>(case: &Case, author: &'a Author, dmarc: &'a Dmarc) -> Evidence<'a> {
        Evidence {
            author,
            signed_by: case.signed.then_some("b.example"),
            partly_signed_by: case.partly.then_some("b.example"),
            sent_by: case.sent.then_some("b.example"),
            trouble: case.trouble.then_some("no answer in time"),
            dmarc,
            trusted_sealer: case.sealed.then_some("list.example"),
        }
    }

    #[test]
    fn the_table() {
        use DmarcResult::{Fail, Pass, TempError};
        use Verdict::{Authentic, Forged, Undetermined, Unproven};
        let reject = Some(Policy::Reject);
        check(&Case { signed: true, ..PLAIN }, Authentic, "DKIM signature of b.example");
        check(&Case { signed: true, sent: true, trouble: true, ..PLAIN }, Authentic, "DKIM");
        check(&Case { sent: true, dmarc: (Pass, reject), ..PLAIN }, Authentic, "weaker");
        check(&Case { trouble: true, dmarc: (TempError, None), ..PLAIN }, Undetermined, "no answer in time");
        check(&Case { trouble: true, dmarc: (Fail, reject), ..PLAIN }, Undetermined, "did not answer");
        check(&Case { dmarc: (Fail, reject), ..PLAIN }, Forged, "asks receivers to reject");
        check(&Case { dmarc: (Fail, Some(Policy::Quarantine)), ..PLAIN }, Forged, "quarantine");
        check(&Case { dmarc: (Fail, reject), sealed: true, ..PLAIN }, Unproven, "list.example");
        check(&Case { dmarc: (Fail, Some(Policy::None)), ..PLAIN }, Unproven, "p=none");
        check(&Case { partly: true, dmarc: (Pass, reject), ..PLAIN }, Unproven, "l=");
        check(&Case { sealed: true, ..PLAIN }, Unproven, "no signature");
        check(&PLAIN, Unproven, "no signature");
    }

    #[test]
    fn without_one_author_nothing_is_authentic() {
        let case = Case { signed: true, sent: true, dmarc: (DmarcResult::Pass, None), ..PLAIN };
        for author in [Author::Missing, Author::Several, Author::Unclear] {
            assert_eq!(judge(&evidence(&case, &author, &dmarc(&case))).0, Verdict::Unproven, "{author:?}");
        }
    }
}
