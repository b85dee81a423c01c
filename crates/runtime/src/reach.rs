//! What a request may act upon. What a caller does not see is not there (404); what it sees and may not do this to is refused by the name of
//! the permission (403).

use std::fmt::Display;

use auth::Permitted;
use domain::{Scope, permission::Permission};

use crate::Failure;

/// What `find` finds where the caller has the permission of the request. `reading` is the permission that makes it visible, `what` names it.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::Forbidden`], or the failure of `find`.
pub async fn reach<T>(
    by: &Permitted,
    reading: Permission,
    what: impl Display,
    find: impl AsyncFn(&Scope) -> Result<Option<T>, store::Error>,
) -> Result<T, Failure> {
    if let Some(found) = find(by.scope()).await? {
        return Ok(found);
    }
    match by.sees_more(reading) {
        Some(seen) if find(seen).await?.is_some() => Err(by.denied(what.to_string()).into()),
        _ => Err(Failure::NotFound(what.to_string())),
    }
}
