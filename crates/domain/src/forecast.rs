//! When a run will be done, and how sure it is that a deadline will be missed.
//!
//! What must hold: a probability means what it says: of the deadlines that are forecast to be missed with 70 %, seven in ten are. It is counted, over
//! what earlier runs took from where this one stands, and nothing is random: the same input has the same answer.

#[cfg(test)]
mod tests;

/// Ways that a run may go on, at most, that are counted.
const WAYS: usize = 400;
/// Jobs in front that are looked at, at most.
pub const MAX_AHEAD: usize = 500;
/// How much longer runs take that have taken longer than any before, as parts of what they have taken.
const LONGER: [f64; 5] = [0.1, 0.25, 0.5, 1.0, 2.0];
/// Runs that are like this one, without which the longest are thought to go on as above.
const ALIKE: usize = 3;
/// From this probability on a missed deadline is told.
pub const TOLD: f64 = 0.8;
/// Below it what was told is taken back.
pub const TAKEN_BACK: f64 = 0.5;

/// How long a job takes: its median in seconds, and the deviation of the logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Takes {
    /// The median.
    pub median: f64,
    /// The deviation.
    pub deviation: f64,
}

/// Where a run stands. Times are in seconds from now.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// It is not there yet.
    Expected {
        /// When it will be there.
        comes_in: f64,
        /// How long earlier runs waited for their start.
        waits: Vec<f64>,
    },
    /// It waits in its queue.
    Waiting {
        /// The jobs in front of it, in order.
        ahead: Vec<Takes>,
        /// The jobs that run, and how long they have.
        running: Vec<(Takes, f64)>,
        /// How many run at once; none: nobody works.
        slots: usize,
    },
    /// It runs, for so long.
    Running(f64),
}

/// What is to be expected. Times are in seconds from now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// When it will be done: as likely sooner as later.
    pub done_in: f64,
    /// One in ten is sooner.
    pub early: f64,
    /// One in ten is later.
    pub late: f64,
    /// The probability that the deadline is missed.
    pub miss: f64,
}

/// When a run will be done that takes one of the `possible` durations, each as likely as the others ([`crate::duration::Baseline::possible`]).
/// `None`: there are none, or nobody works, so that nothing can be said.
#[must_use]
pub fn forecast(possible: &[f64], stage: &Stage, deadline_in: f64) -> Option<Forecast> {
    let mut done = match stage {
        Stage::Running(elapsed) => remaining(possible, *elapsed),
        Stage::Expected { comes_in, waits } => {
            let (takes, waits) = (spread(possible, 1), spread(waits, 2));
            let wait = |nth: usize| waits.get(nth % waits.len().max(1)).copied().unwrap_or_default();
            takes.iter().enumerate().map(|(nth, takes)| comes_in.max(0.0) + wait(nth) + takes).collect()
        }
        Stage::Waiting { ahead, running, slots } => {
            let mut chance = Chance(7);
            let wait = |_| starts(ahead, running, *slots, &mut chance);
            let waits = (0..WAYS.min(possible.len() * 4)).map(wait).collect::<Option<Vec<f64>>>()?;
            let takes = spread(possible, 1);
            let at = |nth: usize| takes.get(nth % takes.len().max(1)).copied();
            waits.iter().enumerate().filter_map(|(nth, wait)| Some(wait + at(nth)?)).collect()
        }
    };
    done.retain(|seconds: &f64| seconds.is_finite());
    done.sort_by(f64::total_cmp);
    let missed = done.iter().filter(|seconds| **seconds > deadline_in).count() as f64;
    // Nothing is certain that was counted over so many.
    let miss = (missed + 0.5) / (done.len() as f64 + 1.0);
    Some(Forecast { done_in: quantile(&done, 0.5)?, early: quantile(&done, 0.1)?, late: quantile(&done, 0.9)?, miss })
}

/// How much longer a run takes: as the earlier ones that took longer did.
fn remaining(possible: &[f64], elapsed: f64) -> Vec<f64> {
    let rest: Vec<f64> = possible.iter().map(|seconds| seconds - elapsed).filter(|rest| *rest > 0.0).collect();
    if rest.len() >= ALIKE { rest } else { LONGER.iter().map(|part| elapsed * part).chain(rest).collect() }
}

/// The values in an order that looks random, so that two of them go together by chance. The order is always the same.
fn spread(values: &[f64], seed: u64) -> Vec<f64> {
    let (mut chance, mut values) = (Chance(seed), values.to_vec());
    for nth in (1..values.len()).rev() {
        values.swap(nth, (chance.uniform() * (nth + 1) as f64) as usize);
    }
    values
}

/// When a slot is free for the job behind those `ahead`, in one way that they may go.
fn starts(ahead: &[Takes], running: &[(Takes, f64)], slots: usize, chance: &mut Chance) -> Option<f64> {
    let mut free: Vec<f64> = running.iter().map(|(takes, elapsed)| chance.rest(*takes, *elapsed)).collect();
    free.resize(free.len().max(slots), 0.0);
    for takes in ahead.iter().take(MAX_AHEAD) {
        let next = free.iter_mut().min_by(|one, other| one.total_cmp(other))?;
        *next += chance.rest(*takes, 0.0);
    }
    free.into_iter().min_by(f64::total_cmp)
}

fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = part * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// Numbers that look random and are always the same.
struct Chance(u64);

impl Chance {
    /// From 0 to 1, without 1.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 12) as f64 / (1_u64 << 52) as f64
    }

    /// How much longer a job takes that has taken so long.
    fn rest(&mut self, takes: Takes, elapsed: f64) -> f64 {
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            let normal = (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos();
            let seconds = takes.median * (takes.deviation * normal).exp();
            if seconds > elapsed {
                return seconds - elapsed;
            }
        }
        elapsed / 2.0
    }
}
