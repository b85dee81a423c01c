//! Every metric, once: its name, type, unit, labels and meaning. `docs/OBSERVABILITY.md` is made of this table.

use super::{Counter, Decimal, Definition, Gauge, Histogram, Label, Of};

macro_rules! catalog {
    ($($name:ident: $series:ty = $definition:expr;)*) => {
        $(
            #[doc = concat!("The metric `", stringify!($name), "`; its help says what it shows.")]
            pub static $name: Of<$series> = $definition;
        )*

        /// All metrics, in the order of the documentation.
        pub static ALL: &[&Definition] = &[$(&$name.definition),*];
    };
}

/// Methods of requests.
pub const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Status codes of answers.
pub const HTTP_STATUSES: &[&str] = &[
    "101", "200", "201", "202", "204", "206", "302", "303", "304", "400", "401", "403", "404", "405", "408", "409", "410", "412", "413",
    "415", "422", "429", "431", "500", "502", "503", "504",
];

/// From quick look-ups to long polls; 0.2 and 0.5 are bounds of objectives.
const HTTP_SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Runs of reconcilers, which have a time limit of some tens of seconds.
const RUN_SECONDS: &[f64] = &[0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// Runs of robots: of seconds, of hours, of a night. A quantile beyond the last bound would be that bound.
const ROBOT_SECONDS: &[f64] = &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0];

/// Waiting: of milliseconds where a robot is free, of hours where none is.
const WAIT_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

/// Ends of jobs.
pub const ENDS: &[&str] = &["completed", "completed_no_invoices", "failed", "canceled"];

const ROBOT: Label = Label::open("robo_nome");
const AUTOMATION: Label = Label::open("job_nome");
const RECONCILER: Label = Label::open("reconciler");

const SERVICE: Label = Label::open("service");

catalog! {
    HTTP_REQUESTS: Counter = Of::new(
        "http_requests", "requests",
        &[Label::closed("method", METHODS), Label::closed("status", HTTP_STATUSES), SERVICE],
        "Requests answered, by the service of this process that answered",
    );
    HTTP_DURATION: Histogram = Of::new(
        "http_request_duration_seconds", "seconds",
        &[Label::open("method"), Label::open("route"), SERVICE],
        "Time from a request to the head of its answer, by route template; `unmatched` is every path without a route",
    ).bounds(HTTP_SECONDS);
    HTTP_IN_FLIGHT: Gauge = Of::new(
        "http_requests_in_flight", "requests", &[],
        "Requests under way, until the end of their answers: claims that wait and streams among them",
    );
    JOBS_ENDED: Counter = Of::new(
        "rpa_jobs_executados", "jobs", &[ROBOT, AUTOMATION, Label::closed("status", ENDS)],
        "Jobs that ended, by worker, automation and end, counted by the process that wrote the end; `none` is no registered worker",
    );
    JOB_FAILURES: Counter = Of::new("rpa_execucoes_falhas", "jobs", &[ROBOT, AUTOMATION], "Jobs that failed, by worker and automation");
    JOB_DURATION: Histogram = Of::new(
        "rpa_execucao_duracao_segundos", "seconds", &[ROBOT, AUTOMATION],
        "Time from a job's start to its end, pauses included, by worker and automation",
    ).bounds(ROBOT_SECONDS);
    JOB_DISPATCH: Histogram = Of::new(
        "regente_job_dispatch_seconds", "seconds", &[],
        "Time from when a job was accepted, or may start, until the broker or a worker had it; counted when it ends",
    ).bounds(WAIT_SECONDS);
    JOB_WAIT: Histogram = Of::new(
        "regente_job_wait_seconds", "seconds", &[],
        "Time from when a job was accepted, or may start, until a worker started it; counted when it ends",
    ).bounds(WAIT_SECONDS);
    PROCESS_CPU: Decimal = Of::new("process_cpu_seconds", "seconds", &[], "Processor time of the process, in user and system mode");
    PROCESS_MEMORY: Gauge = Of::new("process_resident_memory_bytes", "bytes", &[], "Memory of the process that is in RAM");
    PROCESS_VIRTUAL_MEMORY: Gauge = Of::new("process_virtual_memory_bytes", "bytes", &[], "Address space of the process");
    PROCESS_OPEN_FILES: Gauge = Of::new("process_open_fds", "files", &[], "Open file descriptors of the process");
    PROCESS_MAX_FILES: Gauge = Of::new("process_max_fds", "files", &[], "Maximum number of open file descriptors of the process");
    PROCESS_THREADS: Gauge = Of::new("process_threads", "threads", &[], "Threads of the process");
    PROCESS_START: Gauge = Of::new("process_start_time_seconds", "seconds", &[], "When the process started, in seconds since 1970");
    TOKIO_WORKERS: Gauge = Of::new("regente_tokio_workers", "threads", &[], "Threads that run the background tasks");
    TOKIO_TASKS: Gauge = Of::new("regente_tokio_alive_tasks", "tasks", &[], "Background tasks that have not ended, short ones among them");
    TOKIO_QUEUE: Gauge = Of::new("regente_tokio_global_queue_depth", "tasks", &[], "Background tasks that wait for a thread in the common queue");
    DATABASE_IN_USE: Gauge = Of::new("regente_database_connections_in_use", "connections", &[], "Connections to the database that are in use");
    DATABASE_IDLE: Gauge = Of::new("regente_database_connections_idle", "connections", &[], "Connections to the database that are open and unused");
    DATABASE_MAX: Gauge = Of::new("regente_database_connections_max", "connections", &[], "Maximum number of connections of the pool to the database");
    BROKER_CONNECTED: Gauge = Of::new(
        "regente_broker_connected", "1 or 0", &[],
        "Whether the process is connected to the broker; not served by one that has none",
    );
    RECONCILER_RUNS: Counter = Of::new(
        "regente_reconciler_runs", "runs", &[RECONCILER, Label::closed("outcome", &["done", "failed"])],
        "Runs of reconcilers in this process; each runs in one process at a time",
    );
    RECONCILER_WORK: Counter = Of::new(
        "regente_reconciler_work", "things", &[RECONCILER, Label::open("work")],
        "What reconcilers did in this process, by the names that `/api/v1/ops/reconcilers` has in `last_outcome`",
    );
    RECONCILER_DURATION: Histogram = Of::new("regente_reconciler_run_seconds", "seconds", &[RECONCILER], "Time of a reconciler's run").bounds(RUN_SECONDS);
    RECONCILER_INTERVAL: Gauge = Of::new("regente_reconciler_interval_seconds", "seconds", &[RECONCILER], "How often the reconciler is to run");
    RECONCILER_SUCCESS: Gauge = Of::new(
        "regente_reconciler_last_success_timestamp_seconds", "seconds", &[RECONCILER],
        "When a run of the reconciler last succeeded in this process, or the process started, in seconds since 1970",
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::Kind;

    #[test]
    fn each_definition_keeps_the_rules_of_names() {
        let is_name = |text: &str| {
            text.starts_with(|first: char| first.is_ascii_lowercase())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let mut names = BTreeSet::new();
        for definition in ALL {
            let name = definition.name;
            assert!(names.insert(name), "{name} is declared twice");
            assert!(is_name(name) && definition.labels.iter().all(|label| is_name(label.name)), "{name}");
            for suffix in ["_total", "_count", "_sum", "_bucket", "_created", "_info"] {
                assert!(!name.ends_with(suffix), "{name} ends in {suffix}");
            }
            assert!(!definition.help.is_empty() && !definition.help.ends_with('.') && !definition.unit.is_empty(), "{name}");
            assert!(
                !definition.labels.iter().any(|label| ["le", "job", "instance"].contains(&label.name)),
                "{name} has a label of Prometheus's own"
            );
            assert_eq!(definition.kind == Kind::Histogram, !definition.bounds.is_empty(), "{name}");
            assert!(definition.bounds.is_sorted_by(|one, next| one < next), "{name}");
            assert!(
                definition.labels.iter().filter_map(|label| label.values).flatten().all(|value| *value != crate::metrics::OTHER),
                "{name}"
            );
        }
    }

    /// As Prometheus does: within the bucket in which the values are, by its bounds.
    #[test]
    fn a_quantile_of_long_runs_is_near_them() {
        let bounds = JOB_DURATION.definition.bounds;
        let above = bounds.iter().position(|bound| *bound >= 1200.0).unwrap();
        let (from, to) = (bounds[above - 1], bounds[above]);
        assert_eq!(from + (to - from) * 0.95, 1740.0, "the 95th percentile of runs of 1200 s");
        assert!(*bounds.last().unwrap() >= 86_400.0, "a run of a whole night has a bucket");
    }
}
