//! Signing in by a mailed link, whole: asked for on the page, sent over real sockets, opened in a browser. The test owns the
//! clock and the DNS.

use crate::desk::{Browser, PASSWORD, agent, encoded, set_cookie};
use crate::http_client::Answer;
use crate::mail_out_peer::{MailHost, Moment, Script, say};
use crate::product::{CONFIG, Product};
use replyd::clock::{Clock, UnixMs};
use replyd::mail::parsed::ParsedMail;
use std::io::Write;
use std::process::{Command, Stdio};

const NOW: UnixMs = UnixMs(1_790_000_000_000);
const MINUTE_MS: i64 = 60_000;
const SARA: &str = "sara@agents.example";
const ZONE: &str =
    r#"{ "agents.example": [{"MX": [10, "mx.agents.example"]}], "mx.agents.example": [{"A": "127.0.0.1"}] }"#;

/// A replyd whose agents have a mail host.
struct Office {
    product: Product,
    host: MailHost,
    clock: Clock,
}

impl Office {
    fn start(script: Script) -> Office {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        let outbound =
            format!("[outbound]\nport = {port}\nallow_private = true\ndane = false\n[[account]]\nname = \"acme\"");
        let text = CONFIG.replacen("[[account]]\nname = \"acme\"", &outbound, 1);
        let clock = Clock::fixed(NOW);
        let product = Product::at(&text, ZONE, clock.clone());
        let host = product.runtime.block_on(async {
            MailHost::start_at(tokio::net::TcpListener::from_std(listener).expect("a listener"), script)
        });
        Office { product, host, clock }
    }

    /// The mails that the host has got, once no letter is to be sent.
    fn mailed(&self, count: usize) -> Vec<String> {
        self.product.runtime.block_on(async {
            self.host.has_heard("DATA", count).await;
            let mut committed = self.product.store.committed();
            loop {
                committed.borrow_and_update();
                if self.product.store.open_letters(9).await.expect("read").is_empty() {
                    break;
                }
                committed.changed().await.expect("the store is open");
            }
        });
        self.host.received().iter().map(|mail| String::from_utf8_lossy(&mail.content).into_owned()).collect()
    }

    fn ask(&self, email: &str) -> Answer {
        Browser::new(&self.product).form("/desk/sign-in/link", &format!("email={}", encoded(email)))
    }

    /// The path of the link in the mail that came last.
    fn link(&self, count: usize) -> String {
        path_in(self.mailed(count).last().expect("a mail"))
    }
}

fn path_in(mail: &str) -> String {
    let parsed = ParsedMail::parse(mail.as_bytes());
    let text = parsed.parts.iter().find(|part| part.media_type == "text/plain").and_then(|part| part.text());
    let text = text.expect("a text").to_owned();
    let line = text.lines().find(|line| line.starts_with("http")).unwrap_or_else(|| panic!("no link in {text}"));
    let path = line.find("/desk/link/").and_then(|at| line.get(at..)).expect("our path");
    path.trim().to_owned()
}

#[test]
fn a_mailed_link_signs_in_once() {
    let office = Office::start(Script::default());
    agent(&office.product, "acme", SARA, None);
    let asked = office.ask("Sara@agents.example");
    assert_eq!((asked.status, set_cookie(&asked)), (200, None), "{asked:?}");
    let mail = office.mailed(1).remove(0);
    let parsed = ParsedMail::parse(mail.as_bytes());
    assert_eq!(parsed.field("Auto-Submitted"), Some("auto-generated"));
    assert!(parsed.field("From").is_some_and(|from| from.contains("support@acme.example")), "{mail}");
    assert!(parsed.field("To").is_some_and(|to| to.contains(SARA)), "{mail}");
    assert!(parsed.parts.iter().any(|part| part.media_type == "text/html"), "{mail}");
    let received = office.host.received();
    assert!(received[0].mail.starts_with("FROM:<bounce+"), "{}", received[0].mail);
    let link = path_in(&mail);
    let mut browser = Browser::new(&office.product);
    // Whatever fetches the link before the agent does: nothing is used up, nobody is signed in.
    for method in ["GET", "GET", "HEAD"] {
        let shown = browser.raw(method, &link, "", "");
        assert_eq!((shown.status, set_cookie(&shown)), (200, None), "{shown:?}");
        assert!(shown.head.contains("referrer-policy: same-origin") && shown.head.contains("cache-control: no-store"));
    }
    assert!(browser.get(&link).body.contains("<form method=\"post\">"));
    let foreign = browser.raw("POST", &link, "Origin: https://evil.example\r\n", "");
    assert_eq!((foreign.status, set_cookie(&foreign)), (403, None));
    let entered = browser.form(&link, "");
    assert_eq!(entered.status, 303, "{entered:?}");
    browser.keep(&entered);
    assert_eq!(browser.get("/api/v1/me").json()["agent"]["email"], SARA);
    for again in [Browser::new(&office.product).form(&link, ""), Browser::new(&office.product).get(&link)] {
        assert_eq!((again.status, set_cookie(&again)), (410, None), "{again:?}");
    }
    let found =
        [office.product.dir.path().join("data/replyd.db"), office.product.dir.path().join("data/replyd.db-wal")];
    let word = link.rsplit('/').next().expect("a word").as_bytes();
    for file in found {
        let octets = std::fs::read(&file).unwrap_or_default();
        assert!(!octets.windows(word.len()).any(|part| part == word), "the store holds the link's word");
    }
    office.product.stop();
}

#[test]
fn who_is_no_agent_gets_the_same_answer_and_no_mail() {
    let office = Office::start(Script::default());
    agent(&office.product, "acme", SARA, None);
    let page = |email: &str| {
        let answer = office.ask(email);
        (answer.status, answer.body.replace(email, ""))
    };
    let nobody = page("nobody@agents.example");
    assert_eq!(nobody.0, 200);
    assert_eq!(page("no address"), nobody);
    assert_eq!(page(SARA), nobody);
    assert_eq!(office.mailed(1).len(), 1);
    assert_eq!(office.host.received()[0].rcpt, [format!("TO:<{SARA}>")]);
    office.product.stop();
}

#[test]
fn a_link_ends_with_its_time_with_a_newer_one_and_with_its_agent() {
    let office = Office::start(Script::default());
    let id = agent(&office.product, "acme", SARA, None);
    office.ask(SARA);
    let expired = office.link(1);
    office.clock.set(UnixMs(NOW.0 + 15 * MINUTE_MS));
    let browser = Browser::new(&office.product);
    assert_eq!((browser.get(&expired).status, browser.form(&expired, "").status), (410, 410));
    office.ask(SARA);
    let older = office.link(2);
    office.ask(SARA);
    let newer = office.link(3);
    assert_ne!(older, newer);
    assert_eq!((browser.get(&older).status, browser.get(&newer).status), (200, 200), "mails overtake each other");
    assert_eq!(browser.form(&newer, "").status, 303);
    assert_eq!(browser.form(&older, "").status, 410);
    let issued = office.product.owner.call("POST", &format!("/api/v1/agents/{id}/sign_in_link"), "", "");
    assert_eq!(issued.status, 201, "{issued:?}");
    let url = issued.json()["url"].as_str().expect("a URL").to_owned();
    let path = url.get(url.find("/desk/").expect("our path")..).expect("a path").to_owned();
    assert_eq!(browser.get(&path).status, 200);
    assert_eq!(office.product.owner.call("DELETE", &format!("/api/v1/agents/{id}"), "", "").status, 204);
    assert_eq!((browser.get(&path).status, browser.form(&path, "").status), (410, 410));
    for wrong in ["/desk/link/x", &format!("/desk/link/{}", "0".repeat(64)), "/desk/link/..%2f"] {
        assert_eq!(browser.get(wrong).status, 410, "{wrong}");
    }
    office.product.stop();
}

#[test]
fn a_letter_that_is_not_taken_is_sent_again_while_its_link_is_good() {
    let script = Script::default().at(Moment::Rcpt, say("450 4.7.1 greylisted")).at(Moment::Rcpt, say("250 ok"));
    let office =
        Office::start(script.at(Moment::Data, say("554 5.5.1 no recipient")).at(Moment::Data, say("354 go on")));
    agent(&office.product, "acme", SARA, None);
    office.ask(SARA);
    let store = &office.product.store;
    let due = office.product.runtime.block_on(async {
        let mut committed = store.committed();
        loop {
            committed.borrow_and_update();
            let open = store.open_letters(9).await.expect("read");
            // Two minutes are what a crash would leave; the host's answer leaves another time.
            let deferred = |due: UnixMs| due.0 > NOW.0 && due.0 != NOW.0 + 2 * MINUTE_MS;
            if let Some(letter) = open.first().filter(|letter| deferred(letter.due_at)) {
                return letter.due_at;
            }
            committed.changed().await.expect("the store is open");
        }
    });
    assert!((MINUTE_MS / 2..=6 * MINUTE_MS).contains(&(due.0 - NOW.0)), "{due:?}");
    office.clock.set(UnixMs(NOW.0 + 7 * MINUTE_MS));
    // The second wish wakes the lane; both letters go.
    office.ask(SARA);
    let links: Vec<String> = office.mailed(3).iter().map(|mail| path_in(mail)).collect();
    assert_eq!(links.len(), 2, "{links:?}");
    let browser = Browser::new(&office.product);
    assert!(links.iter().all(|link| browser.get(link).status == 200));
    office.product.stop();
}

#[test]
fn wishes_run_out_for_an_address() {
    let office = Office::start(Script::default());
    agent(&office.product, "acme", SARA, None);
    let answers: Vec<Answer> = (0..4).map(|_| office.ask(SARA)).collect();
    assert!(answers[..3].iter().all(|answer| answer.status == 200));
    assert_eq!(answers[3].status, 429);
    assert!(answers[3].head.contains("\r\nretry-after: "), "{:?}", answers[3]);
    assert_eq!(office.mailed(3).len(), 3);
    let browser = Browser::new(&office.product);
    assert_eq!(browser.raw("POST", "/desk/sign-in/link", "", "email=x").status, 415, "not a form");
    let foreign = "Origin: https://evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(browser.raw("POST", "/desk/sign-in/link", foreign, "email=x%40a.example").status, 403);
    office.product.stop();
}

#[test]
fn the_operator_sets_a_password_and_prints_a_link() {
    let product = Product::start();
    let body = serde_json::json!({ "account": "acme", "email": SARA, "name": "Sara", "by_mail": false });
    assert_eq!(product.owner.call("POST", "/api/v1/agents", "", &body.to_string()).status, 201);
    let replyd = |words: &[&str], input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_replyd"));
        command.args(words).arg("--config").arg(product.dir.path().join("replyd.toml"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("replyd runs");
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        child.wait_with_output().expect("it ends")
    };
    let short = replyd(&["agent", "password", SARA], "short\n");
    let line = String::from_utf8_lossy(&short.stderr).into_owned();
    assert!(!short.status.success() && line.contains("at least 10 characters"), "{line}");
    assert_eq!(replyd(&["agent", "password", SARA], "").status.code(), Some(65));
    assert_eq!(replyd(&["agent", "password", "nobody@agents.example"], PASSWORD).status.code(), Some(65));
    assert_eq!(replyd(&["agent", "password", SARA, PASSWORD], "").status.code(), Some(64), "never an argument");
    let set = replyd(&["agent", "password", SARA], &format!("{PASSWORD}\n"));
    assert!(set.status.success(), "{set:?}");
    Browser::of(&product, SARA);
    let printed = replyd(&["agent", "link", SARA], "");
    let url = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
    let path = url.find("/desk/link/").and_then(|at| url.get(at..)).expect("a link");
    assert_eq!(Browser::new(&product).form(path, "").status, 303, "{url}");
    product.stop();
}
