//! The widget's script keeps what sites are promised: its weight, that it never reads text as markup, and its languages.

use flate2::{Compression, write::GzEncoder};
use std::collections::BTreeSet;
use std::io::Write;

const SCRIPT: &str = include_str!("../../src/http/widget/widget.js");

#[test]
fn the_whole_widget_weighs_thirty_kilobytes() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(SCRIPT.as_bytes()).expect("memory takes it");
    let octets = gzip.finish().expect("memory takes it").len();
    assert!(octets <= 30_000, "widget.js has {octets} octets as gzip; sites are promised 30,000 in all");
}

/// Names, texts and subjects are strangers' words: each of these ways would run or draw them as markup, and a strict policy
/// of the site forbids the others.
#[test]
fn no_text_becomes_markup_or_code() {
    let refused = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "createContextualFragment",
        "setHTMLUnsafe",
        "document.write",
        "DOMParser",
        "srcdoc",
        "eval",
        "Function(",
        "setTimeout(\"",
        "import(",
        "style=",
        "setAttribute(\"style",
        "document.cookie",
    ];
    for word in refused {
        let line = SCRIPT.lines().position(|line| line.contains(word));
        assert_eq!(line, None, "{word}");
    }
}

#[test]
fn every_language_says_everything() {
    let english = keys("en");
    assert!(english.len() > 50 && english.contains("greeting"), "{english:?}");
    for language in ["de", "fr", "es", "ar"] {
        assert_eq!(keys(language), english, "{language}");
    }
}

/// The names of a language's texts: `name: "text", name: "text"` between `    xx: {` and `    },`.
fn keys(language: &str) -> BTreeSet<&'static str> {
    let (_, rest) = SCRIPT.split_once(&format!("\n    {language}: {{\n")).expect("the language is there");
    let (block, _) = rest.split_once("\n    },").expect("the language ends");
    let mut texts = block.split(": \"").collect::<Vec<_>>();
    texts.pop();
    texts.iter().filter_map(|before| before.rsplit([' ', '"', ',']).next()).collect()
}

#[test]
fn a_line_without_its_inbox_is_told_what_to_add() {
    assert!(SCRIPT.contains("inbox ? refusal.message : \"add ?inbox=account/inbox"), "the console says what to add");
}
