//! A signed-in agent's session: a random word in a cookie, kept as its hash. It slides with use and ends for good after a
//! while; signing out, a new password and the agent's removal end it at once.

use super::origin;
use crate::clock::UnixMs;
use crate::conversation::agent::Agent;
use crate::http::caller::hash;
use crate::http::error::ApiError;
use crate::http::surface::Surface;
use aws_lc_rs::constant_time;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use data_encoding::HEXLOWER;

/// A cookie's word for a session, as a browser sends it: nothing says yet that it is one of ours.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionWord(String);

impl SessionWord {
    /// A new one. Never one that was sent to us: a session that a stranger chose would be theirs as well (session fixation).
    pub fn new() -> Result<SessionWord, ApiError> {
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).map_err(|error| ApiError::internal(&error))?;
        Ok(SessionWord(HEXLOWER.encode(&random)))
    }

    /// The one that came with a request. Of several cookies of the name the first: browsers send the nearest path first, and
    /// ours has the widest, so a second could only be somebody else's.
    pub fn sent(headers: &HeaderMap, public_url: &str) -> Option<SessionWord> {
        let name = cookie_name(public_url);
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(found, _)| *found == name).map(|(_, word)| word);
        let word = ours.next().filter(|word| word.len() == WORD_LENGTH)?;
        Some(SessionWord(word.to_owned()))
    }

    /// The form in which it is kept.
    pub fn kept(&self) -> [u8; 32] {
        hash(&self.0)
    }

    /// What a page of ours sends along to change something; from a stolen one nobody gets the session's word.
    pub fn csrf(&self) -> String {
        HEXLOWER.encode(&hash(&format!("csrf\n{}", self.0)))
    }

    /// The cookie: unreadable for scripts, not sent along by other sites' posts, and over https bound to exactly this host.
    pub fn cookie(&self, public_url: &str) -> (HeaderName, HeaderValue) {
        set_cookie(public_url, &self.0, SESSION_LIFE_MS / 1000)
    }
}

/// The cookie that takes the session's place when it has ended.
pub fn no_cookie(public_url: &str) -> (HeaderName, HeaderValue) {
    set_cookie(public_url, "", 0)
}

fn set_cookie(public_url: &str, word: &str, seconds: i64) -> (HeaderName, HeaderValue) {
    let secure = if is_https(public_url) { "; Secure" } else { "" };
    let name = cookie_name(public_url);
    let cookie = format!("{name}={word}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // Hex digits and our own words are a header value.
    (header::SET_COOKIE, HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static("")))
}

/// RFC 6265bis §4.1.3.2: no other host and no plain http can set a cookie with this prefix.
fn cookie_name(public_url: &str) -> &'static str {
    if is_https(public_url) { "__Host-replyd-desk" } else { "replyd-desk" }
}

fn is_https(public_url: &str) -> bool {
    public_url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

/// The agent whose session a request carries; what changes something shows besides that a page of ours sent it.
pub async fn agent(parts: &Parts, surface: &Surface) -> Result<Agent, ApiError> {
    let config = surface.config.load_full();
    let word = SessionWord::sent(&parts.headers, &config.http.public_url).ok_or_else(ApiError::unauthorized)?;
    let now = surface.clock.now();
    let session = surface.store.agent_of_session(word.kept()).await?.ok_or_else(ApiError::unauthorized)?;
    if !config.accounts.iter().any(|account| account.name == session.agent.account) {
        return Err(ApiError::unauthorized());
    }
    if !is_safe(&parts.method) {
        origin::check(&parts.headers, &config.http.public_url)?;
        check_csrf(&parts.headers, &word)?;
    }
    if now.0 - session.used_at.0 > NOTED_AFTER_MS {
        surface.store.use_session(word.kept(), expiry(session.created_at, now)).await?;
    }
    Ok(session.agent)
}

/// When a session that began then and is used now ends by itself.
pub fn expiry(created_at: UnixMs, now: UnixMs) -> UnixMs {
    UnixMs((now.0 + IDLE_MS).min(created_at.0 + SESSION_LIFE_MS))
}

/// RFC 9110 §9.2.1: they change nothing here.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a page of this session sent it.
pub fn check_csrf(headers: &HeaderMap, word: &SessionWord) -> Result<(), ApiError> {
    let sent = headers.get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
    constant_time::verify_slices_are_equal(sent, word.csrf().as_bytes()).map_err(|_| {
        let message = "X-Replyd-Csrf is missing or wrong: GET /api/v1/me tells the word of this session";
        ApiError::forbidden(message).with_code("csrf")
    })
}

const CSRF: HeaderName = HeaderName::from_static("x-replyd-csrf");
const WORD_LENGTH: usize = 64;
const DAY_MS: i64 = 86_400_000;
/// Unused for so long, it has ended.
const IDLE_MS: i64 = 14 * DAY_MS;
/// However much it is used.
const SESSION_LIFE_MS: i64 = 90 * DAY_MS;
/// Its use is noted no more often than this: a page asks many times in a minute, and each note is a commit.
const NOTED_AFTER_MS: i64 = 10 * 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const HTTPS: &str = "https://chat.example.com";
    const HTTP: &str = "http://127.0.0.1:8025";

    fn cookies(sent: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, sent.parse().expect("a header value"));
        headers
    }

    #[test]
    fn a_cookie_is_for_this_host_only_and_for_no_script() {
        let word = SessionWord("a".repeat(64));
        let https = word.cookie(HTTPS).1;
        let rest = "; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax";
        assert_eq!(https.to_str().expect("text"), format!("__Host-replyd-desk={}{rest}; Secure", word.0));
        assert_eq!(word.cookie(HTTP).1.to_str().expect("text"), format!("replyd-desk={}{rest}", word.0));
        assert!(no_cookie(HTTPS).1.to_str().expect("text").contains("Max-Age=0"));
    }

    #[test]
    fn a_word_is_found_among_other_cookies_under_its_own_name() {
        let word = "a".repeat(64);
        let sent = |text: &str, url| SessionWord::sent(&cookies(text), url).map(|word| word.0);
        assert_eq!(sent(&format!("x=1; __Host-replyd-desk={word}; y=2"), HTTPS), Some(word.clone()));
        assert_eq!(sent(&format!("replyd-desk={word}"), HTTP), Some(word.clone()));
        assert_eq!(sent(&format!("replyd-desk={word}"), HTTPS), None, "a plain cookie opens nothing over https");
        assert_eq!(sent("replyd-desk=short", HTTP), None);
        assert_eq!(sent("", HTTP), None);
    }

    #[test]
    fn a_session_slides_but_not_for_ever() {
        let begun = UnixMs(1_000);
        assert_eq!(expiry(begun, begun), UnixMs(1_000 + 14 * DAY_MS));
        assert_eq!(expiry(begun, UnixMs(1_000 + 80 * DAY_MS)), UnixMs(1_000 + 90 * DAY_MS));
    }

    #[test]
    fn only_the_sessions_own_word_passes() {
        let (own, other) = (SessionWord("a".repeat(64)), SessionWord("b".repeat(64)));
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CSRF, value.parse().expect("a header value"));
            check_csrf(&headers, &own).is_ok()
        };
        assert!(with(&own.csrf()) && !with(&other.csrf()) && !with("") && !with(&own.0));
        assert!(check_csrf(&HeaderMap::new(), &own).is_err_and(|error| error.code == "csrf"));
    }
}
