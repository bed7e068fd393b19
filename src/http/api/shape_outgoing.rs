//! The JSON shapes around outgoing mail: deliveries, the queue, agents, suppressed addresses.

use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::conversation::delivery::{Delivery, DeliveryState, MailKind, Phase, RecipientKind, SuppressionReason};
use crate::conversation::id::Id;
use crate::conversation::model::Ingress;
use crate::sender_auth::AuthResults;
use crate::store::outgoing::{QueueEntry, SuppressionRow};
use serde::Serialize;
use utoipa::ToSchema;

/// How an agent's message reaches the contact.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryShape {
    #[schema(value_type = String)]
    pub state: DeliveryState,
    /// A person, or a bound, holds it: the reason says which.
    pub held: bool,
    /// When the next attempt is due; null while it is held.
    pub due_at: Option<String>,
    pub attempts: u32,
    /// Host, address and port of the last attempt.
    pub remote: Option<String>,
    /// What that host said.
    pub remote_reply: Option<String>,
    pub tls: Option<String>,
    pub last_attempt_at: Option<String>,
    /// What it means, for a person.
    pub reason: Option<String>,
    /// The connection broke after the last octet: the mail may have arrived, and is sent again with the same Message-ID.
    pub uncertain: bool,
    /// When a report said that it did not arrive after all; `remote_reply` stays what the host said to the mail.
    pub bounced_at: Option<String>,
    /// The report's words: `5.1.1 (no such user)`.
    pub bounce_diagnostic: Option<String>,
    /// Message-ID of the mail that carries the message, without angle brackets; null while there is none.
    pub message_id: Option<String>,
}

/// One mail to one recipient.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub account: String,
    #[schema(value_type = String)]
    pub conversation_id: Id,
    #[schema(value_type = String)]
    pub kind: MailKind,
    pub recipient: String,
    #[schema(value_type = String)]
    pub recipient_kind: RecipientKind,
    /// The messages that go out with it, oldest first.
    #[schema(value_type = Vec<String>)]
    pub messages: Vec<Id>,
    /// Without angle brackets; the same at every attempt.
    pub message_id: String,
    /// It goes under REQUIRETLS (RFC 8689), because the mail that it answers came so.
    pub require_tls: bool,
    #[schema(value_type = String)]
    pub state: DeliveryState,
    /// How far the attempt in hand has come; null while none is.
    #[schema(value_type = Option<String>)]
    pub phase: Option<Phase>,
    pub held: bool,
    pub uncertain: bool,
    pub created_at: String,
    /// When the next attempt is due; null while it is held.
    pub due_at: Option<String>,
    pub give_up_at: String,
    pub attempts: u32,
    pub last_attempt_at: Option<String>,
    pub remote: Option<String>,
    pub remote_reply: Option<String>,
    pub tls: Option<String>,
    pub reason: Option<String>,
    /// When a report said that it did not arrive after all.
    pub bounced_at: Option<String>,
    /// The report's words: `5.1.1 (no such user)`.
    pub bounce_diagnostic: Option<String>,
    /// What was said in the last attempt; shown with a single entry.
    pub transcript: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AgentShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub account: String,
    pub email: String,
    pub name: String,
    /// Null: all of the account.
    pub inboxes: Option<Vec<String>>,
    pub by_mail: bool,
    pub created_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionShape {
    pub account: String,
    pub email: String,
    #[schema(value_type = String)]
    pub reason: SuppressionReason,
    /// What the remote host said.
    pub detail: Option<String>,
    pub since: String,
    pub expires_at: Option<String>,
}

impl DeliveryShape {
    /// Of a message that no mail was planned for.
    pub fn without_mail(seen: bool) -> DeliveryShape {
        DeliveryShape {
            state: if seen { DeliveryState::Seen } else { DeliveryState::Waiting },
            held: false,
            due_at: None,
            attempts: 0,
            remote: None,
            remote_reply: None,
            tls: None,
            last_attempt_at: None,
            reason: None,
            uncertain: false,
            bounced_at: None,
            bounce_diagnostic: None,
            message_id: None,
        }
    }
}

impl From<Delivery> for DeliveryShape {
    fn from(delivery: Delivery) -> DeliveryShape {
        DeliveryShape {
            state: delivery.state,
            held: delivery.held,
            due_at: delivery.due_at.map(UnixMs::rfc3339),
            attempts: delivery.attempts,
            remote: delivery.remote,
            remote_reply: delivery.remote_reply,
            tls: delivery.tls,
            last_attempt_at: delivery.last_attempt_at.map(UnixMs::rfc3339),
            reason: delivery.reason,
            uncertain: delivery.uncertain,
            bounced_at: delivery.bounced_at.map(UnixMs::rfc3339),
            bounce_diagnostic: delivery.bounce_diagnostic,
            message_id: delivery.message_id,
        }
    }
}

impl From<QueueEntry> for QueueShape {
    fn from(entry: QueueEntry) -> QueueShape {
        QueueShape {
            id: entry.id,
            account: entry.account,
            conversation_id: entry.conversation_id,
            kind: entry.kind,
            recipient: entry.recipient,
            recipient_kind: entry.recipient_kind,
            messages: entry.messages,
            message_id: entry.message_id,
            require_tls: entry.require_tls,
            state: entry.state,
            phase: entry.phase,
            held: entry.held,
            uncertain: entry.uncertain,
            created_at: entry.created_at.rfc3339(),
            due_at: entry.due_at.filter(|_| entry.state.is_open() && !entry.held).map(UnixMs::rfc3339),
            give_up_at: entry.give_up_at.rfc3339(),
            attempts: entry.attempts,
            last_attempt_at: entry.last_attempt_at.map(UnixMs::rfc3339),
            remote: entry.remote,
            remote_reply: entry.remote_reply,
            tls: entry.tls,
            reason: entry.reason,
            bounced_at: entry.bounced_at.map(UnixMs::rfc3339),
            bounce_diagnostic: entry.bounce_diagnostic,
            transcript: entry.transcript,
        }
    }
}

/// Always an object, as callers were promised.
pub(super) fn auth(checked: serde_json::Value, ingress: Option<Ingress>) -> serde_json::Value {
    let results = match (&checked, ingress) {
        (serde_json::Value::Null, None) => AuthResults::of_ours(),
        (serde_json::Value::Null, Some(_)) => AuthResults::unchecked(),
        (_, _) => return checked,
    };
    serde_json::to_value(results).unwrap_or_default()
}

impl From<Agent> for AgentShape {
    fn from(agent: Agent) -> AgentShape {
        let Agent { id, account, email, name, inboxes, by_mail, created_at } = agent;
        AgentShape { id, account, email, name, inboxes, by_mail, created_at: created_at.rfc3339() }
    }
}

impl From<SuppressionRow> for SuppressionShape {
    fn from(row: SuppressionRow) -> SuppressionShape {
        let SuppressionRow { account, email, reason, detail, since, expires_at } = row;
        let expires_at = expires_at.map(UnixMs::rfc3339);
        SuppressionShape { account, email, reason, detail, since: since.rfc3339(), expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_mails_author_is_always_an_object() {
        let checked = serde_json::json!({"verdict": "forged"});
        for (stored, ingress, verdict) in [
            (serde_json::Value::Null, None, "authentic"),
            (serde_json::Value::Null, Some(Ingress::Relay), "undetermined"),
            (checked, Some(Ingress::Smtp), "forged"),
        ] {
            let is_null = stored.is_null();
            let shown = auth(stored, ingress);
            assert_eq!(shown["verdict"], verdict, "{shown}");
            for name in ["spf", "dkim", "dmarc", "arc"] {
                assert!(!is_null || !shown[name].is_null(), "{name}: {shown}");
            }
        }
    }
}
