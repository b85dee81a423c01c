use std::sync::Arc;

use api_types::HeartbeatRequest;
use auth::Principal;
use store::jobs::NewJob;
use uuid::Uuid;

use super::Change;

/// What the writer is asked to do.
pub(crate) enum Command {
    /// Accept a job.
    Insert(Box<NewJob>),
    /// Change a job. A worker's report carries who makes it; what the orchestrator does itself carries none.
    Change(Uuid, Box<Change>, Option<Arc<Principal>>),
    /// Renew a worker's leases.
    Heartbeat(HeartbeatRequest, Arc<Principal>),
}

/// An accepted job.
#[derive(Clone, Copy)]
pub(crate) struct Inserted {
    pub(crate) id: Uuid,
    /// It had been accepted before under the same idempotency key.
    pub(crate) replayed: bool,
    /// What is asked with the key is not what was asked with it before.
    pub(crate) differs: bool,
}

impl Command {
    /// The jobs that must be loaded to carry it out.
    pub(super) fn job_ids(&self) -> impl Iterator<Item = Uuid> {
        let (one, many) = match self {
            Self::Change(id, ..) => (Some(*id), &[][..]),
            Self::Heartbeat(request, _) => (None, request.jobs.as_slice()),
            Self::Insert(_) => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().map(|held| held.job_id))
    }
}
