//! What the stage keeps over a restart without the store: small files of JSON in the data directory, whose loss costs no more
//! than a first contact does.

use serde::de::DeserializeOwned;
use std::io::Write;
use std::path::Path;

/// What is in the file; one that cannot be read is as good as none.
pub fn read<T: DeserializeOwned + Default>(file: &Path, what: &str) -> T {
    let lost = |error: &dyn std::fmt::Display| {
        tracing::warn!(file = %file.display(), %error, "{what} cannot be read, and are learnt anew");
        T::default()
    };
    match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| lost(&error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => T::default(),
        Err(error) => lost(&error),
    }
}

/// Writes it away from the runtime's threads.
pub async fn write(file: &Path, text: Vec<u8>, what: &str) {
    let place = file.to_owned();
    let written = tokio::task::spawn_blocking(move || replace(&place, &text)).await;
    if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
        tracing::warn!(file = %file.display(), %error, "{what} cannot be kept over a restart");
    }
}

/// The old file or the new one, whenever the power goes.
fn replace(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let fresh = file.with_extension("new");
    let mut written = std::fs::File::create(&fresh)?;
    written.write_all(text)?;
    written.sync_all()?;
    std::fs::rename(&fresh, file)
}
