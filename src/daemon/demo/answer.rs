//! An answer as a mail client writes it: to Reply-To, threaded by In-Reply-To and References, with what is answered
//! quoted below. Pure: time and the Message-ID are arguments.

use crate::clock::UnixMs;
use crate::mail::content;
use crate::mail::mailboxes::Mailbox;
use crate::mail::parsed::ParsedMail;
use data_encoding::BASE64;
use jiff::Timestamp;

/// Who answers what.
#[derive(Debug)]
pub struct Answering<'a> {
    pub name: &'a str,
    pub address: &'a str,
    /// The mail that is answered.
    pub mail: &'a [u8],
    pub text: &'a str,
    pub at: UnixMs,
    /// Without angle brackets.
    pub message_id: &'a str,
}

/// The answer's recipient and octets; `None` if the mail names nobody to answer to.
pub fn compose(answering: &Answering<'_>) -> Option<(String, Vec<u8>)> {
    let mail = ParsedMail::parse(answering.mail);
    let to = mail.mailboxes("reply-to").into_iter().chain(mail.mailboxes("from")).find(|it| it.address().is_some())?;
    let mut lines = vec![
        format!("From: {} <{}>", answering.name, answering.address),
        format!("To: <{}>", to.email),
        format!("Subject: {}", encoded(&subject(&mail))),
        format!("Date: {}", strftime(answering.at, "%a, %d %b %Y %H:%M:%S +0000")),
        format!("Message-ID: <{}>", answering.message_id),
    ];
    lines.extend(threading(&mail));
    lines.extend(
        ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", ""]
            .map(str::to_owned),
    );
    lines.extend(answering.text.trim_end().lines().map(str::to_owned));
    lines.push(String::new());
    lines.extend(quotation(&mail, answering.at));
    let mail = lines.join("\n").replace('\r', "").replace('\n', "\r\n") + "\r\n";
    Some((to.email.clone(), mail.into_bytes()))
}

/// RFC 5322 §3.6.4.
fn threading(mail: &ParsedMail) -> Vec<String> {
    let Some(id) = mail.message_id() else { return Vec::new() };
    let mut references = mail.references();
    references.retain(|earlier| *earlier != id);
    references.push(id.clone());
    let references: Vec<String> = references.iter().map(|id| format!("<{}>", id.as_str())).collect();
    vec![format!("In-Reply-To: <{}>", id.as_str()), format!("References: {}", references.join("\n "))]
}

fn subject(mail: &ParsedMail) -> String {
    let subject = mail.subject().unwrap_or_default().trim();
    let answers_already = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    if answers_already { subject.to_owned() } else { format!("Re: {subject}") }
}

/// RFC 2047 §2: words of at most 75 characters, cut between characters.
fn encoded(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    if text.is_ascii() {
        return text;
    }
    let mut words = vec![String::new()];
    for c in text.chars() {
        if words.last().is_none_or(|word| word.len() + c.len_utf8() > ENCODED_OCTETS_MAX) {
            words.push(String::new());
        }
        words.last_mut().expect("a word was pushed").push(c);
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?utf-8?B?{}?=", BASE64.encode(word.as_bytes()))).collect();
    words.join("\n ")
}

fn quotation(mail: &ParsedMail, at: UnixMs) -> Vec<String> {
    let author: Option<Mailbox> = mail.author();
    let author = author.map_or_else(String::new, |it| match it.name {
        Some(name) => format!("{name} <{}>", it.email),
        None => it.email,
    });
    let written = mail.date().unwrap_or(at);
    let attribution = format!("On {}, {author} wrote:", strftime(written, "%a, %-d %b %Y at %H:%M"));
    let text = content::read(mail, &[]).text;
    std::iter::once(attribution).chain(text.trim_end().lines().map(quoted)).collect()
}

/// RFC 3676 §4.5: no space between quote marks.
fn quoted(line: &str) -> String {
    if line.starts_with('>') || line.is_empty() { format!(">{line}") } else { format!("> {line}") }
}

fn strftime(at: UnixMs, format: &str) -> String {
    Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::MIN).strftime(format).to_string()
}

/// 60 characters of Base64 and 12 of the frame.
const ENCODED_OCTETS_MAX: usize = 45;

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: \"Sara (Acme)\" <support@acme.example>\r\nReply-To: <reply+00@r.acme.example>\r\n\
        To: jane@customer.example\r\nSubject: Kettle\r\nMessage-ID: <2@acme.example>\r\nReferences: <1@acme.example>\r\n\
        Date: Fri, 20 Nov 2026 14:00:00 +0000\r\n\r\nHi Jane,\r\n\r\n> earlier\r\ntry again.\r\n";

    fn check(mail: &str, text: &str) -> Option<(String, String)> {
        let answering = Answering {
            name: "Jane Doe",
            address: "jane@customer.example",
            mail: mail.as_bytes(),
            text,
            at: UnixMs(1_795_183_200_000),
            message_id: "x@customer.example",
        };
        compose(&answering).map(|(to, octets)| (to, String::from_utf8_lossy(&octets).into_owned()))
    }

    #[test]
    fn an_answer_goes_to_reply_to_and_is_threaded_and_quoted() {
        let (to, mail) = check(MAIL, "Thanks!\nIt works.\n").expect("an answer");
        assert_eq!(to, "reply+00@r.acme.example");
        for part in [
            "From: Jane Doe <jane@customer.example>\r\n",
            "Subject: Re: Kettle\r\n",
            "In-Reply-To: <2@acme.example>\r\nReferences: <1@acme.example>\r\n <2@acme.example>\r\n",
            "\r\n\r\nThanks!\r\nIt works.\r\n\r\nOn Fri, 20 Nov 2026 at 14:00, Sara (Acme) <support@acme.example> wrote:\r\n> Hi Jane,\r\n>\r\n>> earlier\r\n> try again.\r\n",
        ] {
            assert!(mail.contains(part), "{part:?} is not in\n{mail}");
        }
    }

    #[test]
    fn nothing_typed_becomes_a_header_and_nobody_means_no_answer() {
        let (_, mail) = check(MAIL, "a\rb\r\n.\r\nBcc: x").expect("an answer");
        let (head, body) = mail.split_once("\r\n\r\n").expect("a header");
        assert!(crate::sender_auth::has_clean_lines(mail.as_bytes()), "{mail:?}");
        assert!(!head.contains("Bcc") && body.starts_with("ab\r\n.\r\nBcc: x\r\n"), "{mail}");
        assert_eq!(check("Subject: x\r\n\r\ny", "z"), None);
    }

    #[test]
    fn a_subject_outside_of_ascii_is_cut_between_characters() {
        let words = encoded(&"ü".repeat(40));
        assert_eq!(words.matches("=?utf-8?B?").count(), 2);
        assert!(words.split("\n ").all(|word| word.len() <= 75), "{words}");
        assert_eq!(encoded("a\r\nb"), "ab");
    }
}
