//! Who calls: the owner of the machine over the Unix socket, an account by its API token, or an agent signed in at the desk.

use super::desk::session;
use super::error::ApiError;
use super::surface::Surface;
use crate::conversation::agent::Agent;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

/// By which listener a request came; put there by the listener, never by the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Tcp,
    /// The peer's uid was checked when it connected.
    UnixSocket,
}

/// Whose data the call may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Everything, and the tokens themselves.
    Owner,
    /// One account: a program of its own.
    Account(String),
    /// A person who answers for an account, in a browser.
    Agent(Agent),
}

impl Caller {
    /// Whether this caller may see what belongs to the account, and to no inbox.
    pub fn may_see(&self, account: &str) -> bool {
        self.own_account().is_none_or(|own| own == account)
    }

    /// Whether this caller may see what belongs to an inbox of the account.
    pub fn may_see_inbox(&self, account: &str, inbox: &str) -> bool {
        self.may_see(account) && self.inboxes().is_none_or(|own| own.iter().any(|name| name == inbox))
    }

    /// The inboxes this caller is limited to; `None`: all it may see.
    pub fn inboxes(&self) -> Option<&[String]> {
        match self {
            Caller::Agent(agent) => agent.inboxes.as_deref(),
            Caller::Owner | Caller::Account(_) => None,
        }
    }

    /// The account this caller speaks for; `None`: any.
    fn own_account(&self) -> Option<&str> {
        match self {
            Caller::Owner => None,
            Caller::Account(own) => Some(own),
            Caller::Agent(agent) => Some(&agent.account),
        }
    }

    /// The account a list is limited to: the caller's own, or the one asked for.
    pub fn scope(&self, asked: Option<String>) -> Result<Option<String>, ApiError> {
        match (self.own_account(), asked) {
            (None, asked) => Ok(asked),
            (Some(own), Some(asked)) if own != asked => Err(self.foreign_account(own)),
            (Some(own), _) => Ok(Some(own.to_owned())),
        }
    }

    fn foreign_account(&self, own: &str) -> ApiError {
        let speaker = match self {
            Caller::Agent(_) => "you are an agent of",
            Caller::Owner | Caller::Account(_) => "this token speaks for",
        };
        ApiError::forbidden(&format!("{speaker} the account {own} only"))
    }

    /// The account a new thing belongs to. With one account only, the owner need not name it.
    pub fn account(&self, asked: Option<String>, surface: &Surface) -> Result<String, ApiError> {
        if let Some(account) = self.scope(asked)? {
            return Ok(account);
        }
        match surface.config.load().accounts.as_slice() {
            [only] => Ok(only.name.clone()),
            _ => Err(ApiError::invalid("account", "name one of the accounts in the config")),
        }
    }

    /// Tokens and copies of the store are the owner's business.
    pub fn owner_only(&self) -> Result<(), ApiError> {
        match self {
            Caller::Owner => Ok(()),
            Caller::Account(_) | Caller::Agent(_) => {
                Err(ApiError::forbidden("this call works over the Unix socket only"))
            }
        }
    }

    /// How an account is set up, and what only its programs know, is no agent's business.
    pub fn no_agent(&self) -> Result<(), ApiError> {
        match self {
            Caller::Owner | Caller::Account(_) => Ok(()),
            Caller::Agent(_) => Err(ApiError::forbidden("this call needs an API token; agents do not manage accounts")),
        }
    }

    /// Whoever is limited to some inboxes does not see what belongs to the account as a whole.
    pub fn whole_account(&self) -> Result<(), ApiError> {
        match self.inboxes() {
            None => Ok(()),
            Some(_) => {
                Err(ApiError::forbidden("you see some inboxes of this account only, and this is about all of them"))
            }
        }
    }

    /// The agent signed in.
    pub fn agent(&self) -> Result<&Agent, ApiError> {
        match self {
            Caller::Agent(agent) => Ok(agent),
            Caller::Owner | Caller::Account(_) => {
                Err(ApiError::forbidden("this call is for an agent signed in at the desk"))
            }
        }
    }
}

impl FromRequestParts<Surface> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, surface: &Surface) -> Result<Caller, ApiError> {
        match parts.extensions.get::<Door>() {
            Some(Door::UnixSocket) => return Ok(Caller::Owner),
            Some(Door::Tcp) | None => {}
        }
        // A token goes before a cookie: whoever sends one means it, and no page can make a browser send it.
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            return session::agent(parts, surface).await.map(Caller::Agent);
        };
        let token = header.to_str().ok().and_then(bearer).ok_or_else(ApiError::unauthorized)?;
        // Only the hash is kept and compared: neither a copy of the store nor timing gives a token away.
        let account = surface.store.api_token_account(hash(token)).await?;
        account.map(Caller::Account).ok_or_else(ApiError::unauthorized)
    }
}

/// RFC 6750 §2.1; the scheme's case does not matter (RFC 9110 §11.1).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The form in which a token is kept.
pub fn hash(token: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let mut octets = [0; 32];
    octets.copy_from_slice(digest.as_ref());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_taken() {
        for (header, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer abc ", Some("abc")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic abc", None),
            ("", None),
        ] {
            assert_eq!(bearer(header), expected, "{header:?}");
        }
    }

    #[test]
    fn a_token_reaches_its_own_account_only() {
        let caller = Caller::Account("acme".into());
        assert!(caller.may_see("acme") && !caller.may_see("other"));
        assert_eq!(caller.scope(None), Ok(Some("acme".into())));
        assert!(caller.scope(Some("other".into())).is_err());
        assert_eq!(Caller::Owner.scope(None), Ok(None));
        assert!(caller.owner_only().is_err());
    }

    #[test]
    fn an_agent_reaches_their_account_and_inboxes_only_and_manages_nothing() {
        let agent = |inboxes: Option<Vec<String>>| {
            Caller::Agent(Agent {
                id: crate::conversation::id::Id(1),
                account: "acme".into(),
                email: "sara@agents.example".into(),
                name: "Sara".into(),
                inboxes,
                by_mail: true,
                created_at: crate::clock::UnixMs(0),
            })
        };
        let (all, one) = (agent(None), agent(Some(vec!["web".into()])));
        assert!(all.may_see_inbox("acme", "web") && all.may_see_inbox("acme", "shop"));
        assert!(one.may_see_inbox("acme", "web") && !one.may_see_inbox("acme", "shop"));
        assert!(!one.may_see_inbox("other", "web") && !all.may_see("other"));
        assert!(all.scope(Some("other".into())).is_err());
        assert!(all.owner_only().is_err() && all.no_agent().is_err());
        assert!(all.whole_account().is_ok() && one.whole_account().is_err());
        assert!(Caller::Owner.agent().is_err() && all.agent().is_ok());
    }
}
