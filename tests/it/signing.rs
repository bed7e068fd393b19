//! What we sign, other hosts verify; what is changed or added on the way, they do not.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::BASE64;
use replyd::clock::Clock;
use replyd::config::checked::DkimKey;
use replyd::config::secret::Secret;
use replyd::dns::{Zone, ZoneServer};
use replyd::limits::Limits;
use replyd::sender_auth::{Alignment, Check, DkimResult, Signer, Verdict, Verifier};

const NOW: i64 = 1_800_000_000;
const MAIL: &str = "From: \"Sara (Acme)\" <support@acme.example>\r\nReply-To: <reply+00@reply.acme.example>\r\n\
    To: jane@c.example\r\nSubject: Re:  Order\r\n 4711\r\nDate: Fri, 20 Nov 2026 10:12:00 +0000\r\n\
    Message-ID: <1@mx.acme.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nhello  \r\n.\r\n\r\n\r\n";

struct House {
    signer: Signer,
    verifier: Verifier,
    _zone: ZoneServer,
}

fn pem(der: &[u8]) -> Secret {
    Secret::from(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der)))
}

impl House {
    async fn new() -> House {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let rsa_der: Pkcs8V1Der<'_> = rsa.as_der().expect("a key");
        let ed25519 = Ed25519KeyPair::generate().expect("a key");
        let ed25519_der = ed25519.to_pkcs8v1().expect("a key");
        let key = |domain: &str, selector: &str, der: &[u8]| DkimKey {
            domain: domain.into(),
            selector: selector.into(),
            key: pem(der),
        };
        let signer = Signer::load(&[
            key("acme.example", "r1", rsa_der.as_ref()),
            key("acme.example", "e1", ed25519_der.as_ref()),
            key("other.example", "e1", ed25519_der.as_ref()),
        ])
        .expect("good keys");
        let rsa = BASE64.encode(rsa.public_key().as_ref());
        let ed25519 = BASE64.encode(ed25519.public_key().as_ref());
        let zone = format!(
            r#"{{"r1._domainkey.acme.example":[{{"TXT":"v=DKIM1; k=rsa; p={rsa}"}}],
            "e1._domainkey.acme.example":[{{"TXT":"v=DKIM1; k=ed25519; p={ed25519}"}}],
            "e1._domainkey.other.example":[{{"TXT":"v=DKIM1; k=ed25519; p={ed25519}"}}],
            "_dmarc.acme.example":[{{"TXT":"v=DMARC1; p=reject"}}]}}"#
        );
        let zone = ZoneServer::start(Zone::parse(&zone).expect("a zone")).await.expect("a zone server");
        House { signer, verifier: Verifier::new(zone.resolver().expect("a resolver"), Clock::System), _zone: zone }
    }

    fn sign(&self, mail: &str, author_domain: &str) -> String {
        let fields = self.signer.sign(mail.as_bytes(), author_domain, NOW).expect("signatures");
        format!("{}{mail}", String::from_utf8(fields).expect("ASCII"))
    }

    /// Domain, selector and result of each signature, and the verdict.
    async fn ask(&self, raw: &str, now: i64) -> (Vec<(String, DkimResult)>, Verdict) {
        let check = Check {
            ip: None,
            helo: "",
            mail_from: "",
            raw: raw.as_bytes(),
            now,
            limits: &Limits::default(),
            trusted_sealers: &[],
        };
        let results = self.verifier.verify(check).await;
        let one =
            |dkim: replyd::sender_auth::DkimSignature| (format!("{}/{}", dkim.domain, dkim.selector), dkim.result);
        (results.dkim.into_iter().map(one).collect(), results.verdict)
    }
}

#[tokio::test]
async fn both_signatures_pass_and_prove_the_author() {
    let house = House::new().await;
    let signed = house.sign(MAIL, "acme.example");
    assert!(signed.lines().all(|line| line.len() <= 78), "{signed}");
    let pass = |name: &str| (name.to_owned(), DkimResult::Pass);
    let expected = (vec![pass("acme.example/r1"), pass("acme.example/e1")], Verdict::Authentic);
    assert_eq!(house.ask(&signed, NOW).await, expected, "{signed}");
    // RFC 6376 §3.4: relaxed forms survive what hosts do to white space.
    let touched =
        signed.replace("Subject: Re:  Order\r\n 4711", "subject:Re: Order 4711 ").replace("hello  \r\n", "hello\r\n");
    assert_eq!(house.ask(&touched, NOW + 86_400).await, expected);
    let (late, _) = house.ask(&signed, NOW + 16 * 86_400).await;
    assert!(late.iter().all(|(_, result)| *result == DkimResult::Fail), "{late:?}");
}

#[tokio::test]
async fn what_is_added_or_changed_breaks_every_signature() {
    let house = House::new().await;
    let signed = house.sign(MAIL, "acme.example");
    for added in [
        "From: ceo@acme.example\r\n",
        "Subject: urgent\r\n",
        "Reply-To: thief@evil.example\r\n",
        "To: all@c.example\r\n",
        "Cc: all@c.example\r\n",
        "Date: Sat, 21 Nov 2026 10:12:00 +0000\r\n",
        "Message-ID: <2@x>\r\n",
        "In-Reply-To: <2@x>\r\n",
        "References: <2@x>\r\n",
        "Content-Type: text/html\r\n",
        "MIME-Version: 1.0\r\n",
        "Content-Transfer-Encoding: base64\r\n",
    ] {
        let (results, verdict) = house.ask(&format!("{added}{signed}"), NOW).await;
        assert!(results.iter().all(|(_, result)| *result == DkimResult::Fail), "{added} {results:?}");
        assert_ne!(verdict, Verdict::Authentic, "{added}");
    }
    for (was, is) in [("Order", "order"), ("hello", "Hello"), ("support@", "sales@"), ("4711\r\n", "4711\r\n\t2\r\n")] {
        let (results, _) = house.ask(&signed.replace(was, is), NOW).await;
        assert!(results.iter().all(|(_, result)| *result != DkimResult::Pass), "{was} {results:?}");
    }
    let (appended, _) = house.ask(&format!("{signed}more\r\n"), NOW).await;
    assert!(appended.iter().all(|(_, result)| *result == DkimResult::Fail), "{appended:?}");
}

#[tokio::test]
async fn keys_that_speak_for_the_author_sign_and_else_all_do() {
    let house = House::new().await;
    let domains = |raw: &str| raw.lines().filter(|line| line.starts_with("DKIM-Signature")).count();
    assert_eq!(domains(&house.sign(MAIL, "acme.example")), 2);
    assert_eq!(domains(&house.sign(MAIL, "shop.acme.example")), 2);
    assert_eq!(domains(&house.sign(MAIL, "other.example")), 1);
    assert_eq!(domains(&house.sign(MAIL, "third.example")), 3);
    assert_eq!(house.signer.alignment("acme.example"), Alignment::Aligned);
    assert_eq!(house.signer.alignment("notacme.example"), Alignment::Foreign);
}

#[tokio::test]
async fn the_same_mail_at_the_same_time_has_the_same_signatures() {
    let house = House::new().await;
    assert_eq!(house.sign(MAIL, "acme.example"), house.sign(MAIL, "acme.example"));
}
