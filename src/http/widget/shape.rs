//! What a visitor is shown: its own words in full, an agent by name alone, an address never but its own.

use crate::clock::UnixMs;
use crate::conversation::delivery::DeliveryState;
use crate::conversation::id::Id;
use crate::conversation::links::{attachment_url, until};
use crate::conversation::model::{Attachment, Author, AuthorKind, Status, Via};
use crate::http::surface::Surface;
use crate::store::visitors::{Glimpse, Proof, SeenMessage, Visitor};
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct EntryShape {
    /// Of a new visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    pub visitor: VisitorShape,
}

#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct VisitorShape {
    pub name: Option<String>,
    /// Where mail goes; shortened for who came by a link.
    pub email: Option<String>,
    /// `none`, `claimed`, `proven` or `bounced`.
    pub email_state: &'static str,
    /// The site vouches for this visitor.
    pub identified: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OpenConversationShape {
    #[schema(value_type = String)]
    pub id: Id,
    #[schema(value_type = String)]
    pub status: Status,
    /// `on` or `off`: whether what stays unseen goes out by mail.
    pub mail: &'static str,
    pub unread: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ListedConversationShape {
    #[schema(value_type = String)]
    pub id: Id,
    pub subject: Option<String>,
    pub last_message_at: Option<String>,
    pub unread: u32,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ShownMessage {
    #[schema(value_type = String)]
    pub id: Id,
    pub author: ShownAuthor,
    pub text: String,
    #[schema(value_type = String)]
    pub via: Via,
    pub attachments: Vec<ShownAttachment>,
    pub created_at: String,
    pub seen_at: Option<String>,
    /// How it goes to the visitor by mail; null where no mail is planned.
    pub delivery: Option<ShownDelivery>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ShownAuthor {
    #[schema(value_type = String)]
    pub kind: AuthorKind,
    pub name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ShownAttachment {
    #[schema(value_type = String)]
    pub id: Id,
    pub name: String,
    #[serde(rename = "type")]
    pub media_type: String,
    pub size: u64,
    /// Signed: it opens without a token, for a while.
    pub url: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ShownDelivery {
    #[schema(value_type = String)]
    pub state: DeliveryState,
    /// `j…@x.com`
    pub to: String,
    pub at: Option<String>,
}

impl VisitorShape {
    pub fn of(visitor: &Visitor) -> VisitorShape {
        let contact = &visitor.contact;
        let address = contact.claimed_email.as_ref().or(contact.email.as_ref());
        let email_state = match (address, contact.bounced, &contact.claimed_email) {
            (None, _, _) => "none",
            (Some(_), true, _) => "bounced",
            (Some(_), false, Some(_)) => "claimed",
            (Some(_), false, None) => "proven",
        };
        let by_link = visitor.proof == Proof::Resume;
        VisitorShape {
            name: contact.name.clone(),
            email: address.map(|address| if by_link { shortened(address) } else { address.clone() }),
            email_state,
            identified: visitor.proof == Proof::Identity,
        }
    }
}

impl OpenConversationShape {
    pub fn of(glimpse: &Glimpse) -> OpenConversationShape {
        OpenConversationShape {
            id: glimpse.id,
            status: glimpse.status,
            mail: if glimpse.mail_off { "off" } else { "on" },
            unread: glimpse.unread,
        }
    }
}

impl From<Glimpse> for ListedConversationShape {
    fn from(glimpse: Glimpse) -> ListedConversationShape {
        ListedConversationShape {
            id: glimpse.id,
            subject: glimpse.subject,
            last_message_at: glimpse.last_message_at.map(UnixMs::rfc3339),
            unread: glimpse.unread,
        }
    }
}

impl ShownMessage {
    pub fn of(surface: &Surface, seen: SeenMessage) -> ShownMessage {
        let SeenMessage { message, mail } = seen;
        ShownMessage {
            id: message.id,
            author: ShownAuthor { kind: message.author.kind, name: shown_name(message.author) },
            text: message.text,
            via: message.via,
            attachments: message.attachments.into_iter().map(|file| attachment(surface, file)).collect(),
            created_at: message.created_at.rfc3339(),
            seen_at: message.seen_at.map(UnixMs::rfc3339),
            delivery: mail.map(|mail| ShownDelivery {
                state: mail.state,
                to: shortened(&mail.recipient),
                at: mail.at.map(UnixMs::rfc3339),
            }),
        }
    }
}

/// A program may write an agent's address into the name; visitors get no address but their own.
fn shown_name(author: Author) -> Option<String> {
    author.name.filter(|name| author.kind != AuthorKind::Agent || !name.contains('@'))
}

fn attachment(surface: &Surface, file: Attachment) -> ShownAttachment {
    let config = surface.config.load();
    let until = until(surface.clock.now(), config.outbound.link_life);
    ShownAttachment {
        url: attachment_url(surface.store.keys(), &config.http.public_url, file.id, until),
        id: file.id,
        name: file.name,
        media_type: file.media_type,
        size: file.size,
    }
}

/// Enough for its owner to know it, too little for anyone else.
pub fn shortened(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(1).collect();
    format!("{first}…@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::visitors::VisitorContact;

    #[test]
    fn an_address_is_shortened_to_what_its_owner_knows() {
        for (address, expected) in
            [("jane@x.com", "j…@x.com"), ("ü@x.com", "ü…@x.com"), ("\"a@b\"@x.com", "\"…@x.com"), ("x", "x…@")]
        {
            assert_eq!(shortened(address), expected);
        }
    }

    #[test]
    fn an_agents_name_tells_no_address() {
        for (kind, name, expected) in [
            (AuthorKind::Agent, "Sara", Some("Sara")),
            (AuthorKind::Agent, "Bob <bob@corp.example>", None),
            (AuthorKind::Agent, "bob@corp.example (Bob)", None),
            (AuthorKind::Contact, "jane@x.com", Some("jane@x.com")),
        ] {
            let author = Author { kind, name: Some(name.to_owned()), email: None };
            assert_eq!(shown_name(author).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_state_of_an_address_is_one_of_four() {
        let state = |email: Option<&str>, claimed: Option<&str>, bounced, proof| {
            let contact = VisitorContact {
                id: Id(2),
                name: None,
                email: email.map(str::to_owned),
                claimed_email: claimed.map(str::to_owned),
                identifier: None,
                bounced,
            };
            let visitor =
                Visitor { id: Id(1), account: "acme".into(), inbox: "web".into(), proof, heard_at: UnixMs(0), contact };
            let shape = VisitorShape::of(&visitor);
            (shape.email.unwrap_or_default(), shape.email_state)
        };
        assert_eq!(state(None, None, true, Proof::Anonymous), (String::new(), "none"));
        assert_eq!(state(None, Some("a@x.com"), false, Proof::Anonymous), ("a@x.com".into(), "claimed"));
        assert_eq!(state(Some("a@x.com"), None, false, Proof::Identity), ("a@x.com".into(), "proven"));
        assert_eq!(state(Some("a@x.com"), Some("b@x.com"), true, Proof::Identity), ("b@x.com".into(), "bounced"));
        assert_eq!(state(Some("ann@x.com"), None, false, Proof::Resume), ("a…@x.com".into(), "proven"));
    }
}
