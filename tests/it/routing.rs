//! Where a mail goes: MX rules, what is never dialled, smarthosts, MTA-STS over real HTTPS, DANE in a signed zone.

mod dane;
mod mta_sts;
mod signed_zone;

use replyd::clock::{Clock, UnixMs};
use replyd::config::checked::Config;
use replyd::config::secret::Surroundings;
use replyd::dns::{Resolver, SecureResolver, Zone, ZoneServer};
use replyd::outbound::hop::{Hop, Route, Unroutable, Verification};
use replyd::outbound::route::{Demand, Router, RouterParts};
use rustls::RootCertStore;
use std::path::Path;
use std::sync::Arc;

/// A config with this `[outbound]` section.
fn config(dir: &Path, outbound: &str) -> Config {
    let text = format!(
        "[server]\nhostname = \"mx.us.example\"\ndata_dir = {dir:?}\n[smtp]\nlisten = [\"192.0.2.99:25\"]\n[outbound]\n{outbound}"
    );
    replyd::config::parse(&dir.join("replyd.toml"), &text, Surroundings::SYSTEM).expect("a good config")
}

fn router(config: &Config, resolver: &Resolver) -> Router {
    let parts = RouterParts {
        dns: SecureResolver::without_validation(resolver.clone()),
        resolver: resolver.clone(),
        roots: Arc::new(RootCertStore::empty()),
        policy_port: 443,
        clock: Clock::fixed(UnixMs(0)),
    };
    Router::assembled(config, parts)
}

/// A route or its refusal on one line.
fn told(routed: Result<Route, Unroutable>) -> String {
    match routed {
        Ok(route) => format!("{} > {}", route.site, route.hops.iter().map(told_hop).collect::<Vec<_>>().join(" > ")),
        Err(Unroutable::Permanent { enhanced, reason }) => format!("{enhanced} {reason}"),
        Err(Unroutable::NoSuchDomain { reason }) => format!("5.1.2? {reason}"),
        Err(Unroutable::PolicyUnmet { enhanced, reason }) => format!("unmet {enhanced} {reason}"),
        Err(Unroutable::Temporary { reason }) => format!("later {reason}"),
    }
}

fn told_hop(hop: &Hop) -> String {
    let addresses: Vec<String> = hop.addresses.iter().map(ToString::to_string).collect();
    let verification = match &hop.security.verification {
        Verification::Nothing => "unverified".to_owned(),
        Verification::HostName => "verified".to_owned(),
        Verification::Dane(dane) => format!("dane×{}", dane.records.len()),
    };
    let login = if hop.credentials.is_some() { " login" } else { "" };
    let (tls, because) = (hop.security.tls, hop.security.because);
    format!("{} [{}] {tls:?} {verification} {because}{login}", hop.host, addresses.join(" "))
}

const ZONE: &str = r#"{
"one.example":[{"MX":[10,"mx.one.example"]}],
"mx.one.example":[{"A":"192.0.2.1"},{"AAAA":"2001:db8::1"}],
"two.example":[{"MX":[20,"b.two.example"]},{"MX":[10,"a.two.example"]}],
"a.two.example":[{"A":"192.0.2.2"}], "b.two.example":[{"A":"192.0.2.3"}],
"implicit.example":[{"A":"192.0.2.4"}],
"alias.example":[{"CNAME":"one.example"}],
"mxalias.example":[{"MX":[10,"www.mxalias.example"]}], "www.mxalias.example":[{"CNAME":"mx.one.example"}],
"chain.example":[{"CNAME":"c1.example"}], "c1.example":[{"CNAME":"c2.example"}], "c2.example":[{"CNAME":"one.example"}],
"circle.example":[{"CNAME":"circle.example"}],
"null.example":[{"MX":[0,"."]}],
"halfnull.example":[{"MX":[0,"."]},{"MX":[10,"mx.one.example"]}],
"silent.example":["TIMEOUT"], "broken.example":["SERVFAIL"],
"nothing.example":[{"TXT":"no mail here"}],
"dangling.example":[{"MX":[10,"gone.example"]}],
"halfdead.example":[{"MX":[10,"broken.example"]},{"MX":[20,"mx.one.example"]}],
"dead.example":[{"MX":[10,"broken.example"]},{"MX":[20,"gone.example"]}],
"odd.example":[{"MX":[10,"under_score.example"]},{"MX":[10,"192.0.2.7"]},{"MX":[10,"[192.0.2.7]"]},{"MX":[20,"mx.one.example"]}],
"odder.example":[{"MX":[10,"192.0.2.7"]}],
"us.example":[{"MX":[10,"mx.us.example"]}], "mx.us.example":[{"A":"192.0.2.99"}],
"backup.example":[{"MX":[10,"mx.one.example"]},{"MX":[20,"MX.us.example"]},{"MX":[20,"a.two.example"]},{"MX":[30,"b.two.example"]}],
"byaddress.example":[{"MX":[10,"mx.one.example"]},{"MX":[20,"other-name.example"]},{"MX":[30,"b.two.example"]}],
"other-name.example":[{"A":"192.0.2.99"}],
"onlybyaddress.example":[{"MX":[10,"other-name.example"]},{"MX":[20,"b.two.example"]}],
"inside.example":[{"MX":[10,"lo.example"]},{"MX":[20,"ten.example"]}],
"lo.example":[{"A":"127.0.0.1"},{"AAAA":"::1"}], "ten.example":[{"A":"10.0.0.1"}],
"halfinside.example":[{"MX":[10,"half.example"]}],
"half.example":[{"A":"10.0.0.1"},{"A":"192.0.2.5"},{"AAAA":"fe80::1"},{"AAAA":"::ffff:192.0.2.6"}],
"wide.example":[{"MX":[10,"wide1.example"]},{"MX":[20,"wide2.example"]},{"MX":[30,"wide3.example"]}],
"wide1.example":[{"A":"192.0.2.11"},{"A":"192.0.2.12"},{"A":"192.0.2.13"},{"A":"192.0.2.14"},{"AAAA":"2001:db8::11"},{"AAAA":"2001:db8::12"},{"AAAA":"2001:db8::13"}],
"wide2.example":[{"A":"192.0.2.21"},{"A":"192.0.2.22"},{"A":"192.0.2.23"},{"A":"192.0.2.24"},{"A":"192.0.2.25"},{"A":"192.0.2.26"}],
"wide3.example":[{"A":"192.0.2.31"}],
"smtp.relay.example":[{"A":"192.0.2.41"}], "inner.relay.example":[{"A":"10.0.0.9"}]
}"#;

const TAIL: &str = "Opportunistic unverified opportunistic";

async fn check(router: &Router, domain: &str, expected: &str) {
    let routed = told(router.route(domain, Demand::Usual).await);
    let expected = expected.replace("…", TAIL);
    assert_eq!(routed, expected, "{domain}");
}

#[tokio::test]
async fn hosts_are_found_by_the_rules_of_mx_records() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a server");
    let router = router(&config(dir.path(), ""), &server.resolver().expect("a resolver"));
    let one = "mx.one.example [192.0.2.1:25 [2001:db8::1]:25] …";
    for (domain, expected) in [
        ("one.example", format!("one.example > {one}")),
        ("two.example", "two.example > a.two.example [192.0.2.2:25] … > b.two.example [192.0.2.3:25] …".into()),
        ("implicit.example", "implicit.example > implicit.example [192.0.2.4:25] …".into()),
        ("alias.example", format!("one.example > {one}")),
        ("chain.example", format!("one.example > {one}")),
        ("mxalias.example", "mxalias.example > www.mxalias.example [192.0.2.1:25 [2001:db8::1]:25] …".into()),
        ("halfnull.example", format!("one.example > {one}")),
        ("halfdead.example", format!("one.example > {one}")),
        ("odd.example", format!("one.example > {one}")),
        ("backup.example", format!("one.example > {one}")),
        ("byaddress.example", format!("one.example > {one}")),
        ("halfinside.example", "half.example > half.example [192.0.2.5:25] …".into()),
    ] {
        check(&router, domain, &expected).await;
    }
}

#[tokio::test]
async fn a_domain_without_a_host_is_refused_or_waited_for_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a server");
    let router = router(&config(dir.path(), ""), &server.resolver().expect("a resolver"));
    for (domain, expected) in [
        ("null.example", "5.1.10 the domain null.example says that it takes no mail (null MX)"),
        ("absent.example", "5.1.2? the domain absent.example does not exist"),
        ("nothing.example", "5.4.4 no mail server of nothing.example can be dialled: nothing.example has no address"),
        ("dangling.example", "5.4.4 no mail server of dangling.example can be dialled: gone.example has no address"),
        ("odder.example", "5.4.4 no mail server of odder.example can be dialled: \"192.0.2.7\" is no host name"),
        (
            "us.example",
            "5.4.6 mail for us.example would come back to this host, its best mail server, where nobody takes it",
        ),
        (
            "onlybyaddress.example",
            "5.4.6 mail for onlybyaddress.example would come back to this host, its best mail server, where nobody takes it",
        ),
        (
            "inside.example",
            "5.4.4 no mail server of inside.example can be dialled: lo.example has the address 127.0.0.1, which is loopback; \
             lo.example has the address ::1, which is loopback; ten.example has the address 10.0.0.1, which is private",
        ),
        (
            "[127.0.0.1]",
            "5.4.4 the address [127.0.0.1] is loopback, and mail goes only to hosts on the public internet",
        ),
        (
            "[192.0.2.99]",
            "5.4.6 mail for [192.0.2.99] would come back to this host, its best mail server, where nobody takes it",
        ),
        ("[192.0.2.1]", "[192.0.2.1] > 192.0.2.1 [192.0.2.1:25] …"),
        ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1] > 2001:db8::1 [[2001:db8::1]:25] …"),
    ] {
        check(&router, domain, expected).await;
    }
    for domain in ["silent.example", "broken.example", "dead.example", "circle.example"] {
        let routed = told(router.route(domain, Demand::Usual).await);
        assert!(routed.starts_with("later "), "{domain}: {routed}");
    }
}

#[tokio::test]
async fn addresses_and_hosts_are_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    let many: Vec<String> = (0..50).map(|n| format!(r#"{{"MX":[{n},"gone{n}.example"]}}"#)).collect();
    let zone = format!("{},\n\"many.example\":[{}]}}", ZONE.trim_end().trim_end_matches('}'), many.join(","));
    let server = ZoneServer::start(Zone::parse(&zone).expect("a zone")).await.expect("a server");
    let router = router(&config(dir.path(), ""), &server.resolver().expect("a resolver"));
    let route = router.route("wide.example", Demand::Usual).await.expect("a route");
    let counts: Vec<usize> = route.hops.iter().map(|hop| hop.addresses.len()).collect();
    assert_eq!(counts, [5, 5]);
    let families: Vec<bool> = route.hops[0].addresses.iter().map(|address| address.is_ipv4()).collect();
    assert_eq!(families, [true, false, true, false, true]);
    let routed = told(router.route("many.example", Demand::Usual).await);
    assert!(routed.starts_with("5.4.4") && routed.contains("gone0.example") && routed.len() < 500, "{routed}");
}

#[tokio::test]
async fn private_addresses_and_another_port_are_the_operators_to_allow() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a server");
    let config = config(dir.path(), "allow_private = true\nport = 2525");
    let router = router(&config, &server.resolver().expect("a resolver"));
    let inside = "lo.example > lo.example [127.0.0.1:2525 [::1]:2525] … > ten.example [10.0.0.1:2525] …";
    check(&router, "inside.example", inside).await;
    check(&router, "[127.0.0.1]", "[127.0.0.1] > 127.0.0.1 [127.0.0.1:2525] …").await;
    // Another port of our address is another program.
    check(&router, "[192.0.2.99]", "[192.0.2.99] > 192.0.2.99 [192.0.2.99:2525] …").await;
}

#[tokio::test]
async fn a_host_with_broken_tls_is_spoken_to_in_the_clear_where_that_is_allowed() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a server");
    let router = router(&config(dir.path(), ""), &server.resolver().expect("a resolver"));
    router.remember_broken_tls("a.two.example", "bad record").await;
    let expected =
        "two.example > a.two.example [192.0.2.2:25] None unverified broken-tls > b.two.example [192.0.2.3:25] …";
    check(&router, "two.example", expected).await;
    let demanded = told(router.route("two.example", Demand::Encryption).await);
    assert!(!demanded.contains("None") && demanded.contains("Required unverified config"), "{demanded}");
    let unproven = told(router.route("two.example", Demand::RequireTls).await);
    assert!(unproven.starts_with("unmet 5.7.30"), "{unproven}");
}

#[tokio::test]
async fn smarthosts_are_tried_in_their_order_whatever_the_domain() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a server");
    let resolver = server.resolver().expect("a resolver");
    let smarthost = |host: &str, more: &str| {
        let text = format!("route = \"smarthost\"\nhost = \"{host}\"\n{more}");
        router(&config(dir.path(), &text), &resolver)
    };
    let several = smarthost(
        "smtp.relay.example",
        "username = \"replyd\"\npassword = \"hunter2\"\nadditional = [{ host = \"gone.example\" }, { host = \"192.0.2.42\", tls = \"implicit\" }]",
    );
    let expected = "smtp.relay.example > smtp.relay.example [192.0.2.41:587] Required verified config login > 192.0.2.42 [192.0.2.42:465] Implicit verified config";
    for domain in ["one.example", "null.example", "absent.example", "[127.0.0.1]"] {
        check(&several, domain, expected).await;
    }
    let private = "later the smarthost inner.relay.example has the address 10.0.0.9, which is private; outbound.allow_private = true lets it be dialled";
    check(&smarthost("inner.relay.example", ""), "one.example", private).await;
    let gone = "later the smarthost gone.example has no address: no such name; see outbound.host";
    check(&smarthost("gone.example", ""), "one.example", gone).await;
}

#[tokio::test]
async fn mail_to_another_account_of_this_installation_may_come_to_this_host() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = ZoneServer::start(Zone::parse(ZONE).expect("a zone")).await.expect("a server");
    let mut config = config(dir.path(), "");
    let accounts = "[server]\nhostname = \"mx.us.example\"\n[[account]]\nname = \"acme\"\ninbound_domain = \"reply.acme.example\"\n\
        [[account]]\nname = \"bolt\"\ninbound_domain = \"us.example\"\n[[account.inbox]]\nname = \"help\"\naddress = \"help@onlybyaddress.example\"\n";
    let other = replyd::config::parse(&dir.path().join("replyd.toml"), accounts, Surroundings::SYSTEM);
    config.accounts = other.expect("a good config").accounts;
    let router = router(&config, &server.resolver().expect("a resolver"));
    let by_name = "us.example > mx.us.example [192.0.2.99:25] …".replace('…', TAIL);
    assert_eq!(told(router.route_of("acme", "us.example", Demand::Usual).await), by_name);
    let by_address = told(router.route_of("acme", "onlybyaddress.example", Demand::Usual).await);
    assert!(by_address.contains("other-name.example [192.0.2.99:25]"), "{by_address}");
    // To itself, and for a domain that nobody has here, it would come back.
    for (account, domain) in [("bolt", "us.example"), ("bolt", "onlybyaddress.example"), ("acme", "[192.0.2.99]")] {
        let routed = told(router.route_of(account, domain, Demand::Usual).await);
        assert!(routed.starts_with("5.4.6"), "{account} {domain}: {routed}");
    }
}
