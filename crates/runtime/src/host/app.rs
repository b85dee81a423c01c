use std::{collections::BTreeMap, net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::Server,
    get,
    middleware::{DefaultHeaders, from_fn},
    web::{self, Data, ServiceConfig},
};
use utoipa::openapi::OpenApi;

use super::{Route, health, ops, routes};
use crate::{Bodies, Context, TrustedProxies, Unmatched, identify, path::refuse_ambiguous, path_config, service::Running, unmatched};

/// Time limit for requests in flight at a stop, in seconds.
const DRAIN_S: u64 = 10;

/// State of the routes that every process has.
pub(super) struct Frame {
    pub(super) context: Context,
    /// The services, by name.
    pub(super) services: Vec<(&'static str, Running)>,
    description: Arc<str>,
}

/// Serves the services in order, then the routes that every process has.
pub(super) fn serve(
    listener: TcpListener,
    context: &Context,
    services: Vec<(&'static str, Running)>,
    doc: &OpenApi,
) -> std::io::Result<Server> {
    let bodies = Bodies::new(&context.settings.http);
    let proxies = TrustedProxies::new(&context.settings.http.trusted_proxies);
    let access = Data::new(context.access.clone());
    let unknown = Data::new(Unmatched::new(documented_routes(doc)));
    // The description consists of literals, so serialising it cannot fail.
    let description = serde_json::to_string(doc).unwrap_or_else(|_| "{}".to_owned()).into();
    let frame = Data::new(Frame { context: context.clone(), services, description });
    let app = move || {
        App::new()
            .app_data(access.clone())
            .app_data(path_config())
            .app_data(bodies.clone())
            .app_data(proxies.clone())
            .configure(|config| frame.services.iter().for_each(|(_, service)| (service.routes)(config)))
            .configure(|config| common_routes(config, frame.clone()))
            .app_data(unknown.clone())
            .default_service(web::to(unmatched))
            .wrap(from_fn(identify))
            .wrap(from_fn(refuse_ambiguous))
            // No answer is a page, and answers may contain secrets or be outdated soon.
            .wrap(DefaultHeaders::new().add(("x-content-type-options", "nosniff")).add(("cache-control", "no-store")))
    };
    let server = HttpServer::new(app)
        .workers(context.settings.http.workers)
        .disable_signals()
        .shutdown_timeout(DRAIN_S)
        .keep_alive(Duration::from_secs(75))
        // A client that closes its side is gone: a claim of a worker that hung up must not be assigned a job.
        .h1_allow_half_closed(false)
        .listen(listener)?;
    Ok(server.run())
}

fn common_routes(config: &mut ServiceConfig, frame: Data<Frame>) {
    config
        .app_data(frame)
        .service(health::health)
        .service(health::live)
        .service(health::ready)
        .service(ops::reconcilers)
        .service(ops::tasks)
        .service(describe);
}

/// Every path of the API with its methods.
fn documented_routes(doc: &OpenApi) -> BTreeMap<String, Vec<String>> {
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Route { method, path, .. } in routes(doc) {
        paths.entry(path).or_default().push(method.to_string());
    }
    paths
}

/// Returns this API description.
#[utoipa::path(tag = "system", responses((status = 200, description = "OpenAPI 3.1")))]
#[get("/api/v1/openapi.json")]
pub(super) async fn describe(frame: Data<Frame>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(frame.description.to_string())
}
