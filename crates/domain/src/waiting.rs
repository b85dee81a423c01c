//! Why a pending job has not started.
//!
//! The answer is a pure function of facts that the caller collects, so that every surface (API, command line, UI) gives the same reason.

mod code;

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

pub use self::code::WaitingCode;
use crate::{ids::JobId, policy::Pause};

/// Maximum number of jobs or workers that a reason names.
pub const MOST_NAMED: usize = 5;

/// The first obstacle to a job's start. [`WaitingReason::code`] is for programs, the text for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the facts that the variant's line speaks of")]
pub enum WaitingReason {
    /// It is a retry whose delay is not over.
    RetryDue { at: DateTime<Utc> },
    /// Workers tried to start it with a missing or wrong key. `parked`: it is no longer dispatched.
    WorkerKeyRefused { times: u32, last_at: DateTime<Utc>, parked: bool },
    /// Its message was delivered, but it never started; it is no longer dispatched.
    NeverStarted { deliveries: u32, parked_at: DateTime<Utc> },
    /// It was requested for a later time.
    NotBefore { at: DateTime<Utc> },
    /// Its queue is paused.
    QueuePaused { queue: String, until: Option<DateTime<Utc>> },
    /// Its automation is paused.
    AutomationPaused { until: Option<DateTime<Utc>> },
    /// The automation's concurrency limit is reached.
    ConcurrencyLimit { limit: i64, held_by: Vec<JobId> },
    /// The limit of its concurrency key is reached.
    ConcurrencyKeyLimit { key: String, limit: i64, held_by: Vec<JobId> },
    /// The concurrency limit of its schedule is reached.
    ScheduleConcurrencyLimit { limit: i64, held_by: Vec<JobId> },
    /// The automation's rate limit is reached.
    RateLimit { next_at: DateTime<Utc> },
    /// The workers of its queue consume from the broker, which is unreachable.
    BrokerUnreachable,
    /// Its queue is not declared at the broker.
    QueueNotDeclared { queue: String },
    /// No live worker takes jobs of its queue.
    NoLiveWorker { queue: String },
    /// None of the queue's live workers has the labels that it requires.
    NoWorkerWithLabels { queue: String, labels: Vec<String> },
    /// The workers that could take it are paused.
    WorkerPaused { workers: Vec<String> },
    /// The workers that could take it are busy.
    AllSlotsBusy { queue: String, slots: u32 },
    /// Its message is with the broker.
    OnTheWay,
    /// Other jobs are dispatched first.
    Behind { jobs_ahead: u64 },
}

impl fmt::Display for WaitingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RetryDue { at } => write!(f, "the retry is due at {}", time(at)),
            Self::WorkerKeyRefused { times, last_at, parked } => {
                write!(
                    f,
                    "its worker's key was refused {}, last at {}{}",
                    count(*times),
                    time(last_at),
                    if *parked { UNTIL_A_PERSON } else { "" }
                )
            }
            Self::NeverStarted { deliveries, .. } => {
                write!(f, "its message was delivered {} and it never started{UNTIL_A_PERSON}", count(*deliveries))
            }
            Self::NotBefore { at } => write!(f, "it was requested for {} or later", time(at)),
            Self::QueuePaused { queue, until } => write!(f, "queue \"{queue}\" is paused{}", end(until.as_ref())),
            Self::AutomationPaused { until } => write!(f, "the automation is paused{}", end(until.as_ref())),
            Self::ConcurrencyLimit { limit, held_by } => {
                write!(f, "the automation's concurrency limit of {limit} is reached by {}", jobs(held_by))
            }
            Self::ConcurrencyKeyLimit { key, limit, held_by } => {
                write!(f, "the limit of {limit} for concurrency key \"{key}\" is reached by {}", jobs(held_by))
            }
            Self::ScheduleConcurrencyLimit { limit, held_by } => {
                write!(f, "the concurrency limit of {limit} of its schedule is reached by {}", jobs(held_by))
            }
            Self::RateLimit { next_at } => write!(f, "the automation's rate limit allows the next start at {}", time(next_at)),
            Self::BrokerUnreachable => f.write_str("the broker is unreachable; the job is dispatched when it is back"),
            Self::QueueNotDeclared { queue } => write!(
                f,
                "queue \"{queue}\" is not declared at the broker: start its robot or worker, or set a queue_profile so that the hub declares it"
            ),
            Self::NoLiveWorker { queue } => write!(f, "no live worker takes jobs of queue \"{queue}\""),
            Self::NoWorkerWithLabels { queue, labels } => {
                write!(f, "no live worker of queue \"{queue}\" has the labels {}", labels.join(", "))
            }
            Self::WorkerPaused { workers } => write!(f, "the workers that could take it are paused: {}", workers.join(", ")),
            Self::AllSlotsBusy { queue, slots } => {
                write!(f, "all {slots} slots of the workers of queue \"{queue}\" that could take it are busy")
            }
            Self::OnTheWay => f.write_str("its message is at the broker and waits for a worker"),
            Self::Behind { jobs_ahead: 0 } => f.write_str("it is the next job of its queue"),
            Self::Behind { jobs_ahead: 1 } => f.write_str("1 job is ahead"),
            Self::Behind { jobs_ahead } => write!(f, "{jobs_ahead} jobs are ahead"),
        }
    }
}

const UNTIL_A_PERSON: &str = "; it waits until somebody resumes or cancels it";

fn count(times: u32) -> String {
    if times == 1 { "once".to_owned() } else { format!("{times} times") }
}

fn time(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn end(until: Option<&DateTime<Utc>>) -> String {
    until.map_or_else(|| " until somebody resumes it".to_owned(), |until| format!(" until {}", time(until)))
}

fn jobs(ids: &[JobId]) -> String {
    match ids {
        [] => "other jobs".to_owned(),
        [id] => format!("job {id}"),
        ids => format!("jobs {}", ids.iter().map(JobId::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// A limit that is reached, and the jobs that hold its slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    /// The limit.
    pub limit: i64,
    /// Jobs that run or are dispatched; the first few are named.
    pub held_by: Vec<JobId>,
}

/// A live worker that takes jobs of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveWorker {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether it takes no new jobs.
    pub paused: bool,
    /// Maximum number of jobs that it runs at the same time.
    pub slots: u32,
    /// Jobs that it runs.
    pub running: u32,
    /// Whether it consumes from the broker (true) or claims over HTTP (false).
    pub uses_broker: bool,
}

/// Deliveries of a job's messages that were not followed by a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unstarted {
    /// Messages that were delivered and are gone from the broker.
    pub deliveries: u32,
    /// When dispatching it stopped.
    pub parked_at: Option<DateTime<Utc>>,
    /// Number of starts that were refused because of the worker's key.
    pub refused_keys: u32,
    /// When the last of these was refused.
    pub refused_key_at: Option<DateTime<Utc>>,
}

/// Facts about a pending job and what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Current time.
    pub now: DateTime<Utc>,
    /// Its queue.
    pub queue: String,
    /// Earliest start.
    pub not_before: Option<DateTime<Utc>>,
    /// Whether it is a retry.
    pub is_retry: bool,
    /// Pause of its queue.
    pub queue_pause: Option<Pause>,
    /// Pause of its automation.
    pub automation_pause: Option<Pause>,
    /// Its automation's concurrency limit, if it is reached.
    pub concurrency: Option<Full>,
    /// Its concurrency key with the key's limit, if it is reached.
    pub concurrency_key: Option<(String, Full)>,
    /// Its schedule's concurrency limit, if it is reached.
    pub schedule_concurrency: Option<Full>,
    /// When its automation's rate limit allows the next start.
    pub rate_next_at: Option<DateTime<Utc>>,
    /// Whether a broker is configured and unreachable.
    pub broker_unreachable: bool,
    /// Whether the broker has no such queue and the hub does not declare it.
    pub queue_missing: bool,
    /// Whether it is dispatched, and thus within all limits.
    pub dispatched: bool,
    /// Deliveries without a start.
    pub unstarted: Unstarted,
    /// Labels that it requires.
    pub requires: Vec<String>,
    /// Live workers of its queue.
    pub workers: Vec<LiveWorker>,
    /// Consumers of the queue at the broker, including workers that never registered; 0: unknown.
    pub consumers: u32,
    /// Jobs of the queue that are dispatched before it.
    pub jobs_ahead: u64,
}

/// Why the job has not started: the first obstacle in the order failed starts, earliest start, pauses, limits, workers, position in the
/// queue.
#[must_use]
pub fn why_waiting(facts: &Facts) -> WaitingReason {
    let passed = facts.dispatched;
    unstarted(facts)
        .or_else(|| if passed { None } else { not_yet(facts) })
        .or_else(|| paused(facts))
        .or_else(|| if passed { None } else { limited(facts) })
        .or_else(|| untaken(facts))
        .unwrap_or(if passed { WaitingReason::OnTheWay } else { WaitingReason::Behind { jobs_ahead: facts.jobs_ahead } })
}

/// A job that is pending again after a failed start, and not parked, has an ordinary reason.
fn unstarted(facts: &Facts) -> Option<WaitingReason> {
    let Unstarted { deliveries, parked_at, refused_keys, refused_key_at } = facts.unstarted;
    if let Some(last_at) = refused_key_at.filter(|_| facts.dispatched || parked_at.is_some()) {
        return Some(WaitingReason::WorkerKeyRefused { times: refused_keys, last_at, parked: parked_at.is_some() });
    }
    parked_at.map(|parked_at| WaitingReason::NeverStarted { deliveries, parked_at })
}

fn not_yet(facts: &Facts) -> Option<WaitingReason> {
    let at = facts.not_before.filter(|at| *at > facts.now)?;
    Some(if facts.is_retry { WaitingReason::RetryDue { at } } else { WaitingReason::NotBefore { at } })
}

fn paused(facts: &Facts) -> Option<WaitingReason> {
    let lasting = |pause: &Option<Pause>| pause.as_ref().filter(|pause| pause.holds(facts.now)).map(|pause| pause.until);
    let queue = || lasting(&facts.queue_pause).map(|until| WaitingReason::QueuePaused { queue: facts.queue.clone(), until });
    let automation = || lasting(&facts.automation_pause).map(|until| WaitingReason::AutomationPaused { until });
    queue().or_else(automation)
}

fn limited(facts: &Facts) -> Option<WaitingReason> {
    let named = |full: &Full| full.held_by.iter().take(MOST_NAMED).copied().collect::<Vec<_>>();
    if let Some(full) = &facts.concurrency {
        return Some(WaitingReason::ConcurrencyLimit { limit: full.limit, held_by: named(full) });
    }
    if let Some((key, full)) = &facts.concurrency_key {
        return Some(WaitingReason::ConcurrencyKeyLimit { key: key.clone(), limit: full.limit, held_by: named(full) });
    }
    if let Some(full) = &facts.schedule_concurrency {
        return Some(WaitingReason::ScheduleConcurrencyLimit { limit: full.limit, held_by: named(full) });
    }
    facts.rate_next_at.filter(|at| *at > facts.now).map(|next_at| WaitingReason::RateLimit { next_at })
}

/// Why no worker takes it.
fn untaken(facts: &Facts) -> Option<WaitingReason> {
    let queue = || facts.queue.clone();
    if facts.broker_unreachable && facts.workers.iter().all(|worker| worker.uses_broker) {
        return Some(WaitingReason::BrokerUnreachable);
    }
    if facts.queue_missing && facts.workers.iter().all(|worker| worker.uses_broker) {
        return Some(WaitingReason::QueueNotDeclared { queue: queue() });
    }
    if facts.workers.is_empty() {
        return (facts.consumers == 0).then(|| WaitingReason::NoLiveWorker { queue: queue() });
    }
    let able: Vec<&LiveWorker> =
        facts.workers.iter().filter(|worker| facts.requires.iter().all(|label| worker.labels.contains(label))).collect();
    if able.is_empty() {
        return Some(WaitingReason::NoWorkerWithLabels { queue: queue(), labels: facts.requires.clone() });
    }
    let open: Vec<&LiveWorker> = able.iter().copied().filter(|worker| !worker.paused).collect();
    if open.is_empty() {
        return Some(WaitingReason::WorkerPaused { workers: able.iter().take(MOST_NAMED).map(|worker| worker.name.clone()).collect() });
    }
    let busy = open.iter().all(|worker| worker.running >= worker.slots);
    let slots = open.iter().fold(0_u32, |sum, worker| sum.saturating_add(worker.slots));
    busy.then(|| WaitingReason::AllSlotsBusy { queue: queue(), slots })
}

#[cfg(test)]
mod tests;
