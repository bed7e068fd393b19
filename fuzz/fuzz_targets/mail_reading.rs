//! Any octets are a mail: parts, mailboxes, content and sanitised HTML come out of them without a panic, and what
//! the bounds promise holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replyd::limits::Limits;
use replyd::mail::{content, html, parsed::ParsedMail};

fuzz_target!(|raw: &[u8]| {
    let limits = Limits::default();
    let mail = ParsedMail::parse(raw);
    assert!(!mail.parts.is_empty() && mail.parts.len() <= limits.mime_parts_max);
    for (index, part) in mail.parts.iter().enumerate() {
        assert!(part.parent.is_none_or(|parent| parent < index), "a part stands before its parent");
        assert!(part.text().is_none_or(|text| !text.contains(['\r', '\0'])), "text has LF line ends and no NUL");
    }
    for field in mail.fields() {
        assert!(!field.value.contains(|c: char| c.is_control()), "a header value is one line");
    }
    for name in ["from", "to", "cc", "reply-to"] {
        mail.mailboxes(name);
    }
    let content = content::read(&mail, &[]);
    for attachment in &content.attachments {
        assert!(!attachment.name.is_empty() && attachment.name.len() <= 255 && !attachment.name.contains(['/', '\\']));
    }
    if let Some(clean) = content.html.as_deref().and_then(html::sanitise) {
        assert!(!clean.contains("<script"), "script survived: {clean}");
    }
});
