//! Assembles the service. Each subject adds its use cases, routes and tasks here by a line, and nothing else constructs them.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use futures_util::future::BoxFuture;
use runtime::{Context, Running, Section, StartError};

use crate::{Settings, calendars::Calendars, routes};

/// The scheduler as a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service;

impl runtime::Service for Service {
    fn name(&self) -> &'static str {
        "scheduler"
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

/// The use cases, by subject: what handlers call.
struct UseCases {
    calendars: Data<Calendars>,
}

impl UseCases {
    fn new(context: &Context) -> Result<Self, StartError> {
        let settings = context.settings.section::<Settings>()?;
        let zones = Arc::new(settings.zones()?);
        let zone = zones.get(&settings.timezone)?;
        let (database, clock, events) = (context.database.clone(), context.clock.clone(), context.events.clone());
        Ok(Self { calendars: Data::new(Calendars { database, clock, events, zones, zone }) })
    }

    /// Registers them as app data for the handlers.
    fn share(&self, config: &mut ServiceConfig) {
        config.app_data(self.calendars.clone());
    }
}
