//! Routes of agents.

pub(crate) mod manage;
pub(crate) mod tokens;

use actix_web::{HttpResponse, post, web::Data};
use api_types::{
    ClaimRequest, GoodbyeRequest, HeartbeatRequest, HeartbeatResponse, JobAssignment, Problem, RegisterRequest, RegisterResponse,
};
use runtime::{Failure, JsonBody, WorkerCaller};

use super::Workers;
use crate::dispatch;

/// Registers a worker and returns its id.
///
/// A worker that registers again (with the same `instance_id` and host; without `instance_id`, with the same credential) keeps its id.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), request_body = RegisterRequest, responses(
    (status = 200, body = RegisterResponse), (status = 403, description = "The token belongs to another worker or does not allow a queue, or the name belongs to another credential", body = Problem),
    (status = 409, description = "`worker_name_taken`: another worker with this name is alive; `detail` names its host, process and start", body = Problem)))]
#[post("/api/v1/worker/register")]
pub(crate) async fn register(
    caller: WorkerCaller,
    workers: Data<Workers>,
    body: JsonBody<RegisterRequest>,
) -> Result<HttpResponse, Failure> {
    let mut request = body.0;
    caller.principal.limits.check_worker(&request.name)?;
    caller.principal.limits.resolve_queues(&mut request.queues)?;
    Ok(HttpResponse::Ok().json(workers.register(request, &caller.principal).await?))
}

/// Renews the leases of a worker's jobs.
///
/// The answer lists jobs to stop, jobs to suspend, and jobs whose lease is lost.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), request_body = HeartbeatRequest, responses(
    (status = 200, body = HeartbeatResponse), (status = 404, description = "No such worker: register again", body = Problem)))]
#[post("/api/v1/worker/heartbeat")]
pub(crate) async fn heartbeat(
    caller: WorkerCaller,
    workers: Data<Workers>,
    body: JsonBody<HeartbeatRequest>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(workers.heartbeat(body.0, caller.principal).await?))
}

/// Signs a worker off, so that it does not count as lost.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), request_body = GoodbyeRequest, responses(
    (status = 204), (status = 404, description = "No such worker", body = Problem)))]
#[post("/api/v1/worker/goodbye")]
pub(crate) async fn goodbye(caller: WorkerCaller, workers: Data<Workers>, body: JsonBody<GoodbyeRequest>) -> Result<HttpResponse, Failure> {
    workers.goodbye(body.worker_id, &caller.principal).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Claims jobs for a worker that does not use the broker.
///
/// The answer waits up to `wait_s` for a job. The jobs run under the worker's lease from then on. A paused worker gets none.
#[utoipa::path(tag = "worker", extensions(("x-permission" = json!("worker.work"))), request_body = ClaimRequest, responses(
    (status = 200, description = "The jobs; empty after `wait_s` without one", body = Vec<JobAssignment>), (status = 403, description = "The worker registered with another credential, or the token does not allow a queue", body = Problem),
    (status = 404, description = "No such worker: register again", body = Problem)))]
#[post("/api/v1/worker/jobs/claim")]
pub(crate) async fn claim(caller: WorkerCaller, workers: Data<Workers>, body: JsonBody<ClaimRequest>) -> Result<HttpResponse, Failure> {
    let mut request = body.0;
    dispatch::check_claim(&request)?;
    caller.principal.limits.resolve_queues(&mut request.queues)?;
    Ok(HttpResponse::Ok().json(workers.claim(request, &caller.principal).await?))
}
