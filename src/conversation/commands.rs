//! Commands in the first lines of an agent's mail: what each asks, or why it cannot be done. Pure.
//!
//! A command is `#` directly followed by letters, at the top of the visible text, one to a line. `# Heading`, `#1234` and
//! `#INV-7` are text: a heading has a space, a number of something has a digit. Every other unknown word is taken for a
//! command that was mistyped, because sending it to a customer cannot be undone and asking the agent again can.

use crate::mail::address::Address;
use std::time::Duration;

/// One line of the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The rest of the mail is a note: nothing is sent.
    Note,
    Resolve,
    /// To the agent of this address (canonical key).
    Assign(String),
    Snooze(Duration),
}

/// The visible text of an agent's mail, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commanded<'a> {
    /// In the order in which they stand.
    pub commands: Vec<Command>,
    /// What is left to be sent, or noted.
    pub text: &'a str,
}

/// A command that is none, or cannot be done as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misunderstood {
    #[error("\"#{0}\" is not a command")]
    Unknown(String),
    #[error("\"#{0}\" stands alone on its line; write your text below it")]
    StandsAlone(&'static str),
    #[error("\"#assign\" needs the address of an agent, as in \"#assign sara@example.com\"")]
    Assignee,
    #[error("\"#snooze\" needs a time from one minute to one year, as in \"#snooze 2d\" (m, h, d or w)")]
    Time,
    #[error("there are more than {COMMANDS_MAX} commands")]
    TooMany,
}

/// Splits the commands from the text.
pub fn read(text: &str) -> Result<Commanded<'_>, Misunderstood> {
    let mut commanded = Commanded { commands: Vec::new(), text: text.trim() };
    while let Some(Line { word, argument, from_argument, below }) = command_line(commanded.text) {
        if commanded.commands.len() == COMMANDS_MAX {
            return Err(Misunderstood::TooMany);
        }
        let command = match word.to_lowercase().as_str() {
            "note" => Command::Note,
            "resolve" => alone(argument, "resolve", Command::Resolve)?,
            "assign" => assign(argument)?,
            "snooze" => snooze(argument)?,
            _ => return Err(Misunderstood::Unknown(word.chars().take(WORD_SHOWN).collect())),
        };
        commanded.commands.push(command);
        // `#note she called twice`: the line belongs to the note, and so does all below it.
        if !argument.is_empty() && commanded.commands.last() == Some(&Command::Note) {
            commanded.text = from_argument;
            break;
        }
        commanded.text = below.trim_start();
    }
    Ok(commanded)
}

/// A first line that is a command's.
struct Line<'a> {
    word: &'a str,
    argument: &'a str,
    /// All text from the argument on.
    from_argument: &'a str,
    below: &'a str,
}

fn command_line(text: &str) -> Option<Line<'_>> {
    let after_mark = text.strip_prefix('#')?;
    let end = after_mark.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(after_mark.len());
    let (word, rest) = after_mark.split_at(end);
    let is_word = word.starts_with(char::is_alphabetic) && !word.contains(char::is_numeric);
    let (line, below) = rest.split_once('\n').unwrap_or((rest, ""));
    let separates = |c: char| c == ':' || c.is_whitespace();
    is_word.then(|| Line {
        word,
        argument: line.trim_start_matches(separates).trim_end(),
        from_argument: rest.trim_start_matches(separates),
        below,
    })
}

fn alone(argument: &str, word: &'static str, command: Command) -> Result<Command, Misunderstood> {
    if argument.is_empty() { Ok(command) } else { Err(Misunderstood::StandsAlone(word)) }
}

/// Mail clients make a link of an address and leave both: `sara@x.example<mailto:sara@x.example>`.
fn assign(argument: &str) -> Result<Command, Misunderstood> {
    let words = argument.split(|c: char| c.is_whitespace() || "<>[]();,".contains(c)).filter(|word| !word.is_empty());
    let mut addresses = words.map(|word| Address::parse(word.trim_start_matches("mailto:")).map(|found| found.key()));
    match (addresses.next(), addresses.next()) {
        (Some(Ok(first)), None) => Ok(Command::Assign(first)),
        (Some(Ok(first)), Some(Ok(again))) if first == again && addresses.next().is_none() => {
            Ok(Command::Assign(first))
        }
        _ => Err(Misunderstood::Assignee),
    }
}

fn snooze(argument: &str) -> Result<Command, Misunderstood> {
    let digits = argument.find(|c: char| !c.is_ascii_digit()).unwrap_or(argument.len());
    let (number, unit) = argument.split_at(digits);
    let seconds = match unit.trim().to_ascii_lowercase().as_str() {
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        _ => return Err(Misunderstood::Time),
    };
    let total = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    let total = total.filter(|total| (60..=SNOOZE_SECONDS_MAX).contains(total)).ok_or(Misunderstood::Time)?;
    Ok(Command::Snooze(Duration::from_secs(total)))
}

/// What an agent is told beside the reason.
pub const LIST: &str = "\
#note            what stands below is a note for your colleagues, nothing is sent
#resolve         the conversation is resolved
#assign ADDRESS  the conversation is that agent's, as in #assign sara@example.com
#snooze TIME     it comes back then, as in #snooze 2d (m, h, d or w)";

const COMMANDS_MAX: usize = 10;
const SNOOZE_SECONDS_MAX: u64 = 366 * 86_400;
const WORD_SHOWN: usize = 40;

#[cfg(test)]
mod tests {
    use super::Command::{Assign, Note, Resolve, Snooze};
    use super::*;

    fn check(text: &str, commands: &[Command], rest: &str) {
        assert_eq!(read(text), Ok(Commanded { commands: commands.to_vec(), text: rest }), "{text:?}");
    }

    fn refused(text: &str, expected: Misunderstood) {
        assert_eq!(read(text), Err(expected), "{text:?}");
    }

    fn hours(count: u64) -> Command {
        Snooze(Duration::from_secs(count * 3600))
    }

    #[test]
    fn commands_stand_at_the_top_and_the_rest_is_sent() {
        let sara = || Assign("sara@acme.example".into());
        check("Hello Ann", &[], "Hello Ann");
        check("  \r\n#resolve\r\n\r\nAll done.\r\nSara\r\n", &[Resolve], "All done.\r\nSara");
        check("#Resolve", &[Resolve], "");
        check("#note\nshe called\n#resolve is mine", &[Note], "she called\n#resolve is mine");
        check("#assign sara@acme.example\n#snooze 2d\n\nOn it.", &[sara(), hours(48)], "On it.");
        check("#assign\u{a0}Sara@ACME.example <mailto:Sara@ACME.example>", &[sara()], "");
        check("#assign [sara@acme.example](mailto:sara@acme.example)", &[sara()], "");
        check("#resolve\n\n#assign sara@acme.example", &[Resolve, sara()], "");
        check("Thanks!\n#resolve", &[], "Thanks!\n#resolve");
        check("", &[], "");
    }

    #[test]
    fn a_note_may_begin_on_its_own_line() {
        check("#note: she called twice\n#1 wish: red", &[Note], "she called twice\n#1 wish: red");
        check("#resolve\n#NOTE angry\nvery", &[Resolve, Note], "angry\nvery");
        check("#note", &[Note], "");
    }

    /// Texts put together from what commands are made of, in any order.
    #[test]
    fn whatever_is_read_leaves_the_end_of_the_text() {
        let pieces =
            ["#note", "#resolve", "#snooze 2d", "#x", "# ", ":", "\n", "\r\n", "\u{a0}", " ", "ü", "1", "word", "#"];
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        for _ in 0..20_000 {
            let count = random(12);
            let text: String = (0..count).map(|_| pieces[random(pieces.len())]).collect();
            if let Ok(commanded) = read(&text) {
                assert!(text.trim_end().ends_with(commanded.text), "{text:?} left {:?}", commanded.text);
                assert!(!commanded.commands.is_empty() || commanded.text == text.trim(), "{text:?}");
            }
        }
    }

    #[test]
    fn headings_and_numbers_are_text() {
        for text in
            ["# Title\nx", "#1234 is on its way", "#INV-2024-7", "#A12 left", "##resolve", "#", "#-", "#!/bin/sh"]
        {
            check(text, &[], text);
        }
    }

    #[test]
    fn times_are_counted_in_four_units() {
        let minutes = |count: u64| Snooze(Duration::from_secs(count * 60));
        for (time, expected) in [("90m", minutes(90)), ("1 h", hours(1)), ("2 days", hours(48)), ("1W", hours(168))] {
            check(&format!("#snooze {time}"), &[expected], "");
        }
        for time in ["", "2", "d", "0d", "1s", "53w", "2d please", "-2d", "99999999999999999999d", "99999999999999999d"]
        {
            refused(&format!("#snooze {time}"), Misunderstood::Time);
        }
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        refused("#asign sara@acme.example", Misunderstood::Unknown("asign".into()));
        refused("#resolve\n#größe XL", Misunderstood::Unknown("größe".into()));
        refused("#resolved", Misunderstood::Unknown("resolved".into()));
        refused("#resolve please", Misunderstood::StandsAlone("resolve"));
        for argument in ["", "sara", "sara@acme.example ben@acme.example", "me", "@"] {
            refused(&format!("#assign {argument}"), Misunderstood::Assignee);
        }
        refused(&"#resolve\n".repeat(11), Misunderstood::TooMany);
        refused(&format!("#{}", "x".repeat(10_000)), Misunderstood::Unknown("x".repeat(40)));
    }
}
