//! The routes of this service, joined from its subjects, and their description. Each subject adds a line to both.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi as _;

#[derive(utoipa::OpenApi)]
struct Nothing;

/// The description of the routes.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let subjects: [utoipa::openapi::OpenApi; 0] = [];
    subjects.into_iter().fold(Nothing::openapi(), utoipa::openapi::OpenApi::merge_from)
}

/// The routes.
pub(crate) fn routes(_config: &mut ServiceConfig) {}
