//! Whether a refusal is greylisting, and how long the host wants to be left alone. Pure.

use super::outcome::Stage;
use crate::smtp::client::remote_reply::RemoteReply;
use std::time::Duration;

/// The wait that a greylister names, or the usual 5 minutes; `None` for any other refusal.
pub(super) fn wait(stage: Stage, reply: &RemoteReply) -> Option<Duration> {
    if reply.class() != 4 || reply.code == 421 || stage < Stage::Mail {
        return None;
    }
    let words = reply.words().to_lowercase();
    let named = ["greylist", "graylist", "grey list", "gray list", "grey-list"].iter().any(|word| words.contains(word));
    let policy = reply.enhanced().is_some_and(|enhanced| enhanced.subject == 7);
    let asked = stage == Stage::Rcpt && policy && words.contains("try again");
    (named || asked).then(|| named_wait(&words).unwrap_or(WAIT_MAX).clamp(WAIT_MIN, WAIT_MAX))
}

const WAIT_MIN: Duration = Duration::from_secs(60);
const WAIT_MAX: Duration = Duration::from_secs(300);

/// `try again in 120 seconds`, `please retry in 00:04:58`, `for 5 minutes`.
fn named_wait(words: &str) -> Option<Duration> {
    let mut previous = "";
    for word in words.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')')) {
        let word = word.trim_end_matches('.');
        if let Ok(number) = previous.parse::<u64>() {
            match word {
                "s" | "sec" | "secs" | "second" | "seconds" => return Some(Duration::from_secs(number)),
                "m" | "min" | "mins" | "minute" | "minutes" => {
                    return Some(Duration::from_secs(number.saturating_mul(60)));
                }
                _ => {}
            }
        }
        if let Some(wait) = of_clock(word) {
            return Some(wait);
        }
        previous = word;
    }
    None
}

/// `00:04:58`
fn of_clock(word: &str) -> Option<Duration> {
    let mut parts = word.splitn(3, ':').map(|digits| digits.parse::<u32>().ok().map(u64::from));
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::client::remote_reply::ReplyReader;

    #[test]
    fn a_greylister_is_believed_within_bounds() {
        let check = |stage: Stage, text: &str, seconds: Option<u64>| {
            let (_, reply) = ReplyReader::default().feed(format!("{text}\r\n").as_bytes()).expect("a reply");
            let waited = wait(stage, &reply.expect("a whole one"));
            assert_eq!(waited, seconds.map(Duration::from_secs), "{text}");
        };
        check(Stage::Rcpt, "451 4.7.1 Greylisting in action, please come back later", Some(300));
        check(Stage::Rcpt, "450 4.7.1 try again in 120 seconds", Some(120));
        check(Stage::Rcpt, "450 Greylisted for 2 minutes", Some(120));
        check(Stage::Rcpt, "450 greylisted, come back in 00:04:58", Some(298));
        check(Stage::Rcpt, "450 graylisted 5 seconds", Some(60));
        check(Stage::Rcpt, "450 graylisted 99999999999999999999 hours 9:9:9", Some(300));
        check(Stage::Data, "451 greylisted", Some(300));
        check(Stage::Rcpt, "550 5.7.1 greylisted, try again", None);
        check(Stage::Greeting, "451 4.7.1 greylisted, try again", None);
        check(Stage::Mail, "451 4.7.1 try again", None);
        check(Stage::Rcpt, "421 4.7.1 try again", None);
    }
}
