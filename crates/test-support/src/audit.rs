use domain::audit::{ActorKind, Author, Change};

/// A change by `ana`, for what is no test of the audit trail.
#[must_use]
pub fn change() -> Change {
    Change::by(Author { actor: "ana".to_owned(), kind: ActorKind::User, credential: None, address: None, request_id: None })
}
