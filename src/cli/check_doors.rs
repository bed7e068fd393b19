//! `replyd check`: the HTTP ingresses of each account, set up or not, and the mistakes that are usual with them. Pure.

use super::check::Finding;
use crate::config::checked::{Account, Config, IngressSecret, IngressSecrets};
use std::net::IpAddr;
use std::time::Duration;

/// A door as an operator knows it.
struct Door<'a> {
    word: &'static str,
    /// Of its secret in the config.
    key: &'static str,
    path: &'static str,
    /// The sender is a provider somewhere, not this machine's MTA.
    remote: bool,
    secret: Option<&'a IngressSecret>,
}

pub fn findings(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config.accounts.iter().flat_map(|account| of_account(config, account)).collect();
    findings.extend(public_url(config));
    findings
}

fn doors(secrets: &IngressSecrets) -> [Door<'_>; 5] {
    let door = |word, key, path, remote, secret| Door { word, key, path, remote, secret };
    [
        door("relay", "password", "relay/inbound_emails", false, secrets.relay.as_ref()),
        door("postmark", "password", "postmark/inbound_emails", true, secrets.postmark.as_ref()),
        door("sendgrid", "password", "sendgrid/inbound_emails", true, secrets.sendgrid.as_ref()),
        door("mailgun", "signing_key", "mailgun/inbound_emails/mime", true, secrets.mailgun_signing_key.as_ref()),
        door("mandrill", "api_key", "mandrill/inbound_emails", true, secrets.mandrill_api_key.as_ref()),
    ]
}

fn of_account(config: &Config, account: &Account) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut shut = Vec::new();
    for door in doors(&account.ingress) {
        match door.secret {
            None => shut.push(door.word),
            Some(IngressSecret::Missing(reason)) => findings.push(Finding::error(format!(
                "account {}: ingress.{}.{}: {reason}; until it is mended every mail by this ingress is deferred",
                account.name, door.word, door.key
            ))),
            Some(IngressSecret::Ready(secret)) => {
                findings.push(Finding::ok(format!(
                    "account {}: ingress {} takes mail at {}/rails/action_mailbox/{}",
                    account.name, door.word, config.http.public_url, door.path
                )));
                findings.extend(mistakes(account, &door, secret.expose()));
            }
        }
    }
    findings.extend(small_mails(config, account));
    if !shut.is_empty() {
        findings.push(Finding::ok(format!("account {}: ingresses not set up: {}", account.name, shut.join(", "))));
    }
    findings
}

fn mistakes(account: &Account, door: &Door<'_>, secret: &str) -> Option<Finding> {
    let named = |what: String| Some(Finding::warning(format!("account {}: ingress.{}{what}", account.name, door.word)));
    match door.word {
        "mailgun" if is_api_key(secret) => named(
            ".signing_key: it looks like an API key; take the HTTP webhook signing key of Mailgun's API security page"
                .to_owned(),
        ),
        "mailgun" if account.ingress.mailgun_freshness < MAILGUN_TRIES_FOR => named(
            ".freshness: Mailgun tries for 8 hours with its first signature, so a mail that was deferred may be refused; make it \"9 h\""
                .to_owned(),
        ),
        "mandrill" if secret.starts_with("md-") => {
            named(".api_key: it looks like an API key; take the key that Mandrill shows beside the webhook".to_owned())
        }
        "sendgrid" if !account.ingress.sendgrid_safe_status => named(
            ".safe_status: SendGrid drops a mail at any 4xx, a wrong password's included; leave it true".to_owned(),
        ),
        "sendgrid" | "postmark" if !secret.bytes().all(is_plain_in_url) => named(
            ".password: it stands in the URL that the provider is given, and has characters that must be percent-encoded there"
                .to_owned(),
        ),
        _ if secret.len() < SECRET_OCTETS_MIN => named(format!(
            ".{}: it is shorter than {SECRET_OCTETS_MIN} characters, and whoever guesses it may bring mail; openssl rand -hex 24 makes a good one",
            door.key
        )),
        _ => None,
    }
}

/// SendGrid brings mails of up to 30 MB, and gives up after 72 hours those that are not taken.
fn small_mails(config: &Config, account: &Account) -> Option<Finding> {
    let max = config.limits.mail_octets_max;
    (account.ingress.sendgrid.is_some() && max < SENDGRID_OCTETS_MAX).then(|| {
        Finding::warning(format!(
            "limits.mail_size: it is {max} octets, and SendGrid brings account {} mails of up to 30 MB; make it \"30 MB\", for what is larger is lost",
            account.name
        ))
    })
}

/// `key-…` of old, and 32, 8 and 8 digits with hyphens.
fn is_api_key(secret: &str) -> bool {
    let groups: Vec<&str> = secret.split('-').collect();
    let is_hex = |group: &&str| group.bytes().all(|octet| octet.is_ascii_hexdigit());
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    ["key", "pubkey"].contains(groups.first().unwrap_or(&"")) || (lengths == [32, 8, 8] && groups.iter().all(is_hex))
}

fn is_plain_in_url(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~".contains(&octet)
}

/// Providers reach us by this URL, and Mandrill signs it.
fn public_url(config: &Config) -> Vec<Finding> {
    let is_open = |door: &Door<'_>| door.secret.is_some();
    let any = |remote: bool| {
        config
            .accounts
            .iter()
            .any(|account| doors(&account.ingress).iter().any(|door| is_open(door) && (door.remote || !remote)))
    };
    let mut findings = Vec::new();
    if any(false) && config.http.listen.is_empty() {
        findings.push(Finding::error("http.listen: it is empty, so no ingress can be reached; name an address"));
    }
    if any(true) {
        let url = &config.http.public_url;
        let host = url.split("://").nth(1).unwrap_or_default().split('/').next().unwrap_or_default();
        if is_local(host) {
            findings.push(Finding::warning(format!(
                "http.public_url {url}: no provider reaches this address, and Mandrill's signatures are made over it; name the one that providers are given"
            )));
        } else if !url.starts_with("https://") {
            findings.push(Finding::warning(format!(
                "http.public_url {url}: passwords and mail cross the network in the clear; use https:// and a TLS proxy"
            )));
        }
    }
    findings
}

fn is_local(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let name = literal.unwrap_or_else(|| host.split(':').next().unwrap_or_default());
    let is_local = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_unspecified() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unspecified(),
    };
    name == "localhost" || name.parse().is_ok_and(is_local)
}

const SENDGRID_OCTETS_MAX: u64 = 30_000_000;
const MAILGUN_TRIES_FOR: Duration = Duration::from_secs(8 * 3600);
const SECRET_OCTETS_MIN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Level;
    use crate::config::secret::Surroundings;
    use std::path::Path;

    fn check(http: &str, ingress: &str, expected: &[(Level, &str)]) {
        let limits = if http.contains("[limits]") { "" } else { "[limits]\nmail_size = \"30 MB\"\n" };
        let text = format!(
            "[server]\nhostname = \"mx.example.com\"\n{limits}[http]\n{http}\n[[account]]\nname = \"acme\"\ninbound_domain = \"r.example\"\n{ingress}\n"
        );
        let config = crate::config::parse(Path::new("replyd.toml"), &text, Surroundings::SYSTEM).expect("a config");
        let found = findings(&config);
        for (level, words) in expected {
            let is_it = |finding: &&Finding| finding.level == *level && finding.line.contains(words);
            assert!(found.iter().any(|finding| is_it(&finding)), "no {level:?} {words:?} in {found:#?}");
        }
        let worse = |levels: &mut dyn Iterator<Item = Level>| levels.filter(|level| *level != Level::Ok).count();
        let (of_found, of_expected) =
            (worse(&mut found.iter().map(|f| f.level)), worse(&mut expected.iter().map(|(level, _)| *level)));
        assert_eq!(of_found, of_expected, "{found:#?}");
    }

    const PUBLIC: &str = "public_url = \"https://chat.example.com\"";

    #[test]
    fn doors_are_told_set_up_or_not() {
        check("", "", &[(Level::Ok, "not set up: relay, postmark, sendgrid, mailgun, mandrill")]);
        let relay = "ingress.relay = { password = \"0123456789abcdef\" }";
        check(
            "",
            relay,
            &[(
                Level::Ok,
                "ingress relay takes mail at http://127.0.0.1:8025/rails/action_mailbox/relay/inbound_emails",
            )],
        );
        let all = "ingress.postmark = { password = \"0123456789abcdef\" }\ningress.sendgrid = { password = \"0123456789abcdef\" }\n\
            ingress.mailgun = { signing_key = \"0123456789abcdef0123456789abcdef\" }\ningress.mandrill = { api_key = \"0123456789abcdef\" }";
        check(
            PUBLIC,
            all,
            &[
                (Level::Ok, "https://chat.example.com/rails/action_mailbox/mailgun/inbound_emails/mime"),
                (Level::Ok, "not set up: relay"),
            ],
        );
    }

    #[test]
    fn the_usual_mistakes_are_named() {
        let mailgun = |key: &str| format!("ingress.mailgun = {{ signing_key = \"{key}\" }}");
        for key in ["key-3ax6xnjp29jd6fds4gc373sgvjxteol0", "0123456789abcdef0123456789abcdef-01234567-89abcdef"] {
            check(PUBLIC, &mailgun(key), &[(Level::Warning, "looks like an API key")]);
        }
        let short_lived = "ingress.mailgun = { signing_key = \"0123456789abcdef\", freshness = \"2 m\" }";
        check(PUBLIC, short_lived, &[(Level::Warning, "make it \"9 h\"")]);
        let mandrill = "ingress.mandrill = { api_key = \"md-0123456789abcdef\" }";
        check(PUBLIC, mandrill, &[(Level::Warning, "beside the webhook")]);
        let sendgrid = |more: &str| format!("ingress.sendgrid = {{ password = {more} }}");
        check(PUBLIC, &sendgrid("\"0123456789abcdef\", safe_status = false"), &[(Level::Warning, "leave it true")]);
        check(PUBLIC, &sendgrid("\"0123456789/abcdef\""), &[(Level::Warning, "percent-encoded")]);
        check(PUBLIC, &sendgrid("\"secret\""), &[(Level::Warning, "openssl rand")]);
        check(PUBLIC, &sendgrid("\"\""), &[(Level::Error, "ingress.sendgrid.password: the secret is empty")]);
        check(PUBLIC, &sendgrid("{ file = \"/nowhere/at/all\" }"), &[(Level::Error, "/nowhere/at/all")]);
        let good = sendgrid("\"0123456789abcdef\"");
        let small = format!("{PUBLIC}\n[limits]\nmail_size = \"29 MB\"");
        check(&small, &good, &[(Level::Warning, "make it \"30 MB\"")]);
        check("", &good, &[(Level::Warning, "no provider reaches this address")]);
        check("public_url = \"http://chat.example.com\"", &good, &[(Level::Warning, "in the clear")]);
        check("public_url = \"https://[::1]:8025\"", &good, &[(Level::Warning, "no provider reaches")]);
        check(&format!("listen = []\n{PUBLIC}"), &good, &[(Level::Error, "no ingress can be reached")]);
    }
}
