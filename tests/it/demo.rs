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

    /// `replyd conversation show` as JSON.
    fn conversation(&self) -> serde_json::Value {
        let line = self.invitation.lines().find(|line| line.contains("conversation show")).expect("the command");
        let id = line.split_whitespace().nth(3).expect("an id");
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
    assert!(page.body.contains("It works &#60;b&#62;now") && page.body.contains("Author verified"), "{}", page.body);
    assert!(page.head.contains("script-src 'self'"), "{}", page.head);
    for asset in ["/demo.css", "/demo.js"] {
        assert_eq!(demo.page().get(asset, "").status, 200);
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
    let page = demo.page().get("/", "").body;
    assert!(page.contains("Delivered by mail") && page.contains("mx.customer.example [127.0.0.1]"), "{page}");
    demo.stop();
}

#[test]
fn only_the_demos_own_pages_act_on_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let demo = Demo::start(&folder.path().join("demo"), &[]);
    let answer = serde_json::json!({ "text": "From the page." });
    for origin in ["http://evil.example", "null", "", "http://127.0.0.1:1", "https://OWN"] {
        for path in ["/demo/answer", "/mailbox/1/answer"] {
            assert_eq!(post(&demo, path, origin, &answer).status, 403, "{path} from {origin:?}");
        }
    }
    let count = |demo: &Demo| demo.conversation()["messages"].as_array().map_or(0, Vec::len);
    assert_eq!(count(&demo), 2);
    assert_eq!(post(&demo, "/demo/answer", "OWN", &answer).status, 204);
    assert_eq!(count(&demo), 3);
    assert_eq!(post(&demo, "/demo/answer", "OWN", &serde_json::json!({ "text": " " })).status, 422);
    assert_eq!(post(&demo, "/mailbox/999/answer", "OWN", &answer).status, 404);
    for path in ["/mailbox?of=nobody@x.example", "/mailbox/999/raw", "/mailbox/999/body"] {
        assert_eq!(demo.page().get(path, "").status, 404, "{path}");
    }
    demo.stop();
}
