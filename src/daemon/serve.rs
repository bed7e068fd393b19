//! `serve`: from the config to a running daemon, its signals, and its end.

use super::composition::{Ingredients, Running};
use super::error::StartError;
use super::sockets::Sockets;
use super::{descriptors, published_keys, reload, service_manager, telemetry};
use crate::clock::Clock;
use crate::config::{self, checked::Config};
use crate::dns::Resolver;
use crate::net::listen::{self, Bound};
use crate::store::Store;
use crate::store::outgoing::{QueueOrder, QueueQuery};
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Runs the daemon of this config until SIGTERM or SIGINT.
pub fn run(config_file: &Path, queued: Queued) -> Result<(), StartError> {
    // Before anything opens a descriptor: the service manager's come by number.
    let handed_over = listen::from_systemd().map_err(StartError::Systemd)?;
    telemetry::start("info")?;
    install_crypto();
    // A bad config is told in one line, so whatever else is worth a word comes after it.
    let config = config::load(config_file)?;
    descriptors::raise_limit();
    runtime()?.block_on(serve(config_file, config, handed_over, queued))
}

/// What becomes of the mail that is queued when the daemon starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queued {
    Sent,
    /// Nothing of it goes out until it is released.
    Held,
}

/// A restored queue holds what went out after the backup: nothing of it may go twice before somebody looked.
async fn hold(store: &Store) -> Result<(), StartError> {
    let query = QueueQuery { limit: HELD_AT_ONCE, ..QueueQuery::default() };
    let mut held = 0;
    loop {
        let step = store.order(QueueOrder::Hold, query.clone()).await?;
        held += step.changed;
        if step.next.is_none() {
            break;
        }
    }
    tracing::warn!(held, "queued mail is held; replyd queue list shows it, replyd queue release lets it go");
    Ok(())
}

const HELD_AT_ONCE: usize = 1000;

/// The one provider of every TLS use in the process; a second call changes nothing.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// The runtime of the daemon.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("replyd")
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
}

async fn serve(
    config_file: &Path,
    config: Config,
    handed_over: Vec<(String, Bound)>,
    queued: Queued,
) -> Result<(), StartError> {
    let mut signals = Signals::listen()?;
    let store = Store::open(&config.server.data_dir, Clock::System)?;
    if queued == Queued::Held {
        hold(&store).await?;
    }
    let sockets = Sockets::bind(&config, handed_over)?;
    let resolver = Resolver::new(&config.dns.servers)?;
    let ingredients =
        Ingredients { config, clock: Clock::System, sockets, store, resolver: resolver.clone(), demo: None };
    let running = Running::start(ingredients)?;
    announce(&running);
    published_keys::look_at_all(running.services.config.load_full(), resolver.clone());
    let stop_watchdog = CancellationToken::new();
    let watchdog = tokio::spawn(service_manager::feed_watchdog(stop_watchdog.clone()));
    service_manager::ready("accepting mail");
    while let Asked::Reload = signals.next().await {
        service_manager::reloading();
        reload::reload(config_file, &running);
        published_keys::look_at_all(running.services.config.load_full(), resolver.clone());
        service_manager::ready("accepting mail");
    }
    service_manager::stopping();
    tracing::info!("stopping: running transfers may end, nothing new is accepted");
    running.stop().await;
    stop_watchdog.cancel();
    let _ = watchdog.await;
    tracing::info!("stopped");
    Ok(())
}

fn announce(running: &Running) {
    for (door, endpoint) in running.mail_endpoints() {
        tracing::info!(door = door.word(), %endpoint, "listening");
    }
    for address in running.http_addresses() {
        tracing::info!(door = "http", %address, "listening");
    }
    warn_of_ingresses(&running.services.config.load());
}

/// One ingress without its secret does not keep the others from taking mail, so somebody has to be told.
pub(super) fn warn_of_ingresses(config: &Config) {
    for account in &config.accounts {
        for (ingress, reason) in account.ingress.missing() {
            let account = &account.name;
            tracing::error!(
                account,
                ingress,
                reason,
                "an ingress has no secret and defers all its mail; run replyd check"
            );
        }
    }
}

/// Threads that write spill files and read large mails back: a disk takes no more at once, and each thread holds memory
/// of its own.
const BLOCKING_THREADS_MAX: usize = 16;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Reload,
    Stop,
}

/// The signals of the daemon; caught from the moment this exists.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
        }
    }
}
