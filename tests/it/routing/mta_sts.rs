//! MTA-STS over a real HTTPS server with a certificate authority of its own.

use super::{TAIL, config, told};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use replyd::clock::{Clock, UnixMs};
use replyd::dns::{Resolver, SecureResolver, Zone, ZoneServer};
use replyd::outbound::route::{Demand, Router, RouterParts};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Policy hosts of every domain below `named.example`, whose names the certificate has, and of `unnamed.example`.
struct PolicyHosts {
    port: u16,
    roots: Arc<RootCertStore>,
    served: Arc<Served>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Served {
    /// Whole responses by domain.
    responses: Mutex<HashMap<String, String>>,
    requests: AtomicUsize,
}

impl PolicyHosts {
    async fn start(domains: &[&str]) -> PolicyHosts {
        let mut params = CertificateParams::new(Vec::new()).expect("names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
        let names: Vec<String> = domains.iter().map(|domain| format!("mta-sts.{domain}")).collect();
        let key = KeyPair::generate().expect("a key");
        let host = CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![host.der().clone()], key)
            .expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).expect("a root");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (served, mut tasks) = (Arc::new(Served::default()), JoinSet::new());
        tasks.spawn(accept(listener, TlsAcceptor::from(Arc::new(tls)), Arc::clone(&served)));
        PolicyHosts { port, roots: Arc::new(roots), served, _tasks: tasks }
    }

    fn serve(&self, domain: &str, response: String) {
        self.served.responses.lock().expect("a lock").insert(format!("mta-sts.{domain}"), response);
    }

    fn requests(&self) -> usize {
        self.served.requests.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, served: Arc<Served>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, served) = (tls.clone(), Arc::clone(&served));
        connections.spawn(async move {
            let _ = answer(stream, tls, &served).await;
        });
    }
}

async fn answer(stream: TcpStream, tls: TlsAcceptor, served: &Served) -> std::io::Result<()> {
    let mut stream = BufReader::new(tls.accept(stream).await?);
    let (mut line, mut host) = (String::new(), String::new());
    while stream.read_line(&mut line).await? > 2 {
        // RFC 9110 §7.2: the port stands behind the name where it is not 443, as here.
        let name = line.strip_prefix("host: ").and_then(|name| name.trim().split(':').next());
        host = name.map_or(host, str::to_owned);
        line.clear();
    }
    served.requests.fetch_add(1, Ordering::SeqCst);
    let response = served.responses.lock().expect("a lock").get(&host).cloned();
    let response = response.unwrap_or_else(|| "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned());
    stream.get_mut().write_all(response.as_bytes()).await?;
    stream.get_mut().shutdown().await
}

fn response(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nlocation: https://127.0.0.1/\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn policy(mode: &str, mx: &str, max_age: u64) -> String {
    let body = format!("version: STSv1\r\nmode: {mode}\r\nmx: {mx}\r\nmax_age: {max_age}\r\n");
    response("200 OK", "text/plain; charset=utf-8", &body)
}

/// Domains with two MX hosts, a policy host, and an announcement.
async fn zone(domains: &[&str], id: &str) -> ZoneServer {
    let of = |domain: &&str| {
        format!(
            r#""{domain}":[{{"MX":[10,"mx1.{domain}"]}},{{"MX":[20,"mx2.{domain}"]}}],
            "mx1.{domain}":[{{"A":"192.0.2.1"}}],"mx2.{domain}":[{{"A":"192.0.2.2"}}],
            "mta-sts.{domain}":[{{"A":"127.0.0.1"}}],"_mta-sts.{domain}":[{{"TXT":"v=STSv1; id={id};"}}]"#
        )
    };
    let text = format!("{{{}}}", domains.iter().map(of).collect::<Vec<_>>().join(","));
    ZoneServer::start(Zone::parse(&text).expect("a zone")).await.expect("a server")
}

fn router(dir: &Path, zone: &ZoneServer, hosts: &PolicyHosts, clock: &Clock) -> Router {
    let resolver = Resolver::with_patience(&[zone.address()], Duration::from_secs(10), 2).expect("a resolver");
    let parts = RouterParts {
        dns: SecureResolver::without_validation(resolver.clone()),
        resolver,
        roots: Arc::clone(&hosts.roots),
        policy_port: hosts.port,
        clock: clock.clone(),
    };
    Router::assembled(&config(dir, "allow_private = true"), parts)
}

/// Hosts of a route with what they must show, addresses left out.
async fn shown(router: &Router, domain: &str) -> String {
    let routed = told(router.route(domain, Demand::Usual).await).replace(TAIL, "open");
    let routed = routed.replace("Required verified mta-sts", "sts").replace(&format!(".{domain}"), "");
    routed.replace(" [192.0.2.1:25]", "").replace(" [192.0.2.2:25]", "").replace(&format!("{domain} > "), "")
}

#[tokio::test]
async fn a_policy_decides_which_hosts_get_mail_and_anything_else_is_no_policy() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut domains = vec!["unnamed.example"];
    let cases = [
        ("enforce.example", policy("enforce", "*.enforce.example", 86400), "mx1 sts > mx2 sts"),
        ("one.example", policy("enforce", "mx2.one.example", 86400), "mx2 sts"),
        (
            "neither.example",
            policy("enforce", "mx.elsewhere.example", 86400),
            "later no host of neither.example may get this mail now: mx1 is not among the hosts that the domain's MTA-STS policy names",
        ),
        ("testing.example", policy("testing", "mx.elsewhere.example", 86400), "mx1 open > mx2 open"),
        ("none.example", policy("none", "mx.elsewhere.example", 86400), "mx1 open > mx2 open"),
        (
            "moved.example",
            policy("enforce", "mx.x.example", 86400).replace("200 OK", "301 Moved"),
            "mx1 open > mx2 open",
        ),
        (
            "html.example",
            policy("enforce", "mx.x.example", 86400).replace("text/plain", "text/html"),
            "mx1 open > mx2 open",
        ),
        (
            "large.example",
            response("200 OK", "text/plain", &format!("{}version: STSv1", "x: y\r\n".repeat(200_000))),
            "mx1 open > mx2 open",
        ),
        ("nonsense.example", response("200 OK", "text/plain", "hello"), "mx1 open > mx2 open"),
        ("broken.example", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nversion".to_owned(), "mx1 open > mx2 open"),
    ];
    let named: Vec<&str> = cases.iter().map(|(domain, _, _)| *domain).collect();
    domains.extend(&named);
    let (hosts, zone) = (PolicyHosts::start(&named).await, zone(&domains, "1").await);
    let router = router(dir.path(), &zone, &hosts, &Clock::fixed(UnixMs(0)));
    hosts.serve("unnamed.example", policy("enforce", "mx.x.example", 86400));
    for (domain, response, expected) in cases {
        hosts.serve(domain, response);
        assert_eq!(shown(&router, domain).await, expected, "{domain}");
    }
    let before = hosts.requests();
    assert_eq!(shown(&router, "unnamed.example").await, "mx1 open > mx2 open", "a certificate for other names");
    for domain in ["enforce.example", "moved.example"] {
        shown(&router, domain).await;
    }
    assert_eq!(hosts.requests(), before, "policies and failures are remembered");
}

#[tokio::test]
async fn a_policy_holds_over_restarts_and_outages_until_it_expires_or_is_taken_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let (domain, clock) = ("held.example", Clock::fixed(UnixMs(0)));
    let (first, hosts) = (zone(&[domain], "1").await, PolicyHosts::start(&[domain]).await);
    hosts.serve(domain, policy("enforce", "mx1.held.example", 1000));
    let router_of = |zone: &ZoneServer| router(dir.path(), zone, &hosts, &clock);
    assert_eq!(shown(&router_of(&first), domain).await, "mx1 sts");

    hosts.serve(domain, response("500 Down", "text/plain", ""));
    clock.set(UnixMs(400_000));
    assert_eq!(shown(&router_of(&first), domain).await, "mx1 sts", "read from disk");
    assert_eq!(hosts.requests(), 1, "half of its time is not over");
    clock.set(UnixMs(999_999));
    assert_eq!(shown(&router_of(&first), domain).await, "mx1 sts", "it cannot be had anew, and still holds");
    let nameless = ZoneServer::start(
        Zone::parse(r#"{"held.example":[{"MX":[10,"mx2.held.example"]}],"mx2.held.example":[{"A":"192.0.2.2"}],"_mta-sts.held.example":["SERVFAIL"]}"#)
            .expect("a zone"),
    );
    let nameless = nameless.await.expect("a server");
    assert!(shown(&router_of(&nameless), domain).await.starts_with("later "), "nor by hiding the announcement");
    assert_eq!(hosts.requests(), 2);
    clock.set(UnixMs(1_000_000));
    assert_eq!(shown(&router_of(&nameless), domain).await, "mx2 open", "expired");

    hosts.serve(domain, policy("enforce", "mx1.held.example", 1000));
    assert_eq!(shown(&router_of(&first), domain).await, "mx1 sts", "held again");
    hosts.serve(domain, policy("none", "mx1.held.example", 1000));
    assert_eq!(shown(&router_of(&first), domain).await, "mx1 sts", "the same id is the same policy");
    let second = zone(&[domain], "2").await;
    assert_eq!(shown(&router_of(&second), domain).await, "mx1 open > mx2 open", "taken back");
}

#[tokio::test]
async fn a_policy_host_inside_our_network_is_not_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let (zone, hosts) = (zone(&["a.example"], "1").await, PolicyHosts::start(&["a.example"]).await);
    hosts.serve("a.example", policy("enforce", "mx1.a.example", 1000));
    let resolver = Resolver::with_patience(&[zone.address()], Duration::from_secs(10), 2).expect("a resolver");
    let parts = RouterParts {
        dns: SecureResolver::without_validation(resolver.clone()),
        resolver,
        roots: Arc::clone(&hosts.roots),
        policy_port: hosts.port,
        clock: Clock::fixed(UnixMs(0)),
    };
    let router = Router::assembled(&config(dir.path(), ""), parts);
    assert_eq!(shown(&router, "a.example").await, "mx1 open > mx2 open");
    assert_eq!(hosts.requests(), 0);
}

#[tokio::test]
async fn many_mails_at_once_fetch_a_policy_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let (zone, hosts) = (zone(&["a.example"], "1").await, PolicyHosts::start(&["a.example"]).await);
    hosts.serve("a.example", policy("enforce", "mx1.a.example", 1000));
    let router = Arc::new(router(dir.path(), &zone, &hosts, &Clock::fixed(UnixMs(0))));
    let mut mails = JoinSet::new();
    for _ in 0..20 {
        let router = Arc::clone(&router);
        mails.spawn(async move { shown(&router, "a.example").await });
    }
    let told: Vec<String> = mails.join_all().await;
    assert!(told.iter().all(|told| told == "mx1 sts"), "{told:?}");
    assert_eq!(hosts.requests(), 1);
}
