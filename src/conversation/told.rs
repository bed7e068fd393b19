//! What a notification tells an agent beside the customer's words, so that an answer between its quoted lines can be told
//! from it. The templates and the verdict's sentences begin so; a test quotes a whole notification. Pure.

/// Starts of the sentence that says who wrote; each goes on with its reason.
pub const VERIFIED: &str = "Author verified";
pub const FORGED: &str = "FORGED, do not trust it";
pub const UNKNOWN: &str = "Author not known, the DNS did not answer";
pub const UNPROVEN: &str = "Author not proven";
pub const BY_CHAT: &str = "Written in the chat: nothing is proven of who it was.";

/// Whether a sentence of a notification begins here, quoted or not: nobody else writes so.
pub fn begins(words: &str) -> bool {
    let is_verdict = [VERIFIED, FORGED, UNKNOWN, UNPROVEN].iter().any(|start| {
        let rest = words.strip_prefix(start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '.']))
    });
    is_verdict || STATUS.iter().chain(&FIXED).any(|start| words.starts_with(start))
}

/// The same for what others may write as well, if it is quoted.
pub fn begins_quoted(words: &str) -> bool {
    // A client has wrapped it.
    let is_head = |sentence: &&str| words.len() >= HEAD_OCTETS_MIN && sentence.starts_with(words);
    words.starts_with("From: ") || words.starts_with("Your reply goes to ") || FIXED.iter().any(is_head)
}

/// Whether a sentence ends with this line.
pub fn ends(words: &str) -> bool {
    words.ends_with(['.', ':', '>']) || words.ends_with("2d") || words.starts_with("From: ")
}

const STATUS: [&str; 3] = [
    "The conversation is open and assigned to ",
    "The conversation is resolved and assigned to ",
    "The conversation is snoozed and assigned to ",
];
const FIXED: [&str; 3] =
    [BY_CHAT, "First lines that begin with # are commands", "#note (the rest is for colleagues only)"];
const HEAD_OCTETS_MIN: usize = 20;
