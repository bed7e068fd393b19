//! Has a stream running for each subscription and each bridge that there is, and replaces it when what it goes by changes:
//! the config, a subscription, or an operator's wish. An old stream has ended before the new one begins, so that no lane is
//! served twice.

use super::services::Services;
use super::{aside, bridge, stream, subscriber};
use crate::config::checked::{Config, Webhook};
use crate::conversation::id::Id;
use crate::net::https::Reach;
use crate::store::StoreError;
use crate::store::hooks::{BridgeName, ConfiguredSubscription, Subscription};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{self, JoinError, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// The running stage.
#[derive(Debug)]
pub struct Handle {
    task: JoinHandle<()>,
}

impl Handle {
    /// Returns when the stage has ended after `shutdown`: what was under way had the drain time.
    pub async fn ended(self) {
        let _ = self.task.await;
    }
}

/// Starts sending on the current runtime, until `shutdown`.
pub fn start(services: Arc<Services>, shutdown: CancellationToken) -> Handle {
    let supervisor = Supervisor {
        services,
        running: HashMap::new(),
        ending: HashSet::new(),
        ended: JoinSet::new(),
        keys: HashMap::new(),
        synced: None,
    };
    Handle { task: tokio::spawn(supervisor.run(shutdown)) }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Subscription(Id),
    Bridge(BridgeName),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Setting {
    Subscription(subscriber::Setting),
    Bridge(bridge::Setting),
}

struct Running {
    setting: Setting,
    stop: CancellationToken,
}

struct Supervisor {
    services: Arc<Services>,
    running: HashMap<Key, Running>,
    /// Told to stop, and not yet at their end.
    ending: HashSet<Key>,
    ended: JoinSet<()>,
    keys: HashMap<task::Id, Key>,
    /// The config whose subscriptions the store has.
    synced: Option<Arc<Config>>,
}

impl Supervisor {
    async fn run(mut self, shutdown: CancellationToken) {
        let (mut changed, mut reloaded) = (self.services.store.hooks_changed(), self.services.reloads.subscribe());
        while !shutdown.is_cancelled() {
            let asked = *changed.borrow_and_update();
            reloaded.borrow_and_update();
            if let Err(error) = self.refresh(asked).await {
                tracing::warn!(%error, "webhooks and bridges cannot be looked over; it is tried again");
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                Some(ended) = self.ended.join_next_with_id() => self.on_ended(ended),
                Ok(()) = changed.changed() => {}
                Ok(()) = reloaded.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        self.running.values().for_each(|running| running.stop.cancel());
        while self.ended.join_next().await.is_some() {}
    }

    /// One that ended by itself is started again if it is still wanted.
    fn on_ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(error) => {
                self.services.counters.panics.inc();
                tracing::error!(%error, "a stream of webhooks or mail ended in a panic; this is a defect of replyd: please report it");
                error.id()
            }
        };
        let Some(key) = self.keys.remove(&id) else { return };
        if !self.ending.remove(&key) {
            self.running.remove(&key);
        }
    }

    async fn refresh(&mut self, asked: u64) -> Result<(), StoreError> {
        let config = self.services.config.load_full();
        if !self.synced.as_ref().is_some_and(|synced| Arc::ptr_eq(synced, &config)) {
            self.services.store.sync_subscriptions(configured(&config)).await?;
            self.synced = Some(Arc::clone(&config));
        }
        let subscriptions = self.services.store.subscriptions(None).await?;
        let mut wanted: HashMap<Key, Setting> = bridges(&config, asked).collect();
        wanted.extend(subscriptions.iter().filter_map(|subscription| of_subscription(subscription, &config)));
        self.stop_others(&wanted);
        for (key, setting) in wanted {
            if !self.running.contains_key(&key) && !self.ending.contains(&key) {
                self.start(key, setting);
            }
        }
        Ok(())
    }

    fn stop_others(&mut self, wanted: &HashMap<Key, Setting>) {
        let ending = &mut self.ending;
        self.running.retain(|key, running| {
            let stays = wanted.get(key) == Some(&running.setting);
            if !stays {
                running.stop.cancel();
                ending.insert(key.clone());
            }
            stays
        });
    }

    fn start(&mut self, key: Key, setting: Setting) {
        let stop = CancellationToken::new();
        self.running.insert(key.clone(), Running { setting: setting.clone(), stop: stop.clone() });
        let services = Arc::clone(&self.services);
        let task = async move {
            if let Err(error) = serve(services, setting, stop.clone()).await {
                tracing::warn!(%error, "what a webhook or bridge owes cannot be read; it is tried again");
                let _ = tokio::time::timeout(AFTER_ERROR, stop.cancelled()).await;
            }
        };
        self.keys.insert(self.ended.spawn(task).id(), key);
    }
}

async fn serve(services: Arc<Services>, setting: Setting, stop: CancellationToken) -> Result<(), StoreError> {
    match setting {
        Setting::Subscription(setting) => {
            let (source, lanes) = subscriber::Subscriber::load(Arc::clone(&services), setting).await?;
            stream::run(services, Arc::new(source), lanes, stop).await;
        }
        Setting::Bridge(setting) => {
            let (source, lanes) = bridge::Bridge::load(Arc::clone(&services), setting).await?;
            let source = Arc::new(source);
            let aside = aside::run(Arc::clone(&services), Arc::clone(&source), stop.clone());
            tokio::join!(stream::run(services, source, lanes, stop), aside);
        }
    }
    Ok(())
}

fn configured(config: &Config) -> Vec<ConfiguredSubscription> {
    let of = |account: &str, hook: &Webhook| ConfiguredSubscription {
        account: account.to_owned(),
        url: hook.url.to_string(),
        events: hook.events.clone(),
        allow_private: hook.allow_private,
    };
    let accounts = config.accounts.iter();
    accounts.flat_map(|account| account.webhooks.iter().map(move |hook| of(&account.name, hook))).collect()
}

fn bridges(config: &Config, asked: u64) -> impl Iterator<Item = (Key, Setting)> + '_ {
    config.accounts.iter().flat_map(move |account| {
        let own = account.bridge.iter().map(|bridge| (None, bridge));
        let of_inboxes = account.inboxes.iter().filter_map(|inbox| Some((Some(&inbox.name), inbox.bridge.as_ref()?)));
        own.chain(of_inboxes).map(move |(inbox, bridge)| {
            let name = BridgeName { account: account.name.clone(), inbox: inbox.cloned() };
            let setting = bridge::Setting { name: name.clone(), bridge: bridge.clone(), asked };
            (Key::Bridge(name), Setting::Bridge(setting))
        })
    })
}

/// `None` for one that tells nothing any more.
fn of_subscription(subscription: &Subscription, config: &Config) -> Option<(Key, Setting)> {
    if subscription.disabled.is_some() {
        return None;
    }
    let target = subscription.url.parse().ok()?;
    let of_config = || {
        let account = config.accounts.iter().find(|account| account.name == subscription.account)?;
        account.webhooks.iter().find(|hook| hook.url == target).map(|hook| hook.secret.clone())
    };
    let setting = subscriber::Setting {
        id: subscription.id,
        account: subscription.account.clone(),
        secret: subscription.secret.clone().map(Into::into).or_else(of_config)?,
        reach: Reach::of(subscription.allow_private),
        events: subscription.events.clone(),
        generation: subscription.generation,
        target,
    };
    Some((Key::Subscription(subscription.id), Setting::Subscription(setting)))
}

/// A lost announcement delays a change by this at most.
const POLL: Duration = Duration::from_secs(30);
const AFTER_ERROR: Duration = Duration::from_secs(1);
