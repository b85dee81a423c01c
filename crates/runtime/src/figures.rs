//! Metrics of the process, its runtime and its pool of connections, which are read when somebody looks.

use store::Database;
use telemetry::metrics::{Metrics, catalog};
use tokio::runtime::Handle;

/// The metrics of a process whose tasks run on the current runtime.
pub(crate) fn of_process(database: &Database) -> Metrics {
    let metrics = Metrics::default();
    metrics.with_process();
    of_pool(&metrics, database.clone());
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
    let (connections, most) = (metrics.family(&catalog::DATABASE_CONNECTIONS), metrics.family(&catalog::DATABASE_MAX).only());
    let (idle, used) = (connections.of(&["idle"]), connections.of(&["used"]));
    metrics.before_scrape(move || {
        let pool = database.pool();
        idle.set(pool.idle as f64);
        used.set(pool.used as f64);
        most.set(f64::from(pool.max));
    });
}
