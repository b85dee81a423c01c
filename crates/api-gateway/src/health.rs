use std::time::Duration;

use actix_web::{HttpResponse, get, web::Data};
use api_types::Health;
use chrono::Utc;

use crate::Gateway;

/// How long the database may take to give a sign of life.
const PATIENCE: Duration = Duration::from_secs(2);

const OK: &str = "ok";

/// How the hub is. `degraded`: the broker is out of reach, jobs are accepted and wait.
#[utoipa::path(tag = "system", responses((status = 200, body = Health), (status = 503, description = "The database is out of reach, or takes no writes", body = Health)))]
#[get("/api/v1/health")]
pub(super) async fn health(gateway: Data<Gateway>) -> HttpResponse {
    let database = database(&gateway).await;
    let broker = gateway.broker.as_ref().map(broker::Broker::is_connected);
    let status = match broker {
        _ if database != OK => "unavailable",
        Some(false) => "degraded",
        _ => OK,
    };
    let health = Health {
        status: status.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database: database.to_owned(),
        broker: broker.map_or("none", |connected| if connected { "ok" } else { "unreachable" }).to_owned(),
        uptime_s: gateway.started.elapsed().as_secs(),
        now: Utc::now(),
    };
    let mut response = if database == OK { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(health)
}

/// The process answers.
#[utoipa::path(tag = "system", responses((status = 200)))]
#[get("/health/live")]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

/// The process can serve requests.
#[utoipa::path(tag = "system", responses((status = 200), (status = 503)))]
#[get("/health/ready")]
pub(super) async fn ready(gateway: Data<Gateway>) -> HttpResponse {
    match database(&gateway).await {
        OK => HttpResponse::Ok().json(serde_json::json!({"status": OK})),
        state => HttpResponse::ServiceUnavailable().json(serde_json::json!({"status": "unavailable", "database": state})),
    }
}

async fn database(gateway: &Gateway) -> &'static str {
    match tokio::time::timeout(PATIENCE, gateway.database.ping()).await {
        Ok(Ok(())) if gateway.writes.is_failing() => "not_writable",
        Ok(Ok(())) => OK,
        // Every connection waits for the lock of the file that another program holds.
        Err(_elapsed) if gateway.database.is_sqlite() && gateway.writes.is_failing() => "not_writable",
        _ => "unreachable",
    }
}
