//! `replyd demo` end to end: a mail to the printed reply address becomes a message that the commands and the page show.

use crate::http_client::Server;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A demo that a failing test leaves running would hold the test's own output open.
impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Demo {
    process: Child,
    folder: PathBuf,
    /// What it printed.
    invitation: String,
}

impl Demo {
    fn start(folder: &Path, words: &[&str]) -> Demo {
        let mut process = Command::new(env!("CARGO_BIN_EXE_replyd"))
            .args(["demo", "--smtp-port", "0", "--http-port", "0", "--data"])
            .arg(folder)
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the demo starts");
        let mut lines = BufReader::new(process.stdout.take().expect("stdout")).lines().map_while(Result::ok);
        let mut invitation = String::new();
        for line in lines.by_ref() {
            invitation.push_str(&line);
            invitation.push('\n');
            if line.contains("inbound list") {
                break;
            }
        }
        Demo { process, folder: folder.to_owned(), invitation }
    }

    /// The word behind a label of the invitation.
    fn printed(&self, label: &str) -> String {
        let line = self.invitation.lines().find_map(|line| line.trim_start().strip_prefix(label));
        line.unwrap_or_else(|| panic!("no {label} in {}", self.invitation)).trim().to_owned()
    }

    fn smtp(&self) -> SocketAddr {
        self.printed("mail (SMTP)").parse().expect("an address")
    }

    fn page(&self) -> Server {
        let address = self.printed("conversation").replace("http://", "").replace('/', "");
        Server::Tcp(address.parse().expect("an address"))
    }

    fn conversation_id(&self) -> &str {
        let line = self.invitation.lines().find(|line| line.contains("conversation show")).expect("the command");
        line.split_whitespace().nth(3).expect("an id")
    }

    /// `replyd conversation show` as JSON.
    fn conversation(&self) -> serde_json::Value {
        let id = self.conversation_id();
        let output = Command::new(env!("CARGO_BIN_EXE_replyd"))
            .args(["conversation", "show", id, "--json", "--config"])
            .arg(self.folder.join("replyd.toml"))
            .output()
            .expect("replyd runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The first message that came by mail, once it is filed.
    fn message_by_mail(&self) -> serde_json::Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let conversation = self.conversation();
            let messages = conversation["messages"].as_array().expect("messages");
            if let Some(message) = messages.iter().find(|message| message["via"] == "email") {
                return message.clone();
            }
            assert!(Instant::now() < deadline, "the mail was not filed: {conversation}");
        }
    }

    fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("the demo is there");
        assert_eq!(self.process.wait().expect("it ends").code(), Some(0));
    }
}

/// Speaks SMTP line by line; every step must be answered with a 2xx or 3xx.
pub fn deliver(to: SocketAddr, recipient: &str, mail: &str) {
    let stream = TcpStream::connect(to).expect("SMTP listens");
    let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let mut answer = move || loop {
        let line = lines.next().expect("an answer").expect("a line");
        if line.as_bytes().get(3) != Some(&b'-') {
            assert!(line.starts_with('2') || line.starts_with('3'), "{line}");
            break;
        }
    };
    answer();
    let data = format!("{}\r\n.\r\n", mail.replace('\n', "\r\n"));
    let commands = [
        "EHLO customer.example\r\n",
        "MAIL FROM:<jane@customer.example>\r\n",
        &format!("RCPT TO:<{recipient}>\r\n"),
        "DATA\r\n",
        &data,
        "QUIT\r\n",
    ]
    .map(str::to_owned);
    for command in commands {
        (&stream).write_all(command.as_bytes()).expect("the server reads");
        answer();
    }
}

#[test]
fn a_reply_by_mail_appears_in_the_conversation_and_on_the_page() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let recipient = demo.printed("reply address");
    assert_eq!(demo.conversation()["reply_address"], recipient.as_str());
    let mail = format!(
        "From: Jane Doe <jane@customer.example>\nTo: {recipient}\nSubject: Re: My kettle does not boil\nMessage-ID: <1@customer.example>\n\nIt works <b>now</b>, thank you!\n\nOn Fri, Nov 20, 2026 at 9:00 AM Sara <sara@demo.example> wrote:\n> Hi Jane, sorry about that!\n"
    );
    deliver(demo.smtp(), &recipient, &mail);
    let message = demo.message_by_mail();
    assert_eq!(message["text"].as_str().map(str::trim), Some("It works <b>now</b>, thank you!"), "{message}");
    assert!(message["quoted"].as_str().is_some_and(|quoted| quoted.contains("sorry about that")), "{message}");
    assert_eq!(message["author"]["kind"], "contact", "{message}");
    assert_eq!(message["email"]["auth"]["verdict"], "authentic", "{message}");
    let page = demo.page().get("/", "");
    assert_eq!(page.status, 200);
    assert!(page.head.contains("script-src 'self'") && page.head.contains("frame-ancestors 'none'"), "{}", page.head);
    let desk = Desk::open(&demo);
    let shown = desk.get(&format!("/api/v1/conversations/{}", demo.conversation_id())).json();
    let last = shown["messages"].as_array().and_then(|messages| messages.last()).cloned().expect("a message");
    assert_eq!((&last["text"], &last["email"]["auth"]["verdict"]), (&message["text"], &"authentic".into()), "{last}");
    for asset in ["/demo.css", "/demo/stage.css", "/demo/stage.js", "/demo/shop.css", "/demo/shop.js"] {
        assert_eq!(demo.page().get(asset, "").status, 200, "{asset}");
    }
    demo.stop();
}

#[test]
fn the_example_is_made_once_and_fresh_begins_anew() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let folder = folder.path().join("demo");
    let first = Demo::start(&folder, &[]);
    let address = first.printed("reply address");
    first.stop();
    let again = Demo::start(&folder, &[]);
    assert_eq!(again.printed("reply address"), address);
    again.stop();
    let fresh = Demo::start(&folder, &["--fresh"]);
    assert_ne!(fresh.printed("reply address"), address);
    fresh.stop();
}

#[test]
fn a_taken_port_names_the_flag() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (flag, other) in [("--smtp-port", "--http-port"), ("--http-port", "--smtp-port")] {
        let output = Command::new(env!("CARGO_BIN_EXE_replyd"))
            .args(["demo", flag, &port, other, "0", "--data"])
            .arg(folder.path().join("demo"))
            .output()
            .expect("replyd runs");
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(75), "{line}");
        assert!(line.contains(flag) && line.contains(&port), "{line}");
    }
}

#[test]
fn an_attachment_is_a_download_that_no_browser_runs() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let recipient = demo.printed("reply address");
    let mail = format!(
        "From: Jane Doe <jane@customer.example>\nTo: {recipient}\nSubject: See\nMessage-ID: <2@customer.example>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nSee it.\n--b\nContent-Type: text/html\nContent-Disposition: attachment; filename=\"../x.html\"\n\n<script>alert(1)</script>\n--b--\n"
    );
    deliver(demo.smtp(), &recipient, &mail);
    let message = demo.message_by_mail();
    let attachment = &message["attachments"][0];
    let owner = Server::Socket(demo.folder.join("data/replyd.sock"));
    let answer = owner.get(attachment["url"].as_str().expect("an address"), "");
    assert_eq!((answer.status, answer.body.trim()), (200, "<script>alert(1)</script>"), "{answer:?}");
    for header in
        ["content-disposition: attachment", "x-content-type-options: nosniff", "sandbox", "application/octet-stream"]
    {
        assert!(answer.head.contains(header), "{header}: {}", answer.head);
    }
    assert!(!answer.head.contains("../"), "{}", answer.head);
    assert_eq!(demo.page().get(attachment["url"].as_str().expect("an address"), "").status, 401, "not without a token");
    demo.stop();
}

/// Exit code and error line of a demo that does not start.
fn refused(words: &[&str], data: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
    let output = command.arg("demo").args(words).arg("--data").arg(data).output().expect("replyd runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_second_demo_in_the_same_folder_is_told_so() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(folder.path(), &[]);
    for words in [&["--smtp-port", "0", "--http-port", "0"][..], &["--fresh"]] {
        let (code, line) = refused(words, folder.path());
        assert_eq!(code, Some(75), "{line}");
        assert!(line.contains("a demo is running in") && line.contains("--data"), "{line}");
    }
    demo.conversation();
    demo.stop();
}

#[test]
fn what_a_demo_that_found_its_port_taken_left_can_be_emptied() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let data = folder.path().join("demo");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let (code, line) = refused(&["--smtp-port", &port, "--http-port", "0"], &data);
    assert_eq!(code, Some(75), "{line}");
    Demo::start(&data, &["--fresh"]).stop();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let (code, line) = refused(&[], Path::new("/proc/demo"));
    assert_eq!(code, Some(73), "{line}");
    assert!(line.contains("/proc/demo") && line.contains("--data"), "{line}");
}

/// Posts JSON as the page's own script does, or as another site's.
fn post(demo: &Demo, path: &str, origin: &str, body: &serde_json::Value) -> crate::http_client::Answer {
    let Server::Tcp(address) = demo.page() else { panic!("HTTP is TCP") };
    let origin = origin.replace("OWN", &format!("http://{address}"));
    let body = body.to_string();
    demo.page().exchange(&format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nOrigin: {origin}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// The number of the newest mail in a mailbox, once there are so many of them.
fn newest(demo: &Demo, owner: &str, count: usize) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let page = demo.page().get(&format!("/mailbox?of={owner}"), "").body;
        let numbers: Vec<&str> =
            page.split("data-number=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        if numbers.len() >= count {
            return numbers[0].to_owned();
        }
        assert!(Instant::now() < deadline, "{owner} has {} of {count} mails", numbers.len());
    }
}

#[test]
fn an_answer_reaches_the_customers_mailbox_and_comes_back_and_so_for_the_agent() {
    const JANE: &str = "jane@customer.example";
    const SARA: &str = "sara@agents.demo.example";
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let (first, told) = (newest(&demo, JANE, 1), newest(&demo, SARA, 1));
    let page = demo.page().get(&format!("/mailbox?of={JANE}"), "");
    assert!(page.body.contains("DKIM verified") && page.body.contains("Sara (Kettle Shop)"), "{}", page.body);
    assert!(page.head.contains("script-src 'self'") && page.head.contains("form-action 'none'"), "{}", page.head);
    let raw = demo.page().get(&format!("/mailbox/{first}/raw"), "").body;
    assert_eq!(raw.matches("DKIM-Signature:").count(), 2, "{raw}");
    assert!(raw.contains("@mx.demo.example>") && raw.contains("List-Unsubscribe-Post:"), "{raw}");
    let body = demo.page().get(&format!("/mailbox/{first}/body"), "");
    assert!(body.head.contains("sandbox allow-same-origin ") && body.body.contains("sorry about that"), "{body:?}");

    let answer = serde_json::json!({ "text": "It stays cold." });
    let sent = post(&demo, &format!("/mailbox/{first}/answer"), "OWN", &answer).json();
    assert_eq!(sent["accepted"], true, "{sent}");
    let message = demo.message_by_mail();
    assert_eq!(message["text"].as_str().map(str::trim), Some("It stays cold."), "{message}");
    assert!(message["quoted"].as_str().is_some_and(|quoted| quoted.contains("sorry about that")), "{message}");
    assert_eq!(message["email"]["auth"]["verdict"], "authentic", "{message}");

    let told = newest(&demo, SARA, 2).max(told);
    let forged = serde_json::json!({ "text": "I am Sara.", "unsigned": true });
    let refused = post(&demo, &format!("/mailbox/{told}/answer"), "OWN", &forged).json();
    assert_eq!(refused["accepted"], false, "{refused}");
    assert!(refused["reply"].as_str().is_some_and(|reply| reply.starts_with("550 5.7.")), "{refused}");
    let signed = serde_json::json!({ "text": "You get a new one." });
    let sent = post(&demo, &format!("/mailbox/{told}/answer"), "OWN", &signed).json();
    assert_eq!(sent["accepted"], true, "{sent}");
    let second = newest(&demo, JANE, 2);
    let raw = demo.page().get(&format!("/mailbox/{second}/raw"), "").body;
    assert!(raw.contains("You get a new one.") && !raw.contains(SARA), "the agent's address is never shown: {raw}");
    let shown = Desk::open(&demo).get(&format!("/api/v1/conversations/{}", demo.conversation_id())).body;
    assert!(shown.contains("\"delivered\"") && shown.contains("mx.customer.example [127.0.0.1]"), "{shown}");
    demo.stop();
}

/// The desk, as the reader of the first page has it: with the session that this page begins.
struct Desk {
    server: Server,
    cookie: String,
    csrf: String,
}

impl Desk {
    fn open(demo: &Demo) -> Desk {
        let head = demo.page().get("/", "").head;
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
        let cookie = cookie.split(';').next().expect("a pair").to_owned();
        let mut desk = Desk { server: demo.page(), cookie, csrf: String::new() };
        let me = desk.get("/api/v1/me").json();
        assert_eq!(me["agent"]["email"], "sara@agents.demo.example", "{me}");
        desk.csrf = me["csrf"].as_str().expect("a word").to_owned();
        desk
    }

    fn get(&self, path: &str) -> crate::http_client::Answer {
        self.call("GET", path, "", "")
    }

    fn call(&self, method: &str, path: &str, fields: &str, body: &str) -> crate::http_client::Answer {
        let Server::Tcp(address) = &self.server else { panic!("HTTP is TCP") };
        let (cookie, length) = (&self.cookie, body.len());
        self.server.exchange(&format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nCookie: {cookie}\r\n{fields}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }
}

#[test]
fn only_the_demos_own_pages_act_on_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let answer = serde_json::json!({ "text": "From the page." });
    let said = serde_json::json!({ "author": "agent", "text": "From the desk." }).to_string();
    let desk = Desk::open(&demo);
    let path = format!("/api/v1/conversations/{}/messages", demo.conversation_id());
    for origin in ["http://evil.example", "null", "", "http://127.0.0.1:1", "https://OWN"] {
        assert_eq!(post(&demo, "/mailbox/1/answer", origin, &answer).status, 403, "from {origin:?}");
    }
    for origin in ["http://evil.example", "null", "", "http://127.0.0.1:1"] {
        let fields = format!("Origin: {origin}\r\nX-Replyd-Csrf: {}\r\n", desk.csrf);
        assert_eq!(desk.call("POST", &path, &fields, &said).status, 403, "the desk from {origin:?}");
    }
    let count = |demo: &Demo| demo.conversation()["messages"].as_array().map_or(0, Vec::len);
    assert_eq!(count(&demo), 2);
    let own = format!("Origin: http://{}\r\n", address(&demo));
    assert_eq!(desk.call("POST", &path, &own, &said).status, 403, "without the session's word");
    let own = format!("{own}X-Replyd-Csrf: {}\r\n", desk.csrf);
    assert_eq!(desk.call("POST", &path, &own, &said).status, 201);
    assert_eq!(count(&demo), 3);
    let empty = serde_json::json!({ "author": "agent", "text": " " }).to_string();
    assert_eq!(desk.call("POST", &path, &own, &empty).status, 422);
    assert_eq!(post(&demo, "/mailbox/999/answer", "OWN", &answer).status, 404);
    for path in ["/mailbox?of=nobody@x.example", "/mailbox/999/raw", "/mailbox/999/body", "/demo/shop/basket"] {
        assert_eq!(demo.page().get(path, "").status, 404, "{path}");
    }
    demo.stop();
}

fn address(demo: &Demo) -> SocketAddr {
    let Server::Tcp(address) = demo.page() else { panic!("HTTP is TCP") };
    address
}

/// The first page signs in whoever reads it, so it is read on this machine or not at all.
#[test]
fn only_a_browser_on_this_machine_is_signed_in_at_the_desk() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let own = address(&demo);
    for (fields, expected) in [
        (format!("Host: {own}"), 200),
        (format!("Host: localhost:{}", own.port()), 200),
        ("Host: evil.example".to_owned(), 403),
        (format!("Host: {own}\r\nX-Forwarded-For: 192.0.2.1"), 403),
        (format!("Host: {own}\r\nForwarded: for=192.0.2.1"), 403),
        (format!("Host: {own}\r\nX-Real-IP: 192.0.2.1"), 403),
    ] {
        let answer = demo.page().exchange(&format!("GET / HTTP/1.1\r\n{fields}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.status, expected, "{fields}");
        assert_eq!(answer.head.contains("set-cookie: replyd-desk="), expected == 200, "{fields}: {}", answer.head);
    }
    let desk = Desk::open(&demo);
    let again = desk.get("/");
    assert!(!again.head.contains("set-cookie"), "a browser keeps its session: {}", again.head);
    let framed = desk.get("/desk/").head;
    assert!(framed.contains("frame-ancestors 'self'") && !framed.contains("frame-ancestors 'none'"), "{framed}");
    assert_eq!(demo.page().get("/api/v1/me", "").status, 401, "and nobody else has it");
    demo.stop();
}

/// What the shop tells the chat is what any site has to tell it.
#[test]
fn the_shop_proves_who_is_signed_in() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let shop = demo.page().get("/demo/shop", "").body;
    let field = |name: &str| {
        let rest = shop.split(&format!("data-{name}=\"")).nth(1).unwrap_or_else(|| panic!("no {name} in {shop}"));
        rest.split('"').next().expect("a value").to_owned()
    };
    let identity = serde_json::json!({ "identifier": field("identifier"), "identifier_hash": field("hash") });
    let visitor = |identity: &serde_json::Value| {
        let body = serde_json::json!({ "inbox": "demo/website", "identity": identity });
        post(&demo, "/widget/v1/visitors", "OWN", &body)
    };
    let known = visitor(&identity);
    assert_eq!((known.status, &known.json()["visitor"]["identified"]), (201, &true.into()), "{known:?}");
    let forged = serde_json::json!({ "identifier": "jane", "identifier_hash": "0".repeat(64) });
    assert_eq!(visitor(&forged).status, 401);
    let stranger = demo.page().get("/demo/shop?as=stranger", "").body;
    assert!(!stranger.contains("data-hash") && shop.contains("/widget/v1/widget.js?inbox=demo/website"), "{stranger}");
    demo.stop();
}

#[test]
fn a_demo_neither_writes_nor_empties_a_folder_that_is_not_its_own() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let installed = Command::new(env!("CARGO_BIN_EXE_replyd"))
        .args(["init", "acme.example", "--config", "replyd.toml"])
        .current_dir(folder.path())
        .output()
        .expect("replyd runs");
    assert!(installed.status.success());
    let held = || {
        let mut held: Vec<_> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| (path.clone(), std::fs::read(&path).expect("a file")))
            .collect();
        held.sort();
        held
    };
    let before = held();
    for words in [&["--smtp-port", "0", "--http-port", "0"][..], &["--fresh"]] {
        let (code, line) = refused(words, folder.path());
        assert_eq!(code, Some(64), "{line}");
        assert!(line.contains("not made by replyd demo") && line.contains("--data"), "{line}");
        assert_eq!(held(), before, "{words:?}");
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).expect("a link");
    let (code, line) = refused(&["--fresh"], &link);
    assert_eq!(code, Some(64), "{line}");
    assert!(line.contains("symbolic link") && folder.path().join("replyd.toml").exists(), "{line}");
}
