//! The lease of a running job on disk, for the agent that comes after a crash.
//!
//! It is written before the program starts and removed only when the hub has received or refused the end. So a job whose program may have
//! run always has a file, and the next agent can report its end instead of running it again. A file counts only if this user wrote it for
//! this job: a robot may put a forged one into its folder, to have other processes killed.

use std::io;

use chrono::{DateTime, Utc};
use domain::ids::JobId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{JobFolder, process::tree::Root};

const FILE: &str = "lease.json";
const MOST_BYTES: u64 = 64 * 1024;

/// The lease of a running job, on disk from before its program starts until the hub has its end, so that a later agent can report what
/// became of the job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LeaseFile {
    pub(crate) job_id: JobId,
    pub(crate) lease_token: Uuid,
    pub(crate) started_at: DateTime<Utc>,
    /// Absent until the program has started.
    #[serde(default)]
    pub(crate) program: Option<Root>,
    /// The supervisor, which reaps the program's processes.
    #[serde(default)]
    pub(crate) supervisor: Option<Root>,
}

impl LeaseFile {
    pub(crate) const fn new(job_id: JobId, lease_token: Uuid, started_at: DateTime<Utc>) -> Self {
        Self { job_id, lease_token, started_at, program: None, supervisor: None }
    }

    /// # Errors
    /// There is no such file, or it is not one that an agent has written for this job.
    pub(crate) fn read(folder: &JobFolder, job: JobId) -> io::Result<Self> {
        let lease: Self = serde_json::from_slice(&folder.read_own(FILE, MOST_BYTES)?).map_err(io::Error::other)?;
        if lease.job_id == job { Ok(lease) } else { Err(io::Error::other("it is another job's")) }
    }

    /// # Errors
    /// What the system says.
    pub(crate) fn write(&self, folder: &JobFolder) -> io::Result<()> {
        folder.write_own_json(FILE, self)
    }

    /// The hub has received or refused the job's end.
    pub(crate) fn remove(folder: &JobFolder) {
        folder.remove_file(FILE);
    }

    pub(crate) fn exists(folder: &JobFolder) -> bool {
        folder.has(FILE)
    }
}
