use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Problem, ReportPlan, ReportPlanCreate, ReportPlanFilter, ReportPlanSent, ReportPlanUpdate};
use auth::need::{RobotPublish, RobotRead};
use domain::ids::ReportPlanId;
use runtime::{Allowed, Changing, Failure, JsonBody, Params, page, page_size};
use store::report_plans::Filter;

use super::Plans;

/// Creates a report plan: the report of each day or week leaves by itself, over e-mail channels.
///
/// Needs its permission everywhere: a mail goes to people who may have none.
#[utoipa::path(tag = "report plans", extensions(("x-permission" = json!("robot.publish"))), request_body = ReportPlanCreate, responses(
    (status = 201, body = ReportPlan), (status = 409, description = "The name is taken", body = Problem)))]
#[post("/api/v1/report-plans")]
pub(crate) async fn create(
    caller: Changing<RobotPublish>,
    plans: Data<Plans>,
    body: JsonBody<ReportPlanCreate>,
) -> Result<HttpResponse, Failure> {
    let plan = plans.create(&caller, body.0).await?;
    Ok(HttpResponse::Created().insert_header((header::LOCATION, format!("/api/v1/report-plans/{}", plan.id))).json(plan))
}

/// Lists report plans in order of creation, 100 a page.
#[utoipa::path(tag = "report plans", extensions(("x-permission" = json!("robot.read"))), params(ReportPlanFilter), responses((status = 200, body = Vec<ReportPlan>)))]
#[get("/api/v1/report-plans")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    plans: Data<Plans>,
    query: Params<ReportPlanFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let ReportPlanFilter { limit: _, after, name, enabled } = query.0;
    let found = plans.list(&caller, &Filter { name, enabled, after, limit: limit.into() }).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns a report plan.
#[utoipa::path(tag = "report plans", extensions(("x-permission" = json!("robot.read"))), params(api_types::params::ReportPlanId), responses((status = 200, body = ReportPlan)))]
#[get("/api/v1/report-plans/{id}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, plans: Data<Plans>, id: Path<ReportPlanId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(plans.get(&caller, *id).await?))
}

/// Changes a report plan. Absent fields keep their values.
///
/// 409: the name is taken, or the plan was changed since.
#[utoipa::path(tag = "report plans", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ReportPlanId), request_body = ReportPlanUpdate, responses(
    (status = 200, body = ReportPlan), (status = 409, description = "The name is taken, or the plan was changed since", body = Problem)))]
#[put("/api/v1/report-plans/{id}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    plans: Data<Plans>,
    id: Path<ReportPlanId>,
    body: JsonBody<ReportPlanUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(plans.update(&caller, *id, body.0).await?))
}

/// Deletes a report plan.
#[utoipa::path(tag = "report plans", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ReportPlanId), responses((status = 204)))]
#[delete("/api/v1/report-plans/{id}")]
pub(crate) async fn delete(caller: Changing<RobotPublish>, plans: Data<Plans>, id: Path<ReportPlanId>) -> Result<HttpResponse, Failure> {
    plans.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sends the report of the last day or week that is over, now, besides the plan's times.
///
/// The mail is real. 409: every channel of the plan is switched off.
#[utoipa::path(tag = "report plans", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ReportPlanId), responses(
    (status = 202, body = ReportPlanSent), (status = 409, description = "Every channel of the plan is switched off", body = Problem)))]
#[post("/api/v1/report-plans/{id}/send")]
pub(crate) async fn send(caller: Changing<RobotPublish>, plans: Data<Plans>, id: Path<ReportPlanId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Accepted().json(plans.send(&caller, *id).await?))
}
