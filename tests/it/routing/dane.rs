//! DANE where a root of our own is signed, forged, or silent about signatures.

use super::signed_zone::SignedRoot;
use super::{TAIL, config, told};
use crate::certificates;
use replyd::clock::{Clock, UnixMs};
use replyd::dns::{Resolver, SecureResolver, Zone, ZoneServer};
use replyd::net::tls::Tls;
use replyd::outbound::hop::{Dane, TlsaRecord, Verification};
use replyd::outbound::route::{Demand, Router, RouterParts};
use replyd::outbound::verifier::ClientTls;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const ZONE: &str = r#"{
"good.example":[{"MX":[10,"mx.good.example"]}], "mx.good.example":[{"A":"192.0.2.1"},{"AAAA":"2001:db8::1"}],
"_25._tcp.mx.good.example":[{"TLSA":[3,1,1,"HASH"]},{"TLSA":[2,0,1,"HASH"]},{"TLSA":[1,1,1,"HASH"]}],
"plain.example":[{"MX":[10,"mx.plain.example"]}], "mx.plain.example":[{"A":"192.0.2.2"}],
"useless.example":[{"MX":[10,"mx.useless.example"]}], "mx.useless.example":[{"A":"192.0.2.3"}],
"_25._tcp.mx.useless.example":[{"TLSA":[0,0,1,"HASH"]}],
"implicit.example":[{"A":"192.0.2.4"}], "_25._tcp.implicit.example":[{"TLSA":[3,1,1,"HASH"]}],
"alias.example":[{"MX":[10,"www.alias.example"]}], "www.alias.example":[{"CNAME":"mx.good.example"}],
"silent.example":[{"MX":[10,"mx.silent.example"]}], "mx.silent.example":[{"A":"192.0.2.5"}],
"_25._tcp.mx.silent.example":["SERVFAIL"],
"halfsilent.example":[{"MX":[10,"mx.silent.example"]},{"MX":[20,"mx.good.example"]}],
"insecure.example":[{"MX":[10,"mx.insecure.example"]}], "mx.insecure.example":[{"A":"192.0.2.6"}],
"_25._tcp.mx.insecure.example":[{"TLSA":[3,1,1,"HASH"]}],
"tosecure.insecure.example":[{"MX":[10,"mx.good.example"]}],
"forged.example":[{"MX":[10,"mx.good.example"]}],
"tlsa.example":[{"MX":[10,"mx.forged.example"]}], "mx.forged.example":[{"A":"192.0.2.7"}],
"toinsecure.example":[{"MX":[10,"mx.insecure.example"]}],
"null.example":[{"MX":[0,"."]}]
}"#;

fn zone() -> String {
    ZONE.replace("HASH", &"ab".repeat(32))
}

/// Many answers depend on each other, and each of them is there to come.
fn patient(server: &ZoneServer) -> Resolver {
    Resolver::with_patience(&[server.address()], Duration::from_secs(10), 2).expect("a resolver")
}

fn router(dir: &std::path::Path, dns: SecureResolver, server: &ZoneServer) -> Router {
    let parts = RouterParts {
        dns,
        resolver: patient(server),
        roots: Arc::new(RootCertStore::empty()),
        policy_port: 443,
        clock: Clock::fixed(UnixMs(0)),
    };
    Router::assembled(&config(dir, ""), parts)
}

#[tokio::test]
async fn records_count_where_every_step_to_them_is_proven() {
    let dir = tempfile::tempdir().expect("a directory");
    let root = SignedRoot::new(&zone());
    let anchors = root.anchors();
    let server = root.serve().await;
    let dns = SecureResolver::anchored(patient(&server), anchors).expect("a resolver");
    let router = router(dir.path(), dns, &server);
    let good = "mx.good.example [192.0.2.1:25 [2001:db8::1]:25] Required dane×2 dane";
    for (domain, expected) in [
        ("good.example", format!("good.example > {good}")),
        ("plain.example", format!("plain.example > mx.plain.example [192.0.2.2:25] {TAIL}")),
        ("useless.example", "useless.example > mx.useless.example [192.0.2.3:25] Required unverified dane".into()),
        ("implicit.example", "implicit.example > implicit.example [192.0.2.4:25] Required dane×1 dane".into()),
        ("alias.example", format!("alias.example > {good}")),
        ("halfsilent.example", format!("silent.example > {good}")),
        ("insecure.example", format!("insecure.example > mx.insecure.example [192.0.2.6:25] {TAIL}")),
        ("toinsecure.example", format!("insecure.example > mx.insecure.example [192.0.2.6:25] {TAIL}")),
        (
            "tosecure.insecure.example",
            format!("good.example > mx.good.example [192.0.2.1:25 [2001:db8::1]:25] {TAIL}"),
        ),
        ("null.example", "5.1.10 the domain null.example says that it takes no mail (null MX)".into()),
        ("absent.example", "5.1.2? the domain absent.example does not exist".into()),
        (
            "forged.example",
            "later the mail servers of forged.example cannot be looked up: DNS trouble: the answer fails DNSSEC validation"
                .into(),
        ),
    ] {
        assert_eq!(told(router.route(domain, Demand::Usual).await), expected, "{domain}");
    }
    for domain in ["silent.example", "tlsa.example"] {
        let routed = told(router.route(domain, Demand::Usual).await);
        assert!(routed.starts_with("later "), "{domain}: {routed}");
    }
    let proven = told(router.route("plain.example", Demand::RequireTls).await);
    assert_eq!(proven, "plain.example > mx.plain.example [192.0.2.2:25] Required verified requiretls");
}

#[tokio::test]
async fn without_a_proven_root_dane_is_off_and_mail_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = ZoneServer::start(Zone::parse(&zone()).expect("a zone")).await.expect("a server");
    let dns = SecureResolver::new(patient(&server)).expect("a resolver");
    let router = router(dir.path(), dns, &server);
    let expected = format!("good.example > mx.good.example [192.0.2.1:25 [2001:db8::1]:25] {TAIL}");
    assert_eq!(told(router.route("good.example", Demand::Usual).await), expected);
    assert_eq!(told(router.route("forged.example", Demand::Usual).await), expected);
}

/// What comes of a handshake with a host whose key these records publish, or not.
async fn handshake(records: [&str; 2]) -> [bool; 2] {
    let dir = tempfile::tempdir().expect("a directory");
    let written = certificates::write(dir.path(), "host", &["elsewhere.example"]);
    let tls = Tls::load(&[written.files]).expect("a certificate");
    let parsed = ParsedCertificate::try_from(&written.der).expect("a certificate");
    let key = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &parsed.subject_public_key_info());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut host = JoinSet::new();
    host.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = tls.acceptor().accept(stream).await;
        }
    });
    let mut taken = [false; 2];
    for (taken, record) in taken.iter_mut().zip(records) {
        let data = if record == "its key" { key.as_ref().to_vec() } else { vec![7; 32] };
        let record = TlsaRecord { usage: 3, selector: 1, matching: 1, data };
        let verification = Verification::Dane(Dane { records: vec![record], next_hop: None });
        let config = ClientTls::with_roots(RootCertStore::empty()).config(&verification).expect("a config");
        let name = ServerName::try_from("mx.good.example").expect("a name");
        let stream = TcpStream::connect(address).await.expect("a connection");
        *taken = TlsConnector::from(config).connect(name, stream).await.is_ok();
    }
    taken
}

#[tokio::test]
async fn a_handshake_succeeds_with_the_published_key_and_no_other() {
    assert_eq!(handshake(["its key", "another key"]).await, [true, false]);
}
