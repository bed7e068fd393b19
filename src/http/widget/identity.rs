//! Whether a site vouches for an identifier: HMAC-SHA256 of it under the inbox's secret, in hexadecimal, as sites that came
//! from Chatwoot make it already. Pure.

use super::refused::Refused;
use crate::config::checked::{IdentityRule, Widget};
use aws_lc_rs::hmac;
use axum::http::StatusCode;
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Deserialize;
use utoipa::ToSchema;

/// Who the page says its visitor is.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The site's own name for this person.
    pub identifier: String,
    /// HMAC-SHA256 of the identifier under the inbox's identity_secret, in hexadecimal.
    pub identifier_hash: Option<String>,
    /// A claim, unless it is the identifier itself: only that is signed.
    pub email: Option<String>,
    pub name: Option<String>,
}

/// What an identity is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// The site signed it: the visitor is who it says.
    Signed,
    /// Nobody signed it, and nobody has to: name and address are claims as if they were typed, and the identifier is nothing.
    Claim,
}

/// Refuses what is signed wrongly, and what is not signed where it has to be.
pub fn check(widget: &Widget, identity: &Identity) -> Result<Worth, Refused> {
    let given = identity.identifier_hash.as_deref().unwrap_or_default();
    if given.is_empty() && widget.identity == IdentityRule::Optional {
        return Ok(Worth::Claim);
    }
    let Some(secret) = &widget.identity_secret else {
        let message = "this inbox has no identity_secret in the config, so nobody can be vouched for";
        return Err(Refused::new(StatusCode::UNAUTHORIZED, "identity_not_configured", message));
    };
    if given.is_empty() {
        return Err(wrong("identifier_hash is missing"));
    }
    let tag = HEXLOWER_PERMISSIVE.decode(given.as_bytes()).unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    // Compares in constant time: how much of a guess was right does not show.
    hmac::verify(&key, identity.identifier.as_bytes(), &tag).map_err(|_| wrong("identifier_hash is wrong"))?;
    // Two identifiers that a site tells apart must not become one person: whoever may choose a name with a space at its edge
    // would be somebody else.
    if identity.identifier.trim() != identity.identifier {
        return Err(Refused::field("identifier", "it begins or ends with a space; sign and send it without"));
    }
    Ok(Worth::Signed)
}

fn wrong(what: &str) -> Refused {
    let message = format!(
        "{what}: it is the HMAC-SHA256 of exactly this identifier under the inbox's identity_secret, in hexadecimal, made \
         on the site's server"
    );
    Refused::new(StatusCode::UNAUTHORIZED, "identity_hash_wrong", &message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    fn check_with(secret: Option<&str>, identifier: &str, hash: Option<&str>) -> Result<(), &'static str> {
        worth(IdentityRule::Required, secret, identifier, hash).map(|worth| assert_eq!(worth, Worth::Signed))
    }

    fn worth(
        rule: IdentityRule,
        secret: Option<&str>,
        identifier: &str,
        hash: Option<&str>,
    ) -> Result<Worth, &'static str> {
        let identity_secret = secret.map(|secret| Secret::from(secret.to_owned()));
        let widget = Widget { identity: rule, identity_secret, ..Widget::default() };
        let identity = Identity {
            identifier: identifier.into(),
            identifier_hash: hash.map(str::to_owned),
            email: None,
            name: None,
        };
        check(&widget, &identity).map_err(|refused| refused.error.code)
    }

    #[test]
    fn an_identifier_with_a_space_at_its_edge_is_nobodys() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"Jefe");
        for (identifier, expected) in [
            ("boss", Ok(())),
            ("the boss", Ok(())),
            (" boss", Err("invalid")),
            ("boss ", Err("invalid")),
            ("\u{a0}boss", Err("invalid")),
            ("", Ok(())),
        ] {
            let hash = HEXLOWER_PERMISSIVE.encode(hmac::sign(&key, identifier.as_bytes()).as_ref());
            assert_eq!(check_with(Some("Jefe"), identifier, Some(&hash)), expected, "{identifier:?}");
        }
    }

    #[test]
    fn where_nobody_has_to_be_vouched_for_what_is_unsigned_is_a_claim() {
        let optional = |secret, hash| worth(IdentityRule::Optional, secret, "ann", hash);
        for secret in [None, Some("Jefe")] {
            assert_eq!((optional(secret, None), optional(secret, Some(""))), (Ok(Worth::Claim), Ok(Worth::Claim)));
        }
        assert_eq!(
            optional(Some("Jefe"), Some("00")),
            Err("identity_hash_wrong"),
            "a wrong signature is no missing one"
        );
        assert_eq!(optional(None, Some("00")), Err("identity_not_configured"));
        assert_eq!(
            worth(IdentityRule::Optional, Some("Jefe"), "what do ya want for nothing?", Some(JEFE)),
            Ok(Worth::Signed)
        );
    }

    /// RFC 4231 §4.3, whose key and data are words.
    const JEFE: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    #[test]
    fn only_what_the_site_signed_passes() {
        let data = "what do ya want for nothing?";
        assert_eq!(check_with(Some("Jefe"), data, Some(JEFE)), Ok(()));
        assert_eq!(check_with(Some("Jefe"), data, Some(&JEFE.to_uppercase())), Ok(()));
        for (identifier, hash) in [
            ("other", Some(JEFE)),
            (data, None),
            (data, Some("")),
            (data, Some("zz")),
            (data, Some(&JEFE[..62])),
            (data, Some(&JEFE.replace('5', "6"))),
            (data, Some(data)),
        ] {
            assert_eq!(check_with(Some("Jefe"), identifier, hash), Err("identity_hash_wrong"), "{identifier} {hash:?}");
        }
        assert_eq!(check_with(Some("jefe"), data, Some(JEFE)), Err("identity_hash_wrong"));
        assert_eq!(check_with(None, data, Some(JEFE)), Err("identity_not_configured"));
    }
}
