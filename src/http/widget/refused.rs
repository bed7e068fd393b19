//! A refused call of a widget: as the API's errors, and with the fields of a form that cannot be taken as they are.

use crate::http::error::ApiError;
use crate::store::StoreError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub error: ApiError,
    /// What is wrong, by field.
    pub fields: Map<String, Value>,
}

impl Refused {
    /// Fields that cannot be taken; not empty.
    pub fn fields(wrong: Vec<(String, String)>) -> Refused {
        let message = wrong.iter().map(|(name, words)| format!("{name}: {words}")).collect::<Vec<_>>().join("; ");
        let fields = wrong.into_iter().map(|(name, words)| (name, Value::String(words))).collect();
        Refused { error: ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message), fields }
    }

    pub fn field(name: &str, words: &str) -> Refused {
        Refused::fields(vec![(name.to_owned(), words.to_owned())])
    }

    pub fn new(status: StatusCode, code: &'static str, message: &str) -> Refused {
        ApiError::new(status, code, message).into()
    }

    /// No token, or none that opens anything: which of them is nobody's business.
    pub fn stranger() -> Refused {
        let message = "a visitor's token is needed: POST /widget/v1/visitors gives one";
        Refused::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Refused {
        Refused { error, fields: Map::new() }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        ApiError::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        if self.fields.is_empty() {
            return self.error.into_response();
        }
        let body = json!({"error": {"code": self.error.code, "message": self.error.message, "fields": self.fields}});
        (self.error.status, Json(body)).into_response()
    }
}
