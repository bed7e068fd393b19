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
    /// Mails to one site within a minute.
    pub per_minute: Option<u32>,
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

/// How many mails went there within the running minute.
#[derive(Debug, Clone, Default)]
struct Minute {
    began: Option<UnixMs>,
    mails: u32,
    full_until: Option<UnixMs>,
}

impl Minute {
    fn count(&mut self, now: UnixMs, most: Option<u32>) {
        let Some(most) = most else { return };
        // A clock that was set back begins a new one.
        let runs = self.began.is_some_and(|began| began <= now && later(began, MINUTE) > now);
        if !runs {
            *self = Minute { began: Some(now), ..Minute::default() };
        }
        self.mails += 1;
        if self.mails >= most {
            self.full_until = self.began.map(|began| later(began, MINUTE));
        }
    }
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
    minute: Minute,
    /// The latest of its domains, for whoever has to leave them out.
    domains: Vec<String>,
}

impl Site {
    fn new() -> Site {
        Site {
            allowed: 1,
            running: 0,
            waiting: 0,
            rests: 0,
            rests_until: None,
            proven: false,
            minute: Minute::default(),
            domains: Vec::new(),
        }
    }

    /// A clock that was set back does not make a rest longer than any is.
    fn rests(&self, now: UnixMs) -> Option<UnixMs> {
        self.rests_until.filter(|until| *until > now && *until < later(now, REST_MAX))
    }

    /// It rests, or has had what a minute may have.
    fn closed(&self, now: UnixMs) -> Option<UnixMs> {
        self.rests(now).max(self.minute.full_until.filter(|until| *until > now && *until <= later(now, MINUTE)))
    }

    /// As many in hand as it may have, and as many again that wait.
    fn is_laden(&self) -> bool {
        self.running + self.waiting >= 2 * self.allowed
    }

    /// Nothing of it would be missed.
    fn is_forgettable(&self, now: UnixMs) -> bool {
        self.running == 0 && self.waiting == 0 && self.closed(now).is_none()
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
        let Budget { connections, per_site, per_minute } = self.budget;
        let is_full = self.running >= connections;
        let is_full_for_unproven = self.running_unproven >= connections.div_ceil(4) * 3;
        let site = self.site(name, now);
        if let Some(until) = site.closed(now) {
            return Admission::Rests(until);
        }
        if site.running >= site.allowed.min(per_site) {
            return Admission::Full;
        }
        if is_full || (!site.proven && is_full_for_unproven) {
            return Admission::Crowded;
        }
        site.running += 1;
        site.minute.count(now, per_minute);
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
            .filter(move |site| site.is_laden() || site.closed(now).is_some())
            .flat_map(|site| &site.domains)
    }

    /// When the first of the resting sites may be tried again.
    pub fn next_awake(&self, now: UnixMs) -> Option<UnixMs> {
        self.sites.values().filter_map(|site| site.closed(now)).min()
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

const MINUTE: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(3600);
const SITES_MAX: usize = 4096;
const DOMAINS_PER_SITE_MAX: usize = 32;

#[cfg(test)]
mod tests;
