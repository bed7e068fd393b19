//! Everything put together and running: what `serve`, `demo` and the tests start, and how it stops.

use super::error::StartError;
use super::sockets::{OWNER_SOCKET, Sockets};
use crate::clock::Clock;
use crate::config::checked::{Config, Endpoint};
use crate::continuity;
use crate::dns::Resolver;
use crate::filing;
use crate::http::live::Live;
use crate::http::metrics::Metrics;
use crate::http::page::mailboxes::DemoPages;
use crate::http::{self, Doors, Surface};
use crate::inbound::{self, Door, RecipientHooks, Services, ServicesParts};
use crate::net::counters::Counters;
use crate::net::https::HttpClient;
use crate::net::listen::Bound;
use crate::net::permits::LargeMails;
use crate::net::roots;
use crate::net::tls::Tls;
use crate::outbound;
use crate::sender_auth::Verifier;
use crate::store::Store;
use crate::store::outgoing::OutgoingSettings;
use crate::webhooks;
use arc_swap::ArcSwap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a running replyd is made of.
#[derive(Debug)]
pub struct Ingredients {
    pub config: Config,
    pub clock: Clock,
    pub sockets: Sockets,
    pub store: Store,
    pub resolver: Resolver,
    /// What the demo's pages show; `None` outside the demo.
    pub demo: Option<DemoPages>,
}

/// A running replyd.
#[derive(Debug)]
pub struct Running {
    pub services: Arc<Services>,
    mail: inbound::Handle,
    filing: filing::Handle,
    /// What a reload has to reach.
    pub(super) sending: Arc<outbound::Services>,
    outbound: outbound::Handle,
    /// What a reload has to reach.
    pub(super) hooks: Arc<webhooks::Services>,
    webhooks: webhooks::Handle,
    continuity: continuity::Handle,
    http: Vec<SocketAddr>,
    live: Live,
    store: Store,
    stop: CancellationToken,
    /// Filing and HTTP: they end after the doors for mail.
    surfaces: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Starts every stage and surface. Call it inside a runtime.
    pub fn start(ingredients: Ingredients) -> Result<Running, StartError> {
        let Ingredients { config, clock, sockets, store, resolver, demo } = ingredients;
        let (stop, surfaces, tasks) = (CancellationToken::new(), CancellationToken::new(), TaskTracker::new());
        let tls = Tls::load(&config.tls)?;
        let counters = Arc::new(Counters::default());
        let metrics = Arc::new(Metrics::new(&counters, tls.clone(), &store));
        store.set_outgoing(OutgoingSettings {
            hostname: config.server.hostname.clone(),
            give_up: config.outbound.give_up,
            budgets: config.limits.mail_budgets.clone(),
        });
        let verifier = Verifier::new(resolver.clone(), clock.clone());
        let config = Arc::new(ArcSwap::from_pointee(config));
        let sending = Arc::new(outbound::Services::new(outbound::ServicesParts {
            store: store.clone(),
            config: config.load_full(),
            clock: clock.clone(),
            counters: Arc::clone(&counters),
            resolver: resolver.clone(),
        })?);
        let client = HttpClient::new(roots::load(config.load().outbound.ca_file.as_deref())?);
        let large_mails = Arc::new(LargeMails::default());
        let services = Services::new(ServicesParts {
            config: Arc::clone(&config),
            store: store.clone(),
            verifier,
            clock: clock.clone(),
            tls: tls.clone(),
            counters: Arc::clone(&counters),
            large_mails: Arc::clone(&large_mails),
            recipient_hooks: RecipientHooks::new(resolver.clone(), client.clone()),
        });
        let hooks = Arc::new(webhooks::Services::new(webhooks::ServicesParts {
            store: store.clone(),
            config: Arc::clone(&config),
            clock: clock.clone(),
            counters: Arc::clone(&counters),
            resolver,
            client,
        }));
        let mail = inbound::start(&services, sockets.mail, stop.clone())?;
        let filed_by = filing::Services::new(store.clone(), Arc::clone(&config), clock.clone(), Arc::clone(&counters));
        let filing = filing::start(filing::Services { large_mails, ..filed_by }, surfaces.clone())?;
        let outbound = outbound::start(Arc::clone(&sending), stop.clone());
        let webhooks = webhooks::start(Arc::clone(&hooks), stop.clone());
        let timers = continuity::Services { store: store.clone(), clock: clock.clone() };
        let continuity = continuity::start(timers, stop.clone());
        let watched = Arc::clone(&config);
        tasks.spawn(tls.watch(move || watched.load().tls.clone(), stop.clone()));
        let surface = Surface { demo, ..Surface::new(Arc::clone(&services), metrics) };
        let http = addresses(&sockets.http);
        let live = surface.live.clone();
        http::start(&surface, Doors { tcp: sockets.http, owner: sockets.owner }, &surfaces, &tasks)?;
        Ok(Running {
            services,
            mail,
            filing,
            sending,
            outbound,
            hooks,
            webhooks,
            continuity,
            http,
            live,
            store,
            stop,
            surfaces,
            tasks,
        })
    }

    /// Where mail servers connect.
    pub fn mail_endpoints(&self) -> &[(Door, Endpoint)] {
        self.mail.endpoints()
    }

    /// Where HTTP answers over TCP.
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http
    }

    /// What is handed to those who listen.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// Stops in order: no new mail in or out, running transfers end within the drain time, then the surfaces, then the store.
    pub async fn stop(self) {
        self.stop.cancel();
        let left = self.mail.stopped().await;
        if left.sessions > 0 {
            tracing::warn!(sessions = left.sessions, "sessions did not end within limits.drain_timeout and were cut");
        }
        // It had the same time: what was running has ended, or is put back.
        self.outbound.ended().await;
        self.webhooks.ended().await;
        self.continuity.ended().await;
        self.surfaces.cancel();
        // What is not filed then stays accepted, and the next start files it.
        if tokio::time::timeout(SURFACES_TIMEOUT, self.filing.ended()).await.is_err() {
            tracing::warn!("filing did not end in time: the mail in hand is tried again at the next start");
        }
        self.tasks.close();
        if tokio::time::timeout(SURFACES_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "HTTP answers did not end in time and were cut");
        }
        let _ = std::fs::remove_file(self.services.config.load().server.data_dir.join(OWNER_SOCKET));
        self.store.close().await;
    }
}

fn addresses(sockets: &[Bound]) -> Vec<SocketAddr> {
    let tcp = |socket: &Bound| match socket.endpoint() {
        Ok(Endpoint::Tcp(address)) => Some(address),
        Ok(Endpoint::Unix(_)) | Err(_) => None,
    };
    sockets.iter().filter_map(tcp).collect()
}

const SURFACES_TIMEOUT: Duration = Duration::from_secs(5);
