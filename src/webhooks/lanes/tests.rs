//! Order, fairness and restarts, case by case and against any receiver.

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
    let mut lanes = Lanes::new(4, Id(9), ["a", "b", "c", "d"].map(|lane| (lane, trouble_of(1))).to_vec());
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
        let (id, lane) =
            (i64::try_from(self.items.len()).expect("it fits") + 1, u8::try_from(self.draw(7)).expect("it fits"));
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
                let index = usize::try_from(self.draw(under_way.len() as u64)).expect("it fits");
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
        let draw = u32::try_from(self.draw(u64::from(u32::MAX))).expect("it fits");
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
