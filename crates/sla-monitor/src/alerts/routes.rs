use actix_web::{
    HttpRequest, HttpResponse, get, post,
    web::{Data, Path},
};
use api_types::{
    Alert, AlertBulkRequest, AlertBulkResponse, AlertCommentRequest, AlertFilter, AlertMuteRequest, AlertRequest, AlertmanagerResponse,
    AlertmanagerWebhook, Problem,
};
use auth::need::{RobotRun, RunCancel, RunRead};
use domain::ids::AlertId;
use runtime::{Allowed, Changing, Failure, JsonBody, OptionalJsonBody, Params, page};

use super::{
    Alerts,
    manage::{Deed, checked_comment},
};

/// Lists alerts, newest first, 100 a page.
///
/// Those of automations whose runs the caller may read; those of queues, workers and the hub itself are for callers who may read all runs.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.read"))), params(AlertFilter), responses((status = 200, body = Vec<Alert>)))]
#[get("/api/v1/alerts")]
pub(crate) async fn list(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    alerts: Data<Alerts>,
    query: Params<AlertFilter>,
) -> Result<HttpResponse, Failure> {
    let (found, next) = alerts.list(&caller, query.0).await?;
    Ok(page(request.path(), request.query_string(), next.map(|id| id.to_string())).json(found))
}

/// Returns an alert with its story.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.read"))), params(api_types::params::AlertId), responses((status = 200, body = Alert)))]
#[get("/api/v1/alerts/{id}")]
pub(crate) async fn get(caller: Allowed<RunRead>, alerts: Data<Alerts>, id: Path<AlertId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(alerts.get(&caller, *id).await?))
}

/// Takes an alert: it neither escalates nor reminds from now on.
///
/// Repeating the request has no effect; a comment is added.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::AlertId), request_body = Option<AlertRequest>, responses(
    (status = 200, body = Alert), (status = 409, description = "It is resolved", body = Problem)))]
#[post("/api/v1/alerts/{id}/acknowledge")]
pub(crate) async fn acknowledge(
    caller: Changing<RunCancel>,
    alerts: Data<Alerts>,
    id: Path<AlertId>,
    body: OptionalJsonBody<AlertRequest>,
) -> Result<HttpResponse, Failure> {
    let deed = Deed::Acknowledge(checked_comment(body.0.comment)?);
    Ok(HttpResponse::Ok().json(alerts.change(&caller, *id, deed).await?))
}

/// Says that an alert is over.
///
/// It does not open again by the same breach: only when it was fine in between, or by another run, deadline or failure. Repeating the request has no
/// effect; a comment is added.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::AlertId), request_body = Option<AlertRequest>, responses(
    (status = 200, body = Alert)))]
#[post("/api/v1/alerts/{id}/resolve")]
pub(crate) async fn resolve(
    caller: Changing<RunCancel>,
    alerts: Data<Alerts>,
    id: Path<AlertId>,
    body: OptionalJsonBody<AlertRequest>,
) -> Result<HttpResponse, Failure> {
    let deed = Deed::Resolve(checked_comment(body.0.comment)?);
    Ok(HttpResponse::Ok().json(alerts.change(&caller, *id, deed).await?))
}

/// Silences an alert until a time.
///
/// Nobody is told of it before; if it is still open then, people are reminded. Repeat the request to change the end.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::AlertId), request_body = AlertMuteRequest, responses(
    (status = 200, body = Alert), (status = 409, description = "It is resolved", body = Problem)))]
#[post("/api/v1/alerts/{id}/mute")]
pub(crate) async fn mute(
    caller: Changing<RunCancel>,
    alerts: Data<Alerts>,
    id: Path<AlertId>,
    body: JsonBody<AlertMuteRequest>,
) -> Result<HttpResponse, Failure> {
    let AlertMuteRequest { until, comment: text } = body.0;
    let deed = Deed::Mute(alerts.checked_until(until)?, checked_comment(text)?);
    Ok(HttpResponse::Ok().json(alerts.change(&caller, *id, deed).await?))
}

/// Ends the silence that somebody asked for. Repeating the request has no effect.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::AlertId), request_body = Option<AlertRequest>, responses(
    (status = 200, body = Alert), (status = 409, description = "It is resolved", body = Problem)))]
#[post("/api/v1/alerts/{id}/unmute")]
pub(crate) async fn unmute(
    caller: Changing<RunCancel>,
    alerts: Data<Alerts>,
    id: Path<AlertId>,
    body: OptionalJsonBody<AlertRequest>,
) -> Result<HttpResponse, Failure> {
    let deed = Deed::Unmute(checked_comment(body.0.comment)?);
    Ok(HttpResponse::Ok().json(alerts.change(&caller, *id, deed).await?))
}

/// Adds a comment to the story of an alert, also of one that is resolved.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::AlertId), request_body = AlertCommentRequest, responses(
    (status = 200, body = Alert)))]
#[post("/api/v1/alerts/{id}/comment")]
pub(crate) async fn comment(
    caller: Changing<RunCancel>,
    alerts: Data<Alerts>,
    id: Path<AlertId>,
    body: JsonBody<AlertCommentRequest>,
) -> Result<HttpResponse, Failure> {
    let text = checked_comment(Some(body.0.comment))?.ok_or_else(|| Failure::field("comment", "must not be blank"))?;
    Ok(HttpResponse::Ok().json(alerts.change(&caller, *id, Deed::Comment(text)).await?))
}

/// Acknowledges the open alerts that meet the conditions.
///
/// Only those that the caller may acknowledge. One request handles at most 10000 alerts, oldest first; `more` says whether to repeat it. `dry_run` only
/// counts them.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("run.cancel"))), request_body = AlertBulkRequest, responses(
    (status = 200, body = AlertBulkResponse)))]
#[post("/api/v1/alerts/bulk/acknowledge")]
pub(crate) async fn acknowledge_all(
    caller: Changing<RunCancel>,
    alerts: Data<Alerts>,
    body: JsonBody<AlertBulkRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(alerts.acknowledge_all(&caller, body.0).await?))
}

/// Takes what Alertmanager sends to a webhook (version 4) as alerts of the source `prometheus`.
///
/// An alert is the same by its fingerprint: a repeated message has no effect. The label `automation` (name or id) or `robo_nome` makes it an alert of
/// that automation. Needs the permission everywhere: give Alertmanager an API key as bearer token.
#[utoipa::path(tag = "alerts", extensions(("x-permission" = json!("robot.run"))), request_body = AlertmanagerWebhook, responses(
    (status = 200, body = AlertmanagerResponse)))]
#[post("/api/v1/alerts/alertmanager")]
pub(crate) async fn alertmanager(
    caller: Changing<RobotRun>,
    alerts: Data<Alerts>,
    body: JsonBody<AlertmanagerWebhook>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(alerts.hear(&caller, body.0).await?))
}
