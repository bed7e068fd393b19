//! The dialogs over real sockets, with the real policy and store behind them.
//!
//! Left to the pure runner: answers that policy does not give by itself, deadlines, and what a client says before the
//! greeting, which reaches a socket before or behind it as the kernel likes.

use super::{Dialog, KNOWN, Step, all};
use crate::certificates::{Written, write};
use crate::peer::{ALL, Peer, Trust};
use crate::site::{Setting, Site, new_token};
use replyd::config::checked::{Network, Smtp};
use replyd::conversation::id::Id;
use replyd::conversation::model::Outcome;
use replyd::inbound::Door;
use replyd::smtp::question::Protocol;
use replyd::store::ledger::LedgerEntry;
use std::collections::HashMap;
use std::time::Duration;

const HOSTNAME: &str = "mx.reply.example";

#[tokio::test]
async fn every_dialog_holds_over_sockets() {
    let dialogs: Vec<Dialog> = all().into_iter().filter(is_for_sockets).collect();
    assert!(dialogs.len() > 50, "only {} dialogs run over sockets", dialogs.len());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let certificate = write(dir.path(), "mx", &[HOSTNAME]);
    let mut sites: HashMap<String, Site> = HashMap::new();
    for dialog in dialogs {
        // A store is expensive to make: dialogs with the same settings share one, unless they stop it.
        let settings = format!("{:?} {:?}", dialog.settings.limits, dialog.settings.offers);
        let site = match sites.remove(&settings) {
            Some(site) => site,
            None => site_for(&dialog, &certificate).await,
        };
        run(&dialog, &site, &certificate).await;
        if !dialog.steps.iter().any(|step| matches!(step, Step::Stop)) {
            sites.insert(settings, site);
        }
    }
}

fn is_for_sockets(dialog: &Dialog) -> bool {
    let timed = dialog.steps.iter().any(|step| matches!(step, Step::Timeout));
    let early = matches!(dialog.steps.first(), Some(Step::Write(_)));
    dialog.settings.answers.is_empty() && !timed && !early
}

async fn site_for(dialog: &Dialog, certificate: &Written) -> Site {
    let site = Site::start(setting(dialog, certificate)).await;
    site.reconfigure(|config| {
        config.server.hostname = HOSTNAME.into();
        config.accounts[0].inbound_domain = "reply.example".into();
    });
    site
}

async fn run(dialog: &Dialog, site: &Site, certificate: &Written) {
    let before = site.ledger().await.last().map(|entry| entry.id);
    let tokens = [new_token(&site.store).await, new_token(&site.store).await].map(|token| token.to_string());
    let door = match (dialog.settings.protocol, offers(dialog, "tls")) {
        (Protocol::Lmtp, _) => Door::Lmtp,
        (Protocol::Smtp, true) => Door::SmtpTls,
        (Protocol::Smtp, false) => Door::Smtp,
    };
    let trust = Trust { roots: vec![certificate.der.clone()], versions: ALL };
    let mut peer = Peer::connect(&site.endpoint(door)).await;
    if door == Door::SmtpTls {
        peer = peer.handshake(&trust, HOSTNAME).await.expect("a handshake");
    }
    for step in &dialog.steps {
        match step {
            Step::Write(octets) => peer.tries_to_send(&with_tokens(octets, &tokens)).await,
            Step::Reply(expected) => {
                let reply = peer.reply().await.unwrap_or_else(|| panic!("{}: closed, not {expected:?}", dialog.name));
                expected.check(&reply, &dialog.name);
            }
            Step::Tls => peer = peer.handshake(&trust, HOSTNAME).await.expect("a handshake"),
            Step::Eof => peer.shuts_its_side().await,
            Step::Stop => site.begin_to_stop(),
            Step::Close(_) => assert_eq!(peer.reply().await, None, "{}", dialog.name),
            Step::Timeout => unreachable!("left to the pure runner"),
        }
    }
    check_stored(dialog, site, &tokens, before).await;
}

fn offers(dialog: &Dialog, word: &str) -> bool {
    dialog.settings.offers.iter().any(|offer| offer == word)
}

fn setting(dialog: &Dialog, certificate: &Written) -> Setting {
    let mut limits = dialog.settings.limits.clone();
    limits.error_delay = Duration::ZERO;
    limits.disk_free_octets_min = 0;
    let loopback = Network { address: [127, 0, 0, 0].into(), prefix: 8 };
    let tls = offers(dialog, "tls") || offers(dialog, "starttls");
    Setting {
        limits,
        smtp: Smtp {
            xclient_from: if offers(dialog, "xclient") { vec![loopback] } else { Vec::new() },
            ..Smtp::default()
        },
        certificates: if tls { vec![certificate.files.clone()] } else { Vec::new() },
        ..Setting::default()
    }
}

/// The store draws its tokens: those of the dialog are replaced by them, in the case they are written in.
fn with_tokens(octets: &[u8], tokens: &[String; 2]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for (known, token) in KNOWN.iter().zip(tokens) {
        let known = &known["reply+".len()..][..token.len()];
        for (known, token) in [(known.to_owned(), token.clone()), (known.to_uppercase(), token.to_uppercase())] {
            while let Some(at) = octets.windows(known.len()).position(|window| window == known.as_bytes()) {
                octets[at..at + known.len()].copy_from_slice(token.as_bytes());
            }
        }
    }
    octets
}

/// Exactly these mails came, octet for octet. Two recipients of one mail share it, and so do two equal mails.
async fn check_stored(dialog: &Dialog, site: &Site, tokens: &[String; 2], before: Option<Id>) {
    let came = |entry: &LedgerEntry| {
        Some(entry.id) > before && matches!(entry.outcome, Outcome::Accepted | Outcome::Duplicate)
    };
    let mut stored = Vec::new();
    for entry in site.ledger().await.into_iter().filter(came) {
        let raw = site.store.raw_mail(entry.raw_id.expect("an accepted mail is kept")).await.expect("the mail");
        stored.push(String::from_utf8_lossy(&raw).into_owned());
    }
    let raw = |stored: &super::Stored| String::from_utf8_lossy(&with_tokens(&stored.raw, tokens)).into_owned();
    let mut expected: Vec<String> = dialog.stored.iter().map(raw).collect();
    for mails in [&mut stored, &mut expected] {
        mails.sort();
        mails.dedup();
    }
    assert_eq!(stored, expected, "{}", dialog.name);
}
