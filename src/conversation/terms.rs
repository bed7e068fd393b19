//! Words as the full-text index knows them: in any case, with or without accents. What is written without spaces between
//! words (Chinese, Japanese, Thai and others) is known by each two letters that stand side by side. Pure.
//!
//! Nothing but letters and digits leaves this file, so nothing that a person typed is ever syntax of the index.

use icu_normalizer::DecomposingNormalizerBorrowed;
use std::collections::BTreeSet;

/// What somebody looks for: all of it, in any order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub whole: Vec<String>,
    /// Words that are not typed to their end.
    pub begun: Vec<String>,
}

impl Asked {
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.begun.is_empty()
    }
}

/// The different words of a document, up to a bound.
pub fn of_document<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    for stretch in texts.into_iter().flat_map(stretches) {
        match stretch {
            Stretch::Word(word) => drop(terms.insert(word)),
            Stretch::Dense(letters) => {
                terms.extend(pairs(&letters).take(TERMS_OF_DOCUMENT_MAX));
                // What begins with the last letter: nothing but itself.
                terms.extend(letters.last().map(char::to_string));
            }
        }
        if terms.len() >= TERMS_OF_DOCUMENT_MAX {
            break;
        }
    }
    terms
}

/// What a query asks for. Its last word may go on, unless a space ends it.
pub fn of_query(query: &str) -> Asked {
    let mut asked = Asked::default();
    let mut all = stretches(query).take(TERMS_OF_QUERY_MAX).peekable();
    while let Some(stretch) = all.next() {
        match stretch {
            Stretch::Word(word) if all.peek().is_none() && may_go_on(query, &word) => asked.begun.push(word),
            Stretch::Word(word) => asked.whole.push(word),
            Stretch::Dense(letters) if letters.len() == 1 => asked.begun.extend(letters.first().map(char::to_string)),
            Stretch::Dense(letters) => asked.whole.extend(pairs(&letters).take(TERMS_OF_QUERY_MAX)),
        }
    }
    asked
}

/// Whether a term may be found by its beginning: numbers and very long words would fill the list of words for nothing.
pub fn is_listed(term: &str) -> bool {
    let mut letters = 0;
    term.chars().all(|c| {
        letters += 1;
        !c.is_numeric()
    }) && letters <= LISTED_LETTERS_MAX
}

fn may_go_on(query: &str, word: &str) -> bool {
    query.ends_with(|c: char| belongs(c)) && word.chars().nth(BEGUN_LETTERS_MIN - 1).is_some() && is_listed(word)
}

enum Stretch {
    Word(String),
    /// Of a script without spaces between words.
    Dense(Vec<char>),
}

fn stretches(text: &str) -> impl Iterator<Item = Stretch> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let dense = is_dense(rest.chars().next()?);
        let end = rest.find(|c: char| !belongs(c) || is_dense(c) != dense && !is_mark(c)).unwrap_or(rest.len());
        let (stretch, after) = rest.split_at(end);
        rest = after;
        Some(if dense { Stretch::Dense(folded(stretch).chars().collect()) } else { Stretch::Word(word(stretch)) })
    })
}

fn word(stretch: &str) -> String {
    let mut word = folded(stretch);
    if let Some((end, _)) = word.char_indices().nth(LETTERS_MAX) {
        word.truncate(end);
    }
    word
}

/// Lower case, compatibility forms as the letters they stand for, without accents.
fn folded(stretch: &str) -> String {
    if stretch.is_ascii() {
        return stretch.to_ascii_lowercase();
    }
    let plain = DecomposingNormalizerBorrowed::new_nfkd().normalize(stretch).into_owned();
    let letters = plain.chars().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase);
    // A compatibility form may stand for punctuation, and lower case may bring an accent of its own.
    letters.filter(|c| belongs(*c) && !is_accent(*c)).collect()
}

fn pairs(letters: &[char]) -> impl Iterator<Item = String> + '_ {
    letters.windows(2).map(|pair| pair.iter().collect())
}

/// What does not end a word.
fn belongs(c: char) -> bool {
    c.is_alphanumeric() || is_mark(c)
}

/// Marks that no letter, by Unicode's property, is: they stand inside words all the same.
fn is_mark(c: char) -> bool {
    is_accent(c)
        || matches!(c, '\u{0900}'..='\u{0dff}' if !matches!(c, '\u{0964}' | '\u{0965}' | '\u{0970}') && !c.is_alphanumeric())
        || matches!(c, '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}' | '\u{1039}' | '\u{103a}' | '\u{17d2}')
        || matches!(c, '\u{3099}' | '\u{309a}')
}

/// Left out on both sides: accents, vowel points of Hebrew and Arabic, and joiners that nobody sees.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0591}'..='\u{05bd}' | '\u{05bf}'..='\u{05c2}' | '\u{0610}'..='\u{061a}' | '\u{064b}'..='\u{065f}')
        || matches!(c, '\u{0670}' | '\u{06d6}'..='\u{06ed}' | '\u{200c}' | '\u{200d}' | '\u{00ad}' | '\u{fe0f}')
}

fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{0e00}'..='\u{0eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' // Thai, Lao, Myanmar, Khmer
        | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9d}' // Kana
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// A book that somebody mails is found by its first pages.
const TERMS_OF_DOCUMENT_MAX: usize = 4000;
const TERMS_OF_QUERY_MAX: usize = 12;
/// Letters of a word that count.
const LETTERS_MAX: usize = 40;
const LISTED_LETTERS_MAX: usize = 24;
/// A single letter begins too many words to mean any of them.
const BEGUN_LETTERS_MIN: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let terms: Vec<String> = of_document([text]).into_iter().collect();
        assert_eq!(terms.join(" "), expected, "{text:?}");
    }

    #[test]
    fn words_of_any_language() {
        check("It LEAKS, it leaks!", "it leaks");
        check("Jane.Doe+x@Customer.Example", "customer doe example jane x");
        check("Crème brûlée, naïve Zürich", "brulee creme naive zurich");
        check("Cre\u{0300}me", "creme");
        check("ΚΑΛΗΜΈΡΑ Ёлка", "καλημερα елка");
        check("ﬁle １２３", "123 file");
        check("हिन्दी में।", "में हिन्दी");
        check("שָׁלוֹם كِتَاب", "שלום كتاب");
        assert_eq!(of_document(["한국어 주전자가"]), of_document(["주전자가, 한국어!"]));
        check("İstanbul", "istanbul");
        check("*\"(){}:^-", "");
    }

    #[test]
    fn scripts_without_spaces_are_known_by_pairs() {
        check("水壶坏了。", "了 坏了 壶坏 水壶");
        check("the 壶 is hot", "hot is the 壶");
        check("ｶﾀｶﾅ", "カタ カナ タカ ナ");
        let found = of_document(["我的电热水壶坏了"]);
        assert!(of_query("水壶").whole.iter().all(|term| found.contains(term)));
        assert!(of_query("กาต้มน้ำ").whole.iter().all(|term| of_document(["ซื้อกาต้มน้ำใหม่"]).contains(term)));
    }

    #[test]
    fn the_last_word_may_go_on() {
        for (query, whole, begun) in [
            ("broken kett", "broken", "kett"),
            ("broken kettle ", "broken kettle", ""),
            ("k", "k", ""),
            ("order 123", "order 123", ""),
            ("壶", "", "壶"),
            ("NEAR(a,b)", "near a b", ""),
            ("\"' OR 1=1 --", "or 1 1", ""),
            ("%_%", "", ""),
        ] {
            let asked = of_query(query);
            assert_eq!((asked.whole.join(" ").as_str(), asked.begun.join(" ").as_str()), (whole, begun), "{query:?}");
        }
    }

    #[test]
    fn what_a_stranger_writes_is_bounded() {
        let book: String = (0..10_000).map(|n| format!("w{n} ")).collect();
        assert_eq!(of_document([book.as_str()]).len(), TERMS_OF_DOCUMENT_MAX);
        assert_eq!(of_document(["x".repeat(100_000).as_str()]).iter().map(String::len).max(), Some(LETTERS_MAX));
        assert_eq!(of_query(&"(a ".repeat(5000)).whole.len(), TERMS_OF_QUERY_MAX);
        assert!(of_query(&"水壶".repeat(5000)).whole.len() <= TERMS_OF_QUERY_MAX * TERMS_OF_QUERY_MAX);
    }
}
