use crate::HubError;

/// Why the agent could not start or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is unusable.
    #[error("{0}")]
    Settings(String),
    /// No TLS set-up: usually a host without CA certificates and a server address with `https`.
    #[error("the HTTP client cannot be created: {0} (an https server needs the host's CA certificates, or SSL_CERT_FILE)")]
    Client(String),
    /// The hub rejects this worker's key or token.
    #[error("the hub refuses this worker ({0}): check its key or token")]
    Refused(HubError),
    /// The hub refuses the registration for another reason.
    #[error("the hub refuses the registration: {0}")]
    Registration(HubError),
    /// Another worker with this name is alive.
    #[error("{0}")]
    NameTaken(String),
    /// The broker's address is unusable.
    #[error("broker: {0}")]
    Broker(String),
    /// The folder for jobs cannot be used.
    #[error("work folder {path}: {cause}")]
    WorkFolder {
        /// The folder.
        path: String,
        /// Error of the system.
        cause: std::io::Error,
    },
}
