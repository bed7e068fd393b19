//! SPF, DKIM, DMARC and ARC → results → verdict. (Stand-in with the signatures of branch `auth`.)

use std::net::IpAddr;

#[derive(Debug, Default, Clone)]
pub struct Verifier;

pub struct Check<'a> {
    pub ip: Option<IpAddr>,
    pub helo: &'a str,
    pub mail_from: &'a str,
    pub raw: &'a [u8],
    pub now: i64,
}

#[derive(Debug, Default, serde::Serialize)]
pub struct AuthResults {
    pub dmarc: Dmarc,
}

#[derive(Debug, Default, serde::Serialize)]
pub struct Dmarc {
    pub domain: String,
}

impl AuthResults {
    pub fn refusable(&self) -> bool {
        false
    }
}

impl Verifier {
    pub async fn verify(&self, check: Check<'_>) -> AuthResults {
        let _ = check;
        AuthResults::default()
    }
}
