//! What shares a budget of connections: the provider that runs the best MX hosts. Pure.
//!
//! Providers give each customer domain its own MX name (`acme-example.mail.protection.outlook.com`) or several for one
//! (`alt1.aspmx.l.google.com`), so the names themselves would make thousands of sites of one provider. What is left is
//! the name that someone registered, told without a list of public suffixes: the last two labels, or three where the last
//! two look like `co.uk`. Too coarse a guess only makes strangers share connections; it never sends mail elsewhere.

/// The site of these hosts, which are the most preferred ones of a domain.
pub fn site<'a>(best_hosts: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = best_hosts.map(registered).collect();
    names.sort_unstable();
    names.dedup();
    // A set of many providers is a site of its own, whoever is in it.
    names.truncate(NAMES_MAX);
    names.join(",")
}

fn registered(host: &str) -> &str {
    let labels: Vec<&str> = host.rsplit('.').take(3).collect();
    let kept = match labels.as_slice() {
        [top, second, _] if top.len() == 2 && SECOND_LEVELS.contains(second) => 3,
        _ => 2,
    };
    let octets: usize = labels.iter().take(kept).map(|label| label.len() + 1).sum();
    host.get((host.len() + 1).saturating_sub(octets)..).unwrap_or(host)
}

/// Under which countries sort their domains.
const SECOND_LEVELS: [&str; 9] = ["ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"];

const NAMES_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_at_one_provider_are_one_site() {
        for (hosts, expected) in [
            (vec!["acme-example.mail.protection.outlook.com"], "outlook.com"),
            (vec!["alt1.aspmx.l.google.com", "aspmx.l.google.com"], "google.com"),
            (vec!["mx.b.example", "mx.a.example"], "a.example,b.example"),
            (vec!["mail.acme.co.uk"], "acme.co.uk"),
            (vec!["mail.acme.com.br"], "acme.com.br"),
            (vec!["mx.web.de"], "web.de"),
            (vec!["mx1.gmx.net"], "gmx.net"),
            (vec!["acme.de"], "acme.de"),
            (vec!["localhost"], "localhost"),
            (
                vec!["a.1.example", "a.2.example", "a.3.example", "a.4.example", "a.5.example"],
                "1.example,2.example,3.example,4.example",
            ),
            (vec![], ""),
        ] {
            assert_eq!(site(hosts.iter().copied()), expected, "{hosts:?}");
        }
    }
}
