//! Metrics of jobs, counted where their ends are committed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::job::Status;
use runtime::metrics::{Counter, Family, Group, Histogram, Metrics, catalog};
use store::jobs::JobRow;

use super::plan::{Effects, JobChange};
use crate::{catalog::Catalog, roster::Roster};

/// Name of the robot of a job that no registered worker has.
const NOBODY: &str = "none";

/// The metrics of jobs.
pub(crate) struct JobMetrics {
    ended: Family<Counter>,
    failures: Family<Counter>,
    durations: Family<Histogram>,
    dispatch: Histogram,
    wait: Histogram,
}

/// The series of an automation on one robot.
struct Robot {
    ended: Arc<Group<Counter>>,
    failures: Counter,
    duration: Histogram,
}

impl JobMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            ended: metrics.family(&catalog::JOBS_ENDED),
            failures: metrics.family(&catalog::JOB_FAILURES),
            durations: metrics.family(&catalog::JOB_DURATION),
            dispatch: metrics.family(&catalog::JOB_DISPATCH).only(),
            wait: metrics.family(&catalog::JOB_WAIT).only(),
        }
    }

    /// Counts what a commit changed; before its rows are forgotten.
    pub(super) fn count(&self, known: (&Roster, &Catalog), effects: &Effects) {
        for job in effects.changed.iter().filter(|job| job.changed_status) {
            if job.status == Status::Running {
                // Its series are served as zero before it ends.
                let _zeros = self.robot(known, job);
            } else if job.status.is_terminal()
                && let Some(row) = effects.written.iter().find(|row| row.job.id == job.id)
            {
                self.ended(&self.robot(known, job), row);
            }
        }
    }

    fn robot(&self, (roster, catalog): (&Roster, &Catalog), job: &JobChange) -> Robot {
        let worker = job.worker_id.and_then(|id| roster.get(id));
        let automation = catalog.cached().get(job.automation_id);
        let robot = worker.as_ref().map_or(NOBODY, |worker| worker.name.as_str());
        let name = automation.as_ref().map_or(NOBODY, |entry| entry.automation.draft.name.as_str());
        let names = [robot, name];
        Robot { ended: self.ended.group(&names), failures: self.failures.of(&names), duration: self.durations.of(&names) }
    }

    fn ended(&self, robot: &Robot, row: &JobRow) {
        robot.ended.of(&[row.job.status.as_str()]).inc();
        if row.job.status == Status::Failed {
            robot.failures.inc();
        }
        let due = row.not_before.map_or(row.created_at, |at| at.max(row.created_at));
        if let Some(at) = row.dispatched_at {
            self.dispatch.observe(seconds(due, at));
        }
        let Some(started) = row.started_at else { return };
        self.wait.observe(seconds(due, started));
        if let Some(ended) = row.completed_at {
            robot.duration.observe(seconds(started, ended));
        }
    }
}

/// From one moment to another; 0 if the clock was set back in between.
fn seconds(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64().max(0.0)
}
