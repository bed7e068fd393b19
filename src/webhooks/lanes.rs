//! What is sent next, so that each lane keeps its order and no lane keeps back another. Pure.
//!
//! Items come in one order and belong to lanes: a conversation's events, a recipient's mails. Of a lane one item is under way
//! at a time. What fails takes its lane out of the common order: the lane is in trouble, owes everything from the failed item
//! on, and is tried again in its own time, while the others go on. A receiver at which several lanes fail one after the other
//! is itself in trouble ([`Receiver`]): then one item at a time finds out whether it is back, and nothing else is tried.
//!
//! Held are a window of items not yet done and the lanes in trouble, both bounded: with too many lanes in trouble nothing new
//! is begun until one of them ends.

use super::receiver::{Permission, Receiver};
use crate::clock::UnixMs;
use crate::conversation::id::Id;
use crate::store::hooks::Trouble;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// One item as it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<K> {
    pub id: Id,
    pub lane: K,
}

/// An item to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn<K> {
    pub id: Id,
    pub lane: K,
    /// Failed ones before this.
    pub attempts: u32,
    /// Since when its lane has taken nothing, if that is in trouble.
    pub since: Option<UnixMs>,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnEnd {
    /// The receiver has it.
    Taken,
    /// Nobody will send it any more.
    GivenUp,
    Failed {
        due_at: UnixMs,
    },
    /// It fails by its own fault: it is tried elsewhere, and its lane goes on without it.
    Aside {
        due_at: UnixMs,
    },
}

/// What to find out before a lane goes on: its first item after one, up to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought<K> {
    pub lane: K,
    pub after: Id,
    pub to: Id,
}

/// What has changed since it was taken last, to be written down together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes<K> {
    pub position: Option<Id>,
    pub troubled: Vec<(K, Trouble)>,
    pub mended: Vec<K>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    UnderWay,
    Done,
}

#[derive(Debug)]
struct Slot<K> {
    id: Id,
    lane: K,
    stage: Stage,
}

/// The items of one receiver.
#[derive(Debug)]
pub struct Lanes<K> {
    /// Items at one time.
    under_way_max: usize,
    troubled_max: usize,
    loaded_to: Id,
    noted_position: Id,
    window: VecDeque<Slot<K>>,
    troubled: HashMap<K, Trouble>,
    /// Lanes that have an item under way, or wait for what follows.
    under_way: HashSet<K>,
    changed: HashSet<K>,
    pub receiver: Receiver<K>,
}

impl<K: Clone + Eq + Hash> Lanes<K> {
    /// Goes on after `position`, with the lanes that were in trouble.
    pub fn new(under_way_max: usize, position: Id, troubled: Vec<(K, Trouble)>) -> Lanes<K> {
        Lanes {
            under_way_max: under_way_max.max(1),
            troubled_max: TROUBLED_MAX,
            loaded_to: position,
            noted_position: position,
            window: VecDeque::new(),
            troubled: troubled.into_iter().collect(),
            under_way: HashSet::new(),
            changed: HashSet::new(),
            receiver: Receiver::default(),
        }
    }

    #[cfg(test)]
    fn troubled_max(self, troubled_max: usize) -> Lanes<K> {
        Lanes { troubled_max, ..self }
    }

    /// Where to load from, and how many, while there is room.
    pub fn room(&self) -> Option<(Id, usize)> {
        let room = WINDOW_MAX - self.window.len().min(WINDOW_MAX);
        (room >= WINDOW_MAX / 2).then_some((self.loaded_to, room))
    }

    /// Takes what was loaded, in order, and how far it was looked.
    pub fn offer(&mut self, items: Vec<Item<K>>, looked_to: Id) {
        for Item { id, lane } in items.into_iter().filter(|item| item.id > self.loaded_to) {
            let stage = match self.troubled.get_mut(&lane) {
                // It is behind what failed.
                Some(trouble) => {
                    if id > trouble.last {
                        trouble.last = id;
                        self.changed.insert(lane.clone());
                    }
                    Stage::Done
                }
                None => Stage::Waiting,
            };
            self.window.push_back(Slot { id, lane, stage });
        }
        self.loaded_to = self.loaded_to.max(looked_to);
        self.drop_done();
    }

    /// What to send now.
    pub fn next(&mut self, now: UnixMs) -> Option<Turn<K>> {
        let probing = match self.receiver.permission(now) {
            Permission::Everything => false,
            Permission::OneAtATime if self.under_way.is_empty() => true,
            Permission::OneAtATime | Permission::Nothing => return None,
        };
        if self.under_way.len() >= self.under_way_max {
            return None;
        }
        // Lanes that hang must not take all places, and one that never works must not be the only one that is tried.
        let fresh_first = if probing {
            self.receiver.tried_troubled_last()
        } else {
            self.troubled_under_way() * 2 >= self.under_way_max
        };
        let turn = if fresh_first {
            self.next_fresh().or_else(|| self.next_troubled(now))
        } else {
            self.next_troubled(now).or_else(|| self.next_fresh())
        };
        if let Some(turn) = &turn {
            self.receiver.note_try(turn.since.is_some());
        }
        turn
    }

    fn troubled_under_way(&self) -> usize {
        self.under_way.iter().filter(|lane| self.troubled.contains_key(*lane)).count()
    }

    fn next_troubled(&mut self, now: UnixMs) -> Option<Turn<K>> {
        let due =
            self.troubled.iter().filter(|(lane, trouble)| trouble.due_at <= now && !self.under_way.contains(*lane));
        let (lane, trouble) = due.min_by_key(|(_, trouble)| (trouble.due_at, trouble.next))?;
        let (attempts, since) = (trouble.attempts, Some(trouble.since));
        let turn = Turn { id: trouble.next, lane: lane.clone(), attempts, since };
        self.under_way.insert(turn.lane.clone());
        Some(turn)
    }

    fn next_fresh(&mut self) -> Option<Turn<K>> {
        if self.troubled.len() >= self.troubled_max {
            return None;
        }
        let under_way = &self.under_way;
        let slot =
            self.window.iter_mut().find(|slot| slot.stage == Stage::Waiting && !under_way.contains(&slot.lane))?;
        slot.stage = Stage::UnderWay;
        let turn = Turn { id: slot.id, lane: slot.lane.clone(), attempts: 0, since: None };
        self.under_way.insert(turn.lane.clone());
        Some(turn)
    }

    /// Takes the end of a turn; answers what to find out before a lane in trouble goes on ([`Lanes::follow`]).
    pub fn ended(&mut self, turn: &Turn<K>, end: TurnEnd, now: UnixMs, draw: u32) -> Option<Sought<K>> {
        match end {
            TurnEnd::Taken if self.receiver.succeeded() => self.try_troubled_at(now),
            TurnEnd::Taken | TurnEnd::GivenUp | TurnEnd::Aside { .. } => {}
            TurnEnd::Failed { .. } => self.receiver.failed(&turn.lane, now, draw),
        }
        let sought = match end {
            TurnEnd::Failed { due_at } => {
                self.trouble(turn, due_at, now);
                None
            }
            TurnEnd::Taken => self.over(turn, now),
            // What is behind it has waited as long: its lane has taken nothing all the time.
            TurnEnd::GivenUp | TurnEnd::Aside { .. } => self.over(turn, turn.since.unwrap_or(now)),
        };
        if sought.is_none() {
            self.under_way.remove(&turn.lane);
        }
        self.drop_done();
        sought
    }

    /// The receiver is back: nobody waits for what was planned while it was away.
    fn try_troubled_at(&mut self, now: UnixMs) {
        for (lane, trouble) in self.troubled.iter_mut().filter(|(_, trouble)| trouble.due_at > now) {
            trouble.due_at = now;
            self.changed.insert(lane.clone());
        }
    }

    fn trouble(&mut self, turn: &Turn<K>, due_at: UnixMs, now: UnixMs) {
        let first = Trouble { next: turn.id, last: turn.id, attempts: 0, since: now, due_at };
        let trouble = self.troubled.entry(turn.lane.clone()).or_insert(first);
        (trouble.attempts, trouble.due_at) = (trouble.attempts + 1, due_at);
        for slot in self.window.iter_mut().filter(|slot| slot.lane == turn.lane && slot.stage != Stage::Done) {
            slot.stage = Stage::Done;
            trouble.last = trouble.last.max(slot.id);
        }
        self.changed.insert(turn.lane.clone());
    }

    fn over(&mut self, turn: &Turn<K>, since: UnixMs) -> Option<Sought<K>> {
        match self.troubled.get_mut(&turn.lane) {
            Some(trouble) if trouble.last > turn.id => {
                (trouble.attempts, trouble.since) = (0, since);
                Some(Sought { lane: turn.lane.clone(), after: turn.id, to: trouble.last })
            }
            Some(_) => {
                self.mend(&turn.lane);
                None
            }
            None => {
                if let Some(slot) = self.window.iter_mut().find(|slot| slot.id == turn.id) {
                    slot.stage = Stage::Done;
                }
                None
            }
        }
    }

    fn mend(&mut self, lane: &K) {
        self.troubled.remove(lane);
        self.changed.insert(lane.clone());
    }

    /// The lane goes on with this item; without one it owes nothing any more, unless items came while it was looked for.
    pub fn follow(&mut self, sought: &Sought<K>, found: Option<Id>, now: UnixMs) -> Option<Sought<K>> {
        match (found, self.troubled.get_mut(&sought.lane)) {
            (Some(next), Some(trouble)) => {
                (trouble.next, trouble.due_at) = (next, now);
                self.changed.insert(sought.lane.clone());
            }
            (None, Some(trouble)) if trouble.last > sought.to => {
                return Some(Sought { lane: sought.lane.clone(), after: sought.to, to: trouble.last });
            }
            (None, Some(_)) => self.mend(&sought.lane),
            (_, None) => {}
        }
        self.under_way.remove(&sought.lane);
        self.drop_done();
        None
    }

    /// Gives up what waits and is older than this, where the receiver has taken nothing since then; answers how many.
    pub fn expire(&mut self, before: UnixMs) -> u64 {
        if self.receiver.failing_since().is_none_or(|since| since > before) {
            return 0;
        }
        let mut expired = 0;
        for slot in self.window.iter_mut() {
            if slot.stage == Stage::Waiting && slot.id.issued_at() < before {
                slot.stage = Stage::Done;
                expired += 1;
            }
        }
        self.drop_done();
        expired
    }

    /// When there may be something to send without anything having ended.
    pub fn wake_at(&self, now: UnixMs) -> Option<UnixMs> {
        let idle = |lane: &K| !self.under_way.contains(lane);
        let due = self.troubled.iter().filter(|(lane, _)| idle(lane)).map(|(_, trouble)| trouble.due_at);
        // What is due already waits for a place.
        due.chain(self.receiver.rests_until()).filter(|at| *at > now).min()
    }

    fn drop_done(&mut self) {
        while self.window.front().is_some_and(|slot| slot.stage == Stage::Done) {
            self.window.pop_front();
        }
    }

    /// Everything up to here is done or stands in a lane.
    fn position(&self) -> Id {
        self.window.front().map_or(self.loaded_to, |slot| Id(slot.id.0 - 1))
    }

    /// What is to be written down; whoever takes it writes it, or starts anew from what was written.
    pub fn take_changes(&mut self) -> Changes<K> {
        let position = Some(self.position()).filter(|position| *position != self.noted_position);
        self.noted_position = self.position();
        let mut changes = Changes { position, troubled: Vec::new(), mended: Vec::new() };
        for lane in self.changed.drain() {
            match self.troubled.get(&lane) {
                Some(trouble) => changes.troubled.push((lane, *trouble)),
                None => changes.mended.push(lane),
            }
        }
        changes
    }

    /// These could not be written: they are taken once more, as they stand then.
    pub fn untaken(&mut self, changes: Changes<K>) {
        if changes.position.is_some() {
            self.noted_position = Id(i64::MIN);
        }
        self.changed.extend(changes.troubled.into_iter().map(|(lane, _)| lane).chain(changes.mended));
    }
}

impl<K> Changes<K> {
    pub fn is_empty(&self) -> bool {
        self.position.is_none() && self.troubled.is_empty() && self.mended.is_empty()
    }
}

/// Items held that are not all done.
pub const WINDOW_MAX: usize = 256;
/// Lanes of one receiver that owe something; more, and nothing new is begun.
pub const TROUBLED_MAX: usize = 1000;

#[cfg(test)]
mod tests;
