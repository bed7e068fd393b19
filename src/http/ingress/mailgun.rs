//! Mailgun's routes: `body-mime` holds the raw mail; `timestamp`, `token` and `signature` prove that Mailgun sent it.
//!
//! The signature covers nothing of the mail, and Mailgun tries again for eight hours with the one of its first try. So it
//! may be old, and each is good for one mail only, which is remembered in the store.
//!
//! Mailgun names no client, so SPF is `none`.

use super::answer::Refused;
use super::basic::equal;
use super::body::Octets;
use super::call::Call;
use super::collect::{MailParameter, Parameter, Parameters, Proof as Proven, Wanted};
use super::deliver::{Brought, deliver};
use super::intake::Taken;
use crate::clock::UnixMs;
use crate::mail::address::Address;
use crate::store::{SignatureClaim, SignatureUse};
use aws_lc_rs::{digest, hmac};
use std::time::Duration;

pub async fn take(call: &Call, body: &mut Octets) -> Result<(), Refused> {
    call.keys()?;
    let (parameters, mail) = call.parameters(WANTED, body).await?;
    let proof = Proof::read(&parameters)?;
    let now = call.services.clock.now();
    let wrong = proof.why_not(now);
    let opened = call.keys()?.opened_by(wrong, |account, secret| {
        // Both are asked, whatever the first says.
        proof.is_signed_by(secret.expose()) & proof.is_fresh(now, account.ingress.mailgun_freshness)
    })?;
    let mail = match mail {
        MailParameter::Text(mail) if !mail.blank => mail.proven(),
        MailParameter::Other => return Err(Refused::unprocessable("body-mime is no string")),
        MailParameter::TooLarge(refused) => {
            return Err(refused.about(sender(&parameters), &recipient(&parameters).unwrap_or_default()));
        }
        MailParameter::Missing | MailParameter::Text(_) => return Err(Refused::missing(why_missing(&parameters))),
    };
    let envelope = recipient(&parameters)?;
    let claim = claim(call, &proof, &mail, &envelope).await?;
    let brought = Brought { mail, envelope, envelope_from: sender(&parameters), author_ip: None };
    let result = deliver(call, &opened, brought).await;
    if result.is_err() && claim.is_new {
        // It was not taken: its retry may not find the signature used, even if its octets differ. What an earlier request
        // claimed stays that one's: it may have been taken.
        let _ = call.services.store.release_signature(claim.signature).await;
    }
    result
}

/// One signature, one mail: whoever saw a request may not put another mail in its place.
async fn claim(call: &Call, proof: &Proof<'_>, mail: &Taken, to: &[Address]) -> Result<Claim, Refused> {
    let of_proof = digest::digest(&digest::SHA256, format!("{}\n{}", proof.timestamp, proof.token).as_bytes());
    let mut used_for = digest::Context::new(&digest::SHA256);
    used_for.update(&mail.content.sha256());
    to.iter().for_each(|address| used_for.update(format!("{}\n", address.key()).as_bytes()));
    let mut claim = SignatureUse { digest: [0; 32], used_for: [0; 32] };
    claim.digest.copy_from_slice(of_proof.as_ref());
    claim.used_for.copy_from_slice(used_for.finish().as_ref());
    let longest =
        call.config.accounts.iter().map(|account| account.ingress.mailgun_freshness).max().unwrap_or_default();
    let signed_at = proof.signed_at().unwrap_or(0).saturating_mul(1000);
    let life = i64::try_from(longest.as_millis()).unwrap_or(i64::MAX);
    // A clock of Mailgun's that is ahead, and one that is behind.
    let expires_at = signed_at.max(call.services.clock.now().0).saturating_add(life).saturating_add(SPARE_MS);
    match call.services.store.claim_signature(claim, UnixMs(expires_at)).await {
        Ok(SignatureClaim::New) => Ok(Claim { signature: claim, is_new: true }),
        Ok(SignatureClaim::Known) => Ok(Claim { signature: claim, is_new: false }),
        Ok(SignatureClaim::Taken) => Err(Refused::unauthorized("the signature was used for another mail: a replay")),
        Err(error) => Err(Refused::unavailable(error.to_string())),
    }
}

struct Claim {
    signature: SignatureUse,
    /// No earlier request made it.
    is_new: bool,
}

/// What Mailgun signs with.
#[derive(Debug)]
struct Proof<'a> {
    timestamp: &'a str,
    token: &'a str,
    signature: &'a str,
}

impl<'a> Proof<'a> {
    /// Missing or blank is 400; what is there and no text proves nothing.
    fn read(parameters: &'a Parameters) -> Result<Proof<'a>, Refused> {
        let of = |name: &str| match parameters.get(name) {
            Some(parameter) if !Parameter::is_blank(parameter) => Ok(parameter),
            Some(_) | None => Err(Refused::missing(format!("{name} is missing or blank"))),
        };
        let (timestamp, token, signature) = (of("timestamp")?, of("token")?, of("signature")?);
        // What is signed is their text; JSON may bring the timestamp as a number.
        match (timestamp.written(), token.written(), signature.text()) {
            (Some(timestamp), Some(token), Some(signature)) => Ok(Proof { timestamp, token, signature }),
            _ => Err(Refused::unauthorized("timestamp, token or signature is no string")),
        }
    }

    fn signed_at(&self) -> Option<i64> {
        self.timestamp.trim().parse().ok()
    }

    fn is_signed_by(&self, key: &str) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        let tag = hmac::sign(&key, format!("{}{}", self.timestamp, self.token).as_bytes());
        equal(data_encoding::HEXLOWER.encode(tag.as_ref()).as_bytes(), self.signature.as_bytes())
    }

    /// From the future is fresh.
    fn is_fresh(&self, now: UnixMs, freshness: Duration) -> bool {
        let Some(signed_at) = self.signed_at() else { return false };
        let age = now.seconds().saturating_sub(signed_at);
        u64::try_from(age).is_ok_and(|age| age <= freshness.as_secs()) || age < 0
    }

    /// For the operator: the likely reason, told without looking at the keys.
    fn why_not(&self, now: UnixMs) -> &'static str {
        match self.signed_at() {
            None => "the timestamp is no whole number",
            Some(signed_at) if now.seconds().saturating_sub(signed_at) > 120 => {
                "the signature is wrong or older than ingress.mailgun.freshness: is the signing key Mailgun's HTTP webhook signing key (not an API key), and is the clock right?"
            }
            Some(_) => {
                "the signature is wrong: ingress.mailgun.signing_key must be Mailgun's HTTP webhook signing key, not an API key"
            }
        }
    }
}

fn why_missing(parameters: &Parameters) -> &'static str {
    if WANTED.noted.iter().any(|name| parameters.has(name)) {
        "body-mime is missing, but the parsed mail is there: Mailgun sends the raw mail only to a route whose URL ends in /mime"
    } else {
        "body-mime is missing or blank"
    }
}

fn recipient(parameters: &Parameters) -> Result<Vec<Address>, Refused> {
    let Some(parameter) = parameters.get("recipient") else { return Ok(Vec::new()) };
    if parameter.is_blank() {
        return Err(Refused::missing("recipient is blank"));
    }
    let text = parameter.text().ok_or_else(|| Refused::unprocessable("recipient is no string"))?;
    // A mail that one route took for several is posted once, with all of them.
    Ok(text.split(',').filter_map(|address| Address::parse(address.trim()).ok()).collect())
}

fn sender(parameters: &Parameters) -> Option<String> {
    let text = parameters.get("sender")?.text()?.trim();
    Address::parse(text).ok().map(|address| address.to_string())
}

const WANTED: Wanted = Wanted {
    mail: Some("body-mime"),
    kept: &["timestamp", "token", "signature", "recipient", "sender"],
    noted: &["body-plain", "body-html", "stripped-text"],
    everything: false,
    proof: Proven::Inside,
};
const SPARE_MS: i64 = 60 * 60 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "tbsy84uSV1Kt3ZJZELY2TmShPRs91E3yL4tzf96297vBCkDWgL";
    const SIGNED: Proof<'static> = Proof {
        timestamp: "1539112500",
        token: "7VwW7k6Ak7zcTwoSoNm7aTtbk1g67MKAnsYLfUB7PdszbgR5Xi",
        signature: "ef24c5225322217bb065b80bb54eb4f9206d764e3e16abab07f0a64d1cf477cc",
    };

    #[test]
    fn the_known_signature_is_made_by_the_known_key_only() {
        assert!(SIGNED.is_signed_by(KEY));
        for wrong in ["", "key-3ax6xnjp29jd6fds4gc373sgvjxteol0", &KEY[1..]] {
            assert!(!SIGNED.is_signed_by(wrong), "{wrong}");
        }
        for signature in ["", &SIGNED.signature[1..], &SIGNED.signature.to_uppercase()] {
            assert!(!Proof { signature, ..SIGNED }.is_signed_by(KEY), "{signature}");
        }
        assert!(!Proof { timestamp: "1539112501", ..SIGNED }.is_signed_by(KEY));
    }

    #[test]
    fn it_is_fresh_to_the_second_and_from_any_future() {
        let check = |timestamp, now: i64, freshness, expected| {
            let proof = Proof { timestamp, ..SIGNED };
            let fresh = proof.is_fresh(UnixMs(now * 1000), Duration::from_secs(freshness));
            assert_eq!(fresh, expected, "{timestamp} at {now}");
        };
        // 2018-10-09 15:15 and 15:26 EDT, with the window of Action Mailbox and with ours.
        check("1539112500", 1_539_112_500, 120, true);
        check("1539112500", 1_539_113_160, 120, false);
        check("1539112500", 1_539_113_160, 9 * 3600, true);
        check("1539112500", 1_539_112_620, 120, true);
        check("1539112500", 1_539_112_621, 120, false);
        check("1539112500", 0, 120, true);
        for nonsense in ["", "soon", "1539112500.0", "9223372036854775808", "1e9"] {
            check(nonsense, 1_539_112_500, 120, false);
        }
        check("-9223372036854775808", i64::MAX / 1000, 120, false);
        check("9223372036854775807", 0, 120, true);
    }
}
