//! `/widget/v1/messages`: what a visitor says, once per idempotency key, and what was said.

use super::form::{self, Known, Occasion};
use super::guest::Guest;
use super::place::{Place, page_address};
use super::refused::Refused;
use super::shape::ShownMessage;
use crate::conversation::id::Id;
use crate::conversation::model::{Author, AuthorKind, Direction, Via};
use crate::http::api::uploads::{WrittenFile, uploads};
use crate::http::error::ApiError;
use crate::http::input::{self, Query, line, text};
use crate::http::listener::PeerAddress;
use crate::http::surface::Surface;
use crate::mail::address::{Address, email_key};
use crate::net::permits::Slot;
use crate::store::unit::NewMessage;
use crate::store::visitors::{Claim, Proof, Range, Saying, Target, Visitor};
use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenByVisitor {
    /// `new` begins one. Without it: the visitor's latest that is not resolved, or a new one.
    conversation: Option<String>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    attachments: Vec<WrittenFile>,
    /// The same key gives the message of the first call.
    idempotency_key: String,
    page: Option<String>,
    /// Answers of the form before the chat, by field.
    #[schema(value_type = Option<Object>)]
    fields: Option<Map<String, Value>>,
    email: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SaidShape {
    #[schema(value_type = String)]
    conversation_id: Id,
    message: ShownMessage,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Which {
    conversation: String,
    /// Messages before this one, or after it; without either the latest.
    before: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct MessagesShape {
    /// Oldest first.
    items: Vec<ShownMessage>,
    /// Whether there are others in the direction asked for.
    more: bool,
}

/// A body that may carry files; larger ones wait for one of a few places, which are no other caller's.
pub struct VisitorsBody(WrittenByVisitor, Option<(Option<Slot>, OwnedSemaphorePermit)>);

impl FromRequest<Surface> for VisitorsBody {
    type Rejection = Refused;

    async fn from_request(request: Request, surface: &Surface) -> Result<VisitorsBody, Refused> {
        // Before a place is waited for: what is too long never gets one.
        input::fits(&request, BODY_OCTETS_MAX)?;
        let is_usual = input::content_length(&request).is_some_and(|length| length <= USUAL_OCTETS);
        let place = if is_usual {
            None
        } else {
            let peer = request.extensions().get::<PeerAddress>().and_then(|peer| peer.0);
            let sender = surface.widget.sender(peer)?;
            let place = surface.widget.large_bodies.clone().acquire_owned().await;
            place.ok().map(|place| (sender, place))
        };
        Ok(VisitorsBody(input::read(request, BODY_OCTETS_MAX).await?, place))
    }
}

#[utoipa::path(post, path = "/widget/v1/messages", request_body = WrittenByVisitor,
    responses((status = 201, description = "the message and its conversation", body = SaidShape),
        (status = 422, description = "`error.fields` says what is wrong with which"),
        (status = 429, description = "too many; Retry-After says when")))]
pub async fn say(
    State(surface): State<Surface>,
    guest: Guest,
    VisitorsBody(written, _place): VisitorsBody,
) -> Result<(StatusCode, Json<SaidShape>), Refused> {
    let now = surface.clock.monotonic();
    let Guest { visitor, place, peer } = guest;
    surface.widget.message(peer, visitor.id, now)?;
    let target = target(written.conversation.as_deref())?;
    let begins = match target {
        Target::Named(conversation) => {
            surface.store.visitor_grounds(visitor.id, conversation).await?;
            surface.widget.message_in(conversation, now)?;
            false
        }
        Target::Latest => surface.store.visitor_begins(visitor.id).await?,
        Target::New => {
            surface.widget.beginning(visitor.id, now)?;
            visitor.proof != Proof::Resume
        }
    };
    if begins {
        surface.widget.beginning_of(peer, now)?;
    }
    let saying = checked(&surface, &visitor, &place, target, begins, written)?;
    weigh(&surface, &visitor, &saying.claim)?;
    let files = saying.message.uploads.iter().map(|file| file.octets.len()).sum();
    surface.widget.files(peer, visitor.id, files, now)?;
    room(&surface, saying.message.text.len() + files)?;
    let said = surface.store.visitor_says(saying).await?;
    let message = ShownMessage::of(&surface, said.message);
    Ok((StatusCode::CREATED, Json(SaidShape { conversation_id: said.conversation, message })))
}

/// Mail is not refused for lack of room because strangers filled the disk.
fn room(surface: &Surface, octets: usize) -> Result<(), Refused> {
    let (services, now) = (&surface.inbound, surface.clock.monotonic());
    let octets = u64::try_from(octets).unwrap_or(u64::MAX);
    if services.space.has_room(octets, &services.store, &services.limits(), now) {
        return Ok(());
    }
    let message = "there is no room for messages at the moment; try again in a few minutes";
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_room", message).into())
}

fn target(conversation: Option<&str>) -> Result<Target, Refused> {
    match conversation {
        None => Ok(Target::Latest),
        Some(NEW) => Ok(Target::New),
        Some(id) => Ok(Target::Named(id_of(id)?)),
    }
}

fn checked(
    surface: &Surface,
    visitor: &Visitor,
    place: &Place,
    target: Target,
    begins: bool,
    written: WrittenByVisitor,
) -> Result<Saying, Refused> {
    let (email, name) = (email(surface, written.email)?, line("name", written.name)?);
    let known = Known {
        email: email.is_some() || visitor.contact.claimed_email.is_some() || visitor.contact.email.is_some(),
        name: name.is_some() || visitor.contact.name.is_some(),
    };
    let occasion = if begins { Occasion::Beginning(known) } else { Occasion::Later };
    let answers = form::check(&place.inbox.widget.pre_chat, written.fields.unwrap_or_default(), occasion);
    let answers = answers.map_err(Refused::fields)?;
    let typed = match answers.email {
        Some(typed) => self::email(surface, Some(typed))?,
        None => None,
    };
    let claim = Claim {
        email: email.or(typed),
        name: name.or(answers.name),
        fields: (!answers.fields.is_empty()).then_some(answers.fields),
    };
    let message = message(surface, place, written.text, written.attachments, written.idempotency_key)?;
    Ok(Saying {
        visitor: visitor.id,
        target,
        message,
        claim,
        page: page_address(written.page),
        channel: place.inbox.channel,
    })
}

fn message(
    surface: &Surface,
    place: &Place,
    written: String,
    files: Vec<WrittenFile>,
    key: String,
) -> Result<NewMessage, Refused> {
    let written = text("text", &written)?;
    if written.trim().is_empty() && files.is_empty() {
        return Err(Refused::field("text", "it is empty"));
    }
    if written.len() > TEXT_OCTETS_MAX {
        return Err(Refused::field("text", &format!("it is longer than {TEXT_OCTETS_MAX} octets")));
    }
    if files.len() > FILES_MAX {
        return Err(Refused::field("attachments", &format!("at most {FILES_MAX} may come with a message")));
    }
    let key = line("idempotency_key", Some(key))?.filter(|key| key.len() <= KEY_OCTETS_MAX);
    let key = key.ok_or_else(|| Refused::field("idempotency_key", "a word of at most 100 octets is expected"))?;
    let uploads = uploads(files)?;
    if uploads.iter().any(|file| file.octets.len() > FILE_OCTETS_MAX) {
        return Err(Refused::field("attachments", &format!("a file is longer than {FILE_OCTETS_MAX} octets")));
    }
    Ok(NewMessage {
        direction: Direction::Incoming,
        // The store fills in who the contact of the conversation is.
        author: Author { kind: AuthorKind::Contact, name: None, email: None },
        via: Via::Widget,
        text: written,
        html: None,
        quoted: String::new(),
        signature: String::new(),
        attachments: Vec::new(),
        email: None,
        idempotency_key: Some(key),
        uploads,
        posting: surface.config.load().posting_of(&place.account, &place.inbox.name, Direction::Incoming),
    })
}

/// A visitor corrects its address now and then; the same again costs nothing.
pub fn weigh(surface: &Surface, visitor: &Visitor, claim: &Claim) -> Result<(), Refused> {
    let contact = &visitor.contact;
    let known = contact.claimed_email.as_ref().or(contact.email.as_ref());
    match claim.email.as_deref().map(email_key) {
        Some(typed) if known != Some(&typed) => surface.widget.address(visitor.id, surface.clock.monotonic()),
        Some(_) | None => Ok(()),
    }
}

/// An address that a visitor typed; one of our own would bring its mail back to us.
pub fn email(surface: &Surface, typed: Option<String>) -> Result<Option<String>, Refused> {
    let Some(typed) = line("email", typed)? else { return Ok(None) };
    let address = Address::parse(&typed).map_err(|error| Refused::field("email", &error.to_string()))?;
    let config = surface.config.load();
    let is_ours = config.accounts.iter().any(|account| account.inbound_domain == address.domain())
        || config.inbox_of_address(&address.key()).is_some();
    if is_ours {
        return Err(Refused::field("email", "it is an address of this chat's own; yours is expected"));
    }
    Ok(Some(address.to_string()))
}

#[utoipa::path(get, path = "/widget/v1/messages", params(Which),
    responses((status = 200, description = "oldest first", body = MessagesShape)))]
pub async fn list(
    State(surface): State<Surface>,
    guest: Guest,
    Query(which): Query<Which>,
) -> Result<Json<MessagesShape>, Refused> {
    surface.widget.read(guest.visitor.id, surface.clock.monotonic())?;
    let conversation = id_of(&which.conversation)?;
    let edge = |field: &str, id: &str| id.parse().map_err(|_| Refused::field(field, "the id of a message is expected"));
    let range = match (&which.before, &which.after) {
        (Some(id), _) => Range::Before(edge("before", id)?),
        (None, Some(id)) => Range::After(edge("after", id)?),
        (None, None) => Range::Latest,
    };
    let limit = match which.limit {
        None => PAGE_LENGTH,
        Some(limit) if (1..=PAGE_LENGTH_MAX).contains(&limit) => limit,
        Some(_) => return Err(Refused::field("limit", &format!("a number from 1 to {PAGE_LENGTH_MAX} is expected"))),
    };
    let limit = usize::try_from(limit).unwrap_or_default();
    let page = surface.store.visitor_messages(guest.visitor.id, conversation, range, limit).await?;
    let items = page.items.into_iter().map(|seen| ShownMessage::of(&surface, seen)).collect();
    Ok(Json(MessagesShape { items, more: page.more }))
}

/// What is no id names nothing that exists.
pub fn id_of(text: &str) -> Result<Id, Refused> {
    text.parse().map_err(|_| ApiError::not_found("conversation").into())
}

/// No id: those have thirteen letters.
const NEW: &str = "new";
const TEXT_OCTETS_MAX: usize = 32 * 1024;
pub const FILES_MAX: usize = 10;
pub const FILE_OCTETS_MAX: usize = 10 * 1024 * 1024;
/// Files of that size in base64, and the words.
const BODY_OCTETS_MAX: usize = 14 * 1024 * 1024;
const USUAL_OCTETS: usize = 256 * 1024;
const KEY_OCTETS_MAX: usize = 100;
const PAGE_LENGTH: u32 = 50;
const PAGE_LENGTH_MAX: u32 = 100;
