use actix_web::{HttpResponse, post, web::Data};
use api_types::{Problem, Report, ReportBody, ReportOutcome};
use futures_util::future::join_all;
use runtime::{Failure, JsonBody, WorkerCaller};

use super::routes::{finished, started};
use crate::Orchestrator;

/// Reports that a request may carry.
const MOST_REPORTS: usize = 1000;

/// Sends several reports at once.
///
/// Each gets its own outcome, in the order of the request; a refused report does not affect the others.
#[utoipa::path(tag = "worker", request_body = Vec<Report>, responses(
    (status = 200, body = Vec<ReportOutcome>), (status = 422, description = "The request as a whole cannot be read: nothing was done", body = Problem)))]
#[post("/api/v1/worker/reports")]
pub(crate) async fn reports(worker: WorkerCaller, hub: Data<Orchestrator>, body: JsonBody<Vec<Report>>) -> Result<HttpResponse, Failure> {
    if body.len() > MOST_REPORTS {
        return Err(Failure::field("", format!("must have at most {MOST_REPORTS} reports")));
    }
    let outcomes = body.0.into_iter().map(|report| outcome(&hub, &worker, report));
    Ok(HttpResponse::Ok().json(join_all(outcomes).await))
}

async fn outcome(hub: &Orchestrator, worker: &WorkerCaller, report: Report) -> ReportOutcome {
    let Report { job_id, lease_token, start, finish } = report;
    let caller = (worker, lease_token);
    let body = match (start, finish) {
        (Some(request), None) => {
            started(hub, job_id, caller, request).await.map(ReportBody::Start).map_err(|failure| failure.under("start"))
        }
        (None, Some(request)) => {
            finished(hub, job_id, caller, request).await.map(ReportBody::Finish).map_err(|failure| failure.under("finish"))
        }
        _ => Err(Failure::field("start", "must be there, or `finish`, and not both")),
    };
    match body {
        Ok(body) => ReportOutcome { status: 200, body },
        Err(failure) => {
            let problem = failure.problem();
            ReportOutcome { status: problem.status, body: ReportBody::Problem(problem) }
        }
    }
}
