//! What the words around an address make of it in a bounce: a failed recipient, one of a server's reply, or none.

use super::addresses::Sighting;

/// How sure an address is a failed recipient; only those of the best rank that occurs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Begins its line, or its line is labelled as a recipient's.
    Listed,
    /// Follows "to", "recipient", "unknown user".
    Named,
    /// Stands in a server's reply or in RCPT TO.
    Replied,
    /// Stands in a `To` line of a summary.
    Addressed,
    /// Stands anywhere else.
    Mentioned,
}

/// What an address's line, up to it, makes of it; `None` if it is the sender's.
pub(super) fn rank(line: &str, sighting: &Sighting<'_>, last_word: &str) -> Option<Rank> {
    let before = line.get(..sighting.start)?;
    let label = label(before);
    if SENDERS.iter().any(|sender| label.starts_with(sender)) || label.contains("mail from") {
        return None;
    }
    let rest = behind(line, sighting.end).trim_start_matches(['>', '"', ')', ']', ',']).trim();
    if label.is_empty() {
        let in_sentence = ["from", "contact", "by", "sender", "e-mail", "email", "at", "if", "e.g."]
            .contains(&last_word.to_ascii_lowercase().as_str());
        let about_sender =
            in_sentence || rest.ends_with("wrote:") || rest.to_ascii_lowercase().starts_with("sender ok");
        return Some(if about_sender { Rank::Mentioned } else { Rank::Listed });
    }
    let name = label.trim_end_matches([':', '：', ' ', '=']);
    // Exchange types its recipients: `[SMTP:a@b]`, `c=US;a= ;dda:SMTP=a@b;`.
    let typed = before.len() >= 5
        && before
            .get(before.len() - 5..)
            .is_some_and(|kind| kind.eq_ignore_ascii_case("smtp=") || kind.eq_ignore_ascii_case("smtp:"));
    Some(if typed || name == "smtp" || LABELS.iter().any(|listed| name.ends_with(listed)) && name.len() < 60 {
        Rank::Listed
    } else if name.ends_with("rcpt to") || has_reply_code(&label) {
        Rank::Replied
    } else if matches!(name, "to" | "cc" | "for" | "x-envelope-to" | "envelope-to") {
        Rank::Addressed
    } else if is_introduced(name)
        || (is_name(before, rest) || is_value(before, rest)) && !is_role(&sighting.address.to_lowercase())
    {
        Rank::Named
    } else {
        Rank::Mentioned
    })
}

/// The next 200 octets: enough to tell what follows, and short for a line that is all of the mail.
fn behind(line: &str, at: usize) -> &str {
    let mut end = line.len().min(at + 200);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.get(at..end).unwrap_or_default()
}

/// The words before an address, lower case, without bullets, brackets and address types.
fn label(before: &str) -> String {
    let mut from = before.len().saturating_sub(200);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let lower = before.get(from..).unwrap_or_default().to_lowercase();
    let mut label = lower.trim_matches(is_decoration);
    while let Some(shorter) = ["smtp:", "mailto:", "rfc822;", "rfc822"].iter().find_map(|kind| label.strip_suffix(kind))
    {
        label = shorter.trim_end_matches(is_decoration);
    }
    label.to_owned()
}

fn is_decoration(c: char) -> bool {
    c.is_whitespace() || "<>\"'`([{*|-•·".contains(c)
}

/// `550 <a@b>... User unknown`: a three-digit reply code before the address.
fn has_reply_code(label: &str) -> bool {
    let is_code =
        |word: &str| word.len() == 3 && word.starts_with(['4', '5']) && word.bytes().all(|b| b.is_ascii_digit());
    label.split(|c: char| !c.is_ascii_alphanumeric()).any(is_code)
}

/// Whether the last word before an address is one that a failed recipient follows.
fn is_introduced(name: &str) -> bool {
    let word = name.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    INTRODUCING.contains(&word) || STEMS.iter().any(|stem| word.starts_with(stem))
}

/// `Ann Smith (ann@x.example)` alone on its line.
fn is_name(before: &str, rest: &str) -> bool {
    let rest = rest.trim_matches(|c: char| !c.is_alphanumeric());
    let alone = rest.is_empty() || rest.starts_with("mailto:");
    // The length first: a line of 100,000 addresses is not walked once for each.
    if !alone || before.len() > 100 || !before.trim_end().ends_with(['(', '<', '[']) || before.contains([':', ',', '.'])
    {
        return false;
    }
    let words: Vec<String> = before.trim_end_matches(is_decoration).split_whitespace().map(str::to_lowercase).collect();
    (1..=4).contains(&words.len()) && !words.iter().any(|word| NOT_NAMES.contains(&word.as_str()))
}

/// `Invalid final delivery userid: ann@x.example`.
fn is_value(before: &str, rest: &str) -> bool {
    rest.is_empty() && before.trim_end_matches(is_decoration).ends_with([':', '：'])
}

/// Addresses that help texts name.
pub(super) fn is_role(address: &str) -> bool {
    ROLES.contains(&address.split('@').next().unwrap_or_default())
}

/// Beginnings of lines that name the sender or an id.
#[rustfmt::skip]
const SENDERS: &[&str] = &[
    "from", "sender", "reply-to", "return-path", "original sender", "message-id", "in-reply-to", "references",
    "envelope-from", "x-postfix-sender", "x-sender", "original-mail-from", "id:", "message id", "absender",
    "expéditeur", "de:", "von:", "e-mail from",
];

/// Labels of failed recipients, colon aside.
#[rustfmt::skip]
const LABELS: &[&str] = &[
    "recipient", "recipients", "recipient(s)", "final-recipient", "original-recipient", "failed recipient",
    "recipient address", "error-for", "unknown user", "user unknown", "user not listed", "invalid recipient",
    "unknown recipient", "expanded from", "generated from", "originally addressed to",
    "mailbox exceeds allowed size", "mailbox is full", "attempts", "permanent errors", "delivered to", "deliver to",
    "deliver message to", "deliver mail to", "target mail address", "failed address", "delivering your mail to",
    "delivery to", "undeliverable to", "addressed to email address", "failed to", "empfänger", "empfaenger",
    "destinataire", "destinatario", "destinatário", "ontvanger", "получатель", "宛先", "收件人", "受信者", "送信先",
    "not delivered for", "could not reach", "invalid address", "unknown address", "email address", "mail address",
    "rejected",
];

/// Words before a failed recipient in a sentence.
#[rustfmt::skip]
const INTRODUCING: &[&str] = &[
    "to", "for", "user", "users", "an", "für", "a", "à", "para", "aan", "per", "til", "till", "do", "recipient",
    "mailbox", "account", "failed", "is", "unknown", "listed", "rejected",
];

/// Local parts of people and desks to ask.
#[rustfmt::skip]
const ROLES: &[&str] = &[
    "postmaster", "mailer-daemon", "abuse", "support", "helpdesk", "hostmaster", "admin", "webmaster", "root",
    "info", "noc",
];

/// Words of help texts before an address in brackets.
const NOT_NAMES: &[&str] = &["contact", "please", "mail", "e-mail", "email", "see", "by", "at"];

/// Stems of such words.
#[rustfmt::skip]
const STEMS: &[&str] =
    &[
    "recipient", "address", "destinat", "empfänger", "adress", "dirección", "indirizzo", "endereço",
];
