//! Recognises the line by which a client introduces what it quotes: "On …, Bob wrote:", "Le … a écrit :", "在 … 写道：".
//!
//! By its form, not by one pattern per language: it starts with a date or a small word, tells an address or a time of
//! day, and ends in a verb of writing and a colon. Lines that wrapped are read together, up to `SPAN_LINES_MAX`.

use super::lines::{Line, key_of};
use super::words::{INTRODUCTIONS, PERSONS, STARTERS, VERBS_LAST, VERBS_MIDDLE};

/// How sure an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certainty {
    /// Names an address or a time of day.
    Sure,
    /// Holds only if a quotation follows.
    IfQuoteFollows,
}

/// The attribution that starts at line `at`: the line after it, and how sure it is.
pub fn at(lines: &[Line<'_>], at: usize) -> Option<(usize, Certainty)> {
    let first = lines.get(at)?;
    if first.key.is_empty() || !may_start(&first.key) {
        return None;
    }
    let mut joined = String::new();
    for (index, line) in lines.iter().enumerate().skip(at).take(SPAN_LINES_MAX) {
        let continues = line.depth == first.depth || is_wrapped_address(&joined, line);
        if line.key.is_empty() || !continues || joined.len() + line.key.len() > SPAN_BYTES_MAX {
            return None;
        }
        if index > at {
            joined.push(' ');
        }
        joined.push_str(if line.depth > first.depth { line.text.trim() } else { &line.key });
        if let Some(certainty) = certainty(&joined) {
            // Prose that happens to start with a number must not be swallowed by an attribution below it.
            let restarts = (at + 1..=index).any(|later| starts_alone(lines, later, index, certainty));
            return (!restarts).then_some((index + 1, certainty));
        }
    }
    None
}

/// Whether the lines from `from` to `to` are an attribution by themselves, no less sure than with those above.
fn starts_alone(lines: &[Line<'_>], from: usize, to: usize, whole: Certainty) -> bool {
    let keys: Vec<&str> = lines.iter().take(to + 1).skip(from).map(|line| line.key.as_str()).collect();
    let joined = keys.join(" ");
    starts_at_length(&joined) && certainty(&joined).is_some_and(|alone| alone == Certainty::Sure || alone == whole)
}

/// Some clients break within `<address` so that the closing `>` begins the next line, as if it were a quote mark.
fn is_wrapped_address(joined: &str, line: &Line<'_>) -> bool {
    line.depth == 1 && joined.matches('<').count() > joined.matches('>').count()
}

/// Where to cut a line that an attribution shares with other words.
pub fn shared_line(line: &str) -> Option<usize> {
    words_before(line).or_else(|| words_after(line))
}

/// "Yes.--- On Wed, …, bob@example.com wrote:": where the attribution begins.
fn words_before(line: &str) -> Option<usize> {
    let dashes = head(line).rfind("--")?;
    let start = line[..dashes].trim_end_matches('-').len();
    if line[..start].trim_matches([' ', '>', '-']).is_empty() {
        return None;
    }
    is_sure(line[dashes..].trim_start_matches(['-', ' '])).then_some(start)
}

/// "On Wed, …, bob@example.com wrote:  What we wrote": where the quoted words begin. The gap, or a quote mark, is what
/// phones leave of the line break; after a single space the person may be quoting in the middle of a sentence.
fn words_after(line: &str) -> Option<usize> {
    let head = head(line);
    let gaps = ["wrote:  ", "wrote:>"].iter().find_map(|gap| head.find(gap))?;
    let end = gaps + "wrote:".len();
    (is_sure(&line[..end]) && !line[end..].trim().is_empty()).then_some(end)
}

/// The beginning of a line, as far as attributions reach.
fn head(line: &str) -> &str {
    let end = (0..=SHARED_BYTES_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end));
    &line[..end.unwrap_or(0)]
}

fn is_sure(text: &str) -> bool {
    let key = key_of(text);
    has_starter(&key) && certainty(&key) == Some(Certainty::Sure)
}

/// What a whole attribution looks like; None if `key` is none.
fn certainty(key: &str) -> Option<Certainty> {
    let edges = key.len();
    let key = key.trim_start_matches(EDGES);
    let edges = edges - key.len();
    let dashed = key.ends_with("--");
    let body = key.trim_end_matches(EDGES).trim_end_matches("wrote:>").trim_end();
    let colon = body.ends_with([':', '：']);
    let body = body.trim_end_matches([':', '：', ' ']);
    let verb = last_verb(body);
    if !colon && !verb {
        return None;
    }
    let evidence = Evidence::of(body);
    let starts = has_starter(key) || has_early_digit(key);
    if verb && dashed && edges >= 3 {
        return Some(Certainty::Sure);
    }
    let told = evidence.address || evidence.date || evidence.clock;
    let ends = colon || dashed || (evidence.address && evidence.clock);
    if verb && told && ends && (starts || is_name_and_address(body)) {
        return Some(evidence.certainty());
    }
    let middle = has_middle_verb(body);
    if colon && middle && evidence.clock && evidence.date && word_count(body) <= SPAN_WORDS_MAX {
        return Some(Certainty::Sure);
    }
    if colon && middle && evidence.address && starts {
        return Some(Certainty::Sure);
    }
    if colon && has_introduction(key) && evidence.address {
        return Some(Certainty::Sure);
    }
    // "On Friday, Ann wrote:", "Am Freitag schrieb Ann:", "Ann wrote:".
    let plain = starts_at_length(key) && word_count(body) <= PLAIN_WORDS_MAX || word_count(body) <= SHORT_WORDS_MAX;
    if colon && (verb || middle) && plain && !names_person(body) {
        return Some(Certainty::IfQuoteFollows);
    }
    // When and who, in a language nobody taught us: people do not put addresses in brackets and a time in one line.
    if colon && evidence.date && evidence.clock && has_bracketed_address(body) && word_count(body) <= SPAN_WORDS_MAX {
        return Some(Certainty::Sure);
    }
    // Without a verb: "2014-03-20 8:48 GMT+01:00 Ann <ann@example.com>:".
    let bare = colon && evidence.address && evidence.clock && body.ends_with('>') && has_early_digit(key);
    bare.then_some(Certainty::Sure)
}

/// What follows a line that may introduce it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// Lines with quote marks, which people also put before what no mail said.
    Marked,
    /// Our own words.
    Known,
}

/// A line in an unknown language that only what stands right below it proves: it tells when and who, and leads on.
pub fn proved_by(key: &str, follows: Follows) -> bool {
    let evidence = Evidence::of(key);
    let colon = key.trim_end_matches([' ', '>', '"']).ends_with([':', '：']);
    let dated = match follows {
        Follows::Marked => evidence.date && (evidence.clock || evidence.address),
        Follows::Known => evidence.date || evidence.clock,
    };
    let leads = colon || evidence.address && key.ends_with('>');
    dated && leads && has_early_digit(key) && word_count(key) <= SPAN_WORDS_MAX
}

struct Evidence {
    address: bool,
    clock: bool,
    date: bool,
}

impl Evidence {
    fn of(body: &str) -> Evidence {
        Evidence { address: body.contains('@'), clock: has_clock(body), date: has_date(body) }
    }

    fn certainty(&self) -> Certainty {
        // A person who writes "On 5 March at 14:00 I can come, as Bob wrote:" tells no year.
        if self.address || self.clock && self.date { Certainty::Sure } else { Certainty::IfQuoteFollows }
    }
}

fn has_middle_verb(body: &str) -> bool {
    VERBS_MIDDLE.iter().any(|verb| body.contains(verb) || body.starts_with(verb.trim_start()))
}

/// "Quoting Ann <ann@example.com>:".
fn has_introduction(key: &str) -> bool {
    INTRODUCTIONS.iter().any(|word| key.starts_with(word))
}

fn may_start(key: &str) -> bool {
    let dashed = key.starts_with("--") && key.ends_with("--");
    let key = key.trim_start_matches(EDGES);
    let tells = key.ends_with([':', '：']) || key.contains("schrieb");
    let named =
        tells && (last_verb(key.trim_end_matches([':', '：', ' '])) || has_middle_verb(key) || has_introduction(key));
    dashed || named || has_starter(key) || has_early_digit(key) || key.contains('@')
}

/// "On …", "Le …", "Am …": a small word, then anything but a plain sentence.
fn has_starter(key: &str) -> bool {
    let key = key.trim_start_matches(EDGES);
    STARTERS.iter().any(|starter| {
        let Some(rest) = key.strip_prefix(starter) else { return false };
        let open = starter.chars().next_back().is_some_and(|last| !last.is_ascii());
        rest.is_empty() || rest.starts_with([' ', ':', ',']) || open && rest.starts_with(char::is_numeric)
    })
}

/// Starts with a word that begins no sentence of a person's ("I asked, and Ann wrote:").
fn starts_at_length(key: &str) -> bool {
    has_starter(key) && !SENTENCES.iter().any(|start| key.starts_with(start))
}

fn names_person(body: &str) -> bool {
    body.split([' ', ',']).any(|word| PERSONS.contains(&word))
}

/// A date first, perhaps after the name of a day.
fn has_early_digit(key: &str) -> bool {
    key.trim_start_matches(EDGES).chars().take(EARLY_CHARS).any(char::is_numeric)
}

/// "Ann Other <ann@example.com> wrote": a name or an address, and nothing else, before the verb.
fn is_name_and_address(body: &str) -> bool {
    let early = body.split(' ').take(6).any(|word| word.contains('@'));
    early && word_count(body) <= 14
}

/// "<ann@example.com>", "(ann@example.com)".
fn has_bracketed_address(body: &str) -> bool {
    body.split(['<', '(']).skip(1).any(|rest| {
        let inner = rest.split(['>', ')']).next().unwrap_or_default();
        inner.len() < rest.len() && inner.contains('@') && !inner.trim().contains(' ')
    })
}

/// Whether `body` ends in a verb of writing that stands as a word of its own, or follows `>` or quotes directly.
fn last_verb(body: &str) -> bool {
    VERBS_LAST.iter().any(|verb| {
        body.strip_suffix(verb).is_some_and(|before| {
            let joined =
                verb.starts_with(|first: char| !first.is_ascii() && first.is_alphabetic() && first as u32 > 0x3000);
            joined || before.is_empty() || before.ends_with(|last: char| !last.is_alphanumeric())
        })
    })
}

/// A time of day: digits, then `:`, `.` or `h`, then two digits.
pub fn has_clock(text: &str) -> bool {
    let characters: Vec<char> = text.chars().collect();
    characters.windows(4).enumerate().any(|(index, window)| {
        let [hour, mark, ten, one] = window else { return false };
        let digits = hour.is_numeric() && ten.is_numeric() && one.is_numeric();
        let ends = characters.get(index + 4).is_none_or(|next| !next.is_numeric());
        digits
            && ends
            && matches!(mark, ':' | '.' | 'h' | '：' | '時' | '시' | '点')
            && !(*mark == '.' && is_dotted_date(&characters, index))
    })
}

/// "18.03.14": a dot between two digits of a date, not of a time.
fn is_dotted_date(characters: &[char], hour: usize) -> bool {
    let dotted = |at: Option<usize>| at.and_then(|at| characters.get(at)) == Some(&'.');
    dotted(Some(hour + 4)) || dotted(hour.checked_sub(1)) || dotted(hour.checked_sub(2))
}

/// A year, or a day and month with marks between.
pub fn has_date(text: &str) -> bool {
    let run = |length: usize| {
        text.split(|character: char| !character.is_numeric()).any(|digits| digits.chars().count() == length)
    };
    run(4)
        || (run(2) || run(1))
            && text.chars().filter(|character| matches!(character, '/' | '.' | '-' | '月')).count() >= 2
}

fn word_count(text: &str) -> usize {
    text.split(' ').count()
}

const EDGES: [char; 9] = ['-', ' ', '"', '“', '>', '_', '|', '=', '\''];
const SENTENCES: [&str; 3] = ["i ", "a ", "u "];
const SHORT_WORDS_MAX: usize = 6;
/// "On Friday, Ann Other of the customer team wrote:".
const PLAIN_WORDS_MAX: usize = 14;
const SPAN_LINES_MAX: usize = 5;
const SPAN_BYTES_MAX: usize = 700;
const SHARED_BYTES_MAX: usize = 600;
const SPAN_WORDS_MAX: usize = 25;
const EARLY_CHARS: usize = 18;
