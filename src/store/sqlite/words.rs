//! The words of enums as columns hold them: the same as in the JSON of the API, so that an operator's `sqlite3` reads
//! like the API does.

use super::super::hooks::{BridgeState, SubscriptionOrigin};
use super::super::outgoing::EventKind;
use crate::conversation::delivery::{DeliveryState, MailKind, Phase, RecipientKind, SuppressionReason};
use crate::conversation::id::Id;
use crate::conversation::model::{AuthorKind, Channel, Direction, Ingress, Outcome, Status, Via};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// An enum stored as a word.
pub trait Word: Copy + PartialEq + 'static {
    const WORDS: &'static [(Self, &'static str)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(value, _)| *value == self).map_or("", |(_, word)| word)
    }
}

/// A column that holds a word.
pub struct Stored<T>(pub T);

impl<T: Word> ToSql for Stored<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0.word()))
    }
}

impl<T: Word> FromSql for Stored<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        let found = T::WORDS.iter().find(|(_, word)| *word == text);
        found.map(|(value, _)| Stored(*value)).ok_or(FromSqlError::InvalidType)
    }
}

/// A column that holds JSON.
pub struct Json<T>(pub T);

impl<T: serde::Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        serde_json::to_string(&self.0)
            .map(ToSqlOutput::from)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    }
}

impl<T: serde::de::DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map(Json).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

impl ToSql for Id {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.0))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Id)
    }
}

impl Word for Status {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Status::Open, "open"), (Status::Resolved, "resolved"), (Status::Snoozed, "snoozed")];
}

impl Word for Channel {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Channel::Widget, "widget"), (Channel::Email, "email"), (Channel::Api, "api")];
}

impl Word for Direction {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Direction::Incoming, "incoming"),
        (Direction::Outgoing, "outgoing"),
        (Direction::Note, "note"),
        (Direction::Activity, "activity"),
    ];
}

impl Word for AuthorKind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (AuthorKind::Contact, "contact"),
        (AuthorKind::Agent, "agent"),
        (AuthorKind::Participant, "participant"),
        (AuthorKind::System, "system"),
    ];
}

impl Word for Via {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Via::Widget, "widget"), (Via::Email, "email"), (Via::Api, "api"), (Via::Desk, "desk")];
}

impl Word for Ingress {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Ingress::Smtp, "smtp"),
        (Ingress::Lmtp, "lmtp"),
        (Ingress::Relay, "relay"),
        (Ingress::Mailgun, "mailgun"),
        (Ingress::Mandrill, "mandrill"),
        (Ingress::Postmark, "postmark"),
        (Ingress::Sendgrid, "sendgrid"),
        (Ingress::Pipe, "pipe"),
    ];
}

impl Word for Outcome {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Outcome::Accepted, "accepted"),
        (Outcome::Filed, "filed"),
        (Outcome::Rejected, "rejected"),
        (Outcome::Deferred, "deferred"),
        (Outcome::Duplicate, "duplicate"),
        (Outcome::Failed, "failed"),
    ];
}

impl Word for DeliveryState {
    const WORDS: &'static [(Self, &'static str)] = &[
        (DeliveryState::Waiting, "waiting"),
        (DeliveryState::Queued, "queued"),
        (DeliveryState::Deferred, "deferred"),
        (DeliveryState::Delivered, "delivered"),
        (DeliveryState::Failed, "failed"),
        (DeliveryState::Cancelled, "cancelled"),
        (DeliveryState::Seen, "seen"),
    ];
}

impl Word for Phase {
    const WORDS: &'static [(Self, &'static str)] = &[(Phase::Connecting, "connecting"), (Phase::DataSent, "data_sent")];
}

impl Word for MailKind {
    const WORDS: &'static [(Self, &'static str)] =
        &[(MailKind::Answer, "answer"), (MailKind::Notification, "notification"), (MailKind::Notice, "notice")];
}

impl Word for RecipientKind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (RecipientKind::Contact, "contact"),
        (RecipientKind::Participant, "participant"),
        (RecipientKind::Agent, "agent"),
    ];
}

impl Word for SuppressionReason {
    const WORDS: &'static [(Self, &'static str)] = &[
        (SuppressionReason::BadAddress, "bad_address"),
        (SuppressionReason::MailboxFull, "mailbox_full"),
        (SuppressionReason::Complaint, "complaint"),
        (SuppressionReason::Unsubscribed, "unsubscribed"),
    ];
}

impl Word for EventKind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (EventKind::MessageCreated, "message.created"),
        (EventKind::DeliveryChanged, "delivery.changed"),
        (EventKind::ConversationChanged, "conversation.changed"),
        (EventKind::Bounce, "bounce"),
    ];
}

impl Word for BridgeState {
    const WORDS: &'static [(Self, &'static str)] = &[
        (BridgeState::Waiting, "waiting"),
        (BridgeState::Deferred, "deferred"),
        (BridgeState::Delivered, "delivered"),
        (BridgeState::Failed, "failed"),
        (BridgeState::Cancelled, "cancelled"),
    ];
}

impl Word for SubscriptionOrigin {
    const WORDS: &'static [(Self, &'static str)] =
        &[(SubscriptionOrigin::Config, "config"), (SubscriptionOrigin::Api, "api")];
}

/// Names as one value, for `IN (SELECT value FROM json_each(?))`.
pub fn names(names: &[String]) -> rusqlite::types::Value {
    rusqlite::types::Value::Text(serde_json::Value::from(names).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Word + serde::Serialize + std::fmt::Debug>() {
        for (value, word) in T::WORDS {
            assert_eq!(serde_json::to_value(value).ok(), Some(serde_json::Value::from(*word)), "{value:?}");
        }
    }

    #[test]
    fn columns_and_json_use_the_same_words() {
        check::<Status>();
        check::<Channel>();
        check::<Direction>();
        check::<AuthorKind>();
        check::<Via>();
        check::<Ingress>();
        check::<Outcome>();
        check::<DeliveryState>();
        check::<Phase>();
        check::<MailKind>();
        check::<RecipientKind>();
        check::<SuppressionReason>();
        check::<EventKind>();
        check::<BridgeState>();
        check::<SubscriptionOrigin>();
    }
}
