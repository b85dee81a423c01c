use sea_orm::{DbErr, RuntimeErr, SqlErr, sqlx};

/// Errors of the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database is unreachable, locked, or did not answer in time; the same call may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A concurrent transaction won; the same transaction may succeed when repeated.
    #[error("conflict with a concurrent transaction: {0}")]
    Conflict(String),
    /// A row with the same key exists.
    #[error("duplicate row: {0}")]
    Duplicate(String),
    /// The database refused a value or statement.
    #[error("the database refused the statement: {0}")]
    Refused(String),
    /// The row refers to another one that does not exist, by this column.
    #[error("{0} refers to nothing")]
    Dangling(&'static str),
    /// The caller's scope does not include what the change concerns, by this column.
    #[error("{0} concerns what is out of scope")]
    OutOfScope(&'static str),
    /// A row has an invalid value.
    #[error("unreadable row: {0}")]
    Corrupt(String),
    /// The change would leave nobody who may manage the hub.
    #[error("nobody else may manage the hub: make somebody else an administrator first")]
    LastAdministrator,
}

impl Error {
    /// Whether the database as a whole is the problem, not the statement.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(detail)) = error.sql_err() {
            return Self::Duplicate(detail);
        }
        let text = error.to_string();
        match &error {
            DbErr::Type(what) => Self::Corrupt(what.clone()),
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(text),
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => from_sqlx(cause, text),
            DbErr::Json(_) | DbErr::TryIntoErr { .. } => Self::Corrupt(text),
            _ => Self::Refused(text),
        }
    }
}

/// Omits the URL, which may contain a password.
pub(crate) fn from_connect(error: DbErr) -> Error {
    let unusable = match &error {
        DbErr::Conn(RuntimeErr::Internal(_)) => true,
        DbErr::Conn(RuntimeErr::SqlxError(cause)) => matches!(**cause, sqlx::Error::Configuration(_)),
        _ => false,
    };
    if unusable {
        return Error::Refused("not the URL of a database: must be sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME".to_owned());
    }
    match Error::from(error) {
        Error::Refused(text) | Error::Conflict(text) => Error::Unavailable(text),
        other => other,
    }
}

fn from_sqlx(cause: &sqlx::Error, text: String) -> Error {
    match cause {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => Error::Unavailable(text),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => Error::Corrupt(text),
        sqlx::Error::Database(database) => from_code(database.code().as_deref().unwrap_or_default(), text),
        _ => Error::Refused(text),
    }
}

/// SQLSTATE of PostgreSQL (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) or result code of SQLite
/// (<https://www.sqlite.org/rescode.html>), which do not overlap. [`crate::jobs::job_update_at_once`] reports a concurrent change of a row
/// by a division by zero.
fn from_code(code: &str, text: String) -> Error {
    let sqlite_primary = code.parse::<u32>().ok().filter(|_| code.len() <= 4).map(|number| number & 0xff);
    match (code, sqlite_primary) {
        ("40001" | "40P01" | "55P03" | "22012", _) | (_, Some(5 | 6)) => Error::Conflict(text),
        ("57P01" | "57P02" | "57P03" | "57014" | "53300" | "53100" | "53200" | "58030" | "25006", _) => Error::Unavailable(text),
        (class, _) if class.starts_with("08") => Error::Unavailable(text),
        (_, Some(8 | 10 | 13 | 14)) => Error::Unavailable(text),
        _ => Error::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_classed() {
        let class = |code: &str| match from_code(code, String::new()) {
            Error::Unavailable(_) => "unavailable",
            Error::Conflict(_) => "conflict",
            Error::Duplicate(_) => "duplicate",
            Error::Refused(_) => "refused",
            Error::Corrupt(_) => "corrupt",
            Error::LastAdministrator => "last_administrator",
            Error::Dangling(_) => "dangling",
            Error::OutOfScope(_) => "out of scope",
        };
        for (code, expected) in [
            ("40001", "conflict"),
            ("5", "conflict"),
            ("517", "conflict"),
            ("08006", "unavailable"),
            ("57P01", "unavailable"),
            ("13", "unavailable"),
            ("22021", "refused"),
            ("1", "refused"),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }
}
