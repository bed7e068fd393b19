//! Secrets: where the config says they are, and their value, which no log, error or debug print ever shows.

use super::permission;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A secret's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where a secret is written.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretSource {
    Text(String),
    File(PathBuf),
    Environment(String),
    /// A systemd credential (`LoadCredential=`).
    Credential(String),
}

/// Where secrets are read from: the process's environment and files, or a test's.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    pub read_file: &'a dyn Fn(&Path) -> std::io::Result<String>,
    /// Permission bits; `None` where that cannot be known.
    pub file_mode: &'a dyn Fn(&Path) -> Option<u32>,
}

impl Surroundings<'_> {
    /// The machine's.
    pub const SYSTEM: Surroundings<'static> = Surroundings {
        environment: &|name| std::env::var(name).ok(),
        read_file: &|path| std::fs::read_to_string(path),
        file_mode: &|path| std::fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o777),
    };

    /// Where systemd put the credential of this name.
    pub fn credential_path(&self, name: &str) -> Result<PathBuf, String> {
        if name.is_empty() || name.contains('/') {
            return Err(format!("{name:?} is no credential's name"));
        }
        let folder = (self.environment)("CREDENTIALS_DIRECTORY").ok_or_else(|| {
            format!("$CREDENTIALS_DIRECTORY is not set; the systemd unit needs LoadCredential={name}:PATH, then systemctl daemon-reload and restart")
        })?;
        Ok(Path::new(&folder).join(name))
    }
}

impl Secret {
    /// The value, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretSource::Text(_) => f.write_str("(secret)"),
            SecretSource::File(path) => write!(f, "file {}", path.display()),
            SecretSource::Environment(name) => write!(f, "env {name}"),
            SecretSource::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

impl SecretSource {
    /// Reads the value; one line end at the end of a file is not part of it.
    pub fn read(&self, base: &Path, surroundings: Surroundings<'_>) -> Result<Secret, String> {
        let from_file = |path: &Path| match (surroundings.read_file)(path) {
            Ok(text) => Ok(strip_line_end(&text).to_owned()),
            Err(error) => Err(format!("cannot read {}: {error}{}", path.display(), permission::way_out(path, &error))),
        };
        let value = match self {
            SecretSource::Text(text) => Ok(text.clone()),
            SecretSource::File(path) => from_file(&base.join(path)),
            SecretSource::Environment(name) => {
                (surroundings.environment)(name).ok_or_else(|| format!("the environment has no {name}"))
            }
            SecretSource::Credential(name) => from_file(&surroundings.credential_path(name)?),
        }?;
        if value.is_empty() { Err("the secret is empty".to_owned()) } else { Ok(Secret(value)) }
    }
}

fn strip_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALLOWED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretSource, E> {
        Ok(SecretSource::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let (key, value) = map.next_entry::<String, String>()?.ok_or_else(|| A::Error::custom(ALLOWED))?;
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom(ALLOWED));
        }
        match key.as_str() {
            "file" => Ok(SecretSource::File(value.into())),
            "env" => Ok(SecretSource::Environment(value)),
            "credential" => Ok(SecretSource::Credential(value)),
            _ => Err(A::Error::custom(ALLOWED)),
        }
    }
}

const ALLOWED: &str =
    "a secret is a string or exactly one of { file = \"…\" }, { env = \"…\" }, { credential = \"…\" }";

#[cfg(test)]
mod tests {
    use super::*;

    const FAKE: Surroundings<'static> = Surroundings {
        environment: &|name| (name == "CREDENTIALS_DIRECTORY").then(|| "/run/credentials/replyd".to_owned()),
        read_file: &|path| match path.to_str() {
            Some("/run/credentials/replyd/relay") => Ok("from systemd\n".to_owned()),
            Some("/etc/replyd/relay") => Ok("from a file\r\n".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
        file_mode: &|_| None,
    };

    fn check(source: SecretSource, expected: Result<&str, &str>) {
        let read = source.read(Path::new("/etc/replyd"), FAKE);
        assert_eq!(read.as_ref().map(Secret::expose).map_err(String::as_str), expected, "{source:?}");
    }

    #[test]
    fn secrets_come_from_text_file_environment_or_credential() {
        check(SecretSource::Text("plain".into()), Ok("plain"));
        check(SecretSource::File("relay".into()), Ok("from a file"));
        check(SecretSource::Credential("relay".into()), Ok("from systemd"));
        check(SecretSource::Environment("HOOK".into()), Err("the environment has no HOOK"));
        check(SecretSource::Text(String::new()), Err("the secret is empty"));
        check(SecretSource::Credential("../shadow".into()), Err("\"../shadow\" is no credential's name"));
    }

    #[test]
    fn no_debug_print_shows_a_secret() {
        let printed = format!("{:?} {:?}", Secret::from("hunter2".to_owned()), SecretSource::Text("hunter2".into()));
        assert_eq!(printed, "(secret) (secret)");
    }
}
