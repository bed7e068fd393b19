//! The command line as a shell sees it: exit codes of sysexits.h, one line on stderr, nothing overwritten.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn replyd(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_replyd"))
        .args(words)
        .current_dir(folder)
        .env_remove("REPLYD_CONFIG")
        .output()
        .expect("replyd runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The command fails with this code and one line that holds these words.
fn check(words: &[&str], code: i32, says: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("bad.toml"), "[server]\nhostname = \"a b\"\n").expect("a file");
    let idle = "[server]\nhostname = \"localhost\"\ndata_dir = \"data\"\n";
    std::fs::write(folder.path().join("idle.toml"), idle).expect("a file");
    let output = replyd(folder.path(), words);
    let line = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {line}");
    assert_eq!(line.lines().count(), 1, "{words:?}: {line}");
    for word in says {
        assert!(line.contains(word), "{words:?} does not say {word}: {line}");
    }
}

#[test]
fn failures_have_the_codes_of_sysexits_and_name_the_way_out() {
    check(&["brew"], 64, &["brew", "replyd help"]);
    check(&["conversaton", "list"], 64, &["'conversaton'", "similar", "'conversation'"]);
    check(&["agent", "add", "a@b.example", "--nmae", "A"], 64, &["'--nmae'", "'--name'", "see replyd help agent add"]);
    check(&["conversation", "show"], 64, &["<ID>"]);
    check(&["conversation", "new", "--inbox", "x", "--colour", "red"], 64, &["--colour"]);
    check(&["demo", "--smtp-port", "99999"], 64, &["99999"]);
    check(&["init", "not a domain"], 64, &["not a domain", "acme.example"]);
    check(&["serve", "--config", "absent.toml"], 78, &["absent.toml", "--config", "replyd init"]);
    check(&["serve", "--config", "bad.toml"], 78, &["bad.toml:2", "server.hostname", "\"a b\"", "mx.example.com"]);
    check(&["check", "--config", "bad.toml"], 78, &["bad.toml"]);
    check(&["conversation", "list", "--config", "idle.toml"], 69, &["data/replyd.sock", "replyd serve"]);
    check(&["init", "shop.test", "--config", "absent/deeper/replyd.toml"], 73, &["the folder absent/deeper"]);
    check(&["demo", "--fresh", "--data", "."], 64, &["--fresh", "--data"]);
}

#[test]
fn init_writes_a_config_and_a_private_key_that_check_accepts() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let made = replyd(folder.path(), &["init", "shop.test", "--config", "replyd.toml", "--json"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let made: serde_json::Value = serde_json::from_str(&stdout(&made)).expect("JSON");
    let kinds: Vec<_> =
        made["records"].as_array().expect("records").iter().map(|record| record["type"].clone()).collect();
    assert_eq!(kinds, ["A", "MX", "TXT", "TXT", "TXT", "TXT", "TXT"]);
    let key = folder.path().join("shop.test.r1.pem");
    let mode = std::fs::metadata(&key).expect("the key is there").permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    let again = replyd(folder.path(), &["init", "shop.test", "--config", "replyd.toml"]);
    assert_eq!(again.status.code(), Some(73), "{}", stderr(&again));
    let checked = stdout(&replyd(folder.path(), &["check", "--config", "replyd.toml"]));
    assert!(checked.contains("ok       replyd.toml: every key is known and allowed"), "{checked}");
    for key in ["r1", "e1"] {
        assert!(checked.contains(&format!("ok       account shop: DKIM key {key}._domainkey.shop.test")), "{checked}");
    }
    assert!(checked.contains("warning  tls: there is no certificate"), "{checked}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("the mode changes");
    let checked = stdout(&replyd(folder.path(), &["check", "--config", "replyd.toml"]));
    assert!(checked.contains("key: others than its owner and group may use this key (mode 644)"), "{checked}");
}

#[test]
fn preview_shows_each_mail_as_the_config_makes_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let run = |words: &str| replyd(folder.path(), &words.split(' ').collect::<Vec<_>>());
    assert!(run("init shop.test --config replyd.toml").status.success());
    let shown = stdout(&run("preview --config replyd.toml"));
    for part in [
        "==== Answer",
        "==== Notification",
        "==== Notice",
        "From: \"Sara (Shop)\" <support@shop.test>",
        "From: \"Jane Doe via Shop\" <support@shop.test>",
        "Hello Jane,",
        "#snooze 2d",
        "no command #resolv",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let raw = run("preview --config replyd.toml --kind answer --raw").stdout;
    let raw = String::from_utf8(raw).expect("ASCII");
    assert_eq!(raw.matches("DKIM-Signature:").count(), 2, "{raw}");
    assert!(stdout(&run("preview --config replyd.toml --kind answer --html")).starts_with("<!doctype html>"));
    let unknown = run("preview --config replyd.toml --inbox sales");
    assert_eq!(unknown.status.code(), Some(64));
    assert!(
        stderr(&unknown).contains("account shop has none of that name; there are: website"),
        "{}",
        stderr(&unknown)
    );
}

#[test]
fn every_command_of_the_daemon_says_that_it_is_down() {
    for words in [
        "conversation new --inbox website",
        "conversation list",
        "conversation show x",
        "conversation status x open",
        "conversation revoke x",
        "inbound list",
        "inbound show x",
        "inbound raw x",
        "inbound replay x",
        "token add --account a",
        "token list",
        "token revoke x",
        "backup copy.db",
    ] {
        let words: Vec<&str> = words.split(' ').chain(["--config", "idle.toml"]).collect();
        check(&words, 69, &["cannot reach the daemon", "data/replyd.sock", "replyd serve"]);
    }
}

#[test]
fn a_reader_that_closes_early_is_no_error_and_a_full_disk_is() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let init = |name: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
        command.args(["init", "shop.test", "--config"]).arg(folder.path().join(name).join("replyd.toml"));
        command
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = init("a").stdout(writer).output().expect("replyd runs");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = init("b").stdout(full).output().expect("replyd runs");
    assert_eq!(output.status.code(), Some(74), "{}", stderr(&output));
}

#[test]
fn a_mail_can_be_looked_at_where_no_config_is_and_by_the_resolver_of_one_that_is() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("a.eml"), "From: a@shop.test\r\n\r\nhi\r\n").expect("a file");
    let inspect = |config: &[&str]| {
        let words = ["inspect", "a.eml", "--json", "--auth", "--ip", "192.0.2.1", "--mail-from", "a@shop.test"];
        let output = replyd(folder.path(), &[&words, config].concat());
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), json["auth"]["spf"].as_str().map(str::to_owned), stderr(&output))
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let zone = replyd::dns::Zone::parse(r#"{"shop.test": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}]}"#).expect("a zone");
    let server = runtime.block_on(replyd::dns::ZoneServer::start(zone)).expect("a zone server");
    // The key cannot be read, and need not be.
    let text = format!(
        "[server]\nhostname = \"mx.shop.test\"\n[dns]\nservers = [\"{}\"]\n[tls]\ncertificate = \"no\"\nkey = \"no\"\n",
        server.address()
    );
    std::fs::write(folder.path().join("replyd.toml"), text).expect("a config");
    assert_eq!(inspect(&["--config", "replyd.toml"]), (Some(0), Some("pass".to_owned()), String::new()));
    let (code, _, line) = inspect(&["--config", "absent.toml"]);
    assert_eq!(code, Some(78), "{line}");
    assert!(line.contains("absent.toml"), "{line}");
    if !Path::new("/etc/replyd/replyd.toml").exists() {
        std::fs::write(folder.path().join("zone.json"), "{}").expect("a zone");
        assert_eq!(inspect(&["--zone", "zone.json"]), (Some(0), Some("none".to_owned()), String::new()));
    }
}

#[test]
fn a_mistyped_log_variable_is_told_and_silences_nothing() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("bad.toml"), "[server]\nhostname = \"a b\"\n").expect("a file");
    for (name, value, allowed) in [("REPLYD_LOG", "inof", "info, debug"), ("REPLYD_LOG_FORMAT", "jsno", "text or json")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_replyd"))
            .args(["serve", "--config", "bad.toml"])
            .current_dir(folder.path())
            .env(name, value)
            .output()
            .expect("replyd runs");
        let line = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{line}");
        assert!(line.contains(name) && line.contains(value) && line.contains(allowed), "{line}");
    }
}

#[test]
fn what_takes_no_config_does_not_list_the_option() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (command, listed) in [("demo", false), ("relay", false), ("check", true)] {
        let help = stdout(&replyd(folder.path(), &[command, "--help"]));
        assert_eq!(help.contains("--config"), listed, "{help}");
    }
}

#[test]
fn preview_shows_mail_although_a_secret_is_the_services() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    assert!(replyd(folder.path(), &["init", "shop.test", "--config", "replyd.toml"]).status.success());
    let file = folder.path().join("replyd.toml");
    let config = std::fs::read_to_string(&file).expect("the config");
    let config = config.replace(r#"key = { file = "shop.test.r1.pem" }"#, r#"key = { credential = "r1.pem" }"#);
    std::fs::write(&file, config).expect("a config");
    let shown = replyd(folder.path(), &["preview", "--config", "replyd.toml"]);
    assert!(stdout(&shown).contains("==== Answer"), "{}", stderr(&shown));
    assert!(stderr(&shown).contains("LoadCredential=r1.pem:FILE"), "{}", stderr(&shown));
    let served = replyd(folder.path(), &["serve", "--config", "replyd.toml"]);
    assert_eq!(served.status.code(), Some(78), "{}", stderr(&served));
}
