//! What follows from runs that ended: failures, streaks, rates, and runs that were suspiciously short.

use chrono::{DateTime, TimeDelta, Utc};

use super::{FailureRate, Look, Verdict};
use crate::{
    alert::{Facts, MAX_JOBS, Unit},
    ids::JobId,
    job::Status,
};

/// How many of the last runs are counted, at most.
pub const MAX_RUNS: i64 = 1000;

/// A run that ended. One that was tried again is none: what its last attempt became counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The job.
    pub job_id: JobId,
    /// What became of it.
    pub status: Status,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// When it started; `None`: it never did.
    pub started_at: Option<DateTime<Utc>>,
    /// How long it ran, without its pauses; `None`: it never started.
    pub took: Option<TimeDelta>,
    /// Class of its failure.
    pub error_class: Option<String>,
    /// Message of its failure, cut.
    pub error_message: Option<String>,
}

impl Run {
    pub(super) fn is_success(&self) -> bool {
        matches!(self.status, Status::Completed | Status::CompletedNoInvoices)
    }

    fn is_failure(&self) -> bool {
        self.status == Status::Failed
    }
}

impl Look<'_> {
    /// How many of the last runs are read, and since when they count.
    #[must_use]
    pub fn runs_wanted(&self) -> (i64, DateTime<Utc>) {
        let expect = &self.rule.expect;
        let rate = expect.failure_rate.map_or(1, |rate| rate.runs.unwrap_or(MAX_RUNS));
        // Canceled runs and attempts that were tried again are among them.
        let most = rate.max(expect.failure_streak.unwrap_or(1)).saturating_mul(2).clamp(20, MAX_RUNS);
        (most, self.since)
    }

    /// Whether runs fail. `runs`: the last ones, the latest first.
    #[must_use]
    pub fn failures(&self, runs: &[Run]) -> Verdict {
        let runs = self.counted(runs);
        let last = runs.first().filter(|last| self.rule.expect.alert_on_failure && last.is_failure());
        if let Some(last) = last {
            return Verdict::breach(last.ended_at, failure_facts(last, vec![last.job_id]));
        }
        match self.rule.expect.failure_rate.and_then(|rate| self.rate(rate, &runs)) {
            Some(verdict) => verdict,
            None => Verdict::fine(),
        }
    }

    fn rate(&self, rate: FailureRate, runs: &[&Run]) -> Option<Verdict> {
        let from = rate.window_minutes.map(|minutes| self.now - TimeDelta::minutes(minutes));
        let most = rate.runs.map_or(usize::MAX, |runs| usize::try_from(runs).unwrap_or(usize::MAX));
        let of: Vec<&&Run> = runs.iter().take(most).take_while(|run| from.is_none_or(|from| run.ended_at > from)).collect();
        let failed: Vec<&&&Run> = of.iter().filter(|run| run.is_failure()).collect();
        let (all, bad) = (i64::try_from(of.len()).unwrap_or(i64::MAX), i64::try_from(failed.len()).unwrap_or(i64::MAX));
        // The oldest run leaves the window without anybody saying so.
        let due_at = from.and_then(|_| Some(of.last()?.ended_at + TimeDelta::minutes(rate.window_minutes?)));
        if all < rate.at_least || bad * 100 <= rate.percent * all {
            return due_at.map(|due_at| Verdict { due_at: Some(due_at), ..Verdict::fine() });
        }
        let last = failed.first()?;
        let facts = Facts {
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand runs")]
            measured: Some((bad as f64 * 1000.0 / all as f64).round() / 10.0),
            #[expect(clippy::cast_precision_loss, reason = "at most a hundred")]
            limit: Some(rate.percent as f64),
            unit: Some(Unit::Percent),
            ..failure_facts(last, failed.iter().map(|run| run.job_id).take(MAX_JOBS).collect())
        };
        Some(Verdict { due_at, ..Verdict::breach(last.ended_at, facts) })
    }

    /// Whether the last runs all failed.
    #[must_use]
    pub fn streak(&self, runs: &[Run]) -> Verdict {
        let Some(limit) = self.rule.expect.failure_streak else { return Verdict::fine() };
        let runs = self.counted(runs);
        let failed: Vec<&&Run> = runs.iter().take_while(|run| run.is_failure()).collect();
        let count = i64::try_from(failed.len()).unwrap_or(i64::MAX);
        let Some(last) = failed.first().filter(|_| count >= limit) else { return Verdict::fine() };
        let facts = Facts {
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand runs")]
            measured: Some(count as f64),
            #[expect(clippy::cast_precision_loss, reason = "at most a thousand")]
            limit: Some(limit as f64),
            unit: Some(Unit::Jobs),
            ..failure_facts(last, failed.iter().map(|run| run.job_id).take(MAX_JOBS).collect())
        };
        Verdict::breach(last.ended_at, facts)
    }

    /// Whether the last run was suspiciously short.
    pub(super) fn short(&self, runs: &[Run]) -> Option<Verdict> {
        let least = TimeDelta::seconds(self.rule.expect.min_duration_s?);
        let last = *self.counted(runs).iter().find(|run| run.is_success())?;
        let took = last.took.filter(|took| *took < least)?;
        let facts = Facts {
            measured: Some(seconds(took)),
            limit: Some(seconds(least)),
            unit: Some(Unit::Seconds),
            job_ids: vec![last.job_id],
            ..Facts::default()
        };
        Some(Verdict::breach(last.ended_at, facts))
    }

    /// The runs that count: neither canceled, nor ended before the rule.
    pub(super) fn counted<'a>(&self, runs: &'a [Run]) -> Vec<&'a Run> {
        runs.iter().filter(|run| run.ended_at > self.since && (run.is_success() || run.is_failure())).collect()
    }
}

fn failure_facts(run: &Run, job_ids: Vec<JobId>) -> Facts {
    Facts { job_ids, error_class: run.error_class.clone(), error_message: run.error_message.clone(), ..Facts::default() }
}

/// Seconds of a time, to the millisecond.
pub(super) fn seconds(time: TimeDelta) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a year has fewer milliseconds than a mantissa")]
    let millis = time.num_milliseconds() as f64;
    millis / 1000.0
}
