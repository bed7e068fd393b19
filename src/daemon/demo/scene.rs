//! What the demo is made of: its people, its config, its zone, and the conversation to begin with.

use super::folder::MARK;
use super::keys::DemoKey;
use crate::config::checked::Config;
use crate::config::secret::Secret;
use crate::conversation::id::Id;
use crate::conversation::model::{Author, AuthorKind, Channel, Conversation, Direction, Via};
use crate::http::page::mailboxes::{Owner, Shopper};
use crate::sender_auth::own_key::KeyKind;
use crate::store::outgoing::OutgoingSettings;
use crate::store::query::ConversationQuery;
use crate::store::unit::{NewConversation, NewMessage};
use crate::store::{NewAgent, Store, StoreError};
use aws_lc_rs::{hmac, rand};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// The demo's keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// RSA and Ed25519 of the account's domain: every answer is signed by both.
    pub account: [DemoKey; 2],
    /// Of the mail host of the agent.
    pub agent: DemoKey,
    /// By which the shop tells the chat who is signed in; made anew at each start.
    shop: Secret,
}

impl Keys {
    pub fn kept(folder: &Path) -> io::Result<Keys> {
        Ok(Keys {
            account: [
                DemoKey::kept(folder, DOMAIN, "r1", KeyKind::Rsa)?,
                DemoKey::kept(folder, DOMAIN, "e1", KeyKind::Ed25519)?,
            ],
            agent: DemoKey::kept(folder, AGENT_DOMAIN, "s1", KeyKind::Ed25519)?,
            shop: shop_secret()?,
        })
    }
}

fn shop_secret() -> io::Result<Secret> {
    let mut octets = [0; 32];
    rand::fill(&mut octets).map_err(|_| io::Error::other("the system gives no random octets"))?;
    Ok(Secret::from(HEXLOWER.encode(&octets)))
}

/// Jane, as the shop's server names her to the chat.
pub fn shopper(keys: &Keys) -> Shopper {
    let key = hmac::Key::new(hmac::HMAC_SHA256, keys.shop.expose().as_bytes());
    let hash = HEXLOWER.encode(hmac::sign(&key, SHOPPER.as_bytes()).as_ref());
    Shopper { identifier: SHOPPER, hash, email: CUSTOMER, name: "Jane Doe" }
}

/// Where the demo listens: its two doors, and the people's mail host.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    pub smtp: SocketAddr,
    pub http: SocketAddr,
    pub sink: SocketAddr,
}

/// The config as it is written into the folder.
pub fn config(at: Addresses, keys: &Keys) -> String {
    let Addresses { smtp, http, sink } = at;
    let (offline, unseen) = (OFFLINE_DELAY.as_secs(), UNSEEN_DELAY.as_secs());
    let [rsa, ed25519] = keys.account.each_ref().map(DemoKey::toml);
    format!(
        r##"{MARK}
[server]
hostname = "mx.{DOMAIN}"
data_dir = "data"
[smtp]
listen = ["{smtp}"]
[http]
listen = ["{http}"]
# The demo's people have their mailboxes on this machine.
[outbound]
port = {port}
allow_private = true
# Its zone is not signed.
dane = false
[limits]
disk_free = "16 MiB"
[[account]]
name = "{ACCOUNT}"
display_name = "Kettle Shop"
inbound_domain = "{INBOUND_DOMAIN}"
dkim = [{rsa}, {ed25519}]
[[account.inbox]]
name = "{INBOX}"
address = "support@{DOMAIN}"
# Short, so that one can watch an answer go out.
offline_delay = "{offline} s"
unseen_delay = "{unseen} s"
[account.inbox.widget]
title = "Kettle Shop"
greeting = "Hello! What can we do for you?"
colour = "#a8522a"
origins = ["http://{http}", "http://localhost:{http_port}"]
identity_secret = "{secret}"
"##,
        port = sink.port(),
        http_port = http.port(),
        secret = keys.shop.expose(),
    )
}

/// SPF lets this machine send for the customer, and DMARC asks to refuse everybody else. For the agent only a DKIM
/// signature speaks.
pub fn zone(keys: &Keys) -> String {
    let txt = |text: &str| json!({ "TXT": text });
    let mx = |host: &str| json!({ "MX": [10, host] });
    let refuse = || json!([txt("v=DMARC1; p=reject")]);
    let here = || json!([{ "A": "127.0.0.1" }]);
    let customers = SINK_HOST.to_owned();
    let mut zone = serde_json::Map::new();
    let mut add = |name: &str, records: Value| drop(zone.insert(name.to_owned(), records));
    add("customer.example", json!([txt("v=spf1 ip4:127.0.0.0/8 -all"), mx(&customers)]));
    add("_dmarc.customer.example", refuse());
    add(AGENT_DOMAIN, json!([mx(&customers)]));
    add(&format!("_dmarc.{AGENT_DOMAIN}"), refuse());
    add(SINK_HOST, here());
    add(DOMAIN, json!([txt("v=spf1 ip4:127.0.0.0/8 -all"), mx(&format!("mx.{DOMAIN}"))]));
    add(&format!("_dmarc.{DOMAIN}"), refuse());
    add(INBOUND_DOMAIN, json!([txt("v=spf1 ip4:127.0.0.0/8 -all"), mx(&format!("mx.{DOMAIN}"))]));
    add(&format!("mx.{DOMAIN}"), here());
    for key in keys.account.iter().chain([&keys.agent]) {
        add(&key.name(), json!([txt(&key.record)]));
    }
    Value::Object(zone).to_string()
}

/// Who has a mailbox at the sink.
pub fn owners() -> Vec<Owner> {
    vec![
        Owner { name: "Jane Doe", address: CUSTOMER, role: "customer" },
        Owner { name: "Sara", address: AGENT, role: "agent" },
    ]
}

/// The demo's agent, registered, and the example conversation of this store, made if it is not there.
pub async fn example(store: &Store, config: &Config) -> Result<Conversation, StoreError> {
    // Before anything is queued: it is what Message-IDs are made of.
    let settings = OutgoingSettings {
        hostname: config.server.hostname.clone(),
        give_up: config.outbound.give_up,
        budgets: config.limits.mail_budgets.clone(),
    };
    store.set_outgoing(settings);
    let new = NewAgent {
        account: ACCOUNT.to_owned(),
        email: AGENT.to_owned(),
        name: "Sara".to_owned(),
        inboxes: None,
        by_mail: true,
    };
    store.add_agent(new).await?;
    let query = ConversationQuery {
        account: Some(ACCOUNT.to_owned()),
        contact: Some(CUSTOMER.to_owned()),
        limit: 200,
        ..ConversationQuery::default()
    };
    // Newest first: the example is the oldest one.
    if let Some(known) = store.conversations(query).await?.items.pop() {
        return Ok(known);
    }
    let begun = store.new_conversation(NewConversation {
        account: ACCOUNT.to_owned(),
        inbox: INBOX.to_owned(),
        channel: Channel::Widget,
        contact_name: Some("Jane Doe".to_owned()),
        contact_email: Some(CUSTOMER.to_owned()),
        contact_identifier: Some(SHOPPER.to_owned()),
        subject: Some(SUBJECT.to_owned()),
        messages: Vec::new(),
    });
    let id = begun.await?.id;
    say(store, config, id, said()).await?;
    say(store, config, id, answered()).await?;
    store.conversation(id).await
}

async fn say(store: &Store, config: &Config, conversation: Id, message: NewMessage) -> Result<(), StoreError> {
    let posting = config.posting_of(ACCOUNT, INBOX, message.direction);
    store.append_message(conversation, NewMessage { posting, ..message }).await.map(drop)
}

fn said() -> NewMessage {
    let author =
        Author { kind: AuthorKind::Contact, name: Some("Jane Doe".to_owned()), email: Some(CUSTOMER.to_owned()) };
    message(Direction::Incoming, author, Via::Widget, QUESTION)
}

fn answered() -> NewMessage {
    let author = Author { kind: AuthorKind::Agent, name: Some("Sara".to_owned()), email: Some(AGENT.to_owned()) };
    message(Direction::Outgoing, author, Via::Desk, ANSWER)
}

fn message(direction: Direction, author: Author, via: Via, text: &str) -> NewMessage {
    NewMessage {
        direction,
        author,
        via,
        text: text.to_owned(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting: crate::conversation::delivery::Posting::default(),
    }
}

pub const CUSTOMER: &str = "jane@customer.example";
pub const SUBJECT: &str = "My kettle does not boil";
/// How long after Jane left an answer goes out by mail: long enough to come back, short enough to watch.
pub(super) const OFFLINE_DELAY: Duration = Duration::from_secs(10);
/// How long an answer waits while the shop is open and nobody looks into its chat.
const UNSEEN_DELAY: Duration = Duration::from_secs(20);
const SHOPPER: &str = "jane";
pub(super) const WIDGET: &str = "demo/website";
pub(super) const AGENT: &str = "sara@agents.demo.example";
pub(super) const INBOUND_DOMAIN: &str = "reply.demo.example";
/// The one mail host of both people.
pub(super) const SINK_HOST: &str = "mx.customer.example";
const AGENT_DOMAIN: &str = "agents.demo.example";
const DOMAIN: &str = "demo.example";
const ACCOUNT: &str = "demo";
const INBOX: &str = "website";
const QUESTION: &str = "Hello, the kettle I got last week switches on, but the water stays cold. What can I do?";
const ANSWER: &str = "Hi Jane, sorry about that! Please hold the button for ten seconds to reset it, then try again.\nIf it stays cold, just answer here or by mail and we will send you a new one.";
