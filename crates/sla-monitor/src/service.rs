//! Assembles the service. Each subject adds its use cases, routes and tasks here by a line, and nothing else constructs them.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use futures_util::future::BoxFuture;
use runtime::{Context, Reconciler, Running, Section, StartError};

use crate::{
    Settings,
    alerts::{self, Alerts, Told},
    routes,
};

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
            let (use_cases, reconcilers) = UseCases::new(context)?;
            let running = Running::new(move |config| {
                use_cases.share(config);
                routes::routes(config);
            });
            Ok(running.with_reconcilers(reconcilers))
        })
    }
}

/// The use cases, by subject: what handlers call.
struct UseCases {
    alerts: Data<Alerts>,
}

impl UseCases {
    /// The use cases, and what runs beside them.
    fn new(context: &Context) -> Result<(Self, Vec<Arc<dyn Reconciler>>), StartError> {
        let settings = context.settings.section::<Settings>()?;
        let told = Told::new(context);
        let reconcilers: Vec<Arc<dyn Reconciler>> = vec![
            alerts::Due::new(context, settings.tick, told.clone()),
            Arc::new(alerts::Retention::new(context, settings.alert_retention)),
        ];
        Ok((Self { alerts: Data::new(Alerts::new(context, told)) }, reconcilers))
    }

    /// Registers them as app data for the handlers.
    fn share(&self, config: &mut ServiceConfig) {
        config.app_data(self.alerts.clone());
    }
}
