//! How many mails a site is given at a time, and which site waits. A site is what `route` calls so: the hosts that share a
//! budget, whatever number of domains they serve.
//!
//! A site starts with one connection, gains one with each mail it takes and loses half when it says "too much". A site
//! that does not answer, or says so again, rests. Sites that have not taken a mail yet leave a quarter of all connections
//! to those that have, so that hosts which only ever hang do not hold everything. Pure: the time is an argument.

use super::schedule::later;
use crate::clock::UnixMs;
use crate::retry;
use std::collections::HashMap;
use std::time::Duration;

/// What sites may have at a time, as the config says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub connections: usize,
    pub per_site: usize,
}

/// What an attempt says of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteNews {
    /// It took a mail.
    Took,
    /// It answered; what it said concerns the mail.
    Answered,
    /// It wants less: 421, 4.7.x.
    SlowDown,
    /// No host of it could be spoken to.
    Unreachable,
    /// The attempt never came to speak to it.
    Unasked,
}

/// Whether a mail may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Now,
    /// When one of the site's own attempts ends.
    Full,
    /// When an attempt of any site ends.
    Crowded,
    /// Not before.
    Rests(UnixMs),
}

#[derive(Debug)]
pub struct Sites {
    budget: Budget,
    sites: HashMap<String, Site>,
    /// Running attempts in all, and those at sites that have not taken a mail yet.
    running: usize,
    running_unproven: usize,
}

#[derive(Debug, Clone)]
struct Site {
    allowed: usize,
    running: usize,
    /// Mails in hand that wait for it.
    waiting: usize,
    /// Rests in a row.
    rests: u32,
    rests_until: Option<UnixMs>,
    proven: bool,
    /// The latest of its domains, for whoever has to leave them out.
    domains: Vec<String>,
}

impl Site {
    fn new() -> Site {
        Site { allowed: 1, running: 0, waiting: 0, rests: 0, rests_until: None, proven: false, domains: Vec::new() }
    }

    /// A clock that was set back does not make a rest longer than any is.
    fn rests(&self, now: UnixMs) -> Option<UnixMs> {
        self.rests_until.filter(|until| *until > now && *until < later(now, REST_MAX))
    }

    /// As many in hand as it may have, and as many again that wait.
    fn is_laden(&self) -> bool {
        self.running + self.waiting >= 2 * self.allowed
    }

    /// Nothing of it would be missed.
    fn is_forgettable(&self, now: UnixMs) -> bool {
        self.running == 0 && self.waiting == 0 && self.rests(now).is_none()
    }
}

impl Sites {
    pub fn new(budget: Budget) -> Sites {
        Sites { budget, sites: HashMap::new(), running: 0, running_unproven: 0 }
    }

    /// A reload changes it; what runs is left alone.
    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
        for site in self.sites.values_mut() {
            site.allowed = site.allowed.min(budget.per_site).max(1);
        }
    }

    /// Notes where the mail of a domain goes.
    pub fn learn(&mut self, domain: &str, site: &str, now: UnixMs) {
        let site = self.site(site, now);
        if !site.domains.iter().any(|known| known == domain) {
            if site.domains.len() == DOMAINS_PER_SITE_MAX {
                site.domains.remove(0);
            }
            site.domains.push(domain.to_owned());
        }
    }

    /// Takes one of the site's places if there is one.
    pub fn admit(&mut self, name: &str, now: UnixMs) -> Admission {
        let Budget { connections, per_site } = self.budget;
        let is_full = self.running >= connections;
        let is_full_for_unproven = self.running_unproven >= connections.div_ceil(4) * 3;
        let site = self.site(name, now);
        if let Some(until) = site.rests(now) {
            return Admission::Rests(until);
        }
        if site.running >= site.allowed.min(per_site) {
            return Admission::Full;
        }
        if is_full || (!site.proven && is_full_for_unproven) {
            return Admission::Crowded;
        }
        site.running += 1;
        let proven = site.proven;
        self.running += 1;
        self.running_unproven += usize::from(!proven);
        Admission::Now
    }

    /// It is tried although it rests: a person wants it, or what kept it from answering may be gone.
    pub fn wake(&mut self, name: &str) {
        if let Some(site) = self.sites.get_mut(name) {
            site.rests_until = None;
        }
    }

    /// The same for all of them.
    pub fn wake_all(&mut self) {
        self.sites.values_mut().for_each(|site| site.rests_until = None);
    }

    /// A mail in hand waits for a place, or no longer does.
    pub fn waits(&mut self, name: &str, now: UnixMs) {
        self.site(name, now).waiting += 1;
    }

    pub fn waits_no_more(&mut self, name: &str) {
        if let Some(site) = self.sites.get_mut(name) {
            site.waiting = site.waiting.saturating_sub(1);
        }
    }

    /// Gives a place back. `draw` spreads the rests of sites that fail together.
    pub fn ended(&mut self, name: &str, news: SiteNews, now: UnixMs, draw: u32) {
        let per_site = self.budget.per_site;
        let Some(site) = self.sites.get_mut(name) else { return };
        let was_proven = site.proven;
        site.running = site.running.saturating_sub(1);
        match news {
            SiteNews::Took => {
                site.allowed = (site.allowed + 1).min(per_site).max(1);
                site.proven = true;
                site.is_well(now);
            }
            SiteNews::Answered => site.is_well(now),
            SiteNews::SlowDown | SiteNews::Unreachable => {
                site.proven &= news == SiteNews::SlowDown;
                site.rest(now, draw);
            }
            SiteNews::Unasked => {}
        }
        let others = site.running;
        self.recount(was_proven, self.is_proven(name), others);
    }

    /// Domains that take no more now.
    pub fn busy_domains(&self, now: UnixMs) -> impl Iterator<Item = &String> {
        self.sites
            .values()
            .filter(move |site| site.is_laden() || site.rests(now).is_some())
            .flat_map(|site| &site.domains)
    }

    /// When the first of the resting sites may be tried again.
    pub fn next_awake(&self, now: UnixMs) -> Option<UnixMs> {
        self.sites.values().filter_map(|site| site.rests(now)).min()
    }

    fn is_proven(&self, name: &str) -> bool {
        self.sites.get(name).is_some_and(|site| site.proven)
    }

    /// One attempt ended; the `others` of its site change sides when the site did.
    fn recount(&mut self, was_proven: bool, is_proven: bool, others: usize) {
        self.running = self.running.saturating_sub(1);
        self.running_unproven = self.running_unproven.saturating_sub(usize::from(!was_proven));
        match (was_proven, is_proven) {
            (false, true) => self.running_unproven = self.running_unproven.saturating_sub(others),
            (true, false) => self.running_unproven += others,
            (true, true) | (false, false) => {}
        }
    }

    fn site(&mut self, name: &str, now: UnixMs) -> &mut Site {
        if self.sites.len() >= SITES_MAX && !self.sites.contains_key(name) {
            self.sites.retain(|_, site| !site.is_forgettable(now));
        }
        self.sites.entry(name.to_owned()).or_insert_with(Site::new)
    }
}

impl Site {
    /// What a mail begun earlier met does not end a rest that another one asked for.
    fn is_well(&mut self, now: UnixMs) {
        if self.rests(now).is_none() {
            (self.rests, self.rests_until) = (0, None);
        }
    }

    /// Half as much, after a pause that grows while nothing gets better. Attempts that ran side by side and fail together
    /// are one failure.
    fn rest(&mut self, now: UnixMs, draw: u32) {
        if self.rests(now).is_some() {
            return;
        }
        self.allowed = (self.allowed / 2).max(1);
        self.rests += 1;
        self.rests_until = Some(later(now, retry::jittered(retry::wait(retry::SITE, self.rests), draw)));
    }
}

const REST_MAX: Duration = Duration::from_secs(3600);
const SITES_MAX: usize = 4096;
const DOMAINS_PER_SITE_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn sites() -> (Sites, UnixMs) {
        (Sites::new(Budget { connections: 8, per_site: 4 }), UnixMs(0))
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
        assert!(
            matches!(sites.admit("a", now), Admission::Rests(_)),
            "what ran before says nothing of what is too much"
        );
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
}
