//! Chooses the part that tells best what the person wrote.
//!
//! The text part is what the client meant to be read as text, so it is preferred; the HTML part decides where a client's
//! container shows a boundary that the text does not.

use super::html::{self, Evidence};
use super::{Split, SplitInput, fold::fold, known, lines};

/// Splits one mail. Linear in its input; any bytes are fine.
pub fn split(input: SplitInput<'_>) -> Split {
    let text = input.text.filter(|text| !text.trim().is_empty()).map(|text| of_text(text, input.known));
    let Some(html) = input.html.filter(|html| !html.trim().is_empty()) else { return text.unwrap_or_default() };
    let (html, evidence) = of_html(html, input.known);
    match text {
        Some(text)
            if html.visible.is_empty() || evidence == Evidence::None || same_words(&text.visible, &html.visible) =>
        {
            text
        }
        Some(_) | None => html,
    }
}

fn of_text(text: &str, ours: &[String]) -> Split {
    let mut lines = lines::of_text(text);
    known::mark(&mut lines, ours);
    fold(&lines)
}

fn of_html(html: &str, ours: &[String]) -> (Split, Evidence) {
    let mut read = html::read(html);
    known::mark(&mut read.lines, ours);
    (fold(&read.lines), read.evidence)
}

/// Whether two texts differ in white space and marks only.
fn same_words(one: &str, other: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|character| character.is_alphanumeric()).collect::<String>();
    letters(one) == letters(other)
}
