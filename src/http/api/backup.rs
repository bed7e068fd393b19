//! `/api/v1/backup`, over the Unix socket only: a consistent copy of the store into a file of this machine.

use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::input::Body;
use crate::http::surface::Surface;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use std::path::PathBuf;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupTo {
    /// Absolute, written with the daemon's rights; must not exist.
    #[schema(value_type = String)]
    file: PathBuf,
}

#[utoipa::path(post, path = "/api/v1/backup", request_body = BackupTo,
    responses((status = 204, description = "the copy is complete and on disk")))]
pub async fn create(
    State(surface): State<Surface>,
    caller: Caller,
    Body(to): Body<BackupTo>,
) -> Result<StatusCode, ApiError> {
    caller.owner_only()?;
    if !to.file.is_absolute() {
        return Err(ApiError::invalid("file", "an absolute path is expected"));
    }
    if to.file.exists() {
        return Err(ApiError::new(StatusCode::CONFLICT, "exists", "the file exists; name one that does not"));
    }
    surface.store.backup(to.file).await?;
    Ok(StatusCode::NO_CONTENT)
}
