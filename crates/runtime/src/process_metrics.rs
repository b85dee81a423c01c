//! Metrics of the process, its runtime, its pool of connections and its link to the broker, which are read when somebody looks.

use broker::Broker;
use store::Database;
use telemetry::metrics::{Metrics, catalog};
use tokio::runtime::Handle;

/// The metrics of a process whose tasks run on the current runtime.
pub(crate) fn of_process(database: &Database, broker: Option<&Broker>) -> Metrics {
    let metrics = Metrics::default();
    metrics.with_process();
    of_pool(&metrics, database.clone());
    if let Some(broker) = broker {
        of_broker(&metrics, broker.clone());
    }
    if let Ok(runtime) = Handle::try_current() {
        of_runtime(&metrics, &runtime);
    }
    metrics
}

fn of_runtime(metrics: &Metrics, runtime: &Handle) {
    let [workers, tasks, queue] =
        [&catalog::TOKIO_WORKERS, &catalog::TOKIO_TASKS, &catalog::TOKIO_QUEUE].map(|metric| metrics.family(metric).only());
    let runtime = runtime.metrics();
    metrics.before_scrape(move || {
        workers.set(runtime.num_workers() as f64);
        tasks.set(runtime.num_alive_tasks() as f64);
        queue.set(runtime.global_queue_depth() as f64);
    });
}

fn of_pool(metrics: &Metrics, database: Database) {
    let [in_use, idle, most] =
        [&catalog::DATABASE_IN_USE, &catalog::DATABASE_IDLE, &catalog::DATABASE_MAX].map(|metric| metrics.family(metric).only());
    metrics.before_scrape(move || {
        let pool = database.pool();
        in_use.set(pool.used as f64);
        idle.set(pool.idle as f64);
        most.set(f64::from(pool.max));
    });
}

fn of_broker(metrics: &Metrics, broker: Broker) {
    let connected = metrics.family(&catalog::BROKER_CONNECTED).only();
    metrics.before_scrape(move || {
        connected.set(f64::from(u8::from(broker.is_connected())));
    });
}
