//! What an MTA reads and by which code it decides. Pure but for the print.

use super::post::Ending;
use std::io::Write;
use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mta {
    Exim,
    Postfix,
    Qmail,
}

/// How a call ended: an enhanced status code (RFC 3463) and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub status: &'static str,
    pub message: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Done,
    TryAgain,
    Unconfigured,
}

impl Report {
    fn new(status: &'static str, kind: Kind, message: impl Into<String>) -> Report {
        Report { status, message: message.into(), kind }
    }

    pub fn done(message: impl Into<String>) -> Report {
        Report::new("2.0.0", Kind::Done, message)
    }

    pub fn unconfigured() -> Report {
        Report::new("4.3.5", Kind::Unconfigured, "URL and INGRESS_PASSWORD are required")
    }

    /// Nothing of the network: of the call itself.
    pub fn error(reason: &str) -> Report {
        Report::new("4.0.0", Kind::TryAgain, format!("Error relaying to ingress: {reason}"))
    }

    /// And what else the MTA's log should say.
    pub fn with(self, remark: &str) -> Report {
        Report { message: format!("{}; {remark}", self.message), ..self }
    }

    pub fn is_done(&self) -> bool {
        self.kind == Kind::Done
    }
}

impl From<Ending> for Report {
    fn from(ending: Ending) -> Report {
        let try_again = |status, message: String| Report::new(status, Kind::TryAgain, message);
        match ending {
            Ending::Answered(200..=299) => Report::done("Successfully relayed message to ingress"),
            Ending::Answered(401) => try_again("4.7.0", "Invalid credentials for ingress".to_owned()),
            Ending::Answered(status) => try_again("4.0.0", format!("HTTP {status}")),
            Ending::TimedOut => try_again("4.4.2", "Timed out relaying to ingress".to_owned()),
            Ending::Network(reason) => try_again("4.4.2", format!("Network error relaying to ingress: {reason}")),
            Ending::Error(reason) => Report::error(&reason),
        }
    }
}

impl Mta {
    /// Prints without a line end, and gives the code.
    pub fn tell(self, report: &Report) -> ExitCode {
        let text = super::super::print::one_line(&self.text(report));
        let mut out = std::io::stdout().lock();
        // An MTA that does not read it goes by the code.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        ExitCode::from(self.code(report))
    }

    /// Postfix reads the status from the words, for its code 1 alone would bounce.
    fn text(self, report: &Report) -> String {
        match self {
            Mta::Postfix => format!("{} {}", report.status, report.message),
            Mta::Exim | Mta::Qmail => report.message.clone(),
        }
    }

    fn code(self, report: &Report) -> u8 {
        match (self, report.kind) {
            (_, Kind::Done) => 0,
            (Mta::Exim, Kind::Unconfigured) => 64,
            (Mta::Exim, Kind::TryAgain) => TRY_AGAIN,
            (Mta::Postfix, Kind::Unconfigured | Kind::TryAgain) => 1,
            (Mta::Qmail, Kind::Unconfigured | Kind::TryAgain) => 111,
        }
    }
}

/// EX_TEMPFAIL of sysexits.h; no MTA bounces at it.
pub const TRY_AGAIN: u8 = 75;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mta_gets_the_words_and_the_code_it_decides_by() {
        let check = |report: Report, words: [&str; 2], codes: [u8; 3]| {
            assert_eq!([Mta::Exim.text(&report), Mta::Qmail.text(&report)], [words[0], words[0]]);
            assert_eq!(Mta::Postfix.text(&report), words[1]);
            assert_eq!([Mta::Exim, Mta::Postfix, Mta::Qmail].map(|mta| mta.code(&report)), codes, "{report:?}");
        };
        let required = "URL and INGRESS_PASSWORD are required";
        check(Report::unconfigured(), [required, &format!("4.3.5 {required}")], [64, 1, 111]);
        let done = "Successfully relayed message to ingress";
        for status in [200, 204, 299] {
            check(Ending::Answered(status).into(), [done, &format!("2.0.0 {done}")], [0, 0, 0]);
        }
        let deferred = [75, 1, 111];
        let wrong = "Invalid credentials for ingress";
        check(Ending::Answered(401).into(), [wrong, &format!("4.7.0 {wrong}")], deferred);
        for status in [199, 301, 404, 415, 422, 500, 503] {
            let words = format!("HTTP {status}");
            check(Ending::Answered(status).into(), [&words, &format!("4.0.0 {words}")], deferred);
        }
        let late = "Timed out relaying to ingress";
        check(Ending::TimedOut.into(), [late, &format!("4.4.2 {late}")], deferred);
        let lost = "Network error relaying to ingress: refused";
        check(Ending::Network("refused".into()).into(), [lost, &format!("4.4.2 {lost}")], deferred);
        let other = "Error relaying to ingress: odd";
        check(Ending::Error("odd".into()).into(), [other, &format!("4.0.0 {other}")], deferred);
    }
}
