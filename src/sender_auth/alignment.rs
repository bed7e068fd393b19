//! Which domains speak for one another (RFC 9989 §4.10, §5): equal names, one organizational domain, or a domain for
//! the names below it.

/// RFC 9989 §4.7 `adkim`, `aspf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Domains of one organization.
    Relaxed,
    /// Equal domains.
    Strict,
}

/// A domain's organization, as its DMARC records show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Organization {
    pub name: String,
    /// A record with `psd=` drew the line: nothing above it speaks for the domain.
    pub drawn: bool,
}

/// Whether a tree walk could find both under one organization: it never joins names under different registrations.
pub(super) fn could_align(domain: &str, author_domain: &str) -> bool {
    domain == author_domain || (!author_domain.is_empty() && last_two(domain) == last_two(author_domain))
}

/// Relaxed alignment (RFC 9989 §4.10.2). Who runs a zone decides what is below it, so a domain above the author's
/// speaks for it also where no DMARC record joins the two, as receivers with a public suffix list always had it; never
/// the other way round: a tenant does not speak for the landlord.
pub(super) fn is_aligned(
    (domain, organization): (&str, &Organization),
    (author_domain, author_organization): (&str, &Organization),
) -> bool {
    domain == author_domain
        || organization.name == author_organization.name
        || (!author_organization.drawn && is_same_or_below(author_domain, domain) && !looks_like_public_suffix(domain))
}

pub(super) fn is_same_or_below(name: &str, domain: &str) -> bool {
    match name.strip_suffix(domain) {
        Some(above) => above.is_empty() || above.ends_with('.'),
        None => false,
    }
}

/// Without a list, the shape must do: a top-level domain, or a short second level under a country's. Taking a
/// registrable name for a suffix only costs a verdict `unproven`.
fn looks_like_public_suffix(domain: &str) -> bool {
    match domain.split('.').rev().collect::<Vec<_>>().as_slice() {
        [] | [_] => true,
        [top, second] => top.len() == 2 && (second.len() <= 3 || matches!(*second, "gouv" | "info" | "name" | "firm")),
        _ => false,
    }
}

fn last_two(domain: &str) -> &str {
    let start = domain.rmatch_indices('.').nth(1).map_or(0, |(dot, _)| dot + 1);
    domain.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(domain: (&str, &str), author: (&str, &str, bool), expected: bool) {
        let organization = Organization { name: domain.1.to_owned(), drawn: false };
        let author_organization = Organization { name: author.1.to_owned(), drawn: author.2 };
        let said = is_aligned((domain.0, &organization), (author.0, &author_organization));
        assert_eq!(said, expected, "{domain:?} {author:?}");
    }

    #[test]
    fn one_organization_or_a_domain_above() {
        check(("a.example", "a.example"), ("a.example", "a.example", false), true);
        check(("m.a.example", "a.example"), ("n.a.example", "a.example", false), true);
        check(("a.example", "a.example"), ("m.a.example", "m.a.example", false), true);
        check(("a.example", "a.example"), ("m.a.example", "m.a.example", true), false);
        check(("m.a.example", "m.a.example"), ("a.example", "a.example", false), false);
        check(("example", "example"), ("a.example", "a.example", false), false);
        check(("co.uk", "co.uk"), ("a.co.uk", "a.co.uk", false), false);
        check(("aa.example", "aa.example"), ("a.example", "a.example", false), false);
        check(("a.example", "a.example"), ("ba.example", "ba.example", false), false);
    }

    #[test]
    fn domains_that_cannot_align_cost_no_question() {
        assert!(could_align("x.a.example", "y.a.example"));
        assert!(could_align("a.example", "y.x.a.example"));
        assert!(!could_align("b.example", "a.example"));
        assert!(!could_align("b.example", ""));
    }
}
