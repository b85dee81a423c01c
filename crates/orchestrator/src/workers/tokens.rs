//! Worker tokens: create, list and revoke.

use api_types::{WorkerTokenCreate, WorkerTokenCreated};
use auth::{Permitted, TokenDigest};
use chrono::{DateTime, SubsecRound, Utc};
use domain::{
    Fault,
    automation::{QUEUE_RULE, is_queue_name},
    ids::TokenId,
    permission::Permission,
};
use runtime::{Editor, Failure};
use secrecy::ExposeSecret;
use store::worker_tokens::WorkerToken;
use uuid::Uuid;

use super::Tokens;
use crate::text;

impl Tokens {
    pub(crate) async fn create(&self, by: &Editor, request: WorkerTokenCreate) -> Result<WorkerTokenCreated, Failure> {
        let now = (self.clock)();
        check(&request, now)?;
        self.check_scope(by, request.queues.as_deref()).await?;
        let secret = auth::worker_token();
        let token = WorkerToken {
            id: Uuid::now_v7().into(),
            name: request.name,
            worker_name: request.worker_name,
            queues: request.queues,
            digest: TokenDigest::of(&secret).to_hex(),
            created_at: now,
            created_by: by.name(),
            expires_at: request.expires_at.map(|at| at.trunc_subsecs(6)),
            revoked_at: None,
            revoked_by: None,
            last_used_at: None,
        };
        store::worker_tokens::worker_token_insert(&self.database, by.change(), &token).await?;
        tracing::info!(token.id = %token.id, token.name = token.name, user.name = %by.actor, "worker token created");
        Ok(WorkerTokenCreated { token: secret.expose_secret().to_owned(), kept: to_api(token) })
    }

    /// Checks that a token for these queues (`None`: every queue) allows no more than its creator: each is a queue of automations that they may
    /// manage, and of no others.
    async fn check_scope(&self, by: &Permitted, queues: Option<&[String]>) -> Result<(), Failure> {
        let Some(within) = store::queues::queue_list_within(&self.database, by.scope()).await? else { return Ok(()) };
        let Some(queues) = queues else { return Err(by.denied("every queue; name yours in `queues`").into()) };
        let Some(beyond) = queues.iter().find(|queue| !within.contains(*queue)) else { return Ok(()) };
        let what = format!("queue \"{}\"", beyond.escape_debug());
        let seen = store::queues::queue_list_names(&self.database, by.scope_of(Permission::RobotRead)).await?;
        if seen.is_none_or(|seen| seen.contains(beyond)) { Err(by.denied(what).into()) } else { Err(Failure::NotFound(what)) }
    }

    pub(crate) async fn list(&self, by: &Permitted, after: Option<TokenId>, limit: u32) -> Result<Vec<api_types::WorkerToken>, Failure> {
        let found = store::worker_tokens::worker_token_list(&self.database, by.scope(), after, limit.into()).await?;
        Ok(found.into_iter().map(to_api).collect())
    }

    pub(crate) async fn revoke(&self, by: &Editor, id: TokenId) -> Result<(), Failure> {
        let found = store::worker_tokens::worker_token_get(&self.database, by.scope(), id).await?.is_some();
        if !found || !store::worker_tokens::worker_token_revoke(&self.database, by.change(), id, (self.clock)()).await? {
            return Err(Failure::NotFound(format!("worker token {id}")));
        }
        tracing::info!(token.id = %id, user.name = %by.actor, "worker token revoked");
        Ok(())
    }
}

fn to_api(token: WorkerToken) -> api_types::WorkerToken {
    api_types::WorkerToken {
        id: token.id,
        name: token.name,
        worker_name: token.worker_name,
        queues: token.queues,
        created_at: token.created_at,
        created_by: token.created_by,
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
        revoked_by: token.revoked_by,
        last_used_at: token.last_used_at,
    }
}

fn check(request: &WorkerTokenCreate, now: DateTime<Utc>) -> Result<(), Failure> {
    let mut faults = Vec::new();
    let mut want = |fine: bool, field: &str, message: &str| {
        if !fine {
            faults.push(Fault::new(field, message));
        }
    };
    want(text::is_name(&request.name), "name", text::NAME_RULE);
    want(request.worker_name.as_deref().is_none_or(text::is_name), "worker_name", text::NAME_RULE);
    want(request.expires_at.is_none_or(|at| at > now), "expires_at", "must be in the future");
    want(request.expires_at.is_none_or(text::is_kept_date), "expires_at", text::DATE_RULE);
    if let Some(queues) = &request.queues {
        want((1..=1000).contains(&queues.len()), "queues", "must name 1 to 1000 queues, or be absent");
        for (index, queue) in queues.iter().enumerate() {
            want(is_queue_name(queue), &format!("queues/{index}"), QUEUE_RULE);
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}
