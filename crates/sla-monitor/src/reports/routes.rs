use actix_web::{
    HttpResponse, get,
    http::header::{CONTENT_SECURITY_POLICY, ContentType},
    web::Data,
};
use api_types::{ActivityReport, Problem, ReportFilter};
use auth::need::RunRead;
use runtime::{Allowed, Failure, Params};

use super::Reports;

/// The page has styles, and nothing that runs or is loaded.
const STYLED: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Returns how automations did in a day or a week.
///
/// Of the automations whose jobs the caller may read. A run counts once, by its last attempt, on the day on which that ended.
#[utoipa::path(tag = "reports", params(ReportFilter), extensions(("x-permission" = json!("run.read"))), responses(
    (status = 200, body = ActivityReport), (status = 404, description = "There is no such domain", body = Problem)))]
#[get("/api/v1/reports")]
pub(crate) async fn get(caller: Allowed<RunRead>, reports: Data<Reports>, query: Params<ReportFilter>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(reports.report(caller.scope(), query.0).await?))
}

/// Returns the same as a page, which mail programs show too.
#[utoipa::path(tag = "reports", params(ReportFilter), extensions(("x-permission" = json!("run.read"))), responses(
    (status = 200, body = String, content_type = "text/html"), (status = 404, description = "There is no such domain", body = Problem)))]
#[get("/api/v1/reports/page")]
pub(crate) async fn page(caller: Allowed<RunRead>, reports: Data<Reports>, query: Params<ReportFilter>) -> Result<HttpResponse, Failure> {
    let language = query.0.language.unwrap_or_default();
    let report = reports.report(caller.scope(), query.0).await?;
    let page = super::page(&report, &reports.voice(&report, language)?, &reports.public_url);
    let page = page.map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(HttpResponse::Ok().content_type(ContentType::html()).insert_header((CONTENT_SECURITY_POLICY, STYLED)).body(page))
}
