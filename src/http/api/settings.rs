//! `/api/v1/settings`: an account as the config has it, for its agents to look at. Named field by field: a secret that the
//! config gets later is not shown by accident.

use crate::config::checked::{Account, ForgedPolicy, Inbox, OutboundTls};
use crate::config::widget::Widget;
use crate::conversation::model::Channel;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::Query;
use crate::http::surface::Surface;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SettingsQuery {
    /// A token's own account, or the only one, need not be named.
    account: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Settings {
    name: String,
    inbound_domain: String,
    continuity: bool,
    /// What becomes of mail whose author is forged: `reject` or `keep`.
    forged: &'static str,
    /// The least TLS outgoing mail needs: `prefer` or `require`.
    outbound_tls: &'static str,
    /// `selector` at `domain`.
    dkim: Vec<String>,
    webhooks: usize,
    bridge: bool,
    /// Names of the templates in place of replyd's own.
    templates: Vec<&'static str>,
    inboxes: Vec<InboxSettings>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct InboxSettings {
    name: String,
    #[schema(value_type = String)]
    channel: Channel,
    address: Option<String>,
    /// How long after a visitor is gone what they did not see goes out by mail.
    offline_delay: String,
    /// The same while the page is open and nobody looks.
    unseen_delay: String,
    /// `22:00-07:00`, in the visitor's time zone where it is known, else in this one; null for none.
    quiet_hours: Option<String>,
    time_zone: String,
    /// How long what is sent from the desk may be taken back.
    undo_window: String,
    /// Where the link in a mail leads; empty for the page the visitor was on last.
    resume_url: String,
    notify_agents: bool,
    display_name: String,
    language: String,
    /// How much of what was said before stands below an answer.
    history: String,
    bridge: bool,
    widget: WidgetSettings,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WidgetSettings {
    title: String,
    greeting: String,
    colour: String,
    position: String,
    /// Sites that may hold it; empty for any.
    sites: Vec<String>,
    /// `optional` or `required`, and whether there is a secret to sign identities with.
    identity: String,
    identity_can_be_proven: bool,
    asks_for_email: bool,
    /// Labels of what is asked before a chat.
    pre_chat: Vec<String>,
}

#[utoipa::path(get, path = "/api/v1/settings", params(SettingsQuery),
    responses((status = 200, description = "the account, with the inboxes the caller may see", body = Settings)))]
pub async fn show(
    State(surface): State<Surface>,
    caller: Caller,
    Query(query): Query<SettingsQuery>,
) -> Result<Json<Settings>, ApiError> {
    let account = surface.known_account(&caller.account(query.account, &surface)?)?;
    let seen = account.inboxes.iter().filter(|inbox| caller.may_see_inbox(&account.name, &inbox.name));
    let inboxes = seen.map(InboxSettings::from).collect();
    Ok(Json(Settings::of(&account, inboxes)))
}

impl Settings {
    fn of(account: &Account, inboxes: Vec<InboxSettings>) -> Settings {
        Settings {
            name: account.name.clone(),
            inbound_domain: account.inbound_domain.clone(),
            continuity: account.continuity,
            forged: match account.forged {
                ForgedPolicy::Reject => "reject",
                ForgedPolicy::Keep => "keep",
            },
            outbound_tls: match account.outbound_tls {
                OutboundTls::Prefer => "prefer",
                OutboundTls::Require => "require",
            },
            dkim: account.dkim.iter().map(|key| format!("{} at {}", key.selector, key.domain)).collect(),
            webhooks: account.webhooks.len(),
            bridge: account.bridge.is_some(),
            templates: account.templates.iter().map(|template| template.name).collect(),
            inboxes,
        }
    }
}

impl From<&Inbox> for InboxSettings {
    fn from(inbox: &Inbox) -> InboxSettings {
        InboxSettings {
            name: inbox.name.clone(),
            channel: inbox.channel,
            address: inbox.address.clone(),
            offline_delay: words(inbox.offline_delay),
            unseen_delay: words(inbox.unseen_delay),
            quiet_hours: inbox.quiet_hours.as_ref().map(ToString::to_string),
            time_zone: inbox.time_zone.clone(),
            undo_window: words(inbox.undo_window),
            resume_url: inbox.resume_url.clone(),
            notify_agents: inbox.notify_agents,
            display_name: inbox.voice.display_name.clone(),
            language: inbox.voice.language.tag().to_owned(),
            history: format!("{:?}", inbox.voice.history).to_lowercase(),
            bridge: inbox.bridge.is_some(),
            widget: WidgetSettings::from(&inbox.widget),
        }
    }
}

impl From<&Widget> for WidgetSettings {
    fn from(widget: &Widget) -> WidgetSettings {
        WidgetSettings {
            title: widget.title.clone(),
            greeting: widget.greeting.clone(),
            colour: widget.colour.clone(),
            position: format!("{:?}", widget.position).to_lowercase(),
            sites: widget.origins.clone(),
            identity: format!("{:?}", widget.identity).to_lowercase(),
            identity_can_be_proven: widget.identity_secret.is_some(),
            asks_for_email: widget.email_collect,
            pre_chat: widget.pre_chat.iter().map(|field| field.label.clone()).collect(),
        }
    }
}

/// As the config writes it: the largest unit that says it exactly.
fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => "0 s".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} m", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_config_writes_it() {
        for (seconds, expected) in [(0, "0 s"), (90, "90 s"), (120, "2 m"), (7200, "2 h"), (86_400, "1 d")] {
            assert_eq!(words(Duration::from_secs(seconds)), expected);
        }
    }
}
