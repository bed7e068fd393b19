//! Which address of which host an attempt tries next. Pure.
//!
//! Hosts in the route's order. An address that cannot be reached is followed by one of the other family, since it is often
//! a whole family that is broken; a host that answered and will not take the mail is not asked at its other addresses.

use super::hop::{Hop, Route};
use std::collections::VecDeque;
use std::net::SocketAddr;

#[derive(Debug)]
pub struct Ways<'a> {
    ahead: VecDeque<Way<'a>>,
    left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way<'a> {
    pub hop: &'a Hop,
    pub address: SocketAddr,
}

impl<'a> Ways<'a> {
    pub fn of(route: &'a Route) -> Ways<'a> {
        let of_hop = |hop: &'a Hop| hop.addresses.iter().map(move |address| Way { hop, address: *address });
        Ways { ahead: route.hops.iter().flat_map(of_hop).collect(), left: ADDRESSES_MAX }
    }

    pub fn next(&mut self) -> Option<Way<'a>> {
        self.left = self.left.checked_sub(1)?;
        self.ahead.pop_front()
    }

    /// Nobody could be spoken to there.
    pub fn unreachable(&mut self, way: Way<'a>) {
        let is_other = |ahead: &Way<'a>| same_host(ahead, &way) && ahead.address.is_ipv6() != way.address.is_ipv6();
        self.bring_forward(is_other);
    }

    /// The host spoke, and another one is to be asked.
    pub fn leave_host(&mut self, way: Way<'a>) {
        self.ahead.retain(|ahead| !same_host(ahead, &way));
    }

    /// What the host dislikes is our IPv6 address. Whether it has an IPv4 one.
    pub fn leave_ipv6(&mut self, way: Way<'a>) -> bool {
        self.ahead.retain(|ahead| !same_host(ahead, &way) || ahead.address.is_ipv4());
        self.ahead.front().is_some_and(|ahead| same_host(ahead, &way))
    }

    fn bring_forward(&mut self, is_wanted: impl Fn(&Way<'a>) -> bool) {
        let found = self.ahead.iter().position(is_wanted).and_then(|at| self.ahead.remove(at));
        if let Some(way) = found {
            self.ahead.push_front(way);
        }
    }
}

fn same_host(one: &Way<'_>, other: &Way<'_>) -> bool {
    std::ptr::eq(one.hop, other.hop)
}

/// Of one attempt: a route with a thousand addresses is a waste of time at best.
const ADDRESSES_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::hop::{Security, TlsMode, Verification};

    fn hop(host: &str, addresses: &[&str]) -> Hop {
        let security =
            Security { tls: TlsMode::Opportunistic, verification: Verification::Nothing, because: "opportunistic" };
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Hop { host: host.into(), addresses, security, credentials: None }
    }

    fn route() -> Route {
        let one = hop("one", &["192.0.2.1:25", "192.0.2.2:25", "[2001:db8::1]:25", "[2001:db8::2]:25"]);
        Route { site: "site".into(), hops: vec![one, hop("two", &["[2001:db8::3]:25", "192.0.2.3:25"])] }
    }

    type Then = for<'a> fn(&mut Ways<'a>, Way<'a>);

    fn check(then: Then, expected: &[&str]) {
        let route = route();
        let mut ways = Ways::of(&route);
        let mut tried = Vec::new();
        while let Some(way) = ways.next() {
            tried.push(way.address.to_string());
            then(&mut ways, way);
        }
        assert_eq!(tried, expected);
    }

    #[test]
    fn five_addresses_are_tried_and_families_take_turns() {
        let expected = ["192.0.2.1:25", "[2001:db8::1]:25", "192.0.2.2:25", "[2001:db8::2]:25", "[2001:db8::3]:25"];
        check(|ways, way| ways.unreachable(way), &expected);
    }

    #[test]
    fn a_host_that_answered_is_asked_once() {
        check(|ways, way| ways.leave_host(way), &["192.0.2.1:25", "[2001:db8::3]:25"]);
    }

    #[test]
    fn a_host_that_dislikes_our_ipv6_address_is_asked_from_the_other() {
        let route = Route { hops: route().hops.into_iter().skip(1).collect(), ..route() };
        let mut ways = Ways::of(&route);
        let first = ways.next().expect("an address");
        assert!(ways.leave_ipv6(first));
        let second = ways.next().expect("the other family");
        assert!(second.address.is_ipv4() && !ways.leave_ipv6(second));
    }
}
