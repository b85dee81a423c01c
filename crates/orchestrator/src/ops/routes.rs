use actix_web::{HttpResponse, get, web::Data};
use api_types::OpsStatus;
use auth::need::WorkerRead;
use runtime::{Allowed, Failure};

use super::Ops;

/// Returns the state of the hub: database, broker, workers, queues, replicas.
///
/// The answer is at most 1 s old. Whoever may read a part of the automations gets the figures of this part.
#[utoipa::path(tag = "operations", extensions(("x-permission" = json!("worker.read"))), responses((status = 200, body = OpsStatus)))]
#[get("/api/v1/ops/status")]
pub(crate) async fn status(caller: Allowed<WorkerRead>, ops: Data<Ops>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(ops.status(&caller).await?))
}
