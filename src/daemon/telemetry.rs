//! Log lines to stderr: for people, for journald, or as JSON. `REPLYD_LOG` says how much (`info`, `debug`,
//! `replyd::inbound=debug`), `REPLYD_LOG_FORMAT=json` makes them JSON. Other words are refused.

use std::env::{VarError, var};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

/// A variable of the log that says nothing we know. With it left alone, a typo would silence everything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    #[error(
        "REPLYD_LOG={0:?}: one of off, error, warn, info, debug, trace is expected, or such of parts, as in warn,replyd::inbound=debug"
    )]
    Level(String),
    #[error("REPLYD_LOG_FORMAT={0:?}: text or json is expected")]
    Format(String),
}

/// Installs the subscriber, with this level if the environment asks for none; later calls change nothing.
pub fn start(usual: &str) -> Result<(), LogError> {
    let filter = match asked("REPLYD_LOG") {
        Some(directives) => filter(&directives)?,
        None => EnvFilter::new(usual),
    };
    let json = is_json(&asked("REPLYD_LOG_FORMAT").unwrap_or_default())?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // journald stamps lines itself, and colours are noise in a file.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = match (json, journal) {
        (true, _) => lines.json().flatten_event(true).with_timer(SystemTime).try_init(),
        (false, true) => lines.with_ansi(false).without_time().try_init(),
        (false, false) => lines.with_ansi(terminal).with_timer(SystemTime).try_init(),
    };
    Ok(())
}

/// Empty is as good as not set: a unit clears a variable so.
fn asked(name: &str) -> Option<String> {
    match var(name) {
        Ok(value) => Some(value).filter(|value| !value.trim().is_empty()),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(octets)) => Some(octets.to_string_lossy().into_owned()),
    }
}

/// `EnvFilter` takes any word for the name of a part, also a level that was mistyped.
fn filter(directives: &str) -> Result<EnvFilter, LogError> {
    let refused = || LogError::Level(directives.to_owned());
    let is_known = |directive: &str| match directive.split_once('=') {
        Some((part, level)) => is_part(part) && is_level(level),
        None => is_level(directive) || directive.starts_with("replyd"),
    };
    let known: Vec<&str> = directives.split(',').map(str::trim).filter(|one| is_known(one)).collect();
    if known.len() != directives.split(',').count() {
        return Err(refused());
    }
    known.join(",").parse().map_err(|_| refused())
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level))
}

fn is_part(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn is_json(format: &str) -> Result<bool, LogError> {
    match format {
        "json" => Ok(true),
        "" | "text" => Ok(false),
        other => Err(LogError::Format(other.to_owned())),
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_level_or_format_is_told() {
        for good in ["info", "WARN", "off", "warn,replyd::inbound=debug", "replyd=trace, hyper=warn", "replyd::store"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["inof", "warn,inof", "replyd=inof", "replyd::inbound=", "=debug", "debug;trace"] {
            assert_eq!(filter(bad).err(), Some(LogError::Level(bad.to_owned())), "{bad}");
        }
        assert_eq!((is_json("json"), is_json(""), is_json("text")), (Ok(true), Ok(false), Ok(false)));
        assert_eq!(is_json("jsno"), Err(LogError::Format("jsno".to_owned())));
    }
}
