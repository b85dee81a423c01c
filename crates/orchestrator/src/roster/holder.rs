//! The check whether a principal acts for a worker. Identity and permissions come from the credential alone.

use auth::{Actor, Principal};
use domain::ids::WorkerId;
use runtime::Failure;

/// Identity of a worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// Credential that it registered with; `None`: the hub had no sign-in.
    pub(crate) credential: Option<String>,
}

/// Checks that this principal acts for the worker. A worker without a credential belongs to every principal that is not limited to another
/// worker.
pub(crate) fn check_holder(principal: &Principal, id: WorkerId, known: Option<&Known>) -> Result<(), Failure> {
    let limits = &principal.limits;
    let key = known.and_then(|known| known.credential.as_deref());
    let fits = match (known, key) {
        _ if principal.actor == Actor::Anybody => true,
        (_, Some(key)) => principal.actor.has_credential(key),
        (Some(known), None) => limits.worker_name.as_ref().map_or(limits.queues.is_none(), |name| *name == known.name),
        (None, None) => limits.is_none(),
    };
    match known {
        _ if fits => Ok(()),
        // It registered without sign-in, and must register again.
        Some(known) if known.credential.is_none() && limits.worker_name.is_none() => Err(not_found(id)),
        Some(known) => {
            limits.check_worker(&known.name)?;
            Err(Failure::Forbidden(format!("worker {id} registered with another key or token: send that one")))
        }
        None => Err(Failure::Forbidden(format!("this token does not belong to worker {id}"))),
    }
}

pub(crate) fn not_found(id: WorkerId) -> Failure {
    Failure::NotFound(format!("worker {id}"))
}
