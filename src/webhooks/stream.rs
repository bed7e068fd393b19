//! Sends one receiver what it is owed, until it is told to stop: loads, sends several at a time, and writes down how far it
//! came. What is written is always one moment's truth, so a crash repeats a little and loses nothing.

use super::lanes::{Changes, Item, Lanes, Sought, Turn, TurnEnd};
use super::receiver::later;
use super::services::Services;
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::retry;
use crate::store::StoreError;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// What a stream carries, and where it is written down.
pub trait Source: Send + Sync + 'static {
    type Lane: Clone + Eq + Hash + Send + Sync + 'static;

    /// What comes after an item, in order.
    fn load(&self, after: Id, limit: usize) -> impl Future<Output = Result<Page<Self::Lane>, StoreError>> + Send;
    /// The first item of a lane that is still owed.
    fn find(&self, sought: &Sought<Self::Lane>) -> impl Future<Output = Result<Option<Id>, StoreError>> + Send;
    /// One attempt.
    fn send(&self, turn: &Turn<Self::Lane>) -> impl Future<Output = Sent> + Send;
    /// After which time a receiver that takes nothing is told no more of what was never tried.
    fn expires_after(&self) -> Option<Duration>;
    /// Writes down how far the stream has come.
    fn note(&self, note: &Note<Self::Lane>) -> impl Future<Output = Result<Noted, StoreError>> + Send;
}

#[derive(Debug)]
pub struct Page<K> {
    pub items: Vec<Item<K>>,
    /// The last item looked at, wanted or not.
    pub looked_to: Id,
    /// There may be more behind it.
    pub is_full: bool,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub end: TurnEnd,
    pub words: String,
    /// The receiver wants to be left alone until then.
    pub rest_until: Option<UnixMs>,
    /// The receiver wants nothing any more.
    pub stops: bool,
}

impl Sent {
    pub fn ended(end: TurnEnd, words: String) -> Sent {
        Sent { end, words, rest_until: None, stops: false }
    }
}

/// How far a stream has come since it was noted last.
#[derive(Debug)]
pub struct Note<K> {
    pub changes: Changes<K>,
    pub delivered: u64,
    pub given_up: u64,
    pub failing_since: Option<UnixMs>,
    pub last_attempt_at: Option<UnixMs>,
    pub last_failure: Option<String>,
    pub disabled: Option<String>,
}

/// Whether a note counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    Yes,
    /// An operator moved the position meanwhile: this stream is out of date.
    Overtaken,
}

/// Runs until `stop`, or until there is nothing to do for it any more.
pub async fn run<S: Source>(services: Arc<Services>, source: Arc<S>, lanes: Lanes<S::Lane>, stop: CancellationToken) {
    let wake_at = services.clock.monotonic();
    let stream = Stream {
        services,
        source,
        lanes,
        sending: JoinSet::new(),
        turns: HashMap::new(),
        noting: JoinSet::new(),
        questions: VecDeque::new(),
        tally: Tally::default(),
        look: Look::Now,
        failures: 0,
        wake_at,
        over: false,
    };
    stream.run(stop).await;
}

/// A note, and whether it was written.
type Written<K> = (Note<K>, Result<Noted, StoreError>);

struct Stream<S: Source> {
    services: Arc<Services>,
    source: Arc<S>,
    lanes: Lanes<S::Lane>,
    sending: JoinSet<Sent>,
    /// What each of them sends.
    turns: HashMap<task::Id, Turn<S::Lane>>,
    /// One at most: a later note must not be written before an earlier one.
    noting: JoinSet<Written<S::Lane>>,
    questions: VecDeque<Sought<S::Lane>>,
    tally: Tally,
    look: Look,
    /// Store errors in a row.
    failures: u32,
    wake_at: Instant,
    over: bool,
}

/// What the next note tells beside the lanes.
#[derive(Debug, Default)]
struct Tally {
    delivered: u64,
    given_up: u64,
    last_attempt_at: Option<UnixMs>,
    last_failure: Option<String>,
    disabled: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Now,
    /// Nothing to see before a commit.
    Rest,
    /// Something was committed: at `wake_at`, so that many commits make one look.
    Soon,
    /// The store failed: not before `wake_at`.
    Trouble,
}

impl<S: Source> Stream<S> {
    async fn run(mut self, stop: CancellationToken) {
        let mut committed = self.services.store.committed();
        while !stop.is_cancelled() && !self.over {
            if self.look != Look::Trouble {
                self.work().await;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                Some(sent) = self.sending.join_next_with_id() => self.on_sent(sent),
                Some(noted) = self.noting.join_next() => self.on_noted(noted.ok()),
                Ok(()) = committed.changed(), if self.look == Look::Rest => self.look_soon(),
                () = sleep_until(self.wake_at.into()) => self.look = Look::Now,
            }
        }
        self.stop().await;
    }

    async fn work(&mut self) {
        if let Err(error) = self.load().await {
            return self.on_store_error(&error);
        }
        let now = self.services.clock.now();
        while let Some(turn) = self.lanes.next(now) {
            let (source, sent) = (Arc::clone(&self.source), turn.clone());
            let handle = self.sending.spawn(async move { source.send(&sent).await });
            self.turns.insert(handle.id(), turn);
        }
        self.begin_note();
        if self.look != Look::Soon {
            let wait = self.lanes.wake_at(now).map_or(POLL, |at| wait_between(now, at).min(POLL));
            self.wake_at = self.services.clock.monotonic() + wait;
        }
    }

    /// Answers what lanes wait for, and fills the window.
    async fn load(&mut self) -> Result<(), StoreError> {
        while let Some(sought) = self.questions.front() {
            let found = self.source.find(sought).await?;
            let Some(sought) = self.questions.pop_front() else { break };
            self.questions.extend(self.lanes.follow(&sought, found, self.services.clock.now()));
        }
        while self.look == Look::Now {
            let Some((after, room)) = self.lanes.room() else { return Ok(()) };
            let page = self.source.load(after, room).await?;
            self.failures = 0;
            self.lanes.offer(page.items, page.looked_to);
            if !page.is_full {
                self.look = Look::Rest;
            }
        }
        Ok(())
    }

    fn look_soon(&mut self) {
        self.look = Look::Soon;
        self.wake_at = self.wake_at.min(self.services.clock.monotonic() + PAUSE);
    }

    fn on_sent(&mut self, sent: Result<(task::Id, Sent), JoinError>) {
        let (id, sent) = match sent {
            Ok((id, sent)) => (id, Ok(sent)),
            Err(error) => (error.id(), Err(error)),
        };
        let (Some(turn), now) = (self.turns.remove(&id), self.services.clock.now()) else { return };
        let sent = sent.unwrap_or_else(|error| self.broken(&error, now));
        self.tally.last_attempt_at = Some(now);
        match sent.end {
            TurnEnd::Taken => self.tally.delivered += 1,
            TurnEnd::GivenUp => self.tally.given_up += 1,
            TurnEnd::Failed { .. } | TurnEnd::Aside { .. } => {}
        }
        if let Some(until) = sent.rest_until {
            self.lanes.receiver.rest(until);
        }
        self.questions.extend(self.lanes.ended(&turn, sent.end, now, self.services.draw()));
        if let (TurnEnd::Failed { .. }, Some(life)) = (sent.end, self.source.expires_after()) {
            let life = i64::try_from(life.as_millis()).unwrap_or(i64::MAX / 2);
            self.tally.given_up += self.lanes.expire(UnixMs(now.0 - life));
        }
        if sent.stops {
            self.tally.disabled = Some(sent.words.clone());
            self.over = true;
        }
        if sent.end != TurnEnd::Taken {
            self.tally.last_failure = Some(sent.words);
        }
    }

    fn broken(&self, error: &JoinError, now: UnixMs) -> Sent {
        self.services.counters.panics.inc();
        tracing::error!(%error, "sending over HTTP ended in a panic; this is a defect of replyd: please report it");
        let due_at = later(now, AFTER_PANIC);
        Sent::ended(TurnEnd::Failed { due_at }, "an internal error; the log has it".to_owned())
    }

    fn begin_note(&mut self) {
        if !self.noting.is_empty() {
            return;
        }
        let note = self.take_note();
        if note.changes.is_empty() && note.last_attempt_at.is_none() {
            return;
        }
        let source = Arc::clone(&self.source);
        self.noting.spawn(async move {
            let noted = source.note(&note).await;
            (note, noted)
        });
    }

    fn take_note(&mut self) -> Note<S::Lane> {
        let Tally { delivered, given_up, last_attempt_at, last_failure, disabled } = std::mem::take(&mut self.tally);
        let failing_since = self.lanes.receiver.failing_since();
        let changes = self.lanes.take_changes();
        Note { changes, delivered, given_up, failing_since, last_attempt_at, last_failure, disabled }
    }

    fn on_noted(&mut self, noted: Option<Written<S::Lane>>) {
        let Some((note, noted)) = noted else { return };
        match noted {
            Ok(Noted::Yes) => {}
            Ok(Noted::Overtaken) => self.over = true,
            Err(error) => {
                self.give_back(note);
                self.on_store_error(&error);
            }
        }
    }

    fn give_back(&mut self, note: Note<S::Lane>) {
        self.lanes.untaken(note.changes);
        self.tally.delivered += note.delivered;
        self.tally.given_up += note.given_up;
        self.tally.last_attempt_at = self.tally.last_attempt_at.or(note.last_attempt_at);
        self.tally.last_failure = self.tally.last_failure.take().or(note.last_failure);
        self.tally.disabled = self.tally.disabled.take().or(note.disabled);
    }

    fn on_store_error(&mut self, error: &StoreError) {
        self.failures += 1;
        let pause = retry::wait(retry::FILING, self.failures);
        tracing::warn!(%error, ?pause, "sending over HTTP waits for the store");
        self.look = Look::Trouble;
        self.wake_at = self.services.clock.monotonic() + pause;
    }

    /// What is under way may end within the drain time; then what is known is written down.
    async fn stop(mut self) {
        // What is out of date, or wanted by nobody, is not waited for.
        let drain = if self.over { Duration::ZERO } else { self.services.config.load().limits.drain_timeout };
        let until = self.services.clock.monotonic() + drain;
        while let Ok(Some(sent)) = tokio::time::timeout_at(until.into(), self.sending.join_next_with_id()).await {
            self.on_sent(sent);
        }
        self.sending.abort_all();
        let write = async {
            while let Some(noted) = self.noting.join_next().await {
                self.on_noted(noted.ok());
            }
            self.begin_note();
            self.noting.join_next().await;
        };
        if tokio::time::timeout(NOTING_MAX, write).await.is_err() {
            tracing::warn!("how far sending over HTTP came could not be written: the next start repeats some of it");
        }
    }
}

fn wait_between(now: UnixMs, due: UnixMs) -> Duration {
    Duration::from_millis(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0))
}

/// A lost announcement, a clock that jumped or a suspended machine delays by this at most.
const POLL: Duration = Duration::from_secs(30);
/// Many commits make one look.
const PAUSE: Duration = Duration::from_millis(20);
const AFTER_PANIC: Duration = Duration::from_secs(600);
const NOTING_MAX: Duration = Duration::from_secs(5);
