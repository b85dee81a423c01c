use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ids::JobId, waiting::WaitingReason};
use futures_util::future::BoxFuture;
use runtime::{Counts, Reconciler, TaskError};

use crate::jobs::WaitingReasons;

/// How long the next job of a queue may be about to start.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);

/// The next job of each queue that could start, and since when it has been that.
type Seen = BTreeMap<String, (JobId, DateTime<Utc>)>;

/// Fails while jobs that could start do not: the broker is away, or nobody dispatches although a worker is free. What waits for a limit, a pause, a
/// worker or its time is no stall, nor is what waits behind messages that nobody takes.
pub(super) struct Stalls {
    reasons: WaitingReasons,
    /// As this replica has seen it.
    seen: Mutex<Seen>,
}

impl Stalls {
    pub(super) fn new(reasons: WaitingReasons) -> Self {
        Self { reasons, seen: Mutex::default() }
    }
}

/// The queues whose next job could have started for too long, with that job and what is said of it.
fn stalled(seen: &mut Seen, next: BTreeMap<String, (JobId, WaitingReason)>, now: DateTime<Utc>) -> Vec<(String, JobId, WaitingReason)> {
    let (before, mut stalled) = (std::mem::take(seen), Vec::new());
    for (queue, (job, reason)) in next {
        if !matches!(reason, WaitingReason::Behind { .. } | WaitingReason::BrokerUnreachable) {
            continue;
        }
        let since = before.get(&queue).filter(|(before, _)| *before == job).map_or(now, |(_, since)| *since);
        seen.insert(queue.clone(), (job, since));
        if now - since >= PATIENCE {
            stalled.push((queue, job, reason));
        }
    }
    stalled
}

impl Reconciler for Stalls {
    fn name(&self) -> &'static str {
        "dispatch_stalls"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let next = self.reasons.of_queues().await?;
            let waiting = u64::try_from(next.len()).unwrap_or(u64::MAX);
            let could_start = stalled(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner), next, now);
            let mut found = Vec::new();
            for one in could_start {
                // What was dispatched before it is with the broker: dispatch has done its part.
                if one.2 == WaitingReason::BrokerUnreachable || !self.reasons.has_dispatched(&one.0).await? {
                    found.push(one);
                }
            }
            let Some((queue, job, reason)) = found.first() else { return Ok(Counts::from([("queues_waiting", waiting)])) };
            let others = if found.len() > 1 { format!("; {} other queues are stalled too", found.len() - 1) } else { String::new() };
            Err(format!("queue \"{queue}\" is stalled: its next job {job} could start and is not dispatched: {reason}{others}").into())
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// The number of stalled queues by then.
    fn look(seen: &mut Seen, job: u128, reason: WaitingReason, seconds: i64) -> usize {
        stalled(seen, BTreeMap::from([("q".to_owned(), (Uuid::from_u128(job).into(), reason))]), at(seconds)).len()
    }

    #[test]
    fn a_queue_is_stalled_when_one_job_could_start_for_a_minute() {
        let (mut seen, next) = (Seen::new(), || WaitingReason::Behind { jobs_ahead: 0 });
        assert_eq!([0, 15, 59].map(|seconds| look(&mut seen, 1, next(), seconds)), [0, 0, 0]);
        assert_eq!(look(&mut seen, 1, WaitingReason::BrokerUnreachable, 60), 1);
        assert_eq!(look(&mut seen, 2, next(), 61), 0, "it went on");
        assert_eq!(look(&mut seen, 2, next(), 121), 1);
    }

    #[test]
    fn what_waits_for_something_else_is_no_stall() {
        let (mut seen, busy) = (Seen::new(), || WaitingReason::AllSlotsBusy { queue: "q".to_owned(), slots: 1 });
        assert_eq!([0, 60, 3600].map(|seconds| look(&mut seen, 1, busy(), seconds)), [0, 0, 0]);
        assert_eq!(look(&mut seen, 1, WaitingReason::Behind { jobs_ahead: 0 }, 3601), 0, "a slot is free since now");
    }
}
