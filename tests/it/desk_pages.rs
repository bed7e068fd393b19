//! The desk's page and files as a browser gets them: their policy, their copies, and nothing else under their address.

use crate::desk::Browser;
use crate::http_client::Answer;
use crate::product::Product;

fn field<'a>(answer: &'a Answer, name: &str) -> &'a str {
    let found = answer.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    found.unwrap_or_default().trim()
}

#[test]
fn the_page_runs_its_own_files_and_nothing_else() {
    let product = Product::start();
    let browser = Browser::new(&product);
    let page = browser.get("/desk/");
    assert_eq!((page.status, field(&page, "content-type")), (200, "text/html; charset=utf-8"));
    let policy = field(&page, "content-security-policy");
    for part in
        ["default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let named: Vec<&str> =
        page.body.split("\"/desk/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(named.contains(&"desk.js") && named.contains(&"theme.css") && named.len() > 30, "{named:?}");
    for name in named {
        let file = browser.get(&format!("/desk/assets/{name}"));
        let kind = field(&file, "content-type");
        let expected = ["text/javascript", "text/css", "image/svg+xml"].iter().any(|known| kind.starts_with(known));
        assert!(file.status == 200 && expected, "{name}: {} {kind}", file.status);
        assert_eq!(field(&file, "x-content-type-options"), "nosniff", "{name}");
    }
    assert_eq!((browser.get("/desk").status, browser.get("/desk/assets/none.js").status), (308, 404));
    assert_eq!(browser.get("/desk/assets/..%2Fsign_in.html").status, 404);
}

#[test]
fn a_file_that_did_not_change_is_not_sent_again() {
    let product = Product::start();
    let browser = Browser::new(&product);
    let tag = field(&browser.get("/desk/assets/desk.js"), "etag").to_owned();
    let known = browser.raw("GET", "/desk/assets/desk.js", &format!("If-None-Match: {tag}\r\n"), "");
    assert_eq!((known.status, known.body.as_str()), (304, ""));
    assert_eq!(browser.raw("GET", "/desk/assets/desk.js", "If-None-Match: \"x\"\r\n", "").status, 200);
}
