//! Amazon SES notifications that SNS delivers as mail: JSON in the first text.

use super::bounce::{Bounce, BounceKind, BouncedRecipient, RECIPIENTS_MAX, diagnostic};
use super::{addresses, report, status};
use crate::mail::msg_id::MsgId;
use serde_json::Value;

/// A notification, if the text begins with one.
pub(super) fn read(text: &str) -> Option<Bounce> {
    let text = text.trim_start();
    if !text.starts_with('{') || !text.contains("otificationType") && !text.contains("eventType") {
        return None;
    }
    // Old Sendmail breaks lines of more than 990 octets by `!`, a new line and a space.
    let value = first_value(&text.replace("!\n ", ""))?;
    // Without raw delivery SNS wraps the notification into a message of its own, as a string.
    let wrapped = value.get("Message").and_then(Value::as_str).and_then(first_value);
    of_notification(&wrapped.unwrap_or(value))
}

/// Words about the subscription stand behind the JSON.
fn first_value(text: &str) -> Option<Value> {
    serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?.ok()
}

fn of_notification(value: &Value) -> Option<Bounce> {
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
    Some(Bounce::new(kind, recipients, id.and_then(Value::as_str).and_then(MsgId::parse).map(|id| id.to_string())))
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

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNCE: &str = r#"{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"A@x.example","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 no"}]},"mail":{"messageId":"1-2","commonHeaders":{"messageId":"<9@y.example>"}}}"#;

    #[test]
    fn notifications_are_read_bare_wrapped_and_broken() {
        let wrapped = serde_json::json!({"Type": "Notification", "Message": BOUNCE}).to_string();
        let broken = BOUNCE.replace("failed", "fai!\n led");
        for text in [BOUNCE, &wrapped, &broken, &format!("{BOUNCE}\n\n--\nIf you wish to stop")] {
            let bounce = read(text).expect(text);
            assert_eq!(bounce.recipients[0].recipient, "a@x.example");
            assert_eq!(bounce.recipients[0].status.as_deref(), Some("5.1.1"));
            assert_eq!((bounce.hard, bounce.original_message_id.as_deref()), (true, Some("9@y.example")));
        }
        assert_eq!(read("{\"notificationType\":\"Bounce\""), None);
        assert_eq!(read(&"{".repeat(100_000)), None);
    }
}
