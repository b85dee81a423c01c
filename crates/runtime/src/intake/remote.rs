//! [`JobIntake`] over the orchestrator's API, for services that run apart from it.

use api_types::JobCreate;
use client::{Error, Requested};
use domain::{job::Request, policy::Overrides};
use futures_util::{FutureExt as _, future::BoxFuture};

use super::{Ask, Intake, JobIntake};
use crate::{
    Failure, OVERLAP_SKIPPED,
    peers::{Peer, failure},
};

/// The intake of an orchestrator in another process.
pub(crate) struct RemoteIntake {
    orchestrator: Peer,
}

impl RemoteIntake {
    pub(crate) const fn new(orchestrator: Peer) -> Self {
        Self { orchestrator }
    }

    async fn request(&self, ask: Ask) -> Result<Intake, Failure> {
        let subject = format!("automation {}", ask.automation_id);
        let requested = self.orchestrator.client()?.job_request(&body(ask)).await;
        match requested {
            Ok(Requested { job, existed: false }) => Ok(Intake::Accepted(job)),
            Ok(Requested { job, existed: true }) => Ok(Intake::Existing(job)),
            Err(error) => match skipped(&error) {
                Some(id) => Ok(Intake::Skipped(id)),
                None => Err(failure(self.orchestrator.name, &subject, error)),
            },
        }
    }
}

impl JobIntake for RemoteIntake {
    fn accept(&self, ask: Ask) -> BoxFuture<'_, Result<Intake, Failure>> {
        self.request(ask).boxed()
    }
}

/// The job that is in the way by the overlap rule.
fn skipped(error: &Error) -> Option<domain::ids::JobId> {
    error.refusal().filter(|refusal| refusal.code == OVERLAP_SKIPPED)?.job_id
}

/// All that is asked, as it travels.
fn body(ask: Ask) -> JobCreate {
    let Ask { automation_id, request, key } = ask;
    let Request { parameters, overrides, trigger, version_id, environment, origin } = request;
    let Overrides {
        priority,
        timeout_s,
        queue_timeout_s,
        max_attempts,
        cancel_grace_s,
        concurrency_key,
        not_before,
        overlap,
        max_concurrency,
        retry_backoff_s,
    } = overrides;
    JobCreate {
        automation_id,
        parameters,
        priority,
        timeout_s,
        queue_timeout_s,
        max_attempts,
        cancel_grace_s,
        concurrency_key,
        not_before,
        idempotency_key: key.map(Into::into),
        trigger: Some(trigger),
        requested_by: origin.requested_by,
        schedule_id: origin.schedule_id,
        overlap,
        max_concurrency,
        retry_backoff_s,
        version_id,
        environment,
        traceparent: origin.traceparent,
    }
}
