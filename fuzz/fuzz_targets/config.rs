//! Any text is a config or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::config::secret::Surroundings;
use std::path::Path;

const NOTHING: Surroundings<'static> =
    Surroundings { environment: &|_| Some(String::from("x")), read_file: &|_| Err(std::io::ErrorKind::NotFound.into()), file_mode: &|_| None };

fuzz_target!(|text: &str| {
    if let Err(error) = replyd::config::parse(Path::new("fuzz.toml"), text, NOTHING) {
        assert!(!error.to_string().contains('\n'));
    }
});
