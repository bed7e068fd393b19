//! `/healthz`: the process answers. `/readyz`: mail can be accepted.

use super::error::ApiError;
use super::surface::Surface;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "the process answers", body = Health)))]
pub async fn healthz() -> Json<Health> {
    Json(OK)
}

#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "mail can be accepted", body = Health),
    (status = 503, description = "it cannot, and why", body = super::error::ErrorBody)))]
pub async fn readyz(State(surface): State<Surface>) -> Result<Json<Health>, ApiError> {
    let unready = |message: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message);
    surface.store.health().map_err(|error| unready(error.to_string()))?;
    let limits = surface.config.load().limits.clone();
    let free = surface.store.free_space().map_err(|error| unready(error.to_string()))?;
    if free.octets < limits.disk_free_octets_min || free.inodes < limits.disk_free_inodes_min {
        return Err(unready("the disk under the data directory is nearly full: mail is deferred".to_owned()));
    }
    Ok(Json(OK))
}
