//! `/desk/sign-in`: the form with address and password, for the browser that has no session yet. A refusal never tells
//! whether there is such an agent, neither by its words nor by its time.

use super::session::{SessionWord, expiry};
use super::{origin, passwords};
use crate::conversation::agent::Agent;
use crate::http::error::ApiError;
use crate::http::listener::PeerAddress;
use crate::http::surface::Surface;
use crate::mail::address::Address;
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// The page with both ways in, and what came of the last try.
#[derive(Debug, Default, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    /// A sentence about what went wrong; empty at first.
    pub trouble: String,
    /// A sentence about what was done.
    pub news: String,
    pub email: String,
}

#[derive(Deserialize)]
pub struct Credentials {
    email: String,
    password: String,
}

pub async fn page() -> Response {
    SignInPage::default().shown(StatusCode::OK)
}

pub async fn sign_in(
    State(surface): State<Surface>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    headers: HeaderMap,
    form: Result<Form<Credentials>, FormRejection>,
) -> Response {
    let Credentials { email, password } = match form {
        Ok(Form(credentials)) => credentials,
        Err(refused) => return refused.into_response(),
    };
    let entered = async {
        let public_url = &surface.config.load().http.public_url;
        origin::check(&headers, public_url)?;
        let key = address_key(&email)?;
        surface.desk.password(peer, &key, surface.clock.monotonic())?;
        let agent = known(&surface, key, password).await?;
        begun(&surface, &headers, agent).await
    };
    entered.await.unwrap_or_else(|error: ApiError| refused(error, email))
}

/// The agent whose address and password these are.
async fn known(surface: &Surface, key: String, password: String) -> Result<Agent, ApiError> {
    let mut found = surface.store.agents_of_address(key).await?;
    let known_account = |agent: &Agent| surface.config.load().accounts.iter().any(|own| own.name == agent.account);
    found.retain(|(agent, kept)| kept.is_some() && known_account(agent));
    let kept = found.iter().filter_map(|(_, kept)| kept.clone()).collect();
    let too_long = password.len() > passwords::OCTETS_MAX;
    let password = if too_long { String::new() } else { password };
    let fitting = passwords::fitting(&surface.desk.hashing, password, kept).await?;
    let agent = fitting.filter(|_| !too_long).and_then(|at| found.into_iter().nth(at)).map(|(agent, _)| agent);
    agent.ok_or_else(wrong)
}

/// The key under which an address is looked up and counted.
pub fn address_key(email: &str) -> Result<String, ApiError> {
    Address::parse(email.trim()).map(|address| address.key()).map_err(|_| wrong())
}

fn wrong() -> ApiError {
    let message =
        "This address and password do not fit. Ask for a link by mail instead, or the operator for a password.";
    ApiError::new(StatusCode::UNAUTHORIZED, "wrong_password", message)
}

/// A session of a word that nobody knew before, in place of the one this browser had; and on to the desk.
async fn begun(surface: &Surface, headers: &HeaderMap, agent: Agent) -> Result<Response, ApiError> {
    let public_url = &surface.config.load().http.public_url;
    let before = SessionWord::sent(headers, public_url).map(|word| word.kept());
    let word = SessionWord::new()?;
    let now = surface.clock.now();
    surface.store.begin_session(agent.id, word.kept(), expiry(now, now), before).await?;
    Ok(entered(&agent, &word, public_url))
}

/// On to the desk, with the session's cookie.
pub fn entered(agent: &Agent, word: &SessionWord, public_url: &str) -> Response {
    tracing::info!(account = agent.account, agent = %agent.id, "an agent signed in at the desk");
    (StatusCode::SEE_OTHER, [word.cookie(public_url)], [(header::LOCATION, "/desk/")]).into_response()
}

/// The form again, with the reason.
pub fn refused(error: ApiError, email: String) -> Response {
    let trouble = match error.status {
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN => error.message.clone(),
        _ => "That did not work. Please try again in a few minutes.".to_owned(),
    };
    let mut response = SignInPage { trouble, email, ..SignInPage::default() }.shown(error.status);
    error.retry_header().map(|(name, value)| response.headers_mut().insert(name, value));
    response
}

impl SignInPage {
    pub fn shown(&self, status: StatusCode) -> Response {
        match self.render() {
            Ok(page) => (status, HEADERS, page).into_response(),
            Err(error) => ApiError::internal(&error).into_response(),
        }
    }
}

/// `same-origin`: with `no-referrer` a browser would send `Origin: null` with our own form (Fetch §3.1).
pub const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "same-origin"),
];
