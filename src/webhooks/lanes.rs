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
        let fresh_first =
            if probing { self.receiver.tried_troubled_last() } else { self.troubled_under_way() * 2 >= self.under_way_max };
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
        let due = self.troubled.iter().filter(|(lane, trouble)| trouble.due_at <= now && !self.under_way.contains(*lane));
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
            TurnEnd::Taken | TurnEnd::GivenUp => {}
            TurnEnd::Failed { .. } => self.receiver.failed(&turn.lane, now, draw),
        }
        let sought = match end {
            TurnEnd::Failed { due_at } => {
                self.trouble(turn, due_at, now);
                None
            }
            TurnEnd::Taken => self.over(turn, now),
            // What is behind it has waited as long: its lane has taken nothing all the time.
            TurnEnd::GivenUp => self.over(turn, turn.since.unwrap_or(now)),
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
mod tests {
    use super::*;

    type Named = (i64, &'static str);

    fn items(named: &[Named]) -> Vec<Item<&'static str>> {
        named.iter().map(|(id, lane)| Item { id: Id(*id), lane: *lane }).collect()
    }

    fn lanes(under_way: usize, named: &[Named]) -> Lanes<&'static str> {
        let mut lanes = Lanes::new(under_way, Id(0), Vec::new());
        lanes.offer(items(named), Id(named.last().map_or(0, |(id, _)| *id)));
        lanes
    }

    fn all_next(lanes: &mut Lanes<&'static str>, now: i64) -> Vec<i64> {
        std::iter::from_fn(|| lanes.next(UnixMs(now))).map(|turn| turn.id.0).collect()
    }

    fn turn(id: i64, lane: &'static str, attempts: u32) -> Turn<&'static str> {
        Turn { id: Id(id), lane, attempts, since: (attempts > 0).then_some(UnixMs(0)) }
    }

    fn fails(lanes: &mut Lanes<&'static str>, turn: &Turn<&'static str>, due: i64) {
        assert_eq!(lanes.ended(turn, TurnEnd::Failed { due_at: UnixMs(due) }, UnixMs(0), 0), None);
    }

    #[test]
    fn a_lane_keeps_its_order_and_others_go_beside_it() {
        let mut lanes = lanes(3, &[(1, "a"), (2, "a"), (3, "b"), (4, "a"), (5, "c"), (6, "d")]);
        assert_eq!(all_next(&mut lanes, 0), [1, 3, 5]);
        lanes.ended(&turn(1, "a", 0), TurnEnd::Taken, UnixMs(0), 0);
        assert_eq!(all_next(&mut lanes, 0), [2]);
        assert_eq!(lanes.take_changes().position, Some(Id(1)));
        lanes.ended(&turn(5, "c", 0), TurnEnd::Taken, UnixMs(0), 0);
        assert_eq!((lanes.take_changes().position, all_next(&mut lanes, 0)), (None, vec![6]));
    }

    #[test]
    fn what_fails_leaves_the_common_order_and_keeps_its_own() {
        let mut lanes = lanes(2, &[(1, "a"), (2, "a"), (3, "b"), (4, "a")]);
        assert_eq!(all_next(&mut lanes, 0), [1, 3]);
        fails(&mut lanes, &turn(1, "a", 0), 10);
        lanes.ended(&turn(3, "b", 0), TurnEnd::Taken, UnixMs(0), 0);
        let owed = Trouble { next: Id(1), last: Id(4), attempts: 1, since: UnixMs(0), due_at: UnixMs(10) };
        let changes = lanes.take_changes();
        assert_eq!((changes.position, changes.troubled), (Some(Id(4)), vec![("a", owed)]));
        assert_eq!(all_next(&mut lanes, 9), Vec::<i64>::new());
        assert_eq!(lanes.wake_at(UnixMs(9)), Some(UnixMs(10)));
        assert_eq!(all_next(&mut lanes, 10), [1]);
        let sought = lanes.ended(&turn(1, "a", 1), TurnEnd::Taken, UnixMs(10), 0).expect("more is owed");
        assert_eq!(sought, Sought { lane: "a", after: Id(1), to: Id(4) });
        lanes.offer(items(&[(5, "a"), (6, "b")]), Id(6));
        assert_eq!(all_next(&mut lanes, 10), [6], "its lane waits for the answer");
        assert_eq!(lanes.follow(&sought, Some(Id(2)), UnixMs(10)), None);
        assert_eq!(all_next(&mut lanes, 10), [2]);
        let sought = lanes.ended(&turn(2, "a", 0), TurnEnd::Taken, UnixMs(10), 0).expect("more is owed");
        let again = lanes.follow(&Sought { to: Id(4), ..sought }, None, UnixMs(10)).expect("something came meanwhile");
        assert_eq!(again, Sought { lane: "a", after: Id(4), to: Id(5) });
        assert_eq!(lanes.follow(&again, Some(Id(5)), UnixMs(10)), None);
        assert_eq!(all_next(&mut lanes, 10), [5]);
        assert_eq!(lanes.ended(&turn(5, "a", 0), TurnEnd::Taken, UnixMs(10), 0), None);
        assert_eq!(lanes.take_changes().mended, ["a"]);
    }

    #[test]
    fn a_receiver_that_takes_nothing_is_asked_with_one_item_at_a_time() {
        let mut lanes = lanes(4, &[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f")]);
        assert_eq!(all_next(&mut lanes, 0).len(), 4);
        for (id, lane) in [(1, "a"), (2, "b"), (3, "c"), (4, "d")] {
            fails(&mut lanes, &turn(id, lane, 0), 5);
        }
        assert_eq!(all_next(&mut lanes, 5), Vec::<i64>::new(), "it rests");
        let rested = lanes.wake_at(UnixMs(5)).expect("a rest has an end").0;
        assert_eq!(all_next(&mut lanes, rested), [1]);
        fails(&mut lanes, &turn(1, "a", 1), 5);
        let rested = 10 * 60_000;
        assert_eq!(all_next(&mut lanes, rested), [5], "a new one: a lane that never works is not the only one");
        assert_eq!(lanes.ended(&turn(5, "e", 0), TurnEnd::Taken, UnixMs(rested), 0), None);
        assert_eq!(all_next(&mut lanes, rested).len(), 4, "it is back");
    }

    #[test]
    fn lanes_that_hang_take_half_of_the_places() {
        let mut lanes = Lanes::new(
            4,
            Id(9),
            ["a", "b", "c", "d"].map(|lane| (lane, trouble_of(1))).to_vec(),
        );
        lanes.offer(items(&[(10, "x"), (11, "y"), (12, "z")]), Id(12));
        let taken: Vec<_> = std::iter::from_fn(|| lanes.next(UnixMs(100))).map(|turn| turn.lane).collect();
        assert_eq!(taken.iter().filter(|lane| ["x", "y", "z"].contains(lane)).count(), 2, "{taken:?}");
        assert_eq!(taken.len(), 4);
    }

    fn trouble_of(id: i64) -> Trouble {
        Trouble { next: Id(id), last: Id(id), attempts: 3, since: UnixMs(0), due_at: UnixMs(0) }
    }

    #[test]
    fn with_too_many_lanes_in_trouble_nothing_new_begins() {
        let troubled = vec![("a", trouble_of(1)), ("b", trouble_of(2))];
        let mut lanes = Lanes::new(9, Id(9), troubled).troubled_max(2);
        lanes.offer(items(&[(10, "x")]), Id(10));
        assert_eq!(all_next(&mut lanes, 0), [1, 2]);
        assert_eq!(lanes.ended(&turn(1, "a", 3), TurnEnd::GivenUp, UnixMs(0), 0), None);
        assert_eq!(all_next(&mut lanes, 0), [10]);
    }

    #[test]
    fn what_waits_is_given_up_only_when_the_receiver_took_nothing_for_so_long() {
        let day = 86_400_000;
        let old = Id::first_of(UnixMs(day)).0;
        let mut lanes = lanes(1, &[(old, "a"), (old + 1, "b"), (old + 2, "c")]);
        assert_eq!(all_next(&mut lanes, 0), [old]);
        assert_eq!(lanes.expire(UnixMs(2 * day)), 0, "it has not failed");
        lanes.ended(&turn(old, "a", 0), TurnEnd::Failed { due_at: UnixMs(9 * day) }, UnixMs(3 * day), 0);
        assert_eq!(lanes.expire(UnixMs(2 * day)), 0, "it failed later");
        assert_eq!(lanes.expire(UnixMs(4 * day)), 2);
        assert_eq!(lanes.take_changes().position, Some(Id(old + 2)));
    }

    /// Any receiver, any crash: every item arrives, and none before the ones before it in its lane.
    #[test]
    fn nothing_is_lost_or_out_of_order_whatever_fails_and_whenever_it_is_killed() {
        for seed in 1..200 {
            World::new(seed).run();
        }
    }

    struct World {
        draw: u64,
        items: Vec<(Id, u8)>,
        /// What is on disk.
        position: Id,
        owed: HashMap<u8, Trouble>,
        arrived: Vec<(Id, u8)>,
        now: i64,
    }

    impl World {
        fn new(seed: u64) -> World {
            let (items, owed) = (Vec::new(), HashMap::new());
            World { draw: seed, items, position: Id(0), owed, arrived: Vec::new(), now: 0 }
        }

        fn draw(&mut self, below: u64) -> u64 {
            self.draw = self.draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.draw >> 33) % below
        }

        fn happens(&mut self) {
            let (id, lane) = (i64::try_from(self.items.len()).unwrap() + 1, u8::try_from(self.draw(7)).unwrap());
            self.items.push((Id(id), lane));
        }

        fn note(&mut self, lanes: &mut Lanes<u8>) {
            let changes = lanes.take_changes();
            self.position = changes.position.unwrap_or(self.position);
            self.owed.extend(changes.troubled);
            self.owed.retain(|lane, _| !changes.mended.contains(lane));
        }

        fn run(mut self) {
            let mut restarts = 0;
            loop {
                let mut lanes = Lanes::new(3, self.position, self.owed.clone().into_iter().collect());
                let killed = self.live(&mut lanes, restarts);
                restarts += 1;
                if !killed {
                    return self.check();
                }
            }
        }

        /// Until it is killed or everything arrived.
        fn live(&mut self, lanes: &mut Lanes<u8>, restarts: u32) -> bool {
            let mut under_way: Vec<Turn<u8>> = Vec::new();
            loop {
                self.now += 1000;
                if self.items.len() < 300 {
                    (0..self.draw(4)).for_each(|_| self.happens());
                }
                if restarts < 5 && self.draw(60) == 0 {
                    return true;
                }
                if let Some((after, limit)) = lanes.room() {
                    let page = self.items.iter().filter(|(id, _)| *id > after).take(limit.min(5));
                    let page: Vec<Item<u8>> = page.map(|(id, lane)| Item { id: *id, lane: *lane }).collect();
                    let to = page.last().map_or(after, |item| item.id);
                    lanes.offer(page, to);
                }
                under_way.extend(std::iter::from_fn(|| lanes.next(UnixMs(self.now))));
                if !under_way.is_empty() {
                    let index = usize::try_from(self.draw(under_way.len() as u64)).unwrap();
                    let turn = under_way.swap_remove(index);
                    self.end(lanes, &turn);
                }
                if self.draw(3) == 0 {
                    self.note(lanes);
                }
                let all = self.items.last().is_some_and(|(id, _)| *id == self.position);
                if self.items.len() >= 300 && under_way.is_empty() && all && self.owed.is_empty() {
                    return false;
                }
            }
        }

        fn end(&mut self, lanes: &mut Lanes<u8>, turn: &Turn<u8>) {
            let sick = [70, 20, 20, 20, 20, 20, 20][usize::from(turn.lane)];
            let failed = self.draw(100) < sick || (self.now / 100_000 % 4 == 1 && self.now < 2_000_000);
            let end = if failed {
                TurnEnd::Failed { due_at: UnixMs(self.now + 2000) }
            } else {
                self.arrived.push((turn.id, turn.lane));
                TurnEnd::Taken
            };
            let draw = u32::try_from(self.draw(u64::from(u32::MAX))).unwrap();
            let mut sought = lanes.ended(turn, end, UnixMs(self.now), draw);
            while let Some(question) = sought {
                let mut owed = self.items.iter().filter(|(id, lane)| *lane == question.lane && *id > question.after);
                let found = owed.next().map(|(id, _)| *id).filter(|id| *id <= question.to);
                sought = lanes.follow(&question, found, UnixMs(self.now));
            }
        }

        fn check(&self) {
            let mut reached: HashMap<u8, usize> = HashMap::new();
            for (id, lane) in &self.arrived {
                let of_lane: Vec<Id> = self.items.iter().filter(|(_, l)| l == lane).map(|(id, _)| *id).collect();
                let place = of_lane.iter().position(|known| known == id).expect("an item that was sent");
                let next = reached.entry(*lane).or_default();
                assert!(place <= *next, "lane {lane}: {id:?} came before the one before it");
                *next = (*next).max(place + 1);
            }
            let arrived: HashSet<Id> = self.arrived.iter().map(|(id, _)| *id).collect();
            assert_eq!(arrived.len(), self.items.len(), "every item");
        }
    }
}
