use actix_web::{HttpResponse, get, post, web::Data};
use api_types::{FileContent, Problem, ScheduleExportFilter, ScheduleImport, ScheduleImportQuery};
use auth::need::{RobotPublish, RobotRead};
use runtime::{Allowed, Changing, Failure, FileBody, Params};

use crate::schedules::Schedules;

/// Content type of documents.
const YAML: &str = "application/yaml";

/// Exports schedules as YAML: by automation and name, with the fields that differ from their defaults.
///
/// Pauses are not part of it. At most 5000 schedules: narrow it by `automation_id` or `domain`.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.read"))), params(ScheduleExportFilter), responses(
    (status = 200, body = String, content_type = "application/yaml")))]
#[get("/api/v1/schedules/export")]
pub(crate) async fn export(
    caller: Allowed<RobotRead>,
    schedules: Data<Schedules>,
    query: Params<ScheduleExportFilter>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().content_type(YAML).body(schedules.export(&caller, query.0).await?))
}

/// Imports schedules from YAML, as an export writes it.
///
/// Afterwards the automations of the document have the schedules that it says, and no others; other automations keep theirs. Needs `robot.publish` on
/// each automation in it. All of it is done, or nothing. With `dry_run=true` the answer says what would change; its `basis` makes the import fail with
/// 409 if something changed since.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.publish"))), params(ScheduleImportQuery),
    request_body(content = inline(FileContent), content_type = "application/yaml",
    example = json!("automations:\n  Download invoices:\n    Every weekday:\n      cron_expression: 30 7 * * 1-5\n      timezone: America/Sao_Paulo\n")), responses(
    (status = 200, body = ScheduleImport), (status = 409, description = "Somebody changed schedules meanwhile", body = Problem)))]
#[post("/api/v1/schedules/import")]
pub(crate) async fn import(
    caller: Changing<RobotPublish>,
    schedules: Data<Schedules>,
    query: Params<ScheduleImportQuery>,
    body: FileBody,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(schedules.import(&caller, query.0, body.0).await?))
}
