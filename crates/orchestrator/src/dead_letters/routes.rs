use actix_web::{
    HttpRequest, HttpResponse, delete, get, post,
    web::{Data, Path},
};
use api_types::{DeadLetter, DeadLetterDetail, DeadLetterFilter, Problem, ReplayRequest, ReplayResponse};
use auth::need::{RobotRun, RunCancel, RunRead};
use domain::ids::DeadLetterId;
use runtime::{Allowed, Changing, Failure, OptionalJsonBody, Params, page, page_size};
use store::dead_letters::Filter;

use super::DeadLetters;

/// Lists dead letters, newest first, 50 a page.
///
/// A dead letter is a message that the broker moved to the dead-letter queue: a worker rejected it, or it expired.
#[utoipa::path(tag = "dead letters", extensions(("x-permission" = json!("run.read"))), params(DeadLetterFilter), responses(
    (status = 200, body = Vec<DeadLetter>)))]
#[get("/api/v1/dead-letters")]
pub(crate) async fn list(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    letters: Data<DeadLetters>,
    query: Params<DeadLetterFilter>,
) -> Result<HttpResponse, Failure> {
    let DeadLetterFilter { queue, job_id, replayed, limit, after } = query.0;
    let filter = Filter { queue, job_id, replayed, limit: page_size(limit, 50, 1000)?.into(), after };
    let found = letters.list(&caller, &filter).await?;
    let next = found.last().filter(|_| found.len() as u64 == filter.limit).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns a dead letter with its message.
#[utoipa::path(tag = "dead letters", extensions(("x-permission" = json!("run.read"))), params(api_types::params::DeadLetterId), responses(
    (status = 200, body = DeadLetterDetail)))]
#[get("/api/v1/dead-letters/{id}")]
pub(crate) async fn get(caller: Allowed<RunRead>, letters: Data<DeadLetters>, id: Path<DeadLetterId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(letters.detail(&caller, *id).await?))
}

/// Replays a dead letter.
///
/// If the message names a job that failed because of it, a new job with the same parameters is created; otherwise the message is published
/// to its queue again.
#[utoipa::path(tag = "dead letters", extensions(("x-permission" = json!("robot.run"))), params(api_types::params::DeadLetterId), responses(
    (status = 200, body = DeadLetter), (status = 409, description = "It was replayed before, or cannot be replayed", body = Problem)))]
#[post("/api/v1/dead-letters/{id}/replay")]
pub(crate) async fn replay(
    caller: Changing<RobotRun>,
    letters: Data<DeadLetters>,
    id: Path<DeadLetterId>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(letters.replay(&caller, *id).await?))
}

/// Replays dead letters, oldest first.
///
/// `dry_run` only counts them.
#[utoipa::path(post, path = "/api/v1/dead-letters/replay", tag = "dead letters", extensions(("x-permission" = json!("robot.run"))), request_body = Option<ReplayRequest>, responses(
    (status = 200, body = ReplayResponse)))]
pub(crate) async fn replay_many(
    caller: Changing<RobotRun>,
    letters: Data<DeadLetters>,
    body: OptionalJsonBody<ReplayRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(letters.replay_many(&caller, body.0).await?))
}

/// Deletes a dead letter.
#[utoipa::path(tag = "dead letters", extensions(("x-permission" = json!("run.cancel"))), params(api_types::params::DeadLetterId), responses(
    (status = 204)))]
#[delete("/api/v1/dead-letters/{id}")]
pub(crate) async fn delete(
    caller: Changing<RunCancel>,
    letters: Data<DeadLetters>,
    id: Path<DeadLetterId>,
) -> Result<HttpResponse, Failure> {
    letters.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}
