//! SendGrid's Inbound Parse: `email` holds the raw mail, `envelope` the SMTP envelope as JSON.
//!
//! `sender_ip` is the client that SendGrid's MX saw, so SPF asks about it: the request was proven to be SendGrid's. Unless the
//! body's form leaves doubt whether the mail's author wrote that parameter: then SPF is `none`.

use super::answer::Refused;
use super::body::Octets;
use super::call::Call;
use super::collect::{MailParameter, Parameters, Proof, Wanted};
use super::deliver::{Brought, deliver};
use super::relay::opened_by_password;
use crate::mail::address::Address;
use serde_json::Value;
use std::net::IpAddr;

pub async fn take(call: &Call, body: &mut Octets) -> Result<(), Refused> {
    let opened = opened_by_password(call)?;
    let (parameters, mail) = call.parameters(WANTED, body).await?;
    let mail = match mail {
        MailParameter::Text(mail) if !mail.blank => mail,
        MailParameter::Other => return Err(Refused::unprocessable("email is no string")),
        MailParameter::TooLarge(refused) => {
            let Envelope { to, from } = envelope(&parameters).unwrap_or_default();
            return Err(refused.about(from, &to));
        }
        MailParameter::Missing | MailParameter::Text(_) => return Err(missing(&parameters)),
    };
    let Envelope { to, from } = envelope(&parameters)?;
    let author_ip = sender_ip(&parameters).filter(|_| !parameters.are_doubtful());
    deliver(call, &opened, Brought { mail, envelope: to, envelope_from: from, author_ip }).await
}

/// A box that is not ticked can be ticked: where SendGrid tries again, it is worth another try.
fn missing(parameters: &Parameters) -> Refused {
    if ["text", "html", "headers"].iter().any(|name| parameters.has(name)) {
        Refused::not_raw(
            "email is missing, but the parsed mail is there: tick \"POST the raw, full MIME message\" at SendGrid's Inbound Parse",
        )
    } else {
        Refused::missing("email is missing or blank")
    }
}

#[derive(Debug, Default)]
struct Envelope {
    to: Vec<Address>,
    from: Option<String>,
}

fn envelope(parameters: &Parameters) -> Result<Envelope, Refused> {
    let Some(parameter) = parameters.get("envelope") else { return Ok(Envelope::default()) };
    if parameter.is_blank() {
        return Err(Refused::missing("envelope is blank"));
    }
    let wrong = || Refused::unprocessable("envelope is no JSON object with a list of strings as \"to\"");
    let envelope: Value = parameter.text().and_then(|text| serde_json::from_str(text).ok()).ok_or_else(wrong)?;
    let to = envelope.as_object().and_then(|envelope| envelope.get("to")?.as_array()).ok_or_else(wrong)?;
    let to: Vec<&str> = to.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?;
    let to = to.into_iter().filter_map(|address| Address::parse(address.trim()).ok()).collect();
    let from = envelope.get("from").and_then(Value::as_str).map(|from| from.trim().to_owned());
    // What is no address is nobody's path: SPF could not ask about it.
    Ok(Envelope { to, from: from.filter(|from| from.is_empty() || Address::parse(from).is_ok()) })
}

fn sender_ip(parameters: &Parameters) -> Option<IpAddr> {
    let ip: IpAddr = parameters.get("sender_ip")?.text()?.trim().parse().ok()?;
    Some(ip.to_canonical())
}

const WANTED: Wanted = Wanted {
    mail: Some("email"),
    kept: &["envelope", "sender_ip"],
    noted: &["text", "html", "headers"],
    everything: false,
    proof: Proof::Before,
};
