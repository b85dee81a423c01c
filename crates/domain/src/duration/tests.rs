//! Simulated years of runs, without a fault and with one. `SIMULATED=6 cargo test -p domain --release duration -- --nocapture` prints the figures of docs/SLA.md.

use super::*;

/// Random numbers with a fixed seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 to 1, without both.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 12) as f64 / (1_u64 << 52) as f64 + f64::EPSILON
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub(crate) fn lognormal(&mut self, median: f64, deviation: f64) -> f64 {
        median * (deviation * self.normal()).exp()
    }

    fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }
}

/// A shape of durations: of the run in this hour of the simulation.
type Shape = fn(&mut Chance, usize) -> f64;

const SHAPES: [(&str, Shape); 10] = [
    ("constant, to the second", |chance, _| (600.0 + chance.normal()).round()),
    ("narrow (lognormal, 0.1)", |chance, _| chance.lognormal(600.0, 0.1)),
    ("usual (lognormal, 0.4)", |chance, _| chance.lognormal(600.0, 0.4)),
    ("wide (lognormal, 1.0)", |chance, _| chance.lognormal(600.0, 1.0)),
    ("waiting (60 s and an exponential)", |chance, _| 60.0 + 300.0 * chance.exponential()),
    ("heavy tail (Pareto, 3)", |chance, _| 300.0 * chance.uniform().powf(-1.0 / 3.0)),
    ("two modes (1 in 5 is 4 times as long)", |chance, _| {
        let median = if chance.uniform() < 0.2 { 2400.0 } else { 600.0 };
        chance.lognormal(median, 0.15)
    }),
    ("by the hour and weekday (up to 6 times)", |chance, hour| {
        let (day, hour) = (hour / 24 % 7, hour % 24);
        let busy = if (9..18).contains(&hour) { 3.0 } else { 1.0 } * if day == 0 { 2.0 } else { 1.0 };
        chance.lognormal(300.0 * busy, 0.2)
    }),
    ("drift (twice as long in a year)", |chance, hour| chance.lognormal(600.0 * 2_f64.powf(hour as f64 / 8760.0), 0.2)),
    ("empty days (1 in 4 has nothing to do)", |chance, _| {
        if chance.uniform() < 0.25 { chance.lognormal(20.0, 0.2) } else { chance.lognormal(900.0, 0.4) }
    }),
];

/// How often automations run: each so many hours.
const EVERY: [(&str, usize); 3] = [("hourly", 1), ("6 times a day", 4), ("daily", 24)];

/// Automations of each shape and pace: few, so that the test takes seconds; `SIMULATED=6` for the figures of the page.
pub(crate) fn automations() -> u64 {
    std::env::var("SIMULATED").ok().and_then(|many| many.parse().ok()).unwrap_or(2)
}

/// First of the seeds that nothing was tuned by.
pub(crate) const UNSEEN: u64 = 1_000_000;

/// How often the baseline is computed anew, in hours.
const ANEW: usize = 16 * 24;

/// A year of an automation, after `warm` of its history: what is judged unusual, of so many runs. `fault` changes what a run takes.
fn year(shape: Shape, every: usize, seed: u64, fault: impl Fn(usize, f64) -> f64) -> Vec<(usize, bool)> {
    let mut chance = Chance::new(seed);
    let mut history: Vec<Past> = Vec::new();
    let (mut judged, mut baseline) = (Vec::new(), None);
    for (nth, hour) in (0..8760 * 5 / 4).step_by(every).enumerate() {
        let (weekday, of_day) = ((hour / 24 % 7) as u8, (hour % 24) as u8);
        // As an evaluation would, now and then.
        if nth % (ANEW / every).max(1) == 0 {
            let latest: Vec<Past> = history.iter().rev().take(MAX_RUNS).copied().collect();
            baseline = Baseline::of(&latest, 8760.0 / every as f64, Sensitivity::Normal);
        }
        let seconds = fault(hour, shape(&mut chance, hour));
        if let Some(baseline) = baseline.as_ref().filter(|_| hour >= 8760 / 4) {
            judged.push((hour, baseline.usual(weekday, of_day).judge(seconds, false).is_some()));
        }
        history.push(Past { weekday, hour: of_day, seconds });
    }
    judged
}

#[test]
fn a_year_without_a_fault_has_less_than_one_false_alarm() {
    has_few_false_alarms(0);
}

#[test]
fn a_year_that_nothing_was_tuned_by_has_less_than_one_false_alarm() {
    has_few_false_alarms(UNSEEN);
}

fn has_few_false_alarms(first: u64) {
    println!("seeds from {first}");
    let (mut all, mut years) = (0.0, 0.0);
    for (name, shape) in SHAPES {
        let mut line = format!("| {name} |");
        for (pace, every) in EVERY {
            let alarms: usize = (0..automations())
                .map(|seed| year(shape, every, first + seed * 77 + 1, |_, seconds| seconds).iter().filter(|(_, is)| *is).count())
                .sum();
            let per_year = alarms as f64 / automations() as f64;
            line += &format!(" {per_year:.2} |");
            assert!(per_year < 1.0, "{name}, {pace}: {per_year} false alarms in a year");
            (all, years) = (all + alarms as f64, years + automations() as f64);
        }
        println!("{line}");
    }
    println!("all: {:.2} of an automation in a year", all / years);
    assert!(all / years < 0.5);
}

#[test]
fn a_slowdown_is_found() {
    for (name, shape, factor, least) in [
        ("constant", SHAPES[0].1, 1.5, 0.99),
        ("narrow", SHAPES[1].1, 3.0, 0.95),
        ("usual", SHAPES[2].1, 20.0, 0.6),
        ("by the hour and weekday", SHAPES[7].1, 6.0, 0.8),
        ("drift", SHAPES[8].1, 5.0, 0.8),
    ] {
        for (pace, every) in [EVERY[0], EVERY[2]] {
            // Four in a year, at any hour of the day.
            let is_slow = |hour: usize| hour >= 8760 / 4 && (hour / every).is_multiple_of(2190 / every + 1);
            let found: Vec<bool> = (0..4 * automations())
                .flat_map(|seed| year(shape, every, seed * 77 + 1, |hour, seconds| if is_slow(hour) { seconds * factor } else { seconds }))
                .filter(|(hour, _)| is_slow(*hour))
                .map(|(_, is)| is)
                .collect();
            let part = found.iter().filter(|is| **is).count() as f64 / found.len() as f64;
            println!("| {name}, {pace} | {factor} times | {part:.2} |");
            assert!(part >= least, "{name}, {pace}: {part} of {} slow runs are found", found.len());
        }
    }
}

fn past(seconds: f64) -> Past {
    Past { weekday: 2, hour: 8, seconds }
}

#[test]
fn few_runs_are_not_judged() {
    let runs: Vec<Past> = (0..MIN_RUNS).map(|nth| past(100.0 + nth as f64)).collect();
    assert_eq!(Baseline::of(&runs[1..], 365.0, Sensitivity::Normal), None);
    assert!(Baseline::of(&runs, 365.0, Sensitivity::Normal).is_some());
}

#[test]
fn a_run_is_compared_with_its_weekday_and_hour_where_there_are_enough() {
    let mut runs: Vec<Past> = (0..40).map(|nth| past(600.0 + f64::from(nth))).collect();
    runs.extend((0..40).map(|nth| Past { hour: 20, ..past(60.0 + f64::from(nth) / 10.0) }));
    runs.extend((0..3).map(|_| Past { weekday: 6, hour: 3, ..past(300.0) }));
    let baseline = Baseline::of(&runs, 365.0, Sensitivity::Normal).unwrap();
    let (morning, evening) = (baseline.usual(2, 8), baseline.usual(2, 20));
    assert_eq!((evening.judge(600.0, false), morning.judge(60.0, false)), (Some(Unusual::Long), Some(Unusual::Short)));
    assert_eq!((morning.judge(60.0, true), morning.judge(620.0, false)), (None, None), "what runs may still take longer");
}

#[test]
fn a_higher_sensitivity_says_more() {
    let mut chance = Chance::new(5);
    let runs: Vec<Past> = (0..200).map(|_| past(chance.lognormal(600.0, 0.3))).collect();
    let upper = |sensitivity| Baseline::of(&runs, 365.0, sensitivity).unwrap().usual(2, 8).upper;
    assert!(upper(Sensitivity::High) < upper(Sensitivity::Normal) && upper(Sensitivity::Normal) < upper(Sensitivity::Low));
}

#[test]
fn odd_durations_do_not_break_it() {
    let odd = [0.0, -1.0, f64::NAN, f64::INFINITY, 1e12, 1e-9];
    let runs: Vec<Past> = (0..60).map(|nth| past(odd[nth % odd.len()])).collect();
    let usual = Baseline::of(&runs, f64::NAN, Sensitivity::High).unwrap().usual(255, 255);
    assert!(usual.median.is_finite() && usual.upper > usual.median, "{usual:?}");
}
