//! `replyd check` against planted faults: each is found, and its line says what to do.

use crate::certificates;
use replyd::dns::{Zone, ZoneServer};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A folder with a config that nothing is wrong with, but for what `more` and the words say.
struct Place {
    dir: tempfile::TempDir,
    smtp: SocketAddr,
}

impl Place {
    fn new(data_dir: &str, more: &str) -> Place {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let place = Place { smtp: free_address(), dir };
        certificates::write(place.dir.path(), "tls", &["mx.shop.test"]);
        std::fs::create_dir(place.path("data")).expect("a folder");
        let made = place.run(&["init", "shop.test", "--config", "unused.toml"]);
        assert!(made.contains("written"), "{made}");
        place.configure(data_dir, more);
        place
    }

    fn good() -> Place {
        Place::new("data", "")
    }

    fn configure(&self, data_dir: &str, more: &str) {
        let smtp = self.smtp;
        let text = format!(
            "[server]\nhostname = \"mx.shop.test\"\ndata_dir = \"{data_dir}\"\n[smtp]\nlisten = [\"{smtp}\"]\n[http]\nlisten = []\n\
             public_url = \"https://chat.shop.test\"\n\
             [tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n{more}\n[[account]]\nname = \"shop\"\ninbound_domain = \"reply.shop.test\"\n\
             dkim = [{{ domain = \"shop.test\", selector = \"r1\", key = {{ file = \"shop.test.r1.pem\" }} }},\n\
             {{ domain = \"shop.test\", selector = \"e1\", key = {{ file = \"shop.test.e1.pem\" }} }}]\n\
             [[account.inbox]]\nname = \"website\"\naddress = \"help@shop.test\"\n"
        );
        std::fs::write(self.path("replyd.toml"), text).expect("a config");
        for secret in ["tls.key", "replyd.toml"] {
            std::fs::set_permissions(self.path(secret), std::fs::Permissions::from_mode(0o640)).expect("a mode");
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Everything it prints.
    fn run(&self, words: &[&str]) -> String {
        let output = command(self.dir.path(), words).output().expect("replyd runs");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// What `check` prints, and its exit code.
    fn check(&self, words: &[&str]) -> (String, Option<i32>) {
        let words = [&["check", "--config", "replyd.toml"], words].concat();
        let output = command(self.dir.path(), &words).output().expect("replyd runs");
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    }

    /// One line of this level has all these words.
    fn finds(&self, words: &[&str], level: &str, says: &[&str]) {
        let (report, code) = self.check(words);
        let is_it = |line: &&str| line.starts_with(level) && says.iter().all(|word| line.contains(word));
        assert!(report.lines().any(|line| is_it(&line)), "no {level} that says {says:?} in\n{report}");
        let expected = if report.lines().any(|line| line.starts_with("error")) { 78 } else { 0 };
        assert_eq!(code, Some(expected), "{report}");
    }
}

fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
    command.args(words).current_dir(dir).env_remove("REPLYD_CONFIG").env("REPLYD_LOG", "warn");
    command
}

fn free_address() -> SocketAddr {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.local_addr().expect("an address")
}

#[test]
fn a_good_place_has_no_error_and_no_warning() {
    let (report, code) = Place::good().check(&[]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.lines().all(|line| line.starts_with("ok ")), "{report}");
}

#[test]
fn a_key_that_everybody_may_read_is_found() {
    let place = Place::good();
    let open =
        |key: &str| std::fs::set_permissions(place.path(key), std::fs::Permissions::from_mode(0o644)).expect("a mode");
    open("tls.key");
    place.finds(&[], "warning", &["tls.key", "everybody", "644", "chmod o-rwx"]);
    open("shop.test.e1.pem");
    place.finds(&[], "error", &["account[0].dkim[1].key", "others than its owner and group", "644", "o-rwx"]);
}

#[test]
fn templates_with_a_mistake_and_keys_of_another_domain_are_found() {
    let place = Place::good();
    std::fs::create_dir(place.path("templates")).expect("a folder");
    std::fs::write(place.path("templates/answer.html"), "<p>{{ name }}</p>\n<p>{{ nmae }}</p>\n").expect("a template");
    let config = std::fs::read_to_string(place.path("replyd.toml")).expect("the config");
    let config = config.replace("name = \"shop\"", "name = \"shop\"\ntemplates = \"templates\"");
    std::fs::write(place.path("replyd.toml"), &config).expect("a config");
    place.finds(&[], "error", &["account shop", "templates/answer.html:2", "undefined value", "mend it"]);
    std::fs::write(place.path("templates/answer.html"), "<p>{{ name }</p>").expect("a template");
    place.finds(&[], "error", &["account shop", "templates/answer.html:1", "syntax error"]);
    std::fs::remove_file(place.path("templates/answer.html")).expect("it is there");
    place.finds(&[], "error", &["account[0].templates", "no template in this folder", "answer.txt"]);
    let config = config.replace("templates = \"templates\"\n", "").replace("help@shop.test", "help@mall.test");
    std::fs::write(place.path("replyd.toml"), config).expect("a config");
    place.finds(&[], "warning", &["help@mall.test", "no DKIM key", "DMARC"]);
}

#[test]
fn webhooks_and_bridges_that_cannot_work_are_found() {
    let place = Place::good();
    let good = std::fs::read_to_string(place.path("replyd.toml")).expect("the config");
    let relay = "/rails/action_mailbox/relay/inbound_emails";
    for (key, level, says) in [
        (
            "webhooks = [{ url = \"https://app.test/\", secret = \"0123456789abcdef\" }]".to_owned(),
            "ok",
            &["webhook https://app.test/", "set up"][..],
        ),
        (String::new(), "ok", &["account shop: bridge: not set up"]),
        (String::new(), "ok", &["account shop: webhooks: none in the config"]),
        (
            "webhooks = [{ url = \"https://app.test/\", secret = \"hush\" }]".to_owned(),
            "warning",
            &["secret is short", "16"],
        ),
        (
            "webhooks = [{ url = \"http://app.test/\", secret = \"0123456789abcdef\" }]".to_owned(),
            "warning",
            &["in the clear", "https"],
        ),
        (
            "webhooks = [{ url = \"http://127.0.0.1:9/\", secret = \"0123456789abcdef\" }]".to_owned(),
            "error",
            &["127.0.0.1 is loopback", "allow_private"],
        ),
        (
            format!("bridge = {{ url = \"https://desk.test{relay}\", password = \"x\" }}"),
            "ok",
            &["account shop: bridge https://desk.test/rails", "set up"],
        ),
        (
            "bridge = { url = \"https://desk.test/\", password = \"x\" }".to_owned(),
            "warning",
            &["relay/inbound_emails"],
        ),
        (
            format!("bridge = {{ url = \"http://10.0.0.1:3000{relay}\", password = \"x\" }}"),
            "error",
            &["10.0.0.1 is private", "allow_private"],
        ),
        (
            format!(
                "bridge = {{ url = \"https://desk.test{relay}\", password = \"x\", recipients = {{ hook = {{ url = \"http://[::1]/\" }} }} }}"
            ),
            "error",
            &["recipient hook http://[::1]/", "loopback"],
        ),
    ] {
        let config = good.replace("name = \"shop\"", &format!("name = \"shop\"\n{key}"));
        std::fs::write(place.path("replyd.toml"), config).expect("a config");
        place.finds(&[], level, says);
    }
}

#[test]
fn what_keeps_mail_from_going_out_well_is_found() {
    let place = Place::new("data", "[outbound]\nport = 2526\nallow_private = true");
    place.finds(&[], "warning", &["outbound.port 2526", "port 25"]);
    place.finds(&[], "warning", &["outbound.allow_private", "set it to false"]);
    place.configure(
        "data",
        "[outbound]\nsource_ipv4 = \"192.0.2.1\"\nallow_private = true\nsource_ipv6 = \"2001:db8::25\"",
    );
    place.finds(&[], "error", &["outbound.source_ipv4 192.0.2.1", "ip address"]);
    place.finds(&[], "error", &["outbound.source_ipv6 2001:db8::25", "ip address"]);
    place.configure("data", "[outbound]\nsource_ipv4 = \"127.0.0.1\"\nallow_private = true");
    place.finds(&[], "ok", &["outbound.source_ipv4 127.0.0.1", "of this machine"]);
    place.configure("data", "[outbound]\nfallback = { host = \"relay.shop.test\", tls = \"none\" }");
    place.finds(&[], "warning", &["outbound.fallback", "relay.shop.test", "in the clear"]);
    place.configure("data", "[outbound]\nroute = \"smarthost\"\nhost = \"relay.shop.test\"\ntls = \"none\"");
    place.finds(&[], "warning", &["relay.shop.test", "in the clear", "required"]);
    let config = std::fs::read_to_string(place.path("replyd.toml")).expect("the config");
    let (head, keys) = config.split_once("dkim = [").expect("keys");
    let (_, inbox) = keys.split_once("[[account.inbox]]").expect("an inbox");
    let config = format!("{head}[[account.inbox]]{inbox}").replace("public_url = \"https://chat.shop.test\"\n", "");
    std::fs::write(place.path("replyd.toml"), config).expect("a config");
    place.finds(&[], "warning", &["help@shop.test is not signed", "replyd init"]);
    place.finds(&[], "warning", &["http.public_url", "lead nowhere"]);
    place.configure("data", "");
    let plain = std::fs::read_to_string(place.path("replyd.toml")).expect("the config").replace("https://", "http://");
    std::fs::write(place.path("replyd.toml"), plain).expect("a config");
    place.finds(&[], "warning", &["http.public_url", "https only"]);
}

#[test]
fn what_only_the_service_has_is_told_and_the_rest_is_checked() {
    let place = Place::good();
    let config = std::fs::read_to_string(place.path("replyd.toml")).expect("the config");
    let config = config
        .replace(r#"{ file = "shop.test.e1.pem" }"#, r#"{ credential = "e1.pem" }"#)
        .replace(r#"key = "tls.key""#, r#"key = { credential = "tls.key" }"#)
        .replace(
            "name = \"shop\"",
            "name = \"shop\"\nwebhooks = [{ url = \"https://app.test/\", secret = { env = \"HOOK_OF_SHOP\" } }]",
        );
    std::fs::write(place.path("replyd.toml"), config).expect("a config");
    for says in [
        ["credential e1.pem", "LoadCredential=e1.pem:FILE"],
        ["credential tls.key", "daemon-reload and restart"],
        ["env HOOK_OF_SHOP", "Environment="],
    ] {
        place.finds(&[], "warning", &says);
    }
    let (report, code) = place.check(&[]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("DKIM key r1.") && !report.contains("DKIM key e1."), "{report}");
    let there = command(place.dir.path(), &["check", "--config", "replyd.toml"])
        .env("CREDENTIALS_DIRECTORY", place.dir.path())
        .output()
        .expect("replyd runs");
    let report = String::from_utf8_lossy(&there.stdout).into_owned();
    assert!(report.starts_with("error") && report.contains("cannot read") && report.contains("e1.pem"), "{report}");
    std::fs::copy(place.path("shop.test.e1.pem"), place.path("e1.pem")).expect("a copy");
    let there = command(place.dir.path(), &["check", "--config", "replyd.toml"])
        .env("CREDENTIALS_DIRECTORY", place.dir.path())
        .output()
        .expect("replyd runs");
    let report = String::from_utf8_lossy(&there.stdout).into_owned();
    assert!(report.contains("DKIM key e1.") && report.contains("tls certificate"), "{report}");
}

#[test]
fn sockets_that_serve_would_refuse_are_found() {
    let place = Place::good();
    let good = std::fs::read_to_string(place.path("replyd.toml")).expect("the config");
    let lmtp = |path: &str| {
        let config = good.replace("[http]", &format!("listen_lmtp = [\"{path}\"]\n[http]"));
        std::fs::write(place.path("replyd.toml"), config).expect("a config");
    };
    lmtp("/absent-folder/lmtp.sock");
    place.finds(&[], "error", &["smtp.listen_lmtp /absent-folder/lmtp.sock", "no folder /absent-folder"]);
    lmtp(&place.path("lmtp.sock").display().to_string());
    place.finds(&[], "ok", &["smtp.listen_lmtp", "lmtp.sock", "can be written"]);
    place.configure(&format!("/tmp/{}", "d".repeat(100)), "");
    place.finds(&[], "error", &["server.data_dir", "octets", "107", "shorter"]);
}

#[test]
fn a_key_of_another_certificate_is_found() {
    let place = Place::good();
    let other = certificates::write(place.dir.path(), "other", &["mx.shop.test"]);
    std::fs::copy(&other.files.key, place.path("tls.key")).expect("a copy");
    place.finds(&[], "error", &["tls.key", "does not belong", "mend tls.certificate and tls.key"]);
}

#[test]
fn a_certificate_for_another_name_is_found() {
    let place = Place::good();
    certificates::write(place.dir.path(), "tls", &["www.shop.test"]);
    place.finds(&[], "warning", &["tls.crt", "does not name mx.shop.test"]);
}

#[test]
fn a_port_of_another_program_is_found() {
    let place = Place::good();
    let _other = TcpListener::bind(place.smtp).expect("the port is free");
    place.finds(&[], "error", &["smtp.listen", &place.smtp.to_string(), "another program", "change smtp.listen"]);
}

#[test]
fn a_data_directory_that_cannot_be_one_is_found() {
    let place = Place::new("tls.crt", "");
    place.finds(&[], "error", &["server.data_dir", "it is no folder", "name another"]);
    place.configure("tls.crt/data", "");
    place.finds(&[], "error", &["server.data_dir", "Not a directory", "can be reached"]);
    place.configure("absent", "");
    place.finds(&[], "warning", &["server.data_dir", "the daemon makes it"]);
    // root may write anywhere but here
    place.configure("/proc/self", "");
    place.finds(&[], "error", &["server.data_dir"]);
}

#[test]
fn a_disk_with_too_little_room_is_found() {
    let place = Place::new("data", "[limits]\ndisk_free = \"1000000 GiB\"\n");
    place.finds(&[], "error", &["server.data_dir data", "mail is deferred below limits.disk_free", "lower the limit"]);
}

/// A zone for the place, and the runtime that serves it while commands run.
struct Served {
    place: Place,
    _server: ZoneServer,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    /// `records` may name the DKIM keys that are ours as RSA_KEY and ED25519_KEY.
    fn new(records: &str) -> Served {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let place = Place::good();
        let [rsa, ed25519] = published(&place);
        let zone = Zone::parse(&records.replace("RSA_KEY", &rsa).replace("ED25519_KEY", &ed25519)).expect("a zone");
        let server = runtime.block_on(ZoneServer::start(zone)).expect("a zone server");
        place.configure("data", &format!("[dns]\nservers = [\"{}\"]\n", server.address()));
        Served { place, _server: server, _runtime: runtime }
    }

    fn check(&self, level: &str, says: &[&str]) {
        let port = self.place.smtp.port().to_string();
        self.place.finds(&["--dns", "--mx-port", &port, "--reach", "reach.test"], level, says);
    }
}

/// The DKIM records of keys like the place's, as `init` prints them: with other keys in place the records are not ours.
fn published(place: &Place) -> [String; 2] {
    for file in ["unused.toml", "shop.test.r1.pem", "shop.test.e1.pem"] {
        std::fs::remove_file(place.path(file)).expect("it is there");
    }
    let made: serde_json::Value =
        serde_json::from_str(&place.run(&["init", "shop.test", "--config", "unused.toml", "--json"])).expect("JSON");
    let records = made["records"].as_array().expect("records");
    ["r1", "e1"].map(|selector| {
        let name = format!("{selector}._domainkey.shop.test");
        let key = records.iter().find(|record| record["name"] == name.as_str()).expect("the DKIM record");
        key["data"].as_str().expect("text").replace("\" \"", "").replace('"', "")
    })
}

const GOOD: &str = r#"{
  "mx.shop.test": [{"A": "127.0.0.1"}], "reply.shop.test": [{"MX": [10, "mx.shop.test"]}, {"TXT": "v=spf1 a:mx.shop.test -all"}], "shop.test": [{"TXT": "v=spf1 a:mx.shop.test ~all"}],
  "r1._domainkey.shop.test": [{"TXT": "RSA_KEY"}], "e1._domainkey.shop.test": [{"TXT": "ED25519_KEY"}],
  "_dmarc.shop.test": [{"TXT": "v=DMARC1; p=none"}]
}"#;

#[test]
fn good_records_and_a_running_daemon_leave_nothing_to_mend() {
    let served = Served::new(GOOD);
    let daemon = Daemon::start(&served.place);
    for says in [
        ["MX reply.shop.test", "names mx.shop.test"],
        ["DKIM r1._domainkey.shop.test", "is ours"],
        ["DKIM e1._domainkey.shop.test", "is ours"],
        ["SPF shop.test", "a:mx.shop.test"],
        ["DMARC _dmarc.shop.test", "p=none"],
        ["mail from help@shop.test by 127.0.0.1", "SPF and DKIM pass"],
        ["of 127.0.0.1", "replyd answers"],
        ["of 127.0.0.1", "offers STARTTLS"],
        ["of 127.0.0.1", "takes mail for postmaster@reply.shop.test"],
    ] {
        served.check("ok", &says);
    }
    let (report, _) = served.place.check(&["--dns", "--mx-port", &served.place.smtp.port().to_string(), "--reach", ""]);
    // The resolver itself answers that 127.0.0.1 is localhost (RFC 6761 §6.3): that finding has its own test.
    let mut rest = report.lines().filter(|line| !line.contains("PTR 127.0.0.1"));
    assert!(rest.all(|line| line.starts_with("ok ")), "{report}");
    drop(daemon);
}

#[test]
fn each_wrong_record_is_found_with_what_to_publish() {
    for (good, bad, level, says) in [
        (r#"[10, "mx.shop.test"]"#, r#"[10, "mx.other.test"]"#, "error", ["mx.other.test.", "MX 10 mx.shop.test."]),
        (r#"{"MX": [10, "mx.shop.test"]}, "#, "", "error", ["MX reply.shop.test: none found", "MX 10 mx.shop.test."]),
        (
            "a:mx.shop.test -all",
            "ip4:192.0.2.1 -all",
            "warning",
            ["help@shop.test by 127.0.0.1: SPF", "publish reply.shop"],
        ),
        (
            r#"{"TXT": "RSA_KEY"}], "e1._domainkey.shop.test": [{"TXT": "ED25519_KEY"}"#,
            "",
            "error",
            ["no receiver", "init"],
        ),
        ("v=DMARC1; p=none", "v=DMARC1; p=reject; adkim=s", "ok", ["help@shop.test by 127.0.0.1", "SPF and DKIM pass"]),
        (r#"{"TXT": "v=spf1 a:mx.shop.test ~all"}"#, "", "warning", ["SPF shop.test: none found", "publish one"]),
        (
            r#"{"TXT": "v=spf1 a:mx.shop.test ~all"}"#,
            r#"{"TXT": "v=spf1 -all"}, {"TXT": "v=spf1 ~all"}"#,
            "error",
            ["SPF shop.test: 2 records", "make one"],
        ),
        (r#"{"TXT": "v=DMARC1; p=none"}"#, "", "warning", ["DMARC _dmarc.shop.test: none found", "publish one"]),
        (
            r#"{"TXT": "RSA_KEY"}"#,
            r#"{"TXT": "v=DKIM1; p=AAAA"}"#,
            "error",
            ["DKIM r1", "another one; publish r1._domainkey.shop.test. TXT \"v=DKIM1; k=rsa; p="],
        ),
        (
            r#"{"TXT": "ED25519_KEY"}"#,
            r#"{"TXT": "v=DKIM1; k=ed25519; p=AAAA"}"#,
            "error",
            ["DKIM e1", "another one; publish e1._domainkey.shop.test. TXT \"v=DKIM1; k=ed25519; p="],
        ),
        (r#"[{"A": "127.0.0.1"}]"#, "[]", "error", ["A/AAAA mx.shop.test: none found", "server.hostname"]),
        (
            r#"[{"MX": [10, "mx.shop.test"]}, {"TXT": "v=spf1 a:mx.shop.test -all"}]"#,
            r#"["SERVFAIL"]"#,
            "warning",
            ["MX reply.shop.test", "DNS trouble"],
        ),
    ] {
        assert!(GOOD.contains(good), "{good}");
        Served::new(&GOOD.replace(good, bad)).check(level, &says);
    }
}

#[test]
fn whether_mail_gets_out_is_tried() {
    let served = Served::new(&GOOD.replacen(
        '{',
        r#"{"reach.test": [{"MX": [1, "mx.reach.test"]}],
        "mx.reach.test": [{"A": "127.0.0.1"}],"#,
        1,
    ));
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = other.local_addr().expect("an address").port();
    let dns = std::fs::read_to_string(served.place.path("replyd.toml")).expect("the config");
    let route = |lines: &str| {
        let text = dns.replacen("[dns]", &format!("[outbound]\n{lines}\n[dns]"), 1);
        std::fs::write(served.place.path("replyd.toml"), text).expect("a config");
    };
    let answers = std::thread::spawn(move || {
        use std::io::Write;
        for _ in 0..2 {
            let (mut stream, _) = other.accept().expect("a connection");
            stream.write_all(b"220 mx.reach.test ESMTP\r\n").expect("it reads");
        }
    });
    route(&format!("port = {port}"));
    served.check("ok", &["mx.reach.test, a mail host of reach.test", "can be reached"]);
    route(&format!("route = \"smarthost\"\nhost = \"127.0.0.1\"\nport = {port}"));
    served.check("ok", &["smarthost 127.0.0.1", "can be reached"]);
    answers.join().expect("it answered");
    served.check("warning", &["smarthost 127.0.0.1", "refused", "firewall"]);
    served.check("ok", &["mail from help@shop.test: a receiver sees DKIM pass", "smarthost's operator"]);
    route(&format!("port = {port}"));
    served.check("warning", &["mx.reach.test", "refused", "use a smarthost"]);
}

#[test]
fn a_port_that_nobody_or_another_server_answers_at_is_found() {
    let served = Served::new(GOOD);
    served.check("warning", &["of 127.0.0.1", "Connection refused", "is replyd running"]);
    let other = TcpListener::bind(served.place.smtp).expect("the port is free");
    let answers = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = other.accept().expect("a connection");
        stream.write_all(b"220 mail.other.test ESMTP\r\n").expect("it reads");
    });
    served.check("error", &["of 127.0.0.1", "mail.other.test", "another server"]);
    answers.join().expect("it answered");
}

/// A running daemon, until this is dropped.
struct Daemon(Child);

impl Daemon {
    fn start(place: &Place) -> Daemon {
        let mut command = command(place.dir.path(), &["serve", "--config", "replyd.toml"]);
        let daemon = Daemon(command.stderr(Stdio::null()).spawn().expect("it starts"));
        while std::net::TcpStream::connect(place.smtp).is_err() {
            std::thread::yield_now();
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
