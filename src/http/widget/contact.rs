//! `/widget/v1/contact`: the visitor corrects where its mail goes, or wants none. What it types is a claim.

use super::guest::Guest;
use super::messages::{email, id_of, weigh};
use super::refused::Refused;
use super::shape::{EntryShape, VisitorShape};
use super::visitors::owns_contact;
use crate::conversation::continuity::MailWish;
use crate::http::error::ApiError;
use crate::http::input::{Body, line};
use crate::http::surface::Surface;
use crate::store::visitors::{Claim, ContactChanges, Grounds};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    email: Option<String>,
    name: Option<String>,
    /// `on` or `off`: whether what stays unseen of this conversation goes out by mail.
    #[schema(value_type = Option<String>)]
    mail: Option<MailWish>,
    /// Needed with `mail` where the visitor has more than one.
    conversation: Option<String>,
}

#[utoipa::path(patch, path = "/widget/v1/contact", request_body = Changes,
    responses((status = 200, description = "the visitor as it is then", body = EntryShape),
        (status = 403, description = "the visitor came by a link, which is no proof of being the contact")))]
pub async fn change(
    State(surface): State<Surface>,
    guest: Guest,
    Body(changes): Body<Changes>,
) -> Result<Json<EntryShape>, Refused> {
    surface.widget.sign(guest.visitor.id, surface.clock.monotonic())?;
    let visitor = guest.visitor;
    let conversation = changes.conversation.as_deref().map(id_of).transpose()?;
    let grounds = match conversation {
        Some(conversation) => Some(surface.store.visitor_grounds(visitor.id, conversation).await?),
        None => None,
    };
    if !owns_contact(visitor.proof) || grounds == Some(Grounds::Resume) {
        let message = "a link opens the conversation only: whose it is changes where it was begun";
        return Err(ApiError::forbidden(message).into());
    }
    let mail = match (changes.mail, conversation) {
        (None, _) => None,
        (Some(wish), Some(conversation)) => Some((conversation, wish)),
        (Some(wish), None) => {
            let state = surface.store.visitor_state(&visitor).await?;
            let own = state.conversations.iter().find(|known| known.grounds != Grounds::Resume);
            own.map(|known| (known.id, wish))
        }
    };
    let claim = Claim { email: email(&surface, changes.email)?, name: line("name", changes.name)?, fields: None };
    weigh(&surface, &visitor, &claim)?;
    let visitor = surface.store.change_visitor(visitor.id, ContactChanges { claim, mail }).await?;
    Ok(Json(EntryShape { token: None, visitor: VisitorShape::of(&visitor) }))
}
