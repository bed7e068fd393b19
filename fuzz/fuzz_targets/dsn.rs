//! Any octets may claim to be a bounce: reading one ends, and what it says is safe to store and to print.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::mail::{dsn, parsed::ParsedMail};

fuzz_target!(|raw: &[u8]| {
    let mail = ParsedMail::parse(raw);
    if let Some(bounce) = dsn::read(&mail) {
        for recipient in &bounce.recipients {
            let diagnostic = recipient.diagnostic.as_deref().unwrap_or_default();
            assert!(diagnostic.len() <= 2048 && !diagnostic.contains(|c: char| c.is_control()), "{diagnostic:?}");
        }
    }
});
