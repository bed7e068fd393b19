//! The house rules as a test: which module may import which, and what the pure ones may not touch.
//!
//! The table is the one of `docs/ARCHITECTURE.md`. A module imports only from strictly lower layers, so there is
//! no upward, sideways or circular import; a new edge is a design change and belongs into both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Module, layer, and whether it is pure: no I/O, no clock, no randomness.
const LAYERS: &[(&str, u8, Purity)] = &[
    ("limits", 0, Purity::Pure),
    ("clock", 0, Purity::ReadsTime),
    ("retry", 0, Purity::Pure),
    ("mail", 1, Purity::Pure),
    ("smtp", 2, Purity::Pure),
    ("conversation", 2, Purity::Pure),
    ("config", 3, Purity::DoesIo),
    ("dns", 4, Purity::DoesIo),
    ("net", 4, Purity::DoesIo),
    ("store", 4, Purity::DoesIo),
    ("sender_auth", 5, Purity::DoesIo),
    ("inbound", 6, Purity::DoesIo),
    ("filing", 6, Purity::DoesIo),
    ("outbound", 6, Purity::DoesIo),
    ("continuity", 6, Purity::DoesIo),
    ("webhooks", 6, Purity::DoesIo),
    ("http", 7, Purity::DoesIo),
    ("daemon", 8, Purity::DoesIo),
    ("cli", 9, Purity::DoesIo),
];

#[derive(Clone, Copy, PartialEq)]
enum Purity {
    Pure,
    ReadsTime,
    DoesIo,
}

/// What a pure module may not name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::env",
    "std::thread",
    "std::io::stdin",
    "tokio::",
    "rusqlite",
    "hyper",
    "axum",
    "hickory_resolver",
    "rustix",
    "tracing::",
    "println!",
    "eprintln!",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "rand::",
];

/// What only one place may name: the thing, the file or folder, and why.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("Instant::now", &["clock.rs"], "only clock reads time"),
    ("SystemTime::now", &["clock.rs"], "only clock reads time"),
    ("Timestamp::now", &["clock.rs"], "only clock reads time"),
    ("rusqlite", &["store"], "only store holds SQL"),
    ("StatusCode", &["http"], "only http holds status codes"),
    ("Reply::new(", &["smtp/reply.rs"], "every word a peer gets to read stands in one file"),
    ("mail_parser", &["mail", "sender_auth"], "one reading of a mail"),
    ("mail_auth", &["sender_auth", "dns"], "one place that verifies"),
    ("lettre::", &["outbound/compose"], "nothing reaches it unchecked"),
    ("minijinja::", &["outbound/compose"], "templates are bounded in one place"),
];

struct Source {
    module: String,
    path: PathBuf,
    /// Without comments and without the test module at the bottom.
    code: String,
    whole: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let whole = fs::read_to_string(&path).expect("sources are readable");
            let relative = path.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            let module = relative.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
            Source { module, code: code_of(&whole), whole, path: relative.into() }
        })
        .collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The source without comments and without its inline test module, which stands at the bottom.
fn code_of(whole: &str) -> String {
    let tests = whole.match_indices("\n#[cfg(test)]\nmod ").find(|(at, _)| {
        let declaration = whole[at + 1..].lines().nth(1).unwrap_or_default();
        declaration.ends_with('{')
    });
    let body = tests.map_or(whole, |(at, _)| &whole[..at]);
    body.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Modules that a file names by `crate::…`, groups like `crate::{a, b::C}` included.
fn imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(group) => found.extend(top_level(group).iter().map(|item| word(item.trim()))),
            None => {
                found.insert(word(rest));
            }
        }
    }
    found.retain(|module| !module.is_empty());
    found
}

fn top_level(group: &str) -> Vec<String> {
    let (mut depth, mut items, mut item) = (1, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => items.push(std::mem::take(&mut item)),
            _ => item.push(c),
        }
        if depth == 0 {
            break;
        }
    }
    items.push(item);
    items
}

fn layer(module: &str) -> Option<(u8, Purity)> {
    LAYERS.iter().find(|(name, _, _)| *name == module).map(|(_, layer, purity)| (*layer, *purity))
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

fn upward_imports(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources.iter().filter(|s| !matches!(s.module.as_str(), "lib" | "main")) {
        let Some((own, _)) = layer(&source.module) else {
            faults.push(format!("{}: module {} is not in the table", source.path.display(), source.module));
            continue;
        };
        for import in imports(&source.code).iter().filter(|import| **import != source.module) {
            match layer(import) {
                Some((other, _)) if other < own => {}
                Some((other, _)) => faults.push(format!(
                    "{}: {} (layer {own}) imports {import} (layer {other})",
                    source.path.display(),
                    source.module
                )),
                None => faults.push(format!("{}: imports unknown module {import}", source.path.display())),
            }
        }
    }
    faults
}

/// `super::` that climbs to the crate's root would be an import that the table does not see.
fn climbing_out(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        let names = source.path.with_extension("");
        let depth = names.iter().filter(|name| *name != "mod").count();
        if source.code.contains(&"super::".repeat(depth)) {
            faults.push(format!("{}: leaves its module by super::", source.path.display()));
        }
    }
    faults
}

fn impure_words(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        let pure = layer(&source.module).is_some_and(|(_, purity)| purity == Purity::Pure);
        for word in IMPURE.iter().filter(|word| pure && source.code.contains(**word)) {
            faults.push(format!("{}: a pure module names {word}", source.path.display()));
        }
    }
    faults
}

fn strays(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        for (word, homes, reason) in ONLY_IN {
            if source.code.contains(word) && !homes.iter().any(|home| source.path.starts_with(home)) {
                faults.push(format!("{}: names {word}, but {reason}", source.path.display()));
            }
        }
    }
    faults
}

#[test]
fn imports_go_to_strictly_lower_layers() {
    report(upward_imports(&sources()));
    report(climbing_out(&sources()));
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    report(impure_words(&sources()));
}

#[test]
fn what_has_one_home_stays_there() {
    report(strays(&sources()));
}

#[test]
fn every_rule_can_fail() {
    let made = |path: &str, code: &str| {
        let module = path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned();
        [Source { module, path: path.into(), code: code_of(code), whole: code.to_owned() }]
    };
    assert_eq!(upward_imports(&made("mail/part.rs", "use crate::store::Store;")).len(), 1);
    assert_eq!(upward_imports(&made("filing/route.rs", "use crate::inbound::Door;")).len(), 1, "a stage beside it");
    assert_eq!(upward_imports(&made("misc/part.rs", "")).len(), 1, "a module without a layer");
    assert_eq!(climbing_out(&made("filing/route.rs", "use super::super::inbound::Door;")).len(), 1);
    assert_eq!(climbing_out(&made("filing/mod.rs", "use super::inbound::Door;")).len(), 1);
    assert!(climbing_out(&made("smtp/session/answers.rs", "use super::super::reply;")).is_empty());
    assert_eq!(impure_words(&made("smtp/data.rs", "let now = SystemTime::now();")).len(), 1);
    assert_eq!(strays(&made("inbound/policy.rs", "Reply::new(250, \"2.0.0\", \"fine\")")).len(), 1);
    assert_eq!(strays(&made("filing/route.rs", "use rusqlite::Connection;")).len(), 1);
}

/// The map of `docs/ARCHITECTURE.md` is this table, and names files that there are.
#[test]
fn the_map_in_the_docs_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_to_string(root.join("docs/ARCHITECTURE.md")).expect("the docs are readable");
    let rows = |heading: &str| {
        let section = docs.split(heading).nth(1).unwrap_or_else(|| panic!("a section {heading}"));
        let section = section.split("\n## ").next().unwrap_or_default().to_owned();
        section.lines().filter(|line| line.starts_with('|')).skip(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let mut told = BTreeSet::new();
    for row in rows("\n## Layers\n") {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let layer: u8 = cells[1].parse().expect("a layer's number");
        told.extend(quoted(cells[2]).into_iter().map(|module| (module, layer)));
    }
    let table: BTreeSet<(String, u8)> = LAYERS.iter().map(|(name, layer, _)| ((*name).to_owned(), *layer)).collect();
    assert_eq!(told, table);
    let files: Vec<String> = rows("\n## Where is it decided?\n").iter().flat_map(|row| quoted(row)).collect();
    assert!(files.len() > 10, "{files:?}");
    let missing: Vec<&String> = files.iter().filter(|file| !root.join("src").join(file).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_file_says_what_it_decides() {
    let silent = |source: &Source| !source.whole.starts_with("//!");
    report(sources().into_iter().filter(silent).map(|s| format!("{}: no module doc", s.path.display())).collect());
}

#[test]
fn nothing_outside_tests_panics_by_unwrap() {
    let mut faults = Vec::new();
    for source in sources() {
        for word in [".unwrap()", "todo!(", "unimplemented!(", "dbg!("] {
            if source.code.contains(word) {
                faults.push(format!("{}: holds {word}", source.path.display()));
            }
        }
    }
    report(faults);
}

#[test]
fn the_import_reader_sees_groups_and_nested_groups() {
    let found =
        imports("use crate::{mail::{a, b::c}, store};\nuse crate::smtp::reply::Reply; let x = crate::clock::now();");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["clock", "mail", "smtp", "store"]);
}
