//! How long runs of an automation usually take, and which take unusually long or short.
//!
//! What must hold: no shape of the durations is assumed. A run is unusual when it is far from the median of its weekday and hour, in units of the
//! median absolute deviation (MAD), and farther than what the tail of all runs of the automation makes plausible in four years. Durations are
//! compared by their logarithms: twice as long is as far as half as long.

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use crate::wire::wire_names;

/// Runs without which nothing is judged.
pub const MIN_RUNS: usize = 30;
/// Runs that are looked at, the latest ones.
pub const MAX_RUNS: usize = 1000;
/// Runs of a group whose median counts.
const MIN_GROUP: usize = 12;
/// What a grouping must leave of the deviation at most, to say anything.
const LEFT: f64 = 0.9;
/// The latest runs that say where durations have drifted to.
const LATEST: usize = 40;
/// The least deviation: durations of seconds are noise.
const LEAST_DEVIATION: f64 = 0.05;
/// The least difference that anybody would call unusual, in seconds.
const LEAST_SECONDS: f64 = 10.0;
/// Part of the runs that make up a tail.
const TAIL: f64 = 0.1;
/// Part of the runs that may have been faults themselves.
const FAULTS: f64 = 0.01;
/// The MAD of a normal distribution is its standard deviation divided by this.
const NORMAL: f64 = 1.4826;

wire_names! {
    /// How unusual a run must be for an alert.
    pub enum Sensitivity as "AnomalySensitivity" {
        /// Only what is far out.
        Low = "low",
        /// Less than one false alarm of an automation in a year.
        Normal = "normal",
        /// Sooner, with more false alarms.
        High = "high",
    }
    default Normal;
}

impl Sensitivity {
    /// Deviations from the median that a run must have at least.
    const fn deviations(self) -> f64 {
        match self {
            Self::Low => 6.0,
            Self::Normal => 4.5,
            Self::High => 3.5,
        }
    }

    /// False alarms of an automation in a year that the tail may promise.
    const fn budget(self) -> f64 {
        match self {
            Self::Low => 0.05,
            Self::Normal => 0.2,
            Self::High => 2.0,
        }
    }
}

/// A run that succeeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// Weekday on which it began, from Monday, 0 to 6, in the zone of the rule.
    pub weekday: u8,
    /// Hour at which it began.
    pub hour: u8,
    /// How long it took.
    pub seconds: f64,
}

/// What is usual at some weekday and hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// The median, in seconds.
    pub median: f64,
    /// Shorter is unusual.
    pub lower: f64,
    /// Longer is unusual.
    pub upper: f64,
}

/// What the history of an automation says.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The logarithm of the median, as the latest runs have it.
    level: f64,
    /// How much the hour, the weekday, and both together add to it.
    effects: Vec<Effect>,
    /// The deviation that is left.
    deviation: f64,
    /// Plausible deviations to both sides, in units of the deviation.
    above: f64,
    below: f64,
    /// What is left of each run.
    residuals: Vec<f64>,
}

impl Baseline {
    /// Of the latest runs, the newest first; `per_year`: how many there are in a year. `None`: there are too few.
    #[must_use]
    pub fn of(history: &[Past], per_year: f64, sensitivity: Sensitivity) -> Option<Self> {
        let history: Vec<Past> = history.iter().filter(|past| past.seconds.is_finite()).take(MAX_RUNS).copied().collect();
        if history.len() < MIN_RUNS {
            return None;
        }
        let middle = median(history.iter().map(|past| log(past.seconds)));
        let mut residuals: Vec<f64> = history.iter().map(|past| log(past.seconds) - middle).collect();
        let effects = Group::ALL.into_iter().filter_map(|group| Effect::take(group, &history, &mut residuals)).collect();
        let drift = median(residuals.iter().take(LATEST).copied());
        let deviation = deviation(&residuals).max(LEAST_DEVIATION);
        let chance = sensitivity.budget() / 2.0 / per_year.max(1.0);
        let least = sensitivity.deviations();
        let above = plausible(residuals.iter().map(|residual| residual / deviation), chance).max(least);
        let below = plausible(residuals.iter().map(|residual| -residual / deviation), chance).max(least);
        Some(Self { level: middle + drift, effects, deviation, above, below, residuals })
    }

    /// What is usual for a run that begins then.
    #[must_use]
    pub fn usual(&self, weekday: u8, hour: u8) -> Usual {
        let center = self.center(weekday, hour);
        let (upper, lower) = (center + self.deviation * self.above, center - self.deviation * self.below);
        let typical = center.exp();
        Usual { median: typical, lower: lower.exp().min(typical - LEAST_SECONDS), upper: upper.exp().max(typical + LEAST_SECONDS) }
    }

    /// The deviation of the logarithms.
    #[must_use]
    pub const fn deviation(&self) -> f64 {
        self.deviation
    }

    /// The least that is unusually long, at any weekday and hour.
    #[must_use]
    pub fn least_upper(&self) -> f64 {
        let slots = (0..7).flat_map(|weekday| (0..24).map(move |hour| (weekday, hour)));
        slots.map(|(weekday, hour)| self.usual(weekday, hour).upper).fold(f64::INFINITY, f64::min)
    }

    /// Durations that a run which begins then may have, each as likely as the others.
    #[must_use]
    pub fn possible(&self, weekday: u8, hour: u8) -> Vec<f64> {
        let center = self.center(weekday, hour);
        self.residuals.iter().map(|residual| (center + residual).exp()).collect()
    }

    fn center(&self, weekday: u8, hour: u8) -> f64 {
        self.level + self.effects.iter().map(|effect| effect.at(weekday, hour)).sum::<f64>()
    }
}

/// By what runs are told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Group {
    Hour,
    Weekday,
    WeekdayAndHour,
}

impl Group {
    const ALL: [Self; 3] = [Self::Hour, Self::Weekday, Self::WeekdayAndHour];

    const fn key(self, weekday: u8, hour: u8) -> (u8, u8) {
        match self {
            Self::Hour => (0, hour),
            Self::Weekday => (weekday, 0),
            Self::WeekdayAndHour => (weekday, hour),
        }
    }
}

/// What a grouping adds to the logarithm of the median.
#[derive(Clone, Debug, PartialEq)]
struct Effect {
    group: Group,
    medians: BTreeMap<(u8, u8), f64>,
}

impl Effect {
    /// Takes from what is left the medians of groups with enough runs; `None`: they say nothing, and nothing is taken.
    fn take(group: Group, history: &[Past], residuals: &mut Vec<f64>) -> Option<Self> {
        let mut groups: BTreeMap<(u8, u8), Vec<f64>> = BTreeMap::new();
        for (past, residual) in history.iter().zip(residuals.iter()) {
            groups.entry(group.key(past.weekday, past.hour)).or_default().push(*residual);
        }
        groups.retain(|_, residuals| residuals.len() >= MIN_GROUP);
        let effect = Self { group, medians: groups.into_iter().map(|(key, residuals)| (key, median(residuals))).collect() };
        let left = |(past, residual): (&Past, &f64)| residual - effect.at(past.weekday, past.hour);
        let rest: Vec<f64> = history.iter().zip(residuals.iter()).map(left).collect();
        if deviation(&rest) > LEFT * deviation(residuals) {
            return None;
        }
        *residuals = rest;
        Some(effect)
    }

    fn at(&self, weekday: u8, hour: u8) -> f64 {
        self.medians.get(&self.group.key(weekday, hour)).copied().unwrap_or_default()
    }
}

impl Usual {
    /// Whether a run that took, or has taken, so long is unusual; one that still runs cannot be too short.
    #[must_use]
    pub fn judge(&self, seconds: f64, is_running: bool) -> Option<Unusual> {
        if seconds > self.upper {
            Some(Unusual::Long)
        } else if !is_running && seconds < self.lower {
            Some(Unusual::Short)
        } else {
            None
        }
    }
}

/// What is unusual about a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusual {
    /// It takes long.
    Long,
    /// It was short.
    Short,
}

/// The deviation of a normal distribution with the same median absolute deviation.
fn deviation(residuals: &[f64]) -> f64 {
    NORMAL * median(residuals.iter().map(|residual| residual.abs()))
}

/// The value that is exceeded with this chance: the tail beyond the highest tenth falls as fast as that tenth does, as an exponential of the
/// logarithms, which is a power of the durations. Tails of most durations fall faster, so that it errs to the safe side.
fn plausible(values: impl Iterator<Item = f64>, chance: f64) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let of_all = |part: f64| (sorted.len() as f64 * part) as usize;
    // The very highest may have been faults: they count as those below them say, as an exponential has it.
    let (count, faults) = (of_all(TAIL).max(5).min(sorted.len()), of_all(FAULTS));
    let Some((rest, tail)) = sorted.split_at_checked(sorted.len() - count) else { return 0.0 };
    let kept = tail.split_at_checked(count - faults).map_or(tail, |(kept, _)| kept);
    let threshold = rest.last().or_else(|| tail.first()).copied().unwrap_or_default();
    let cut = faults as f64 / count.max(1) as f64;
    let seen = if faults == 0 { 1.0 } else { 1.0 + cut * cut.ln() / (1.0 - cut) };
    let excess = kept.iter().map(|value| value - threshold).sum::<f64>() / kept.len().max(1) as f64 / seen;
    // The fall of a tail of few runs is not known well.
    let known = 1.0 + 1.0 / (kept.len().max(1) as f64).sqrt();
    let part = count as f64 / sorted.len().max(1) as f64;
    threshold + excess * known * (part / chance).ln().max(0.0)
}

fn log(seconds: f64) -> f64 {
    seconds.max(0.5).ln()
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle), middle.checked_sub(1).and_then(|below| values.get(below))) {
        (0, Some(above), Some(below)) => f64::midpoint(*above, *below),
        (_, Some(middle), _) => *middle,
        _ => 0.0,
    }
}
