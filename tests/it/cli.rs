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
    assert_eq!(kinds, ["A", "MX", "TXT", "TXT", "TXT"]);
    let key = folder.path().join("shop.test.r1.pem");
    let mode = std::fs::metadata(&key).expect("the key is there").permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    let again = replyd(folder.path(), &["init", "shop.test", "--config", "replyd.toml"]);
    assert_eq!(again.status.code(), Some(73), "{}", stderr(&again));
    let checked = stdout(&replyd(folder.path(), &["check", "--config", "replyd.toml"]));
    assert!(checked.contains("ok       replyd.toml: every key is known and allowed"), "{checked}");
    assert!(checked.contains("ok       account shop: DKIM key r1._domainkey.shop.test"), "{checked}");
    assert!(checked.contains("warning  tls: there is no certificate"), "{checked}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("the mode changes");
    let checked = stdout(&replyd(folder.path(), &["check", "--config", "replyd.toml"]));
    assert!(checked.contains("shop.test.r1.pem: everybody on this machine may read it"), "{checked}");
}
