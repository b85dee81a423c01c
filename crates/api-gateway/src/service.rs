use std::{num::NonZero, thread::available_parallelism};

use actix_web::web::Data;
use auth::Tokens;
use futures_util::future::BoxFuture;
use runtime::{Context, Pool, Running, StartError};
use store::Database;
use utoipa::OpenApi as _;

use crate::identity::{self, Bootstrap};

#[derive(utoipa::OpenApi)]
#[openapi(paths(identity::login), components(schemas(api_types::Problem)))]
struct Description;

/// What the routes work with.
pub(crate) struct Gateway {
    pub(crate) database: Database,
    pub(crate) tokens: Tokens,
    pub(crate) hashing: Pool,
}

/// Sign-ins that wait for their password to be hashed, each some tens of milliseconds; more are refused.
const SIGN_INS_WAITING: usize = 16;

/// The edge as a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl runtime::Service for Service {
    fn name(&self) -> &'static str {
        "api-gateway"
    }

    fn needs_secrets(&self) -> bool {
        true
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        Description::openapi()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(async move {
            let admin = &context.settings.admin;
            let bootstrap = identity::bootstrap_admin(&context.database, admin).await?;
            // Half of the processors at most: the others serve.
            let threads = available_parallelism().map_or(1, NonZero::get).div_ceil(2).clamp(1, 4);
            let hashing = Pool::new(threads, SIGN_INS_WAITING);
            let gateway = Data::new(Gateway { database: context.database.clone(), tokens: context.access.tokens.clone(), hashing });
            let running = Running::new(move |config| {
                config.app_data(gateway.clone()).service(identity::login);
            });
            Ok(match bootstrap {
                Bootstrap::Ready => running,
                Bootstrap::Created(password) => running.announce(format!(
                    "Sign in as {} with the password {password}  (shown this once; only its hash is kept)",
                    admin.username
                )),
            })
        })
    }
}
