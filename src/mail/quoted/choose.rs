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
    let proves_more =
        evidence == Evidence::Container && !html.visible.is_empty() && letters(&html.visible) < letters(&text.visible);
    // "Your program cannot show this mail": some senders' text part says nothing.
    let all = [&text.visible, &text.quoted, &text.signature].map(|part| letters(part)).iter().sum::<usize>();
    if proves_more || all * 2 < letters(&html.visible) { html } else { text }
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

/// How much there is to read, white space and marks aside.
fn letters(text: &str) -> usize {
    text.chars().filter(|character| character.is_alphanumeric()).count()
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

    fn check_words_kept(text: &str) {
        let split = split(SplitInput { text: Some(text), ..SplitInput::default() });
        let all = format!("{}\n{}\n{}", split.visible, split.quoted, split.signature);
        assert!(words(text) == words(&all), "{:?} became {split:#?}", text.get(..2000).unwrap_or(text));
    }

    /// Trimming folds, it never deletes: mails put together from the lines of all fixtures, in any order.
    #[test]
    fn every_word_is_kept_somewhere() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/quoted");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path()).collect();
        paths.sort();
        let all: String = paths.iter().map(|path| std::fs::read_to_string(path).expect("fixture")).collect();
        let lines: Vec<&str> = all.lines().chain([""; 200]).collect();
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        for _ in 0..1_000 {
            let count = 1 + random(12);
            let mail: Vec<&str> = (0..count).map(|_| lines[random(lines.len())]).collect();
            check_words_kept(&mail.join("\n"));
        }
    }

    /// Inputs that make backtracking or looking ahead quadratic; each ends at once or never.
    #[test]
    fn hostile_repetition_is_split() {
        let attribution = "On Tue, 3 Mar 2026 at 14:05, Ann <ann@example.com> wrote:\n";
        check_words_kept(&(">".repeat(200_000) + "x"));
        for line in [
            "x\n> y\n",
            attribution,
            "From: x\n",
            "-- \na\n",
            "word\n\n---\n",
            "word\nSent from my iPhone\n",
            "Best regards\nBob\n\n",
        ] {
            check_words_kept(&line.repeat(2_000));
        }
        check_words_kept(&attribution.replace('\n', " ").repeat(2_000));
        for html in [
            "<div>x",
            "<blockquote>x",
            "<div class=gmail_quote>x</div>y",
            "<span><div>x</span>",
            "<li>x",
            "</div>x",
            "<p>x",
        ] {
            let split = split(SplitInput { html: Some(&html.repeat(4_000)), ..SplitInput::default() });
            let kept = [split.visible, split.quoted].concat().matches('x').count();
            assert_eq!(kept, 4_000, "{html}");
        }
    }

    #[test]
    fn any_bytes_are_fine() {
        for bytes in
            [&b"\xff\xfe<\x00>"[..], b"<", b"</", b"<a", b"&", b"&#", b"<!--", b"> \r\n>\r", b"--", b"\xe2\x80"]
        {
            let text = String::from_utf8_lossy(bytes);
            split(SplitInput { text: Some(&text), html: Some(&text), known: &[] });
            split(SplitInput { text: None, html: Some(&text), known: &[text.to_string()] });
        }
    }
}
