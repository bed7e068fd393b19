//! Mail made to break its reader (nesting, floods, ambiguities, lies) is read, flagged where it matters, and harmless.

use replyd::filing::inspect::{Inspection, inspect};
use replyd::mail::parsed::ParsedMail;

fn read(raw: impl AsRef<[u8]>) -> Inspection {
    inspect(raw.as_ref())
}

fn defects(raw: impl AsRef<[u8]>) -> Vec<&'static str> {
    read(raw).defects
}

#[test]
fn nested_mails_of_any_depth_end_flagged_and_free_without_recursion() {
    let level = "From: a@b.example\r\nContent-Type: message/rfc822\r\n\r\n";
    assert!(defects(level.repeat(60) + "Subject: x\r\n\r\nbody").is_empty());
    for levels in [100, 3_000, 25_000, 700_000] {
        let mail = read(level.repeat(levels));
        assert!(mail.defects.contains(&"nested_too_deep"), "{levels}");
        assert_eq!(mail.from.first().map(|from| from.email.as_str()), Some("a@b.example"));
    }
}

#[test]
fn nested_mails_hidden_in_base64_are_bounded_too() {
    let wrap = |inner: Vec<u8>| {
        let head = "From: a@b.example\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        [head.as_bytes(), data_encoding::BASE64.encode(&inner).as_bytes()].concat()
    };
    let four = (0..4).fold(b"Subject: x\r\n\r\nbody".to_vec(), |inner, _| wrap(inner));
    assert_eq!(ParsedMail::parse(&four).parts.last().and_then(|part| part.text()), Some("body"));
    let mut bomb = "Content-Type: message/rfc822\r\n\r\n".repeat(1_000).into_bytes();
    for _ in 0..10 {
        bomb = wrap(bomb);
    }
    assert!(defects(bomb).contains(&"nested_too_deep"));
}

#[test]
fn floods_of_parts_levels_and_boundaries_stop_at_their_bounds() {
    let head = "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n";
    let level = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n";
    assert!(defects(head.to_owned() + "--a\r\n" + &level.repeat(100_000)).contains(&"nested_too_deep"));
    assert!(defects(head.to_owned() + &"--a\r\n\r\n".repeat(1_000_000)).contains(&"too_many_parts"));
    let unique: String =
        (0..50_000).map(|n| format!("--a\r\nContent-Type: multipart/mixed; boundary={n}\r\n\r\nx\r\n")).collect();
    assert!(defects(head.to_owned() + &unique).contains(&"too_many_parts"));
    let long = "b".repeat(2_000);
    let raw = format!(
        "From: a@b.example\r\nContent-Type: multipart/mixed; boundary={long}\r\n\r\n--{long}\r\n\r\nx\r\n--{long}--"
    );
    assert!(defects(raw).contains(&"multipart_without_boundary"));
}

#[test]
fn floods_in_one_header_are_bounded() {
    let continuations: String = (0..20_000).map(|n| format!(";\r\n name*{n}*=x")).collect();
    let mail = read(format!("Content-Type: application/pdf{continuations}\r\n\r\nx"));
    assert!(mail.attachments.iter().all(|attachment| attachment.name.len() <= 255));
    assert_eq!(read(format!("To: {}\r\n\r\n", "a@b.example,".repeat(50_000))).to.len(), 1000);
    assert_eq!(read(format!("To: {}a@b.example\r\n\r\n", "(".repeat(100_000))).to.len(), 0);
    assert_eq!(read(format!("Subject: {}\r\n\r\n", "=?utf-8?q?=C3?= ".repeat(10_000))).defects, ["missing_from"]);
    assert!(defects("A: b\r\n".repeat(100_000)).contains(&"too_many_header_fields"));
    assert_eq!(read(format!("Subject: a\r\n{}\r\n", " b\r\n".repeat(100_000))).subject.map(|s| s.len()), Some(200_001));
    assert_eq!(read(format!("References: {}\r\n\r\n", "<a@b>".repeat(10_000))).references.len(), 1);
}

#[test]
fn a_decoded_line_end_makes_no_header_and_no_second_line() {
    let mail =
        read("Subject: =?utf-8?q?a=0D=0ABcc:_evil@x.example=00?=\r\nFrom: =?utf-8?q?x=0Ay?= <a@b.example>\r\n\r\n");
    assert_eq!(mail.subject.as_deref(), Some("a  Bcc: evil@x.example "));
    assert_eq!(mail.from.first().and_then(|from| from.name.as_deref()), Some("x y"));
}

#[test]
fn charsets_that_lie_never_fail_and_never_become_markup() {
    let text = |charset: &str, body: &[u8]| {
        let head = format!("Content-Type: text/plain; charset={charset}\r\n\r\n");
        read([head.as_bytes(), body].concat()).text
    };
    assert_eq!(text("utf-7", b"+ADw-script+AD4-"), "+ADw-script+AD4-");
    assert_eq!(text("us-ascii", "grün".as_bytes()), "grün");
    assert_eq!(text("utf-8; charset=utf-16", "grün".as_bytes()), "grün");
    assert_eq!(text("no-such-thing", "grün".as_bytes()), "grün");
    assert_eq!(text("utf-8", b"a\0b\xff"), "abÿ");
    let html = read("Content-Type: text/html; charset=utf-7\r\n\r\n+ADw-script+AD4-alert(1)+ADw-/script+AD4-").html;
    assert!(html.is_some_and(|html| !html.contains("<script")));
    for charset in ["utf-16", "utf-16le", "iso-2022-jp", "hz-gb-2312", "gb18030", "x", "\"", "%00", ""] {
        text(charset, &(0..=255).collect::<Vec<u8>>());
    }
}

#[test]
fn each_ambiguous_header_is_a_defect() {
    let cases = [
        ("From: a@b.example\r\nFrom: c@d.example\r\n\r\n", "multiple_from"),
        ("From: a@b.example, c@d.example\r\n\r\n", "multiple_from"),
        ("From: <a@b.example> <c@d.example>\r\n\r\n", "multiple_from"),
        ("From: g: a@b.example, c@d.example;\r\n\r\n", "multiple_from"),
        ("From: \r\n\r\n", "missing_from"),
        ("Subject: x\r\n\r\n", "missing_from"),
        ("From: =?utf-8?q?a@b.example?=\r\n\r\n", "invalid_from"),
        ("From : a@b.example\r\n\r\n", "space_before_colon"),
        (" From: a@b.example\r\nTo: x\r\n\r\n", "missing_from"),
        ("From\r\n : a@b.example\r\nTo: x\r\n\r\n", "missing_from"),
        ("X: y\rFrom: a@b.example\r\n\r\n", "bare_cr"),
        ("From: a\0@b.example\r\n\r\n", "nul_in_header"),
        ("\r\nFrom: a@b.example\r\n\r\n", "leading_blank_line"),
        ("From a@b Mon Jan 1 00:00:00 2026\r\nFrom: a@b.example\r\n\r\n", "mbox_from_line"),
        ("From: a@b.example\r\nno colon\r\nTo: x\r\n\r\n", "header_line_without_colon"),
        ("From: a@b.example\r\nSubject: a\r\nSubject: b\r\n\r\n", "multiple_subject"),
        ("From: a@b.example\r\nMessage-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\n", "multiple_message_id"),
        ("From: a@b.example\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", "multiple_content_type"),
    ];
    for (raw, defect) in cases {
        assert!(defects(raw).contains(&defect), "{raw:?}: {:?}", defects(raw));
    }
}

#[test]
fn the_shown_author_is_the_mailbox_not_the_name() {
    let cases = [
        ("admin@legit.example(<x@evil.example>)", "admin@legit.example"),
        ("\"admin@legit.example\" <x@evil.example>", "x@evil.example"),
        ("=?utf-8?q?admin=40legit.example?= <x@evil.example>", "x@evil.example"),
        ("<@evil.example,@x.example:b@legit.example>", "b@legit.example"),
        ("admin@legit.example\\, <x@evil.example>", "x@evil.example"),
        ("\"a\\\" <admin@legit.example>\" <x@evil.example>", "x@evil.example"),
    ];
    for (value, author) in cases {
        let from = read(format!("From: {value}\r\n\r\n")).from;
        assert_eq!(from.last().map(|from| from.email.as_str()), Some(author), "{value}: {from:?}");
    }
}

#[test]
fn file_names_cannot_leave_their_directory_or_lie_about_direction() {
    let name = |parameter: &str| {
        let raw =
            format!("Content-Type: application/octet-stream\r\nContent-Disposition: attachment; {parameter}\r\n\r\nx");
        read(raw).attachments.first().map(|attachment| attachment.name.clone()).unwrap_or_default()
    };
    assert_eq!(name("filename=\"../../etc/passwd\""), "passwd");
    assert_eq!(name("filename=\"C:\\x\""), "x");
    assert_eq!(name("filename*=utf-8''a%2Fb%00.txt"), "b .txt");
    assert_eq!(name("filename*=utf-8''a%0D%0AX:%20y"), "y");
    assert_eq!(name("filename=\"=?utf-8?q?exe=E2=80=AEfdp.txt?=\""), "exefdp.txt");
    assert_eq!(name("filename=\"con\""), "_con");
    assert_eq!(name("filename=\"\""), "attachment-1.bin");
    assert_eq!(name("filename=x.pdf; filename*=utf-8''y.exe"), "y.exe");
    assert_eq!(name(&format!("filename=\"{}\"", "n".repeat(10_000))).len(), 255);
}

#[test]
fn types_that_lie_and_types_nobody_opens_are_plain_attachments() {
    let kinds = [
        ("image/png", "<html><script>"),
        ("image/svg+xml", "<svg onload=x>"),
        ("application/ms-tnef", "\x78\x3e\x22\x22"),
        ("application/pkcs7-mime", "x"),
        ("multipart/encrypted; boundary=a", "--a\r\nContent-Type: application/pgp-encrypted\r\n\r\nx\r\n--a--"),
    ];
    for (kind, body) in kinds {
        let mail = read(format!("Subject: s\r\nContent-Type: {kind}\r\n\r\n{body}"));
        assert_eq!((mail.attachments.len(), mail.html, mail.visible_text.as_str()), (1, None, "s"), "{kind}");
    }
    // No remote access, nothing lost: the pointer or the fragment is shown as it stands.
    for kind in
        ["message/external-body; access-type=URL; URL=\"http://169.254.169.254/\"", "message/partial; id=x; number=1"]
    {
        let mail = read(format!(
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: {kind}\r\n\r\nwords\r\n--a--"
        ));
        assert_eq!(mail.attachments.first().map(|attachment| attachment.size), Some(5), "{kind}");
    }
}

#[test]
fn broken_transfer_encodings_have_one_reading() {
    let text = |encoding: &str, body: &str| read(format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{body}")).text;
    assert_eq!(text("base64", "aGk=aGk="), "hihi");
    assert_eq!(text("base64", "a*G-k="), "hi");
    assert_eq!(text("quoted-printable", "a=c3=a4=\r\nb=ZZ=\t\r\nc="), "aäb=ZZc");
    assert_eq!(text("x-unknown", "as it is"), "as it is");
    assert_eq!(text("base64", &"YWFh".repeat(100_000)).len(), 300_000);
}

#[test]
fn dates_out_of_this_world_are_no_dates() {
    for date in [
        "Mon, 1 Jan 1899 00:00:00 +0000",
        "Mon, 1 Jan 99999999999999999999 00:00:00 +0000",
        "x",
        "",
        "32 Foo 2026 25:61:61 +9999",
    ] {
        assert_eq!(read(format!("Date: {date}\r\n\r\n")).date, None, "{date}");
    }
    let date = read("Date: Fri, 20 Nov 2026 11:00:00 +0100 (CET)\r\n\r\n").date;
    assert_eq!(date.as_deref(), Some("2026-11-20T10:00:00.000Z"));
}

#[test]
fn every_prefix_and_every_flipped_octet_of_a_rich_mail_is_read() {
    let raw = concat!(
        "From: \"A\" <a@b.example>\r\nSubject: =?utf-8?q?x?=\r\nContent-Type: multipart/mixed; boundary=\"a\"\r\n\r\n",
        "--a\r\nContent-Type: text/html; charset=gbk\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>=C4=E3</p>\r\n",
        "--a\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA0KDQppbg==\r\n",
        "--a\r\nContent-Disposition: attachment; filename*0*=utf-8''%41; filename*1=b\r\n\r\nx\r\n--a--\r\n",
    );
    for end in 0..raw.len() {
        read(&raw.as_bytes()[..end]);
    }
    for at in 0..raw.len() {
        let mut bent = raw.as_bytes().to_vec();
        for octet in [0, b'\n', b'-'] {
            bent[at] = octet;
            read(&bent);
        }
    }
}
