//! Every route on one page, and what holds for all of them: errors as JSON, a deadline, careful headers.

use super::caller::Door;
use super::client_address;
use super::error::ApiError;
use super::listener::PeerAddress;
use super::surface::Surface;
use super::{api, desk, health, ingress, metrics, openapi, page, places, public, widget};
use crate::net::permits::Slot;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use std::net::IpAddr;
use std::time::Duration;

/// Path and handlers.
fn routes() -> Vec<(&'static str, MethodRouter<Surface>)> {
    vec![
        ("/api/v1/conversations", get(api::conversations::list).post(api::conversations::create)),
        ("/api/v1/conversations/{id}", get(api::conversations::show).patch(api::conversations::change)),
        ("/api/v1/conversations/{id}/find", get(api::find::find)),
        ("/api/v1/conversations/{id}/presence", post(api::chat::presence)),
        ("/api/v1/conversations/{id}/seen", post(api::chat::seen)),
        ("/api/v1/conversations/{id}/forecast", get(api::chat::forecast)),
        ("/api/v1/messages/{id}", delete(api::chat::take_back)),
        ("/api/v1/messages/{id}/release", post(api::chat::release)),
        ("/api/v1/conversations/{id}/messages", get(api::messages::list).post(api::messages::append)),
        ("/api/v1/conversations/{id}/read", post(api::attention::read)),
        ("/api/v1/conversations/{id}/typing", post(api::attention::typing)),
        ("/api/v1/conversations/{id}/viewing", post(api::attention::viewing)),
        ("/api/v1/messages/{id}/html", get(api::originals::html)),
        ("/api/v1/messages/{id}/raw", get(api::originals::raw)),
        (
            "/api/v1/conversations/{id}/reply_address",
            put(api::reply_address::expire).delete(api::reply_address::revoke),
        ),
        ("/api/v1/conversations/{id}/suppressions", delete(api::suppressions::lift)),
        ("/api/v1/inbound", get(api::inbound::list)),
        ("/api/v1/inbound/{id}", get(api::inbound::show)),
        ("/api/v1/inbound/{id}/raw", get(api::inbound::raw)),
        ("/api/v1/inbound/{id}/replay", post(api::inbound::replay)),
        ("/api/v1/inbound/{id}/bridge/retry", post(api::inbound::retry_bridge)),
        ("/api/v1/attachments/{id}", get(api::attachments::download)),
        ("/api/v1/queue", get(api::queue::list).post(api::queue_orders::order)),
        ("/api/v1/queue/{id}", get(api::queue::show)),
        ("/api/v1/queue/{id}/retry", post(api::queue::retry)),
        ("/api/v1/queue/{id}/cancel", post(api::queue::cancel)),
        ("/api/v1/queue/{id}/hold", post(api::queue::hold)),
        ("/api/v1/queue/{id}/release", post(api::queue::release)),
        ("/api/v1/queue/{id}/fail", post(api::queue::fail)),
        ("/api/v1/agents", get(api::agents::list).post(api::agents::add)),
        ("/api/v1/agents/{id}", delete(api::agents::remove)),
        ("/api/v1/agents/{id}/password", put(api::agent_passwords::set)),
        ("/api/v1/agents/{id}/sign_in_link", post(api::agent_passwords::link)),
        ("/api/v1/me", get(api::me::me)),
        ("/api/v1/me/password", put(api::me::change_password)),
        ("/api/v1/canned_answers", get(api::canned_answers::list).post(api::canned_answers::add)),
        ("/api/v1/canned_answers/{id}", put(api::canned_answers::change).delete(api::canned_answers::remove)),
        ("/api/v1/settings", get(api::settings::show)),
        ("/api/v1/preview", get(api::preview::show)),
        ("/api/v1/suppressions", get(api::suppressions::list).delete(api::suppressions::clear)),
        ("/api/v1/events", get(api::events::feed)),
        ("/api/v1/webhooks", get(api::webhooks::list).post(api::webhooks::add)),
        ("/api/v1/webhooks/{id}", delete(api::webhooks::remove)),
        ("/api/v1/webhooks/{id}/replay", post(api::webhooks::replay)),
        ("/api/v1/tokens", get(api::tokens::list).post(api::tokens::add)),
        ("/api/v1/tokens/{id}", delete(api::tokens::revoke)),
        ("/api/v1/backup", post(api::backup::create)),
        ("/attachments/{id}", get(public::attachment::download)),
        ("/resume/{conversation}", get(widget::resume::follow)),
        ("/unsubscribe/{id}", get(public::unsubscribe::ask).post(public::unsubscribe::unsubscribe)),
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
        ("/metrics", get(metrics::metrics)),
        ("/openapi.json", get(openapi::openapi)),
    ]
}

/// What the widgets of sites call, from any origin.
fn widget_routes() -> Vec<(&'static str, MethodRouter<Surface>)> {
    vec![
        ("/widget/v1/widget.js", get(widget::assets::script)),
        ("/widget/v1/config", get(widget::about::show)),
        ("/widget/v1/visitors", post(widget::visitors::enter)),
        ("/widget/v1/identity", post(widget::visitors::identify)),
        ("/widget/v1/state", get(widget::state::show)),
        ("/widget/v1/messages", get(widget::messages::list).post(widget::messages::say)),
        ("/widget/v1/events", get(widget::feed::listen)),
        ("/widget/v1/presence", post(widget::signs::presence)),
        ("/widget/v1/seen", post(widget::signs::seen)),
        ("/widget/v1/typing", post(widget::signs::typing)),
        ("/widget/v1/contact", patch(widget::contact::change)),
        ("/widget/v1/resume", post(widget::resume::open)),
    ]
}

/// Pages for people, which the API's description leaves out.
fn pages() -> Vec<(&'static str, MethodRouter<Surface>)> {
    vec![
        ("/", get(page::stage::show)),
        ("/demo/shop", get(page::shop::kettle)),
        ("/demo/shop/{page}", get(page::shop::page)),
        ("/mailbox", get(page::mailbox::show)),
        ("/mailbox/{number}/body", get(page::mailbox::body)),
        ("/mailbox/{number}/raw", get(page::mailbox::raw)),
        ("/mailbox/{number}/answer", post(page::mailbox::answer)),
    ]
    .into_iter()
    .chain(page::assets::routes())
    .collect()
}

/// The agents' desk: pages and forms for browsers.
fn desk_pages() -> Vec<(&'static str, MethodRouter<Surface>)> {
    vec![
        ("/desk", get(desk::shell::with_slash)),
        ("/desk/", get(desk::shell::shell)),
        ("/desk/assets/{file}", get(desk::assets::file)),
        ("/desk/sign-in", get(desk::sign_in::page).post(desk::sign_in::sign_in)),
        ("/desk/sign-in/link", post(desk::link::ask)),
        ("/desk/link/{word}", get(desk::link::show).post(desk::link::enter)),
        ("/desk/sign-out", post(desk::sign_out::sign_out)),
    ]
}

/// The service behind one door.
pub fn router(surface: Surface, door: Door) -> Router {
    let style = [("/note.css", get(public::page::style)), ("/widget/v1/hosted.css", get(widget::resume::style))];
    let pages = if surface.demo.is_some() { pages() } else { Vec::new() };
    let all = routes().into_iter().chain(style).chain(desk_pages()).chain(pages);
    let router = collected(all);
    let widgets = from_fn_with_state(surface.clone(), widget::cors::around);
    let router = router
        // First: the browser's question before a call has no method of ours.
        .merge(collected(widget_routes()).method_not_allowed_fallback(no_such_method).layer(widgets))
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "no_such_path", "no such path; see /openapi.json"))
        .method_not_allowed_fallback(no_such_method);
    let through = from_fn_with_state(surface.clone(), move |state, request, next| through(door, state, request, next));
    let mut router = router.layer(through);
    if surface.demo.is_some() {
        router = router.layer(from_fn(page::stage::framed));
    }
    // They answer as others promised, and a mail takes longer than a call.
    router.merge(ingress::router()).with_state(surface)
}

async fn no_such_method() -> ApiError {
    let message = "this path has other methods; see /openapi.json";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", message)
}

fn collected(all: impl IntoIterator<Item = (&'static str, MethodRouter<Surface>)>) -> Router<Surface> {
    all.into_iter().fold(Router::new(), |router, (path, handlers)| router.route(path, handlers))
}

async fn through(door: Door, State(surface): State<Surface>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(door);
    let mut client_address = None;
    if let Some(peer) = request.extensions().get::<PeerAddress>() {
        let proxies = &surface.config.load().http.forwarded_from;
        let client = client_address::client(*peer, request.headers(), proxies);
        request.extensions_mut().insert(client);
        client_address = client.0;
    }
    // Until the answer's head is out: a feed that goes on has a place of its own.
    let in_hand = match in_hand(&surface, client_address, request.uri().path()) {
        Ok(slot) => slot,
        Err(refused) => return ended(refused.into_response()),
    };
    let patience = if request.uri().path() == "/widget/v1/messages" { UPLOAD_TIMEOUT } else { CALL_TIMEOUT };
    let mut response = match door {
        // A backup takes as long as it takes, and its caller may break off.
        Door::UnixSocket => next.run(request).await,
        Door::Tcp => tokio::time::timeout(patience, next.run(request)).await.unwrap_or_else(|_| too_slow()),
    };
    drop(in_hand);
    if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response = ended(response);
    }
    for (name, value) in CAREFUL {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// What strangers may call. Who calls the API has shown a token before anything of a body is read.
fn in_hand(surface: &Surface, client: Option<IpAddr>, path: &str) -> Result<Option<Slot>, ApiError> {
    if path.starts_with("/api/") { Ok(None) } else { places::in_hand_of_client(&surface.calls_in_hand, client) }
}

/// Whoever is told to come again later does not keep a place until then.
fn ended(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn too_slow() -> Response {
    ApiError::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "the call took too long; try again").into_response()
}

/// For answers that do not say otherwise: what strangers wrote is in them.
const CAREFUL: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
];

const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A visitor's picture over a phone's connection.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(180);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The methods a handler takes, as its debug print tells them: axum offers no list.
    fn methods(handlers: &MethodRouter<Surface>) -> BTreeSet<String> {
        let printed = format!("{handlers:?}");
        let taken = |method: &&&str| {
            let field = format!("{method}: ");
            let rest = printed.split(&field).nth(1).unwrap_or("None");
            !rest.starts_with("None")
        };
        ["get", "post", "patch", "delete", "put"].iter().filter(taken).map(|method| (*method).to_owned()).collect()
    }

    #[test]
    fn every_route_is_described_and_every_description_has_a_route() {
        let description = serde_json::to_value(openapi::description()).expect("the description is JSON");
        let described: BTreeSet<(String, String)> = description["paths"]
            .as_object()
            .expect("paths are an object")
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().into_iter().flat_map(|all| all.keys()).map(|method| (path.clone(), method.clone()))
            })
            .collect();
        let doors = ingress::doors().map(|(path, _)| (path.to_owned(), "post".to_owned()));
        let checks = ["get", "head"]
            .map(|method| ("/rails/action_mailbox/mandrill/inbound_emails".to_owned(), method.to_owned()));
        let routed: BTreeSet<(String, String)> = routes()
            .iter()
            .chain(&widget_routes())
            .flat_map(|(path, handlers)| methods(handlers).into_iter().map(|method| ((*path).to_owned(), method)))
            .chain(doors)
            .chain(checks)
            .collect();
        assert_eq!(described, routed);
        assert!(routed.len() > 15 && ingress::doors().count() == 8);
    }
}
