//! What strangers try at the widget's calls: forged tokens, others' conversations, unsigned identities, floods, files that
//! browsers would run, links that lead elsewhere. Nothing leaks across visitors, inboxes or accounts.

use crate::http_client::Answer;
use crate::product::Product;
use crate::widget_client::{Browser, CONFIG, Feed, answer, hash, identity, shown};
use replyd::clock::UnixMs;
use replyd::conversation::id::Id;
use replyd::conversation::links::resume_url;
use serde_json::{Value, json};

/// Every call that names a conversation, on this one.
fn calls(browser: &Browser<'_>, conversation: &str) -> Vec<(&'static str, Answer)> {
    let of = |more: Value| {
        let mut body = json!({"conversation": conversation});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let patch = of(json!({"mail": "off"})).to_string();
    vec![
        ("messages", browser.get(&format!("messages?conversation={conversation}"))),
        ("events", browser.get(&format!("events?conversation={conversation}&tab=t"))),
        ("say", browser.post("messages", &of(json!({"text": "x", "idempotency_key": "x"})))),
        ("presence", browser.post("presence", &of(json!({"tab": "t", "state": "reading"})))),
        ("seen", browser.post("seen", &of(json!({"up_to": conversation})))),
        ("typing", browser.post("typing", &of(json!({"typing": true})))),
        ("contact", browser.call("PATCH", "/widget/v1/contact", &patch)),
    ]
}

#[test]
fn anothers_conversation_is_as_unknown_as_one_that_is_not_there() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (of_ann, _) = ann.say("My secret");
    let strangers = [
        Browser::visitor(&product, "acme/website"),
        Browser::visitor(&product, "acme/shop"),
        Browser::visitor(&product, "bolt/website"),
    ];
    for stranger in &strangers {
        stranger.say("Hello");
        let missing = Id(of_ann.parse::<Id>().expect("an id").0 + 1).to_string();
        let told = |id: &str| -> Vec<_> {
            calls(stranger, id).into_iter().map(|(call, answer)| (call, answer.status, answer.body)).collect()
        };
        let (foreign, unknown, nonsense) = (told(&of_ann), told(&missing), told("x"));
        assert_eq!(foreign, unknown, "the same words and shape");
        assert_eq!(foreign, nonsense);
        assert!(foreign.iter().all(|(_, status, _)| *status == 404), "{foreign:?}");
        let state = stranger.get(&format!("state?conversation={of_ann}"));
        assert!(!state.body.contains(&of_ann), "{state:?}");
    }
    assert_eq!(ann.texts(&of_ann), ["My secret"]);
    let conversation = shown(&product, &of_ann);
    assert_eq!(conversation["messages"].as_array().map(Vec::len), Some(1), "nothing was written");
    product.stop();
}

#[test]
fn no_token_opens_but_the_visitors_own() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let api = product.token("acme");
    let shorter = ann.token[..ann.token.len() - 1].to_owned();
    let other = format!("{shorter}{}", if ann.token.ends_with('A') { 'B' } else { 'A' });
    let mut words = Vec::new();
    for token in ["", "visitor_", "x", &shorter, &other, &ann.token.to_uppercase(), &api, "' OR 1=1 --"] {
        let forged = Browser { token: token.to_owned(), ..ann.clone() };
        let mut refused = calls(&forged, &conversation);
        refused.push(("state", forged.get("state")));
        refused.push(("identity", forged.post("identity", &identity("ann"))));
        for (call, answer) in refused {
            assert_eq!(answer.status, 401, "{call} {token}: {answer:?}");
            words.push(answer.body);
        }
    }
    words.dedup();
    assert_eq!(words.len(), 1, "whether a token is missing, wrong or of another kind is not told: {words:?}");
    for path in ["/api/v1/conversations", "/api/v1/events", "/api/v1/me"] {
        assert_eq!(ann.call("GET", path, "").status, 401, "a visitor's token is none of the API's: {path}");
    }
    product.stop();
}

#[test]
fn only_an_identity_that_the_site_signed_counts() {
    let product = Product::with(CONFIG);
    let stranger = Browser::stranger(&product);
    let enter =
        |inbox: &str, identity: Value| stranger.post("visitors", &json!({"inbox": inbox, "identity": identity}));
    let code = |answer: &Answer| (answer.status, answer.json()["error"]["code"].as_str().unwrap_or("").to_owned());
    let wrong = (401, "identity_hash_wrong".to_owned());
    for identity in [
        json!({"identifier": "ann", "identifier_hash": hash("ben")}),
        json!({"identifier": "Ann", "identifier_hash": hash("ann")}),
        json!({"identifier": "ann", "identifier_hash": &hash("ann")[..63]}),
        json!({"identifier": "ann", "identifier_hash": format!("{}00", hash("ann"))}),
    ] {
        for inbox in ["acme/shop", "acme/club"] {
            let refused = enter(inbox, identity.clone());
            assert_eq!(code(&refused), wrong, "{refused:?}");
        }
        let visitor = Browser::visitor(&product, "acme/shop");
        assert_eq!(code(&visitor.post("identity", &identity)), wrong);
        assert_eq!(visitor.get("state").json()["visitor"]["identified"], false);
    }
    for unsigned in [json!({"identifier": "ann"}), json!({"identifier": "ann", "identifier_hash": ""})] {
        let refused = enter("acme/club", unsigned);
        assert_eq!(code(&refused), wrong, "where proof is required, none is as good as a wrong one");
    }
    assert_eq!(code(&enter("acme/website", identity("ann"))), (401, "identity_not_configured".to_owned()));
    let nameless = stranger.post("visitors", &json!({"inbox": "acme/club"}));
    assert_eq!(code(&nameless), (401, "identity_required".to_owned()));
    assert_eq!(enter("acme/club", identity("ann")).status, 201);
    product.stop();
}

/// A site without a server of its own says who is signed in, and nobody has to believe it.
#[test]
fn what_a_page_says_without_a_signature_is_a_claim() {
    let product = Product::with(CONFIG);
    let ann = identified(&product, "ann");
    ann.say("Where is my kettle?");
    let said = json!({"identifier": "ann", "email": "ann@example.org", "name": "Ann"});
    for inbox in ["acme/shop", "acme/website"] {
        let stranger = Browser::stranger(&product);
        let entered = stranger.post("visitors", &json!({"inbox": inbox, "identity": said.clone()}));
        assert_eq!(entered.status, 201, "{entered:?}");
        let token = entered.json()["token"].as_str().expect("a token").to_owned();
        let visitor = Browser { token, ..stranger };
        let known = entered.json()["visitor"].clone();
        assert_eq!(
            (&known["identified"], &known["name"], &known["email"]),
            (&json!(false), &json!("Ann"), &json!("ann@example.org"))
        );
        assert_eq!(visitor.get("state").json()["conversations"], json!([]), "it opens nothing of Ann's");
        let contact = shown(&product, &visitor.say("Hello").0)["contact"].clone();
        assert_eq!((&contact["identifier"], &contact["email"]), (&json!(null), &json!(null)), "{contact}");
        assert_eq!(contact["claimed_email"], "ann@example.org");
    }
    let visitor = Browser::visitor(&product, "acme/shop");
    assert_eq!(visitor.post("identity", &said).json()["visitor"]["email"], "ann@example.org");
    visitor.call("PATCH", "/widget/v1/contact", &json!({"email": "better@example.org"}).to_string());
    let again = visitor.post("identity", &said).json();
    assert_eq!((&again["token"], &again["visitor"]["email"]), (&json!(null), &json!("better@example.org")));
    let nonsense = json!({"identifier": "x", "email": "not an address", "name": "Bo"});
    assert_eq!(Browser::visitor(&product, "acme/shop").post("identity", &nonsense).json()["visitor"]["name"], "Bo");
    product.stop();
}

/// An identified visitor of the shop.
fn identified<'a>(product: &'a Product, identifier: &str) -> Browser<'a> {
    let stranger = Browser::stranger(product);
    let entered = stranger.post("visitors", &json!({"inbox": "acme/shop", "identity": identity(identifier)}));
    assert_eq!(entered.status, 201, "{entered:?}");
    let token = entered.json()["token"].as_str().expect("a token").to_owned();
    Browser { token, ..stranger }
}

/// Two identifiers that a site tells apart are two people, addresses as well.
#[test]
fn an_identifier_is_compared_octet_by_octet() {
    let product = Product::with(CONFIG);
    let begun = json!({"account": "acme", "inbox": "shop", "contact": {"email": "ann@x.example"},
        "messages": [{"author": "contact", "text": "By mail"}]});
    let known = shown(&product, product.begin(&begun).json()["id"].as_str().expect("an id"))["contact"]["id"].clone();
    let contact = |identifier: &str| {
        let browser = identified(&product, identifier);
        shown(&product, &browser.say("Hello").0)["contact"]["id"].clone()
    };
    let (other, same) = (contact("Ann@X.example"), contact("ann@x.example"));
    assert_eq!(same, known, "the site vouches for the address");
    assert_ne!(other, known, "and for nobody who is spelled otherwise");
    assert_eq!((contact("Ann@X.example"), contact("ann@x.example")), (other, same), "on every device");
    product.stop();
}

#[test]
fn what_is_too_long_is_refused_before_it_is_sent_and_a_widget_without_an_inbox_is_told() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/shop");
    let head = format!(
        "POST /widget/v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 20000000\r\n\r\n",
        ann.token
    );
    assert_eq!(product.tcp.exchange(&head).status, 413, "no octet of the body was sent");
    let told = Browser::stranger(&product).get("config");
    assert_eq!((told.status, told.error_message().contains("?inbox=ACCOUNT/INBOX")), (422, true), "{told:?}");
    product.stop();
}

#[test]
fn an_identity_brings_the_history_of_its_inbox_on_every_device() {
    let product = Product::with(CONFIG);
    let laptop = identified(&product, "ann");
    let (conversation, _) = laptop.say("From my laptop");
    let phone = identified(&product, "ann");
    assert_eq!(phone.texts(&conversation), ["From my laptop"]);
    let (same, _) = phone.say("From my phone");
    assert_eq!(same, conversation);
    assert_eq!(laptop.texts(&conversation), ["From my laptop", "From my phone"]);
    let begun = json!({"account": "acme", "inbox": "website", "contact": {"identifier": "ann"},
        "messages": [{"author": "contact", "text": "In another inbox"}]});
    let elsewhere = product.begin(&begun).json()["id"].as_str().expect("an id").to_owned();
    let again = identified(&product, "ann");
    assert_eq!(
        again.get(&format!("messages?conversation={elsewhere}")).status,
        404,
        "the other inbox stays out of sight"
    );
    let ben = identified(&product, "ben");
    assert_eq!(ben.get("state").json()["conversations"], json!([]));
    product.stop();
}

#[test]
fn who_was_nameless_keeps_what_was_said_and_who_was_somebody_is_left_behind() {
    let product = Product::with(CONFIG);
    let (before, _) = identified(&product, "ann").say("Last week");
    let browser = Browser::visitor(&product, "acme/shop");
    let (nameless, _) = browser.say("Before I signed in");
    let became = browser.post("identity", &identity("ann"));
    assert_eq!((became.status, &became.json()["token"]), (200, &Value::Null), "{became:?}");
    assert_eq!(browser.texts(&before), ["Last week"]);
    assert_eq!(browser.texts(&nameless), ["Before I signed in"]);
    let contact = |id: &str| shown(&product, id)["contact"]["id"].clone();
    assert_eq!(contact(&before), contact(&nameless), "one person");
    let other = browser.post("identity", &identity("ben")).json();
    let ben = Browser { token: other["token"].as_str().expect("another visitor").to_owned(), ..browser.clone() };
    assert_eq!(ben.get("state").json()["conversations"], json!([]), "nothing of Ann's");
    assert_eq!(ben.get(&format!("messages?conversation={nameless}")).status, 404);
    product.stop();
}

#[test]
fn an_address_is_proven_only_if_it_is_what_was_signed() {
    let product = Product::with(CONFIG);
    let begun = |email: &str, text: &str| {
        let body = json!({"account": "acme", "inbox": "shop", "contact": {"email": email},
            "messages": [{"author": "contact", "text": text}]});
        product.begin(&body).json()["id"].as_str().expect("an id").to_owned()
    };
    let (janes, anns) = (begun("jane@x.example", "Jane's secret"), begun("ann@x.example", "From my mailbox"));
    let mut claiming = identity("eve");
    claiming["email"] = json!("jane@x.example");
    let stranger = Browser::stranger(&product);
    let entered = stranger.post("visitors", &json!({"inbox": "acme/shop", "identity": claiming})).json();
    let eve = Browser { token: entered["token"].as_str().expect("a token").to_owned(), ..stranger };
    assert_eq!(entered["visitor"]["email_state"], "claimed", "{entered}");
    assert_eq!(eve.get(&format!("messages?conversation={janes}")).status, 404);
    let (nameless, _) = Browser::visitor(&product, "acme/shop").say("I am Jane, really");
    assert_eq!(shown(&product, &nameless)["messages"][0]["author"]["email"], Value::Null);
    let ann = identified(&product, "ann@x.example");
    assert_eq!(ann.texts(&anns), ["From my mailbox"], "the site says whose address it is");
    assert_eq!(ann.get("state").json()["visitor"]["email_state"], "proven");
    let (same, _) = ann.say("And from my browser");
    let last = shown(&product, &same)["messages"].as_array().and_then(|all| all.last().cloned()).expect("a message");
    assert_eq!(last["author"]["email"], "ann@x.example", "{last}");
    product.stop();
}

#[test]
fn a_link_opens_its_conversation_and_nothing_else() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let patch = json!({"email": "ann@x.example", "name": "Ann"}).to_string();
    let (conversation, _) = ann.say("Hello");
    ann.call("PATCH", "/widget/v1/contact", &patch);
    let keys = product.store.keys();
    let id: Id = conversation.parse().expect("an id");
    let link = |until: i64| {
        let url = resume_url(keys, "", id, UnixMs(until * 1000));
        let (_, signature) = url.rsplit_once('=').expect("a signature");
        (url.clone(), format!("{conversation}.{until}.{signature}"))
    };
    let (url, words) = link(4_000_000_000);
    let phone = Browser::stranger(&product);
    let opened = phone.post("resume", &json!({"link": words}));
    assert_eq!((opened.status, &opened.json()["conversation_id"]), (201, &json!(conversation)), "{opened:?}");
    let holder = Browser { token: opened.json()["token"].as_str().expect("a token").to_owned(), ..phone.clone() };
    assert_eq!(holder.texts(&conversation), ["Hello"]);
    let state = holder.get("state").json();
    assert_eq!(
        (&state["visitor"]["email"], &state["conversations"][0]["id"]),
        (&json!("a…@x.example"), &json!(conversation))
    );
    assert_eq!(holder.call("PATCH", "/widget/v1/contact", &patch).status, 403, "whoever has the link may be anybody");
    assert_eq!(holder.say("From my phone").0, conversation);
    let own = ann.post("resume", &json!({"link": words})).json();
    assert_eq!(own["token"], json!(ann.token), "who has a token keeps it");
    for (text, status) in [
        (words.replace("4000000000", "4000000001"), 403),
        (words.replace(&conversation, &Id(id.0 + 1).to_string()), 403),
        (words[..words.len() - 1].to_owned(), 403),
        (String::new(), 403),
        (link(1000).1, 410),
    ] {
        let refused = phone.post("resume", &json!({"link": text}));
        assert_eq!(refused.status, status, "{text}: {refused:?}");
    }
    assert_eq!(phone.call("GET", &url, "").status, 200);
    assert_eq!(phone.call("GET", &link(1000).0, "").status, 410);
    assert_eq!(phone.call("GET", &url.replace("until=4", "until=5"), "").status, 403);
    assert_eq!(phone.call("GET", "/resume/x?until=1&signature=x", "").status, 403);
    assert_eq!(phone.call("GET", &format!("/resume/{conversation}"), "").status, 403);
    product.stop();
}

/// The mail of an inbox without a widget has the link only because its config names a page.
#[test]
fn a_link_of_another_channel_leads_to_the_page_that_its_inbox_names() {
    let page = "name = \"other\"\nchannel = \"api\"\nresume_url = \"https://app.example/chat?x=1#top\"\n";
    for (config, expected) in [
        (CONFIG.to_owned(), (403, String::new())),
        (
            CONFIG.replacen("name = \"other\"\nchannel = \"api\"\n", page, 1),
            (302, "https://app.example/chat?x=1&replyd_resume=LINK#top".to_owned()),
        ),
    ] {
        let product = Product::with(&config);
        let begun = product.begin(&json!({"account": "bolt", "inbox": "other", "contact": {"email": "ann@x.example"},
            "messages": [{"author": "contact", "text": "Hi"}]}));
        let conversation = begun.json()["id"].as_str().expect("an id").to_owned();
        let id: Id = conversation.parse().expect("an id");
        let link = resume_url(product.store.keys(), "", id, UnixMs(4_000_000_000_000));
        let led = Browser::stranger(&product).call("GET", &link, "");
        let location = led.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or("").to_owned();
        let signature = link.rsplit_once('=').expect("a signature").1;
        let words = format!("{conversation}.4000000000.{signature}");
        assert_eq!((led.status, location.replace(&words, "LINK")), expected, "{led:?}");
        product.stop();
    }
}

#[test]
fn a_link_leads_to_a_listed_page_or_to_our_own() {
    let product = Product::with(CONFIG);
    let signed = |conversation: &str| {
        resume_url(product.store.keys(), "", conversation.parse().expect("an id"), UnixMs(4_000_000_000_000))
    };
    let follow = |inbox: &str, page: &str| {
        let ann = Browser::visitor(&product, inbox);
        let said = ann.post("messages", &json!({"text": "Hi", "idempotency_key": "k", "page": page}));
        let conversation = said.json()["conversation_id"].as_str().expect("an id").to_owned();
        let led = ann.call("GET", &signed(&conversation), "");
        let location = led.head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or("").to_owned();
        assert_eq!(ann.texts(&conversation), ["Hi"], "GET changes nothing");
        (led.status, location.split("replyd_resume=").next().unwrap_or_default().to_owned())
    };
    assert_eq!(follow("acme/shop", "https://shop.example/a?b=c#d"), (302, "https://shop.example/a?b=c&".into()));
    for page in [
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://shop.example@evil.example/",
        "http://shop.example/",
        "javascript:alert(1)",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "//evil.example",
    ] {
        assert_eq!(follow("acme/shop", page), (200, String::new()), "{page}");
    }
    assert_eq!(follow("acme/website", "https://anything.example/"), (200, String::new()), "no site is listed");
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let page = ann.call("GET", &signed(&conversation), "");
    for header in ["content-security-policy: default-src 'none'; script-src 'self'", "referrer-policy: no-referrer"] {
        assert!(page.head.contains(header), "{}", page.head);
    }
    assert!(page.body.contains("data-resume=") && !page.body.contains("<script>"), "{}", page.body);
    product.stop();
}

#[test]
fn sites_that_are_not_listed_cannot_hold_the_widget() {
    let product = Product::with(CONFIG);
    let stranger = Browser::stranger(&product);
    let from = |origin: &str| stranger.with(&format!("Origin: {origin}\r\n"));
    let shop = json!({"inbox": "acme/shop"});
    for (origin, allowed) in [
        ("https://shop.example", true),
        ("https://chat.acme.example", true),
        ("https://evil.example", false),
        ("https://shop.example.evil.example", false),
        ("http://shop.example", false),
        ("null", false),
    ] {
        let entered = from(origin).post("visitors", &shop);
        assert_eq!(entered.status, if allowed { 201 } else { 403 }, "{origin}: {entered:?}");
        assert_eq!(from(origin).get("config?inbox=shop").status, if allowed { 200 } else { 403 }, "{origin}");
        assert!(entered.head.contains(&format!("access-control-allow-origin: {origin}")), "{}", entered.head);
        assert!(
            entered.head.contains("vary: origin") && !entered.head.contains("allow-credentials"),
            "{}",
            entered.head
        );
        let anywhere = from(origin).post("visitors", &json!({"inbox": "acme/website"}));
        assert_eq!(anywhere.status, 201, "an inbox without origins may be anywhere: {origin}");
    }
    let visitor = Browser::visitor(&product, "acme/shop").with("Origin: https://evil.example\r\n");
    assert_eq!(visitor.get("state").status, 403, "a token does not help a site that is not listed");
    let asked = from("https://shop.example").call("OPTIONS", "/widget/v1/messages", "");
    assert_eq!((asked.status, asked.body.as_str()), (204, ""));
    for header in [
        "access-control-allow-methods: get, post, patch",
        "access-control-allow-headers: authorization, content-type, last-event-id",
    ] {
        assert!(asked.head.contains(header), "{}", asked.head);
    }
    assert!(from("https://shop.example").call("OPTIONS", "/api/v1/conversations", "").head.contains("405"));
    product.stop();
}

#[test]
fn with_no_site_listed_at_all_every_site_may() {
    let product = Product::start();
    let asked = Browser::stranger(&product).with("Origin: https://any.example\r\n");
    let asked = asked.call("OPTIONS", "/widget/v1/visitors", "");
    assert!(
        asked.head.contains("access-control-allow-origin: *") && asked.head.contains("max-age: 7200"),
        "{}",
        asked.head
    );
    product.stop();
}

#[test]
fn floods_are_told_when_to_come_back() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let mut statuses = Vec::new();
    let refused = (0..40).find_map(|number| {
        let said = ann.post("messages", &json!({"text": "spam", "idempotency_key": number.to_string()}));
        statuses.push(said.status);
        (said.status != 201).then_some(said)
    });
    let refused = refused.expect("a flood ends");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("too_many")), "{statuses:?}");
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    let ben = Browser::visitor(&product, "acme/website");
    ben.say("Others may");
    let from = |address: &str| Browser::stranger(&product).with(&format!("X-Forwarded-For: {address}\r\n"));
    let enter = |address: &str| from(address).post("visitors", &json!({"inbox": "acme/website"})).status;
    let entered = (0..40).take_while(|_| enter("198.51.100.1, 192.0.2.1") == 201).count();
    assert!((30..40).contains(&entered), "an address makes some visitors: {entered}");
    assert_eq!(
        (enter("203.0.113.7, 192.0.2.1"), enter("192.0.2.9")),
        (429, 201),
        "what a client writes itself is no excuse"
    );
    let metrics = product.tcp.get("/metrics", "").body;
    assert!(!metrics.contains("replyd_widget_refused_total 0"), "{metrics}");
    product.stop();
}

#[test]
fn a_visitor_names_so_many_addresses() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let change = |address: &str| {
        ann.call("PATCH", "/widget/v1/contact", &json!({"email": address, "name": "Ann"}).to_string()).status
    };
    let statuses: Vec<u16> = (1..=6).map(|number| change(&format!("guess{number}@x.example"))).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    assert_eq!(change("Guess5@x.example"), 200, "the same again is no other");
    let said = json!({"text": "Hi", "idempotency_key": "k", "email": "guess7@x.example"});
    assert_eq!(ann.post("messages", &said).status, 429);
    assert_eq!(ann.get("state").json()["visitor"]["email"], "guess5@x.example");
    product.stop();
}

#[test]
fn what_is_too_large_or_malformed_is_refused_by_name() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let say = |body: Value| ann.post("messages", &body);
    let file = |name: &str| json!({"name": name, "type": "text/plain", "content": "aGk="});
    for (body, field) in [
        (json!({"text": "", "idempotency_key": "k"}), "text"),
        (json!({"text": "a\u{0}b", "idempotency_key": "k"}), "text"),
        (json!({"text": "x".repeat(33_000), "idempotency_key": "k"}), "text"),
        (json!({"text": "x", "idempotency_key": ""}), "idempotency_key"),
        (json!({"text": "x", "idempotency_key": "k".repeat(101)}), "idempotency_key"),
        (json!({"text": "x"}), "idempotency_key"),
        (json!({"text": "x", "idempotency_key": "k", "attachments": vec![file("a"); 11]}), "attachments"),
        (json!({"text": "x", "idempotency_key": "k", "attachments": [file("a\r\nb")]}), "attachments[0].name"),
        (json!({"text": "x", "idempotency_key": "k", "author": "agent"}), "author"),
        (json!({"text": "x", "idempotency_key": "k", "html": "<b>"}), "html"),
    ] {
        let refused = say(body);
        assert_eq!(refused.status, 422, "{refused:?}");
        assert!(refused.error_message().contains(field), "{field}: {refused:?}");
    }
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(15 * 1024 * 1024));
    assert_eq!(ann.call("POST", "/widget/v1/messages", &long).status, 413);
    assert_eq!(ann.call("POST", "/widget/v1/messages", "{").status, 400);
    assert_eq!(ann.get("state").json()["conversations"], json!([]));
    product.stop();
}

#[test]
fn files_come_back_as_downloads_and_only_real_pictures_are_shown() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let files = json!([
        {"name": "a.png", "type": "image/png", "content": png},
        {"name": "liar.png", "type": "image/png", "content": "PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="},
        {"name": "x.svg", "type": "image/svg+xml", "content": "PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+"},
        {"name": "x.html", "type": "text/html", "content": "PHNjcmlwdD4="},
    ]);
    let said = ann.post("messages", &json!({"text": "", "idempotency_key": "k", "attachments": files})).json();
    let listed = said["message"]["attachments"].as_array().expect("attachments").clone();
    for (file, kind, disposition) in [
        (&listed[0], "image/png", "inline"),
        (&listed[1], "application/octet-stream", "attachment"),
        (&listed[2], "application/octet-stream", "attachment"),
        (&listed[3], "application/octet-stream", "attachment"),
    ] {
        let url = file["url"].as_str().expect("a URL").strip_prefix("https://chat.acme.example").expect("our host");
        let got = Browser::stranger(&product).call("GET", url, "");
        assert_eq!(got.status, 200, "{got:?}");
        for header in [
            &format!("content-type: {kind}"),
            &format!("content-disposition: {disposition}"),
            "x-content-type-options: nosniff",
            "content-security-policy: sandbox; default-src 'none'",
        ] {
            assert!(got.head.contains(header), "{header}: {}", got.head);
        }
        let (start, _) = url.rsplit_once('=').expect("a signature");
        assert_eq!(Browser::stranger(&product).call("GET", &format!("{start}=0000"), "").status, 404);
    }
    product.stop();
}

#[test]
fn markup_stays_text_and_answers_stay_json() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\u{2028}</textarea>";
    let said = ann.post("messages", &json!({"text": evil, "idempotency_key": "k", "name": "<svg/onload=alert(1)>"}));
    assert_eq!((said.status, &said.json()["message"]["text"]), (201, &json!(evil)));
    let conversation = said.json()["conversation_id"].as_str().expect("an id").to_owned();
    assert_eq!(shown(&product, &conversation)["messages"][0]["html"], Value::Null);
    for answer in
        [said, ann.get("state"), ann.get("nothing"), ann.get(&format!("messages?conversation={conversation}"))]
    {
        for header in [
            "content-type: application/json",
            "x-content-type-options: nosniff",
            "content-security-policy: default-src 'none'",
        ] {
            assert!(answer.head.contains(header), "{header}: {}", answer.head);
        }
    }
    product.stop();
}

#[test]
fn a_visitor_has_so_many_feeds_and_the_next_is_told_to_wait() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    let held: Vec<Feed> = (0..12).map(|tab| ann.listen(&conversation, &format!("tab{tab}"), None)).collect();
    let refused = Feed::open(&ann, &conversation, "more", None).err().expect("a refusal");
    assert!(refused.contains(" 429 ") && refused.to_lowercase().contains("retry-after"), "{refused}");
    for tab in ["", "a b", "..%2f", &"x".repeat(65)] {
        let refused = Feed::open(&ann, &conversation, tab, None).err().expect("a refusal");
        assert!(refused.contains(" 4"), "{tab}: {refused}");
    }
    drop(held);
    product.stop();
}

#[test]
fn an_agents_address_and_notes_never_reach_a_visitor() {
    let product = Product::with(CONFIG);
    let add = json!({"account": "acme", "email": "sara@agents.example", "name": "Sara"}).to_string();
    assert_eq!(product.owner.call("POST", "/api/v1/agents", "", &add).status, 201);
    let ann = Browser::visitor(&product, "acme/website");
    let (conversation, _) = ann.say("Hello");
    answer(&product, &conversation, "Hi");
    let note = json!({"author": "note", "agent": "Sara", "text": "a difficult one"}).to_string();
    product.owner.call("POST", &format!("/api/v1/conversations/{conversation}/messages"), "", &note);
    let body = ann.get(&format!("messages?conversation={conversation}")).body;
    assert!(body.contains("\"Sara\"") && !body.contains("agents.example") && !body.contains("difficult"), "{body}");
    product.stop();
}

#[test]
fn a_rule_that_is_made_later_holds_for_those_who_came_before() {
    let product = Product::with(CONFIG);
    let ann = Browser::visitor(&product, "acme/website");
    ann.say("Hello");
    let token = ann.token.clone();
    let file = product.dir.path().join("replyd.toml");
    let rule = "name = \"website\"\nwidget = { identity = \"required\", identity_secret = \"hunter2\" }\n";
    let text = CONFIG.replacen("name = \"website\"\n", rule, 1);
    std::fs::write(file, text).expect("a config");
    let product = product.restarted();
    let ann = Browser { token, ..Browser::stranger(&product) };
    let refused = ann.get("state");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("identity_required")), "{refused:?}");
    assert_eq!(ann.post("identity", &identity("ann")).status, 200);
    assert_eq!(ann.get("state").status, 200);
    product.stop();
}
