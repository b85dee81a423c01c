//! The kinds of jobs, and the programs that they start.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use api_types::AutomationCreate;
use domain::{
    automation::{EntrypointType, QueueProfile},
    retry::{Backoff, RetryPolicy},
};

use crate::{api::Api, foreign, hostile, robots};

/// The kind of job that ends at once.
const FAST: &str = "fast";
/// The kind of job whose first attempt fails and whose second one comes after [`PATIENT_S`].
const PATIENT: &str = "patient";
/// The kind of job that schedules ask for, and nobody else.
const SCHEDULED: &str = "scheduled";
/// Seconds before the second attempt of a patient job.
const PATIENT_S: f64 = 3.0;
/// Longer than any job runs or waits here, and shorter than a clock step ahead.
const TIMEOUT_S: i64 = 40;

/// Jobs of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) automation: i32,
    pub(crate) name: String,
    pub(crate) queue: usize,
    /// Minimum and maximum duration of its program, in quarters of a second.
    pub(crate) quarters: (u32, u32),
    /// First attempts that fail on purpose.
    pub(crate) failures: u32,
    pub(crate) max_attempts: u32,
    pub(crate) max_concurrency: Option<i64>,
    /// Limit of the concurrency key, if there is one.
    pub(crate) key_limit: Option<i64>,
    /// Weight among the kinds.
    pub(crate) weight: u32,
    /// How its jobs end without faults: `completed`, or the error class.
    pub(crate) ends: &'static [&'static str],
}

/// A kind of job, as it is registered in each queue.
struct JobKind {
    name: &'static str,
    script: &'static str,
    quarters: (u32, u32),
    failures: u32,
    max_attempts: u32,
    base_s: f64,
    timeout_s: i64,
    max_concurrency: Option<i64>,
    key_limit: Option<i64>,
    weight: u32,
    ends: &'static [&'static str],
}

const PLAIN: JobKind = JobKind {
    name: FAST,
    script: "robot.sh",
    quarters: (0, 0),
    failures: 0,
    max_attempts: 8,
    base_s: 0.3,
    timeout_s: TIMEOUT_S,
    max_concurrency: None,
    key_limit: None,
    weight: 1,
    ends: &["completed"],
};
const JOB_KINDS: [JobKind; 9] = [
    JobKind { weight: 5, ..PLAIN },
    JobKind { name: "slow", quarters: (4, 12), weight: 3, ..PLAIN },
    JobKind { name: "flaky", quarters: (0, 1), failures: 1, weight: 2, ..PLAIN },
    JobKind { name: PATIENT, failures: 1, base_s: PATIENT_S, ..PLAIN },
    JobKind { name: "limited", quarters: (1, 3), max_concurrency: Some(2), ..PLAIN },
    JobKind { name: "keyed", quarters: (1, 3), key_limit: Some(1), ..PLAIN },
    JobKind { name: "once", quarters: (1, 4), max_attempts: 1, ..PLAIN },
    JobKind { name: "python", script: "robot.py", quarters: (0, 2), ..PLAIN },
    JobKind { name: SCHEDULED, weight: 0, ..PLAIN },
];

impl Shape {
    /// Whether its jobs are the small ones that measure when work resumes.
    pub(crate) fn is_fast(&self) -> bool {
        self.name.starts_with(FAST)
    }

    /// Whether its jobs show when a retry comes.
    pub(crate) fn is_patient(&self) -> bool {
        self.name.starts_with(PATIENT)
    }

    /// Whether its jobs are those of schedules.
    pub(crate) fn is_scheduled(&self) -> bool {
        self.name.starts_with(SCHEDULED)
    }

    /// Whether its jobs measure something: the operator leaves them alone.
    pub(crate) fn measures(&self) -> bool {
        self.is_fast() || self.is_patient()
    }

    /// Whether its robot is hostile.
    pub(crate) fn is_hostile(&self) -> bool {
        hostile::ROBOTS.iter().any(|robot| self.name.starts_with(robot.name))
    }
}

/// Writes the robots' programs into `folder`.
pub(crate) fn write_programs(folder: &Path) -> Result<()> {
    robots::write(folder)?;
    hostile::write(folder)
}

/// Registers every kind of job in each queue.
pub(crate) async fn register(api: &Api, folder: &Path, queues: &[&str]) -> Result<Vec<Shape>> {
    let hostile = hostile::ROBOTS.iter().map(|robot| JobKind {
        name: robot.name,
        script: robot.name,
        max_attempts: 1,
        timeout_s: robot.timeout_s,
        weight: 0,
        ends: robot.ends,
        ..PLAIN
    });
    let kinds: Vec<JobKind> = JOB_KINDS.into_iter().chain(hostile).collect();
    let mut shapes = Vec::new();
    for (queue, queue_name) in queues.iter().enumerate() {
        for kind in &kinds {
            shapes.push(register_kind(api, folder, kind, (queue, queue_name)).await?);
        }
    }
    Ok(shapes)
}

/// Registers the jobs of robots without an agent. They have their own queue, and do not declare it.
pub(crate) async fn register_foreign(api: &Api, folder: &Path, queue: usize) -> Result<Shape> {
    let kind = JobKind { name: "foreign", quarters: (0, 2), ..PLAIN };
    register_kind(api, folder, &kind, (queue, foreign::QUEUE)).await
}

async fn register_kind(api: &Api, folder: &Path, kind: &JobKind, (queue, queue_name): (usize, &str)) -> Result<Shape> {
    let JobKind { name, script, quarters, failures, max_attempts, base_s, timeout_s, max_concurrency, key_limit, weight, ends } = *kind;
    let python = Path::new(script).extension().is_some_and(|extension| extension == "py");
    let create = AutomationCreate {
        name: format!("{name}-{queue}"),
        queue_name: Some(queue_name.to_owned()),
        entrypoint_type: Some(if python { EntrypointType::Python } else { EntrypointType::Shell }),
        queue_profile: Some(if queue_name == foreign::QUEUE { QueueProfile::Plain } else { QueueProfile::Regente }),
        script_path: folder.join(script).display().to_string(),
        timeout_s: Some(timeout_s),
        queue_timeout_s: Some(TIMEOUT_S),
        max_concurrency,
        concurrency_key: key_limit.map(|_| "chaos:{lane}".to_owned()),
        concurrency_key_limit: key_limit,
        retry_policy: Some(RetryPolicy { max_attempts, backoff: Backoff::Fixed, base_s, ..RetryPolicy::default() }),
        ..AutomationCreate::default()
    };
    let automation = api.automation_create(&create).await?;
    let name = create.name;
    Ok(Shape { automation, name, queue, quarters, failures, max_attempts, max_concurrency, key_limit, weight, ends })
}

/// Copies a program of the system under another name, by which its processes are identified.
pub(crate) fn copy_program(from: &str, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{from} cannot be copied"))?;
    Ok(())
}
