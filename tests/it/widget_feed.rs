//! The widget's feed of events: who hears what, how it goes on after a break, and what a restart or a slow reader leaves.

use crate::product::Product;
use crate::widget_client::{Browser, CONFIG, Feed, answer};
use replyd::conversation::id::Id;
use replyd::http::live::Whisper;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

#[test]
fn two_tabs_hear_the_same_and_two_visitors_only_their_own() {
    let product = Product::with(CONFIG);
    let (ann, ben) = (Browser::visitor(&product, "acme/website"), Browser::visitor(&product, "acme/website"));
    let ((of_ann, _), (of_ben, _)) = (ann.say("I am Ann"), ben.say("I am Ben"));
    let mut tabs = [ann.listen(&of_ann, "one", None), ann.listen(&of_ann, "two", None)];
    let mut bens = ben.listen(&of_ben, "one", None);
    let for_ben = answer(&product, &of_ben, "Hello Ben");
    let for_ann = answer(&product, &of_ann, "Hello Ann");
    for tab in &mut tabs {
        let frame = tab.next_of("message");
        assert_eq!((&frame.data["id"], &frame.data["text"]), (&for_ann["id"], &json!("Hello Ann")));
        assert_eq!(frame.data["author"], json!({"kind": "agent", "name": "Sara"}));
    }
    assert_eq!(bens.next_of("message").data["id"], for_ben["id"]);
    let said = ann.say("Thanks").1;
    for tab in &mut tabs {
        assert_eq!(tab.next_of("message").data, said);
    }
    product.stop();
}

#[test]
fn a_feed_goes_on_where_it_was_left() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let mut feed = ann.listen(&conversation, "tab", None);
    answer(&product, &conversation, "one");
    let last = feed.next_of("message").id;
    drop(feed);
    answer(&product, &conversation, "two");
    answer(&product, &conversation, "three");
    let mut again = ann.listen(&conversation, "tab", Some(&last));
    for expected in ["two", "three"] {
        assert_eq!(again.next_of("message").data["text"], expected);
    }
    answer(&product, &conversation, "four");
    assert_eq!(again.next_of("message").data["text"], "four", "what was missed and what comes are one line");
    let begun = ann.get("state").json()["last_event_id"].as_str().expect("an id").to_owned();
    answer(&product, &conversation, "five");
    let mut from_state = ann.listen(&conversation, "other", Some(&begun));
    assert_eq!(from_state.next_of("message").data["text"], "five");
    product.stop();
}

#[test]
fn who_asks_for_what_is_not_known_any_more_reads_anew() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    // Before every event there is: what came after it was pruned.
    let mut feed = ann.listen(&conversation, "tab", Some(&Id(1).to_string()));
    let reset = feed.next();
    assert_eq!((reset.name.as_str(), &reset.data), ("reset", &json!({})));
    answer(&product, &conversation, "news");
    assert_eq!(feed.next_of("message").data["text"], "news");
    let mut resumed = ann.listen(&conversation, "tab", Some(&reset.id));
    assert_eq!(resumed.next().data["text"], "news", "the reset says where to go on");
    let refused = Feed::open(&ann, &conversation, "tab", Some("x")).err().expect("a refusal");
    assert!(refused.contains(" 422 "), "{refused}");
    product.stop();
}

#[test]
fn an_event_of_the_future_is_not_known() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let future = Id(i64::MAX).to_string();
    assert_eq!(ann.listen(&conversation, "tab", Some(&future)).next().name, "reset");
    product.stop();
}

#[test]
fn typing_is_whispered_and_an_agents_address_never() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let mut feed = ann.listen(&conversation, "tab", None);
    let id = conversation.parse().expect("an id");
    let live = product.running.live();
    let typing = |who| Whisper::Typing {
        who,
        name: Some("Sara".into()),
        agent: Some("sara@agents.example".into()),
        typing: true,
    };
    live.whisper("acme", id, typing(replyd::conversation::model::AuthorKind::Contact));
    live.whisper("acme", id, Whisper::Viewing { agent: "sara@agents.example".into(), name: None, viewing: true });
    live.whisper("acme", id, typing(replyd::conversation::model::AuthorKind::Agent));
    let frame = feed.next();
    assert_eq!((frame.name.as_str(), frame.id.as_str()), ("typing", ""));
    assert_eq!(frame.data, json!({"who": "agent", "name": "Sara", "typing": true}));
    product.stop();
}

#[test]
fn notes_and_other_peoples_business_are_not_heard() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let mut feed = ann.listen(&conversation, "tab", None);
    let path = format!("/api/v1/conversations/{conversation}/messages");
    let note = json!({"author": "note", "text": "a difficult one"}).to_string();
    assert_eq!(product.owner.call("POST", &path, "", &note).status, 201);
    assert_eq!(product.owner.call("PATCH", path.trim_end_matches("/messages"), "", r#"{"subject":"x"}"#).status, 200);
    assert_eq!(feed.next().name, "conversation");
    answer(&product, &conversation, "Hi");
    assert_eq!(feed.next().data["text"], "Hi");
    assert_eq!(ann.texts(&conversation), ["Hello", "Hi"]);
    product.stop();
}

/// How agents are told is no visitor's business: each change of such a mail would count them.
#[test]
fn what_becomes_of_agents_notifications_is_not_heard() {
    let product = Product::with(CONFIG);
    for email in ["sara@agents.example", "tom@agents.example"] {
        let agent = json!({"account": "acme", "email": email, "name": "A", "by_mail": true}).to_string();
        assert_eq!(product.owner.call("POST", "/api/v1/agents", "", &agent).status, 201);
    }
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let mut feed = ann.listen(&conversation, "tab", None);
    let queue = product.owner.get(&format!("/api/v1/queue?conversation={conversation}"), "").json()["items"].clone();
    let told = queue.as_array().expect("items");
    assert!(told.len() == 2 && told.iter().all(|entry| entry["recipient_kind"] == "agent"), "{queue}");
    for entry in told {
        let path = format!("/api/v1/queue/{}/cancel", entry["id"].as_str().expect("an id"));
        assert_eq!(product.owner.call("POST", &path, "", "").status, 200);
    }
    answer(&product, &conversation, "Hi");
    let first = feed.next();
    assert_eq!((first.name.as_str(), &first.data["text"]), ("message", &json!("Hi")), "{first:?}");
    product.stop();
}

/// An account's last event tells when somebody else was busy.
#[test]
fn where_a_listener_begins_says_nothing_of_others() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let begun = || ann.get("state").json()["last_event_id"].as_str().expect("a word").to_owned();
    let (first, second) = (begun(), begun());
    assert_ne!(first, second, "the same place looks different each time");
    Browser::visitor(&product, "acme/website").say("Somebody else");
    answer(&product, &conversation, "Hi");
    for from in [first, second] {
        assert!(from.parse::<Id>().is_err(), "{from}");
        assert_eq!(ann.listen(&conversation, "tab", Some(&from)).next_of("message").data["text"], "Hi");
    }
    product.stop();
}

#[test]
fn what_was_seen_in_one_tab_is_not_new_in_the_other() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let message = answer(&product, &conversation, "Hi");
    let mut other = ann.listen(&conversation, "two", None);
    ann.post("seen", &json!({"conversation": conversation, "up_to": message["id"]}));
    assert_eq!(other.next_of("conversation").data["conversation"]["unread"], 0);
    product.stop();
}

#[test]
fn a_stopping_daemon_ends_its_feeds_and_the_next_one_goes_on() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let mut feed = ann.listen(&conversation, "tab", None);
    answer(&product, &conversation, "one");
    let last = feed.next_of("message").id;
    answer(&product, &conversation, "two");
    let token = ann.token.clone();
    let product = product.restarted();
    assert!(feed.rest().len() < 20, "the old one ends");
    let ann = Browser { token, ..Browser::stranger(&product) };
    let mut again = ann.listen(&conversation, "tab", Some(&last));
    assert_eq!(again.next_of("message").data["text"], "two");
    product.stop();
}

/// Sockets hold some megabytes for who does not read; what comes beyond them waits for nobody.
#[test]
fn a_reader_that_fell_behind_reads_anew_and_holds_nobody_up() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let mut slow = ann.listen(&conversation, "slow", None);
    let mut quick = ann.listen(&conversation, "quick", None);
    let long = "x".repeat(500_000);
    let told = std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut told = 0;
            while quick.next_of("message").data["text"] != "the end" {
                told += 1;
            }
            told
        });
        for _ in 0..60 {
            answer(&product, &conversation, &long);
        }
        answer(&product, &conversation, "the end");
        reader.join().expect("it hears the end")
    });
    assert_eq!(told, 60, "who reads hears everything");
    let reset = slow.next_of("reset");
    assert!(!reset.id.is_empty());
    answer(&product, &conversation, "news");
    assert_eq!(slow.next_of("message").data["text"], "news");
    assert!(!product.tcp.get("/metrics", "").body.contains("replyd_widget_resets_total 0"));
    product.stop();
}

#[test]
fn desks_are_whispered_who_types_and_who_is_there() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let mut desk = Desk::open(&product, &product.token("acme"));
    let mut other = Desk::open(&product, &product.token("bolt"));
    let tab = ann.listen(&conversation, "tab", None);
    let there = desk.next_of("presence");
    assert_eq!((&there["state"], &there["conversation_id"]), (&json!("away"), &json!(conversation)));
    ann.post("typing", &json!({"conversation": conversation, "typing": true}));
    let typing = desk.next_of("typing");
    assert_eq!((&typing["who"], &typing["typing"]), (&json!("contact"), &json!(true)));
    drop(tab);
    assert_eq!(desk.next_of("presence")["state"], "absent");
    let ben = Browser::visitor(&product, "bolt/website");
    let (of_ben, _) = ben.say("Hello");
    ben.post("typing", &json!({"conversation": of_ben, "typing": true}));
    assert_eq!(other.next_of("typing")["conversation_id"], json!(of_ben), "nothing of the other account");
    product.stop();
}

/// An account's feed of events.
struct Desk {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Desk {
    fn open(product: &Product, token: &str) -> Desk {
        let address = product.running.http_addresses().first().expect("an address");
        let mut stream = TcpStream::connect(address).expect("HTTP listens");
        let request =
            format!("GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut desk = Desk { lines: BufReader::new(stream).lines() };
        while !desk.line().starts_with("retry: ") {}
        desk
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("the feed goes on").expect("a line")
    }

    fn next_of(&mut self, name: &str) -> Value {
        while self.line() != format!("event: {name}") {}
        let line = self.line();
        serde_json::from_str(line.strip_prefix("data: ").expect("data")).expect("JSON")
    }
}
