//! Whether a principal speaks for a worker. Identity and reach come from the credential alone.

use auth::{Actor, Principal};
use domain::ids::WorkerId;
use runtime::Failure;

/// Who a worker is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// What it registered with; `None`: nobody was asked.
    pub(crate) credential: Option<String>,
}

/// Checks that this principal speaks for the worker. One that nobody was asked about belongs to whoever is not limited to another.
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
        // It registered with a hub that did not ask, and does so again.
        Some(known) if known.credential.is_none() && limits.worker_name.is_none() => Err(not_found(id)),
        Some(known) => {
            limits.check_worker(&known.name)?;
            Err(Failure::Forbidden(format!("worker {id} has registered with another key or token, which alone speaks for it")))
        }
        None => Err(Failure::Forbidden(format!("this token does not speak for worker {id}"))),
    }
}

pub(crate) fn not_found(id: WorkerId) -> Failure {
    Failure::NotFound(format!("worker {id}"))
}
