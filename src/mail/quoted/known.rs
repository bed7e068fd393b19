//! Finds in a mail what we ourselves mailed before: quotation in any language and client, whatever became of its marks
//! and line breaks.
//!
//! Words are compared, not lines, in runs of `RUN_WORDS`: a person's own "yes, thanks" never becomes a quotation because
//! we once wrote it too.

use super::lines::Line;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Marks the lines that consist of `known` text.
pub fn mark(lines: &mut [Line<'_>], known: &[String]) {
    let runs = runs_of(known);
    if runs.is_empty() {
        return;
    }
    let mut hashes = Vec::new();
    let mut owners = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        each_word(&line.text, |hash| {
            hashes.push(hash);
            owners.push(index);
        });
    }
    let mut covered = vec![0_usize; lines.len()];
    let mut counted = 0;
    for (start, window) in hashes.windows(RUN_WORDS).enumerate() {
        if !runs.contains(&hash_of(window)) {
            continue;
        }
        for owner in owners.iter().take(start + RUN_WORDS).skip(counted.max(start)) {
            if let Some(words) = covered.get_mut(*owner) {
                *words += 1;
            }
        }
        counted = start + RUN_WORDS;
    }
    let mut words = vec![0_usize; lines.len()];
    for owner in owners {
        if let Some(count) = words.get_mut(owner) {
            *count += 1;
        }
    }
    for (line, (covered, words)) in lines.iter_mut().zip(covered.into_iter().zip(words)) {
        line.known = words > 0 && covered * 10 >= words * KNOWN_TENTHS_MIN;
    }
}

fn runs_of(known: &[String]) -> HashSet<u64> {
    let mut runs = HashSet::new();
    for text in known {
        let mut hashes = Vec::new();
        each_word(text, |hash| hashes.push(hash));
        runs.extend(hashes.windows(RUN_WORDS).map(hash_of));
    }
    runs
}

/// Words as hashes; scripts without spaces count every character as a word.
fn each_word(text: &str, mut take: impl FnMut(u64)) {
    let mut word = String::new();
    for character in text.chars().chain([' ']) {
        let alone = matches!(character, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}');
        if character.is_alphanumeric() && !alone {
            word.extend(character.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            take(hash_of(&word));
            word.clear();
        }
        if alone {
            take(hash_of(&character));
        }
    }
}

fn hash_of(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Shorter runs are what people say themselves.
const RUN_WORDS: usize = 8;

/// How much of a line must be ours, in tenths: marks such as a name before it may stand beside.
const KNOWN_TENTHS_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "Your parcel left our house on Monday.\nIt should be with you within three days.";

    fn check(text: &str, expected: &[bool]) {
        let mut lines = super::super::lines::of_text(text);
        mark(&mut lines, &[OURS.to_owned()]);
        assert_eq!(lines.iter().map(|line| line.known).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn our_words_are_found_whatever_became_of_their_lines() {
        check(
            "Yes.\nYour parcel left our\nhouse on Monday. It should be\nwith you within three days.",
            &[false, true, true, true],
        );
        check("> YOUR PARCEL LEFT OUR HOUSE\n> on *Monday*. It should be with you", &[true, true]);
    }

    #[test]
    fn a_persons_own_words_are_not_ours() {
        check("It should be with you on Monday.", &[false]);
        check("You said: your parcel left our house on Monday, it should be, and it is not, so what now?", &[false]);
        check("Monday", &[false]);
    }
}
