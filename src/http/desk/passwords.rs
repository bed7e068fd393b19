//! Agents' passwords: Argon2id (RFC 9106) as a PHC string, hashed on the blocking pool by few at a time. Whoever asks for an
//! address that is nobody's waits as long as for one that is somebody's.

use crate::http::error::ApiError;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

/// The password in the form in which it is kept.
pub async fn hashed(places: &Arc<Semaphore>, password: String) -> Result<String, ApiError> {
    let place = place(places).await?;
    let mut salt = [0; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|error| ApiError::internal(&error))?;
    let hashed = spawn_blocking(move || {
        let hashed = hash(&password, &salt);
        drop(place);
        hashed
    });
    hashed.await.map_err(|error| ApiError::internal(&error))?.map_err(|error| ApiError::internal(&error))
}

/// Which of the kept passwords this one is. Without any the work is done all the same.
pub async fn fitting(places: &Arc<Semaphore>, password: String, kept: Vec<String>) -> Result<Option<usize>, ApiError> {
    let place = place(places).await?;
    let fitting = spawn_blocking(move || {
        let fitting = first_fitting(&password, &kept);
        drop(place);
        fitting
    });
    fitting.await.map_err(|error| ApiError::internal(&error))
}

fn first_fitting(password: &str, kept: &[String]) -> Option<usize> {
    if kept.is_empty() {
        let _ = Argon2::default().verify_password(password.as_bytes(), NOBODY);
        return None;
    }
    kept.iter().position(|kept| Argon2::default().verify_password(password.as_bytes(), kept.as_str()).is_ok())
}

/// The crate's default is what OWASP asks for: Argon2id with 19 MiB, two passes, one lane.
fn hash(password: &str, salt: &[u8; 16]) -> Result<String, argon2::password_hash::Error> {
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.as_bytes(), salt)?;
    Ok(hash.to_string())
}

/// What is hashed against for an address without a password: the same work, and the hash of none that anyone could find.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A place among those who hash; a crowd that does not get one in time is sent away rather than kept.
async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let place = tokio::time::timeout(PATIENCE, places.clone().acquire_owned()).await;
    place.ok().and_then(Result::ok).ok_or_else(|| ApiError::too_many(PATIENCE))
}

/// What an agent may choose: long rather than strange (NIST SP 800-63B §5.1.1.2).
pub fn checked(password: &str) -> Result<(), ApiError> {
    if password.chars().count() < CHARACTERS_MIN {
        let reason = format!("at least {CHARACTERS_MIN} characters are needed; several words make a good one");
        return Err(ApiError::invalid("password", &reason));
    }
    if password.len() > OCTETS_MAX {
        return Err(ApiError::invalid("password", &format!("it is longer than {OCTETS_MAX} octets")));
    }
    Ok(())
}

const CHARACTERS_MIN: usize = 10;
pub const OCTETS_MAX: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let places = Arc::new(Semaphore::new(1));
        let one = hashed(&places, "correct horse battery".into()).await.expect("a hash");
        let other = hashed(&places, "correct horse battery".into()).await.expect("a hash");
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one != other, "{one}");
        let wrong = hashed(&places, "something else".into()).await.expect("a hash");
        let kept = vec![wrong, one];
        assert_eq!(fitting(&places, "correct horse battery".into(), kept.clone()).await, Ok(Some(1)));
        assert_eq!(fitting(&places, "Correct horse battery".into(), kept).await, Ok(None));
        assert_eq!(fitting(&places, String::new(), Vec::new()).await, Ok(None), "nobody's password is none");
        assert_eq!(places.available_permits(), 1);
        let refused = Argon2::default().verify_password(b"", NOBODY).expect_err("nobody's");
        assert_eq!(refused, argon2::password_hash::Error::PasswordInvalid, "the work was done");
    }

    #[test]
    fn a_password_is_long_enough_and_not_endless() {
        assert!(checked("short").is_err() && checked(&"x".repeat(OCTETS_MAX + 1)).is_err());
        assert!(checked("ten chars!").is_ok() && checked("zehn Zeiché").is_ok());
    }
}
