//! Errors in terms of this crate's callers.

use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};

/// Why a broker operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The URL is not an `amqp://` or `amqps://` URL. Without details, because URLs contain passwords.
    #[error("the broker url is not a valid amqp:// or amqps:// url")]
    InvalidUrl,
    /// [`Broker::connect`](crate::Broker::connect) was called outside a tokio runtime.
    #[error("a broker connection needs a tokio runtime to run on")]
    NoRuntime,
    /// The name of a queue, header, routing key or connection is empty or longer than 255 bytes.
    #[error("a broker name must have 1 to 255 bytes, this one has {length}")]
    InvalidName {
        /// Length of the refused name in bytes.
        length: usize,
    },
    /// The message body is larger than RabbitMQ accepts by default.
    #[error("a message body of {size} bytes is over the limit of {limit} bytes")]
    BodyTooLarge {
        /// Size of the refused body in bytes.
        size: usize,
        /// The largest size accepted, in bytes.
        limit: usize,
    },
    /// The queue does not exist.
    #[error("queue `{queue}` does not exist")]
    QueueNotFound {
        /// The missing queue.
        queue: String,
    },
    /// The message was published to a queue that does not exist, and was dropped.
    #[error("no queue `{queue}` to route the message to")]
    Unroutable {
        /// The missing queue.
        queue: String,
    },
    /// The broker rejected the message (a full queue with overflow policy, a failed queue process).
    #[error("the broker did not accept the message for queue `{queue}`")]
    Nacked {
        /// The queue published to.
        queue: String,
    },
    /// The broker refused the operation: no permission, a locked queue, or arguments that differ from the existing ones.
    #[error("the broker refused the operation: {reason} ({code})")]
    Refused {
        /// AMQP reply code, such as 403, 405 or 406.
        code: u16,
        /// The broker's explanation.
        reason: String,
    },
    /// No connection could be established.
    #[error("the broker is unreachable: {reason}")]
    Unreachable {
        /// The cause, as far as it can be determined.
        reason: String,
    },
    /// There is no connection, or it was lost before the answer came: the operation may or may not have happened.
    #[error("not connected to the broker")]
    Disconnected,
    /// The broker connection was closed by this process.
    #[error("the broker connection is closed")]
    Closed,
}

/// A failed channel operation, before its object is named.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The object of the operation does not exist (404).
    Missing,
    /// The existing object differs from the requested one (406).
    Mismatch(Error),
    /// Refused for another reason.
    Refused(Error),
    /// The channel or the connection is gone.
    Lost,
}

impl Fault {
    /// The error of an operation; `missing` gives the one for a missing object.
    pub(crate) fn or_missing(self, missing: impl FnOnce() -> Error) -> Error {
        match self {
            Fault::Missing => missing(),
            Fault::Mismatch(error) | Fault::Refused(error) => error,
            Fault::Lost => Error::Disconnected,
        }
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            ErrorKind::ProtocolError(error) => error.into(),
            // `ErrorKind` is non-exhaustive. All its other kinds mean that the channel or the connection is unusable.
            _ => Fault::Lost,
        }
    }
}

impl From<&AMQPError> for Fault {
    fn from(error: &AMQPError) -> Self {
        let refused = || Error::Refused { code: error.get_id(), reason: error.get_message().to_string() };
        match error.kind() {
            AMQPErrorKind::Soft(soft) => match soft {
                AMQPSoftError::NOTFOUND => Fault::Missing,
                AMQPSoftError::PRECONDITIONFAILED => Fault::Mismatch(refused()),
                AMQPSoftError::ACCESSREFUSED
                | AMQPSoftError::RESOURCELOCKED
                | AMQPSoftError::CONTENTTOOLARGE
                | AMQPSoftError::NOROUTE
                | AMQPSoftError::NOCONSUMERS => Fault::Refused(refused()),
            },
            AMQPErrorKind::Hard(_) => Fault::Lost,
        }
    }
}
