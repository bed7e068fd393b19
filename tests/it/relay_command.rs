//! `replyd relay` as an MTA runs it: words without a line end on stdout, nothing on stderr, and the code that decides the
//! mail's fate; and its spool.

use crate::certificates;
use crate::ingress_request::{Door, house_with, mail};
use crate::product::Product;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const MAIL: &[u8] =
    b"From: jane@customer.example\nTo: support@acme.example\nSubject: Pipe\nMessage-ID: <p@x>\n\nHello\n";
const PASSWORD: &str = "secret";

/// Runs it with this mail; stdout and code. Nothing may stand on stderr.
fn relay(words: &[&str], environment: &[(&str, &str)], mail: &[u8]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
    command.arg("relay").args(words).env_clear().envs(environment.iter().copied());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("replyd runs");
    // It may end before it has read everything.
    let _ = child.stdin.take().expect("a pipe").write_all(mail);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    (String::from_utf8(output.stdout).expect("text"), output.status.code().expect("no signal"))
}

/// What every MTA is told of this server.
fn check(url: &str, message: &str, status: &str, codes: [i32; 3]) {
    let environment = [("URL", url), ("INGRESS_PASSWORD", PASSWORD)];
    for ((mta, text), code) in
        [("exim", message.to_owned()), ("postfix", format!("{status} {message}")), ("qmail", message.to_owned())]
            .into_iter()
            .zip(codes)
    {
        assert_eq!(relay(&[mta], &environment, MAIL), (text, code), "{mta} to {url}");
    }
}

const DEFERRED: [i32; 3] = [75, 1, 111];

/// What a stub server does with each connection.
#[derive(Clone, Copy)]
enum Does {
    /// Reads the whole request, then says this.
    Answers(&'static str),
    /// 500 to a mail with this word in it, 204 to any other.
    Stumbles(&'static str),
    /// Says this before it reads, and closes.
    AnswersAtOnce(&'static str),
    Closes,
}

/// A server for as long as the test runs, and the requests it got.
struct Stub {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Stub {
    fn start(does: Does) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stub = Stub { address: listener.local_addr().expect("an address"), seen: Arc::default() };
        let seen = Arc::clone(&stub.seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, does, &seen);
            }
        });
        stub
    }

    fn url(&self) -> String {
        format!("http://{}/rails/action_mailbox/relay/inbound_emails", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").iter().map(|octets| String::from_utf8_lossy(octets).into_owned()).collect()
    }
}

fn serve(mut stream: TcpStream, does: Does, seen: &Mutex<Vec<Vec<u8>>>) {
    match does {
        Does::Closes => {}
        Does::AnswersAtOnce(answer) => {
            let _ = stream.write_all(answer.as_bytes());
        }
        Does::Stumbles(word) => {
            let octets = request(&mut BufReader::new(&stream));
            let stumbles = String::from_utf8_lossy(&octets).contains(word);
            seen.lock().expect("no panic").push(octets);
            let status = if stumbles { "500 Internal Server Error" } else { "204 No Content" };
            let _ = stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
        }
        Does::Answers(answer) => {
            let octets = request(&mut BufReader::new(&stream));
            seen.lock().expect("no panic").push(octets);
            let _ = stream.write_all(answer.as_bytes());
        }
    }
}

/// A request with its length.
fn request(reader: &mut impl BufRead) -> Vec<u8> {
    let mut octets = Vec::new();
    while reader.read_until(b'\n', &mut octets).is_ok_and(|read| read > 2) {}
    let head = String::from_utf8_lossy(&octets).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    octets.extend(body);
    octets
}

fn unused_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}/", listener.local_addr().expect("an address"))
}

#[test]
fn without_its_environment_it_says_what_is_required() {
    let required = "URL and INGRESS_PASSWORD are required";
    for environment in
        [&[][..], &[("URL", "http://x/")], &[("INGRESS_PASSWORD", "x")], &[("URL", " "), ("INGRESS_PASSWORD", "x")]]
    {
        for (mta, text, code) in
            [("exim", required, 64), ("postfix", &format!("4.3.5 {required}"), 1), ("qmail", required, 111)]
        {
            assert_eq!(relay(&[mta], environment, MAIL), (text.to_owned(), code), "{mta} {environment:?}");
        }
    }
}

#[test]
fn variables_may_stand_on_the_line_as_for_rake() {
    let stub = Stub::start(Does::Answers("HTTP/1.1 204 No Content\r\n\r\n"));
    let url = format!("URL={}", stub.url());
    let (text, code) = relay(&["postfix", &url, "INGRESS_PASSWORD=x=y"], &[("URL", "http://elsewhere.invalid/")], MAIL);
    assert_eq!((text.as_str(), code), ("2.0.0 Successfully relayed message to ingress", 0));
    assert!(stub.requests()[0].contains("Basic YWN0aW9ubWFpbGJveDp4PXk=\r\n"));
}

#[test]
fn what_the_server_answers_decides() {
    let done = "Successfully relayed message to ingress";
    for answer in [
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
    ] {
        check(&Stub::start(Does::Answers(answer)).url(), done, "2.0.0", [0, 0, 0]);
    }
    let wrong = Stub::start(Does::Answers("HTTP/1.1 401 Unauthorized\r\n\r\nHTTP Basic: Access denied.\n"));
    check(&wrong.url(), "Invalid credentials for ingress", "4.7.0", DEFERRED);
    for (answer, status) in [
        ("301 Moved\r\nLocation: http://127.0.0.1:1/", 301),
        ("404 x", 404),
        ("415 x", 415),
        ("422 x", 422),
        ("500 x", 500),
        ("503 x", 503),
    ] {
        let answer: &'static str = format!("HTTP/1.1 {answer}\r\n\r\n").leak();
        check(&Stub::start(Does::Answers(answer)).url(), &format!("HTTP {status}"), "4.0.0", DEFERRED);
    }
}

#[test]
fn a_network_that_fails_is_named_and_nothing_bounces() {
    for url in [unused_url(), Stub::start(Does::Closes).url(), "http://host.invalid/".to_owned()] {
        let environment = [("URL", url.as_str()), ("INGRESS_PASSWORD", PASSWORD)];
        for (mta, begins, code) in [("exim", "", 75), ("postfix", "4.4.2 ", 1), ("qmail", "", 111)] {
            let (text, found) = relay(&[mta], &environment, MAIL);
            // A resolver of its own may take longer than a connection is waited for.
            let network = format!("{begins}Network error relaying to ingress: ");
            let late = format!("{begins}Timed out relaying to ingress");
            assert!(text.starts_with(&network) || text == late, "{mta} to {url}: {text}");
            assert_eq!(found, code, "{mta} to {url}");
            assert!(!text.contains('\n'), "{text}");
        }
    }
    let smtp = Stub::start(Does::AnswersAtOnce("220 mx.example ESMTP\r\n"));
    let (text, code) = relay(&["postfix"], &[("URL", &smtp.url()), ("INGRESS_PASSWORD", PASSWORD)], MAIL);
    assert!(text.starts_with("4.4.2 Network error relaying to ingress: "), "{text}");
    assert_eq!(code, 1);
}

#[test]
fn a_url_that_is_none_is_an_error_of_the_call() {
    let (text, code) = relay(&["postfix"], &[("URL", "ftp://x/"), ("INGRESS_PASSWORD", "x")], MAIL);
    assert!(text.starts_with("4.0.0 Error relaying to ingress: URL \"ftp://x/\""), "{text}");
    assert_eq!(code, 1);
}

#[test]
fn the_request_is_what_a_relay_ingress_expects() {
    let stub = Stub::start(Does::Answers("HTTP/1.1 204 No Content\r\n\r\n"));
    assert_eq!(relay(&["exim"], &[("URL", &stub.url()), ("INGRESS_PASSWORD", "a:b")], MAIL).1, 0);
    let request = stub.requests().pop().expect("a request");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    assert_eq!(body.as_bytes(), MAIL);
    for line in [
        "POST /rails/action_mailbox/relay/inbound_emails HTTP/1.1",
        &format!("Host: {}", stub.address),
        &format!("User-Agent: Action Mailbox relayer v{}", env!("CARGO_PKG_VERSION")),
        "Authorization: Basic YWN0aW9ubWFpbGJveDphOmI=",
        "Content-Type: message/rfc822",
        &format!("Content-Length: {}", MAIL.len()),
    ] {
        assert!(head.lines().any(|found| found == line), "{line} is missing in {head}");
    }
}

#[test]
fn a_server_is_trusted_by_its_certificate_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let made = certificates::write(dir.path(), "tls", &["localhost"]);
    let (address, config) = tls_server(&made);
    let url = format!("https://localhost:{}/", address.port());
    let roots = made.files.certificate.to_str().expect("a path");
    let of =
        |roots: &str| relay(&["postfix"], &[("URL", &url), ("INGRESS_PASSWORD", "x"), ("SSL_CERT_FILE", roots)], MAIL);
    assert_eq!(of(roots), ("2.0.0 Successfully relayed message to ingress".to_owned(), 0));
    let other = certificates::write(dir.path(), "other", &["localhost"]);
    let (text, code) = of(other.files.certificate.to_str().expect("a path"));
    assert!(text.starts_with("4.0.0 Error relaying to ingress: invalid peer certificate"), "{text}");
    assert_eq!(code, 1);
    let by_address = format!("https://127.0.0.1:{}/", address.port());
    let (text, _) =
        relay(&["postfix"], &[("URL", &by_address), ("INGRESS_PASSWORD", "x"), ("SSL_CERT_FILE", roots)], MAIL);
    assert!(text.contains("invalid peer certificate"), "{text}");
    drop(config);
}

fn tls_server(made: &certificates::Written) -> (SocketAddr, Arc<rustls::ServerConfig>) {
    use rustls::pki_types::pem::PemObject;
    replyd::daemon::serve::install_crypto();
    let chain = rustls::pki_types::CertificateDer::pem_file_iter(&made.files.certificate).expect("a file");
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(&made.files.key).expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain.map(|one| one.expect("a certificate")).collect(), key)
        .expect("a pair");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let of_thread = Arc::clone(&config);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let Ok(connection) = rustls::ServerConnection::new(Arc::clone(&of_thread)) else { return };
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let _ = request(&mut BufReader::new(&mut stream));
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    });
    (address, config)
}

fn house() -> Product {
    house_with("ingress.relay = { password = \"relay secret\" }\n", "")
}

fn url_of(product: &Product) -> String {
    let address = product.running.http_addresses().first().expect("an address");
    format!("http://{address}{}", Door::Relay.path())
}

fn outcomes(product: &Product) -> Vec<String> {
    let items = product.owner.get("/api/v1/inbound?limit=200", "").json();
    let of = |item: &serde_json::Value| format!("{} {}", item["ingress"], item["outcome"]).replace('"', "");
    items["items"].as_array().expect("items").iter().rev().map(of).collect()
}

#[test]
fn it_brings_small_and_large_mail_to_a_real_replyd() {
    let product = house();
    let environment = [("URL", &*url_of(&product)), ("INGRESS_PASSWORD", "relay secret")];
    for octets in [0, 10, 256 * 1024, 5 << 20] {
        let raw = mail("support@acme.example", &format!("Of {octets}")) + &"x\n".repeat(octets / 2);
        assert_eq!(relay(&["exim"], &environment, raw.as_bytes()).1, 0, "{octets}");
        let newest = product.owner.get("/api/v1/inbound?limit=1", "").json()["items"][0].clone();
        assert_eq!((newest["ingress"].as_str(), newest["size"].as_u64()), (Some("pipe"), Some(raw.len() as u64)));
    }
    let wrong = [environment[0], ("INGRESS_PASSWORD", "wrong")];
    let large = "x\n".repeat(1 << 20);
    for raw in [MAIL, large.as_bytes()] {
        assert_eq!(relay(&["qmail"], &wrong, raw), ("Invalid credentials for ingress".to_owned(), 111));
    }
    product.stop();
}

fn waiting(spool: &Path) -> usize {
    let entries = std::fs::read_dir(spool).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    entries.iter().filter(|entry| entry.path().extension().is_some_and(|extension| extension == "eml")).count()
}

#[test]
fn a_spool_keeps_what_cannot_be_sent_and_brings_it_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let spool = dir.path().join("spool");
    let words = ["postfix", "--spool", spool.to_str().expect("a path")];
    let spooled = ("2.0.0 Spooled message until the ingress is back".to_owned(), 0);
    let away = unused_url();
    for number in 0..3 {
        let raw = format!("Subject: {number}\n\n");
        assert_eq!(relay(&words, &[("URL", &away), ("INGRESS_PASSWORD", PASSWORD)], raw.as_bytes()), spooled);
    }
    let broken = Stub::start(Does::Answers("HTTP/1.1 503 x\r\n\r\n"));
    assert_eq!(relay(&words, &[("URL", &broken.url()), ("INGRESS_PASSWORD", PASSWORD)], b"Subject: 3\n\n"), spooled);
    assert_eq!(waiting(&spool), 4);
    // Who is refused stays with the MTA, and so does what waits.
    let refusing = Stub::start(Does::Answers("HTTP/1.1 401 x\r\n\r\n"));
    let refused = relay(&words, &[("URL", &refusing.url()), ("INGRESS_PASSWORD", PASSWORD)], b"Subject: x\n\n");
    assert_eq!(refused, ("4.7.0 Invalid credentials for ingress".to_owned(), 1));
    assert_eq!(waiting(&spool), 4);
    let back = Stub::start(Does::Answers("HTTP/1.1 204 No Content\r\n\r\n"));
    let brought = relay(&words, &[("URL", &back.url()), ("INGRESS_PASSWORD", PASSWORD)], b"Subject: 4\n\n");
    assert_eq!(brought, ("2.0.0 Successfully relayed message to ingress".to_owned(), 0));
    let subjects: Vec<_> = back
        .requests()
        .iter()
        .map(|request| request.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.trim().to_owned()))
        .collect();
    assert_eq!(subjects, ["Subject: 0", "Subject: 1", "Subject: 2", "Subject: 3", "Subject: 4"]);
    assert_eq!(waiting(&spool), 0);
}

#[test]
fn one_poisonous_mail_does_not_stand_before_the_others() {
    let dir = tempfile::tempdir().expect("a folder");
    let words = ["exim", "--spool", dir.path().to_str().expect("a path")];
    let away = unused_url();
    assert_eq!(relay(&words, &[("URL", &away), ("INGRESS_PASSWORD", PASSWORD)], b"poison").1, 0);
    let picky = Stub::start(Does::Answers("HTTP/1.1 413 x\r\n\r\n"));
    let (text, code) = relay(&words, &[("URL", &picky.url()), ("INGRESS_PASSWORD", PASSWORD)], b"another");
    assert_eq!((text.as_str(), code), ("HTTP 413", 75));
    assert_eq!((waiting(dir.path()), waiting(&dir.path().join("refused"))), (0, 1));
}

/// What a server cannot take for its own reasons is no reason to keep all that came later.
#[test]
fn a_mail_that_always_gets_a_500_holds_up_the_others_for_a_few_calls_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("a path");
    let words = ["postfix", "--spool", folder];
    let away = unused_url();
    for subject in ["poison", "one", "two"] {
        let raw = format!("Subject: {subject}\n\n");
        assert_eq!(relay(&words, &[("URL", &away), ("INGRESS_PASSWORD", PASSWORD)], raw.as_bytes()).1, 0);
    }
    let stub = Stub::start(Does::Stumbles("poison"));
    let url = stub.url();
    let call =
        |words: &[&str], raw: &str| relay(words, &[("URL", &url), ("INGRESS_PASSWORD", PASSWORD)], raw.as_bytes());
    let flush = ["postfix", "--spool", folder, "--flush"];
    for _ in 0..4 {
        assert_eq!(call(&flush, ""), ("4.0.0 Error relaying to ingress: 3 messages wait still".to_owned(), 1));
    }
    let (text, code) = call(&flush, "");
    assert!(text.contains("1 spooled messages get 5xx every time") && code == 1, "{text} {code}");
    assert_eq!(waiting(dir.path()), 1);
    // A new mail goes by, and the old one is tried each time.
    let (text, code) = call(&words, "Subject: three\n\n");
    assert!(text.starts_with("2.0.0 Successfully relayed message to ingress; 1 spooled") && code == 0, "{text} {code}");
    let subjects: Vec<_> = stub
        .requests()
        .iter()
        .filter_map(|request| Some(request.split_once("Subject: ")?.1.trim().to_owned()))
        .collect();
    let expected = [&["poison"; 5][..], &["one", "two", "poison", "three"]].concat();
    assert_eq!(subjects, expected);
    let well = Stub::start(Does::Answers("HTTP/1.1 204 No Content\r\n\r\n"));
    let done = relay(&flush, &[("URL", &well.url()), ("INGRESS_PASSWORD", PASSWORD)], b"");
    assert_eq!((done, waiting(dir.path())), (("2.0.0 1 spooled messages left the spool".to_owned(), 0), 0));
}

/// qmail writes the envelope into no mail: without its environment a blind copy would be for nobody.
#[test]
fn a_blind_copy_that_qmail_pipes_is_for_its_recipient() {
    let product = house();
    let url = url_of(&product);
    let environment = [
        ("URL", &*url),
        ("INGRESS_PASSWORD", "relay secret"),
        ("SENDER", "jane@customer.example"),
        ("RECIPIENT", "support@acme.example"),
        ("RPLINE", "Return-Path: <jane@customer.example>\n"),
        ("DTLINE", "Delivered-To: support@acme.example\n"),
    ];
    let blind = |number| {
        format!(
            "From: jane@customer.example\nTo: undisclosed-recipients:;\nSubject: {number}\nMessage-ID: <{number}@x>\n\nHello\n"
        )
    };
    // Bare, and behind preline.
    for raw in [blind(1), format!("From jane Fri\n{}{}{}", environment[4].1, environment[5].1, blind(2))] {
        assert_eq!(relay(&["qmail"], &environment, raw.as_bytes()).1, 0);
        let newest = product.owner.get("/api/v1/inbound?limit=1", "").json()["items"][0].clone();
        assert_eq!(newest["envelope_to"], "support@acme.example", "{newest}");
        assert_eq!(newest["envelope_from"], "jane@customer.example", "{newest}");
        let raw = product.owner.get(&format!("/api/v1/inbound/{}/raw", newest["id"].as_str().expect("an id")), "").body;
        assert_eq!(raw.matches("Delivered-To:").count(), 1, "{raw}");
    }
    product.stop();
}

#[test]
fn a_flush_brings_what_waits_and_reads_no_mail() {
    let product = house();
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("a path");
    let away = unused_url();
    for subject in ["One", "Two", "One"] {
        let raw = mail("support@acme.example", subject);
        assert_eq!(
            relay(
                &["qmail", "--spool", folder],
                &[("URL", &away), ("INGRESS_PASSWORD", "relay secret")],
                raw.as_bytes()
            )
            .1,
            0
        );
    }
    let url = url_of(&product);
    let flush =
        || relay(&["qmail", "--spool", folder, "--flush"], &[("URL", &url), ("INGRESS_PASSWORD", "relay secret")], b"");
    assert_eq!(flush(), ("3 spooled messages left the spool".to_owned(), 0));
    assert_eq!(flush(), ("0 spooled messages left the spool".to_owned(), 0));
    let outcomes = outcomes(&product);
    assert_eq!(outcomes.len(), 3);
    assert_eq!(outcomes[2], "pipe duplicate");
    product.stop();
}

#[test]
fn a_spool_that_cannot_be_used_defers() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let words = ["postfix", "--spool", file.to_str().expect("a path")];
    let (text, code) = relay(&words, &[("URL", &unused_url()), ("INGRESS_PASSWORD", "x")], MAIL);
    assert!(text.starts_with("4.0.0 Error relaying to ingress: the spool"), "{text}");
    assert_eq!(code, 1);
}

#[test]
fn wrong_usage_has_its_own_code() {
    // At 64 each of them would bounce the mail.
    let wrong = "Error relaying to ingress: wrong usage";
    for (mta, text, code) in
        [("postfix", format!("4.0.0 {wrong}"), 1), ("qmail", wrong.into(), 111), ("exim", wrong.into(), 75)]
    {
        for words in [[mta, "--colour"], ["--colour", mta], [mta, "--flush"]] {
            let (said, found) = relay(&words, &[], b"");
            assert!(said.starts_with(&text) && found == code, "{said} {found}");
        }
    }
    let code = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_replyd")).args(words).env_clear().output().expect("it runs");
        output.status.code()
    };
    for words in [&["relay", "sendmail"][..], &["relay"], &["--config", "x", "relay", "eximm"]] {
        assert_eq!(code(words), Some(75), "{words:?}");
    }
    for words in [&["inbound", "list", "relay", "exim"][..], &["serve", "relay"]] {
        assert_eq!(code(words), Some(64), "{words:?}");
    }
}
