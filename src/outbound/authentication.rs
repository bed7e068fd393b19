//! AUTH (RFC 4954) with the best mechanism that both sides know: SCRAM-SHA-256 (RFC 5802, 7677), PLAIN (RFC 4616), LOGIN, and
//! XOAUTH2 for a password that is a bearer token. Only ever under TLS.
//!
//! Nothing secret reaches the transcript, an error or a log, not even if the host repeats it.

use super::hop::Credentials;
use super::outcome::{Demand, Trouble};
use super::scram::Scram;
use super::session::Connection;
use crate::config::secret::Secret;
use crate::smtp::client::capabilities::Mechanisms;
use crate::smtp::client::remote_reply::RemoteReply;
use data_encoding::BASE64;

/// A password that begins so is an OAuth access token.
const BEARER: &str = "Bearer ";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Scram,
    Plain,
    Login,
    Xoauth2,
}

pub(super) async fn authenticate(connection: &mut Connection, credentials: &Credentials) -> Result<(), Trouble> {
    if !connection.is_encrypted() {
        return Err(unmet("the smarthost wants a password, which goes over TLS only"));
    }
    let mechanism = choose(connection.capabilities.auth, &credentials.password)
        .ok_or_else(|| unmet("the smarthost offers no AUTH mechanism that replyd knows"))?;
    connection.wire.keeps_secret(credentials.password.expose().to_owned());
    match mechanism {
        Mechanism::Scram => scram(connection, credentials).await,
        Mechanism::Plain => plain(connection, credentials).await,
        Mechanism::Login => login(connection, credentials).await,
        Mechanism::Xoauth2 => xoauth2(connection, credentials).await,
    }
}

fn unmet(words: &str) -> Trouble {
    Trouble::PolicyUnmet { demand: Demand::Authentication, words: words.to_owned() }
}

fn choose(offered: Mechanisms, password: &Secret) -> Option<Mechanism> {
    if password.expose().starts_with(BEARER) {
        return offered.xoauth2.then_some(Mechanism::Xoauth2);
    }
    let order = [
        (offered.scram_sha_256, Mechanism::Scram),
        (offered.plain, Mechanism::Plain),
        (offered.login, Mechanism::Login),
    ];
    order.into_iter().find(|(offered, _)| *offered).map(|(_, mechanism)| mechanism)
}

async fn plain(connection: &mut Connection, credentials: &Credentials) -> Result<(), Trouble> {
    let message = format!("\0{}\0{}", credentials.username, credentials.password.expose());
    say(connection, "AUTH PLAIN ", message.as_bytes(), 2).await.map(drop)
}

async fn login(connection: &mut Connection, credentials: &Credentials) -> Result<(), Trouble> {
    connection.ask("AUTH LOGIN\r\n", 3).await?;
    say(connection, "", credentials.username.as_bytes(), 3).await?;
    say(connection, "", credentials.password.expose().as_bytes(), 2).await.map(drop)
}

async fn xoauth2(connection: &mut Connection, credentials: &Credentials) -> Result<(), Trouble> {
    let message = format!("user={}\x01auth={}\x01\x01", credentials.username, credentials.password.expose());
    match say(connection, "AUTH XOAUTH2 ", message.as_bytes(), 2).await {
        // The token is not taken: the challenge says why, and an empty answer gets the refusal.
        Err(Trouble::BadReply(_)) => connection.ask("\r\n", 2).await.map(drop),
        said => said.map(drop),
    }
}

async fn scram(connection: &mut Connection, credentials: &Credentials) -> Result<(), Trouble> {
    let scram = Scram::begin(&credentials.username).map_err(|fault| Trouble::Interrupted(fault.to_string()))?;
    let challenge = say(connection, "AUTH SCRAM-SHA-256 ", scram.first_message().as_bytes(), 3).await?;
    let challenge = decoded(&challenge.words())?;
    let password = credentials.password.clone();
    // Hundreds of thousands of rounds, if the host asks for them, are no work for a thread that serves others.
    let answered = tokio::task::spawn_blocking(move || scram.answer(&challenge, &password)).await;
    let answer = answered.map_err(|error| Trouble::Interrupted(error.to_string()))?.map_err(bad_reply)?;
    let proof = say(connection, "", answer.message.as_bytes(), 3).await?;
    answer.verify(&decoded(&proof.words())?).map_err(bad_reply)?;
    connection.ask("\r\n", 2).await.map(drop)
}

fn bad_reply(fault: impl std::fmt::Display) -> Trouble {
    Trouble::BadReply(fault.to_string())
}

fn decoded(words: &str) -> Result<String, Trouble> {
    let octets = BASE64.decode(words.trim().as_bytes()).ok();
    octets
        .and_then(|octets| String::from_utf8(octets).ok())
        .ok_or_else(|| bad_reply("a challenge of AUTH is not base64"))
}

/// A command's words, then a message in base64 that the transcript does not show.
async fn say(connection: &mut Connection, command: &str, message: &[u8], class: u16) -> Result<RemoteReply, Trouble> {
    let encoded = BASE64.encode(message);
    let (line, shown) = (format!("{command}{encoded}\r\n"), format!("{command}(secret)"));
    connection.wire.keeps_secret(encoded);
    connection.ask_masked(&line, &shown, class).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_mechanism_that_both_know_is_chosen() {
        let check = |offered: Mechanisms, password: &str, expected: Option<Mechanism>| {
            assert_eq!(choose(offered, &Secret::from(password.to_owned())), expected, "{offered:?}");
        };
        let all = Mechanisms { plain: true, login: true, scram_sha_256: true, xoauth2: true };
        check(all, "hunter2", Some(Mechanism::Scram));
        check(Mechanisms { scram_sha_256: false, ..all }, "hunter2", Some(Mechanism::Plain));
        check(Mechanisms { login: true, ..Mechanisms::default() }, "hunter2", Some(Mechanism::Login));
        check(Mechanisms { xoauth2: true, ..Mechanisms::default() }, "hunter2", None);
        check(all, "Bearer ya29.x", Some(Mechanism::Xoauth2));
        check(Mechanisms { xoauth2: false, ..all }, "Bearer ya29.x", None);
    }
}
