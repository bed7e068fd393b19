//! The envelope of a mail that qmail pipes: qmail has it in the environment and writes none of it into the mail, unlike
//! Postfix and Exim by their flags. Without it a blind copy is for nobody. What `preline` wrote is not written twice.

use super::Mta;
use std::io::{self, Cursor, Read};

/// The mail, with the lines that say who sent it and whom it is for.
pub fn with_envelope<R: Read>(mta: Mta, mail: R) -> io::Result<impl Read> {
    match mta {
        Mta::Qmail => dressed(&[line_of("RPLINE"), line_of("DTLINE")], mail),
        Mta::Exim | Mta::Postfix => dressed(&[], mail),
    }
}

/// A line of qmail-command(8)'s environment, with its line end.
fn line_of(name: &str) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    line(std::env::var_os(name).map(OsStringExt::into_vec).unwrap_or_default())
}

/// The first line only: what follows would be a field that qmail never wrote.
fn line(mut value: Vec<u8>) -> Vec<u8> {
    let end = value.iter().position(|octet| *octet == b'\n').unwrap_or(value.len());
    value.truncate(end.min(LINE_OCTETS_MAX));
    if !value.is_empty() {
        value.push(b'\n');
    }
    value
}

fn dressed<R: Read>(lines: &[Vec<u8>], mut mail: R) -> io::Result<impl Read + use<R>> {
    let lines: Vec<&Vec<u8>> = lines.iter().filter(|line| !line.is_empty()).collect();
    let mut begin = Vec::new();
    if !lines.is_empty() {
        mail.by_ref().take(BEGIN_OCTETS).read_to_end(&mut begin)?;
        let at = behind_from_line(&begin);
        let header = begin.get(at..).unwrap_or_default();
        if !lines.iter().any(|line| header.starts_with(line)) {
            let written: Vec<u8> = lines.into_iter().flatten().copied().collect();
            begin.splice(at..at, written);
        }
    }
    Ok(Cursor::new(begin).chain(mail))
}

/// mbox's line stands before the header.
fn behind_from_line(begin: &[u8]) -> usize {
    let end = begin.iter().position(|octet| *octet == b'\n').map_or(0, |at| at + 1);
    if begin.starts_with(b"From ") { end } else { 0 }
}

/// Longer than a line of the From kind and the longest address (RFC 5321 §4.5.3.1.3: 256).
const BEGIN_OCTETS: u64 = 4096;
const LINE_OCTETS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const RETURN: &str = "Return-Path: <jane@customer.example>\n";
    const TO: &str = "Delivered-To: reply-1@r.example\n";

    fn check(mail: &str, expected: &str) {
        let mut read = String::new();
        let lines = [line(RETURN.into()), line(TO.into())];
        dressed(&lines, mail.as_bytes()).expect("it is read").read_to_string(&mut read).expect("text");
        assert_eq!(read, expected);
    }

    #[test]
    fn a_mail_gets_its_envelope_once() {
        let bare = "To: list@x.example\n\nHello\n";
        let whole = format!("{RETURN}{TO}{bare}");
        check(bare, &whole);
        check(&whole, &whole);
        check(&format!("{TO}{bare}"), &format!("{TO}{bare}"));
        check(&format!("From jane Fri\n{whole}"), &format!("From jane Fri\n{whole}"));
        check(&format!("From jane Fri\n{bare}"), &format!("From jane Fri\n{whole}"));
        check("", &format!("{RETURN}{TO}"));
        let large = "x".repeat(100_000);
        check(&large, &format!("{RETURN}{TO}{large}"));
    }

    #[test]
    fn a_variable_is_one_line_or_nothing() {
        for (value, expected) in [("", ""), ("\n", ""), ("A: b", "A: b\n"), ("A: b\nC: d\n", "A: b\n")] {
            assert_eq!(line(value.into()), expected.as_bytes());
        }
        let mut read = String::new();
        dressed(&[line(Vec::new())], "x".as_bytes()).expect("read").read_to_string(&mut read).expect("text");
        assert_eq!(read, "x");
    }
}
