//! Any text is an MTA-STS policy or none, never a panic, and none allows a host without a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::outbound::mta_sts::{Policy, announced_id};

fuzz_target!(|text: &str| {
    let _ = announced_id(&[text.as_bytes().to_vec()]);
    if let Ok(policy) = Policy::parse(text) {
        assert!(policy.max_age().as_secs() <= 31_557_600);
        assert!(!policy.allows(""));
    }
});
