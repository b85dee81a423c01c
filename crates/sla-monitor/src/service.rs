//! Assembles the service. Each subject adds its use cases, routes and tasks here by a line, and nothing else constructs them.

use actix_web::web::ServiceConfig;
use futures_util::future::BoxFuture;
use runtime::{Context, Running, Section, StartError};

use crate::{Settings, routes};

/// The SLA monitor as a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

const NAME: &str = "sla-monitor";

impl runtime::Service for Service {
    fn name(&self) -> &'static str {
        NAME
    }

    fn section(&self) -> Option<Section> {
        Some(Section::of::<Settings>())
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        routes::description()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(async move {
            let use_cases = UseCases::new(context)?;
            Ok(Running::new(move |config| {
                use_cases.share(config);
                routes::routes(config);
            }))
        })
    }
}

/// The use cases, by subject: what handlers call, and what tasks run.
struct UseCases;

impl UseCases {
    fn new(context: &Context) -> Result<Self, StartError> {
        let _settings = context.settings.section::<Settings>()?;
        Ok(Self)
    }

    /// Registers them as app data for the handlers.
    #[expect(clippy::unused_self, reason = "subjects are added")]
    fn share(&self, _config: &mut ServiceConfig) {}
}
