//! The little that acceptance reads of a mail: its Message-ID. Everything else is filing's work, after the 250.

use crate::mail::msg_id::MsgId;

/// The first Message-ID of the header, found without parsing the mail.
pub fn message_id(raw: &[u8]) -> Option<MsgId> {
    let header = raw.get(..raw.len().min(HEADER_OCTETS_MAX)).unwrap_or_default();
    let mut lines = header.split(|octet| *octet == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.by_ref().take_while(|line| !line.is_empty()).find_map(value)?;
    let folded = lines.take_while(|line| line.starts_with(b" ") || line.starts_with(b"\t")).take(FOLDS_MAX);
    let mut value = String::from_utf8_lossy(first).into_owned();
    for line in folded {
        value.push_str(&String::from_utf8_lossy(line));
    }
    MsgId::parse_list(&value, 1).pop()
}

/// RFC 5322 §4.5.3 allows blanks before the colon.
fn value(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at_checked(NAME.len())?;
    let value = value.trim_ascii_start().strip_prefix(b":")?;
    name.eq_ignore_ascii_case(NAME).then_some(value)
}

const NAME: &[u8] = b"message-id";

/// A header beyond this is refused by its size; whatever comes later is no header.
const HEADER_OCTETS_MAX: usize = 1024 * 1024;

/// An id that goes on over more lines than this is none.
const FOLDS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Option<&str>) {
        assert_eq!(message_id(raw.as_bytes()).as_ref().map(MsgId::as_str), expected, "{raw:?}");
    }

    #[test]
    fn the_first_message_id_of_the_header_counts_in_every_spelling() {
        check("From: a\r\nMessage-ID: <a@b>\r\n\r\nx", Some("a@b"));
        check("MESSAGE-ID:<a@b>\nMessage-ID: <c@d>\n\n", Some("a@b"));
        check("Message-Id :\r\n <a@b>\r\n\r\n", Some("a@b"));
        check("message-id: <a@b>", Some("a@b"));
    }

    #[test]
    fn what_is_not_in_the_header_or_no_id_is_none() {
        check("", None);
        check("Subject: x\r\n\r\nMessage-ID: <a@b>\r\n", None);
        check("X-Message-ID: <a@b>\r\nMessage-IDs: <a@b>\r\n\r\n", None);
        check("Message-ID: <>\r\n\r\n", None);
        check("Subject: x\r\n Message-ID: <a@b>\r\n\r\n", None);
    }
}
