use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{
    Calendar, CalendarCreate, CalendarDaysFilter, CalendarFilter, CalendarImport, CalendarImportOptions, CalendarSummary, CalendarUpdate,
    ExplainedDay, FileContent, Holiday, HolidayFilter, Problem,
};
use auth::need::{RobotPublish, RobotRead};
use domain::ids::CalendarId;
use runtime::{Allowed, Changing, Failure, FileBody, JsonBody, Params, page, page_size};
use store::calendars::Filter;

use super::{
    Calendars,
    convert::{summary, to_api},
    days::in_year,
};

/// Adds a calendar.
///
/// Needs the permission everywhere, as every change of a calendar does. 409: the name is taken.
#[utoipa::path(tag = "calendars", request_body = CalendarCreate, extensions(("x-permission" = json!("robot.publish"))), responses(
    (status = 201, body = Calendar), (status = 409, description = "The name is taken", body = Problem)))]
#[post("/api/v1/calendars")]
pub(crate) async fn create(
    caller: Changing<RobotPublish>,
    calendars: Data<Calendars>,
    body: JsonBody<CalendarCreate>,
) -> Result<HttpResponse, Failure> {
    let calendar = calendars.create(&caller, body.0).await?;
    let location = format!("/api/v1/calendars/{}", calendar.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(to_api(calendar)))
}

/// Lists calendars by id, 100 a page.
///
/// Without their days and blackouts, of which there may be many. `name` finds a calendar by its exact name.
#[utoipa::path(tag = "calendars", params(CalendarFilter), extensions(("x-permission" = json!("robot.read"))), responses(
    (status = 200, body = Vec<CalendarSummary>)))]
#[get("/api/v1/calendars")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    calendars: Data<Calendars>,
    query: Params<CalendarFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let CalendarFilter { limit: _, name, after } = query.0;
    let found = calendars.list(&caller, &Filter { name, after, limit: limit.into() }).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found.into_iter().map(summary).collect::<Vec<_>>()))
}

/// Lists the holidays of a set in a year.
///
/// Nothing needs to be saved for it: sets are computed, for any year from 1900 to 2199, by the laws of that year.
#[utoipa::path(tag = "calendars", params(HolidayFilter), extensions(("x-permission" = json!("robot.read"))), responses(
    (status = 200, body = Vec<Holiday>)))]
#[get("/api/v1/calendars/holidays")]
pub(crate) async fn holidays(_caller: Allowed<RobotRead>, query: Params<HolidayFilter>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(in_year(&query.0)?))
}

/// Returns a calendar with its days and blackouts.
#[utoipa::path(tag = "calendars", params(api_types::params::CalendarId), extensions(("x-permission" = json!("robot.read"))), responses(
    (status = 200, body = Calendar)))]
#[get("/api/v1/calendars/{id}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, calendars: Data<Calendars>, id: Path<CalendarId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(to_api(calendars.get(&caller, *id).await?)))
}

/// Changes a calendar.
///
/// Absent fields keep their values; lists are replaced whole. The answer of `GET` can be sent back; an outdated `updated_at` is answered 409.
/// Schedules that use the calendar are due by its new days at once.
#[utoipa::path(tag = "calendars", params(api_types::params::CalendarId), request_body = CalendarUpdate,
    extensions(("x-permission" = json!("robot.publish"))), responses(
    (status = 200, body = Calendar), (status = 409, description = "The name is taken, or somebody changed it meanwhile", body = Problem)))]
#[put("/api/v1/calendars/{id}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    calendars: Data<Calendars>,
    id: Path<CalendarId>,
    body: JsonBody<CalendarUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(to_api(calendars.update(&caller, *id, body.0).await?)))
}

/// Deletes a calendar that no schedule uses.
///
/// 409 names the schedules that use it.
#[utoipa::path(tag = "calendars", params(api_types::params::CalendarId), extensions(("x-permission" = json!("robot.publish"))), responses(
    (status = 204), (status = 409, description = "Schedules use it", body = Problem)))]
#[delete("/api/v1/calendars/{id}")]
pub(crate) async fn delete(
    caller: Changing<RobotPublish>,
    calendars: Data<Calendars>,
    id: Path<CalendarId>,
) -> Result<HttpResponse, Failure> {
    calendars.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Says of each day whether it is a business day, and why.
///
/// At most 3660 days. Blackouts do not count: they are times, not days.
#[utoipa::path(tag = "calendars", params(api_types::params::CalendarId, CalendarDaysFilter),
    extensions(("x-permission" = json!("robot.read"))), responses((status = 200, body = Vec<ExplainedDay>)))]
#[get("/api/v1/calendars/{id}/days")]
pub(crate) async fn days(
    caller: Allowed<RobotRead>,
    calendars: Data<Calendars>,
    id: Path<CalendarId>,
    query: Params<CalendarDaysFilter>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(calendars.days(&caller, *id, &query.0).await?))
}

/// Imports the days of an iCalendar or CSV file, on which nobody works.
///
/// The body is the file, or a form with it in the field `file`; UTF-8, else windows-1252. It is imported whole or not at all: 422 names what is
/// wrong by line or event. With `dry_run=true` the answer says what would change.
#[utoipa::path(tag = "calendars", params(api_types::params::CalendarId, CalendarImportOptions),
    request_body(content(
        (inline(FileContent) = "text/csv", example = "date,name,from,to\n25/01/2027,Aniversário de São Paulo,,\n"),
        (inline(FileContent) = "text/calendar"), (FileForm = "multipart/form-data"))),
    extensions(("x-permission" = json!("robot.publish"))), responses(
    (status = 200, body = CalendarImport), (status = 409, description = "Somebody changed the calendar meanwhile", body = Problem)))]
#[post("/api/v1/calendars/{id}/import")]
pub(crate) async fn import(
    caller: Changing<RobotPublish>,
    calendars: Data<Calendars>,
    id: Path<CalendarId>,
    query: Params<CalendarImportOptions>,
    body: FileBody,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(calendars.import(&caller, *id, query.0, body.0).await?))
}

/// A form with a file.
#[derive(utoipa::ToSchema)]
#[schema(as = CalendarFile)]
#[expect(dead_code, reason = "only described")]
pub(crate) struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}
