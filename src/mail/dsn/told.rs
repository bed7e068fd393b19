//! What a refusal's words say of the mailbox when its codes say nothing.

use super::phrases;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// There is no such mailbox.
    Unknown,
    Full,
}

/// Of a host's reply, in any case.
pub fn told(words: &str) -> Option<Told> {
    let words = words.to_lowercase();
    if phrases::any(&words, phrases::MAILBOX_FULL) {
        return Some(Told::Full);
    }
    (phrases::any(&words, phrases::UNKNOWN_USER) && !phrases::any(&words, phrases::SOFT)).then_some(Told::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_tell_what_codes_do_not() {
        let check = |words: &str, expected: Option<Told>| assert_eq!(told(words), expected, "{words}");
        check("No such user here", Some(Told::Unknown));
        check("sorry, that mailbox is over quota", Some(Told::Full));
        check("user unknown, blocked by policy", None);
        check("no", None);
    }
}
