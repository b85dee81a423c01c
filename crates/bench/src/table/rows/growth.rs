use super::{Row, target, versus};
use crate::{
    measure::growth::{Grown, LongRun, Side},
    report::ManyQueues,
    stats::median,
};

/// Lower limit of the throughput ratio, and upper limit of the ratio of the median from submit to start.
const LEAST: f64 = 0.9;
const MOST: f64 = 1.1;

/// Regente's worlds beside its first one. That of many queues has its targets in [`many_queues`].
pub(super) fn worlds(found: &[Grown]) -> Vec<Row> {
    let Some((empty, grown)) = found.split_first() else { return Vec::new() };
    grown.iter().filter(|grown| grown.side == Side::Regente).flat_map(|grown| beside(grown, empty)).collect()
}

fn beside(grown: &Grown, empty: &Grown) -> [Row; 2] {
    let has_targets = grown.queues == empty.queues;
    let what = if has_targets { format!("{} old jobs", grown.old_jobs) } else { format!("{} queues", grown.queues) };
    let row = |name: &str, of: fn(&Grown) -> f64, decimals: usize, text: String, is_met: fn(f64) -> bool| {
        let (now, before) = (of(grown), of(empty));
        Row {
            figure: format!("{name}, with {what} (floor column: Regente without)"),
            regente: format!("{now:.decimals$}"),
            floor: format!("{before:.decimals$}"),
            ratio: format!("{:.2} ×", now / before),
            target: if has_targets { target(text, is_met(now / before)) } else { None },
        }
    };
    [
        row("throughput, jobs/s", |grown| median(&grown.jobs_per_s()), 0, at_least(), |ratio| ratio >= LEAST),
        row("start recorded p50, ms", |grown| grown.started_ms.percentile(50), 2, at_most(), |ratio| ratio <= MOST),
    ]
}

/// The fraction of each side's figures that remains with many queues; RabbitMQ's cost affects both.
pub(super) fn many_queues(found: &ManyQueues) -> [Row; 2] {
    let figure = |name: &str| format!("{name}, with {} queues ÷ with one (floor column: the floor's own)", found.queues);
    let (speed, start) = (&found.jobs_per_s, &found.started_p50);
    [
        versus(&figure("throughput"), speed, 2, target(at_least(), speed.ratio >= LEAST)),
        versus(&figure("start recorded p50"), start, 2, target(at_most(), start.ratio <= MOST)),
    ]
}

fn at_least() -> String {
    format!("≥ {LEAST} ×")
}

fn at_most() -> String {
    format!("≤ {MOST} ×")
}

pub(super) fn long_run(found: &LongRun) -> Row {
    let (first, last) = (found.first_jobs_per_s, found.last_jobs_per_s);
    Row {
        figure: format!("throughput, jobs/s, last fifth of {} jobs without rest (floor column: first fifth)", found.jobs),
        regente: format!("{last:.0}"),
        floor: format!("{first:.0}"),
        ratio: format!("{:.2} ×", last / first),
        target: target(at_least(), last >= LEAST * first),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        measure::{latency::Samples, throughput::Round},
        table::Target,
    };

    /// One round with this speed and this latency.
    fn world(name: &'static str, side: Side, old_jobs: usize, queues: usize, (jobs_per_s, started_ms): (f64, f64)) -> Grown {
        let round = Round {
            jobs: 1,
            seconds: 1.0,
            submit_seconds: 1.0,
            jobs_per_s,
            cpu_ms_per_job: 0.0,
            cpu_ms_by_part: BTreeMap::new(),
            generator_cpu_ms_per_job: 0.0,
            others_busy: 0.0,
            load_average: 0.0,
        };
        Grown { name, side, old_jobs, queues, rounds: vec![round], started_ms: Samples(vec![vec![started_ms]]), hub_memory: Vec::new() }
    }

    /// Regente keeps 0.7 of its speed with many queues, the floor `floor_keeps`; its start takes 1.5 times as long, the floor's 1.4 times.
    fn found(floor_keeps: f64) -> Vec<Grown> {
        vec![
            world("empty", Side::Regente, 0, 1, (4000.0, 2.0)),
            world("old", Side::Regente, 9, 1, (3000.0, 2.2)),
            world("floor", Side::Floor, 0, 1, (3000.0, 1.0)),
            world("queues", Side::Regente, 0, 50, (2800.0, 3.0)),
            world("floor-queues", Side::Floor, 0, 50, (3000.0 * floor_keeps, 1.4)),
        ]
    }

    fn met(row: &Row) -> Option<bool> {
        row.target.as_ref().map(|target| target.met)
    }

    #[test]
    fn regente_with_many_queues_is_shown_without_a_target() {
        let rows = worlds(&found(0.75));
        let shown: Vec<_> = rows.iter().map(|row| (row.regente.as_str(), row.floor.as_str(), row.ratio.as_str(), met(row))).collect();
        assert_eq!(
            shown,
            [
                ("3000", "4000", "0.75 ×", Some(false)),
                ("2.20", "2.00", "1.10 ×", Some(true)),
                ("2800", "4000", "0.70 ×", None),
                ("3.00", "2.00", "1.50 ×", None),
            ]
        );
        assert!(rows[0].figure.contains("9 old jobs") && rows[2].figure.contains("50 queues"), "{} {}", rows[0].figure, rows[2].figure);
    }

    #[test]
    fn the_target_of_many_queues_is_in_relation_to_the_floor() {
        let [speed, start] = many_queues(&ManyQueues::new(&found(0.75)).unwrap());
        assert_eq!((speed.regente.as_str(), speed.floor.as_str(), speed.ratio.as_str()), ("0.70", "0.75", "0.93 × (0.93–0.93)"));
        assert_eq!((start.regente.as_str(), start.floor.as_str(), start.ratio.as_str()), ("1.50", "1.40", "1.07 × (1.07–1.07)"));
        assert_eq!((met(&speed), met(&start)), (Some(true), Some(true)));
        assert!(matches!(&speed.target, Some(Target { text, .. }) if text == "≥ 0.9 ×"));
        assert!(matches!(&start.target, Some(Target { text, .. }) if text == "≤ 1.1 ×"));
    }

    #[test]
    fn a_floor_that_loses_nothing_makes_regente_miss_the_target() {
        let [speed, _] = many_queues(&ManyQueues::new(&found(1.0)).unwrap());
        assert_eq!(met(&speed), Some(false));
    }

    #[test]
    fn without_the_floor_there_is_nothing_to_relate_to() {
        assert!(ManyQueues::new(&found(0.75)[..4]).is_none());
    }
}
