//! The paths of Action Mailbox, and what each method does there.

use super::answer::{self, Challenge};
use super::call::Call;
use super::{mailgun, mandrill, postmark, relay, sendgrid};
use crate::conversation::model::Ingress;
use crate::http::surface::Surface;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::any;
use std::sync::Arc;

/// Every path below `/rails/action_mailbox/`: what is none of these answers 404, as a route of Rails that is not there. Rails
/// takes a path with a slash too many, and with the name of a format behind it.
pub fn router() -> Router<Surface> {
    let at = |ingress| any(move |surface, request| serve(ingress, surface, request));
    let router = doors().fold(Router::new(), |router, (path, ingress)| router.route(path, at(ingress)));
    router.route("/rails/action_mailbox/{*rest}", any(otherwise))
}

async fn otherwise(State(surface): State<Surface>, request: Request) -> Response {
    let path = as_rails_reads(request.uri().path());
    if let Some((_, ingress)) = doors().find(|(door, _)| *door == path) {
        return serve(ingress, State(surface), request).await;
    }
    if request.method() == Method::POST && surface.wrong_doors.may_log(surface.clock.monotonic()) {
        let path = answer::shown(request.uri().path());
        tracing::warn!(path, "a request to an ingress that is none: its paths are in docs/DOORS.md and replyd check");
    }
    answer::response(StatusCode::NOT_FOUND, Challenge::None)
}

/// Without empty segments, and without `.json` or another format at the end (`(.:format)` of its routes).
fn as_rails_reads(path: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if let Some(last) = segments.last_mut()
        && let Some((name, format)) = last.split_once('.')
        && !name.is_empty()
        && !format.is_empty()
        && !format.contains('.')
    {
        *last = name;
    }
    format!("/{}", segments.join("/"))
}

/// Each path and whose door it is.
pub fn doors() -> impl Iterator<Item = (&'static str, Ingress)> {
    let relays = RELAYS.into_iter().map(|path| (path, Ingress::Relay));
    relays.chain([
        ("/rails/action_mailbox/postmark/inbound_emails", Ingress::Postmark),
        ("/rails/action_mailbox/sendgrid/inbound_emails", Ingress::Sendgrid),
        ("/rails/action_mailbox/mailgun/inbound_emails/mime", Ingress::Mailgun),
        ("/rails/action_mailbox/mandrill/inbound_emails", Ingress::Mandrill),
    ])
}

/// The relay, and the paths that a comment in Rails shows for it.
const RELAYS: [&str; 4] = [
    "/rails/action_mailbox/relay/inbound_emails",
    "/rails/action_mailbox/exim/inbound_emails",
    "/rails/action_mailbox/postfix/inbound_emails",
    "/rails/action_mailbox/qmail/inbound_emails",
];

async fn serve(ingress: Ingress, State(surface): State<Surface>, request: Request) -> Response {
    let method = request.method().clone();
    let (call, mut body) = Call::new(surface, by_pipe(ingress, &request), request);
    if method != Method::POST {
        return answer::response(status_of_check(&call, &method), Challenge::None);
    }
    let call = Arc::new(call);
    let result = match ingress {
        Ingress::Postmark => postmark::take(&call, &mut body).await,
        Ingress::Sendgrid => sendgrid::take(&call, &mut body).await,
        Ingress::Mailgun => mailgun::take(&call, &mut body).await,
        Ingress::Mandrill => mandrill::take(&call, &mut body).await,
        Ingress::Relay | Ingress::Pipe | Ingress::Smtp | Ingress::Lmtp => relay::take(&call, &mut body).await,
    };
    call.answer(result, &mut body).await
}

/// Mandrill looks whether the URL is there before it brings mail; no other door has anything to see.
fn status_of_check(call: &Call, method: &Method) -> StatusCode {
    let is_check = call.origin.ingress == Ingress::Mandrill && [Method::GET, Method::HEAD].contains(method);
    let is_set_up = call.config.accounts.iter().any(|account| account.ingress.mandrill_api_key.is_some());
    if is_check && is_set_up { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

/// A pipe's client says what it is; the ledger tells it from other relays by that, and nothing else does.
fn by_pipe(ingress: Ingress, request: &Request) -> Ingress {
    let agent = request.headers().get("user-agent").map(|agent| agent.as_bytes());
    match ingress {
        Ingress::Relay if agent.is_some_and(|agent| agent.starts_with(b"Action Mailbox relayer")) => Ingress::Pipe,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::as_rails_reads;

    #[test]
    fn slashes_and_formats_are_read_as_rails_reads_them() {
        for (path, expected) in [
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b"),
            ("//a///b//", "/a/b"),
            ("/a/b.json", "/a/b"),
            ("/a.x/b.json/", "/a.x/b"),
            ("/a/b.", "/a/b."),
            ("/a/.json", "/a/.json"),
            ("/a/b.tar.gz", "/a/b.tar.gz"),
            ("/", "/"),
        ] {
            assert_eq!(as_rails_reads(path), expected, "{path}");
        }
    }
}
