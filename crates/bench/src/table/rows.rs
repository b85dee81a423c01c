pub(super) mod crowd;
mod growth;
mod hop;
pub(super) mod schedules;
pub(super) mod watchers;

use super::{Row, Target};
use crate::{
    measure::{logs::Logs, published::Published, throughput::Round},
    report::{AfterLoad, Latency, Report, Step, Throughput},
    stats::{Versus, median},
};

pub(super) fn all(report: &Report) -> Vec<Row> {
    let mut rows = Vec::new();
    rows.extend(report.throughput.iter().flat_map(throughput));
    rows.extend(report.latency.iter().flat_map(latency));
    rows.extend(report.logs.iter().map(logs));
    rows.extend(report.memory.iter().filter(|_| report.throughput.is_some()).flat_map(memory));
    rows.extend(report.published.iter().map(worker_memory));
    rows.extend(report.growth.iter().flat_map(|worlds| growth::worlds(worlds)));
    rows.extend(report.many_queues.iter().flat_map(growth::many_queues));
    rows.extend(report.long_run.iter().map(growth::long_run));
    rows.extend(report.hop.iter().flat_map(hop::rows));
    rows
}

/// Maximum load by other programs of the machine in a round.
pub(super) fn others_busy(report: &Report) -> f64 {
    let turns = report.throughput.iter().flat_map(|turns| turns.regente.iter().chain(&turns.floor));
    let grown = report.growth.iter().flatten().flat_map(|grown| &grown.rounds);
    turns.chain(grown).map(|round| round.others_busy).fold(0.0, f64::max)
}

fn target(text: impl Into<String>, met: bool) -> Option<Target> {
    Some(Target { text: text.into(), met })
}

fn versus(figure: &str, both: &Versus, decimals: usize, target: Option<Target>) -> Row {
    let spread = |pick: fn(f64, f64) -> f64| both.pairwise.iter().copied().reduce(pick).unwrap_or(f64::NAN);
    Row {
        figure: figure.to_owned(),
        regente: format!("{:.decimals$}", both.regente),
        floor: format!("{:.decimals$}", both.floor),
        ratio: format!("{:.2} × ({:.2}–{:.2})", both.ratio, spread(f64::min), spread(f64::max)),
        target,
    }
}

fn single(figure: impl Into<String>, regente: String, target: Option<Target>) -> Row {
    Row { figure: figure.into(), regente, floor: String::new(), ratio: String::new(), target }
}

fn throughput(found: &Throughput) -> Vec<Row> {
    let (speed, cost) = (&found.jobs_per_s, &found.cpu_ms_per_job);
    let mut rows = vec![
        versus("throughput, jobs/s", speed, 0, target("≥ 1.25 ×", speed.ratio >= 1.25)),
        versus("CPU per job, ms", cost, 2, target("≤ 0.75 ×", cost.ratio <= 0.75)),
    ];
    rows.extend(["hub", "worker", "postgres", "rabbitmq"].map(|part| part_row(found, part)));
    let generator = median(&found.regente.iter().map(|round| round.generator_cpu_ms_per_job).collect::<Vec<_>>());
    rows.push(single("– load generator, ms (not counted)", format!("{generator:.2}"), None));
    rows
}

/// CPU of one process. The floor's own does the work of both hub and worker.
fn part_row(found: &Throughput, part: &str) -> Row {
    let of = |rounds: &[Round], part: &str| {
        let values: Vec<f64> = rounds.iter().filter_map(|round| round.cpu_ms_by_part.get(part).copied()).collect();
        if values.is_empty() { String::new() } else { format!("{:.2}", median(&values)) }
    };
    let floor = match part {
        "hub" => format!("{} (whole process)", of(&found.floor, "floor")),
        part => of(&found.floor, part),
    };
    Row { figure: format!("– {part}, ms"), regente: of(&found.regente, part), floor, ratio: String::new(), target: None }
}

fn latency(found: &Latency) -> Vec<Row> {
    let step = |name: &str, step: &Step, limits: Option<(f64, f64)>| {
        let limit = |most: Option<f64>, ratio: f64| most.and_then(|most| target(format!("≤ {most} ×"), ratio <= most));
        [
            versus(&format!("submit → {name}, p50, ms"), &step.p50_ms, 2, limit(limits.map(|limits| limits.0), step.p50_ms.ratio)),
            versus(&format!("submit → {name}, p99, ms"), &step.p99_ms, 2, limit(limits.map(|limits| limits.1), step.p99_ms.ratio)),
        ]
    };
    let mut rows = step("message received", &found.received, None).to_vec();
    rows.extend(step("start recorded", &found.started, Some((1.5, 3.0))));
    rows.extend(step("worker begins", &found.known, None));
    rows
}

fn logs(found: &Logs) -> Row {
    let speed = median(&found.lines_per_s);
    single(
        format!("log lines/s, {} writers, batches of {}", found.writers, found.batch),
        format!("{speed:.0}"),
        target("≥ 45000", speed >= 45_000.0),
    )
}

fn memory(found: &AfterLoad) -> Vec<Row> {
    let row = |name: &str, memory: crate::procfs::Memory, limit: f64| {
        let text = format!("{:.1} (peak {:.1})", memory.rss_mib, memory.peak_mib);
        single(format!("{name} after the load, MiB resident"), text, target(format!("< {limit}"), memory.rss_mib < limit))
    };
    vec![row("hub", found.hub, 40.0), row("agent", found.agent, 18.0)]
}

fn worker_memory(found: &Published) -> Row {
    let memory = found.worker_memory;
    let text = format!("{:.1} (peak {:.1})", memory.rss_mib, memory.peak_mib);
    single("`regente worker` after the Python jobs, MiB resident", text, target("< 18", memory.rss_mib < 18.0))
}
