//! `/openapi.json`: the API described by the types and handlers themselves.

use super::{api, health, ingress, metrics, public, widget};
use axum::Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(title = "replyd", description = "Chats that go on by email. Over the Unix socket no token is needed."),
    paths(
        api::conversations::create,
        api::conversations::list,
        api::conversations::show,
        api::conversations::change,
        api::messages::append,
        api::find::find,
        api::chat::presence,
        api::chat::seen,
        api::chat::forecast,
        api::chat::take_back,
        api::chat::release,
        api::messages::list,
        api::attention::read,
        api::attention::typing,
        api::attention::viewing,
        api::originals::html,
        api::originals::raw,
        api::canned_answers::list,
        api::canned_answers::add,
        api::canned_answers::change,
        api::canned_answers::remove,
        api::settings::show,
        api::preview::show,
        api::reply_address::expire,
        api::reply_address::revoke,
        api::inbound::list,
        api::inbound::show,
        api::inbound::raw,
        api::inbound::replay,
        api::inbound::retry_bridge,
        api::attachments::download,
        api::queue::list,
        api::queue::show,
        api::queue::retry,
        api::queue::cancel,
        api::queue::hold,
        api::queue::release,
        api::queue::fail,
        api::queue_orders::order,
        api::agents::add,
        api::agents::list,
        api::agents::remove,
        api::agent_passwords::set,
        api::agent_passwords::link,
        api::me::me,
        api::me::change_password,
        api::suppressions::list,
        api::suppressions::clear,
        api::suppressions::lift,
        api::events::feed,
        api::webhooks::list,
        api::webhooks::add,
        api::webhooks::remove,
        api::webhooks::replay,
        public::attachment::download,
        widget::assets::script,
        widget::about::show,
        widget::visitors::enter,
        widget::visitors::identify,
        widget::state::show,
        widget::messages::say,
        widget::messages::list,
        widget::feed::listen,
        widget::signs::presence,
        widget::signs::seen,
        widget::signs::typing,
        widget::contact::change,
        widget::resume::open,
        widget::resume::follow,
        public::unsubscribe::ask,
        public::unsubscribe::unsubscribe,
        api::tokens::add,
        api::tokens::list,
        api::tokens::revoke,
        api::backup::create,
        health::healthz,
        health::readyz,
        metrics::metrics,
        openapi,
    ),
    components(schemas(super::error::ErrorBody)),
    security(("token" = []))
)]
struct Description;

/// The whole description.
pub fn description() -> utoipa::openapi::OpenApi {
    let mut description = Description::openapi();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    description.components.get_or_insert_default().add_security_scheme("token", bearer);
    ingress::describe(&mut description);
    description
}

#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "this description")))]
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(description())
}
