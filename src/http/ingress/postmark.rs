//! Postmark's inbound webhook: `RawEmail` and `OriginalRecipient`, as JSON or form.
//!
//! Postmark names no client: its Received-SPF stands among header fields that anybody may have written, so SPF is `none`.

use super::answer::Refused;
use super::body::Octets;
use super::call::Call;
use super::collect::{MailParameter, Parameter, Parameters, Proof, Wanted};
use super::deliver::{Brought, deliver};
use super::relay::opened_by_password;
use crate::mail::address::Address;

pub async fn take(call: &Call, body: &mut Octets) -> Result<(), Refused> {
    let opened = opened_by_password(call)?;
    let (parameters, mail) = call.parameters(WANTED, body).await?;
    let mail = match mail {
        MailParameter::Text(mail) if !mail.blank => mail,
        MailParameter::Other => return Err(Refused::unprocessable("RawEmail is no string")),
        MailParameter::TooLarge(refused) => {
            return Err(refused.about(None, &recipient(&parameters).unwrap_or_default()));
        }
        MailParameter::Missing | MailParameter::Text(_) => return Err(Refused::unprocessable(RAW_MISSING)),
    };
    let envelope = recipient(&parameters)?;
    deliver(call, &opened, Brought { envelope, ..Brought::bare(mail) }).await
}

fn recipient(parameters: &Parameters) -> Result<Vec<Address>, Refused> {
    let Some(parameter) = parameters.get("OriginalRecipient") else { return Ok(Vec::new()) };
    match parameter.text() {
        Some(text) if !Parameter::is_blank(parameter) => Ok(Address::parse(text.trim()).into_iter().collect()),
        Some(_) | None => Err(Refused::unprocessable("OriginalRecipient is blank or no string")),
    }
}

const WANTED: Wanted = Wanted {
    mail: Some("RawEmail"),
    kept: &["OriginalRecipient"],
    noted: &[],
    everything: false,
    proof: Proof::Before,
};

const RAW_MISSING: &str = "RawEmail is missing: tick \"Include raw email content in JSON payload\" at the inbound webhook in Postmark's server settings";
