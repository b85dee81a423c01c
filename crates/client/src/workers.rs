use api_types::{Worker, WorkerDetail, WorkerFilter, WorkerToken, WorkerTokenCreate, WorkerTokenCreated, WorkerTokenFilter};
use domain::ids::{TokenId, WorkerId};

use crate::{Call, Client, List};

impl Client {
    /// Workers by name.
    pub fn workers(&self, filter: &WorkerFilter) -> List<Worker> {
        self.list(&["workers"], filter)
    }

    /// One worker with the jobs that it holds.
    pub fn worker(&self, id: WorkerId) -> Call<WorkerDetail> {
        self.get(&["workers", &id.to_string()])
    }

    /// Pauses a worker: it finishes its jobs and takes no new ones.
    pub fn worker_pause(&self, id: WorkerId) -> Call<Worker> {
        self.post(&["workers", &id.to_string(), "pause"]).repeatable()
    }

    /// Resumes a paused worker.
    pub fn worker_resume(&self, id: WorkerId) -> Call<Worker> {
        self.post(&["workers", &id.to_string(), "resume"])
    }

    /// Deletes a stopped or lost worker.
    pub fn worker_delete(&self, id: WorkerId) -> Call<()> {
        self.delete(&["workers", &id.to_string()])
    }

    /// Creates a worker token. Only this answer contains the token.
    pub fn worker_token_create(&self, request: &WorkerTokenCreate) -> Call<WorkerTokenCreated> {
        self.post(&["worker-tokens"]).json(request)
    }

    /// Worker tokens, in order of creation.
    pub fn worker_tokens(&self, filter: &WorkerTokenFilter) -> List<WorkerToken> {
        self.list(&["worker-tokens"], filter)
    }

    /// Revokes a worker token.
    pub fn worker_token_revoke(&self, id: TokenId) -> Call<()> {
        self.delete(&["worker-tokens", &id.to_string()])
    }
}
