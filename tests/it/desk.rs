//! Signing in at the desk, and what the session opens and does not open.

use crate::http_client::Answer;
use crate::product::{CONFIG, Product, kettle};
use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery";
const HOST: &str = "localhost";

/// A browser: it keeps its cookie and names the page it is on.
pub struct Browser<'a> {
    pub product: &'a Product,
    pub cookie: String,
    pub csrf: String,
}

impl<'a> Browser<'a> {
    pub fn new(product: &'a Product) -> Browser<'a> {
        Browser { product, cookie: String::new(), csrf: String::new() }
    }

    /// Signed in with a password.
    pub fn of(product: &'a Product, email: &str) -> Browser<'a> {
        let mut browser = Browser::new(product);
        let answer = browser.sign_in(email, PASSWORD);
        assert_eq!(answer.status, 303, "{answer:?}");
        browser.csrf = browser.get("/api/v1/me").json()["csrf"].as_str().expect("a word").to_owned();
        browser
    }

    pub fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        let form = format!("email={}&password={}", encoded(email), encoded(password));
        let answer = self.form("/desk/sign-in", &form);
        self.keep(&answer);
        answer
    }

    /// Takes the cookie of an answer over.
    pub fn keep(&mut self, answer: &Answer) {
        if let Some(cookie) = set_cookie(answer) {
            self.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        }
    }

    /// A form of our own page.
    pub fn form(&self, path: &str, form: &str) -> Answer {
        let own = format!("Origin: http://{HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        self.raw("POST", path, &own, form)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, "", "")
    }

    /// As the desk's own script calls.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let own = format!("Origin: http://{HOST}\r\nX-Replyd-Csrf: {}\r\n", self.csrf);
        self.raw(method, path, &own, &body.to_string())
    }

    pub fn raw(&self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        let cookie = if self.cookie.is_empty() { String::new() } else { format!("Cookie: {}\r\n", self.cookie) };
        let length = body.len();
        self.product.tcp.exchange(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: {length}\r\n{cookie}{fields}\r\n{body}"
        ))
    }
}

pub fn set_cookie(answer: &Answer) -> Option<&str> {
    answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "))
}

pub fn encoded(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

/// An agent with a password; answers the id.
pub fn agent(product: &Product, account: &str, email: &str, inboxes: Option<&[&str]>) -> String {
    let body = json!({ "account": account, "email": email, "name": "Sara", "by_mail": false, "inboxes": inboxes });
    let added = product.owner.call("POST", "/api/v1/agents", "", &body.to_string());
    assert_eq!(added.status, 201, "{added:?}");
    let id = added.json()["id"].as_str().expect("an id").to_owned();
    let body = json!({ "password": PASSWORD }).to_string();
    let set = product.owner.call("PUT", &format!("/api/v1/agents/{id}/password"), "", &body);
    assert_eq!(set.status, 204, "{set:?}");
    id
}

/// A mail of a customer that the door takes.
pub fn mail(product: &Product, recipient: &str, content: &str) {
    let (to, content) = (format!("RCPT TO:<{recipient}>"), format!("From: jane@customer.example\r\n{content}\r\n."));
    let said = product.smtp_reply(&["HELO a.example", "MAIL FROM:<jane@customer.example>", &to, "DATA", &content]);
    assert!(said.starts_with("250 "), "{said}");
}

const SARA: &str = "sara@agents.example";

#[test]
fn an_agent_signs_in_and_out() {
    let product = Product::start();
    let id = agent(&product, "acme", SARA, None);
    assert_eq!(Browser::new(&product).get("/api/v1/me").status, 401);
    let mut browser = Browser::of(&product, "Sara@Agents.example");
    let me = browser.get("/api/v1/me").json();
    assert_eq!((&me["agent"]["id"], &me["account"], &me["inboxes"]), (&json!(id), &json!("acme"), &json!(["website"])));
    assert_eq!(browser.get("/api/v1/conversations").status, 200);
    let without = browser.form("/desk/sign-out", "");
    assert_eq!((without.status, without.json()["error"]["code"].as_str()), (403, Some("csrf")));
    assert_eq!(browser.get("/api/v1/me").status, 200, "no other page ends a session");
    let out = browser.call("POST", "/desk/sign-out", &json!({}));
    assert_eq!(out.status, 303);
    assert!(set_cookie(&out).is_some_and(|cookie| cookie.contains("max-age=0")), "{out:?}");
    assert_eq!(browser.get("/api/v1/me").status, 401, "the old cookie opens nothing");
    browser.keep(&out);
    assert_eq!(browser.form("/desk/sign-out", "").status, 303, "twice is fine");
    product.stop();
}

#[test]
fn a_cookie_changes_something_only_for_a_page_of_our_own() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    let conversation = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/conversations/{conversation}");
    let body = json!({ "status": "resolved" }).to_string();
    let csrf = browser.csrf.clone();
    let foreign = Browser::of(&product, SARA).csrf;
    for (fields, expected) in [
        (String::new(), "foreign_origin"),
        (format!("X-Replyd-Csrf: {csrf}\r\n"), "foreign_origin"),
        (format!("Origin: https://evil.example\r\nX-Replyd-Csrf: {csrf}\r\n"), "foreign_origin"),
        (format!("Origin: null\r\nX-Replyd-Csrf: {csrf}\r\n"), "foreign_origin"),
        (format!("Origin: http://{HOST}\r\n"), "csrf"),
        (format!("Origin: http://{HOST}\r\nX-Replyd-Csrf: \r\n"), "csrf"),
        (format!("Origin: http://{HOST}\r\nX-Replyd-Csrf: {foreign}\r\n"), "csrf"),
    ] {
        let answer = browser.raw("PATCH", &path, &fields, &body);
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some(expected)), "{fields:?}");
    }
    let status = || product.owner.get(&path, "").json()["status"].clone();
    assert_eq!(status(), "open");
    assert_eq!(browser.call("PATCH", &path, &json!({ "status": "resolved" })).status, 200);
    assert_eq!(status(), "resolved");
    // What only reads needs neither, and what a link can make a browser send changes nothing.
    assert_eq!(browser.get(&path).status, 200);
    assert_eq!(browser.get("/desk/sign-out").status, 405);
    assert_eq!(browser.get("/api/v1/me").status, 200);
    product.stop();
}

#[test]
fn sign_in_and_out_are_refused_from_other_pages() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    let form = format!("email={}&password={}", encoded(SARA), encoded(PASSWORD));
    for (path, form) in [("/desk/sign-in", form.as_str()), ("/desk/sign-out", "")] {
        for origin in ["", "Origin: https://evil.example\r\n", "Origin: null\r\n"] {
            let fields = format!("{origin}Content-Type: application/x-www-form-urlencoded\r\n");
            let answer = browser.raw("POST", path, &fields, form);
            assert_eq!((answer.status, set_cookie(&answer)), (403, None), "{path} from {origin:?}");
        }
    }
    assert_eq!(browser.get("/api/v1/me").status, 200);
    product.stop();
}

#[test]
fn a_session_that_somebody_else_chose_is_never_taken() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let planted = format!("replyd-desk={}", "a".repeat(64));
    let mut browser = Browser::new(&product);
    browser.cookie.clone_from(&planted);
    assert_eq!(browser.sign_in(SARA, PASSWORD).status, 303);
    assert_ne!(browser.cookie, planted);
    let before = browser.cookie.clone();
    assert_eq!(browser.sign_in(SARA, PASSWORD).status, 303);
    assert_ne!(browser.cookie, before, "each time a new one");
    for old in [planted, before] {
        let with_old = Browser { cookie: old, ..Browser::new(&product) };
        assert_eq!(with_old.get("/api/v1/me").status, 401, "and the old one ends");
    }
    assert_eq!(browser.get("/api/v1/me").status, 200);
    product.stop();
}

#[test]
fn the_cookie_is_bound_to_its_host_over_https_and_works_over_plain_http() {
    for (public_url, expected) in [
        ("https://chat.example.com", ("__host-replyd-desk=", true)),
        ("http://chat.example.com", ("replyd-desk=", false)),
    ] {
        let product = Product::with(&CONFIG.replace("[http]", &format!("[http]\npublic_url = \"{public_url}\"")));
        agent(&product, "acme", SARA, None);
        let mut browser = Browser::new(&product);
        let answer = browser.sign_in(SARA, PASSWORD);
        let cookie = set_cookie(&answer).expect("a cookie");
        assert!(cookie.starts_with(expected.0), "{cookie}");
        assert_eq!(cookie.contains("; secure"), expected.1, "{cookie}");
        for attribute in ["; path=/;", "; httponly", "; samesite=lax"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert!(!cookie.contains("domain="), "{cookie}");
        product.stop();
    }
}

#[test]
fn a_refusal_does_not_tell_who_is_an_agent() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let body = json!({ "account": "acme", "email": "new@agents.example", "name": "New", "by_mail": false });
    assert_eq!(product.owner.call("POST", "/api/v1/agents", "", &body.to_string()).status, 201);
    let page = |email: &str, password: &str| {
        let answer = Browser::new(&product).sign_in(email, password);
        assert_eq!((answer.status, set_cookie(&answer)), (401, None), "{answer:?}");
        answer.body.replace(email, "")
    };
    let known = page(SARA, "something else");
    assert_eq!(page("nobody@agents.example", "something else"), known);
    assert_eq!(page("new@agents.example", "something else"), known, "an agent without a password");
    assert_eq!(page("new@agents.example", ""), known);
    assert_eq!(page("no address", "something else"), known);
    assert_eq!(page(SARA, &"x".repeat(100_000)), known);
    product.stop();
}

#[test]
fn tries_run_out_for_an_address_and_for_a_peer() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let attempt = |email: &str| Browser::new(&product).sign_in(email, "something else");
    let answers: Vec<Answer> = (0..11).map(|_| attempt(SARA)).collect();
    assert!(answers[..10].iter().all(|answer| answer.status == 401));
    assert_eq!(answers[10].status, 429);
    assert!(answers[10].head.contains("\r\nretry-after: "), "{:?}", answers[10]);
    assert_eq!(Browser::new(&product).sign_in(SARA, PASSWORD).status, 429, "the right one is not tried either");
    let tried = (0..20).map(|number| attempt(&format!("a{number}@agents.example")).status);
    assert!(tried.collect::<Vec<_>>().contains(&429), "the peer asks for many");
    product.stop();
}

#[test]
fn a_removed_agent_and_a_new_password_end_what_was_open() {
    let product = Product::start();
    let id = agent(&product, "acme", SARA, None);
    let first = Browser::of(&product, SARA);
    agent(&product, "acme", SARA, None);
    assert_eq!(first.get("/api/v1/me").status, 401, "the password is another");
    let second = Browser::of(&product, SARA);
    assert_eq!(product.owner.call("DELETE", &format!("/api/v1/agents/{id}"), "", "").status, 204);
    assert_eq!(second.get("/api/v1/conversations").status, 401);
    assert_eq!(Browser::new(&product).sign_in(SARA, PASSWORD).status, 401);
    product.stop();
}

#[test]
fn an_agent_sees_their_own_account_only_and_manages_nothing() {
    let product = Product::start();
    let id = agent(&product, "bolt", SARA, None);
    let foreign = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    let entries = product.owner.get("/api/v1/queue", "").json();
    let entry = entries["items"][0]["id"].as_str().expect("a mail of the other account").to_owned();
    let browser = Browser::of(&product, SARA);
    for (path, expected) in [
        ("/api/v1/conversations?account=acme".to_owned(), 403),
        (format!("/api/v1/conversations/{foreign}"), 404),
        (format!("/api/v1/queue/{entry}"), 404),
        ("/api/v1/tokens".to_owned(), 403),
        ("/api/v1/webhooks".to_owned(), 403),
        ("/api/v1/agents".to_owned(), 200),
        ("/api/v1/inbound".to_owned(), 200),
        ("/api/v1/queue".to_owned(), 200),
        ("/api/v1/events?account=acme".to_owned(), 403),
    ] {
        assert_eq!(browser.get(&path).status, expected, "{path}");
    }
    assert_eq!(browser.get("/api/v1/conversations").json()["items"], json!([]));
    assert_eq!(browser.get("/api/v1/queue").json()["items"], json!([]));
    for (method, path, body) in [
        ("POST", "/api/v1/agents".to_owned(), json!({ "email": "x@a.example", "name": "X" })),
        ("DELETE", format!("/api/v1/agents/{id}"), json!({})),
        ("PUT", format!("/api/v1/agents/{id}/password"), json!({ "password": PASSWORD })),
        ("POST", "/api/v1/tokens".to_owned(), json!({ "account": "bolt" })),
        ("POST", "/api/v1/backup".to_owned(), json!({ "file": "/tmp/x" })),
        ("POST", "/api/v1/webhooks".to_owned(), json!({ "url": "https://a.example/", "events": [] })),
    ] {
        assert_eq!(browser.call(method, &path, &body).status, 403, "{method} {path}");
    }
    assert_eq!(browser.call("POST", &format!("/api/v1/queue/{entry}/cancel"), &json!({})).status, 404);
    product.stop();
}

const TWO_INBOXES: &str =
    "[[account.inbox]]\nname = \"shop\"\naddress = \"shop@acme.example\"\n[[account]]\nname = \"bolt\"";

#[test]
fn an_agent_of_one_inbox_sees_nothing_of_another() {
    let product = Product::with(&CONFIG.replacen("[[account]]\nname = \"bolt\"", TWO_INBOXES, 1));
    agent(&product, "acme", SARA, Some(&["shop"]));
    let browser = Browser::of(&product, SARA);
    let website = product.begin(&kettle()).json();
    let mut shop = kettle();
    shop["inbox"] = json!("shop");
    let shop = product.begin(&shop).json();
    assert_eq!(browser.get("/api/v1/me").json()["inboxes"], json!(["shop"]));
    let listed = browser.get("/api/v1/conversations").json();
    let ids: Vec<&Value> = listed["items"].as_array().expect("items").iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, [&shop["id"]]);
    assert_eq!(browser.get("/api/v1/conversations?inbox=website").json()["items"], json!([]));
    let path = |conversation: &Value| format!("/api/v1/conversations/{}", conversation["id"].as_str().expect("an id"));
    assert_eq!((browser.get(&path(&shop)).status, browser.get(&path(&website)).status), (200, 404));
    let mails = browser.get("/api/v1/queue").json();
    assert!(mails["items"].as_array().is_some_and(|all| all.len() == 1), "{mails}");
    assert_eq!(mails["items"][0]["conversation_id"], shop["id"]);
    let all = product.owner.get("/api/v1/queue", "").json();
    for entry in all["items"].as_array().expect("items") {
        let expected = if entry["conversation_id"] == shop["id"] { 200 } else { 404 };
        let path = format!("/api/v1/queue/{}", entry["id"].as_str().expect("an id"));
        assert_eq!(browser.get(&path).status, expected);
    }
    mail(&product, "support@acme.example", "Subject: website\r\n\r\nHello");
    mail(&product, "shop@acme.example", "Subject: shop\r\n\r\nHello");
    let offered = product.owner.get("/api/v1/inbound", "").json();
    for entry in offered["items"].as_array().expect("items") {
        let expected = if entry["envelope_to"] == "shop@acme.example" { 200 } else { 404 };
        let path = format!("/api/v1/inbound/{}", entry["id"].as_str().expect("an id"));
        assert_eq!((browser.get(&path).status, browser.get(&format!("{path}/raw")).status), (expected, expected));
    }
    let seen = browser.get("/api/v1/inbound").json();
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(1), "{seen}");
    assert_eq!(seen["items"][0]["envelope_to"], "shop@acme.example");
    let note = json!({ "author": "note", "text": "x" });
    assert_eq!(browser.call("POST", &format!("{}/messages", path(&website)), &note).status, 404);
    assert_eq!(browser.call("POST", "/api/v1/conversations", &kettle()).status, 422);
    assert_eq!(browser.get("/api/v1/suppressions").status, 403);
    product.stop();
}

#[test]
fn an_agent_writes_under_their_own_name() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    let conversation = product.begin(&kettle()).json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let foreign = json!({ "author": "agent", "agent": "Ben", "text": "Hello" });
    assert_eq!(browser.call("POST", &path, &foreign).status, 422);
    let sent = browser.call("POST", &path, &json!({ "author": "agent", "text": "Hello" })).json();
    assert_eq!((&sent["author"]["email"], &sent["via"]), (&json!(SARA), &json!("desk")), "{sent}");
    assert_eq!(browser.call("POST", &path, &json!({ "author": "contact", "text": "Hello" })).status, 422);
    product.stop();
}

/// An open feed of events, as a browser keeps it.
pub struct Listening(std::io::BufReader<std::net::TcpStream>);

impl Browser<'_> {
    /// Listens; the first frame says that it does.
    pub fn listen(&self) -> Listening {
        use std::io::Write;
        let address = self.product.running.http_addresses().first().expect("an address");
        let mut stream = std::net::TcpStream::connect(address).expect("HTTP listens");
        let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {HOST}\r\nCookie: {}\r\n\r\n", self.cookie);
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut listening = Listening(std::io::BufReader::new(stream));
        listening.until("retry: ");
        listening
    }
}

impl Listening {
    /// Everything up to the end of the frame in which a line begins with these words, or to the end of the feed.
    pub fn until(&mut self, words: &str) -> String {
        use std::io::BufRead;
        let (mut heard, mut found) = (String::new(), false);
        loop {
            let mut line = String::new();
            let ended = self.0.read_line(&mut line).expect("the feed is read") == 0;
            heard.push_str(&line);
            found |= line.starts_with(words);
            if ended || (found && line == "\n") {
                return heard;
            }
        }
    }
}

#[test]
fn a_feed_tells_an_agent_of_their_inboxes_and_ends_with_their_session() {
    let product = Product::with(&CONFIG.replacen("[[account]]\nname = \"bolt\"", TWO_INBOXES, 1));
    let id = agent(&product, "acme", SARA, Some(&["shop"]));
    let browser = Browser::of(&product, SARA);
    let mut heard = browser.listen();
    let website = product.begin(&kettle()).json();
    let mut shop = kettle();
    shop["inbox"] = json!("shop");
    let shop = product.begin(&shop).json();
    let frames = heard.until("event: message.created");
    let name = |conversation: &Value| conversation["id"].as_str().expect("an id").to_owned();
    assert!(frames.contains(&name(&shop)) && !frames.contains(&name(&website)), "{frames}");
    assert_eq!(product.owner.call("DELETE", &format!("/api/v1/agents/{id}"), "", "").status, 204);
    let mut again = kettle();
    again["inbox"] = json!("shop");
    let after = name(&product.begin(&again).json());
    let rest = heard.until("no such line");
    assert!(!rest.contains(&after), "{rest}");
    product.stop();
}
