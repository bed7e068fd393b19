//! Who wrote a mail, end to end: signed mails, real DNS over loopback, one verdict. Keys and zones are made here.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use data_encoding::BASE64;
use replyd::clock::Clock;
use replyd::dns::{Zone, ZoneServer};
use replyd::limits::Limits;
use replyd::sender_auth::{
    AuthResults, Check, DkimResult, DmarcResult, IprevResult, Policy, SpfResult, Verdict, Verifier,
};
use std::sync::LazyLock;

const NOW: i64 = 1_800_000_000;

static ED25519: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::generate().unwrap());
static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

/// A DKIM-Signature over fields and body in their simple forms, with the tags that a case asks for.
struct Signer<'a> {
    domain: &'a str,
    selector: &'a str,
    names: &'a str,
    tags: &'a str,
    /// What is hashed as body, if not all of it.
    body: Option<&'a str>,
}

const ED: Signer<'static> = Signer { domain: "a.example", selector: "ed", names: "from:subject", tags: "", body: None };

impl Signer<'_> {
    /// The header with the signature on top.
    fn sign(&self, header: &str, body: &str) -> String {
        let algorithm = if self.selector == "rsa" { "rsa-sha256" } else { "ed25519-sha256" };
        let hash = BASE64.encode(&sha256(self.body.unwrap_or(body).as_bytes()));
        let own = format!(
            "DKIM-Signature: v=1; a={algorithm}; d={}; s={}; h={}; bh={hash}; {}b=",
            self.domain, self.selector, self.names, self.tags
        );
        let mut fields: Vec<&str> = header.split_inclusive("\r\n").collect();
        let mut signed = String::new();
        for name in self.names.split(':') {
            let is = |field: &&str| field.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
            if let Some(at) = fields.iter().rposition(is) {
                signed += fields.remove(at);
            }
        }
        signed += &own;
        format!("{own}{}\r\n{header}", BASE64.encode(&self.raw_signature(signed.as_bytes())))
    }

    fn raw_signature(&self, signed: &[u8]) -> Vec<u8> {
        if self.selector != "rsa" {
            return ED25519.sign(&sha256(signed)).as_ref().to_vec();
        }
        let mut signature = vec![0; RSA.public_modulus_len()];
        RSA.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed, &mut signature).unwrap();
        signature
    }
}

fn sha256(octets: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, octets).as_ref().to_vec()
}

fn zone() -> String {
    let ed = format!("v=DKIM1; k=ed25519; p={}", BASE64.encode(ED25519.public_key().as_ref()));
    let rsa = format!("v=DKIM1; p={}", BASE64.encode(RSA.public_key().as_ref()));
    format!(
        r#"{{
        "ed._domainkey.a.example":[{{"TXT":"{ed}"}}], "rsa._domainkey.a.example":[{{"TXT":"{rsa}"}}],
        "strict._domainkey.a.example":[{{"TXT":"{ed}; t=s"}}], "revoked._domainkey.a.example":[{{"TXT":"v=DKIM1; p="}}],
        "dead._domainkey.a.example":["TIMEOUT"], "alias._domainkey.a.example":[{{"CNAME":"ed._domainkey.a.example"}}],
        "ed._domainkey.m.a.example":[{{"TXT":"{ed}"}}], "ed._domainkey.plain.example":[{{"TXT":"{ed}"}}],
        "ed._domainkey.other.example":[{{"TXT":"{ed}"}}], "ed._domainkey.co.uk":[{{"TXT":"{ed}"}}],
        "ed._domainkey.blind.example":[{{"TXT":"{ed}"}}], "ed._domainkey.s.example":[{{"TXT":"{ed}"}}],
        "ed._domainkey.m.s.example":[{{"TXT":"{ed}"}}],
        "_dmarc.a.example":[{{"TXT":"v=DMARC1; p=reject"}}], "a.example":[{{"TXT":"v=spf1 ip4:192.0.2.1 -all"}}],
        "m.a.example":[{{"TXT":"v=spf1 ip4:192.0.2.1 -all"}}], "other.example":[{{"TXT":"v=spf1 +all"}}],
        "_dmarc.q.example":[{{"TXT":"v=DMARC1; p=quarantine"}}], "_dmarc.n.example":[{{"TXT":"v=DMARC1; p=none"}}],
        "_dmarc.t.example":[{{"TXT":"v=DMARC1; p=reject; t=y"}}], "_dmarc.s.example":[{{"TXT":"v=DMARC1; p=reject; adkim=s; aspf=s"}}],
        "_dmarc.blind.example":["TIMEOUT"], "slow.example":["TIMEOUT"], "plain.example":[{{"A":"192.0.2.9"}}],
        "1.2.0.192.in-addr.arpa":[{{"PTR":"mx.a.example"}}], "mx.a.example":[{{"A":"192.0.2.1"}}]
        }}"#
    )
}

struct House {
    verifier: Verifier,
    limits: Limits,
    _server: ZoneServer,
}

impl House {
    async fn new() -> House {
        House::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> House {
        let server = ZoneServer::start(Zone::parse(&zone()).unwrap()).await.unwrap();
        let verifier = Verifier::new(server.resolver().unwrap(), Clock::System);
        House { verifier, limits, _server: server }
    }

    /// From a client that nobody's SPF names.
    async fn ask(&self, raw: &str) -> AuthResults {
        self.ask_from(raw, "192.0.2.200", "").await
    }

    async fn ask_from(&self, raw: &str, ip: &str, mail_from: &str) -> AuthResults {
        let check = Check {
            ip: Some(ip.parse().unwrap()),
            helo: "mx.a.example",
            mail_from,
            raw: raw.as_bytes(),
            now: NOW,
            limits: &self.limits,
            trusted_sealers: &[],
        };
        self.verifier.verify(check).await
    }
}

const HEADER: &str = "From: Ann <ann@a.example>\r\nSubject: hello\r\n";
const BODY: &str = "hello\r\nworld\r\n";

fn mail(header: &str) -> String {
    format!("{header}\r\n{BODY}")
}

fn from(domain: &str) -> String {
    format!("From: ann@{domain}\r\nSubject: hello\r\n")
}

fn first(results: &AuthResults) -> (DkimResult, &str) {
    results.dkim.first().map(|dkim| (dkim.result, dkim.reason.as_str())).expect("a signature was tried")
}

#[tokio::test]
async fn signatures_of_the_authors_domain_prove_the_author() {
    let house = House::new().await;
    for selector in ["ed", "rsa", "alias", "strict"] {
        let results = house.ask(&mail(&Signer { selector, ..ED }.sign(HEADER, BODY))).await;
        assert_eq!(results.verdict, Verdict::Authentic, "{selector}: {results:?}");
        assert_eq!(results.basis, "DKIM signature of a.example, aligned with From");
        assert_eq!(results.author.as_deref(), Some("ann@a.example"));
        assert_eq!((results.dmarc.result, results.dmarc.policy), (DmarcResult::Pass, Some(Policy::Reject)));
    }
}

#[tokio::test]
async fn what_was_changed_after_signing_is_forged_under_reject() {
    let house = House::new().await;
    let signed = mail(&ED.sign(HEADER, BODY));
    for changed in
        [signed.replace("world", "money"), signed.replace("Ann <", "Bob <"), signed.replace("d=a.", "d=A.a.")]
    {
        let results = house.ask(&changed).await;
        assert_ne!(first(&results).0, DkimResult::Pass);
        assert_eq!(results.verdict, Verdict::Forged, "{results:?}");
        assert!(results.refusable());
    }
}

#[tokio::test]
async fn signatures_that_do_not_count() {
    let house = House::new().await;
    let many = format!("from{}", ":x".repeat(256));
    for (signer, result, words) in [
        (Signer { names: "subject", ..ED }, DkimResult::PermError, "From is not signed"),
        (Signer { names: &many, ..ED }, DkimResult::PermError, "more than 256"),
        (Signer { tags: "i=ann@b.example; ", ..ED }, DkimResult::PermError, "i= is not under d="),
        (Signer { tags: "i=@m.a.example; ", selector: "strict", ..ED }, DkimResult::PermError, "subdomain in i="),
        (Signer { tags: "x=1799999999; ", ..ED }, DkimResult::Fail, "expired"),
        (Signer { tags: "t=1900000000; ", ..ED }, DkimResult::Neutral, "future"),
        (Signer { tags: "t=9; x=9; ", ..ED }, DkimResult::PermError, "ends before it begins"),
        (Signer { tags: "x=100000000000000000000; ", ..ED }, DkimResult::PermError, "no number"),
        (Signer { tags: "q=dns/other; ", ..ED }, DkimResult::PermError, "not in the DNS"),
        (Signer { selector: "revoked", ..ED }, DkimResult::PermError, "revoked"),
        (Signer { selector: "absent", ..ED }, DkimResult::PermError, "no key is published"),
        (Signer { selector: "ed\0.evil", ..ED }, DkimResult::PermError, "no host name"),
        (Signer { domain: "a.example(.evil.example", ..ED }, DkimResult::PermError, "no host name"),
        (Signer { domain: "a.example'a.evil.example", ..ED }, DkimResult::PermError, "no host name"),
        (Signer { tags: "c=loose; ", ..ED }, DkimResult::PermError, "c= is unknown"),
        (Signer { tags: "d=a.example; ", ..ED }, DkimResult::PermError, "no tag list"),
    ] {
        let results = house.ask(&mail(&signer.sign(HEADER, BODY))).await;
        assert_eq!(first(&results).0, result, "{words}: {results:?}");
        assert!(first(&results).1.contains(words), "{words}: {results:?}");
        assert_eq!(results.verdict, Verdict::Forged, "{words}");
    }
    let sha1 = mail(&ED.sign(HEADER, BODY)).replace("ed25519-sha256", "rsa-sha1");
    assert!(first(&house.ask(&sha1).await).1.contains("rsa-sha1"));
}

#[tokio::test]
async fn a_signature_over_a_part_of_the_body_never_proves_and_never_condemns() {
    let house = House::new().await;
    for (tags, body) in [("l=0; ", ""), ("l=7; ", "hello\r\n"), ("l=14; ", BODY)] {
        let signer = Signer { tags, body: Some(body), ..ED };
        let results = house.ask(&mail(&signer.sign(HEADER, BODY))).await;
        assert_eq!(first(&results).0, DkimResult::Pass, "{results:?}");
        assert_eq!((results.verdict, results.dmarc.result), (Verdict::Unproven, DmarcResult::Pass), "{tags}");
        assert!(results.basis.contains("l="), "{}", results.basis);
    }
    let longer = Signer { tags: "l=15; ", body: Some(BODY), ..ED };
    assert_eq!(first(&house.ask(&mail(&longer.sign(HEADER, BODY))).await).0, DkimResult::Fail);
}

#[tokio::test]
async fn two_authors_are_none() {
    let house = House::new().await;
    for extra in ["From: x@evil.example\r\n", "From: ann@a.example\r\n", "from : x@evil.example\r\n"] {
        let signed = ED.sign(HEADER, BODY);
        for raw in [format!("{extra}{}", mail(&signed)), mail(&format!("{signed}{extra}"))] {
            let results = house.ask(&raw).await;
            assert_eq!((results.verdict, results.author), (Verdict::Unproven, None), "{extra}");
        }
    }
    let listed = "From: ann@a.example, x@evil.example\r\nSubject: hello\r\n";
    assert_eq!(house.ask(&mail(&ED.sign(listed, BODY))).await.verdict, Verdict::Unproven);
    assert_eq!(house.ask(&mail("Subject: hello\r\n")).await.verdict, Verdict::Unproven);
}

#[tokio::test]
async fn the_aligned_signature_is_tried_first_and_eight_at_most() {
    let house = House::new().await;
    let mut header = ED.sign(HEADER, BODY);
    for _ in 0..2000 {
        header = format!("DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; h=from; bh=eA==; b=eA==\r\n{header}");
    }
    let results = house.ask(&mail(&header)).await;
    assert_eq!(results.verdict, Verdict::Authentic);
    assert_eq!(results.dkim.len(), 9, "eight and the note on the others");
    assert_eq!(results.dkim[8].reason, "1993 more signatures are not tried");
}

#[tokio::test]
async fn who_speaks_for_whom() {
    let house = House::new().await;
    for (signer, author, expected) in [
        ("m.a.example", "a.example", Verdict::Authentic),
        ("a.example", "m.a.example", Verdict::Authentic),
        ("plain.example", "plain.example", Verdict::Authentic),
        ("plain.example", "sub.plain.example", Verdict::Authentic),
        ("other.example", "plain.example", Verdict::Unproven),
        ("other.example", "a.example", Verdict::Forged),
        ("m.s.example", "s.example", Verdict::Forged),
        ("co.uk", "bank.co.uk", Verdict::Unproven),
        ("plain.example", "n.example", Verdict::Unproven),
        ("plain.example", "q.example", Verdict::Forged),
    ] {
        let results = house.ask(&mail(&Signer { domain: signer, ..ED }.sign(&from(author), BODY))).await;
        assert_eq!(results.verdict, expected, "{signer} for {author}: {results:?}");
    }
}

#[tokio::test]
async fn only_reject_is_refusable() {
    let house = House::new().await;
    for (domain, policy, refusable) in [
        ("a.example", Some(Policy::Reject), true),
        ("q.example", Some(Policy::Quarantine), false),
        ("t.example", Some(Policy::Quarantine), false),
        ("n.example", Some(Policy::None), false),
        ("plain.example", None, false),
    ] {
        let results = house.ask(&mail(&from(domain))).await;
        assert_eq!((results.dmarc.policy, results.refusable()), (policy, refusable), "{domain}");
    }
}

#[tokio::test]
async fn hosts_that_may_send_prove_less() {
    let house = House::new().await;
    for (ip, mail_from, author, verdict) in [
        ("192.0.2.1", "ann@a.example", "a.example", Verdict::Authentic),
        ("192.0.2.1", "bounce@m.a.example", "a.example", Verdict::Authentic),
        ("192.0.2.2", "ann@a.example", "a.example", Verdict::Forged),
        ("192.0.2.2", "x@other.example", "a.example", Verdict::Forged),
        ("192.0.2.2", "x@other.example", "plain.example", Verdict::Unproven),
    ] {
        let results = house.ask_from(&mail(&from(author)), ip, mail_from).await;
        assert_eq!(results.verdict, verdict, "{ip} {mail_from} {author}: {results:?}");
        assert_eq!(results.verdict == Verdict::Authentic, results.basis.contains("weaker"), "{}", results.basis);
    }
    let results = house.ask_from(&mail(&from("a.example")), "192.0.2.1", "ann@a.example").await;
    assert_eq!((results.iprev, results.client_name.as_deref()), (IprevResult::Pass, Some("mx.a.example")));
    // The null reverse-path: the HELO is checked, and it has no record here.
    let results = house.ask_from(&mail(&from("a.example")), "192.0.2.1", "").await;
    assert_eq!((results.spf, results.spf_domain.as_str()), (SpfResult::None, "mx.a.example"));
}

#[tokio::test]
async fn dns_trouble_is_never_forgery() {
    let house = House::new().await;
    let dead_key = Signer { selector: "dead", ..ED }.sign(HEADER, BODY);
    let results = house.ask(&mail(&dead_key)).await;
    assert_eq!((results.verdict, results.dmarc.result), (Verdict::Undetermined, DmarcResult::TempError), "{results:?}");
    let results = house.ask(&mail(&from("blind.example"))).await;
    assert_eq!((results.verdict, results.dmarc.result), (Verdict::Undetermined, DmarcResult::TempError), "{results:?}");
    // An equal name needs no policy to be aligned.
    let signed = Signer { domain: "blind.example", ..ED }.sign(&from("blind.example"), BODY);
    assert_eq!(house.ask(&mail(&signed)).await.verdict, Verdict::Authentic);
    let results = house.ask_from(&mail(&from("slow.example")), "192.0.2.1", "x@slow.example").await;
    assert_eq!((results.spf, results.verdict), (SpfResult::TempError, Verdict::Undetermined));

    let poor = House::with(Limits { dns_questions_max: 0, ..Limits::default() }).await;
    let results = poor.ask(&mail(&ED.sign(HEADER, BODY))).await;
    assert_eq!(results.verdict, Verdict::Undetermined, "{results:?}");
    let late = House::with(Limits { authentication_timeout: std::time::Duration::ZERO, ..Limits::default() }).await;
    assert_eq!(late.ask(&mail(&dead_key)).await.verdict, Verdict::Undetermined);
}

#[tokio::test]
async fn results_that_a_mail_brings_along_are_not_read() {
    let house = House::new().await;
    let claims =
        "Authentication-Results: mx.a.example; dkim=pass header.d=a.example; dmarc=pass\r\nReceived-SPF: pass\r\n";
    let results = house.ask(&mail(&format!("{claims}{HEADER}"))).await;
    assert_eq!((results.verdict, results.dkim.len()), (Verdict::Forged, 0));
}

#[tokio::test]
async fn any_octets_get_a_verdict() {
    let house = House::new().await;
    let signed = mail(&ED.sign(HEADER, BODY));
    let arc = "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=a; s=b; b=eA==\r\nARC-Message-Signature: i=1\r\n";
    for raw in ["", "\0", "\r\n", "From:", "From: <@>\r\n\r\n", "DKIM-Signature:;;;=\r\n\r\n", arc] {
        let results = house.ask_from(raw, "::ffff:192.0.2.1", "\"\0@\u{7f}\"@..\u{200b}").await;
        assert_eq!(results.verdict, Verdict::Unproven, "{raw:?}");
    }
    // Every mail that is the signed one up to some octet and something else from there on.
    for cut in (0..signed.len()).step_by(7) {
        let torn = format!("{}%n\0\u{e9}{}", &signed[..cut], &signed[cut..]);
        let results = house.ask(&torn).await;
        assert_ne!(results.verdict, Verdict::Authentic, "{torn:?}");
    }
}
