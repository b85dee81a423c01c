use super::{Row, single, target, versus};
use crate::{
    measure::schedules::{Alone, Burst, Rest, Schedules},
    stats::median,
};

/// Maximum CPU of a hub with many schedules of which none is due, in percent of a core.
const MOST_CPU: f64 = 1.0;
/// Maximum memory over that of a hub without schedules, in MiB: as much as two starts of the same hub differ by.
const MOST_MIB: f64 = 3.0;
/// Maximum time from due to the job's row, in milliseconds.
const MOST_P99_MS: f64 = 250.0;

pub(crate) fn rows(found: &Schedules) -> Vec<Row> {
    let mut rows = rest(found, "without schedules", |alone| alone.without, |_| (None, None));
    let added_mib = found.regente_alone.with.memory.rss_mib - found.regente_alone.without.memory.rss_mib;
    rows.extend(rest(
        found,
        &format!("with {}, none of them due", found.count),
        |alone| alone.with,
        |rest| (target(format!("< {MOST_CPU} %"), rest.cpu_percent < MOST_CPU), target(format!("< {MOST_MIB} more"), added_mib < MOST_MIB)),
    ));
    rows.push(versus(&format!("next ten fires of {} schedules, ms", found.read), &found.read_ms, 1, None));
    rows.push(single("1000 coming fires of all schedules, in the order of time, ms", format!("{:.0}", median(&found.calendar_ms)), None));
    rows.extend(burst(&found.few, true));
    rows.extend(burst(&found.many, false));
    rows
}

type Targets = (Option<super::Target>, Option<super::Target>);

fn rest(found: &Schedules, what: &str, pick: fn(&Alone) -> Rest, targets: impl Fn(&Rest) -> Targets) -> Vec<Row> {
    let (ours, theirs) = (pick(&found.regente_alone), pick(&found.peer_alone));
    let (cpu, memory) = targets(&ours);
    let row = |figure: String, decimals: usize, figures: fn(&Rest) -> f64, target| Row {
        figure,
        regente: format!("{:.decimals$}", figures(&ours)),
        floor: format!("{:.decimals$}", figures(&theirs)),
        ratio: String::new(),
        target,
    };
    // The hub is beside the peer then: PostgreSQL works for both.
    let postgres = single("– PostgreSQL meanwhile", format!("{:.2}", ours.postgres_cpu_percent), None);
    vec![
        row(format!("{what}: CPU, % of a core"), 2, |rest| rest.cpu_percent, cpu),
        postgres,
        row(format!("{what}: MiB resident"), 1, |rest| rest.memory.rss_mib, memory),
    ]
}

fn burst(found: &Burst, is_timed: bool) -> Vec<Row> {
    let due = found.due;
    let (p50, p99) = (found.versus(|round| round.p50_ms), found.versus(|round| round.p99_ms));
    let goal = if is_timed { target(format!("< {MOST_P99_MS}"), p99.regente < MOST_P99_MS) } else { None };
    let mut rows = vec![
        versus(&format!("{due} due in one second: due → job row, p50, ms"), &p50, 0, None),
        versus("– p99, ms", &p99, 0, goal),
        versus("– jobs/s until the last row", &found.versus(|round| round.jobs_per_s), 0, None),
        versus("– CPU per job with PostgreSQL, ms", &found.versus(|round| round.cpu_ms_per_job), 2, None),
    ];
    let done = found.peer_done();
    if done < due {
        rows.push(Row { floor: format!("{done}"), ..single("– rows after 120 s", due.to_string(), None) });
    }
    rows
}
