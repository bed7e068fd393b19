//! Starts the demo: folder, config, zone, mailboxes, and the daemon itself.

use super::folder::{self, MARK};
use super::post_office::PostOffice;
use super::scene::{self, AGENT, Addresses, Keys, SINK_HOST};
use super::sink::Sink;
use crate::clock::Clock;
use crate::config::secret::Surroundings;
use crate::config::{self, checked::Config, checked::Endpoint};
use crate::conversation::model::Conversation;
use crate::daemon::composition::{Ingredients, Running};
use crate::daemon::error::StartError;
use crate::daemon::sockets::Sockets;
use crate::dns::{Resolver, Zone, ZoneServer};
use crate::http::page::mailboxes::{DemoPages, Mailboxes};
use crate::sender_auth::Verifier;
use crate::store::Store;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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
    /// The mailboxes' host and post office.
    _people: JoinSet<()>,
}

impl Demo {
    /// Starts it; the example conversation is made once and then kept.
    pub async fn start(place: &DemoPlace) -> Result<Demo, StartError> {
        std::fs::create_dir_all(&place.folder)?;
        let folder = place.folder.canonicalize()?;
        let config_file = folder.join("replyd.toml");
        let host = TcpListener::bind(loopback(0)).await?;
        let asked =
            Addresses { smtp: loopback(place.smtp_port), http: loopback(place.http_port), sink: host.local_addr()? };
        folder::may_be_used(&folder).map_err(|error| io::Error::other(error.to_string()))?;
        // Before anything can fail: this file says that the folder is a demo's.
        std::fs::write(&config_file, format!("{MARK}\n# This one did not start.\n"))?;
        let keys = Keys::kept(&folder)?;
        let wanted = written(&config_file, asked, &keys)?;
        let store = Store::open(&wanted.server.data_dir, Clock::System)?;
        let sockets = Sockets::bind(&wanted, Vec::new())?;
        // Once more, with the ports that the kernel chose.
        let at = bound(&sockets, asked)?;
        let config = written(&config_file, at, &keys)?;
        let conversation = scene::example(&store, &config).await?;
        let zone = Zone::parse(&scene::zone(&keys)).map_err(|error| io::Error::other(error.to_string()))?;
        let zone = ZoneServer::start(zone).await?;
        let resolver = zone.resolver()?;
        let (people, pages) = people(host, at.smtp, &keys, &resolver)?;
        let parts = Ingredients { config, clock: Clock::System, sockets, store, resolver, demo: Some(pages) };
        let running = Running::start(parts)?;
        let reply_address = conversation.reply_token.address(scene::INBOUND_DOMAIN);
        let (smtp, http) = (at.smtp, at.http);
        Ok(Demo { running, conversation, reply_address, smtp, http, config_file, _zone: zone, _people: people })
    }
}

/// The people's mail host, the office that posts what they write, and the pages that show both.
fn people(
    host: TcpListener,
    door: SocketAddr,
    keys: &Keys,
    resolver: &Resolver,
) -> Result<(JoinSet<()>, DemoPages), StartError> {
    let mailboxes = Arc::new(Mailboxes::new(scene::owners()));
    let (posts, received) = mpsc::channel(POSTS_WAITING_MAX);
    let sink = Sink {
        hostname: SINK_HOST,
        mailboxes: Arc::clone(&mailboxes),
        verifier: Verifier::new(resolver.clone(), Clock::System),
        clock: Clock::System,
    };
    let office = PostOffice::new(door, Arc::clone(&mailboxes), &keys.agent, Clock::System)?;
    let mut people = JoinSet::new();
    people.spawn(sink.serve(host));
    people.spawn(office.serve(received));
    let (shopper, inbox, offline_delay) = (scene::shopper(keys), scene::WIDGET, scene::OFFLINE_DELAY);
    Ok((people, DemoPages { agent: AGENT, shopper, inbox, offline_delay, mailboxes, posts }))
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Writes the config and reads it as the daemon does.
fn written(config_file: &Path, at: Addresses, keys: &Keys) -> Result<Config, StartError> {
    let text = scene::config(at, keys);
    std::fs::write(config_file, &text)?;
    Ok(config::parse(config_file, &text, Surroundings::SYSTEM)?)
}

fn bound(sockets: &Sockets, asked: Addresses) -> io::Result<Addresses> {
    let smtp = sockets.mail.first().map(|listener| listener.socket.endpoint());
    let http = sockets.http.first().map(|socket| socket.endpoint());
    match (smtp, http) {
        (Some(Ok(Endpoint::Tcp(smtp))), Some(Ok(Endpoint::Tcp(http)))) => Ok(Addresses { smtp, http, ..asked }),
        _ => Err(io::Error::other("the demo's sockets have no address")),
    }
}

const POSTS_WAITING_MAX: usize = 16;
