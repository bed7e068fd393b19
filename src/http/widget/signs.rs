//! Signs of life of a tab: whether it is looked at, what was seen, whether somebody types. What follows from them is the
//! store's to decide, in the same commit.

use super::feed::tab_of;
use super::guest::Guest;
use super::messages::id_of;
use super::place::page_address;
use super::refused::Refused;
use crate::conversation::id::Id;
use crate::conversation::model::AuthorKind;
use crate::conversation::presence::{TabState, TypingState, Typist};
use crate::http::input::Body;
use crate::http::live::Whisper;
use crate::http::surface::Surface;
use crate::store::StoreError;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TabSign {
    conversation: String,
    /// As in the tab's feed of events: without one the tab is not there.
    tab: String,
    /// `connected`, `visible`, `reading` or `gone`.
    #[schema(value_type = String)]
    state: Sign,
    page: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sign {
    Connected,
    Visible,
    Reading,
    Gone,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenSign {
    conversation: String,
    /// Messages that were seen, 100 at most: those that stayed on the screen.
    ids: Option<Vec<String>>,
    /// Instead: a message; it and everything before it was seen.
    up_to: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypingSign {
    conversation: String,
    typing: bool,
}

impl Sign {
    fn state(self) -> Option<TabState> {
        match self {
            Sign::Connected => Some(TabState::Connected),
            Sign::Visible => Some(TabState::Visible),
            Sign::Reading => Some(TabState::Reading),
            Sign::Gone => None,
        }
    }
}

#[utoipa::path(post, path = "/widget/v1/presence", request_body = TabSign,
    responses((status = 204, description = "noted")))]
pub async fn presence(
    State(surface): State<Surface>,
    guest: Guest,
    Body(sign): Body<TabSign>,
) -> Result<StatusCode, Refused> {
    let (visitor, conversation) = (&guest.visitor, id_of(&sign.conversation)?);
    surface.widget.sign(visitor.id, surface.clock.monotonic())?;
    let tab = tab_of(&sign.tab)?;
    surface.store.visitor_grounds(visitor.id, conversation).await?;
    if let Some(page) = page_address(sign.page) {
        surface.store.visitor_page(visitor.id, conversation, page).await?;
    }
    let state = sign.state.state();
    surface.widget.tabs.left(conversation, &tab, state.is_none());
    // What outlives its connection would be there for ever.
    if state.is_none() || surface.widget.tabs.is_open(conversation, &tab) {
        let is_watched = matches!(state, Some(TabState::Visible | TabState::Reading));
        surface.widget.tabs.watched(conversation, &tab, is_watched.then(|| surface.clock.monotonic()));
        tell(&surface, &visitor.account, conversation, &tab, state).await?;
    }
    if state.is_some() && !surface.widget.tabs.is_open(conversation, &tab) {
        tell(&surface, &visitor.account, conversation, &tab, None).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(post, path = "/widget/v1/seen", request_body = SeenSign,
    responses((status = 204, description = "noted"), (status = 404, description = "a message that this conversation has not")))]
pub async fn seen(
    State(surface): State<Surface>,
    guest: Guest,
    Body(seen): Body<SeenSign>,
) -> Result<StatusCode, Refused> {
    let (visitor, conversation) = (&guest.visitor, id_of(&seen.conversation)?);
    surface.widget.sign(visitor.id, surface.clock.monotonic())?;
    let which = which(seen)?;
    surface.store.visitor_grounds(visitor.id, conversation).await?;
    match which {
        Which::UpTo(last) => surface.store.seen(conversation, Some(last)).await?,
        Which::These(messages) => surface.store.seen_these(conversation, messages).await?,
    };
    Ok(StatusCode::NO_CONTENT)
}

enum Which {
    UpTo(Id),
    These(Vec<Id>),
}

fn which(sign: SeenSign) -> Result<Which, Refused> {
    let id = |field: &str, id: &str| id.parse().map_err(|_| Refused::field(field, "the id of a message is expected"));
    match (sign.ids, sign.up_to) {
        (None, Some(last)) => Ok(Which::UpTo(id("up_to", &last)?)),
        (Some(ids), None) if ids.len() <= SEEN_MAX => {
            Ok(Which::These(ids.iter().map(|one| id("ids", one)).collect::<Result<_, _>>()?))
        }
        (Some(_), None) => Err(Refused::field("ids", &format!("{SEEN_MAX} at most"))),
        (None, None) | (Some(_), Some(_)) => Err(Refused::field("ids", "either ids or up_to is expected")),
    }
}

#[utoipa::path(post, path = "/widget/v1/typing", request_body = TypingSign,
    responses((status = 204, description = "noted")))]
pub async fn typing(
    State(surface): State<Surface>,
    guest: Guest,
    Body(sign): Body<TypingSign>,
) -> Result<StatusCode, Refused> {
    let (visitor, conversation) = (&guest.visitor, id_of(&sign.conversation)?);
    surface.widget.sign(visitor.id, surface.clock.monotonic())?;
    surface.store.visitor_grounds(visitor.id, conversation).await?;
    let on = if sign.typing { TypingState::On } else { TypingState::Off };
    surface.store.typing(conversation, Typist::Contact, on).await?;
    let name = visitor.contact.name.clone();
    let whisper = Whisper::Typing { who: AuthorKind::Contact, name, agent: None, typing: sign.typing };
    surface.live.whisper(&visitor.account, conversation, whisper);
    Ok(StatusCode::NO_CONTENT)
}

/// A tab whose connection lives is there: one that is not known any more becomes so again.
pub async fn keep(surface: &Surface, account: &str, conversation: Id, tab: &str) -> Result<(), StoreError> {
    if !surface.widget.tabs.is_there(conversation, tab) {
        return Ok(());
    }
    if let Some(presence) = surface.store.keep_tab(conversation, tab.to_owned()).await? {
        surface.live.whisper(account, conversation, Whisper::Presence { state: presence.word() });
    }
    Ok(())
}

/// Notes what a tab says of itself, and tells the desks what all tabs come to.
pub async fn tell(
    surface: &Surface,
    account: &str,
    conversation: Id,
    tab: &str,
    state: Option<TabState>,
) -> Result<(), StoreError> {
    let presence = surface.store.presence(conversation, tab.to_owned(), state).await?;
    surface.live.whisper(account, conversation, Whisper::Presence { state: presence.word() });
    Ok(())
}

/// More than a screen holds.
const SEEN_MAX: usize = 100;
