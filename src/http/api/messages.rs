//! `/api/v1/conversations/{id}/messages`: what agents, contacts and notes say through the API, and how a message is
//! shown: its HTML sanitised off the event loop, by a few at a time.

use super::agents::named;
use super::conversations::visible;
use super::shape::{List, MessageShape};
use super::uploads::{WrittenFile, uploads};
use crate::config::units::parse_time;
use crate::conversation::agent::Agent;
use crate::conversation::delivery::{MailChoice, Posting};
use crate::conversation::model::{Author, AuthorKind, Direction, Message, Participant, Via};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::{LargeBody, PathId, Query, line, page_length, text};
use crate::http::surface::Surface;
use crate::mail::address::Address;
use crate::mail::html;
use crate::store::unit::NewMessage;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// A message as a caller writes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    author: WrittenBy,
    /// The agent's email address or name.
    agent: Option<String>,
    text: String,
    html: Option<String>,
    #[serde(default)]
    attachments: Vec<WrittenFile>,
    /// Participants of the conversation who get a copy of an agent's message by mail.
    #[serde(default)]
    cc: Vec<String>,
    /// Whether an agent's message may go by mail: `auto`, `now` or `never`.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    mail: MailChoice,
    /// How long an agent's message may be taken back, such as `10 s`; nobody but agents sees it before.
    hold: Option<String>,
    /// The same key in the same conversation gives the message of the first call.
    idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrittenBy {
    Agent,
    Contact,
    Note,
}

/// Whom the words of a message may mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cast<'a> {
    pub contact_name: Option<&'a str>,
    pub contact_email: Option<&'a str>,
    /// Of the account.
    pub agents: &'a [Agent],
    pub participants: &'a [Participant],
}

impl Written {
    /// An agent's plain answer.
    pub fn by_agent(agent: &str, text: String) -> Written {
        Written {
            author: WrittenBy::Agent,
            agent: Some(agent.to_owned()),
            text,
            html: None,
            attachments: Vec::new(),
            cc: Vec::new(),
            mail: MailChoice::Auto,
            hold: None,
            idempotency_key: None,
        }
    }

    /// As this caller may write it: an agent speaks for themselves, and for nobody else.
    pub fn spoken_by(self, caller: &Caller) -> Result<Written, ApiError> {
        let Caller::Agent(agent) = caller else { return Ok(self) };
        if self.author == WrittenBy::Contact {
            return Err(ApiError::invalid("author", "an agent writes as agent, or a note"));
        }
        let is_own = |word: &str| word.eq_ignore_ascii_case(&agent.email) || word == agent.name;
        if self.agent.as_deref().is_some_and(|word| !is_own(word.trim())) {
            return Err(ApiError::invalid("agent", &format!("you write as {}: name yourself, or nobody", agent.email)));
        }
        Ok(Written { agent: Some(agent.email.clone()), ..self })
    }

    /// The message to store; a contact's carries the contact's own name and address, a registered agent's theirs.
    pub fn checked(self, cast: Cast<'_>, posting: impl Fn(Direction) -> Posting) -> Result<NewMessage, ApiError> {
        let written = text("text", &self.text)?;
        if written.trim().is_empty() {
            return Err(ApiError::invalid("text", "it is empty"));
        }
        let agent = line("agent", self.agent)?;
        let author = match self.author {
            WrittenBy::Agent | WrittenBy::Note => agent_author(agent, cast.agents),
            WrittenBy::Contact => Author {
                kind: AuthorKind::Contact,
                name: cast.contact_name.map(str::to_owned),
                email: cast.contact_email.map(str::to_owned),
            },
        };
        let direction = self.author.direction();
        let held = self.hold.as_deref().map(|hold| held(self.author, hold)).transpose()?;
        if self.mail != MailChoice::Auto && self.author != WrittenBy::Agent {
            return Err(ApiError::invalid("mail", "only an agent's message goes by mail"));
        }
        Ok(NewMessage {
            direction,
            author,
            via: Via::Api,
            text: written,
            html: self.html.map(|html| text("html", &html)).transpose()?,
            quoted: String::new(),
            signature: String::new(),
            attachments: Vec::new(),
            email: None,
            idempotency_key: line("idempotency_key", self.idempotency_key)?,
            uploads: uploads(self.attachments)?,
            posting: Posting {
                cc: copied(self.author, &self.cc, cast.participants)?,
                mail: self.mail,
                held,
                ..posting(direction)
            },
        })
    }
}

impl WrittenBy {
    fn direction(self) -> Direction {
        match self {
            WrittenBy::Agent => Direction::Outgoing,
            WrittenBy::Contact => Direction::Incoming,
            WrittenBy::Note => Direction::Note,
        }
    }
}

fn held(by: WrittenBy, hold: &str) -> Result<Duration, ApiError> {
    if by != WrittenBy::Agent {
        return Err(ApiError::invalid("hold", "only an agent's message can be held"));
    }
    parse_time(hold)
        .filter(|held| *held <= HOLD_MAX)
        .ok_or_else(|| ApiError::invalid("hold", "a time of at most 10 minutes is expected, such as \"10 s\""))
}

/// Longer is a plan, not a slip: the contact would wait for what the agent thinks was said.
const HOLD_MAX: Duration = Duration::from_secs(600);

/// Only whom the conversation knows: an address that an agent mistypes gets nobody's mail.
fn copied(by: WrittenBy, cc: &[String], participants: &[Participant]) -> Result<Vec<String>, ApiError> {
    if !cc.is_empty() && by != WrittenBy::Agent {
        return Err(ApiError::invalid("cc", "only an agent's message is copied to participants"));
    }
    let mut copied: Vec<String> = Vec::new();
    for email in cc {
        let key = Address::parse(email).map(|address| address.key());
        let known = participants.iter().find(|participant| Ok(participant.email.to_lowercase()) == key);
        let reason = || format!("{:?} is no participant of this conversation", one_line(email));
        let known = known.ok_or_else(|| ApiError::invalid("cc", &reason()))?;
        if !copied.contains(&known.email) {
            copied.push(known.email.clone());
        }
    }
    Ok(copied)
}

/// A name that goes into an error must not break it.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(NAMED_MAX).collect()
}

const NAMED_MAX: usize = 254;

fn agent_author(agent: Option<String>, agents: &[Agent]) -> Author {
    if let Some(registered) = agent.as_deref().and_then(|word| named(agents, word)) {
        let (name, email) = (Some(registered.name.clone()), Some(registered.email.clone()));
        return Author { kind: AuthorKind::Agent, name, email };
    }
    let email = agent.as_deref().and_then(|agent| Address::parse(agent).ok()).map(|address| address.to_string());
    let name = agent.filter(|_| email.is_none());
    Author { kind: AuthorKind::Agent, name, email }
}

#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", params(("id" = String, Path)), request_body = Written,
    responses((status = 201, description = "the message", body = MessageShape)))]
pub async fn append(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    LargeBody(written, _place): LargeBody<Written>,
) -> Result<(StatusCode, Json<MessageShape>), ApiError> {
    let conversation = visible(&surface, &caller, id).await?;
    let agents = surface.store.agents(Some(conversation.account.clone())).await?;
    let cast = Cast {
        contact_name: conversation.contact.name.as_deref(),
        contact_email: conversation.contact.email.as_deref(),
        agents: &agents,
        participants: &conversation.participants,
    };
    let config = surface.config.load_full();
    let posting = |direction| config.posting_of(&conversation.account, &conversation.inbox, direction);
    let message = NewMessage { via: via(&caller), ..written.spoken_by(&caller)?.checked(cast, posting)? };
    let stored = surface.store.append_message(id, message).await?;
    let shown = shown(&surface, vec![stored]).await?.pop();
    shown.map(|shape| (StatusCode::CREATED, Json(shape))).ok_or_else(|| ApiError::not_found("message"))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// The id of a message, or `next` of a page: what was stored before it.
    before: Option<String>,
    limit: Option<u32>,
}

#[utoipa::path(get, path = "/api/v1/conversations/{id}/messages", params(("id" = String, Path), PageQuery),
    responses((status = 200, description = "the latest, oldest first; next leads further back", body = List<MessageShape>)))]
pub async fn list(
    State(surface): State<Surface>,
    caller: Caller,
    PathId(id): PathId,
    Query(query): Query<PageQuery>,
) -> Result<Json<List<MessageShape>>, ApiError> {
    visible(&surface, &caller, id).await?;
    let unknown = |_| ApiError::invalid("before", "the id of a message is expected");
    let before = query.before.as_deref().map(str::parse).transpose().map_err(unknown)?;
    let page = surface.store.messages_before(id, before, page_length(query.limit)?).await?;
    Ok(Json(List { items: shown(&surface, page.items).await?, next: page.next }))
}

/// By which way a caller's message came.
pub fn via(caller: &Caller) -> Via {
    match caller {
        Caller::Agent(_) => Via::Desk,
        Caller::Owner | Caller::Account(_) => Via::Api,
    }
}

/// The messages as the API shows them. Sanitising costs CPU in proportion to hostile HTML, so it is done on the
/// blocking pool and never by more than a few callers at once.
pub async fn shown(surface: &Surface, messages: Vec<Message>) -> Result<Vec<MessageShape>, ApiError> {
    if messages.iter().all(|message| message.html.is_none()) {
        return Ok(messages.into_iter().map(|message| MessageShape::new(message, None)).collect());
    }
    let permit = surface.mail_readers.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let shapes = tokio::task::spawn_blocking(move || messages.into_iter().map(sanitised).collect()).await;
    drop(permit);
    shapes.map_err(|error| ApiError::internal(&error))
}

fn sanitised(message: Message) -> MessageShape {
    let html = message.html.as_deref().and_then(html::sanitise);
    MessageShape::new(message, html)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMs;
    use crate::conversation::id::Id;

    fn check(body: &str) -> Result<NewMessage, String> {
        let written: Written = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let cast = Cast {
            contact_name: Some("Ada"),
            contact_email: Some("ada@example.com"),
            agents: &[Agent {
                id: Id(1),
                account: "acme".into(),
                email: "sara@agents.example".into(),
                name: "Sara".into(),
                inboxes: None,
                by_mail: true,
                created_at: UnixMs(0),
            }],
            participants: &[Participant { name: None, email: "bob@example.com".into(), since: UnixMs(0) }],
        };
        written.checked(cast, |_| Posting::default()).map_err(|error| error.message)
    }

    #[test]
    fn who_writes_decides_direction_and_author() {
        let direction = |body: &str| check(body).map(|message| (message.direction, message.author.kind));
        assert_eq!(direction(r#"{"author":"agent","text":"x"}"#), Ok((Direction::Outgoing, AuthorKind::Agent)));
        assert_eq!(direction(r#"{"author":"contact","text":"x"}"#), Ok((Direction::Incoming, AuthorKind::Contact)));
        assert_eq!(direction(r#"{"author":"note","text":"x"}"#), Ok((Direction::Note, AuthorKind::Agent)));
        let named = check(r#"{"author":"agent","agent":"Ben","text":"x"}"#).map(|m| (m.author.name, m.author.email));
        assert_eq!(named, Ok((Some("Ben".into()), None)));
        let mailed = check(r#"{"author":"agent","agent":"ben@acme.example","text":"x"}"#);
        assert_eq!(mailed.map(|m| m.author.email), Ok(Some("ben@acme.example".into())));
        for word in ["Sara@agents.example", "Sara"] {
            let registered = check(&format!(r#"{{"author":"agent","agent":"{word}","text":"x"}}"#));
            let author = registered.map(|m| (m.author.name, m.author.email));
            assert_eq!(author, Ok((Some("Sara".into()), Some("sara@agents.example".into()))));
        }
    }

    #[test]
    fn a_copy_goes_to_participants_only() {
        let copied = |body: &str| check(body).map(|message| message.posting.cc);
        let twice = copied(r#"{"author":"agent","text":"x","cc":["Bob@example.com","bob@example.com"]}"#);
        assert_eq!(twice, Ok(vec!["bob@example.com".to_owned()]));
        for body in [
            r#"{"author":"agent","text":"x","cc":["eve@example.com"]}"#,
            r#"{"author":"agent","text":"x","cc":["bob@example.com\r\nBcc: x"]}"#,
            r#"{"author":"note","text":"x","cc":["bob@example.com"]}"#,
        ] {
            assert!(copied(body).is_err_and(|error| error.starts_with("cc: ")), "{body}");
        }
    }

    #[test]
    fn bad_input_names_its_field() {
        for (body, expected) in [
            (r#"{"author":"agent","text":" "}"#, "text: it is empty"),
            (r#"{"author":"agent","text":"a\u0000"}"#, "text: a NUL character is not allowed"),
            (
                r#"{"author":"agent","agent":"a\r\nb","text":"x"}"#,
                "agent: line breaks and control characters are not allowed",
            ),
        ] {
            assert_eq!(check(body).map(|_| ()), Err(expected.to_owned()));
        }
        assert!(check(r#"{"author":"robot","text":"x"}"#).is_err_and(|error| error.contains("robot")));
        assert!(check(r#"{"author":"agent","txt":"x"}"#).is_err_and(|error| error.contains("txt")));
    }
}
