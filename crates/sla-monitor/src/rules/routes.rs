use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Problem, Sla, SlaFilter, SlaMute, SlaUpdate};
use auth::need::{RobotPublish, RobotRead};
use domain::ids::SlaId;
use runtime::{Allowed, Changing, Failure, JsonBody, Params, page};

use super::Rules;

/// Creates an SLA rule: what is expected of an automation, a queue, the automations of a domain, or everything.
///
/// Each expectation is on where its field is set, and counts from now on. 422 names each field that is wrong: times that contradict each other, limits
/// that can never hold, a calendar or channel that does not exist. 409: the automation is archived, or there is a rule of this name.
#[utoipa::path(tag = "slas", extensions(("x-permission" = json!("robot.publish"))), request_body = SlaUpdate, responses(
    (status = 201, body = Sla), (status = 404, description = "No such automation", body = Problem),
    (status = 409, description = "The automation is archived, or the name is taken", body = Problem)))]
#[post("/api/v1/slas")]
pub(crate) async fn create(caller: Changing<RobotPublish>, rules: Data<Rules>, body: JsonBody<SlaUpdate>) -> Result<HttpResponse, Failure> {
    let sla = rules.create(&caller, body.0).await?;
    let location = format!("/api/v1/slas/{}", sla.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(sla))
}

/// Lists SLA rules in order of creation, 100 a page.
///
/// Without the states of their subjects, which one rule shows.
#[utoipa::path(tag = "slas", extensions(("x-permission" = json!("robot.read"))), params(SlaFilter), responses((status = 200, body = Vec<Sla>)))]
#[get("/api/v1/slas")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    rules: Data<Rules>,
    query: Params<SlaFilter>,
) -> Result<HttpResponse, Failure> {
    let (found, next) = rules.list(&caller, query.0).await?;
    Ok(page(request.path(), request.query_string(), next.map(|id| id.to_string())).json(found))
}

/// Returns an SLA rule, with how each expectation of each subject is and when it is judged next.
#[utoipa::path(tag = "slas", extensions(("x-permission" = json!("robot.read"))), params(api_types::params::SlaId), responses((status = 200, body = Sla)))]
#[get("/api/v1/slas/{id}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, rules: Data<Rules>, id: Path<SlaId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(rules.get(&caller, *id).await?))
}

/// Changes an SLA rule.
///
/// Absent fields keep their values; null clears one. If it expects something else, is about something else or is switched on, what was before does not
/// count. Alerts of what it does not expect any more are resolved. The answer of `GET` can be sent back; an outdated `revision` is answered 409.
#[utoipa::path(tag = "slas", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::SlaId), request_body = SlaUpdate, responses(
    (status = 200, body = Sla), (status = 409, description = "The name is taken, or somebody changed it meanwhile", body = Problem)))]
#[put("/api/v1/slas/{id}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    rules: Data<Rules>,
    id: Path<SlaId>,
    body: JsonBody<SlaUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(rules.update(&caller, *id, body.0).await?))
}

/// Deletes an SLA rule and resolves its alerts.
#[utoipa::path(tag = "slas", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::SlaId), responses((status = 204)))]
#[delete("/api/v1/slas/{id}")]
pub(crate) async fn delete(caller: Changing<RobotPublish>, rules: Data<Rules>, id: Path<SlaId>) -> Result<HttpResponse, Failure> {
    rules.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Mutes an SLA rule: it is judged and has alerts, and nobody is notified before `until`.
///
/// Null ends it. Repeating the request has no effect.
#[utoipa::path(tag = "slas", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::SlaId), request_body = SlaMute, responses(
    (status = 200, body = Sla), (status = 409, description = "Somebody changed it meanwhile", body = Problem)))]
#[post("/api/v1/slas/{id}/mute")]
pub(crate) async fn mute(
    caller: Changing<RobotPublish>,
    rules: Data<Rules>,
    id: Path<SlaId>,
    body: JsonBody<SlaMute>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(rules.mute(&caller, *id, body.0).await?))
}
