//! `/api/v1/preview`: an example of a mail, as the account's config and templates make it, for a sandboxed frame. Signed with
//! a key of zeros: no link in it opens anything.

use super::originals::{Images, document_headers};
use crate::conversation::delivery::MailKind;
use crate::conversation::keys::Keys;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::Query;
use crate::http::surface::Surface;
use crate::mail::parsed::ParsedMail;
use crate::outbound::compose::{Sender, compose, example};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PreviewQuery {
    /// A token's own account, or the only one, need not be named.
    account: Option<String>,
    /// The account's first one if not given.
    inbox: Option<String>,
    #[param(value_type = Option<String>)]
    template: Option<TemplateWish>,
    /// `head`: its From, To and Subject in place of the HTML part.
    #[param(value_type = Option<String>)]
    part: Option<PartWish>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartWish {
    #[default]
    Html,
    Head,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewHead {
    from: String,
    to: String,
    subject: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateWish {
    /// What a person wrote, to a contact.
    #[default]
    Answer,
    /// A contact's message, to an agent.
    Notification,
    /// replyd's own words, to an agent.
    Notice,
}

#[utoipa::path(get, path = "/api/v1/preview", params(PreviewQuery),
    responses((status = 200, description = "the HTML part of an example", content_type = "text/html")))]
pub async fn show(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<PreviewQuery>,
) -> Result<Response, ApiError> {
    let account = surface.known_account(&caller.account(query.account, &surface)?)?;
    let wanted = |name: &str| query.inbox.as_deref().is_none_or(|asked| asked == name);
    let seen = account.inboxes.iter().filter(|inbox| caller.may_see_inbox(&account.name, &inbox.name));
    let inbox = seen.into_iter().find(|inbox| wanted(&inbox.name));
    let inbox = inbox.ok_or_else(|| ApiError::invalid("inbox", "the account has none of this name"))?;
    let mail = example::mail(kind(query.template.unwrap_or_default()), &account.name, &inbox.name, inbox.channel);
    let config = surface.config.load_full();
    let _place = surface.mail_readers.acquire().await.map_err(|error| ApiError::internal(&error))?;
    let made = tokio::task::spawn_blocking(move || {
        let sender = Sender::new(&config, Keys::new(&[0; 32])).map_err(|error| error.to_string())?;
        let composed = compose(&mail, &[], &sender).map_err(|error| error.to_string())?;
        Ok::<_, String>(composed.octets)
    });
    match made.await.map_err(|error| ApiError::internal(&error))? {
        Ok(raw) => Ok(match query.part.unwrap_or_default() {
            PartWish::Html => (document_headers(Images::Block), html_of(&raw)).into_response(),
            PartWish::Head => Json(head_of(&raw)).into_response(),
        }),
        Err(reason) => Err(ApiError::new(StatusCode::CONFLICT, "not_composed", format!("the templates: {reason}"))),
    }
}

fn html_of(raw: &[u8]) -> String {
    let mail = ParsedMail::parse(raw);
    let part = mail.parts.iter().find(|part| part.media_type == "text/html");
    part.and_then(|part| part.text()).unwrap_or_default().to_owned()
}

fn head_of(raw: &[u8]) -> PreviewHead {
    let mail = ParsedMail::parse(raw);
    let field = |name| mail.field(name).unwrap_or_default().to_owned();
    PreviewHead { from: field("from"), to: field("to"), subject: field("subject") }
}

fn kind(wish: TemplateWish) -> MailKind {
    match wish {
        TemplateWish::Answer => MailKind::Answer,
        TemplateWish::Notification => MailKind::Notification,
        TemplateWish::Notice => MailKind::Notice,
    }
}
