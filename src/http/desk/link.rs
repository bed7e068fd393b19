//! `/desk/sign-in/link` and `/desk/link/{word}`: a link by mail in place of a password. The answer to a wish is the same whoever
//! the address is; the link shows a button, because scanners follow links, and only the button signs in.

use super::origin;
use super::session::{SessionWord, expiry};
use super::sign_in::{HEADERS, SignInPage, address_key, entered};
use crate::conversation::links;
use crate::conversation::sign_in::{LINK_LIFE, LinkWord};
use crate::http::error::ApiError;
use crate::http::listener::PeerAddress;
use crate::http::surface::Surface;
use crate::store::StoreError;
use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    title: &'static str,
    sentence: &'static str,
    /// Empty: there is nothing to press.
    button: &'static str,
}

#[derive(Deserialize)]
pub struct Wish {
    email: String,
}

/// A link is wanted.
pub async fn ask(
    State(surface): State<Surface>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    headers: HeaderMap,
    form: Result<Form<Wish>, FormRejection>,
) -> Response {
    let Wish { email } = match form {
        Ok(Form(wish)) => wish,
        Err(refused) => return refused.into_response(),
    };
    let asked = || {
        origin::check(&headers, &surface.config.load().http.public_url)?;
        let key = address_key(&email).unwrap_or_else(|_| email.to_lowercase());
        surface.desk.link(peer, &key, surface.clock.monotonic())?;
        let place = surface.desk.asking.clone().try_acquire_owned().map_err(|_| ApiError::too_many(CROWDED))?;
        Ok((key, place))
    };
    match asked() {
        Ok((key, place)) => {
            let surface = surface.clone();
            // After the answer: how long it takes tells whose address it is.
            drop(tokio::spawn(async move {
                if let Err(error) = letters(&surface, key).await {
                    tracing::warn!(%error, "a wish for a sign-in link could not be written down");
                }
                drop(place);
            }));
            SignInPage { news: ON_ITS_WAY.to_owned(), email, ..SignInPage::default() }.shown(StatusCode::OK)
        }
        Err(error) => super::sign_in::refused(error, email),
    }
}

/// One for each account that the address is an agent of.
async fn letters(surface: &Surface, key: String) -> Result<(), StoreError> {
    let until = links::until(surface.clock.now(), LINK_LIFE);
    for (agent, _) in surface.store.agents_of_address(key).await? {
        if surface.account(&agent.account).is_some() {
            surface.store.ask_for_letter(agent.id, until).await?;
        }
    }
    Ok(())
}

/// Whoever follows a link sees a button; nothing changes.
pub async fn show(State(surface): State<Surface>, Path(word): Path<String>) -> Response {
    let Some(word) = LinkWord::sent(&word) else { return over() };
    match surface.store.is_good_link(word.kept()).await {
        Ok(true) => LinkPage {
            title: "Sign in to the desk",
            sentence: "This link signs you in on this device. It works once.",
            button: "Sign in",
        }
        .shown(StatusCode::OK),
        Ok(false) => over(),
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// The button was pressed.
pub async fn enter(
    State(surface): State<Surface>,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    headers: HeaderMap,
    Path(word): Path<String>,
) -> Response {
    let tried = async {
        origin::check(&headers, &surface.config.load().http.public_url)?;
        surface.desk.link_use(peer, surface.clock.monotonic())?;
        let Some(link) = LinkWord::sent(&word) else { return Ok(None) };
        by_link(&surface, &headers, &link).await
    };
    match tried.await {
        Ok(Some(entered)) => entered,
        Ok(None) => over(),
        Err(error) => super::sign_in::refused(error, String::new()),
    }
}

async fn by_link(surface: &Surface, headers: &HeaderMap, link: &LinkWord) -> Result<Option<Response>, ApiError> {
    let public_url = &surface.config.load().http.public_url;
    let before = SessionWord::sent(headers, public_url).map(|word| word.kept());
    let (word, now) = (SessionWord::new()?, surface.clock.now());
    let agent = surface.store.enter_by_link(link.kept(), word.kept(), expiry(now, now), before).await?;
    Ok(agent.map(|agent| entered(&agent, &word, public_url)))
}

/// Used, expired or never ours: which of them is nobody's business.
fn over() -> Response {
    LinkPage {
        title: "This link is over",
        sentence: "It was used, a newer one was, or its 15 minutes have passed. Ask for another.",
        button: "",
    }
    .shown(StatusCode::GONE)
}

impl LinkPage {
    fn shown(&self, status: StatusCode) -> Response {
        match self.render() {
            Ok(page) => (status, HEADERS, page).into_response(),
            Err(error) => ApiError::internal(&error).into_response(),
        }
    }
}

const ON_ITS_WAY: &str = "If this is an agent's address, a link is on its way there. It is good for 15 minutes, once.";
const CROWDED: std::time::Duration = std::time::Duration::from_secs(5);
