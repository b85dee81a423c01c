//! Whether a deadline that is ahead will probably be missed.
//!
//! What must hold: one deadline is told once. What is told of it ends when a run succeeds, when it has become less likely, or when the run is late,
//! which another alert says.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Deadline, Hold, Known, Look, RunningJob, Standing, Verdict,
    outcomes::seconds,
    unusual::{History, slot, span},
};
use crate::{
    alert::{Facts, MAX_JOBS, Resolution},
    duration::Baseline,
    forecast::{Forecast, Stage, TAKEN_BACK, TOLD, Takes, forecast},
    ids::JobId,
};

/// How long before a run is late it is forecast, beside twice what it takes.
const LEAD: TimeDelta = TimeDelta::hours(1);
/// And at most.
const MOST_LEAD: TimeDelta = TimeDelta::hours(24);
/// It is forecast anew each so-many-th part of the time that is left.
const PARTS: i32 = 4;
/// But not more often than this,
const LEAST_LOOK: TimeDelta = TimeDelta::seconds(60);
/// and not less.
const MOST_LOOK: TimeDelta = TimeDelta::minutes(15);
/// What is told later than this is of no use: the alert that the run is late follows.
const LEAST_NOTICE: TimeDelta = TimeDelta::seconds(60);

/// What was read for [`Look::forecast`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForecastFacts {
    /// Whether it is kept from running.
    pub hold: Hold,
    /// When the last run succeeded that counts for the deadline.
    pub success_at: Option<DateTime<Utc>>,
    /// When any run succeeded last.
    pub last_success_at: Option<DateTime<Utc>>,
    /// The jobs that run and would count.
    pub running: Vec<RunningJob>,
    /// The first job that waits and would count.
    pub line: Option<Line>,
    /// When the next one is made, or may start; `None`: nobody knows.
    pub comes_at: Option<DateTime<Utc>>,
}

/// A job that waits in its queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The job.
    pub job_id: JobId,
    /// The jobs in front of it.
    pub ahead: Vec<Takes>,
    /// The jobs of the queue that run, and how long they have, in seconds.
    pub running: Vec<(Takes, f64)>,
    /// How many run at once.
    pub slots: usize,
}

/// A deadline that is near.
#[derive(Clone, Copy)]
struct Near {
    at: DateTime<Utc>,
    /// The end of the grace.
    late_at: DateTime<Utc>,
}

impl Look<'_> {
    /// The deadline that is to be forecast, which says what must be read: the one that was told until it is met or missed, else the next.
    #[must_use]
    pub fn deadline_ahead(&self, known: Option<&Known>) -> Deadline {
        let since = self.counts_since(known);
        let Some(time) = self.rule.expect.expected_daily_time else { return Deadline::Interval { since } };
        let told = known.filter(|known| known.standing == Standing::Breached).and_then(|known| known.at);
        // The rule or its calendar may have changed since.
        let told = told.filter(|at| *at > since && self.times.deadline_to(*at, time) == Some(*at));
        let next = || self.times.deadline_after((self.now - self.grace()).max(since), time);
        told.or_else(next).map_or(Deadline::Ahead, |at| self.daily(at, time))
    }

    /// Whether it depends on the jobs that are there what is said of the deadline that is ahead.
    #[must_use]
    pub fn forecast_needs_jobs(&self, known: Option<&Known>, facts: &ForecastFacts, history: &History) -> bool {
        let near = |all: &Baseline| self.near_deadline(known, facts, all).is_ok();
        facts.hold == Hold::None && history.all.as_ref().is_some_and(near)
    }

    /// Whether the deadline that is ahead will probably be missed.
    #[must_use]
    pub fn forecast(&self, known: Option<&Known>, facts: &ForecastFacts, history: &History) -> Verdict {
        let since = self.counts_since(known);
        if let Hold::Paused(until) = facts.hold {
            return self.held(None, until);
        }
        let verdict = match history.all.as_ref().map(|all| (all, self.near_deadline(known, facts, all))) {
            None => Verdict { standing: Standing::Learning, ..Verdict::fine() },
            Some((_, Err(verdict))) => *verdict,
            Some((all, Ok(near))) => self.foretold(known, facts, (history, all), near),
        };
        Verdict { since: Some(since).filter(|since| *since > self.since), ..verdict }
    }

    /// The deadline and when a run is late, if that is near; else what is so, whatever is on its way.
    fn near_deadline(&self, known: Option<&Known>, facts: &ForecastFacts, all: &Baseline) -> Result<Near, Box<Verdict>> {
        let (at, late_at) = match self.deadline_ahead(known) {
            Deadline::Daily { at, .. } => (at, at + self.grace()),
            Deadline::Interval { since } => match self.interval_deadline(since, facts.last_success_at) {
                Some(late_at) => (late_at - self.grace(), late_at),
                None => return Err(Box::new(self.ahead(self.now))),
            },
            Deadline::Ahead => return Err(Box::new(self.ahead(self.now))),
        };
        let fine = |due_at| Verdict { due_at, ..Verdict::fine() };
        let verdict = if self.rule.expect.expected_daily_time.is_some() && facts.success_at.is_some() {
            fine(self.look_after(at, late_at, all))
        } else if self.now >= late_at {
            Verdict { over: is_told(known, at).then_some(Resolution::Superseded), ..fine(self.look_after(at, self.now, all)) }
        } else if self.times.blackout_end(late_at).is_some() {
            // Nothing is late in a blackout.
            Verdict { standing: Standing::Closed, ..fine(self.look_after(at, late_at, all)) }
        } else {
            let first = self.first_look(late_at, all);
            if first <= self.now {
                return Ok(Near { at, late_at });
            }
            fine(Some(first))
        };
        Err(Box::new(verdict))
    }

    fn foretold(&self, known: Option<&Known>, facts: &ForecastFacts, (history, all): (&History, &Baseline), near: Near) -> Verdict {
        let Near { at, late_at } = near;
        let left = late_at - self.now;
        let due_at = Some(late_at.min(self.now + (left / PARTS).clamp(LEAST_LOOK, MOST_LOOK)));
        let is_told = is_told(known, at);
        let limit = if is_told { TAKEN_BACK } else { TOLD };
        let said = self.say(facts, (history, all), left).filter(|(said, _)| said.miss >= limit && (is_told || left >= LEAST_NOTICE));
        let Some((said, job_ids)) = said else { return Verdict { due_at, ..Verdict::fine() } };
        let facts = Facts {
            expected_at: Some(at),
            predicted_at: Some(self.now + span(said.done_in)),
            certainty: Some((said.miss * 1000.0).round() / 1000.0),
            last_success_at: facts.last_success_at,
            job_ids,
            ..Facts::default()
        };
        Verdict { due_at, ..Verdict::breach(at, facts) }
    }

    /// When a run is late that is expected so long after the one before.
    fn interval_deadline(&self, since: DateTime<Utc>, last_success_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let length = TimeDelta::minutes(self.rule.expect.expected_run_every_minutes?) + self.grace();
        self.interval_end(last_success_at.map_or(since, |success| success.max(since)), length)
    }

    /// When the daily deadline after `at` is looked at first, not before `earliest`; nothing follows an interval but the end of a run.
    fn look_after(&self, at: DateTime<Utc>, earliest: DateTime<Utc>, all: &Baseline) -> Option<DateTime<Utc>> {
        let next = self.times.deadline_after(at, self.rule.expect.expected_daily_time?)?;
        Some(self.first_look(next + self.grace(), all).max(earliest))
    }

    fn first_look(&self, late_at: DateTime<Utc>, all: &Baseline) -> DateTime<Utc> {
        late_at - (LEAD + span(self.usual(all, late_at).median) * 2).min(MOST_LEAD)
    }

    /// What is to be expected of the run that will be there first, and its jobs.
    fn say(&self, facts: &ForecastFacts, (history, all): (&History, &Baseline), left: TimeDelta) -> Option<(Forecast, Vec<JobId>)> {
        let say = |starts_at, stage: &Stage| {
            let (weekday, hour) = slot(&self.times.zone, starts_at);
            forecast(&all.possible(weekday, hour), stage, seconds(left))
        };
        let running = facts.running.iter().filter_map(|job| {
            let said = say(job.started_at, &Stage::Running(seconds(job.took(self.now))))?;
            Some((said, job.job_id))
        });
        let waiting = facts.line.iter().filter_map(|line| {
            let Line { ahead, running, slots, .. } = line.clone();
            Some((say(self.now, &Stage::Waiting { ahead, running, slots })?, line.job_id))
        });
        let there: Vec<(Forecast, JobId)> = running.chain(waiting).collect();
        if let Some((best, _)) = there.iter().min_by(|(one, _), (other, _)| one.miss.total_cmp(&other.miss)) {
            return Some((*best, there.iter().map(|(_, job)| *job).take(MAX_JOBS).collect()));
        }
        // If nobody knows when one comes, it is missed at least as likely as if one started now.
        let comes_at = facts.comes_at.filter(|at| *at > self.now);
        let waits = if comes_at.is_some() { history.waits.clone() } else { Vec::new() };
        let comes_at = comes_at.unwrap_or(self.now);
        let said = say(comes_at, &Stage::Expected { comes_in: seconds(comes_at - self.now), waits })?;
        Some((said, facts.line.iter().map(|line| line.job_id).collect()))
    }
}

/// Whether it was told that this deadline will be missed.
fn is_told(known: Option<&Known>, at: DateTime<Utc>) -> bool {
    known.is_some_and(|known| known.standing == Standing::Breached && known.at == Some(at))
}
