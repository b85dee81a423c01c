use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Path},
};
use api_types::{Notification, NotificationDetail, NotificationFilter, NotificationPreview, NotificationText, Problem};
use auth::need::{RobotRead, RunCancel, RunRead};
use domain::ids::NotificationId;
use runtime::{Allowed, Changing, Failure, JsonBody, Params, page, page_size};
use store::notifications::Filter;

use super::Notifications;

/// Lists messages to channels, newest first, 100 a page: what was sent, what waits, and what was given up, with the last answer.
///
/// Needs its permission everywhere: a message may tell of every automation.
#[utoipa::path(tag = "notifications", extensions(("x-permission" = json!("run.read"))), params(NotificationFilter), responses(
    (status = 200, body = Vec<Notification>)))]
#[get("/api/v1/notifications")]
pub(crate) async fn list(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    notifications: Data<Notifications>,
    query: Params<NotificationFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let NotificationFilter { limit: _, after, channel, alert, state } = query.0;
    let filter = Filter { channel_id: channel, alert_id: alert, state, after, limit: limit.into() };
    let found = notifications.list(&caller, &filter).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns a message with what was sent and each attempt: when, how long it took, what was answered.
#[utoipa::path(tag = "notifications", extensions(("x-permission" = json!("run.read"))), params(api_types::params::NotificationId), responses(
    (status = 200, body = NotificationDetail)))]
#[get("/api/v1/notifications/{id}")]
pub(crate) async fn get(
    caller: Allowed<RunRead>,
    notifications: Data<Notifications>,
    id: Path<NotificationId>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(notifications.get(&caller, *id).await?))
}

/// Sends a message once more, now: one that was given up or dropped, or that waits for its next attempt.
///
/// It keeps its id and its words. 409: it was sent, or is being sent.
#[utoipa::path(tag = "notifications", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::NotificationId), responses(
    (status = 200, body = Notification), (status = 409, description = "It was sent, or is being sent", body = Problem)))]
#[post("/api/v1/notifications/{id}/retry")]
pub(crate) async fn retry(
    caller: Changing<RunCancel>,
    notifications: Data<Notifications>,
    id: Path<NotificationId>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(notifications.retry(&caller, *id).await?))
}

/// Shows what a message would say, with an alert made up as an example, without sending it: to try templates before they are saved.
///
/// 422 names the template that is wrong, and the line.
#[utoipa::path(tag = "notifications", extensions(("x-permission" = json!("robot.read"))), request_body = NotificationPreview, responses(
    (status = 200, body = NotificationText)))]
#[post("/api/v1/notifications/preview")]
pub(crate) async fn preview(
    caller: Allowed<RobotRead>,
    notifications: Data<Notifications>,
    body: JsonBody<NotificationPreview>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(notifications.preview(&caller, body.0).await?))
}
