//! HTTP Basic (RFC 7617) as Rails reads it: any case of the scheme, lenient base64, split at the first colon, both halves
//! compared in constant time. Pure.

use crate::mail::transfer;
use aws_lc_rs::{constant_time, digest};

/// What a request claims.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: Vec<u8>,
    password: Vec<u8>,
}

impl Credentials {
    /// From the value of `Authorization`.
    pub fn read(authorization: &[u8]) -> Option<Credentials> {
        let at = authorization.iter().position(|octet| *octet == b' ')?;
        let (scheme, rest) = authorization.split_at(at);
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let (decoded, _) = transfer::base64(rest.trim_ascii());
        let colon = decoded.iter().position(|octet| *octet == b':')?;
        let (user, password) = (decoded.get(..colon)?.to_vec(), decoded.get(colon + 1..)?.to_vec());
        Some(Credentials { user, password })
    }

    /// Takes as long for a wrong user as for a wrong password.
    pub fn are(&self, password: &str) -> bool {
        let user = equal(&self.user, USER.as_bytes());
        user & equal(&self.password, password.as_bytes())
    }
}

/// By digests, so that not even the length of a secret shows in the time.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    let of = |octets: &[u8]| digest::digest(&digest::SHA256, octets);
    constant_time::verify_slices_are_equal(of(one).as_ref(), of(other).as_ref()).is_ok()
}

const USER: &str = "actionmailbox";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authorization: &str, password: &str, expected: bool) {
        let credentials = Credentials::read(authorization.as_bytes());
        assert_eq!(credentials.is_some_and(|credentials| credentials.are(password)), expected, "{authorization}");
    }

    #[test]
    fn the_scheme_is_read_as_rails_reads_it() {
        check("Basic YWN0aW9ubWFpbGJveDpzZWNyZXQ=", "secret", true);
        check("bASIC YWN0aW9ubWFpbGJveDpzZWNyZXQ", "secret", true);
        check("Basic   YWN0aW9u bWFpbGJv\teDpzZWNyZXQ=", "secret", true);
        // actionmailbox:a:b
        check("Basic YWN0aW9ubWFpbGJveDphOmI=", "a:b", true);
    }

    #[test]
    fn anything_else_opens_nothing() {
        for authorization in [
            "",
            "Basic",
            "Basic ",
            "Bearer YWN0aW9ubWFpbGJveDpzZWNyZXQ=",
            "Basic YWN0aW9ubWFpbGJveA==",
            "Basic QWN0aW9uTWFpbGJveDpzZWNyZXQ=",
            "Basic YWN0aW9ubWFpbGJveDpzZWNyZXRz",
            "Basic YWN0aW9ubWFpbGJveDo=",
            "BasicYWN0aW9ubWFpbGJveDpzZWNyZXQ=",
        ] {
            check(authorization, "secret", false);
        }
    }
}
