//! What a refused call answers: `{"error":{"code","message"}}` with the fitting status. The cause of a failure of
//! ours goes to the log, not to the caller.

use crate::store::StoreError;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// A refused call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// Seconds after which it may be tried again, where that is known.
    pub retry_after: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorFields,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorFields {
    /// A word for programs.
    code: &'static str,
    /// A sentence for people.
    message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { status, code, message: message.into(), retry_after: None }
    }

    /// A field of the request that cannot be taken as it is.
    pub fn invalid(field: &str, reason: &str) -> ApiError {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", format!("{field}: {reason}"))
    }

    /// It is not there, or it is another account's: the caller cannot tell which.
    pub fn not_found(what: &str) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"))
    }

    pub fn forbidden(message: &str) -> ApiError {
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// More than a budget holds, which refills in this time.
    pub fn too_many(wait: Duration) -> ApiError {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let message = format!("too many tries; try again in {seconds} s");
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message);
        ApiError { retry_after: Some(seconds), ..error }
    }

    /// The same under a word of its own.
    pub fn with_code(self, code: &'static str) -> ApiError {
        ApiError { code, ..self }
    }

    /// RFC 9110 §10.2.3.
    pub fn retry_header(&self) -> Option<(HeaderName, HeaderValue)> {
        let unavailable = self.status == StatusCode::SERVICE_UNAVAILABLE;
        let seconds = self.retry_after.or(unavailable.then_some(UNAVAILABLE_RETRY_SECONDS))?;
        Some((header::RETRY_AFTER, seconds.into()))
    }

    pub fn unauthorized() -> ApiError {
        let message = "a live API token is needed: Authorization: Bearer …, made by replyd token add --account ACCOUNT";
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// A bug or a broken machine: the cause is logged, the caller learns only that.
    pub fn internal(cause: &dyn std::fmt::Display) -> ApiError {
        tracing::error!(%cause, "an API call failed");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "replyd failed; its log says why")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        match error {
            StoreError::NotFound(what) => ApiError::not_found(what),
            StoreError::Conflict(reason) => ApiError::new(StatusCode::CONFLICT, "conflict", reason),
            StoreError::Unhealthy(_)
            | StoreError::Damaged(_)
            | StoreError::Busy(_)
            | StoreError::Full(_)
            | StoreError::Closed => {
                tracing::warn!(%error, "the store refused an API call");
                let message = "the store cannot take this now; try again, and see /readyz";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", message)
            }
            StoreError::Backup { .. } => {
                tracing::warn!(%error, "a backup was not written");
                ApiError::new(StatusCode::CONFLICT, "backup_failed", error.to_string())
            }
            StoreError::Open { .. } | StoreError::Database(_) => ApiError::internal(&error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let retry = self.retry_header();
        let body = ErrorBody { error: ErrorFields { code: self.code, message: self.message } };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        retry.map(|(name, value)| response.headers_mut().insert(name, value));
        response
    }
}

const UNAVAILABLE_RETRY_SECONDS: u64 = 5;
