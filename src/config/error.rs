//! Why a config is refused, in one line: file, line, key, value, and what is allowed.

use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The config cannot be used. Exit code 78.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{path}: cannot read the config: {reason}", path = .path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path}:{line}: {subject}{message}", path = .path.display())]
    Refused {
        path: PathBuf,
        line: usize,
        /// `key = value: `, or nothing where no key is to blame.
        subject: String,
        message: String,
    },
}

/// A text that is being read, for errors that point into it.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
    /// What serde or the TOML parser refused.
    pub fn unparsable(&self, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let message = error.message().replace('\n', ", ");
        self.refuse(span, &message)
    }

    /// A value that is well-formed but not allowed.
    pub fn refuse(&self, span: Range<usize>, message: &str) -> ConfigError {
        let key = one_line(&self.key_at(&span));
        let secret = key.split(['.', '[']).any(|part| SECRET_KEYS.contains(&part));
        // serde quotes the value it did not expect: a secret in the wrong shape must not reach a log.
        let message = if secret && message.starts_with("invalid type") { SECRET_ALLOWED } else { message };
        let line = self.text.get(..span.start).unwrap_or(self.text).matches('\n').count() + 1;
        let subject = match (key.is_empty(), secret) {
            (true, _) => String::new(),
            (false, true) => format!("{key}: "),
            (false, false) => format!("{key}{}: ", self.value_at(&span)),
        };
        ConfigError::Refused { path: self.path.into(), line, subject, message: one_line(message) }
    }

    /// ` = value`, when the span is a short value and not a table or a key.
    fn value_at(&self, span: &Range<usize>) -> String {
        let value = self.text.get(span.clone()).unwrap_or("");
        let before = self.text.get(..span.start).unwrap_or("").trim_end();
        let is_value = before.ends_with(['=', ',']) || (before.ends_with('[') && !value.starts_with('['));
        let shown = is_value && !value.is_empty() && value.len() <= 200 && !value.contains(['\n', '{']);
        if shown { format!(" = {}", one_line(value)) } else { String::new() }
    }

    /// The dotted path of the key whose name or value holds the span.
    fn key_at(&self, span: &Range<usize>) -> String {
        let (table, _) = DeTable::parse_recoverable(self.text);
        path_in_table(table.get_ref(), span).unwrap_or_default()
    }
}

fn path_in_table(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref().as_ref();
        if let Some(rest) = path_in_value(value.get_ref(), span) {
            return Some(format!("{name}{rest}"));
        }
        (holds(&key.span(), span) || holds(&value.span(), span)).then(|| name.to_owned())
    })
}

fn path_in_value(value: &DeValue<'_>, span: &Range<usize>) -> Option<String> {
    match value {
        DeValue::Table(table) => path_in_table(table, span).map(|path| format!(".{path}")),
        DeValue::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let inside = path_in_value(item.get_ref(), span);
            let found = inside.or_else(|| holds(&item.span(), span).then(String::new))?;
            Some(format!("[{index}]{found}"))
        }),
        DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {
            None
        }
    }
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end && outer.end > outer.start
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

const SECRET_KEYS: [&str; 7] = ["password", "secret", "signing_key", "api_key", "key", "token", "identity_secret"];

const SECRET_ALLOWED: &str =
    "a string or exactly one of { file = \"…\" }, { env = \"…\" }, { credential = \"…\" } is expected";
