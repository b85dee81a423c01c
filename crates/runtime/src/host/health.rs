use std::{collections::BTreeMap, time::Duration};

use actix_web::{HttpResponse, get, web::Data};
use api_types::Health;
use chrono::Utc;
use domain::health::{Broker, Database, Status};
use serde_json::json;

use super::app::Frame;
use crate::Context;

/// Time limit for the database to answer.
const PATIENCE: Duration = Duration::from_secs(2);

const OK: &str = "ok";

/// Returns the health of the hub.
///
/// `degraded`: the broker is unreachable; jobs are accepted and stay pending.
#[utoipa::path(tag = "system", responses((status = 200, body = Health), (status = 503, description = "The database is unreachable or accepts no writes", body = Health)))]
#[get("/api/v1/health")]
pub(super) async fn health(frame: Data<Frame>) -> HttpResponse {
    let context = &frame.context;
    let database = database(context).await;
    let broker = context.broker.as_ref().map(broker::Broker::is_connected);
    let broker = match broker {
        None => Broker::None,
        Some(true) => Broker::Ok,
        Some(false) => Broker::Unreachable,
    };
    let health = Health {
        status: Status::of(database, broker),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        database,
        broker,
        uptime_s: context.replica.uptime().as_secs(),
        now: Utc::now(),
        time_zones: Some(context.time_zones.clone()),
    };
    let mut response = if database == Database::Ok { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(health)
}

/// Answers 200 while the process and its tasks run.
///
/// 503: a task has ended and cannot be restarted; restart the process.
#[utoipa::path(tag = "system", responses((status = 200), (status = 503)))]
#[get("/health/live")]
pub(super) async fn live(frame: Data<Frame>) -> HttpResponse {
    match frame.context.tasks.broken() {
        None => HttpResponse::Ok().json(json!({"status": OK})),
        Some(task) => HttpResponse::ServiceUnavailable().json(json!({"status": "broken", "task": task})),
    }
}

/// Answers 200 while the process can serve requests, otherwise 503.
#[utoipa::path(tag = "system", responses((status = 200), (status = 503)))]
#[get("/health/ready")]
pub(super) async fn ready(frame: Data<Frame>) -> HttpResponse {
    let database = database(&frame.context).await;
    let mut services = BTreeMap::new();
    for (name, service) in &frame.services {
        let Some(readiness) = &service.readiness else { continue };
        let outcome = tokio::time::timeout(PATIENCE, readiness()).await;
        if let Err(reason) = outcome.unwrap_or_else(|_| Err("it did not answer in time".to_owned())) {
            services.insert(*name, reason);
        }
    }
    if database == Database::Ok && services.is_empty() {
        return HttpResponse::Ok().json(json!({"status": OK}));
    }
    HttpResponse::ServiceUnavailable().json(json!({"status": "unavailable", "database": database, "services": services}))
}

async fn database(context: &Context) -> Database {
    match tokio::time::timeout(PATIENCE, context.database.ping()).await {
        Ok(Ok(())) if context.writes.is_failing() => Database::NotWritable,
        Ok(Ok(())) => Database::Ok,
        // All connections wait for the file lock that another program holds.
        Err(_elapsed) if context.database.is_sqlite() && context.writes.is_failing() => Database::NotWritable,
        _ => Database::Unreachable,
    }
}
