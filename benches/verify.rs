//! CPU of one authentication with every DNS answer cached: a 2 KB mail with one RSA-2048 signature, SPF, DKIM, DMARC
//! and iprev on, records from a zone on loopback. Prints one line of JSON; compare only within one machine.

use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use replyd::clock::Clock;
use replyd::dns::{Zone, ZoneServer};
use replyd::limits::Limits;
use replyd::sender_auth::{Check, Verdict, Verifier};

const RUNS: u64 = 2000;
const BATCHES: usize = 9;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
    let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).expect("its DER");
    let key = RsaKey::<Sha256>::from_key_der(rustls::pki_types::PrivatePkcs8KeyDer::from(der.as_ref()).into())
        .expect("a signing key");
    let public = data_encoding::BASE64.encode(&key.public_key());
    let zone = format!(
        r#"{{"s._domainkey.a.example":[{{"TXT":"v=DKIM1; p={public}"}}], "_dmarc.a.example":[{{"TXT":"v=DMARC1; p=reject"}}],
           "a.example":[{{"TXT":"v=spf1 ip4:192.0.2.0/24 -all"}}], "1.2.0.192.in-addr.arpa":[{{"PTR":"mx.a.example"}}],
           "mx.a.example":[{{"A":"192.0.2.1"}}]}}"#
    );
    let server = ZoneServer::start(Zone::parse(&zone).expect("a zone")).await.expect("a server on loopback");
    let verifier = Verifier::new(server.resolver().expect("a resolver"), Clock::System);
    let body = "All work and no play makes a reply that is long enough to be one.\r\n".repeat(24);
    let mail = format!(
        "From: Ann <ann@a.example>\r\nTo: reply+00112233445566778899aabbccddeeff@reply.b.example\r\n\
         Subject: Re: hello\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.example>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n{body}"
    );
    let signer = DkimSigner::from_key(key).domain("a.example").selector("s");
    let signature = signer.headers(["From", "To", "Subject", "Date"]).sign(mail.as_bytes()).expect("a signature");
    let raw = signature.to_header() + &mail;
    let limits = Limits::default();
    let check = Check {
        ip: Some([192, 0, 2, 1].into()),
        helo: "mx.a.example",
        mail_from: "ann@a.example",
        raw: raw.as_bytes(),
        now: Clock::System.now().seconds(),
        limits: &limits,
        trusted_sealers: &[],
    };
    assert_eq!(verifier.verify(check).await.verdict, Verdict::Authentic);
    let mut best = u64::MAX;
    for _ in 0..BATCHES {
        let before = on_cpu();
        for _ in 0..RUNS {
            std::hint::black_box(verifier.verify(check).await);
        }
        best = best.min((on_cpu() - before) / RUNS);
    }
    println!("{{\"bench\":\"verify\",\"octets\":{},\"cpu_us\":{:.1}}}", raw.len(), best as f64 / 1000.0);
}

/// Nanoseconds that this thread has run.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}
