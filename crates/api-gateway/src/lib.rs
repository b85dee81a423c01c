//! The edge: who signs in, whether the hub is well, what its API looks like.
//!
//! Knows nothing of automations and jobs; the descriptions of the other services' routes are handed to it.
//!
//! ```no_run
//! # fn example(database: store::Database, tokens: auth::Tokens) {
//! let gateway = api_gateway::Gateway::new(database, runtime::WriteHealth::default(), None, tokens, vec![]);
//! let app = actix_web::App::new().configure(gateway.routes());
//! # }
//! ```

mod description;
mod health;
mod identity;

use std::{num::NonZero, sync::Arc, thread::available_parallelism, time::Instant};

use actix_web::{
    HttpResponse, get,
    web::{Data, ServiceConfig},
};
use auth::Tokens;
use broker::Broker;
use runtime::{Pool, WriteHealth};
use store::Database;
use utoipa::OpenApi;

pub use self::identity::{Bootstrap, bootstrap_admin};

#[derive(OpenApi)]
#[openapi(
    info(title = "Regente", description = "Orchestrates RPA robots."),
    paths(identity::login, health::health, health::live, health::ready, describe),
    components(schemas(api_types::Problem)),
    modifiers(&SecuritySchemes),
)]
struct ApiDoc;

struct SecuritySchemes;

impl utoipa::Modify for SecuritySchemes {
    fn modify(&self, doc: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
        let components = doc.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("worker_key", SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("X-Worker-API-Key"))));
    }
}

/// The whole API's description: this service's and those of `others`.
#[must_use]
pub fn api_doc(others: Vec<utoipa::openapi::OpenApi>) -> utoipa::openapi::OpenApi {
    description::complete(others.into_iter().fold(ApiDoc::openapi(), utoipa::openapi::OpenApi::merge_from))
}

/// The running service. Clones are the same one.
#[derive(Clone)]
pub struct Gateway {
    database: Database,
    writes: WriteHealth,
    broker: Option<Broker>,
    tokens: Tokens,
    description: Arc<str>,
    started: Instant,
    hashing: Pool,
}

/// Sign-ins that wait for their password to be hashed, each some tens of milliseconds; more are refused.
const SIGN_INS_WAITING: usize = 16;

impl Gateway {
    /// `writes`: whether the database takes writes, as the other services find; `others`: descriptions of the routes that they serve.
    #[must_use]
    pub fn new(
        database: Database,
        writes: WriteHealth,
        broker: Option<Broker>,
        tokens: Tokens,
        others: Vec<utoipa::openapi::OpenApi>,
    ) -> Self {
        // The description is made of literals; `{}` stands for what could not be.
        let description = serde_json::to_string(&api_doc(others)).unwrap_or_else(|_| "{}".to_owned()).into();
        // Half of the processors at most: the others serve.
        let threads = available_parallelism().map_or(1, NonZero::get).div_ceil(2).clamp(1, 4);
        let hashing = Pool::new(threads, SIGN_INS_WAITING);
        Self { database, writes, broker, tokens, description, started: Instant::now(), hashing }
    }

    /// Routes of this service. They need the app data of [`runtime::Bodies`].
    pub fn routes(&self) -> impl FnOnce(&mut ServiceConfig) + use<> {
        let gateway = Data::new(self.clone());
        move |config| {
            config
                .app_data(gateway)
                .service(identity::login)
                .service(health::health)
                .service(health::live)
                .service(health::ready)
                .service(describe);
        }
    }
}

/// This description.
#[utoipa::path(tag = "system", responses((status = 200, description = "OpenAPI 3.1")))]
#[get("/api/v1/openapi.json")]
async fn describe(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(gateway.description.to_string())
}
