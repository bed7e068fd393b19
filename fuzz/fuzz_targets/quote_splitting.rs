//! Splitting folds, it never deletes: every word of the text is in one of the three.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::mail::quoted::{SplitInput, split};
use std::collections::HashSet;

fuzz_target!(|octets: &[u8]| {
    let Ok(whole) = std::str::from_utf8(octets) else { return };
    // A NUL separates the text from the HTML of the same mail.
    let (text, html) = whole.split_once('\0').map_or((whole, None), |(text, html)| (text, Some(html)));
    let parts = split(SplitInput { text: Some(text), html, known: &[] });
    if html.is_none() {
        let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<HashSet<_>>();
        let kept = words(&[parts.visible, parts.quoted, parts.signature].join("\n"));
        for word in words(text) {
            assert!(word.is_empty() || kept.contains(&word), "lost {word:?}");
        }
    }
    split(SplitInput { text: None, html: Some(whole), known: &[] });
});
