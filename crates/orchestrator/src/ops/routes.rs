use actix_web::{HttpResponse, get, web::Data};
use api_types::{OpsStatus, Problem};
use auth::need::OpsRead;
use runtime::{Allowed, Failure};

use crate::Orchestrator;

/// How the hub, its workers and its queues stand.
#[utoipa::path(tag = "operations", responses((status = 200, body = OpsStatus), (status = 401, body = Problem)))]
#[get("/api/v1/ops/status")]
pub(crate) async fn status(_: Allowed<OpsRead>, hub: Data<Orchestrator>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(hub.ops_status().await?))
}
