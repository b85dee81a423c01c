//! Status of services, upstreams and routes, for the admin API.

use std::sync::atomic::Ordering::Relaxed;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{
    Proxy,
    breaker::State,
    upstream::{Pool, Standing, Upstream},
};

/// A service.
#[derive(Serialize)]
pub(crate) struct ServiceStatus {
    pub(crate) name: &'static str,
    pub(crate) state: ServiceState,
    upstreams: Vec<UpstreamStatus>,
}

/// How a service stands.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServiceState {
    /// Every upstream takes requests.
    Up,
    /// Some do.
    Degraded,
    /// None does.
    Down,
}

#[derive(Serialize)]
struct UpstreamStatus {
    url: String,
    healthy: bool,
    last_check: Option<DateTime<Utc>>,
    last_error: Option<String>,
    breaker: BreakerState,
    failures_in_a_row: u32,
    ejected_until: Option<DateTime<Utc>>,
    outstanding: usize,
    requests: Classes,
    failures: u64,
    retries: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Milliseconds until the head of the answer, since the start.
    latency_ms: Option<Percentiles>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

#[derive(Serialize)]
struct Classes {
    #[serde(rename = "1xx")]
    informational: u64,
    #[serde(rename = "2xx")]
    success: u64,
    #[serde(rename = "3xx")]
    redirection: u64,
    #[serde(rename = "4xx")]
    client_error: u64,
    #[serde(rename = "5xx")]
    server_error: u64,
}

#[derive(Serialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
    p99: f64,
}

/// A route.
#[derive(Serialize)]
pub(crate) struct RouteStatus {
    service: &'static str,
    method: String,
    path: String,
    requests: u64,
}

impl Proxy {
    /// Every service that is elsewhere.
    pub(crate) fn services(&self) -> Vec<ServiceStatus> {
        self.services.iter().map(|service| of_service(&service.pool)).collect()
    }

    /// Every route that is passed on.
    pub(crate) fn routes(&self) -> Vec<RouteStatus> {
        let of_route = |service: &super::Served, route: &super::Routed| RouteStatus {
            service: service.pool.service,
            method: route.route.method.to_string(),
            path: route.route.path.clone(),
            requests: route.requests.load(Relaxed),
        };
        self.services.iter().flat_map(|service| service.routes.iter().map(move |route| of_route(service, route))).collect()
    }
}

fn of_service(pool: &Pool) -> ServiceStatus {
    let standings = pool.standings();
    let upstreams: Vec<UpstreamStatus> =
        pool.upstreams.iter().zip(&*standings).map(|(upstream, standing)| of_upstream(upstream, standing)).collect();
    let taking = upstreams.iter().filter(|upstream| upstream.healthy && upstream.breaker == BreakerState::Closed).count();
    let state = match taking {
        0 => ServiceState::Down,
        _ if taking == upstreams.len() => ServiceState::Up,
        _ => ServiceState::Degraded,
    };
    ServiceStatus { name: pool.service, state, upstreams }
}

fn of_upstream(upstream: &Upstream, standing: &Standing) -> UpstreamStatus {
    let (breaker, failures_in_a_row, ejected_until) = match standing.breaker.state() {
        State::Closed { failures } => (BreakerState::Closed, failures, None),
        State::Open { until } => (BreakerState::Open, 0, Some(until)),
        State::HalfOpen => (BreakerState::HalfOpen, 0, None),
    };
    let [informational, success, redirection, client_error, server_error] = upstream.stats.classes();
    let (failures, retries, bytes_in, bytes_out) = upstream.stats.totals();
    UpstreamStatus {
        url: upstream.base.clone(),
        healthy: standing.health.is_healthy,
        last_check: standing.health.checked_at,
        last_error: standing.health.last_error.clone(),
        breaker,
        failures_in_a_row,
        ejected_until,
        outstanding: upstream.outstanding.load(Relaxed),
        requests: Classes { informational, success, redirection, client_error, server_error },
        failures,
        retries,
        bytes_in,
        bytes_out,
        latency_ms: upstream.stats.latency().map(|latency| Percentiles { p50: latency.p50, p95: latency.p95, p99: latency.p99 }),
    }
}
