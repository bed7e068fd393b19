//! `replyd check`: webhooks and bridges, as far as they can be judged without calling anybody.

use super::check::Finding;
use crate::config::checked::{Account, Bridge, Config, Scheme, Target, TargetHost};
use crate::net::dialable;

pub fn findings(config: &Config) -> Vec<Finding> {
    config.accounts.iter().flat_map(of_account).collect()
}

fn of_account(account: &Account) -> Vec<Finding> {
    let mut findings = not_set_up(account);
    for hook in &account.webhooks {
        let name = format!("account {}: webhook {}", account.name, hook.url);
        findings.extend(place(&name, &hook.url, hook.allow_private));
        if hook.secret.expose().chars().count() < SECRET_CHARACTERS_MIN {
            findings.push(Finding::warning(format!(
                "{name}: its secret is short, so signatures can be guessed; use 16 random characters or more"
            )));
        }
    }
    findings.extend(account.bridge.iter().flat_map(|bridge| of_bridge(&format!("account {}", account.name), bridge)));
    for inbox in &account.inboxes {
        let name = format!("inbox {}/{}", account.name, inbox.name);
        findings.extend(inbox.bridge.iter().flat_map(|bridge| of_bridge(&name, bridge)));
    }
    findings
}

fn not_set_up(account: &Account) -> Vec<Finding> {
    let mut findings = Vec::new();
    if account.webhooks.is_empty() {
        let line = format!(
            "account {}: webhooks: none in the config (replyd webhook list shows those made at run time)",
            account.name
        );
        findings.push(Finding::ok(line));
    }
    if account.bridge.is_none() && account.inboxes.iter().all(|inbox| inbox.bridge.is_none()) {
        findings.push(Finding::ok(format!("account {}: bridge: not set up", account.name)));
    }
    findings
}

fn of_bridge(owner: &str, bridge: &Bridge) -> Vec<Finding> {
    let name = format!("{owner}: bridge {}", bridge.url);
    let mut findings = place(&name, &bridge.url, bridge.allow_private);
    let path = bridge.url.path.split('?').next().unwrap_or_default().trim_end_matches('/');
    if !RELAYS.iter().any(|relay| path.ends_with(relay)) {
        findings.push(Finding::warning(format!(
            "{name}: Action Mailbox's relay ingress is at …/rails/action_mailbox/relay/inbound_emails; another path is right \
             only if something else takes the mail there"
        )));
    }
    if let Some(hook) = &bridge.recipients.hook {
        findings.extend(place(&format!("{owner}: recipient hook {}", hook.url), &hook.url, hook.allow_private));
    }
    findings
}

/// Whether it is set up; what would keep calls from it.
fn place(name: &str, target: &Target, allow_private: bool) -> Vec<Finding> {
    if let TargetHost::Address(ip) = target.host
        && let Some(what) = dialable::refusal(ip).filter(|_| !allow_private)
    {
        return vec![Finding::error(format!("{name}: {ip} is {what} and is not called; set allow_private = true"))];
    }
    let set_up = Finding::ok(format!("{name}: set up"));
    match target.scheme {
        Scheme::Http if !allow_private => {
            vec![set_up, Finding::warning(format!("{name}: what is sent crosses the network in the clear; use https"))]
        }
        Scheme::Http | Scheme::Https => vec![set_up],
    }
}

const RELAYS: [&str; 4] =
    ["/relay/inbound_emails", "/exim/inbound_emails", "/postfix/inbound_emails", "/qmail/inbound_emails"];
const SECRET_CHARACTERS_MIN: usize = 16;
