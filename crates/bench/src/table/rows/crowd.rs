use super::{Row, single, target};
use crate::{
    measure::crowd::{Crowd, Idle},
    stats::{median, percentile},
};

/// Maximum CPU for idle workers, in percent of a core.
const MOST_CPU: f64 = 2.0;
/// Maximum time of `execute` while they wait, in milliseconds.
const MOST_P99_MS: f64 = 50.0;

pub(crate) fn rows(found: &Crowd) -> Vec<Row> {
    let idle = |what: String, idle: &Idle, most: Option<f64>| {
        let goal = most.and_then(|most| target(format!("< {most} %"), idle.cpu_percent < most));
        [
            single(format!("{what}, CPU, % of a core"), format!("{:.2}", idle.cpu_percent), goal),
            single(format!("{what}, MiB resident"), format!("{:.1}", idle.rss_mib), None),
        ]
    };
    let mut rows = idle("idle hub".to_owned(), &found.alone, None).to_vec();
    rows.extend(idle(format!("with {} automations", found.automations), &found.with_automations, None));
    rows.extend(idle(format!("and {} readers of silent logs", found.watchers), &found.with_watchers, None));
    rows.extend(idle(format!("and {} idle workers in their place", found.workers), &found.with_workers, Some(MOST_CPU)));
    let p99 = percentile(&found.execute_ms, 99);
    rows.push(single("– `execute` meanwhile, p50, ms", format!("{:.2}", median(&found.execute_ms)), None));
    rows.push(single("– `execute` meanwhile, p99, ms", format!("{p99:.2}"), target(format!("< {MOST_P99_MS}"), p99 < MOST_P99_MS)));
    let p99 = percentile(&found.health_ms, 99);
    rows.push(single(format!("health check during {} sign-ins at once, p99, ms", found.sign_ins), format!("{p99:.2}"), None));
    rows
}
