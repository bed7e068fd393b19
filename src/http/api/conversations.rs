//! `/api/v1/conversations`: begin, list, show, change, and the end of its reply addresses.

use super::agents::named;
use super::messages::{Cast, Written, shown, via};
use super::shape::{ConversationShape, List};
use super::{continuity, suppressions};
use crate::conversation::agent::Agent;
use crate::conversation::continuity::MailWish;
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Status};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId, Query, cursor, line, page_length, time};
use crate::http::surface::Surface;
use crate::mail::address::Address;
use crate::store::desk::{AssigneeWish, ConversationChanges};
use crate::store::query::ConversationQuery;
use crate::store::unit::{NewConversation, NewMessage};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewConversationBody {
    /// A token's own account, or the only one, need not be named.
    account: Option<String>,
    inbox: String,
    #[serde(default)]
    contact: NewContact,
    subject: Option<String>,
    #[serde(default)]
    messages: Vec<Written>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    email: Option<String>,
    name: Option<String>,
    /// Your own name for this person.
    identifier: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    #[schema(value_type = Option<String>)]
    status: Option<Status>,
    /// An agent's registered address, or name; null for nobody.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    assignee: Option<Option<String>>,
    subject: Option<String>,
    /// Snoozes it until then; a new message wakes it earlier.
    snooze_until: Option<String>,
    /// `on` or `off`: whether its contact wants what stays unseen by mail, as a channel without our widget is told it.
    #[schema(value_type = Option<String>)]
    mail: Option<MailWish>,
}

/// Tells null from what is not there.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::<String>::deserialize(from).map(Some)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
    inbox: Option<String>,
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// `me`, `none`, or an agent's address.
    assignee: Option<String>,
    /// True: only those with something that the calling agent has not read, of the 10,000 with the latest activity.
    unread: Option<bool>,
    /// The contact's email address or identifier.
    contact: Option<String>,
    /// Words in subject or messages.
    query: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ShowQuery {
    /// How many of its latest messages, 500 at most, and if not said.
    messages: Option<u16>,
}

#[utoipa::path(post, path = "/api/v1/conversations", request_body = NewConversationBody,
    responses((status = 201, description = "the conversation", body = ConversationShape)))]
pub async fn create(
    State(surface): State<Surface>,
    caller: Caller,
    Body(body): Body<NewConversationBody>,
) -> Result<(StatusCode, Json<ConversationShape>), ApiError> {
    let account = caller.account(body.account.clone(), &surface)?;
    if !caller.may_see_inbox(&account, &body.inbox) {
        return Err(ApiError::invalid("inbox", "it is not one of yours"));
    }
    let agents = surface.store.agents(Some(account.clone())).await?;
    let new = checked(body, account, &agents, &surface, &caller)?;
    let conversation = surface.store.new_conversation(new).await?;
    Ok((StatusCode::CREATED, Json(with_messages(&surface, Some(&caller), conversation, MESSAGES_SHOWN).await?)))
}

/// Everything is checked before anything is stored.
fn checked(
    body: NewConversationBody,
    account: String,
    agents: &[Agent],
    surface: &Surface,
    caller: &Caller,
) -> Result<NewConversation, ApiError> {
    let known = surface.known_account(&account)?;
    let inbox = known.inboxes.iter().find(|inbox| inbox.name == body.inbox);
    let inbox = inbox.ok_or_else(|| {
        let known: Vec<&str> = known.inboxes.iter().map(|inbox| inbox.name.as_str()).collect();
        let reason = format!("{:?} is not in the config; account {account} has {}", body.inbox, known.join(", "));
        ApiError::invalid("inbox", &reason)
    })?;
    if body.messages.len() > FIRST_MESSAGES_MAX {
        return Err(ApiError::invalid("messages", &format!("at most {FIRST_MESSAGES_MAX} may begin a conversation")));
    }
    let contact_email = line("contact.email", body.contact.email)?;
    let contact_email = contact_email.map(|email| address("contact.email", &email)).transpose()?;
    let (contact_name, contact_identifier) =
        (line("contact.name", body.contact.name)?, line("contact.identifier", body.contact.identifier)?);
    let cast = Cast {
        contact_name: contact_name.as_deref(),
        contact_email: contact_email.as_deref(),
        agents,
        participants: &[],
    };
    let config = surface.config.load_full();
    let posting = |direction| config.posting_of(&account, &inbox.name, direction);
    let message = |written: Written| {
        let message = written.spoken_by(caller)?.checked(cast, posting)?;
        Ok(NewMessage { via: via(caller), ..message })
    };
    Ok(NewConversation {
        messages: body.messages.into_iter().map(message).collect::<Result<_, ApiError>>()?,
        inbox: inbox.name.clone(),
        channel: inbox.channel,
        account,
        contact_name,
        contact_email,
        contact_identifier,
        subject: line("subject", body.subject)?,
    })
}

fn address(field: &str, text: &str) -> Result<String, ApiError> {
    Address::parse(text)
        .map(|address| address.to_string())
        .map_err(|error| ApiError::invalid(field, &error.to_string()))
}

#[utoipa::path(get, path = "/api/v1/conversations", params(ListQuery),
    responses((status = 200, description = "newest activity first", body = List<ConversationShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<ConversationShape>>, ApiError> {
    let page = surface
        .store
        .conversations(ConversationQuery {
            account: caller.scope(query.account)?,
            inbox: query.inbox,
            inboxes: caller.inboxes().map(<[String]>::to_vec),
            status: query.status,
            assignee: assignee_wish(&caller, query.assignee)?,
            unread_by: unread_wish(&caller, query.unread)?,
            contact: query.contact,
            query: query.query,
            cursor: cursor(query.cursor.as_deref())?,
            limit: page_length(query.limit)?,
        })
        .await?;
    Ok(Json(List { items: shapes(&surface, Some(&caller), page.items).await?, next: page.next }))
}

fn assignee_wish(caller: &Caller, asked: Option<String>) -> Result<Option<AssigneeWish>, ApiError> {
    Ok(match line("assignee", asked)?.as_deref() {
        None => None,
        Some("none") => Some(AssigneeWish::Nobody),
        Some("me") => Some(AssigneeWish::Agent(caller.agent()?.email.clone())),
        Some(word) => {
            let address = Address::parse(word).map(|address| address.key());
            Some(AssigneeWish::Agent(address.unwrap_or_else(|_| word.to_owned())))
        }
    })
}

fn unread_wish(caller: &Caller, asked: Option<bool>) -> Result<Option<Id>, ApiError> {
    if asked == Some(true) { Ok(Some(caller.agent()?.id)) } else { Ok(None) }
}

#[utoipa::path(get, path = "/api/v1/conversations/{id}", params(("id" = String, Path), ShowQuery),
    responses((status = 200, description = "with its latest messages, oldest first", body = ConversationShape)))]
pub async fn show(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Query(query): Query<ShowQuery>,
) -> Result<Json<ConversationShape>, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let count = query.messages.map_or(MESSAGES_SHOWN, |count| MESSAGES_SHOWN.min(count.into()));
    Ok(Json(with_messages(&surface, Some(&caller), conversation, count).await?))
}

#[utoipa::path(patch, path = "/api/v1/conversations/{id}", params(("id" = String, Path)), request_body = Changes,
    responses((status = 200, description = "the conversation as it is then", body = ConversationShape)))]
pub async fn change(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Body(changes): Body<Changes>,
) -> Result<Json<ConversationShape>, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let mail = changes.mail;
    if mail.is_some() {
        // The contact's wish is not an agent's.
        caller.no_agent()?;
    }
    let changes = changes_of(&surface, conversation.account, changes).await?;
    if let Some(wish) = mail {
        surface.store.set_mail(id, wish).await?;
    }
    let changed = surface.store.change_conversation(id, changes).await?;
    Ok(Json(shape(&surface, Some(&caller), changed).await?))
}

async fn changes_of(surface: &Surface, account: String, asked: Changes) -> Result<ConversationChanges, ApiError> {
    let snoozed_until = time("snooze_until", asked.snooze_until.as_deref())?;
    let status = match (asked.status, snoozed_until) {
        (None | Some(Status::Snoozed), Some(until)) if until > surface.clock.now() => Some(Status::Snoozed),
        (None | Some(Status::Snoozed), Some(_)) => {
            return Err(ApiError::invalid("snooze_until", "a time to come is expected"));
        }
        (Some(_), Some(_)) => return Err(ApiError::invalid("snooze_until", "it goes with the status snoozed only")),
        (status, None) => status,
    };
    let assignee = match asked.assignee {
        None => None,
        Some(word) => match line("assignee", word)? {
            Some(word) => Some(Some(assignee(surface, account, word).await?)),
            None => Some(None),
        },
    };
    Ok(ConversationChanges { status, snoozed_until, assignee, subject: line("subject", asked.subject)? })
}

/// The registered address of the agent who is meant. An account without registered agents may use any word.
async fn assignee(surface: &Surface, account: String, word: String) -> Result<String, ApiError> {
    let agents = surface.store.agents(Some(account)).await?;
    if agents.is_empty() {
        return Ok(word);
    }
    let found = named(&agents, &word).map(|agent| agent.email.clone());
    found.ok_or_else(|| {
        ApiError::invalid("assignee", &format!("{word:?} is no agent of this account; GET /api/v1/agents lists them"))
    })
}

/// The conversation, if it is there and the caller may see it.
pub async fn visible(surface: &Surface, caller: &Caller, id: Id) -> Result<Conversation, ApiError> {
    let conversation = surface.store.conversation(id).await?;
    let may = caller.may_see_inbox(&conversation.account, &conversation.inbox);
    if may { Ok(conversation) } else { Err(ApiError::not_found("conversation")) }
}

/// Whether a conversation of the caller's account is in an inbox that the caller may see.
pub async fn within(surface: &Surface, caller: &Caller, id: Id) -> Result<bool, ApiError> {
    if caller.inboxes().is_none() {
        return Ok(true);
    }
    let conversation = surface.store.conversation(id).await?;
    Ok(caller.may_see_inbox(&conversation.account, &conversation.inbox))
}

/// The conversation as changes show it to programs.
pub async fn without_messages(surface: &Surface, conversation: Conversation) -> Result<ConversationShape, ApiError> {
    shape(surface, None, conversation).await
}

async fn shape(
    surface: &Surface,
    caller: Option<&Caller>,
    conversation: Conversation,
) -> Result<ConversationShape, ApiError> {
    let mut shapes = shapes(surface, caller, vec![conversation]).await?;
    shapes.pop().ok_or_else(|| ApiError::not_found("conversation"))
}

/// The conversations as lists show them; to an agent with what they have not read.
async fn shapes(
    surface: &Surface,
    caller: Option<&Caller>,
    conversations: Vec<Conversation>,
) -> Result<Vec<ConversationShape>, ApiError> {
    let agent = caller.and_then(|caller| caller.agent().ok()).map(|agent| agent.id);
    let ids = conversations.iter().map(|conversation| conversation.id).collect();
    let glances = surface.store.glances(ids, agent).await?;
    let mut shapes = Vec::with_capacity(conversations.len());
    for (conversation, glance) in conversations.into_iter().zip(glances) {
        let account = surface.account(&conversation.account);
        let continuity = continuity::of(surface, &conversation, account.as_ref()).await?;
        shapes.push(ConversationShape::new(conversation, account.as_ref(), continuity).with(glance));
    }
    Ok(shapes)
}

async fn with_messages(
    surface: &Surface,
    caller: Option<&Caller>,
    conversation: Conversation,
    count: usize,
) -> Result<ConversationShape, ApiError> {
    let messages = surface.store.messages(conversation.id, count).await?;
    let suppressions = suppressions::of(surface, &conversation).await?;
    let mut shape = shape(surface, caller, conversation).await?;
    shape.suppressions = Some(suppressions);
    shape.messages = Some(shown(surface, messages).await?);
    Ok(shape)
}

const FIRST_MESSAGES_MAX: usize = 100;
const MESSAGES_SHOWN: usize = 500;
