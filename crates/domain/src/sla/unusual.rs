//! Whether a run is unusual for its automation, while it runs and when it has ended.
//!
//! A run is judged by those before it, never by itself.

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc};

use super::{Known, Look, Run, RunningJob, Standing, Verdict, limits::EVERY, outcomes::seconds};
use crate::{
    alert::{Facts, MAX_JOBS, Unit},
    duration::{self, Baseline, Sensitivity, Unusual, Usual},
    forecast::Takes,
    ids::JobId,
    schedule::Zone,
};

/// The longest time that counts, in seconds: ten years.
const LONGEST_S: f64 = 10.0 * 366.0 * 86_400.0;
/// The shortest history that says how often runs are, in seconds.
const LEAST_SPAN_S: f64 = 3600.0;
const YEAR_S: f64 = 365.25 * 86_400.0;

/// A run that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// How long it took, without its pauses.
    pub took: TimeDelta,
    /// How long it had waited for that, since it might have started.
    pub waited: TimeDelta,
}

/// What the runs of an automation say of others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// All of them; `None`: there are too few.
    pub all: Option<Baseline>,
    /// Those before the last one, by which it is judged.
    pub earlier: Option<Baseline>,
    /// How long they waited for their start, in seconds.
    pub waits: Vec<f64>,
}

impl History {
    /// Of the latest runs, the newest first, on the clock of this zone.
    #[must_use]
    pub fn of(runs: &[Past], zone: &Zone, sensitivity: Sensitivity) -> Self {
        let past = |run: &Past| {
            let (weekday, hour) = slot(zone, run.started_at);
            duration::Past { weekday, hour, seconds: seconds(run.took) }
        };
        let pasts: Vec<duration::Past> = runs.iter().map(past).collect();
        let of = |from: usize| {
            let (first, last) = (runs.get(from)?, runs.last()?);
            let pasts = pasts.get(from..)?;
            let span = seconds(first.started_at - last.started_at).max(LEAST_SPAN_S);
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand runs")]
            let per_year = pasts.len() as f64 * YEAR_S / span;
            Baseline::of(pasts, per_year, sensitivity)
        };
        let waits = runs.iter().take(duration::MAX_RUNS).map(|run| seconds(run.waited).max(0.0)).collect();
        Self { all: of(0), earlier: of(1), waits }
    }

    /// How long a run takes that begins then; `None`: there are too few.
    #[must_use]
    pub fn takes(&self, zone: &Zone, at: DateTime<Utc>) -> Option<Takes> {
        let ((weekday, hour), all) = (slot(zone, at), self.all.as_ref()?);
        Some(Takes { median: all.usual(weekday, hour).median, deviation: all.deviation() })
    }
}

/// Weekday, from Monday, and hour at which a run began.
pub(super) fn slot(zone: &Zone, at: DateTime<Utc>) -> (u8, u8) {
    let local = zone.local(at);
    let small = |value: u32| u8::try_from(value).unwrap_or_default();
    (small(local.weekday().num_days_from_monday()), small(local.hour()))
}

/// A time of so many seconds.
pub(super) fn span(seconds: f64) -> TimeDelta {
    #[expect(clippy::cast_possible_truncation, reason = "ten years in milliseconds")]
    let millis = (seconds.clamp(-LONGEST_S, LONGEST_S) * 1000.0).round() as i64;
    TimeDelta::milliseconds(millis)
}

/// A run that is unusual.
struct Odd {
    job_id: JobId,
    started_at: DateTime<Utc>,
    /// Since when it is.
    at: DateTime<Utc>,
    took: TimeDelta,
    limit: f64,
}

impl Look<'_> {
    /// Whether a run takes, or the last one took, unusually long or short. `runs` is as for [`Look::failures`].
    #[must_use]
    pub fn unusual(&self, known: Option<&Known>, running: &[RunningJob], runs: &[Run], history: &History) -> Verdict {
        let Some(all) = &history.all else { return Verdict { standing: Standing::Learning, ..Verdict::fine() } };
        let mut odd: Vec<Odd> = running.iter().filter_map(|job| self.odd_running(job, all)).collect();
        let due_at = Some(self.next_unusual(running, &odd, all));
        odd.extend(history.earlier.as_ref().and_then(|earlier| self.odd_ended(runs, earlier)));
        odd.sort_unstable_by_key(|odd| std::cmp::Reverse((odd.started_at, odd.job_id)));
        // Of several the latest: another run is another breach, and the same is one although its figures change.
        let Some(latest) = odd.first() else { return Verdict { due_at, ..Verdict::fine() } };
        let told = known.filter(|known| known.standing == Standing::Breached && known.breach_of == Some(latest.started_at));
        let facts = Facts {
            measured: Some(seconds(latest.took)),
            limit: Some(latest.limit.round()),
            unit: Some(Unit::Seconds),
            job_ids: odd.iter().map(|odd| odd.job_id).take(MAX_JOBS).collect(),
            ..Facts::default()
        };
        let at = told.and_then(|told| told.at).unwrap_or_else(|| latest.at.min(self.now));
        Verdict { due_at, breach_of: Some(latest.started_at), ..Verdict::breach(at, facts) }
    }

    pub(super) fn usual(&self, baseline: &Baseline, started_at: DateTime<Utc>) -> Usual {
        let (weekday, hour) = slot(&self.times.zone, started_at);
        baseline.usual(weekday, hour)
    }

    fn odd_running(&self, job: &RunningJob, all: &Baseline) -> Option<Odd> {
        let (took, usual) = (job.took(self.now), self.usual(all, job.started_at));
        usual.judge(seconds(took), true)?;
        let at = job.started_at + job.paused + span(usual.upper);
        Some(Odd { job_id: job.job_id, started_at: job.started_at, at, took, limit: usual.upper })
    }

    /// The last run that ended, if it is.
    fn odd_ended(&self, runs: &[Run], earlier: &Baseline) -> Option<Odd> {
        let last = *self.counted(runs).iter().find(|run| run.is_success())?;
        let (took, started_at) = (last.took?, last.started_at?);
        let usual = self.usual(earlier, started_at);
        let (at, limit) = match usual.judge(seconds(took), false)? {
            Unusual::Long => (last.ended_at - took + span(usual.upper), usual.upper),
            Unusual::Short => (last.ended_at, usual.lower),
        };
        Some(Odd { job_id: last.job_id, started_at, at, took, limit })
    }

    /// When a run is unusual at the earliest: one that runs, or one that starts now.
    fn next_unusual(&self, running: &[RunningJob], odd: &[Odd], all: &Baseline) -> DateTime<Utc> {
        let is_odd = |job: &&RunningJob| odd.iter().any(|odd| odd.job_id == job.job_id);
        let ahead = running.iter().filter(|job| job.paused_at.is_none() && !is_odd(job));
        let ahead = ahead.map(|job| self.now + (span(self.usual(all, job.started_at).upper) - job.took(self.now)));
        let starts = self.now + span(all.least_upper()).max(EVERY);
        ahead.min().map_or(starts, |at| at.min(starts)).max(self.now + TimeDelta::seconds(1))
    }
}
