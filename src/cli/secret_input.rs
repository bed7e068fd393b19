//! A secret typed in: without echo at a terminal, or one line of standard input. Never an argument.

use super::failure::{Exit, Failure};
use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use std::io::{BufRead, Read, Write, stderr, stdin};

/// Asks at a terminal; else reads the line that was piped in.
pub fn read(question: &str) -> Result<String, Failure> {
    let secret = if isatty(stdin()) { asked(question) } else { line() };
    let secret = secret.map_err(|error| Failure::new(Exit::Data, format!("cannot read the password: {error}")))?;
    if secret.is_empty() {
        return Err(Failure::new(Exit::Data, "no password was given; type it, or pipe one line".to_owned()));
    }
    Ok(secret)
}

fn asked(question: &str) -> std::io::Result<String> {
    let _ = write!(stderr(), "{question}");
    let before = tcgetattr(stdin())?;
    let _restored = Restored(before.clone());
    let mut silent = before;
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin(), OptionalActions::Flush, &silent)?;
    let read = line();
    let _ = writeln!(stderr());
    read
}

/// The line without its end; a longer one than any password may be is cut, and refused for its length.
fn line() -> std::io::Result<String> {
    let mut line = String::new();
    stdin().lock().take(LINE_OCTETS_MAX).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// The terminal as it was, whatever comes between.
struct Restored(Termios);

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

const LINE_OCTETS_MAX: u64 = 4096;
