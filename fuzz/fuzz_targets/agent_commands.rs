//! Commands leave no word behind: what is left of a text is its end, and at most ten lines were taken from its top.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::conversation::commands::read;

fuzz_target!(|octets: &[u8]| {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Ok(commanded) = read(text) {
        assert!(text.trim_end().ends_with(commanded.text), "{text:?} left {:?}", commanded.text);
        assert!(commanded.commands.len() <= 10);
        assert!(!commanded.commands.is_empty() || commanded.text == text.trim());
    }
});
