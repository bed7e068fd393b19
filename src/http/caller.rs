//! Who calls: the owner of the machine over the Unix socket, or an account by its API token.

use super::error::ApiError;
use super::surface::Surface;
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
    /// One account.
    Account(String),
}

impl Caller {
    /// Whether this caller may see what belongs to the account.
    pub fn may_see(&self, account: &str) -> bool {
        match self {
            Caller::Owner => true,
            Caller::Account(own) => own == account,
        }
    }

    /// The account a list is limited to: the caller's own, or the one asked for.
    pub fn scope(&self, asked: Option<String>) -> Result<Option<String>, ApiError> {
        match (self, asked) {
            (Caller::Owner, asked) => Ok(asked),
            (Caller::Account(own), Some(asked)) if *own != asked => Err(foreign_account(own)),
            (Caller::Account(own), _) => Ok(Some(own.clone())),
        }
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
            Caller::Account(_) => Err(ApiError::forbidden("this call works over the Unix socket only")),
        }
    }
}

fn foreign_account(own: &str) -> ApiError {
    ApiError::forbidden(&format!("this token speaks for the account {own} only"))
}

impl FromRequestParts<Surface> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, surface: &Surface) -> Result<Caller, ApiError> {
        match parts.extensions.get::<Door>() {
            Some(Door::UnixSocket) => return Ok(Caller::Owner),
            Some(Door::Tcp) | None => {}
        }
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(bearer).ok_or_else(ApiError::unauthorized)?;
        // Only the hash is kept and compared: neither a copy of the store nor timing gives a token away.
        let account = surface.store.api_token_account(hash(token)).await?;
        account.map(Caller::Account).ok_or_else(ApiError::unauthorized)
    }
}

/// RFC 6750 §2.1; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
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
}
