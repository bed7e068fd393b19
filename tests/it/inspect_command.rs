//! `replyd inspect` answers any bytes with JSON and exit 0, and a file it cannot read with exit 66.

use replyd::dns::{Zone, ZoneServer};
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn inspect(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_replyd"))
        .arg("inspect")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("stdin is piped").write_all(input).expect("the program reads");
    child.wait_with_output().expect("the program ends")
}

fn json(input: &[u8]) -> serde_json::Value {
    let output = inspect(&["-", "--json"], input);
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn the_json_has_every_field_of_the_contract() {
    let token = "00112233445566778899aabbccddeeff";
    let mail = json(
        format!("From: Ann <a@b.example>\r\nTo: reply+{token}@r.example\r\nSubject: s\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\n\r\nhello\r\n")
            .as_bytes(),
    );
    let fields = [
        "message_id",
        "in_reply_to",
        "references",
        "subject",
        "date",
        "from",
        "to",
        "cc",
        "reply_to",
        "reply_tokens",
        "text",
        "html",
        "visible_text",
        "quoted_text",
        "signature",
        "attachments",
        "class",
        "class_reason",
        "bounce",
        "defects",
    ];
    for field in fields {
        assert!(mail.get(field).is_some(), "{field}");
    }
    assert_eq!(mail["from"][0], serde_json::json!({"name": "Ann", "email": "a@b.example"}));
    assert_eq!((&mail["reply_tokens"][0], &mail["class"]), (&token.into(), &"human".into()));
    assert_eq!((&mail["text"], &mail["visible_text"]), (&"hello\n".into(), &"hello".into()));
}

#[test]
fn any_bytes_give_json() {
    let octets: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    for input in [&b""[..], b"\0", b"\r\n\r\n", b"\xff\xfe\0", &octets] {
        assert!(json(input).is_object());
    }
}

#[test]
fn no_output_orders_a_terminal_about() {
    let raw =
        "From: a@b.example\r\nSubject: =?utf-8?q?=1B]0;x=07_=C2=9B31m?=\r\n\r\nbody \u{1b}[31m\u{9b}31m\u{202e}\r\n";
    for arguments in [&["-"][..], &["-", "--json"]] {
        let printed = String::from_utf8(inspect(arguments, raw.as_bytes()).stdout).expect("UTF-8");
        assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
    }
}

#[test]
fn authentication_asks_the_name_servers_of_the_config() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let zone = Zone::parse(r#"{"a.example":[{"TXT":"v=spf1 ip4:192.0.2.1 -all"}]}"#).expect("a zone");
    let server = runtime.block_on(ZoneServer::start(zone)).expect("a server");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("replyd.toml");
    let config = format!("[server]\nhostname = \"mx.b.example\"\n[dns]\nservers = [\"{}\"]\n", server.address());
    std::fs::write(&file, config).expect("a config");
    let config = file.to_str().expect("a path");
    let arguments = ["-", "--json", "--config", config, "--auth", "--ip", "192.0.2.1", "--mail-from", "ann@a.example"];
    let output = inspect(&arguments, b"From: ann@a.example\r\n\r\nhello\r\n");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(shown["auth"]["spf"], "pass");
    std::fs::write(&file, "nonsense").expect("a config");
    assert_eq!(inspect(&arguments, b"").status.code(), Some(78));
}

#[test]
fn a_file_that_cannot_be_read_is_exit_66_with_one_line() {
    let output = inspect(&["/no/such/file.eml", "--json"], b"");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(66), 0));
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}
