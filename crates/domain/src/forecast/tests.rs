//! Simulated days with a deadline. `SIMULATED=6 cargo test -p domain --release forecast -- --nocapture` prints the figures of docs/SLA.md.

use super::*;
use crate::duration::{
    Baseline, MAX_RUNS, Past, Sensitivity,
    tests::{Chance as Random, UNSEEN, automations},
};

/// Minutes before the deadline at which it is forecast.
const BEFORE: [f64; 4] = [60.0, 30.0, 15.0, 5.0];
/// The deadline, in minutes after the run is due.
const DEADLINE: f64 = 90.0;

/// A day: how long the run waits and takes, in minutes.
type Day = fn(&mut Random, usize) -> (f64, f64);

const DAYS: [(&str, Day); 5] = [
    ("usual (lognormal, 0.4)", |chance, _| (chance.lognormal(3.0, 0.5), chance.lognormal(60.0, 0.4))),
    ("narrow (lognormal, 0.15)", |chance, _| (chance.lognormal(3.0, 0.5), chance.lognormal(78.0, 0.15))),
    ("Mondays twice as long", |chance, day| (2.0, chance.lognormal(if day % 7 == 0 { 100.0 } else { 50.0 }, 0.3))),
    ("drift (half as long again in a year)", |chance, day| (2.0, chance.lognormal(60.0 * (1.0 + day as f64 / 730.0), 0.3))),
    ("two modes (1 in 4 is twice as long)", |chance, _| {
        let median = if chance.uniform() < 0.25 { 100.0 } else { 50.0 };
        (2.0, chance.lognormal(median, 0.15))
    }),
];

/// What was said, and what became of it.
#[derive(Clone, Copy)]
struct Said {
    before: f64,
    forecast: Forecast,
    missed: bool,
    /// How far the median was off, in minutes.
    off: f64,
}

/// Two years of a daily run, forecast at each of [`BEFORE`] while it is not done, after 60 days.
fn two_years(day: Day, seed: u64) -> Vec<Said> {
    let (mut chance, mut history, mut said) = (Random::new(seed), Vec::new(), Vec::new());
    let mut baseline = None;
    for nth in 0..730 {
        let (wait, takes) = day(&mut chance, nth);
        let weekday = (nth % 7) as u8;
        if nth % 7 == 0 {
            baseline = Baseline::of(&history, 365.0, Sensitivity::Normal).filter(|_| nth >= 60);
        }
        for before in BEFORE {
            let now = DEADLINE - before;
            let Some(baseline) = baseline.as_ref().filter(|_| now < wait + takes) else { continue };
            let possible = baseline.possible(weekday, 8);
            let stage = if now < wait { Stage::Expected { comes_in: 0.0, waits: vec![] } } else { Stage::Running((now - wait) * 60.0) };
            let forecast = forecast(&possible, &stage, before * 60.0).unwrap();
            let off = (forecast.done_in / 60.0 + now - wait - takes).abs();
            said.push(Said { before, forecast, missed: wait + takes > DEADLINE, off });
        }
        history.insert(0, Past { weekday, hour: 8, seconds: takes * 60.0 });
        history.truncate(MAX_RUNS);
    }
    said
}

/// What is said ten minutes before a run is there that waits for a busy queue, by how long earlier ones did; and what by none of them.
fn two_years_of_waiting(seed: u64) -> Vec<(Forecast, Forecast, bool)> {
    const COMES_IN: f64 = 10.0;
    let (mut chance, mut history, mut waits, mut said) = (Random::new(seed), Vec::new(), Vec::new(), Vec::new());
    for nth in 0..730 {
        let (wait, takes, weekday) = (chance.lognormal(20.0, 0.8), chance.lognormal(50.0, 0.2), (nth % 7) as u8);
        if let Some(baseline) = Baseline::of(&history, 365.0, Sensitivity::Normal).filter(|_| nth >= 60) {
            let possible = baseline.possible(weekday, 8);
            let say = |waits| {
                let stage = Stage::Expected { comes_in: COMES_IN * 60.0, waits };
                forecast(&possible, &stage, (COMES_IN + DEADLINE) * 60.0).unwrap()
            };
            said.push((say(waits.clone()), say(Vec::new()), wait + takes > DEADLINE));
        }
        history.insert(0, Past { weekday, hour: 8, seconds: takes * 60.0 });
        waits.insert(0, wait * 60.0);
    }
    said
}

#[test]
fn earlier_waits_say_how_long_one_waits_that_is_not_there_yet() {
    let said: Vec<_> = (0..automations() + 2).flat_map(|seed| two_years_of_waiting(seed * 13 + 5)).collect();
    let mean = |of: fn(&(Forecast, Forecast, bool)) -> f64| said.iter().map(of).sum::<f64>() / said.len() as f64;
    let (with, without, came) =
        (mean(|(with, ..)| with.miss), mean(|(_, without, _)| without.miss), mean(|(.., missed)| f64::from(u8::from(*missed))));
    println!("with waits {with:.3}, without {without:.3}, came true {came:.3}");
    assert!((with - came).abs() < 0.03, "{with} was said, {came} came");
    assert!((without - came).abs() > 0.1, "without waits {without} was said, {came} came");
}

fn part(of: &[Said], is: impl Fn(&Said) -> bool) -> f64 {
    of.iter().filter(|said| is(said)).count() as f64 / of.len().max(1) as f64
}

/// By tenths of the probability: how many, what was said, and how often it came true.
fn calibration(said: &[Said]) -> Vec<(usize, f64, f64)> {
    let tenth = |said: &Said| ((said.forecast.miss * 10.0) as usize).min(9);
    let by_tenth = |nth: usize| {
        let those: Vec<Said> = said.iter().filter(|said| tenth(said) == nth).copied().collect();
        let mean = those.iter().map(|said| said.forecast.miss).sum::<f64>() / those.len().max(1) as f64;
        (those.len(), mean, part(&those, |said| said.missed))
    };
    (0..10).map(by_tenth).collect()
}

#[test]
fn a_probability_means_what_it_says() {
    means_what_it_says(0);
}

#[test]
fn a_probability_means_what_it_says_of_years_that_nothing_was_tuned_by() {
    means_what_it_says(UNSEEN);
}

fn means_what_it_says(first: u64) {
    let seeds = || (0..automations() + 2).map(|seed| first + seed * 13 + 5);
    let said: Vec<Said> = DAYS.iter().flat_map(|(_, day)| seeds().flat_map(|seed| two_years(*day, seed))).collect();
    println!("seeds from {first}: {} forecasts", said.len());
    for (nth, (count, mean, came)) in calibration(&said).into_iter().enumerate() {
        println!("| {}–{} % | {count} | {:.0} % | {:.0} % |", nth * 10, nth * 10 + 10, mean * 100.0, came * 100.0);
        assert!(count < 100 || (mean - came).abs() < 0.08, "tenth {nth}: {mean} was said of {count}, {came} came");
    }
    let told: Vec<Said> = said.into_iter().filter(|said| said.forecast.miss >= TOLD).collect();
    let true_ones = part(&told, |said| said.missed);
    println!("told: {}, came true: {:.0} %", told.len(), true_ones * 100.0);
    assert!(true_ones >= TOLD, "{true_ones} of {} came true", told.len());
}

#[test]
fn a_missed_deadline_is_told_before_it_is_missed() {
    let mut all: Vec<Said> = Vec::new();
    for (name, day) in DAYS {
        let said: Vec<Said> = (0..automations() + 2).flat_map(|seed| two_years(day, seed * 13 + 5)).collect();
        for before in BEFORE {
            let then: Vec<Said> = said.iter().filter(|said| said.before == before).copied().collect();
            let right = part(&then, |said| (said.forecast.miss >= 0.5) == said.missed);
            let told: Vec<Said> = then.iter().filter(|said| said.forecast.miss >= TOLD).copied().collect();
            let true_ones = part(&told, |said| said.missed);
            let missed: Vec<Said> = then.iter().filter(|said| said.missed).copied().collect();
            let found = part(&missed, |said| said.forecast.miss >= TOLD);
            let off = then.iter().map(|said| said.off).sum::<f64>() / then.len().max(1) as f64;
            println!(
                "| {name} | {before} min | {:.0} % | {:.0} % | {:.0} % | {off:.0} min |",
                right * 100.0,
                true_ones * 100.0,
                found * 100.0
            );
            all.extend(told);
        }
    }
    let true_ones = part(&all, |said| said.missed);
    println!("told: {}, came true: {:.0} %", all.len(), true_ones * 100.0);
    assert!(true_ones >= TOLD, "{true_ones} of {} came true", all.len());
}

#[test]
fn a_queue_in_front_is_waited_for() {
    let possible: Vec<f64> = (0..100).map(|nth| 540.0 + f64::from(nth) * 1.2).collect();
    let takes = Takes { median: 600.0, deviation: 0.1 };
    let waiting = |ahead: usize, slots: usize| Stage::Waiting { ahead: vec![takes; ahead], running: vec![(takes, 300.0); slots], slots };
    let done = |ahead, slots| forecast(&possible, &waiting(ahead, slots), 3600.0).unwrap();
    // 300 s are left of what runs, then four in a row, and the run itself; two at once: half of it.
    assert!((done(4, 1).done_in - 3300.0).abs() < 120.0, "{:?}", done(4, 1));
    assert!((done(4, 2).done_in - 2100.0).abs() < 120.0, "{:?}", done(4, 2));
    assert!(done(4, 1).miss < 0.2 && done(6, 1).miss > 0.95, "{:?} {:?}", done(4, 1), done(6, 1));
    assert_eq!(forecast(&possible, &Stage::Waiting { ahead: vec![], running: vec![], slots: 0 }, 3600.0), None, "nobody works");
    assert_eq!(done(4, 1), done(4, 1), "nothing is random");
}

#[test]
fn what_is_not_there_yet_comes_waits_and_takes() {
    let possible = vec![600.0; 50];
    let said = forecast(&possible, &Stage::Expected { comes_in: 300.0, waits: vec![60.0; 5] }, 1000.0).unwrap();
    assert_eq!((said.done_in, said.early, said.late), (960.0, 960.0, 960.0));
    assert!(said.miss < 0.02, "{said:?}");
    assert_eq!(forecast(&[], &Stage::Running(1.0), 5.0).map(|said| said.done_in > 0.0), Some(true));
}

#[test]
fn a_run_that_takes_longer_than_any_may_take_much_longer() {
    let said = forecast(&[600.0; 50], &Stage::Running(1200.0), 60.0).unwrap();
    assert!(said.done_in >= 300.0 && said.miss > 0.8, "{said:?}");
}
