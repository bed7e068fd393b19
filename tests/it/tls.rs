//! TLS of the doors: versions, no tickets, names, reload, and what an attacker tries at its seams.

use super::certificates::{Written, write};
use super::peer::{ALL, Peer, Trust, Versions, letter};
use super::site::{Setting, Site};
use replyd::config::checked::Endpoint;
use replyd::conversation::model::Outcome;
use replyd::inbound::Door;
use replyd::net::tls::{Tls, TlsError, Watched};
use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const NAME: &str = "mx.example.com";
const ONLY_13: Versions = &[&TLS13];
const ONLY_12: Versions = &[&TLS12];

struct Secure {
    site: Site,
    dir: tempfile::TempDir,
    certificate: Written,
}

async fn secure() -> Secure {
    let dir = tempfile::tempdir().unwrap();
    let certificate = write(dir.path(), "mx", &[NAME]);
    let setting = Setting { certificates: vec![certificate.files.clone()], ..Setting::default() };
    Secure { site: Site::start(setting).await, dir, certificate }
}

impl Secure {
    fn trust(&self, versions: Versions) -> Trust {
        Trust { roots: vec![self.certificate.der.clone()], versions }
    }

    async fn starttls(&self, versions: Versions) -> Peer {
        let mut peer = Peer::ready(&self.site).await;
        peer.asks("STARTTLS", "220").await;
        peer.handshake(&self.trust(versions), NAME).await.unwrap()
    }
}

#[tokio::test]
async fn starttls_and_implicit_tls_take_mail_over_both_versions() {
    let secure = secure().await;
    for (versions, expected) in [(ONLY_13, "TLSv1.3 TLS13_"), (ONLY_12, "TLSv1.2 TLS_")] {
        let starttls = secure.starttls(versions).await;
        let implicit = Peer::connect(&secure.site.endpoint(Door::SmtpTls)).await;
        let mut implicit = implicit.handshake(&secure.trust(versions), NAME).await.unwrap();
        implicit.expect("220").await;
        for mut peer in [starttls, implicit] {
            let offered = peer.asks("EHLO client.example", "250").await;
            assert!(!offered.contains("STARTTLS"), "{offered}");
            peer.mails(&secure.site.reply_address(), &letter(expected), "250").await;
            peer.asks("QUIT", "221").await;
            let facts = secure.site.ledger().await.pop().unwrap().tls.unwrap();
            assert!(facts.starts_with(expected), "{facts}");
        }
    }
}

#[tokio::test]
async fn a_mail_with_requiretls_says_so_in_the_ledger() {
    let secure = secure().await;
    let mut peer = secure.starttls(ALL).await;
    peer.asks("EHLO client.example", "250").await;
    for (parameters, kept) in [(" REQUIRETLS", true), ("", false)] {
        peer.asks(&format!("MAIL FROM:<a@example.org>{parameters}"), "250").await;
        peer.asks(&format!("RCPT TO:<{}>", secure.site.reply_address()), "250").await;
        peer.asks("DATA", "354").await;
        peer.send(format!("{}\r\n.\r\n", letter(parameters))).await;
        peer.expect("250").await;
        let entry = secure.site.ledger().await.pop().expect("an entry");
        assert_eq!(entry.require_tls, kept, "{entry:?}");
    }
}

#[tokio::test]
async fn without_a_certificate_nothing_is_offered() {
    let site = Site::plain().await;
    let mut peer = Peer::greeted(&site).await;
    let offered = peer.asks("EHLO client.example", "250").await;
    assert!(!offered.contains("STARTTLS"), "{offered}");
    peer.asks("STARTTLS", "50").await;
}

/// Counts what a server gives to resume with.
#[derive(Debug, Default)]
struct Resumptions(AtomicUsize);

impl ClientSessionStore for Resumptions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

async fn implicit(site: &Site, config: rustls::ClientConfig, name: &str) -> tokio_rustls::client::TlsStream<TcpStream> {
    let Endpoint::Tcp(address) = site.endpoint(Door::SmtpTls) else { panic!("a TCP door") };
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn no_session_can_be_resumed() {
    let secure = secure().await;
    for versions in [ONLY_13, ONLY_12] {
        let resumptions = Arc::new(Resumptions::default());
        let mut config = rustls::ClientConfig::clone(&secure.trust(versions).config());
        config.resumption = rustls::client::Resumption::store(Arc::clone(&resumptions) as _);
        let mut stream = implicit(&secure.site, config, NAME).await;
        stream.write_all(b"QUIT\r\n").await.unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert!(String::from_utf8(said).unwrap().contains("\r\n221"));
        assert_eq!(resumptions.0.load(Ordering::SeqCst), 0);
    }
}

/// The certificate that a client is shown which asks for `name`.
async fn shown(site: &Site, roots: &[&Written], name: &str, sends_name: bool) -> CertificateDer<'static> {
    let trust = Trust { roots: roots.iter().map(|root| root.der.clone()).collect(), versions: ALL };
    let mut config = rustls::ClientConfig::clone(&trust.config());
    config.enable_sni = sends_name;
    let stream = implicit(site, config, name).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn each_name_gets_its_certificate_and_every_other_name_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let first = write(dir.path(), "first", &[NAME, "unlisted.example"]);
    let second = write(dir.path(), "second", &["*.bolt.example"]);
    let certificates = vec![first.files.clone(), second.files.clone()];
    let site = Site::start(Setting { certificates, ..Setting::default() }).await;
    let roots = [&first, &second];
    assert_eq!(shown(&site, &roots, "mx.bolt.example", true).await, second.der);
    assert_eq!(shown(&site, &roots, NAME, true).await, first.der);
    assert_eq!(shown(&site, &roots, "unlisted.example", true).await, first.der);
    assert_eq!(shown(&site, &roots, NAME, false).await, first.der);
}

#[tokio::test]
async fn a_new_certificate_is_served_after_reload_and_a_broken_one_never() {
    let secure = secure().await;
    let Secure { site, dir, certificate } = &secure;
    let pairs = [certificate.files.clone()];
    let mut running = secure.starttls(ALL).await;
    let replaced = write(dir.path(), "mx", &[NAME]);
    assert_eq!(shown(site, &[certificate], NAME, true).await, certificate.der);
    site.services.tls.reload(&pairs).unwrap();
    assert_eq!(shown(site, &[&replaced], NAME, true).await, replaced.der);

    let stranger = write(dir.path(), "stranger", &[NAME]);
    std::fs::copy(&stranger.files.key, &certificate.files.key).unwrap();
    assert!(matches!(site.services.tls.reload(&pairs), Err(TlsError::Mismatch { .. })));
    std::fs::write(&certificate.files.key, "no key").unwrap();
    assert!(matches!(site.services.tls.reload(&pairs), Err(TlsError::Missing { what: "private key", .. })));
    std::fs::write(&certificate.files.certificate, "no certificate").unwrap();
    assert!(matches!(site.services.tls.reload(&pairs), Err(TlsError::Missing { what: "certificate", .. })));
    std::fs::remove_file(&certificate.files.certificate).unwrap();
    assert!(matches!(site.services.tls.reload(&pairs), Err(TlsError::Read { .. })));
    assert_eq!(shown(site, &[&replaced], NAME, true).await, replaced.der);

    running.asks("EHLO client.example", "250").await;
    running.mails(&site.reply_address(), &letter("through it all"), "250").await;
}

#[tokio::test]
async fn changed_files_are_noticed_and_a_pair_replaced_in_two_steps_is_taken_after_the_second() {
    let secure = secure().await;
    let Secure { site, dir, certificate } = &secure;
    let pairs = [certificate.files.clone()];
    let mut watched = Watched::new(&pairs);
    let next = write(dir.path(), "next", &[NAME, "a.second.name.makes.it.longer.example"]);
    std::fs::copy(&next.files.certificate, &certificate.files.certificate).unwrap();
    watched.look(&site.services.tls, &pairs);
    assert_eq!(shown(site, &[certificate], NAME, true).await, certificate.der);
    // The second file is as long as the one before: its time tells that it is another.
    std::fs::copy(&next.files.key, &certificate.files.key).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
    std::fs::File::open(&certificate.files.key).unwrap().set_modified(later).unwrap();
    watched.look(&site.services.tls, &pairs);
    assert_eq!(shown(site, &[&next], NAME, true).await, next.der);
}

#[tokio::test]
async fn the_end_of_validity_is_known_for_every_certificate() {
    let secure = secure().await;
    let [(path, at)] = &secure.site.services.tls.not_after()[..] else { panic!("one certificate") };
    assert_eq!(*path, secure.certificate.files.certificate);
    assert!(at.0 > 0);
    assert!(Tls::load(&[]).unwrap().not_after().is_empty());
}

#[tokio::test]
async fn commands_injected_before_the_handshake_are_never_obeyed_inside_it() {
    let secure = secure().await;
    let mut peer = Peer::ready(&secure.site).await;
    peer.send("STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n").await;
    peer.expect("554 5.5.0").await;
    peer.expect_end().await;
}

#[tokio::test]
async fn what_was_said_in_clear_is_forgotten() {
    let secure = secure().await;
    let mut peer = Peer::ready(&secure.site).await;
    peer.asks("MAIL FROM:<ann@example.org>", "250").await;
    peer.asks("RSET", "250").await;
    peer.asks("STARTTLS", "220").await;
    let mut peer = peer.handshake(&secure.trust(ALL), NAME).await.unwrap();
    peer.asks("DATA", "503").await;
    peer.asks("MAIL FROM:<ann@example.org>", "503").await;
    peer.asks("EHLO client.example", "250").await;
    peer.asks("STARTTLS", "503").await;
}

#[tokio::test]
async fn a_tls_connection_cut_in_its_content_ends_no_mail() {
    let secure = secure().await;
    let mut peer = secure.starttls(ALL).await;
    peer.asks("EHLO client.example", "250").await;
    peer.begins_data(&secure.site.reply_address()).await;
    peer.send(letter("and then\r\n")).await;
    drop(peer);
    let entries = secure.site.ledger_of(1).await;
    assert_eq!((entries[0].outcome, entries[0].raw_id), (Outcome::Deferred, None));
}

#[tokio::test]
async fn octets_that_are_no_tls_end_the_handshake_and_are_counted() {
    let secure = secure().await;
    let mut peer = Peer::ready(&secure.site).await;
    peer.asks("STARTTLS", "220").await;
    peer.send("EHLO client.example\r\n").await;
    while let Some(octets) = peer.octets().await {
        assert!(!octets.starts_with(b"2"), "{octets:?}");
    }
    let label = replyd::net::counters::TlsErrorLabels { reason: "not_tls" };
    assert_eq!(secure.site.services.counters.smtp_tls_errors.get_or_create(&label).get(), 1);
}

#[tokio::test]
async fn a_handshake_that_never_begins_ends_at_its_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = write(dir.path(), "mx", &[NAME]);
    let mut setting = Setting { certificates: vec![certificate.files], ..Setting::default() };
    setting.limits.tls_handshake_timeout = std::time::Duration::ZERO;
    let site = Site::start(setting).await;
    Peer::connect(&site.endpoint(Door::SmtpTls)).await.expect_end().await;
}
