//! A file name that is safe to show, to store and to put into a header, and still the one the sender chose.
//!
//! Only what can do harm goes: paths, controls, direction overrides, reserved names, endless length. The
//! content type of a download never comes from here.

/// Octets a file system takes in one name.
const OCTETS_MAX: usize = 255;

/// The sender's name made harmless; `None` if nothing of it remains.
pub fn clean(name: &str) -> Option<String> {
    let visible: String =
        name.chars().filter(|c| !is_deceiving(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let base = visible.rsplit(['/', '\\']).next().unwrap_or_default();
    // `C:x` and NTFS streams `x:y`.
    let base: String = base.rsplit_once(':').map_or(base, |(_, rest)| rest).chars().map(harmless).collect();
    // Windows drops dots and spaces at the end, so `a.exe.` would run as `a.exe`.
    let base = base.trim_start().trim_end_matches(['.', ' ']);
    if base.is_empty() {
        return None;
    }
    let safe = if is_reserved(base) { format!("_{base}") } else { base.to_owned() };
    Some(shorten(&safe))
}

/// A name for a part that has none, by its type.
pub fn unnamed(media_type: &str, number: usize) -> String {
    let extension = match media_type {
        "message/rfc822" | "message/global" => "eml",
        "application/ms-tnef" => "dat",
        "text/plain" => "txt",
        "text/html" => "html",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        "text/rfc822-headers" | "message/delivery-status" => "txt",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/pgp-signature" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        "application/pkcs7-mime" | "application/x-pkcs7-mime" => "p7m",
        _ => "bin",
    };
    format!("attachment-{number}.{extension}")
}

/// Direction overrides make `exe.fdp` out of `pdf.exe`; zero-width characters make two names look like one.
fn is_deceiving(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}' | '\0')
}

fn harmless(c: char) -> char {
    match c {
        '"' | '<' | '>' | '|' | '?' | '*' => '_',
        '\u{2028}' | '\u{2029}' => ' ',
        c => c,
    }
}

/// Device names of Windows, with any extension.
fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|octet| octet.is_ascii_digit()))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// Cuts the stem, never the extension: people go by it.
fn shorten(name: &str) -> String {
    if name.len() <= OCTETS_MAX {
        return name.to_owned();
    }
    let extension =
        name.rfind('.').and_then(|dot| name.get(dot..)).filter(|extension| extension.len() <= 16).unwrap_or_default();
    let end = (0..=OCTETS_MAX - extension.len()).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    format!("{}{extension}", name.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(clean(name).unwrap_or_default(), expected, "{name:?}");
    }

    #[test]
    fn legible_names_stay() {
        for name in
            ["report.pdf", "nyan cat ✔.gif", "かきくけこ.txt", "a (1).tar.gz", ".profile", "a.pdf.exe", "50% off.png"]
        {
            check(name, name);
        }
    }

    #[test]
    fn paths_and_tricks_go() {
        check("../../etc/passwd", "passwd");
        check("a/b", "b");
        check("C:\\Users\\x\\y.doc", "y.doc");
        check("C:x", "x");
        check("x\0y.txt", "xy.txt");
        check("a\r\nSet-Cookie: b", "b");
        check("a\r\nb.txt", "a  b.txt");
        check("invoice\u{202e}fdp.exe", "invoicefdp.exe");
        check("a.exe. . ", "a.exe");
        check("con", "_con");
        check("COM1.txt", "_COM1.txt");
        check("\"a\".txt", "_a_.txt");
        check("", "");
        check("...", "");
        check("..", "");
        check("a/", "");
        check("%2e%2e%2fpasswd", "%2e%2e%2fpasswd");
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = clean(&format!("{}.pdf", "ä".repeat(10_000))).unwrap_or_default();
        assert!(name.len() <= OCTETS_MAX && name.ends_with("ä.pdf"), "{name}");
        assert_eq!(clean(&"x".repeat(255)).map(|name| name.len()), Some(255));
        assert_eq!(clean(&"x".repeat(256)).map(|name| name.len()), Some(255));
    }
}
