use api_types::{Worker, WorkerDetail, WorkerFilter, WorkerToken, WorkerTokenCreate, WorkerTokenCreated, WorkerTokenFilter};
use domain::ids::{TokenId, WorkerId};

use crate::{Call, Client, List};

impl Client {
    /// Workers by name.
    pub fn workers(&self, filter: &WorkerFilter) -> List<Worker> {
        self.list(&["workers"], filter)
    }

    /// One worker, and the jobs that it holds.
    pub fn worker(&self, id: WorkerId) -> Call<WorkerDetail> {
        self.get(&["workers", &id.to_string()])
    }

    /// Pauses a worker: it takes no more jobs.
    pub fn worker_pause(&self, id: WorkerId) -> Call<Worker> {
        self.post(&["workers", &id.to_string(), "pause"]).repeatable()
    }

    /// Lets a paused worker take jobs again.
    pub fn worker_resume(&self, id: WorkerId) -> Call<Worker> {
        self.post(&["workers", &id.to_string(), "resume"])
    }

    /// Removes a worker that is gone.
    pub fn worker_delete(&self, id: WorkerId) -> Call<()> {
        self.delete(&["workers", &id.to_string()])
    }

    /// Makes a token for workers. Its answer is the only place where the token stands.
    pub fn worker_token_create(&self, request: &WorkerTokenCreate) -> Call<WorkerTokenCreated> {
        self.post(&["worker-tokens"]).json(request)
    }

    /// Tokens for workers, newest first.
    pub fn worker_tokens(&self, filter: &WorkerTokenFilter) -> List<WorkerToken> {
        self.list(&["worker-tokens"], filter)
    }

    /// Revokes a token.
    pub fn worker_token_revoke(&self, id: TokenId) -> Call<()> {
        self.delete(&["worker-tokens", &id.to_string()])
    }
}
