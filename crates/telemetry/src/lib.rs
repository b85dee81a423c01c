//! Logging for operators, JSON lines on standard output or text on standard error, and metrics for Prometheus.
//!
//! Every process sets up logging here, once, so that format and filter are the same everywhere. Does not depend on what is logged.
//!
//! ```
//! let format: telemetry::LogFormat = "json".parse().unwrap();
//! assert_eq!(format, telemetry::LogFormat::Json);
//! ```

pub mod metrics;
mod request;

use std::{io::IsTerminal, str::FromStr};

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use self::request::{Notation, WithRequest};
pub use self::request::{RequestIds, current_request, in_request};

/// Format of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line, for machines.
    Json,
    /// For people.
    #[default]
    Text,
}

impl FromStr for LogFormat {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            other => Err(Error::Format(other.to_owned())),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be parsed.
    #[error("log filter: {0}")]
    Filter(String),
    /// The format does not exist.
    #[error("log format must be \"json\" or \"text\", not \"{0}\"")]
    Format(String),
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice,
}

/// Checks a filter such as `info` or `info,orchestrator=debug`.
///
/// # Errors
/// [`Error::Filter`] with what is wrong.
pub fn check_filter(filter: &str) -> Result<(), Error> {
    EnvFilter::try_new(filter).map(drop).map_err(|error| Error::Filter(error.to_string()))
}

/// Sends logs to standard error (text) or standard output (JSON). Call it once per process.
///
/// # Errors
/// [`Error::Filter`] for an unusable filter, [`Error::Twice`] if logging was set up before.
pub fn init(filter: &str, format: LogFormat) -> Result<(), Error> {
    let filter = EnvFilter::try_new(filter).map_err(|error| Error::Filter(error.to_string()))?;
    let registry = tracing_subscriber::registry().with(filter);
    let done = match format {
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(layer.map_event_format(|line| WithRequest::new(line, Notation::Json))).try_init()
        }
        LogFormat::Text => {
            let layer = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
            registry.with(layer.map_event_format(|line| WithRequest::new(line, Notation::Text))).try_init()
        }
    };
    done.map_err(|_| Error::Twice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_filters_and_formats_are_refused() {
        assert!(check_filter("info,orchestrator=debug").is_ok());
        assert!(check_filter("info,orchestrator=loud").is_err());
        assert!("xml".parse::<LogFormat>().is_err());
    }
}
