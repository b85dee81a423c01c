//! Assembles the service. Each subject adds its use cases, routes and tasks here by a line, and nothing else constructs them.

use std::sync::Arc;

use actix_web::web::{Data, ServiceConfig};
use futures_util::future::BoxFuture;
use runtime::{Context, EndedReader, Reconciler, Running, Section, StartError};
use tokio::sync::Notify;

use crate::{
    Settings,
    alerts::{self, Alerts, Told},
    channels::Channels,
    evaluate::{Evaluate, sweep::Sweep},
    routes,
    rules::Rules,
    senders::Senders,
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
            let (evaluate, stop) = (use_cases.evaluate.clone(), context.shutdown.clone());
            context.tasks.spawn("sla.evaluate", move || evaluate.clone().run(stop.clone()));
            let running = Running::new(move |config| {
                use_cases.share(config);
                routes::routes(config);
            });
            Ok(running.with_reconcilers(reconcilers))
        })
    }
}

/// The use cases, by subject: what handlers call, and what tasks run.
struct UseCases {
    alerts: Data<Alerts>,
    channels: Data<Channels>,
    rules: Data<Rules>,
    evaluate: Evaluate,
}

impl UseCases {
    /// The use cases, and what runs beside them.
    fn new(context: &Context) -> Result<(Self, Vec<Arc<dyn Reconciler>>), StartError> {
        let settings = context.settings.section::<Settings>()?;
        let (told, nudge) = (Told::new(context), Arc::<Notify>::default());
        let evaluate = Evaluate {
            database: context.database.clone(),
            clock: context.clock.clone(),
            zones: context.zones.clone(),
            calendars: context.calendars.clone(),
            nudge: nudge.clone(),
            told: told.clone(),
            tick: settings.tick,
        };
        let sweep = Sweep {
            database: context.database.clone(),
            tick: settings.tick,
            shutdown: context.shutdown.clone(),
            read: EndedReader::default(),
            nudge: nudge.clone(),
        };
        let reconcilers: Vec<Arc<dyn Reconciler>> = vec![
            Arc::new(sweep),
            alerts::Due::new(context, settings.tick, told.clone()),
            Arc::new(alerts::Retention::new(context, settings.alert_retention)),
        ];
        let rules = Rules::new(context, told.clone(), nudge);
        let outbound = settings.outbound().map_err(StartError::from)?;
        let senders = Senders::new(context, outbound.clone());
        let use_cases = Self {
            alerts: Data::new(Alerts::new(context, told)),
            channels: Data::new(Channels::new(context, outbound, senders)),
            rules: Data::new(rules),
            evaluate,
        };
        Ok((use_cases, reconcilers))
    }

    /// Registers them as app data for the handlers.
    fn share(&self, config: &mut ServiceConfig) {
        config.app_data(self.alerts.clone()).app_data(self.channels.clone()).app_data(self.rules.clone());
    }
}
