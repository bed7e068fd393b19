//! The relay of Exim, Postfix and qmail: the body is the mail.

use super::answer::Refused;
use super::basic::Credentials;
use super::body::Octets;
use super::call::Call;
use super::collect::media_type;
use super::deliver::{Brought, deliver};
use super::intake::Intake;
use axum::http::header;

pub async fn take(call: &Call, body: &mut Octets) -> Result<(), Refused> {
    let opened = opened_by_password(call)?;
    let found = call.content_type();
    if media_type(found) != "message/rfc822" {
        return Err(Refused::media_type(found));
    }
    // RFC 9112 §6.3: with neither there is no body, not even an empty one.
    if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().all(|name| !call.parts.headers.contains_key(name)) {
        return Err(Refused::unprocessable("the request has no body"));
    }
    let mut intake = Intake::new(&call.services);
    while let Some(octets) = body.next().await? {
        intake.append(&call.services, octets.into()).await?;
    }
    deliver(call, &opened, Brought::bare(intake.finish(&call.services).await?)).await
}

/// The accounts that HTTP Basic opens a door of.
pub fn opened_by_password(call: &Call) -> Result<Vec<String>, Refused> {
    let keys = call.keys()?;
    let credentials = call.header("authorization").and_then(Credentials::read);
    let wrong = "user or password is wrong: the user is actionmailbox, the password stands in account.ingress";
    keys.opened_by(wrong, |_, secret| credentials.as_ref().is_some_and(|claimed| claimed.are(secret.expose())))
}
