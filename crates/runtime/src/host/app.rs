use std::{collections::BTreeMap, net::TcpListener, sync::Arc};

use actix_server::Server;
use actix_web::{
    App, HttpResponse, get, guard,
    http::Method,
    middleware::from_fn,
    web::{self, Data, ServiceConfig},
};
use utoipa::openapi::OpenApi;

use super::{Connections, Route, health, metrics, ops, routes, server, server::Terms, tls};
use crate::{
    Bodies, Context, Edge, StartError, TrustedProxies, Unmatched, access::identify, edge, path_config, requests::Requests,
    service::Running, unmatched,
};

/// State of the routes that every process has.
pub(super) struct Frame {
    pub(super) context: Context,
    /// The services, by name.
    pub(super) services: Vec<(&'static str, Running)>,
    description: Arc<str>,
}

/// The listeners of a process.
pub(super) struct Listeners {
    /// The one that the settings name.
    pub(super) public: TcpListener,
    /// One without TLS for programs of this process, when the other has it.
    pub(super) local: Option<TcpListener>,
}

/// Serves the services in order, then the routes that every process has. `is_front`: no gateway is in front of this process.
pub(super) fn serve(
    listeners: Listeners,
    context: &Context,
    services: Vec<(&'static str, Running)>,
    doc: &OpenApi,
    (is_front, requests): (bool, Requests),
) -> Result<Server, StartError> {
    let settings = &context.settings;
    let bodies = Bodies::new(&settings.http, &settings.edge);
    let proxies = TrustedProxies::new(&settings.http.trusted_proxies);
    let edge = Data::new(Edge::new(settings, &context.clock, is_front, context.access.open));
    let requests = Data::new(requests);
    let access = Data::new(context.access.clone());
    let unknown = Data::new(Unmatched::new(documented_routes(doc)));
    // The description consists of literals, so serialising it cannot fail.
    let description = serde_json::to_string(doc).unwrap_or_else(|_| "{}".to_owned()).into();
    let frame = Data::new(Frame { context: context.clone(), services, description });
    let connections = Connections::new(settings.http.max_connections, settings.http.max_connections_per_address, proxies.clone());
    let app = move || {
        App::new()
            .app_data(access.clone())
            .app_data(edge.clone())
            .app_data(requests.clone())
            .app_data(path_config())
            .app_data(bodies.clone())
            .app_data(proxies.clone())
            .configure(|config| refuse_other_methods(config, &unknown))
            .configure(|config| frame.services.iter().for_each(|(_, service)| (service.routes)(config)))
            .configure(|config| common_routes(config, frame.clone()))
            .app_data(unknown.clone())
            .default_service(web::to(unmatched))
            .wrap(from_fn(identify))
            .wrap(edge.cors())
            .wrap(from_fn(edge::apply))
    };
    let terms = Terms::new(&settings.http, connections, tls::acceptor(context)?);
    let mut builder = server::builder(settings.http.workers);
    if let Some(local) = listeners.local {
        builder = server::listen(builder, local, Terms { tls: None, ..terms.clone() }, app.clone())?;
    }
    Ok(server::listen(builder, listeners.public, terms, app)?.run())
}

/// Keeps a request to a literal path from the patterns that match it as well, when the path has other methods.
fn refuse_other_methods(config: &mut ServiceConfig, routes: &Unmatched) {
    for (path, methods) in routes.shadowed() {
        let methods = methods.to_owned();
        let is_other = guard::fn_guard(move |context| !methods.split(", ").any(|method| method == context.head().method.as_str()));
        config.service(web::resource(path).guard(is_other).default_service(web::to(unmatched)));
    }
}

fn common_routes(config: &mut ServiceConfig, frame: Data<Frame>) {
    config
        .app_data(frame)
        .service(health::health)
        .service(health::live)
        .service(health::ready)
        .service(metrics::metrics)
        .service(metrics::metrics_with_slash)
        .service(ops::reconcilers)
        .service(ops::tasks)
        .service(describe);
}

/// Every path of the API with its methods. Where GET is answered, HEAD is.
fn documented_routes(doc: &OpenApi) -> BTreeMap<String, Vec<String>> {
    let mut paths: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Route { method, path, .. } in routes(doc) {
        let methods = paths.entry(path).or_default();
        let has_head = method == Method::GET;
        methods.push(method.to_string());
        methods.extend(has_head.then(|| Method::HEAD.to_string()));
    }
    paths
}

/// Returns this API description.
#[utoipa::path(tag = "system", responses((status = 200, description = "OpenAPI 3.1")))]
#[get("/api/v1/openapi.json")]
pub(super) async fn describe(frame: Data<Frame>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(frame.description.to_string())
}
