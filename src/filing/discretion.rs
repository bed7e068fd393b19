//! What of an agent's mail no customer is to see: agents' addresses, reply and bounce tokens, what our own notification told
//! the agent, and files that carry any of it. Pure.
//!
//! Folding knows the layouts of mail clients; an answer written between quoted lines has none of them. So what may go out is
//! looked through word by word, whatever the layout. Nothing is lost: lines that are changed are folded as they came.

use crate::conversation::told;
use crate::mail::address::canonical_domain;
use crate::mail::content::Attachment;
use crate::mail::parsed::ParsedMail;
use std::ops::Range;

/// Text as it may go out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discreet {
    pub text: String,
    /// The lines that were changed or taken out, as they came.
    pub folded: String,
}

/// The text without what customers are not to see. `hidden` are addresses in canonical form.
pub fn text(text: &str, hidden: &[String]) -> Discreet {
    let (mut kept, mut folded) = (Vec::new(), Vec::new());
    let mut sentence = Sentence::None;
    for line in text.split('\n') {
        sentence = sentence.next(line);
        let shown = if sentence == Sentence::None { without(line, hidden) } else { None };
        match shown {
            Some(shown) if shown == line => kept.push(shown),
            Some(shown) => {
                folded.push(line);
                kept.extend(Some(shown).filter(|shown| shown.chars().any(char::is_alphanumeric)));
            }
            None => folded.push(line),
        }
    }
    let kept = kept.join("\n");
    Discreet { text: if folded.is_empty() { kept } else { squeezed(&kept) }, folded: folded.join("\n") }
}

/// A file name without what customers are not to see.
pub fn file_name(name: &str, hidden: &[String]) -> String {
    without(name, hidden).unwrap_or_default()
}

/// Signatures, keys and cards that a mail program adds by itself: they name their owner, and prove nothing of a mail that is
/// written anew.
pub fn is_credential(file: &Attachment) -> bool {
    let by_name =
        file.name.rsplit_once('.').is_some_and(|(_, end)| ENDS.iter().any(|own| end.eq_ignore_ascii_case(own)));
    by_name || TYPES.contains(&file.media_type.as_str())
}

/// A file that tells an agent's address or token in words of mail: an invitation, a mail passed on. What is in other files is
/// the agent's own business.
pub fn tells(mail: &ParsedMail, file: &Attachment, hidden: &[String]) -> bool {
    let is_words = file.media_type.starts_with("text/")
        || file.media_type.starts_with("message/")
        || matches!(file.media_type.as_str(), "application/ms-tnef" | "application/ics" | "application/mbox");
    let Some(part) = mail.parts.get(file.part_index).filter(|_| is_words) else { return false };
    let words = String::from_utf8_lossy(part.octets());
    // RFC 5545 §3.1 and RFC 5322 §2.2.3 fold lines within words and between them.
    let words = words.replace("\r\n ", "").replace("\n ", "").replace("=\r\n", "").replace("=\n", "");
    words.lines().any(|line| !ranges(line, hidden).is_empty())
}

/// Whether lines belong to a sentence of our notification; mail clients wrap it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sentence {
    None,
    /// Lines of it so far.
    Goes(usize),
    /// Its last line.
    Ends,
}

impl Sentence {
    fn next(self, line: &str) -> Sentence {
        let (is_quoted, words) = unmarked(line);
        let begins = told::begins(words) || is_quoted && told::begins_quoted(words);
        let goes_on = is_quoted && !words.is_empty();
        match self {
            _ if begins => Sentence::after(words, 1),
            Sentence::Goes(lines) if goes_on && lines < SENTENCE_LINES_MAX => Sentence::after(words, lines + 1),
            Sentence::Goes(_) | Sentence::None | Sentence::Ends => Sentence::None,
        }
    }

    fn after(words: &str, lines: usize) -> Sentence {
        if told::ends(words) { Sentence::Ends } else { Sentence::Goes(lines) }
    }
}

/// Whether the line is quoted, and its words without the marks of quotes and lists.
fn unmarked(line: &str) -> (bool, &str) {
    let words = line.trim_start_matches([' ', '\t', '\u{a0}', '>', '|']);
    let marks = line.strip_suffix(words).unwrap_or_default();
    let words = words.trim_start_matches(['*', '-', '•', '·', ' ']).trim_end_matches([' ', '\t', '\r', '*']);
    (marks.contains(['>', '|']), words)
}

/// The line without what is hidden.
fn without(line: &str, hidden: &[String]) -> Option<String> {
    let mut shown = String::with_capacity(line.len());
    let mut at = 0;
    for range in ranges(line, hidden) {
        let (range, is_enclosed) = widened(line, range);
        // Of two that stand in one another the first has taken both.
        let Some(before) = line.get(at..range.start) else { continue };
        shown.push_str(if is_enclosed { before.trim_end_matches(' ') } else { before });
        if !is_enclosed {
            shown.push_str(PLACE);
        }
        at = range.end;
    }
    shown.push_str(line.get(at..)?);
    Some(shown)
}

/// Where addresses and tokens stand, in their order.
fn ranges(line: &str, hidden: &[String]) -> Vec<Range<usize>> {
    let at_signs = line.match_indices('@').map(|(at, _)| (at, at + 1));
    let escaped = line.match_indices("%40").map(|(at, _)| (at, at + 3));
    let mut found: Vec<Range<usize>> =
        at_signs.chain(escaped).filter_map(|(at, after)| address_at(line, at, after, hidden)).collect();
    found.extend(tokens(line));
    found.sort_by_key(|range| (range.start, range.end));
    found
}

/// The hidden address around an `@`.
fn address_at(line: &str, at: usize, after: usize, hidden: &[String]) -> Option<Range<usize>> {
    let (before, behind) = (line.get(..at)?, line.get(after..)?);
    let local_start = before.char_indices().rev().take(LOCAL_CHARS_MAX).take_while(|(_, c)| is_of_local(*c)).last()?.0;
    let local = before.get(local_start..)?.to_lowercase().replace("%2b", "+");
    let domain_end = behind.find(|c: char| !is_of_domain(c)).unwrap_or(behind.len());
    let domain_end = behind.floor_char_boundary(domain_end.min(DOMAIN_OCTETS_MAX));
    let domain = behind.get(..domain_end)?.trim_end_matches(['.', '-']);
    hidden.iter().find_map(|address| {
        let (own_local, own_domain) = address.rsplit_once('@')?;
        let length = length_of(domain, own_domain)?;
        // Mail to `sara+shop@` is mail to `sara@`.
        let base = local.split_once('+').map_or(local.as_str(), |(base, _)| base);
        let is_own = |local: &str| {
            let rest = local.strip_suffix(own_local);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(|c: char| !is_of_word(c)))
        };
        let own = [local.as_str(), base].into_iter().find(|local| is_own(local))?;
        // What stands before it, as in `href=sara@`, is counted in the line itself, where letters may be longer.
        let junk = own.strip_suffix(own_local).map_or(0, |rest| rest.chars().count());
        let start = before.get(local_start..)?.char_indices().nth(junk).map_or(at, |(index, _)| local_start + index);
        Some(start..after + length)
    })
}

/// How much of the text is the domain; a file's ending may follow it.
fn length_of(text: &str, domain: &str) -> Option<usize> {
    if canonical_domain(text).is_ok_and(|canonical| canonical == domain) {
        return Some(text.len());
    }
    let head = text.get(..domain.len()).filter(|head| head.eq_ignore_ascii_case(domain))?;
    // Words of scripts without spaces may follow at once.
    let next = text.get(domain.len()..)?.chars().next();
    next.is_none_or(|next| !next.is_ascii_alphanumeric() && next != '-').then_some(head.len())
}

/// Tokens that let mail in or tell of a mail's fate; an agent's among them lets mail out in the company's name.
fn tokens(line: &str) -> Vec<Range<usize>> {
    let lower = line.to_ascii_lowercase();
    let of = |word: &'static str, lengths: &'static [usize]| {
        let lower = lower.as_str();
        lower.match_indices(word).filter_map(move |(start, _)| {
            let behind = lower.get(start + word.len()..)?;
            let digits = behind.strip_prefix("%2b").or_else(|| behind.strip_prefix(['+', '.', '-', '=']))?;
            let from = lower.len() - digits.len();
            let hex = digits.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(digits.len());
            let length = lengths.iter().find(|length| **length <= hex)?;
            let end = from + length;
            Some(start..end + host_length(lower.get(end..)?))
        })
    };
    of("reply", &[36, 32]).chain(of("bounce", &[48])).collect()
}

/// `@host` behind a token.
fn host_length(behind: &str) -> usize {
    let host = behind.strip_prefix('@').or_else(|| behind.strip_prefix("%40"));
    let length = host.map(|host| host.find(|c: char| !is_of_domain(c)).unwrap_or(host.len()));
    length.map_or(0, |length| behind.len() - host.map_or(0, str::len) + length)
}

/// With the `mailto:` before it and the brackets around it; whether there are such.
fn widened(line: &str, range: Range<usize>) -> (Range<usize>, bool) {
    let (before, behind) = (line.get(..range.start).unwrap_or_default(), line.get(range.end..).unwrap_or_default());
    let scheme = before.len().checked_sub(MAILTO.len()).and_then(|at| before.get(at..));
    let is_link = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(MAILTO));
    let start = if is_link { range.start - MAILTO.len() } else { range.start };
    // A link may go on with a subject.
    let query = if is_link && behind.starts_with('?') {
        let query = behind.get(..behind.floor_char_boundary(QUERY_OCTETS_MAX)).unwrap_or_default();
        query.find([' ', '>', ')', ']', '"']).unwrap_or(query.len())
    } else {
        0
    };
    let end = range.end + query;
    let (left, right) =
        (line.get(..start).and_then(|text| text.chars().last()), line.get(end..).and_then(|text| text.chars().next()));
    match (left, right) {
        (Some('<'), Some('>')) | (Some('('), Some(')')) | (Some('['), Some(']')) => (start - 1..end + 1, true),
        _ => (start..end, false),
    }
}

/// RFC 5322 §3.2.3 atoms, and letters of other scripts.
fn is_of_local(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c)
}

fn is_of_domain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.')
}

/// Before an address these make it another one: `x.sara@` is not `sara@`.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}

/// At most one empty line where lines were taken out.
fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for line in text.trim().split('\n') {
        if line.trim().is_empty() && (squeezed.ends_with("\n\n") || squeezed.is_empty()) {
            continue;
        }
        squeezed.push_str(line);
        squeezed.push('\n');
    }
    squeezed.trim_end().to_owned()
}

/// What stands where an address stood in the midst of words.
const PLACE: &str = "[…]";
const MAILTO: &str = "mailto:";
/// Lines that a client makes of one sentence of ours.
const SENTENCE_LINES_MAX: usize = 5;
/// An address of RFC 5321 §4.5.3.1 with its escapes; bounds the work that many `@` in one line make.
const LOCAL_CHARS_MAX: usize = 200;
const DOMAIN_OCTETS_MAX: usize = 255;
const QUERY_OCTETS_MAX: usize = 2000;
const ENDS: [&str; 4] = ["p7s", "p7m", "vcf", "vcard"];
const TYPES: [&str; 10] = [
    "application/pkcs7-signature",
    "application/x-pkcs7-signature",
    "application/pkcs7-mime",
    "application/x-pkcs7-mime",
    "application/pgp-signature",
    "application/pgp-keys",
    "text/vcard",
    "text/x-vcard",
    "text/directory",
    "application/vcard",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::id::Id;
    use crate::conversation::keys::Keys;

    const TOKEN: &str = "reply+00112233445566778899aabbccddeeff@r.example";

    fn hidden() -> Vec<String> {
        ["sara@agents.example", "b.o'neil@xn--bcher-kva.example"].map(str::to_owned).into()
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(text(line, &hidden()).text, expected, "{line}");
    }

    #[test]
    fn an_agents_address_goes_whatever_form_it_has() {
        check("Sara <sara@agents.example>", "Sara");
        check("Sara <SARA@Agents.Example> here", "Sara here");
        check("Support | sara@agents.example | +49 30 1234", "Support | […] | +49 30 1234");
        check("write to sara@agents.example.", "write to […].");
        check("sara@agents.example<mailto:sara@agents.example>, hm", "[…], hm");
        check("[Sara](mailto:sara@agents.example?subject=x) says", "[Sara] says");
        check("mailto:Sara%40agents.example or (sara+shop@agents.example)", "[…] or");
        check("https://x.example/?mail=sara%40agents.example&y", "https://x.example/?mail=[…]&y");
        check("B.O'Neil@bücher.example and 'sara@agents.example'", "[…] and '[…]'");
        check("ok\n\nsara@agents.example\n\nbye", "ok\n\nbye");
        check("連絡はsara@agents.exampleまで", "連絡は[…]まで");
        check("a sara@agents.example b sara@agents.example c", "a […] b […] c");
    }

    #[test]
    fn other_addresses_stay() {
        for line in [
            "x.sara@agents.example sara@agents.example.org2 sara@agents.examples ssara@agents.example",
            "jane@cust.example @agents.example sara@ @ %40 sara",
            "reply to order reply+123@x.example, bounce+aa@x.example",
            "ünï@çødé.example 👩‍👩‍👧@x",
        ] {
            let shown = text(line, &hidden());
            let expected = line.replace("sara@agents.example.org2", "[…].org2");
            assert_eq!(shown.text, expected, "{line}");
        }
    }

    #[test]
    fn tokens_go_wherever_they_stand() {
        let bounce = Keys::new(&[7; 32]).bounce_address(Id(7), "r.example");
        for token in [
            TOKEN.to_owned(),
            TOKEN.to_uppercase(),
            TOKEN.replace('+', "%2B").replace('@', "%40"),
            TOKEN.replace("reply+", "reply-"),
            "reply+00112233-4455-6677-8899-aabbccddeeff@r.example".to_owned(),
            TOKEN.split('@').next().unwrap_or_default().to_owned(),
            bounce,
        ] {
            check(&format!("On Friday Acme <{token}> said"), "On Friday Acme said");
            check(&format!("[mailto:{token}]\nok"), "ok");
            check(&format!("at {token}, ok"), "at […], ok");
        }
    }

    #[test]
    fn what_agents_are_told_goes_from_between_the_answers() {
        let told = "> It does not boil.\nDescale it.\n> * From: Jane <jane@cust.example>\n>\n\
            > * Author verified: DKIM signature\n> of cust.example.\n> * The conversation is open and assigned to Sara.\n\
            It is easy.\n> Your reply goes to Jane as Acme; your address is\n> not shown.\n\
            > First lines that begin with # are commands:\n> #note (the rest is for colleagues only), #resolve, #assign\n\
            > sara@example.com, #snooze 2d\n> And it leaks.\nBuy a new one.";
        let Discreet { text, folded } = text(told, &hidden());
        assert_eq!(text, "> It does not boil.\nDescale it.\n>\nIt is easy.\n> And it leaks.\nBuy a new one.");
        for words in ["Author verified", "of cust.example", "not shown", "#snooze 2d", "jane@cust.example"] {
            assert!(folded.contains(words), "{folded}");
        }
        for (line, expected) in [
            ("Author not proven.\nhello", "hello"),
            ("> > FORGED, do not trust it: no signature.\nhello", "hello"),
            ("From: me to you\nhello", "From: me to you\nhello"),
            ("The conversation is over.", "The conversation is over."),
        ] {
            check(line, expected);
        }
    }

    #[test]
    fn credentials_are_told_by_type_and_name() {
        let file = |name: &str, media_type: &str| Attachment {
            name: name.into(),
            media_type: media_type.into(),
            size: 1,
            inline: false,
            content_id: None,
            sha256: String::new(),
            part_index: 0,
        };
        for (name, media_type, expected) in [
            ("smime.p7s", "application/pkcs7-signature", true),
            ("smime.p7s", "application/x-pkcs7-signature", true),
            ("smime.p7m", "application/octet-stream", true),
            ("attachment-1.bin", "application/pgp-keys", true),
            ("OpenPGP_0x1234.asc", "application/pgp-keys", true),
            ("signature", "application/pgp-signature", true),
            ("Sara.VCF", "application/octet-stream", true),
            ("card", "text/x-vcard", true),
            ("plan.pdf", "application/pdf", false),
            ("p7s", "text/plain", false),
        ] {
            assert_eq!(is_credential(&file(name, media_type)), expected, "{name} {media_type}");
        }
        assert_eq!(file_name("Card of sara@agents.example.pdf", &hidden()), "Card of […].pdf");
    }

    #[test]
    fn hostile_lines_are_read_once() {
        for piece in [
            "@",
            "a@",
            "sara@agents.example",
            "reply+",
            "<",
            "%40",
            "mailto:",
            "reply+00112233445566778899aabbccddeeff",
        ] {
            text(&piece.repeat(200_000 / piece.len()), &hidden());
        }
    }
}
