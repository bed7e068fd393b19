//! Events as a reader of the feed gets them: from now on, or from where an earlier reader stopped, of one account.

use crate::product::{Product, kettle};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A feed that is read frame by frame.
struct Feed {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Feed {
    /// Listens; the first frame says that it does.
    fn open(product: &Product, token: &str, fields: &str, query: &str) -> Feed {
        let address = product.running.http_addresses().first().expect("an address");
        let mut stream = TcpStream::connect(address).expect("HTTP listens");
        let request = format!(
            "GET /api/v1/events{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut feed = Feed { lines: BufReader::new(stream).lines() };
        let head: Vec<String> =
            feed.lines.by_ref().map(|line| line.expect("a line")).take_while(|l| !l.is_empty()).collect();
        assert!(head[0].contains(" 200 "), "{head:?}");
        assert!(head.iter().any(|line| line.eq_ignore_ascii_case("content-type: text/event-stream")), "{head:?}");
        while !feed.line().starts_with("retry: ") {}
        feed
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the feed goes on").expect("a line")
    }

    /// The next event's id, kind and data.
    fn event(&mut self) -> (String, String, Value) {
        let (mut id, mut kind) = (String::new(), String::new());
        loop {
            let line = self.line();
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.to_owned();
            } else if let Some(text) = line.strip_prefix("event: ") {
                kind = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return (id, kind, serde_json::from_str(text).expect("JSON"));
            }
        }
    }

    /// Events up to the first of this kind.
    fn until(&mut self, wanted: &str) -> Vec<(String, String, Value)> {
        let mut events = Vec::new();
        loop {
            events.push(self.event());
            if events.last().is_some_and(|(_, kind, _)| kind == wanted) {
                return events;
            }
        }
    }
}

fn say(product: &Product, conversation: &Value, text: &str) -> Value {
    let path = format!("/api/v1/conversations/{}/messages", conversation["id"].as_str().expect("an id"));
    product.owner.call("POST", &path, "", &json!({"author":"note","text":text}).to_string()).json()
}

#[test]
fn a_feed_begins_now_and_goes_on_where_it_was_left() {
    let product = Product::start();
    let acme = product.token("acme");
    let conversation = product.begin(&kettle()).json();
    let mut feed = Feed::open(&product, &acme, "", "");
    let first = say(&product, &conversation, "one");
    let (id, kind, data) = feed.event();
    assert_eq!((kind.as_str(), &data["message_id"]), ("message.created", &first["id"]), "nothing from before: {data}");
    assert_eq!((&data["id"], &data["account"]), (&json!(id), &json!("acme")));
    for field in ["at", "kind", "conversation_id", "queue_id", "detail"] {
        assert!(data.get(field).is_some(), "{field} is missing: {data}");
    }
    drop(feed);
    let (second, third) = (say(&product, &conversation, "two"), say(&product, &conversation, "three"));
    for (fields, query) in
        [(format!("Last-Event-ID: {id}\r\n"), String::new()), (String::new(), format!("?after={id}"))]
    {
        let mut resumed = Feed::open(&product, &acme, &fields, &query);
        let seen = [resumed.event().2["message_id"].clone(), resumed.event().2["message_id"].clone()];
        assert_eq!(seen, [second["id"].clone(), third["id"].clone()], "each once, in order");
    }
    product.stop();
}

#[test]
fn a_feed_shows_its_own_account_only() {
    let product = Product::start();
    let (acme, bolt) = (product.token("acme"), product.token("bolt"));
    let mut feed = Feed::open(&product, &bolt, "", "");
    product.begin(&kettle());
    let body = json!({"account":"bolt","inbox":"help","messages":[{"author":"contact","text":"x"}]});
    let theirs = product.begin(&body).json();
    let events = feed.until("message.created");
    assert!(events.iter().all(|(_, _, data)| data["account"] == "bolt"), "{events:?}");
    assert_eq!(events.last().map(|(_, _, data)| data["conversation_id"].clone()), Some(theirs["id"].clone()));
    for (path, token, expected) in [
        ("/api/v1/events", "", 401),
        ("/api/v1/events?account=bolt", acme.as_str(), 403),
        ("/api/v1/events?after=x", &acme, 422),
        ("/api/v1/events?since=aaaaaaaaaaaaa", &acme, 422),
    ] {
        assert_eq!(product.tcp.get(path, token).status, expected, "{path}");
    }
    product.stop();
}

#[test]
fn a_stopping_daemon_ends_its_feeds() {
    let product = Product::start();
    let acme = product.token("acme");
    let feed = Feed::open(&product, &acme, "", "");
    product.stop();
    assert!(feed.lines.map_while(Result::ok).all(|line| !line.starts_with("data")));
}

#[test]
fn readers_beyond_the_places_are_told_to_come_back() {
    let product = Product::start();
    let acme = product.token("acme");
    let feeds: Vec<Feed> = (0..128).map(|_| Feed::open(&product, &acme, "", "")).collect();
    let refused = product.tcp.get("/api/v1/events", &acme);
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &json!("too_many_feeds")));
    assert!(refused.head.contains("retry-after"), "{refused:?}");
    drop(feeds);
    product.stop();
}
