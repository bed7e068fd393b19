//! `/widget/v1/config`: how the widget of an inbox looks and what it asks. For anybody: it is on a public page.

use super::guest::Stranger;
use super::messages::{FILE_OCTETS_MAX, FILES_MAX};
use super::place::Place;
use super::refused::Refused;
use crate::config::checked::{IdentityRule, PreChatField, PreChatKind, WidgetPosition};
use crate::http::input::Query;
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// `account/inbox`, or the inbox alone where only one account has it.
    #[param(required = true)]
    inbox: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AboutShape {
    inbox: String,
    title: String,
    greeting: String,
    colour: String,
    #[schema(value_type = String)]
    position: WidgetPosition,
    language: &'static str,
    pre_chat: Vec<FieldShape>,
    email_collect: bool,
    #[schema(value_type = String)]
    identity: IdentityRule,
    /// Octets of one file.
    attachment_max: usize,
    /// Files of one message.
    attachments_max: usize,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FieldShape {
    name: String,
    label: String,
    #[schema(value_type = String)]
    kind: PreChatKind,
    required: bool,
    options: Vec<String>,
    pattern: Option<String>,
}

impl From<PreChatField> for FieldShape {
    fn from(field: PreChatField) -> FieldShape {
        let pattern = field.pattern.map(|pattern| pattern.source().to_owned());
        let PreChatField { name, label, kind, required, options, .. } = field;
        FieldShape { name, label, kind, required, options, pattern }
    }
}

#[utoipa::path(get, path = "/widget/v1/config", params(Which), security(()),
    responses((status = 200, description = "the widget of the inbox", body = AboutShape)))]
pub async fn show(
    State(surface): State<Surface>,
    _: Stranger,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<([(HeaderName, &'static str); 1], Json<AboutShape>), Refused> {
    let inbox = which.inbox.ok_or_else(|| Refused::field("inbox", NO_INBOX))?;
    let place = Place::named(&surface.config.load(), &inbox)?;
    place.admits(&surface, &headers)?;
    let Place { account, inbox } = place;
    let widget = inbox.widget;
    let title = if widget.title.is_empty() { inbox.voice.display_name } else { widget.title };
    let shape = AboutShape {
        inbox: format!("{account}/{}", inbox.name),
        title,
        greeting: widget.greeting,
        colour: widget.colour,
        position: widget.position,
        language: inbox.voice.language.tag(),
        pre_chat: widget.pre_chat.into_iter().map(FieldShape::from).collect(),
        email_collect: widget.email_collect,
        identity: widget.identity,
        attachment_max: FILE_OCTETS_MAX,
        attachments_max: FILES_MAX,
    };
    Ok((FOR_A_MINUTE, Json(shape)))
}

/// Read on the console of a site's page, by whoever put the script there.
const NO_INBOX: &str = "the script's address names none: add ?inbox=ACCOUNT/INBOX to it, as in \
    <script src=\"…/widget/v1/widget.js?inbox=acme/website\"></script>";
/// Every page of a site asks; an operator who changes the config waits so long.
const FOR_A_MINUTE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "public, max-age=60")];
