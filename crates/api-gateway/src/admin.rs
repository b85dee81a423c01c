//! The admin API: the gateway's status, for operators, on an address of its own. It needs no sign-in and is read-only.

use std::net::TcpListener;

use actix_web::{
    App, HttpResponse, HttpServer, get,
    web::{self, Data},
};
use runtime::{Context, Failure, StartError, TaskError};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    Settings,
    proxy::{Proxy, ServiceState},
};

/// What the routes show.
struct Admin {
    proxy: Proxy,
    settings: Settings,
    context: Context,
}

/// A policy that the gateway applies to requests, and how it is set.
#[derive(Serialize)]
struct Plugin {
    name: &'static str,
    enabled: bool,
    config: Value,
}

/// Serves the admin API, and says where; `None` when the settings want none.
pub(crate) fn start(context: &Context, settings: &Settings, proxy: &Proxy) -> Result<Option<String>, StartError> {
    let Some(address) = settings.admin_address(proxy.has_services()) else { return Ok(None) };
    let listener = TcpListener::bind(address).map_err(|error| {
        format!("cannot serve the admin API on gateway.admin_bind = {address}: {error}; choose another address, or an empty one for none")
    })?;
    let url = format!("http://{}", listener.local_addr()?);
    let admin = Data::new(Admin { proxy: proxy.clone(), settings: settings.clone(), context: context.clone() });
    let shutdown = context.shutdown.clone();
    context.tasks.spawn("gateway.admin", move || {
        let (admin, shutdown, listener) = (admin.clone(), shutdown.clone(), listener.try_clone());
        async move {
            let app = move || {
                App::new()
                    .app_data(admin.clone())
                    .service(status)
                    .service(services)
                    .service(routes)
                    .service(plugins)
                    .default_service(web::to(async || Err::<HttpResponse, _>(Failure::NotFound("page".to_owned()))))
            };
            let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1).listen(listener?)?.run();
            let handle = server.handle();
            let stopping = async move {
                shutdown.wait().await;
                handle.stop(true).await;
            };
            let (served, ()) = tokio::join!(server, stopping);
            served.map_err(TaskError::from)
        }
    });
    Ok(Some(url))
}

/// The gateway as a whole: `ok`, or `degraded` when a service does not take requests at every upstream.
#[get("/status")]
async fn status(admin: Data<Admin>) -> HttpResponse {
    let all = admin.proxy.services();
    let is_up = all.iter().all(|service| service.state == ServiceState::Up);
    HttpResponse::Ok().json(json!({
        "status": if is_up { "ok" } else { "degraded" },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": admin.context.replica.uptime().as_secs(),
        "replica": admin.context.replica.id,
        "services": all.iter().map(|service| json!({"name": service.name, "state": service.state})).collect::<Vec<_>>(),
    }))
}

/// Each service with its upstreams.
#[get("/services")]
async fn services(admin: Data<Admin>) -> HttpResponse {
    HttpResponse::Ok().json(admin.proxy.services())
}

/// Each route that is passed on, and how often it was requested.
#[get("/routes")]
async fn routes(admin: Data<Admin>) -> HttpResponse {
    HttpResponse::Ok().json(admin.proxy.routes())
}

/// What is applied to requests, and how it is set.
#[get("/plugins")]
async fn plugins(admin: Data<Admin>) -> HttpResponse {
    let (settings, http, edge) = (&admin.settings, &admin.context.settings.http, &admin.context.settings.edge);
    let text = |time: std::time::Duration| format!("{}ms", time.as_millis());
    HttpResponse::Ok().json([
        Plugin {
            name: "health-checks",
            enabled: !settings.health_interval.is_zero(),
            config: json!({
                "interval": text(settings.health_interval), "unhealthy_after": settings.unhealthy_after, "healthy_after": settings.healthy_after
            }),
        },
        Plugin {
            name: "ejection",
            enabled: true,
            config: json!({"eject_after": settings.eject_after, "eject_for": text(settings.eject_for)}),
        },
        Plugin {
            name: "timeouts",
            enabled: true,
            config: json!({"connect": text(settings.connect_timeout), "idle": text(settings.idle_timeout)}),
        },
        Plugin {
            name: "request-size",
            enabled: true,
            config: json!({"body": http.body_limit, "header": http.header_limit, "headers": http.header_count}),
        },
        Plugin {
            name: "connections",
            enabled: true,
            config: json!({
                "all": http.max_connections, "of_one_address": http.max_connections_per_address,
                "header_timeout": text(http.header_timeout), "write_timeout": text(http.write_timeout),
            }),
        },
        Plugin {
            name: "rate-limiting",
            enabled: true,
            config: json!({
                "anonymous_per_minute": edge.anonymous_per_minute, "sign_ins_per_minute": edge.sign_ins_per_minute,
                "person_per_minute": edge.person_per_minute, "key_per_minute": edge.key_per_minute, "worker_requests": edge.worker_requests,
            }),
        },
        Plugin {
            name: "ip-restriction",
            enabled: !edge.allow.is_empty() || !edge.deny.is_empty(),
            config: json!({"allow": edge.allow, "deny": edge.deny}),
        },
        Plugin { name: "cors", enabled: !edge.cors_origins.is_empty(), config: json!({"origins": edge.cors_origins}) },
        Plugin { name: "tls", enabled: admin.context.settings.tls_is_on(), config: json!({"hsts": text(edge.hsts)}) },
        Plugin { name: "compression", enabled: edge.compression, config: json!({"encodings": ["gzip"]}) },
        Plugin {
            name: "trusted-proxies",
            enabled: !http.trusted_proxies.is_empty(),
            config: json!({"networks": http.trusted_proxies}),
        },
        Plugin { name: "request-ids", enabled: true, config: json!({"header": "X-Request-Id"}) },
    ])
}
