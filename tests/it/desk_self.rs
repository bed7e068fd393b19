//! What an agent does for themselves at the desk: a new password, and mail again for somebody of a conversation of theirs.

use crate::desk::{Browser, PASSWORD, agent};
use crate::product::{CONFIG, Product, kettle};
use serde_json::json;

const SARA: &str = "sara@agents.example";
const NEW: &str = "battery staple correct";

fn change(browser: &Browser<'_>, current: &str, new: &str) -> (u16, String) {
    let answer = browser.call("PUT", "/api/v1/me/password", &json!({ "current": current, "new": new }));
    let code = if answer.status == 204 { String::new() } else { answer.json()["error"]["code"].to_string() };
    (answer.status, code)
}

#[test]
fn an_agent_changes_their_own_password_and_is_signed_out_elsewhere_only() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    agent(&product, "acme", "bob@agents.example", None);
    let (here, elsewhere) = (Browser::of(&product, SARA), Browser::of(&product, SARA));
    let bob = Browser::of(&product, "bob@agents.example");
    assert_eq!(change(&here, "something else", NEW), (403, "\"wrong_password\"".into()));
    assert_eq!(change(&here, &"x".repeat(5_000), NEW).0, 403);
    assert_eq!(change(&here, PASSWORD, "short").0, 422);
    let foreign = Browser { product: &product, cookie: here.cookie.clone(), csrf: elsewhere.csrf.clone() };
    assert_eq!(change(&foreign, PASSWORD, NEW), (403, "\"csrf\"".into()));
    assert_eq!(elsewhere.get("/api/v1/me").status, 200, "nothing has changed yet");
    assert_eq!(change(&here, PASSWORD, NEW), (204, String::new()));
    assert_eq!((here.get("/api/v1/me").status, elsewhere.get("/api/v1/me").status), (200, 401));
    assert_eq!(bob.get("/api/v1/me").status, 200);
    assert_eq!(Browser::new(&product).sign_in(SARA, PASSWORD).status, 401);
    assert_eq!(Browser::new(&product).sign_in(SARA, NEW).status, 303);
    for caller in [&product.owner, &product.tcp] {
        let body = json!({ "current": NEW, "new": PASSWORD }).to_string();
        let token = product.token("acme");
        assert_eq!(caller.call("PUT", "/api/v1/me/password", &token, &body).status, 403, "no agent");
    }
    product.stop();
}

#[test]
fn tries_with_the_current_password_are_those_of_signing_in() {
    let product = Product::start();
    agent(&product, "acme", SARA, None);
    let browser = Browser::of(&product, SARA);
    let refused: Vec<u16> = (0..10).map(|_| change(&browser, "something else", NEW).0).collect();
    assert_eq!(refused, [[403; 9].as_slice(), &[429]].concat(), "one went to signing in");
    assert_eq!(change(&browser, PASSWORD, NEW).0, 429, "the right one is not tried either");
    assert_eq!(Browser::new(&product).sign_in(SARA, PASSWORD).status, 429);
    product.stop();
}

#[test]
fn an_agent_without_a_password_cannot_give_themselves_one() {
    let product = Product::start();
    let body = json!({ "account": "acme", "email": SARA, "name": "Sara", "by_mail": false });
    let id = product.owner.call("POST", "/api/v1/agents", "", &body.to_string()).json()["id"].clone();
    let path = format!("/api/v1/agents/{}/sign_in_link", id.as_str().expect("an id"));
    let url = product.owner.call("POST", &path, "", "").json()["url"].clone();
    let mut browser = Browser::new(&product);
    let path = url.as_str().and_then(|url| url.find("/desk/").map(|at| url[at..].to_owned())).expect("a path");
    let entered = browser.form(&path, "");
    browser.keep(&entered);
    browser.csrf = browser.get("/api/v1/me").json()["csrf"].as_str().expect("a word").to_owned();
    assert_eq!(change(&browser, "", NEW), (403, "\"wrong_password\"".into()));
    product.stop();
}

const TWO_INBOXES: &str =
    "[[account.inbox]]\nname = \"shop\"\naddress = \"shop@acme.example\"\n[[account]]\nname = \"bolt\"";

#[test]
fn an_agent_sees_who_gets_no_mail_and_why_and_sends_it_again() {
    // Of a chat its contact would turn off the mail of that chat alone.
    let by_mail = CONFIG.replacen("name = \"website\"\n", "name = \"website\"\nchannel = \"email\"\n", 1);
    let product = Product::with(&by_mail.replacen("[[account]]\nname = \"bolt\"", TWO_INBOXES, 1));
    agent(&product, "acme", SARA, Some(&["website"]));
    agent(&product, "acme", "bob@agents.example", Some(&["shop"]));
    let begun = product.begin(&kettle()).json();
    assert_eq!(begun["suppressions"], json!([]), "{begun}");
    let path = format!("/api/v1/conversations/{}", begun["id"].as_str().expect("an id"));
    let entry = product.owner.get("/api/v1/queue?recipient=jane", "").json()["items"][0]["id"].clone();
    let entry = entry.as_str().expect("an id").parse().expect("an id");
    product.runtime.block_on(product.store.unsubscribe(entry)).expect("it is there");

    let sara = Browser::of(&product, SARA);
    let shown = sara.get(&path).json();
    assert_eq!(shown["suppressions"].as_array().map(Vec::len), Some(1), "{shown}");
    let told = &shown["suppressions"][0];
    assert_eq!((&told["email"], &told["reason"]), (&json!("jane@customer.example"), &json!("unsubscribed")));
    assert!(told["expires_at"].is_null() && told["since"].is_string(), "{told}");

    let lift = |browser: &Browser<'_>, email: &str| {
        browser.call("DELETE", &format!("{path}/suppressions?email={email}"), &json!({})).status
    };
    assert_eq!(lift(&Browser::of(&product, "bob@agents.example"), "jane@customer.example"), 404, "another inbox");
    assert_eq!(lift(&sara, "somebody@else.example"), 404, "nobody of this conversation");
    assert_eq!(lift(&sara, "nonsense"), 422);
    assert_eq!(sara.raw("DELETE", &format!("{path}/suppressions?email=jane@customer.example"), "", "").status, 403);
    assert_eq!(lift(&sara, "Jane@Customer.example"), 204);
    assert_eq!(lift(&sara, "jane@customer.example"), 404, "it is lifted");
    assert_eq!(sara.get(&path).json()["suppressions"], json!([]));
    product.stop();
}
