//! Chooses the part that tells best what the person wrote.
//!
//! The text part is what the client meant to be read as text, so it is preferred; the HTML part decides where a client's
//! container shows a boundary that the text does not, that is, where it leaves less to show.

use super::html::{self, Evidence};
use super::{Split, SplitInput, fold::fold, known, lines};

/// Splits one mail. Linear in its input; any bytes are fine.
pub fn split(input: SplitInput<'_>) -> Split {
    let text = input.text.filter(|text| !text.trim().is_empty()).map(|text| of_text(text, input.known));
    let Some(html) = input.html.filter(|html| !html.trim().is_empty()) else { return text.unwrap_or_default() };
    let (html, evidence) = of_html(html, input.known);
    let Some(text) = text else { return html };
    let proves_more = evidence == Evidence::Container && !html.visible.is_empty() && letters(&html) < letters(&text);
    if proves_more { html } else { text }
}

fn of_text(text: &str, ours: &[String]) -> Split {
    let mut lines = lines::of_text(text);
    known::mark(&mut lines, ours);
    fold(&lines)
}

fn of_html(html: &str, ours: &[String]) -> (Split, Evidence) {
    let mut read = html::read(html);
    known::mark(&mut read.lines, ours);
    (fold(&read.lines), read.evidence)
}

/// How much is left to show, white space and marks aside.
fn letters(split: &Split) -> usize {
    split.visible.chars().filter(|character| character.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::path::Path;

    fn sections(fixture: &str) -> HashMap<&str, String> {
        let named = fixture.split("#### ").skip(1).filter_map(|section| section.split_once('\n'));
        named.map(|(name, text)| (name, text.trim_end_matches('\n').to_owned())).collect()
    }

    fn words(text: &str) -> Vec<String> {
        let split = text.split(|character: char| !character.is_alphanumeric());
        let mut words: Vec<String> = split.filter(|word| !word.is_empty()).map(str::to_owned).collect();
        words.sort();
        words
    }

    /// Mails of many clients and languages, all written for this test.
    #[test]
    fn fixtures_split_as_expected() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quoted");
        let mut failures = Vec::new();
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            let fixture = std::fs::read_to_string(&path).expect("fixture");
            let parts = sections(&fixture);
            let known: Vec<String> = parts.get("known").cloned().into_iter().collect();
            let (text, html) = (parts.get("text").map(String::as_str), parts.get("html").map(String::as_str));
            let split = split(SplitInput { text, html, known: &known });
            let signature = parts.get("signature").unwrap_or(&split.signature);
            if parts["visible"] != split.visible || *signature != split.signature {
                failures.push(format!("{:?}: {split:#?}", path.file_name().expect("name")));
            }
            if html.is_none() {
                let all = format!("{}\n{}\n{}", split.visible, split.quoted, split.signature);
                assert_eq!(words(text.unwrap_or_default()), words(&all), "{path:?}");
            }
            count += 1;
        }
        assert!(count > 100, "the fixtures are missing");
        assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
    }
}
