//! Passes requests on to services that other processes run.
//!
//! The table of routes is made of the services' own descriptions. A path is judged once, decoded, by the frame; what an upstream gets is that
//! spelling. Bodies stream both ways. Who calls is verified by the service itself: the gateway only turns away who shows nothing good.

mod answer;
mod breaker;
mod checks;
mod forward;
mod headers;
mod stats;
mod status;
mod upload;
mod upstream;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_web::{
    FromRequest as _, HttpRequest,
    guard::Method as MethodGuard,
    web::{self, Payload, ServiceConfig},
};
use runtime::{Context, Elsewhere, Known, Route, StartError};
use utoipa::openapi::{OpenApi, Ref, ResponseBuilder, content::ContentBuilder};

pub(crate) use self::status::ServiceState;
use self::{forward::Forwarder, upstream::Pool};
use crate::Settings;

/// Unused connections to one upstream that are kept.
const IDLE_CONNECTIONS: usize = 256;

/// The services that are elsewhere, and how their requests get there.
#[derive(Clone)]
pub(crate) struct Proxy {
    services: Arc<[Served]>,
    forwarder: Forwarder,
    settings: Arc<Settings>,
    needs_tls: bool,
}

/// A service that is elsewhere.
struct Served {
    pool: Arc<Pool>,
    description: OpenApi,
    routes: Vec<Arc<Routed>>,
}

/// One of its routes.
struct Routed {
    route: Route,
    requests: AtomicU64,
}

impl Proxy {
    /// Starts the checks of what is elsewhere.
    pub(crate) fn start(context: &Context, settings: &Arc<Settings>) -> Result<Self, StartError> {
        let needs_tls = context.elsewhere.iter().flat_map(|service| &service.addresses).any(|address| address.starts_with("https:"));
        let client = client(settings, needs_tls)?;
        let served = |service: &Elsewhere| {
            let pool = Pool::new(service.name, &service.addresses, settings.clone(), context.clock.clone());
            checks::start(&pool, &client, context);
            let routes = service.routes().into_iter().map(|route| Arc::new(Routed { route, requests: AtomicU64::new(0) })).collect();
            Served { pool, description: with_gateway_answers(service.description.clone()), routes }
        };
        let services = context.elsewhere.iter().map(served).collect();
        let forwarder =
            Forwarder { client: client.clone(), body_limit: context.settings.http.body_limit, shutdown: context.shutdown.clone() };
        Ok(Self { services, forwarder, settings: settings.clone(), needs_tls })
    }

    /// Whether anything is elsewhere.
    pub(crate) fn has_services(&self) -> bool {
        !self.services.is_empty()
    }

    /// The descriptions of what is elsewhere, with the answers that a gateway adds.
    pub(crate) fn descriptions(&self) -> Vec<OpenApi> {
        self.services.iter().map(|service| service.description.clone()).collect()
    }

    /// Adds the routes. Runs once on each thread that serves, which has connections of its own.
    pub(crate) fn configure(&self, config: &mut ServiceConfig) {
        let client = client(&self.settings, self.needs_tls).unwrap_or_else(|_| self.forwarder.client.clone());
        let forwarder = Forwarder { client, ..self.forwarder.clone() };
        for (served, routed) in self.services.iter().flat_map(|served| served.routes.iter().map(move |routed| (served, routed))) {
            let (forwarder, pool, shared) = (forwarder.clone(), served.pool.clone(), routed.clone());
            let handler = move |request: HttpRequest, payload: Payload| {
                let (forwarder, pool, routed) = (forwarder.clone(), pool.clone(), shared.clone());
                async move {
                    routed.requests.fetch_add(1, Relaxed);
                    if routed.turns_strangers_away() {
                        Known::extract(&request).await?;
                    }
                    forwarder.forward(pool, request, payload).await
                }
            };
            config.service(web::resource(routed.route.path.as_str()).guard(MethodGuard(routed.route.method.clone())).to(handler));
        }
    }
}

impl Routed {
    /// Whether the gateway asks for a credential. On worker routes the service does, which reports wrong keys to its operators.
    fn turns_strangers_away(&self) -> bool {
        !self.route.is_open && !self.route.path.starts_with("/api/v1/worker/")
    }
}

/// A client that passes on what it gets: it follows no redirect, unpacks nothing, repeats nothing, and has no limit for a whole transfer.
fn client(settings: &Settings, needs_tls: bool) -> Result<reqwest::Client, StartError> {
    // A second call finds the provider that the first, or the embedding program, has set: that one is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(30))
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(settings.keep_alive)
        .pool_max_idle_per_host(IDLE_CONNECTIONS);
    if !needs_tls {
        // Plain HTTP works on hosts without CA certificates; loading them would fail there.
        builder = builder.tls_certs_only([]);
    }
    Ok(builder.build()?)
}

/// What a client may get from the gateway in the service's place.
fn with_gateway_answers(mut description: OpenApi) -> OpenApi {
    for item in description.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten() {
            for (status, meaning) in
                [("502", "The service broke off; whether it acted is not known"), ("504", "The service did not answer in time")]
            {
                let schema = ContentBuilder::new().schema(Some(Ref::new("#/components/schemas/Problem"))).build();
                let response = ResponseBuilder::new().description(meaning).content("application/problem+json", schema).build();
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| response.into());
            }
        }
    }
    description
}
