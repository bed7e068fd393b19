//! The example is complete and equal to the defaults; every refused config says where, what and what is allowed.

use super::checked::{Route, SmarthostTls};
use super::file::File;
use super::secret::Surroundings;
use super::{ConfigError, parse};
use std::collections::BTreeSet;
use std::path::Path;
use toml::de::{DeTable, DeValue};

const EXAMPLE: &str = include_str!("../../config.example.toml");

const NOTHING: Surroundings<'static> = Surroundings {
    environment: &|_| None,
    read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
    file_mode: &|_| None,
};

/// The example with every line that begins with one of the marks made active.
fn uncommented(marks: &[&str]) -> String {
    let active = |line: &'static str| {
        let rest = marks.iter().find_map(|mark| line.strip_prefix(mark))?;
        rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[').then_some(rest)
    };
    EXAMPLE.lines().map(|line| format!("{}\n", active(line).unwrap_or(line))).collect()
}

#[test]
fn the_example_states_the_defaults() -> Result<(), ConfigError> {
    let path = Path::new("/etc/replyd/replyd.toml");
    let stated = parse(path, &uncommented(&["#"]), NOTHING)?;
    assert_eq!(stated, parse(path, EXAMPLE, NOTHING)?);
    Ok(())
}

/// Puts an unknown key into each table of the example: the error lists the keys that table may have.
#[test]
fn the_example_has_every_key() {
    let text = uncommented(&["#: ", "#"]);
    toml::from_str::<File>(&text).expect("the example with every line active can be read");
    let (document, errors) = DeTable::parse_recoverable(&text);
    assert!(errors.is_empty(), "{errors:?}");
    let mut tables = vec![(0, keys(document.get_ref()))];
    collect(document.get_ref(), &text, &mut tables);
    assert!(tables.len() > 15, "tables of the example: {}", tables.len());
    for (at, present) in tables {
        let before_brace = text.get(at..).is_some_and(|rest| !rest.starts_with('\n')) && at > 0;
        let probe = if before_brace { " zz_probe = 1, " } else { "\nzz_probe = 1\n" };
        let mut probed = text.clone();
        probed.insert_str(at, probe);
        let refused = toml::from_str::<File>(&probed).map(|_| ()).expect_err("an unknown key is refused");
        let message = refused.message().to_owned();
        assert!(message.contains("zz_probe") || message.contains("exactly one of"), "{message}");
        for key in message.split('`').skip(3).step_by(2) {
            assert!(present.contains(key), "config.example.toml lacks {key}: {message}");
        }
    }
}

fn keys(table: &DeTable<'_>) -> BTreeSet<String> {
    table.keys().map(|key| key.get_ref().to_string()).collect()
}

/// Where a key can be put into each table below this one, and the keys it has.
fn collect(table: &DeTable<'_>, text: &str, found: &mut Vec<(usize, BTreeSet<String>)>) {
    for value in table.values() {
        match value.get_ref() {
            DeValue::Table(inner) => {
                found.push((start_of(value.span().start, text), keys(inner)));
                collect(inner, text, found);
            }
            DeValue::Array(items) => {
                for item in items.iter() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        found.push((start_of(item.span().start, text), keys(inner)));
                        collect(inner, text, found);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Behind the opening brace, or at the end of the header's line.
fn start_of(at: usize, text: &str) -> usize {
    let rest = text.get(at..).unwrap_or("");
    if rest.starts_with('{') { at + 1 } else { at + rest.find('\n').unwrap_or(0) }
}

#[test]
fn smarthosts_keep_their_order_and_their_usual_ports() -> Result<(), ConfigError> {
    let text = r#"
[server]
hostname = "mx.example.com"
[outbound]
route = "smarthost"
host = "smtp.example.net"
username = "replyd"
password = "hunter2"
additional = [{ host = "[2001:db8::1]", tls = "implicit" }, { host = "192.0.2.1", port = 2525, tls = "none" }]
"#;
    let Route::Smarthosts(hosts) = parse(Path::new("replyd.toml"), text, NOTHING)?.outbound.route else {
        panic!("smarthosts are configured");
    };
    let read: Vec<_> = hosts.iter().map(|host| (host.host.as_str(), host.port, host.tls)).collect();
    let expected = [
        ("smtp.example.net", 587, SmarthostTls::Required),
        ("2001:db8::1", 465, SmarthostTls::Implicit),
        ("192.0.2.1", 2525, SmarthostTls::None),
    ];
    assert_eq!(read, expected);
    assert_eq!(hosts.iter().filter(|host| host.credentials.is_some()).count(), 1);
    Ok(())
}

#[test]
fn an_error_stays_one_line_whatever_the_key_holds() {
    let refused = parse(Path::new("replyd.toml"), "[\"\"\" [+\n\n", NOTHING).expect_err("no TOML");
    assert!(!refused.to_string().contains('\n'), "{refused}");
}

/// `fixtures/config/bad/*.toml`, each with the expected error beside it; `UPDATE_EXPECT=1` writes them.
#[test]
fn a_bad_config_is_refused_with_line_key_value_and_what_is_allowed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config/bad");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the fixtures are there").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a fixture can be read");
        let name = path.file_name().map(Path::new).expect("a fixture has a name");
        let error = parse(name, &text, NOTHING).expect_err(&format!("{} is refused", name.display())).to_string();
        assert!(!error.contains('\n') && !error.contains("hunter2") && !error.contains("12345"), "{error}");
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, format!("{error}\n")).expect("the expected error can be written");
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(error, expected.trim_end(), "{}", name.display());
        seen += 1;
    }
    assert!(seen >= 15, "only {seen} bad configs");
}

#[test]
fn any_text_gives_a_config_or_an_error() {
    let (text, path) = (uncommented(&["#: ", "#"]), Path::new("x.toml"));
    for cut in (0..text.len()).filter(|at| text.is_char_boundary(*at)).step_by(7) {
        let _ = parse(path, &text[..cut], NOTHING);
        let _ = parse(path, &text[cut..], NOTHING);
    }
}

#[test]
fn a_bare_number_is_told_how_to_write_a_size_or_a_time() {
    for (line, says) in [
        ("mail_size = 26214400", "such as \"25 MiB\""),
        ("mail_size = \"25\"", "25 MiB"),
        ("drain_timeout = 30", "90 s"),
    ] {
        let text = format!("[server]\nhostname = \"mx.example\"\n[limits]\n{line}\n");
        let refused = parse(Path::new("x.toml"), &text, NOTHING).expect_err(line).to_string();
        assert!(refused.contains("x.toml:4") && refused.contains(says), "{refused}");
    }
}
