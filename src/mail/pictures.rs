//! Pictures inside a mail, which its HTML shows by `cid:` (RFC 2392). They are put into the HTML as `data:`, so that showing it
//! asks nobody for anything; only what is a picture by its first octets, whatever its part says it is. Pure.

use super::parsed::ParsedMail;
use data_encoding::BASE64;
use std::collections::HashMap;

/// The pictures of one mail, by content id, as `data:` addresses.
#[derive(Debug, Default)]
pub struct Pictures(HashMap<String, String>);

impl Pictures {
    pub fn of(mail: &ParsedMail) -> Pictures {
        let mut found = HashMap::new();
        let mut room = OCTETS_MAX;
        for part in &mail.parts {
            let octets = part.octets();
            let (Some(id), Some(kind)) = (part.content_id.as_deref(), kind_of(octets)) else { continue };
            let Some(left) = room.checked_sub(octets.len()) else { continue };
            room = left;
            found.entry(key(id)).or_insert_with(|| format!("data:{kind};base64,{}", BASE64.encode(octets)));
        }
        Pictures(found)
    }

    /// Sanitised HTML with the pictures in it; one that the mail does not hold stays away.
    pub fn put_into(&self, clean: &str) -> String {
        let mut whole = String::with_capacity(clean.len());
        let mut rest = clean;
        while let Some((before, tail)) = rest.split_once(SOURCE) {
            let (id, tail) = tail.split_once('"').unwrap_or((tail, ""));
            whole.push_str(before);
            let address = self.0.get(&key(&unescaped(id))).map(String::as_str).unwrap_or_default();
            whole.extend([" src=\"", address, "\""]);
            rest = tail;
        }
        whole.push_str(rest);
        whole
    }
}

/// What the sanitiser writes for a picture of the mail.
const SOURCE: &str = " src=\"cid:";

/// RFC 2392 §2: the id without its angle brackets, and in a URL with percent escapes.
fn key(id: &str) -> String {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let mut octets = Vec::with_capacity(id.len());
    let mut rest = id.bytes();
    while let Some(octet) = rest.next() {
        let mut ahead = rest.clone();
        let escape = (octet == b'%').then(|| Some(hex(ahead.next()?)? * 16 + hex(ahead.next()?)?)).flatten();
        if let Some(escaped) = escape {
            octets.push(escaped);
            rest = ahead;
        } else {
            octets.push(octet);
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The sanitiser's own escapes.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// A picture that browsers show and that holds no script: never SVG.
fn kind_of(octets: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| octets.starts_with(magic);
    if begins(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if begins(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if begins(b"GIF87a") || begins(b"GIF89a") {
        Some("image/gif")
    } else if begins(b"RIFF") && octets.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}

/// Of all pictures of a mail together: the document is held in memory, in Base64.
const OCTETS_MAX: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(parts: &str) -> String {
        format!("Subject: x\r\nContent-Type: multipart/related; boundary=b\r\n\r\n{parts}--b--\r\n")
    }

    fn part(id: &str, declared: &str, octets: &[u8]) -> String {
        let content = BASE64.encode(octets);
        format!(
            "--b\r\nContent-Type: {declared}\r\nContent-ID: {id}\r\nContent-Transfer-Encoding: base64\r\n\r\n{content}\r\n"
        )
    }

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

    fn check(parts: &str, html: &str) -> String {
        Pictures::of(&ParsedMail::parse(mail(parts).as_bytes())).put_into(html)
    }

    #[test]
    fn a_picture_is_found_by_its_id_in_every_spelling() {
        for (id, source) in [("<a@b>", "a@b"), ("<a@b>", "a%40b"), ("<a&b@c>", "a&amp;b@c"), ("a@b", "%3Ca@b%3E")] {
            let shown = check(&part(id, "image/png", PNG), &format!("<p><img src=\"cid:{source}\" alt=\"x\"></p>"));
            let expected = format!("<p><img src=\"data:image/png;base64,{}\" alt=\"x\"></p>", BASE64.encode(PNG));
            if source.starts_with("%3C") {
                assert!(shown.contains("src=\"\""), "an id has no brackets: {shown}");
            } else {
                assert_eq!(shown, expected);
            }
        }
    }

    #[test]
    fn what_only_says_that_it_is_a_picture_is_not_shown() {
        for (declared, octets) in [
            ("image/png", b"<script>alert(1)</script>".as_slice()),
            ("image/svg+xml", b"<svg onload=alert(1)>".as_slice()),
            ("image/png", b"".as_slice()),
        ] {
            assert_eq!(
                check(&part("<a@b>", declared, octets), "<img src=\"cid:a@b\">"),
                "<img src=\"\">",
                "{declared}"
            );
        }
        let lied = check(&part("<a@b>", "text/html", PNG), "<img src=\"cid:a@b\">");
        assert_eq!(lied, "<img src=\"\">", "a part that says it is text is read as text");
        assert_eq!(check("", "<img src=\"cid:other@mail\">"), "<img src=\"\">");
    }
}
