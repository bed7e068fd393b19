//! A browser with a widget in it: calls with a visitor's token, and the feed of events, over real sockets.

use crate::http_client::Answer;
use crate::product::Product;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// Inboxes of every kind; the secret signs `ann` as `hash("ann")` says.
pub const CONFIG: &str = r#"
[server]
hostname = "mx.example.com"
data_dir = "data"
[smtp]
listen = ["127.0.0.1:0"]
[http]
listen = ["127.0.0.1:0"]
public_url = "https://chat.acme.example"
[limits]
disk_free = "0 B"
disk_free_inodes = 0
[[account]]
name = "acme"
inbound_domain = "reply.acme.example"
[[account.inbox]]
name = "website"
address = "support@acme.example"
[[account.inbox]]
name = "shop"
[account.inbox.widget]
colour = '#abc'
position = "left"
title = "Shop"
greeting = "Hello"
origins = ["https://shop.example"]
identity_secret = "hunter2"
[[account.inbox]]
name = "club"
widget = { identity = "required", identity_secret = "hunter2" }
[[account.inbox]]
name = "form"
[account.inbox.widget]
pre_chat = [
  { name = "name", label = "Your name", kind = "text", required = true },
  { name = "mail", label = "Your email", kind = "email", required = true },
  { name = "order", label = "Order", kind = "text", pattern = "[0-9]{6}" },
  { name = "topic", label = "Topic", kind = "select", options = ["Sales", "Help"] },
]
[[account]]
name = "bolt"
inbound_domain = "reply.bolt.example"
[[account.inbox]]
name = "website"
[[account.inbox]]
name = "other"
channel = "api"
"#;

/// HMAC-SHA256 under the test's secret, as a site's server makes it.
pub fn hash(identifier: &str) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"hunter2");
    data_encoding::HEXLOWER.encode(aws_lc_rs::hmac::sign(&key, identifier.as_bytes()).as_ref())
}

pub fn identity(identifier: &str) -> Value {
    json!({"identifier": identifier, "identifier_hash": hash(identifier)})
}

/// A browser.
#[derive(Clone)]
pub struct Browser<'a> {
    pub product: &'a Product,
    pub token: String,
    /// Header fields of every call, each with its line end.
    pub fields: String,
}

impl<'a> Browser<'a> {
    /// One that is nobody yet.
    pub fn stranger(product: &'a Product) -> Browser<'a> {
        Browser { product, token: String::new(), fields: String::new() }
    }

    /// A new visitor of an inbox.
    pub fn visitor(product: &'a Product, inbox: &str) -> Browser<'a> {
        let stranger = Browser::stranger(product);
        let entered = stranger.post("visitors", &json!({"inbox": inbox}));
        assert_eq!(entered.status, 201, "{entered:?}");
        let token = entered.json()["token"].as_str().expect("a token").to_owned();
        Browser { token, ..stranger }
    }

    /// The same with further header fields.
    pub fn with(&self, fields: &str) -> Browser<'a> {
        Browser { fields: fields.to_owned(), ..self.clone() }
    }

    pub fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let token = &self.token;
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let (fields, length) = (&self.fields, body.len());
        self.product.tcp.exchange(&format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}{authorization}\r\n{body}"
        ))
    }

    pub fn post(&self, call: &str, body: &Value) -> Answer {
        self.call("POST", &format!("/widget/v1/{call}"), &body.to_string())
    }

    pub fn get(&self, call: &str) -> Answer {
        self.call("GET", &format!("/widget/v1/{call}"), "")
    }

    /// A message that has to be taken; answers its conversation and itself.
    pub fn say(&self, text: &str) -> (String, Value) {
        let said = self.post("messages", &json!({"text": text, "idempotency_key": format!("key {text}")}));
        assert_eq!(said.status, 201, "{said:?}");
        let said = said.json();
        (said["conversation_id"].as_str().expect("an id").to_owned(), said["message"].clone())
    }

    /// Texts of a conversation as this browser sees them.
    pub fn texts(&self, conversation: &str) -> Vec<String> {
        let page = self.get(&format!("messages?conversation={conversation}"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let items = page["items"].as_array().expect("items").iter();
        items.map(|item| item["text"].as_str().expect("a text").to_owned()).collect()
    }

    pub fn listen(&self, conversation: &str, tab: &str, last: Option<&str>) -> Feed {
        Feed::open(self, conversation, tab, last).unwrap_or_else(|head| panic!("{head}"))
    }
}

/// An agent's answer, by the API.
pub fn answer(product: &Product, conversation: &str, text: &str) -> Value {
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let body = json!({"author": "agent", "agent": "Sara", "text": text}).to_string();
    let answer = product.owner.call("POST", &path, "", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

/// The conversation as agents see it.
pub fn shown(product: &Product, conversation: &str) -> Value {
    product.owner.get(&format!("/api/v1/conversations/{conversation}"), "").json()
}

/// Looks again after each commit until it is so.
pub fn until(product: &Product, mut holds: impl FnMut() -> bool) {
    let mut committed = product.store.committed();
    loop {
        committed.borrow_and_update();
        if holds() {
            return;
        }
        product.runtime.block_on(committed.changed()).expect("the store lives");
    }
}

/// What all tabs of a conversation come to.
pub fn presence(product: &Product, conversation: &str) -> &'static str {
    let id = conversation.parse().expect("an id");
    product.runtime.block_on(product.store.conversation(id)).expect("a conversation").presence.word()
}

/// A feed that is read frame by frame.
pub struct Feed {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub id: String,
    pub name: String,
    pub data: Value,
}

impl Feed {
    /// Listens; the first frame says that it does. `Err`: the head of the refusal.
    pub fn open(browser: &Browser<'_>, conversation: &str, tab: &str, last: Option<&str>) -> Result<Feed, String> {
        let address = browser.product.running.http_addresses().first().expect("an address");
        let mut stream = TcpStream::connect(address).expect("HTTP listens");
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let (token, fields) = (&browser.token, &browser.fields);
        let request = format!(
            "GET /widget/v1/events?conversation={conversation}&tab={tab} HTTP/1.1\r\nHost: localhost\r\n\
             Authorization: Bearer {token}\r\n{fields}{last}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut feed = Feed { lines: BufReader::new(stream).lines() };
        let head: Vec<String> = feed.lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        if !head.first().is_some_and(|line| line.contains(" 200 ")) {
            return Err(head.join("\n"));
        }
        while !feed.line().starts_with("retry: ") {}
        Ok(feed)
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the feed goes on").expect("a line")
    }

    pub fn next(&mut self) -> Frame {
        let mut frame = Frame { id: String::new(), name: String::new(), data: Value::Null };
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("id: ") {
                frame.id = text.to_owned();
            } else if let Some(text) = line.strip_prefix("event: ") {
                frame.name = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                frame.data = serde_json::from_str(text).expect("JSON");
                return frame;
            }
        }
    }

    /// The next of this name.
    pub fn next_of(&mut self, name: &str) -> Frame {
        loop {
            let frame = self.next();
            if frame.name == name {
                return frame;
            }
        }
    }

    /// What is left when the server ends it.
    pub fn rest(self) -> Vec<String> {
        self.lines.map_while(Result::ok).collect()
    }
}
