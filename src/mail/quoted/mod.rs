//! Splits what the person wrote from the history and the signature below or around it.
//!
//! Trimming folds, it never deletes: visible, quoted and signature together hold every word of the input.

mod attribution;
mod choose;
mod fold;
mod heading;
mod html;
mod known;
mod lines;
mod signature;
mod stretches;
// One word a line would make the tables unreadable.
#[rustfmt::skip]
mod words;

pub use choose::split;

/// What a mail says, by who said it. White space between the three may differ from the input; words may not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// What the person wrote, trimmed.
    pub visible: String,
    /// History: attribution lines and what they introduce, forwarded originals, client containers.
    pub quoted: String,
    /// Signature, "Sent from my …", disclaimers below it.
    pub signature: String,
}

/// What the split may go by.
#[derive(Debug, Clone, Copy, Default)]
pub struct SplitInput<'a> {
    /// The text/plain body, decoded and unflowed, LF line ends.
    pub text: Option<&'a str>,
    /// The text/html body, decoded, unsanitised.
    pub html: Option<&'a str>,
    /// Texts that we ourselves mailed in this conversation: the surest quote marker, in any language and client.
    pub known: &'a [String],
}
