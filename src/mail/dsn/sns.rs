//! Amazon SES notifications that SNS delivers as mail: JSON in the first text.

use super::bounce::{Bounce, BounceKind, BouncedRecipient, RECIPIENTS_MAX, diagnostic};
use super::{addresses, report, status};
use serde_json::Value;

/// A notification, if the text begins with one.
pub(super) fn read(text: &str) -> Option<Bounce> {
    let text = text.trim_start();
    if !text.starts_with('{') || !text.contains("otificationType") && !text.contains("eventType") {
        return None;
    }
    let value = serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()?;
    let word = value.get("notificationType").or_else(|| value.get("eventType"))?.as_str()?;
    let (kind, body, list) = match word {
        "Bounce" => (BounceKind::Failure, "bounce", "bouncedRecipients"),
        "Complaint" => (BounceKind::Feedback, "complaint", "complainedRecipients"),
        "DeliveryDelay" => (BounceKind::Delayed, "deliveryDelay", "delayedRecipients"),
        "Delivery" => (BounceKind::Delivered, "delivery", "recipients"),
        _ => return None,
    };
    let list = value.get(body)?.get(list)?.as_array()?;
    let recipients = list.iter().take(RECIPIENTS_MAX).filter_map(recipient).collect();
    let id = value.pointer("/mail/commonHeaders/messageId").or_else(|| value.pointer("/mail/messageId"));
    Some(Bounce::new(kind, recipients, id.and_then(Value::as_str).map(|id| id.trim_matches(['<', '>']).to_owned())))
}

fn recipient(value: &Value) -> Option<BouncedRecipient> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let address = value.as_str().or_else(|| text("emailAddress"))?;
    Some(BouncedRecipient {
        recipient: addresses::of_field(address)?,
        status: status::weighed(text("status").and_then(status::of_field), text("diagnosticCode")),
        action: text("action").and_then(report::action),
        diagnostic: text("diagnosticCode").and_then(diagnostic),
    })
}
