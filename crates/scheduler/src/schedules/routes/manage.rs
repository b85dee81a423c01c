use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{
    Fire, FireFilter, Problem, Schedule, ScheduleCreate, ScheduleFilter, SchedulePreview, SchedulePreviewQuery, ScheduleUpdate,
};
use auth::need::{RobotPublish, RobotRead};
use domain::{Fault, ids::ScheduleId, schedule::input::MAX_NAME};
use runtime::{Allowed, Changing, Failure, JsonBody, Params, page};

use crate::schedules::Schedules;

/// Creates a schedule.
///
/// Without a name it is called `Schedule` and a number. It fires from now on. 422 names each field that is wrong, also when it would never fire. 409:
/// the automation has a schedule of this name, or is archived.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.publish"))), request_body = ScheduleCreate, responses(
    (status = 201, body = Schedule), (status = 404, description = "No such automation", body = Problem),
    (status = 409, description = "The name is taken, or the automation is archived", body = Problem)))]
#[post("/api/v1/schedules")]
pub(crate) async fn create(
    caller: Changing<RobotPublish>,
    schedules: Data<Schedules>,
    body: JsonBody<ScheduleUpdate>,
) -> Result<HttpResponse, Failure> {
    let schedule = schedules.create(&caller, body.0).await?;
    let location = format!("/api/v1/schedules/{}", schedule.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(schedule))
}

/// Lists schedules by id, 100 a page.
///
/// Those that are switched off are omitted unless `disabled=true`, or `state` asks for them. `last_fires` has the newest one alone.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.read"))), params(ScheduleFilter), responses(
    (status = 200, body = Vec<Schedule>)))]
#[get("/api/v1/schedules")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    schedules: Data<Schedules>,
    query: Params<ScheduleFilter>,
) -> Result<HttpResponse, Failure> {
    check_texts(&[("name", query.0.name.as_deref()), ("search", query.0.search.as_deref()), ("domain", query.0.domain.as_deref())])?;
    let (found, next) = schedules.list(&caller, query.0).await?;
    Ok(page(request.path(), request.query_string(), next.map(|id| id.to_string())).json(found))
}

/// Returns the next fires of an expression, without saving anything.
///
/// With a calendar, its rule and a window, as a schedule would have them. 400 names each parameter that is wrong.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.read"))), params(SchedulePreviewQuery), responses(
    (status = 200, body = SchedulePreview)))]
#[get("/api/v1/schedules/preview")]
pub(crate) async fn preview(
    caller: Allowed<RobotRead>,
    schedules: Data<Schedules>,
    query: Params<SchedulePreviewQuery>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(schedules.preview(&caller, query.0).await?))
}

/// Lists past and coming fires between two times, in the order of their slots, 100 a page.
///
/// Past ones have their job, or why there is none; coming ones are `planned`. A coming fire that was due and is not decided yet is among them.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.read"))), params(FireFilter), responses(
    (status = 200, body = Vec<Fire>)))]
#[get("/api/v1/schedules/fires")]
pub(crate) async fn fires(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    schedules: Data<Schedules>,
    query: Params<FireFilter>,
) -> Result<HttpResponse, Failure> {
    check_texts(&[("domain", query.0.domain.as_deref())])?;
    let (found, next) = schedules.fires(&caller, query.0).await?;
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns a schedule with its next and its last ten fires.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.read"))), params(api_types::params::ScheduleId), responses(
    (status = 200, body = Schedule)))]
#[get("/api/v1/schedules/{id}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, schedules: Data<Schedules>, id: Path<ScheduleId>) -> Result<HttpResponse, Failure> {
    let schedule = schedules.get(&caller, *id).await?;
    Ok(HttpResponse::Ok().json(schedules.shown(&caller, &schedule).await?))
}

/// Changes a schedule.
///
/// Absent fields keep their values; null clears an optional field. When its times change, slots from now on count. The answer of `GET` can be sent
/// back; an outdated `revision` is answered 409.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ScheduleId), request_body = ScheduleUpdate, responses(
    (status = 200, body = Schedule), (status = 409, description = "The name is taken, or somebody changed it meanwhile", body = Problem)))]
#[put("/api/v1/schedules/{id}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    schedules: Data<Schedules>,
    id: Path<ScheduleId>,
    body: JsonBody<ScheduleUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(schedules.update(&caller, *id, body.0).await?))
}

/// Deletes a schedule with its fires.
///
/// Its jobs stay.
#[utoipa::path(tag = "schedules", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ScheduleId), responses(
    (status = 204)))]
#[delete("/api/v1/schedules/{id}")]
pub(crate) async fn delete(
    caller: Changing<RobotPublish>,
    schedules: Data<Schedules>,
    id: Path<ScheduleId>,
) -> Result<HttpResponse, Failure> {
    schedules.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// No name is longer.
fn check_texts(texts: &[(&str, Option<&str>)]) -> Result<(), Failure> {
    let is_long = |text: &str| text.chars().count() > MAX_NAME;
    let long = texts.iter().filter(|(_, text)| text.is_some_and(is_long));
    let faults: Vec<_> = long.map(|(field, _)| Fault::new(*field, format!("must have at most {MAX_NAME} characters"))).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::BadQuery(faults)) }
}
