//! `/api/v1/conversations`: begin, list, show, change, and the end of its reply addresses.

use super::agents::named;
use super::continuity;
use super::messages::{Cast, Written, shown, via};
use super::shape::{ConversationShape, List};
use crate::conversation::agent::Agent;
use crate::conversation::id::Id;
use crate::conversation::model::{Conversation, Status};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{Body, PathId, Query, cursor, line, page_length};
use crate::http::surface::Surface;
use crate::mail::address::Address;
use crate::store::query::ConversationQuery;
use crate::store::unit::{NewConversation, NewMessage};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
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
    /// An agent's registered address, or name.
    assignee: Option<String>,
    subject: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    account: Option<String>,
    inbox: Option<String>,
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// The contact's email address or identifier.
    contact: Option<String>,
    /// Words in subject or messages.
    query: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
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
    Ok((StatusCode::CREATED, Json(with_messages(&surface, conversation).await?)))
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
            contact: query.contact,
            query: query.query,
            cursor: cursor(query.cursor.as_deref())?,
            limit: page_length(query.limit)?,
        })
        .await?;
    let mut items = Vec::with_capacity(page.items.len());
    for conversation in page.items {
        items.push(without_messages(&surface, conversation).await?);
    }
    Ok(Json(List { items, next: page.next }))
}

#[utoipa::path(get, path = "/api/v1/conversations/{id}", params(("id" = String, Path)),
    responses((status = 200, description = "with its latest messages, oldest first", body = ConversationShape)))]
pub async fn show(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ConversationShape>, ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    Ok(Json(with_messages(&surface, conversation).await?))
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
    let assignee = match line("assignee", changes.assignee)? {
        Some(word) => Some(assignee(&surface, conversation.account, word).await?),
        None => None,
    };
    let subject = line("subject", changes.subject)?;
    let changed = surface.store.update_conversation(id, changes.status, assignee, subject).await?;
    Ok(Json(without_messages(&surface, changed).await?))
}

/// The registered address of the agent who is meant. An account without registered agents may use any word.
async fn assignee(surface: &Surface, account: String, word: String) -> Result<String, ApiError> {
    let agents = surface.store.agents(Some(account)).await?;
    if agents.is_empty() {
        return Ok(word);
    }
    let found = named(&agents, &word).map(|agent| agent.email.clone());
    found.ok_or_else(|| {
        ApiError::invalid("assignee", &format!("{word:?} is no agent of this account; see replyd agent list"))
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

/// The conversation as lists and changes show it.
pub async fn without_messages(surface: &Surface, conversation: Conversation) -> Result<ConversationShape, ApiError> {
    let account = surface.account(&conversation.account);
    let continuity = continuity::of(surface, &conversation, account.as_ref()).await?;
    Ok(ConversationShape::new(conversation, account.as_ref(), continuity))
}

async fn with_messages(surface: &Surface, conversation: Conversation) -> Result<ConversationShape, ApiError> {
    let messages = surface.store.messages(conversation.id, MESSAGES_SHOWN).await?;
    let mut shape = without_messages(surface, conversation).await?;
    shape.messages = Some(shown(surface, messages).await?);
    Ok(shape)
}

const FIRST_MESSAGES_MAX: usize = 100;
const MESSAGES_SHOWN: usize = 500;
