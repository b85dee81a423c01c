use std::time::Duration;

use actix_web::{HttpResponse, post, web::Data};
use api_types::{ClaimRequest, HeartbeatRequest, HeartbeatResponse, JobAssignment, Problem, RegisterRequest, RegisterResponse};
use domain::{
    Fault,
    automation::{QUEUE_RULE, is_queue_name},
};
use runtime::{Failure, JsonBody, WorkerCaller};

use crate::{Orchestrator, writer};

/// A worker says who it is, and learns its id.
#[utoipa::path(tag = "worker", request_body = RegisterRequest, responses(
    (status = 200, body = RegisterResponse), (status = 400, body = Problem), (status = 401, body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/worker/register")]
pub(super) async fn register(_: WorkerCaller, hub: Data<Orchestrator>, body: JsonBody<RegisterRequest>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hub.worker_register(body.0).await?))
}

/// A worker is alive: the leases of the jobs it names are prolonged.
#[utoipa::path(tag = "worker", request_body = HeartbeatRequest, responses(
    (status = 200, body = HeartbeatResponse), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 404, description = "No such worker: register again", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/worker/heartbeat")]
pub(super) async fn heartbeat(_: WorkerCaller, hub: Data<Orchestrator>, body: JsonBody<HeartbeatRequest>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hub.worker_heartbeat(body.0).await?))
}

/// A worker asks for jobs, and waits for them. The jobs of the answer run under its lease.
#[utoipa::path(tag = "worker", request_body = ClaimRequest, responses(
    (status = 200, description = "The jobs; empty when none came in time", body = Vec<JobAssignment>), (status = 400, body = Problem),
    (status = 401, body = Problem), (status = 404, description = "No such worker: register again", body = Problem), (status = 422, body = Problem)))]
#[post("/api/v1/worker/jobs/claim")]
pub(super) async fn claim(_: WorkerCaller, hub: Data<Orchestrator>, body: JsonBody<ClaimRequest>) -> Result<HttpResponse, Failure> {
    writer::check_claim(&body)?;
    check_queue_names(&body.queues)?;
    hub.worker_seen(body.worker_id).await?;
    let wait = Duration::from_secs_f64(body.wait_s);
    Ok(HttpResponse::Ok().json(hub.writer.claim(body.0, wait).await?))
}

fn check_queue_names(queues: &[String]) -> Result<(), Failure> {
    let bad = queues.iter().enumerate().filter(|(_, queue)| !is_queue_name(queue));
    let faults: Vec<Fault> = bad.map(|(index, _)| Fault::new(format!("queues/{index}"), QUEUE_RULE)).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}
