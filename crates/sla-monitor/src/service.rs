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
    evaluate::{Baselines, Evaluate, sweep::Sweep},
    heartbeat::Heartbeat,
    notifications::{Delivery, Notifications, Renderer, Router},
    reports::{Reports, plans::Plans},
    retention, routes,
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
            let Parts { use_cases, tasks, reconcilers } = Parts::new(context)?;
            tasks.spawn(context);
            let running = Running::new(move |config| {
                use_cases.share(config);
                routes::routes(config);
            });
            Ok(running.with_reconcilers(reconcilers))
        })
    }
}

/// What the service is made of.
struct Parts {
    use_cases: UseCases,
    tasks: Tasks,
    reconcilers: Vec<Arc<dyn Reconciler>>,
}

/// The use cases, by subject: what handlers call.
struct UseCases {
    alerts: Data<Alerts>,
    channels: Data<Channels>,
    notifications: Data<Notifications>,
    reports: Data<Reports>,
    report_plans: Data<Plans>,
    rules: Data<Rules>,
}

/// What runs in every replica.
struct Tasks {
    evaluate: Evaluate,
    router: Router,
    delivery: Delivery,
}

impl Parts {
    fn new(context: &Context) -> Result<Self, StartError> {
        let settings = context.settings.section::<Settings>()?;
        let (told, nudge, planned) = (Told::new(context), Arc::<Notify>::default(), Arc::<Notify>::default());
        let outbound = settings.outbound().map_err(StartError::from)?;
        let (senders, renderer) = (Senders::new(context, outbound.clone()), Renderer::new(context, settings.links()));
        let reports = Reports::new(context, &settings);
        let report_plans = Plans::new(reports.clone(), planned.clone());
        let reconcilers: Vec<Arc<dyn Reconciler>> = vec![
            Arc::new(sweep(context, &settings, nudge.clone())),
            alerts::Due::new(context, settings.tick, told.clone()),
            Arc::new(report_plans.due(context)),
            Arc::new(retention::alerts(context, &settings)),
            Arc::new(retention::notifications(context, &settings)),
            Arc::new(Heartbeat::new(context, &settings.heartbeat_url, outbound.clone())?),
        ];
        let tasks = Tasks {
            evaluate: evaluate(context, &settings, (told.clone(), nudge.clone())),
            router: Router::new(context, settings.tick, planned.clone()),
            delivery: Delivery::new(context, renderer.clone(), Arc::new(senders.clone()), &settings, planned.clone()),
        };
        let use_cases = UseCases {
            alerts: Data::new(Alerts::new(context, told.clone())),
            channels: Data::new(Channels::new(context, outbound, senders)),
            notifications: Data::new(Notifications::new(context, renderer, planned)),
            reports: Data::new(reports),
            report_plans: Data::new(report_plans),
            rules: Data::new(Rules::new(context, told, nudge)),
        };
        Ok(Self { use_cases, tasks, reconcilers })
    }
}

fn evaluate(context: &Context, settings: &Settings, (told, nudge): (Told, Arc<Notify>)) -> Evaluate {
    Evaluate {
        database: context.database.clone(),
        clock: context.clock.clone(),
        zones: context.zones.clone(),
        calendars: context.calendars.clone(),
        nudge,
        told,
        tick: settings.tick,
        baselines: Baselines::default(),
    }
}

fn sweep(context: &Context, settings: &Settings, nudge: Arc<Notify>) -> Sweep {
    Sweep {
        database: context.database.clone(),
        tick: settings.tick,
        shutdown: context.shutdown.clone(),
        read: EndedReader::default(),
        nudge,
    }
}

impl UseCases {
    /// Registers them as app data for the handlers.
    fn share(&self, config: &mut ServiceConfig) {
        config.app_data(self.alerts.clone()).app_data(self.channels.clone()).app_data(self.notifications.clone());
        config.app_data(self.reports.clone()).app_data(self.report_plans.clone()).app_data(self.rules.clone());
    }
}

impl Tasks {
    fn spawn(self, context: &Context) {
        let Self { evaluate, router, delivery } = self;
        let stop = || context.shutdown.clone();
        let shutdown = stop();
        context.tasks.spawn("sla-monitor.evaluate", move || evaluate.clone().run(shutdown.clone()));
        let shutdown = stop();
        context.tasks.spawn("sla-monitor.router", move || router.clone().run(shutdown.clone()));
        let shutdown = stop();
        context.tasks.spawn("sla-monitor.delivery", move || delivery.clone().run(shutdown.clone()));
    }
}
