//! Output for people. What strangers wrote is on the screen: control characters are shown, never sent to the terminal.

use super::failure::Exit;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// `println!` for commands: see [`line`].
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::print::line(format_args!($($words)*)) };
}
pub(super) use say;

/// Prints a line to standard output.
pub fn line(words: Arguments<'_>) {
    octets(format!("{words}\n").as_bytes());
}

/// Writes to standard output. A reader that closes early, as `head` does, has what it wanted; anything else that goes
/// wrong there, such as a full disk, ends the command, for half an answer is none.
pub fn octets(octets: &[u8]) {
    let mut output = std::io::stdout().lock();
    match output.write_all(octets).and_then(|()| output.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("replyd: cannot write to standard output: {error}");
            std::process::exit(i32::from(Exit::Output.code()));
        }
    }
}

/// Text that may span lines; every other control character becomes visible.
pub fn text(text: &str) -> String {
    text.chars().flat_map(|c| visible(c, &['\n', '\t'])).collect()
}

/// Text that must stay in its line.
pub fn one_line(text: &str) -> String {
    text.chars().flat_map(|c| visible(c, &[])).collect()
}

/// Escapes what steers a terminal, and what reorders text so that it reads otherwise than it is (bidi controls).
fn visible(c: char, kept: &[char]) -> Vec<char> {
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    if (c.is_control() && !kept.contains(&c)) || reorders { c.escape_default().collect() } else { vec![c] }
}

/// A table with a heading; columns are as wide as their widest cell.
pub fn table(heading: &[&str], rows: &[Vec<String>]) {
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain(std::iter::once(&heading)).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for row in std::iter::once(&heading).chain(&rows) {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<width$}", width = width(column)));
        say!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A JSON value as it is.
pub fn json(value: &serde_json::Value) {
    say!("{value:#}");
}

/// A member of a JSON object as text; absent and null are empty.
pub fn field(value: &serde_json::Value, path: &str) -> String {
    match value.pointer(path) {
        None | Some(serde_json::Value::Null) => String::new(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The members of a JSON array.
pub fn items<'a>(value: &'a serde_json::Value, path: &str) -> &'a [serde_json::Value] {
    value.pointer(path).and_then(serde_json::Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_stranger_wrote_steers_the_terminal() {
        assert_eq!(one_line("a\u{1b}[2Jb\r\nc"), "a\\u{1b}[2Jb\\r\\nc");
        assert_eq!(text("a\nb\tc\u{7}\u{9b}"), "a\nb\tc\\u{7}\\u{9b}");
        assert_eq!(one_line("invoice\u{202e}fdp.exe"), "invoice\\u{202e}fdp.exe");
        assert_eq!(one_line("Grüße 🙂"), "Grüße 🙂");
    }
}
