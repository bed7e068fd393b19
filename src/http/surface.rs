//! What every handler may use.

use crate::clock::Clock;
use crate::config::checked::{Account, Config};
use crate::http::desk::DeskDoor;
use crate::http::error::ApiError;
use crate::http::ingress::WrongDoors;
use crate::http::live::Live;
use crate::http::metrics::Metrics;
use crate::http::page::mailboxes::DemoPages;
use crate::http::places::Places;
use crate::http::widget::WidgetDoor;
use crate::inbound::Services;
use crate::net::permits::{ContentBudget, Slots};
use crate::store::Store;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Handlers get a clone each; all share it.
#[derive(Clone)]
pub struct Surface {
    pub store: Store,
    /// Swapped by a reload.
    pub config: Arc<ArcSwap<Config>>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    /// Untrusted HTML and attachments are read on the blocking pool, by so many at once: each costs CPU and memory
    /// in proportion to a mail.
    pub mail_readers: Arc<Semaphore>,
    /// Bodies with files are held in memory whole: so many at once.
    pub large_bodies: Arc<Semaphore>,
    /// The doors for mail: ingresses bring theirs to it.
    pub inbound: Arc<Services>,
    /// What requests to ingresses hold in memory.
    pub request_memory: Arc<ContentBudget>,
    /// What requests to ingresses have sent before they have proven anything.
    pub unproven_content: Arc<ContentBudget>,
    /// Bounds what the log says of requests to ingresses that are not there.
    pub wrong_doors: Arc<WrongDoors>,
    /// Places for those who listen to events.
    pub places: Places,
    /// Calls that are being answered, by client.
    pub calls_in_hand: Arc<Slots>,
    /// What bounds signing in at the desk.
    pub desk: Arc<DeskDoor>,
    /// What bounds visitors, and who of them is connected.
    pub widget: Arc<WidgetDoor>,
    /// Hands what happens to those who listen.
    pub live: Live,
    /// Ends what would answer for ever.
    pub stop: CancellationToken,
    /// What the demo's pages show; `None` outside the demo.
    pub demo: Option<DemoPages>,
}

impl Surface {
    pub fn new(inbound: Arc<Services>, metrics: Arc<Metrics>) -> Surface {
        Surface {
            store: inbound.store.clone(),
            config: Arc::clone(&inbound.config),
            clock: inbound.clock.clone(),
            desk: Arc::new(DeskDoor::new(inbound.clock.monotonic())),
            widget: Arc::new(WidgetDoor::new(inbound.clock.monotonic())),
            inbound,
            request_memory: Arc::default(),
            unproven_content: Arc::default(),
            wrong_doors: Arc::default(),
            metrics,
            mail_readers: Arc::new(Semaphore::new(MAIL_READERS)),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
            places: Places::default(),
            calls_in_hand: Arc::default(),
            live: Live::default(),
            stop: CancellationToken::new(),
            demo: None,
        }
    }

    /// As [`Surface::account`]; a caller that names another is told so.
    pub fn known_account(&self, name: &str) -> Result<Account, ApiError> {
        self.account(name).ok_or_else(|| ApiError::invalid("account", &format!("{name:?} is not in the config")))
    }

    /// A copy of the account of this name.
    pub fn account(&self, name: &str) -> Option<Account> {
        self.config.load().accounts.iter().find(|account| account.name == name).cloned()
    }
}

const MAIL_READERS: usize = 4;
const LARGE_BODIES: usize = 2;
