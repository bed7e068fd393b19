//! How a command fails: an exit code of sysexits.h and one line that names the thing, the reason and the way out.

use super::print::one_line;
use crate::config::ConfigError;
use std::process::ExitCode;

#[derive(Debug)]
pub struct Failure {
    code: u8,
    line: String,
}

/// What went wrong, as sysexits.h sorts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Usage,
    Data,
    NoInput,
    Unavailable,
    Software,
    CannotCreate,
    Output,
    TryAgain,
    Config,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Usage => 64,
            Exit::Data => 65,
            Exit::NoInput => 66,
            Exit::Unavailable => 69,
            Exit::Software => 70,
            Exit::CannotCreate => 73,
            Exit::Output => 74,
            Exit::TryAgain => 75,
            Exit::Config => 78,
        }
    }
}

impl Failure {
    pub fn new(exit: Exit, line: impl Into<String>) -> Failure {
        Failure { code: exit.code(), line: line.into() }
    }

    /// Prints the line and gives the code.
    pub fn report(&self) -> ExitCode {
        eprintln!("replyd: {}", one_line(&self.line));
        ExitCode::from(self.code)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::new(Exit::Config, error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::new(Exit::Software, error.to_string())
    }
}

pub type Done = Result<(), Failure>;
