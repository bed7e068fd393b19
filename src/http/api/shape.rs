//! The JSON shapes of the API: every field is always there, absent values are null.

use crate::clock::UnixMs;
use crate::config::checked::Account;
use crate::conversation::delivery::DeliveryState;
use crate::conversation::id::Id;
use crate::conversation::model::{Attachment, Email, Ingress, Message, Participant};
use crate::conversation::model::{Author, AuthorKind, Channel, Contact, Conversation, Direction, Status, Via};
use crate::mail::automatic::Class;
use crate::mail::dsn::Bounce;
use crate::store::desk::{Glance, LastMessage};
use crate::store::outgoing::Forecast;
use serde::Serialize;
use utoipa::ToSchema;

pub use super::shape_hooks::{BridgeShape, WebhookShape};
pub use super::shape_inbound::InboundShape;
pub use super::shape_outgoing::{AgentShape, DeliveryShape, QueueShape, SuppressionShape};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    pub items: Vec<T>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ConversationShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub account: String,
    pub inbox: String,
    #[schema(value_type = String)]
    pub channel: Channel,
    #[schema(value_type = String)]
    pub status: Status,
    pub subject: Option<String>,
    pub assignee: Option<String>,
    pub contact: ContactShape,
    pub participants: Vec<ParticipantShape>,
    /// Where a mail client answers to; null when the account is no longer in the config.
    pub reply_address: Option<String>,
    /// When that address ceases, or ceased, to take mail; null for one without an end.
    pub reply_address_until: Option<String>,
    /// Whether it was revoked: mail to it is refused for good, also to answers that are sent from now on.
    pub reply_address_revoked: bool,
    pub created_at: String,
    pub last_message_at: Option<String>,
    pub unseen_by_contact: u32,
    /// How the contact is in the chat.
    pub presence: PresenceShape,
    pub continuity: ContinuityShape,
    /// `off`: the contact wants no mail of this conversation.
    pub mail: &'static str,
    /// Where on the site the contact was last.
    pub page: Option<String>,
    /// Whether somebody outside wrote what the calling agent has not read; null for a caller who is no agent.
    pub unread: Option<bool>,
    pub last_message: Option<LastMessageShape>,
    /// `failed`, or `deferred` for long: the last answer has not arrived, and nobody outside wrote since.
    #[schema(value_type = Option<String>)]
    pub undelivered: Option<DeliveryState>,
    /// When a snoozed one wakes by itself.
    pub snooze_until: Option<String>,
    /// Whose addresses among contact and participants get no mail, and why; shown with a single conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressions: Option<Vec<SuppressionShape>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<MessageShape>>,
}

/// The beginning of the last message.
#[derive(Debug, Serialize, ToSchema)]
pub struct LastMessageShape {
    pub text: String,
    pub author: AuthorShape,
    #[schema(value_type = String)]
    pub via: Via,
    pub at: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ContactShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub name: Option<String>,
    pub email: Option<String>,
    /// Typed by a visitor and not proven: mail goes there.
    pub claimed_email: Option<String>,
    pub identifier: Option<String>,
    /// Since when mail to the address comes back.
    pub bounced: Option<BouncedShape>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BouncedShape {
    pub since: String,
    pub reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ParticipantShape {
    pub name: Option<String>,
    pub email: String,
    pub since: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PresenceShape {
    /// `present`, `away` or `absent`.
    pub state: &'static str,
    /// Null: it was never otherwise.
    pub since: Option<String>,
}

/// What would become of a message written now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastShape {
    /// It is in the chat at once.
    pub chat: bool,
    /// Null: no mail.
    pub email: Option<ForecastMailShape>,
    pub reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ForecastMailShape {
    pub to: String,
    pub due_at: String,
}

/// When what is unseen goes out by mail, and why then or not at all.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContinuityShape {
    pub due_at: Option<String>,
    pub reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MessageShape {
    #[schema(value_type = String)]
    pub id: Id,
    #[schema(value_type = String)]
    pub conversation_id: Id,
    #[schema(value_type = String)]
    pub direction: Direction,
    pub author: AuthorShape,
    #[schema(value_type = String)]
    pub via: Via,
    /// What the person wrote, trimmed.
    pub text: String,
    /// Sanitised; null if there is none or it cannot be shown safely.
    pub html: Option<String>,
    pub quoted: String,
    pub signature: String,
    pub attachments: Vec<AttachmentShape>,
    pub created_at: String,
    pub seen_at: Option<String>,
    /// Until then its author may take it back, and only agents see it.
    pub held_until: Option<String>,
    pub email: Option<EmailShape>,
    pub delivery: Option<DeliveryShape>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AuthorShape {
    #[schema(value_type = String)]
    pub kind: AuthorKind,
    pub name: Option<String>,
    pub email: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AttachmentShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub name: String,
    #[serde(rename = "type")]
    pub media_type: String,
    pub size: u64,
    pub inline: bool,
    pub content_id: Option<String>,
    pub sha256: String,
    pub url: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EmailShape {
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    pub from: Vec<String>,
    pub reply_to: Vec<String>,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub subject: Option<String>,
    pub envelope_from: String,
    pub envelope_to: String,
    #[schema(value_type = String)]
    pub class: Class,
    pub class_reason: String,
    /// What a bounce says of a mail of ours, as `replyd inspect` shows it.
    #[schema(value_type = Option<Object>)]
    pub bounce: Option<Bounce>,
    #[schema(value_type = Object)]
    pub auth: serde_json::Value,
    /// Null for a mail of ours.
    #[schema(value_type = Option<String>)]
    pub ingress: Option<Ingress>,
    #[schema(value_type = String)]
    pub raw_id: Id,
    pub defects: Vec<String>,
}

impl ConversationShape {
    /// `account` is the config's account of this conversation, if it is still there.
    pub fn new(
        conversation: Conversation,
        account: Option<&Account>,
        continuity: ContinuityShape,
    ) -> ConversationShape {
        ConversationShape {
            id: conversation.id,
            account: conversation.account,
            inbox: conversation.inbox,
            channel: conversation.channel,
            status: conversation.status,
            subject: conversation.subject,
            assignee: conversation.assignee,
            contact: conversation.contact.into(),
            participants: conversation.participants.into_iter().map(ParticipantShape::from).collect(),
            reply_address: account.map(|account| conversation.reply_token.address(&account.inbound_domain)),
            reply_address_until: conversation.reply_token_until.map(UnixMs::rfc3339),
            reply_address_revoked: conversation.reply_token_is_revoked,
            created_at: conversation.created_at.rfc3339(),
            last_message_at: conversation.last_message_at.map(|at| at.rfc3339()),
            unseen_by_contact: conversation.unseen_by_contact,
            presence: PresenceShape {
                state: conversation.presence.word(),
                since: conversation.presence_since.map(UnixMs::rfc3339),
            },
            continuity,
            mail: if conversation.mail_off { "off" } else { "on" },
            page: conversation.page,
            unread: None,
            last_message: None,
            undelivered: None,
            snooze_until: conversation.snoozed_until.map(UnixMs::rfc3339),
            suppressions: None,
            messages: None,
        }
    }

    /// With what a list shows beside it.
    pub fn with(self, glance: Glance) -> ConversationShape {
        let last_message = glance.last_message.map(LastMessageShape::from);
        ConversationShape { unread: glance.unread, last_message, undelivered: glance.undelivered, ..self }
    }
}

impl From<LastMessage> for LastMessageShape {
    fn from(message: LastMessage) -> LastMessageShape {
        let LastMessage { text, author, via, at } = message;
        LastMessageShape { text, author: author.into(), via, at: at.rfc3339() }
    }
}

impl From<Contact> for ContactShape {
    fn from(contact: Contact) -> ContactShape {
        let Contact { id, name, email, claimed_email, identifier, bounced } = contact;
        let bounced = bounced.map(|it| BouncedShape { since: it.since.rfc3339(), reason: it.reason });
        ContactShape { id, name, email, claimed_email, identifier, bounced }
    }
}

impl From<Participant> for ParticipantShape {
    fn from(participant: Participant) -> ParticipantShape {
        let Participant { name, email, since } = participant;
        ParticipantShape { name, email, since: since.rfc3339() }
    }
}

impl From<Author> for AuthorShape {
    fn from(author: Author) -> AuthorShape {
        let Author { kind, name, email } = author;
        AuthorShape { kind, name, email }
    }
}

impl MessageShape {
    /// `html` is what sanitising left of the message's HTML.
    pub fn new(message: Message, html: Option<String>) -> MessageShape {
        let is_outgoing = message.direction == Direction::Outgoing;
        let waits = is_outgoing.then(|| DeliveryShape::without_mail(message.seen_at.is_some()));
        MessageShape {
            id: message.id,
            conversation_id: message.conversation_id,
            direction: message.direction,
            author: message.author.into(),
            via: message.via,
            text: message.text,
            html,
            quoted: message.quoted,
            signature: message.signature,
            attachments: message.attachments.into_iter().map(AttachmentShape::from).collect(),
            created_at: message.created_at.rfc3339(),
            seen_at: message.seen_at.map(|at| at.rfc3339()),
            held_until: message.held_until.map(UnixMs::rfc3339),
            email: message.email.map(EmailShape::from),
            delivery: message.delivery.map(DeliveryShape::from).or(waits),
        }
    }
}

impl From<Forecast> for ForecastShape {
    fn from(forecast: Forecast) -> ForecastShape {
        let Forecast { chat, email, reason } = forecast;
        let email = email.map(|mail| ForecastMailShape { to: mail.to, due_at: mail.due_at.rfc3339() });
        ForecastShape { chat, email, reason }
    }
}

impl From<Attachment> for AttachmentShape {
    fn from(attachment: Attachment) -> AttachmentShape {
        AttachmentShape {
            url: format!("/api/v1/attachments/{}", attachment.id),
            id: attachment.id,
            name: attachment.name,
            media_type: attachment.media_type,
            size: attachment.size,
            inline: attachment.inline,
            content_id: attachment.content_id,
            sha256: attachment.sha256,
        }
    }
}

impl From<Email> for EmailShape {
    fn from(email: Email) -> EmailShape {
        EmailShape {
            message_id: email.message_id,
            in_reply_to: email.in_reply_to,
            references: email.references,
            from: email.from,
            reply_to: email.reply_to,
            to: email.to,
            cc: email.cc,
            subject: email.subject,
            envelope_from: email.envelope_from,
            envelope_to: email.envelope_to,
            class: email.class,
            class_reason: email.class_reason,
            bounce: email.bounce,
            auth: super::shape_outgoing::auth(email.auth, email.ingress),
            ingress: email.ingress,
            raw_id: email.raw_id,
            defects: email.defects,
        }
    }
}
