//! What a site is given, and when it is left alone.

use super::*;

fn sites() -> (Sites, UnixMs) {
    (Sites::new(Budget { connections: 8, per_site: 4, per_minute: None }), UnixMs(0))
}

fn seconds(time: UnixMs) -> i64 {
    (time.0 + 500).div_euclid(1000)
}

fn places(sites: &mut Sites, name: &str, now: UnixMs) -> usize {
    (0..100).take_while(|_| sites.admit(name, now) == Admission::Now).count()
}

#[test]
fn a_site_gains_with_what_it_takes_and_loses_half_when_it_complains() {
    let (mut sites, now) = sites();
    assert_eq!(places(&mut sites, "a", now), 1);
    for expected in [2, 2, 2, 1] {
        sites.ended("a", SiteNews::Took, now, 0);
        assert_eq!(places(&mut sites, "a", now), expected, "four at most");
    }
    sites.ended("a", SiteNews::SlowDown, now, u32::MAX / 2);
    let Admission::Rests(until) = sites.admit("a", now) else { panic!("it rests") };
    assert_eq!(seconds(until), 15);
    for _ in 0..3 {
        sites.ended("a", SiteNews::Answered, now, 0);
    }
    assert!(matches!(sites.admit("a", now), Admission::Rests(_)), "what ran before says nothing of what is too much");
    assert_eq!(places(&mut sites, "a", later(now, Duration::from_secs(20))), 2);
}

#[test]
fn a_dead_site_rests_longer_each_time() {
    let (mut sites, mut now) = sites();
    for expected in [15, 60, 300, 900, 900] {
        assert_eq!(places(&mut sites, "dead", now), 1);
        sites.ended("dead", SiteNews::Unreachable, now, u32::MAX / 2);
        let awake = sites.next_awake(now).expect("it rests");
        assert_eq!(seconds(awake) - seconds(now), expected);
        now = awake;
    }
}

#[test]
fn a_site_that_is_woken_is_tried_at_once_and_rests_longer_if_nothing_is_better() {
    let (mut sites, now) = sites();
    assert_eq!(places(&mut sites, "dead", now), 1);
    sites.ended("dead", SiteNews::Unreachable, now, u32::MAX / 2);
    assert_eq!(places(&mut sites, "dead", now), 0);
    sites.wake("dead");
    assert_eq!(places(&mut sites, "dead", now), 1);
    sites.ended("dead", SiteNews::Unreachable, now, u32::MAX / 2);
    assert_eq!(sites.next_awake(now).map(seconds), Some(60));
    sites.wake_all();
    assert_eq!(sites.next_awake(now), None);
}

#[test]
fn a_minute_takes_as_many_mails_as_the_config_says() {
    let now = UnixMs(1_000);
    let mut sites = Sites::new(Budget { connections: 8, per_site: 4, per_minute: Some(3) });
    sites.learn("one.example", "a", now);
    for _ in 0..3 {
        assert_eq!(sites.admit("a", now), Admission::Now);
        sites.ended("a", SiteNews::Took, now, 0);
    }
    let next = later(now, MINUTE);
    assert_eq!(sites.admit("a", now), Admission::Rests(next));
    assert_eq!((sites.busy_domains(now).count(), sites.next_awake(now)), (1, Some(next)));
    assert_eq!(sites.admit("b", now), Admission::Now, "each site for itself");
    assert_eq!(sites.admit("a", next), Admission::Now);
}

#[test]
fn hosts_that_hang_leave_room_for_those_that_take_mail() {
    let (mut sites, now) = sites();
    assert_eq!(sites.admit("honest", now), Admission::Now);
    sites.ended("honest", SiteNews::Took, now, 0);
    let hanging = (0..100).filter(|n| sites.admit(&format!("hang{n}"), now) == Admission::Now).count();
    assert_eq!(hanging, 6);
    assert_eq!(places(&mut sites, "honest", now), 2);
    assert_eq!(sites.running, 8);
    assert_eq!(sites.admit("hang0", now), Admission::Full);
    assert_eq!(sites.admit("new", now), Admission::Crowded);
}

#[test]
fn domains_of_a_site_that_is_laden_or_rests_are_left_out() {
    let (mut sites, now) = sites();
    for domain in ["one.example", "two.example", "one.example"] {
        sites.learn(domain, "mx", now);
    }
    sites.learn("else.example", "other", now);
    let busy = |sites: &Sites, now| sites.busy_domains(now).cloned().collect::<Vec<_>>();
    assert_eq!(busy(&sites, now), Vec::<String>::new());
    sites.admit("mx", now);
    sites.waits("mx", now);
    assert_eq!(busy(&sites, now), ["one.example", "two.example"]);
    sites.waits_no_more("mx");
    assert!(busy(&sites, now).is_empty());
    sites.ended("mx", SiteNews::Unreachable, now, 0);
    assert_eq!(busy(&sites, now).len(), 2);
    assert!(busy(&sites, later(now, Duration::from_secs(60))).is_empty());
}

#[test]
fn what_is_known_of_sites_is_bounded() {
    let (mut sites, now) = sites();
    for n in 0..SITES_MAX + 10 {
        sites.learn(&format!("{n}.example"), &format!("mx{n}"), now);
    }
    assert!(sites.sites.len() <= SITES_MAX);
}
