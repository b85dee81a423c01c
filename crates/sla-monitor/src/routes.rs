//! The routes of this service, joined from its subjects, and their description. Each subject adds a line to both.

use actix_web::web::ServiceConfig;
use utoipa::OpenApi as _;

use crate::{alerts, channels, notifications, reports, rules};

#[derive(utoipa::OpenApi)]
struct Nothing;

/// The description of the routes.
pub(crate) fn description() -> utoipa::openapi::OpenApi {
    let subjects = [
        alerts::Description::openapi(),
        channels::Description::openapi(),
        notifications::Description::openapi(),
        reports::Description::openapi(),
        reports::plans::Description::openapi(),
        rules::Description::openapi(),
    ];
    subjects.into_iter().fold(Nothing::openapi(), utoipa::openapi::OpenApi::merge_from)
}

/// The routes.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .configure(alerts::routes)
        .configure(channels::routes)
        .configure(notifications::routes)
        .configure(reports::routes)
        .configure(reports::plans::routes)
        .configure(rules::routes);
}
