use actix_web::{HttpResponse, get, web::Data};
use api_types::{ReconcilerStatus, TaskStatus};

use auth::need::WorkerRead;

use super::app::Frame;
use crate::{Allowed, Failure};

/// Lists the reconcilers of all services and replicas, with their last runs.
#[utoipa::path(tag = "operations", extensions(("x-permission" = json!("worker.read"))), responses((status = 200, body = Vec<ReconcilerStatus>)))]
#[get("/api/v1/ops/reconcilers")]
pub(super) async fn reconcilers(caller: Allowed<WorkerRead>, frame: Data<Frame>) -> Result<HttpResponse, Failure> {
    caller.require_everywhere()?;
    Ok(HttpResponse::Ok().json(frame.context.reconcilers.statuses().await?))
}

/// Lists the background tasks of the answering replica, with their states.
#[utoipa::path(tag = "operations", extensions(("x-permission" = json!("worker.read"))), responses((status = 200, body = Vec<TaskStatus>)))]
#[get("/api/v1/ops/tasks")]
pub(super) async fn tasks(caller: Allowed<WorkerRead>, frame: Data<Frame>) -> Result<HttpResponse, Failure> {
    caller.require_everywhere()?;
    let to_api = |task: crate::TaskStatus| TaskStatus {
        name: task.name.into_owned(),
        state: task.state,
        since: task.since,
        restarts: task.restarts,
        last_error: task.last_error,
    };
    Ok(HttpResponse::Ok().json(frame.context.tasks.statuses().into_iter().map(to_api).collect::<Vec<_>>()))
}
