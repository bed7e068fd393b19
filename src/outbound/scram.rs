//! SCRAM-SHA-256 as a client (RFC 5802, RFC 7677): the password never goes over the wire, and the host has to prove that it
//! knows it too. Without channel binding, which TLS libraries of hosts seldom offer.
//!
//! RFC 4013 (SASLprep) changes no ASCII password; others are taken as they are written.

use crate::config::secret::Secret;
use crate::limits::SCRAM_ROUNDS_MAX;
use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use data_encoding::BASE64;
use std::num::NonZeroU32;

/// `n,,`: no channel binding, no other identity to act for.
const GS2_HEADER: &str = "n,,";

#[derive(Debug)]
pub(super) struct Scram {
    nonce: String,
    first_bare: String,
}

/// The second message, and what the host has to prove.
pub(super) struct Answer {
    pub(super) message: String,
    server_key: hmac::Key,
    auth_message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScramFault {
    #[error("the system gives no random octets for AUTH")]
    NoRandomness,
    #[error("the host's SCRAM challenge cannot be read")]
    Challenge,
    #[error("the host's SCRAM challenge does not continue ours")]
    Nonce,
    #[error("the host asks for {0} rounds of PBKDF2; 1 to {SCRAM_ROUNDS_MAX} are done")]
    Rounds(u32),
    #[error("the host does not prove that it knows the password")]
    Signature,
}

impl Scram {
    pub(super) fn begin(username: &str) -> Result<Scram, ScramFault> {
        let mut octets = [0; 18];
        rand::fill(&mut octets).map_err(|_| ScramFault::NoRandomness)?;
        Ok(Scram::with_nonce(username, BASE64.encode(&octets)))
    }

    fn with_nonce(username: &str, nonce: String) -> Scram {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Scram { first_bare: format!("n={name},r={nonce}"), nonce }
    }

    pub(super) fn first_message(&self) -> String {
        format!("{GS2_HEADER}{}", self.first_bare)
    }

    pub(super) fn answer(&self, challenge: &str, password: &Secret) -> Result<Answer, ScramFault> {
        let attribute = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = attribute("r=").ok_or(ScramFault::Challenge)?;
        let salt = attribute("s=").and_then(|salt| BASE64.decode(salt.as_bytes()).ok()).ok_or(ScramFault::Challenge)?;
        let rounds: u32 = attribute("i=").and_then(|digits| digits.parse().ok()).ok_or(ScramFault::Challenge)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramFault::Nonce);
        }
        let iterations = NonZeroU32::new(rounds).filter(|_| rounds <= SCRAM_ROUNDS_MAX);
        let salted = salted(password, &salt, iterations.ok_or(ScramFault::Rounds(rounds))?);
        let without_proof = format!("c={},r={nonce}", BASE64.encode(GS2_HEADER.as_bytes()));
        let auth_message = format!("{},{challenge},{without_proof}", self.first_bare);
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored_key = hmac_key(digest::digest(&digest::SHA256, client_key.as_ref()).as_ref());
        let signature = hmac::sign(&stored_key, auth_message.as_bytes());
        let proof: Vec<u8> = client_key.as_ref().iter().zip(signature.as_ref()).map(|(key, sign)| key ^ sign).collect();
        let message = format!("{without_proof},p={}", BASE64.encode(&proof));
        let server_key = hmac_key(hmac::sign(&salted, b"Server Key").as_ref());
        Ok(Answer { message, server_key, auth_message })
    }
}

impl Answer {
    /// Of the host's last message, `v=…`.
    pub(super) fn verify(&self, proof: &str) -> Result<(), ScramFault> {
        let signature = proof.strip_prefix("v=").and_then(|text| BASE64.decode(text.as_bytes()).ok());
        let signature = signature.ok_or(ScramFault::Signature)?;
        hmac::verify(&self.server_key, self.auth_message.as_bytes(), &signature).map_err(|_| ScramFault::Signature)
    }
}

fn hmac_key(octets: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, octets)
}

fn salted(password: &Secret, salt: &[u8], iterations: NonZeroU32) -> hmac::Key {
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.expose().as_bytes(), &mut salted);
    hmac_key(&salted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn answer(challenge: &str) -> Result<Answer, ScramFault> {
        Scram::with_nonce("user", "rOprNGfwEbeRWgbNEkqO".to_owned())
            .answer(challenge, &Secret::from("pencil".to_owned()))
    }

    #[test]
    fn the_exchange_of_rfc_7677_section_3() {
        let answer = answer(CHALLENGE).expect("an answer");
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer.message, expected);
        assert_eq!(answer.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert_eq!(answer.verify("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Err(ScramFault::Signature));
        assert_eq!(answer.verify("e=other-error"), Err(ScramFault::Signature));
    }

    #[test]
    fn a_challenge_that_is_not_an_answer_to_ours_is_refused() {
        let check = |challenge: String, expected: ScramFault| assert_eq!(answer(&challenge).err(), Some(expected));
        check(CHALLENGE.replace("r=rOpr", "r=xOpr"), ScramFault::Nonce);
        check(CHALLENGE.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""), ScramFault::Nonce);
        check(CHALLENGE.replace("4096", "0"), ScramFault::Rounds(0));
        check(CHALLENGE.replace("4096", "600001"), ScramFault::Rounds(600_001));
        check(CHALLENGE.replace("i=4096", ""), ScramFault::Challenge);
    }

    #[test]
    fn a_name_cannot_add_attributes() {
        assert_eq!(Scram::with_nonce("a=b,c", "N".to_owned()).first_message(), "n,,n=a=3Db=2Cc,r=N");
    }
}
