//! The demo: the whole product on loopback in one process. Its DNS is a zone of its own, so nothing leaves the
//! machine, and the customer's domain publishes SPF and DMARC, so verdicts can be seen.

use super::composition::{Ingredients, Running};
use super::error::StartError;
use super::sockets::Sockets;
use crate::clock::Clock;
use crate::config::secret::Surroundings;
use crate::config::{self, checked::Config, checked::Endpoint};
use crate::conversation::delivery::Posting;
use crate::conversation::model::{Author, AuthorKind, Conversation, Direction, Via};
use crate::dns::{Zone, ZoneServer};
use crate::store::Store;
use crate::store::query::ConversationQuery;
use crate::store::unit::{NewConversation, NewMessage};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the demo listens and lives; port 0 lets the kernel choose.
#[derive(Debug, Clone)]
pub struct DemoPlace {
    pub smtp_port: u16,
    pub http_port: u16,
    pub folder: PathBuf,
}

/// A running demo.
#[derive(Debug)]
pub struct Demo {
    pub running: Running,
    pub conversation: Conversation,
    pub reply_address: String,
    pub smtp: SocketAddr,
    pub http: SocketAddr,
    /// For the commands that talk to it.
    pub config_file: PathBuf,
    _zone: ZoneServer,
}

impl Demo {
    /// Starts it; the example conversation is made once and then kept.
    pub async fn start(place: &DemoPlace) -> Result<Demo, StartError> {
        std::fs::create_dir_all(&place.folder)?;
        let folder = place.folder.canonicalize()?;
        let config_file = folder.join("replyd.toml");
        let wanted = parsed(&config_file, loopback(place.smtp_port), loopback(place.http_port))?;
        // Before anything can fail: this file says that the folder is a demo's.
        std::fs::write(&config_file, text(loopback(place.smtp_port), loopback(place.http_port)))?;
        let store = Store::open(&wanted.server.data_dir, Clock::System)?;
        let sockets = Sockets::bind(&wanted, Vec::new())?;
        let (smtp, http) = bound(&sockets)?;
        // Once more, with the ports that the kernel chose.
        let config = parsed(&config_file, smtp, http)?;
        std::fs::write(&config_file, text(smtp, http))?;
        let conversation = example(&store).await?;
        let zone = Zone::parse(ZONE).map_err(|error| io::Error::other(error.to_string()))?;
        let zone = ZoneServer::start(zone).await?;
        let running = Running::start(Ingredients {
            config,
            clock: Clock::System,
            sockets,
            store,
            resolver: zone.resolver()?,
            demo: Some(conversation.id),
        })?;
        let reply_address = conversation.reply_token.address(INBOUND_DOMAIN);
        Ok(Demo { running, conversation, reply_address, smtp, http, config_file, _zone: zone })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn parsed(config_file: &Path, smtp: SocketAddr, http: SocketAddr) -> Result<Config, StartError> {
    Ok(config::parse(config_file, &text(smtp, http), Surroundings::SYSTEM)?)
}

fn bound(sockets: &Sockets) -> io::Result<(SocketAddr, SocketAddr)> {
    let smtp = sockets.mail.first().map(|listener| listener.socket.endpoint());
    let http = sockets.http.first().map(|socket| socket.endpoint());
    match (smtp, http) {
        (Some(Ok(Endpoint::Tcp(smtp))), Some(Ok(Endpoint::Tcp(http)))) => Ok((smtp, http)),
        _ => Err(io::Error::other("the demo's sockets have no address")),
    }
}

fn text(smtp: SocketAddr, http: SocketAddr) -> String {
    format!(
        r#"# Written by replyd demo at each start, for commands such as replyd conversation list --config THIS.
[server]
hostname = "localhost"
data_dir = "data"
[smtp]
listen = ["{smtp}"]
[http]
listen = ["{http}"]
[limits]
disk_free = "16 MiB"
[[account]]
name = "demo"
inbound_domain = "{INBOUND_DOMAIN}"
[[account.inbox]]
name = "website"
address = "support@demo.example"
"#
    )
}

/// The example conversation of this store, made if it is not there.
async fn example(store: &Store) -> Result<Conversation, StartError> {
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
    let said = message(Direction::Incoming, AuthorKind::Contact, "Jane Doe", Some(CUSTOMER), Via::Widget, QUESTION);
    let answered = message(Direction::Outgoing, AuthorKind::Agent, "Sara", Some("sara@demo.example"), Via::Api, ANSWER);
    let new = NewConversation {
        account: ACCOUNT.to_owned(),
        inbox: "website".to_owned(),
        channel: crate::conversation::model::Channel::Widget,
        contact_name: Some("Jane Doe".to_owned()),
        contact_email: Some(CUSTOMER.to_owned()),
        contact_identifier: None,
        subject: Some(SUBJECT.to_owned()),
        messages: vec![said, answered],
    };
    Ok(store.new_conversation(new).await?)
}

fn message(
    direction: Direction,
    kind: AuthorKind,
    name: &str,
    email: Option<&str>,
    via: Via,
    text: &str,
) -> NewMessage {
    NewMessage {
        direction,
        author: Author { kind, name: Some(name.to_owned()), email: email.map(str::to_owned) },
        via,
        text: text.to_owned(),
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: None,
        uploads: Vec::new(),
        posting: Posting::default(),
    }
}

/// Who writes in the example.
pub const CUSTOMER: &str = "jane@customer.example";
pub const SUBJECT: &str = "My kettle does not boil";
const ACCOUNT: &str = "demo";
const INBOUND_DOMAIN: &str = "reply.demo.example";
const QUESTION: &str = "Hello, the kettle I got last week switches on, but the water stays cold. What can I do?";
const ANSWER: &str = "Hi Jane, sorry about that! Please hold the button for ten seconds to reset it, then try again.\nIf it stays cold, just answer here or by mail and we will send you a new one.";

/// SPF lets this machine send for the customer, and DMARC asks to refuse everybody else.
const ZONE: &str = r#"{
  "customer.example": [{"TXT": "v=spf1 ip4:127.0.0.0/8 -all"}],
  "_dmarc.customer.example": [{"TXT": "v=DMARC1; p=reject"}]
}"#;
