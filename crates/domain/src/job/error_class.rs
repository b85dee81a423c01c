use serde::Deserialize;

use crate::wire::wire_names;

wire_names! {
    /// Why a job failed, for retry policies and reports.
    pub enum ErrorClass as "ErrorClass" {
        /// The robot's program ended with an error of its own.
        RobotError = "ROBOT_ERROR",
        /// The program ran longer than its limit.
        JobTimeout = "JOB_TIMEOUT",
        /// The job did not start within its queue time-out.
        QueueTimeout = "QUEUE_TIMEOUT",
        /// The worker's lease expired.
        WorkerLost = "WORKER_LOST",
        /// The job's message was dead-lettered.
        DeadLettered = "DEAD_LETTERED",
        /// The program could not be started.
        LaunchFailed = "LAUNCH_FAILED",
        /// A signal that Regente did not send ended the program.
        Killed = "KILLED",
        /// The portal refused the user name, password or certificate. Robots report this class and those below.
        CredentialInvalid = "CREDENTIAL_INVALID",
        /// The portal blocks the robot's IP address.
        IpBlocked = "IP_BLOCKED",
        /// A captcha could not be solved.
        CaptchaFailed = "CAPTCHA_FAILED",
        /// The system that the robot delivers to is not available.
        InfraDestinoIndisponivel = "INFRA_DESTINO_INDISPONIVEL",
        /// The robot cannot work with its parameters.
        InvalidParameters = "INVALID_PARAMETERS",
        /// The portal limits the rate of requests.
        RateLimited = "RATE_LIMITED",
        /// The portal does not answer or answers with errors.
        PortalDown = "PORTAL_DOWN",
        /// Only part of the work was done.
        PartialFailure = "PARTIAL_FAILURE",
        /// A class that the hub does not know.
        Unknown = "UNKNOWN",
    }
    other Unknown;
}

impl ErrorClass {
    /// Parses the name on the wire; any other name is [`ErrorClass::Unknown`].
    #[must_use]
    pub fn parse_or_unknown(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::Unknown)
    }

    /// The class in a robot's result: its field `error_class`, if that is a name on the wire.
    #[must_use]
    pub fn of_result(result: &serde_json::Value) -> Option<Self> {
        Self::parse(result.get("error_class")?.as_str()?)
    }

    /// Whether a retry can succeed, by the class alone. Wrong credentials and parameters stay wrong, and portals lock accounts after
    /// repeated failures; a job that exceeded its queue time-out must not be queued again.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        !matches!(self, Self::QueueTimeout | Self::CredentialInvalid | Self::InvalidParameters)
    }

    /// Whether the job was interrupted from outside: its worker was lost, or a signal killed it. A worker that restarts before its lease
    /// expires reports the latter for the former.
    #[must_use]
    pub const fn is_interruption(self) -> bool {
        matches!(self, Self::WorkerLost | Self::Killed)
    }
}

/// Deserializes a list of known classes: a misspelt class must not become [`ErrorClass::Unknown`].
///
/// # Errors
/// The deserializer's, with the unknown name.
pub fn known_classes<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<ErrorClass>, D::Error> {
    let words = Vec::<String>::deserialize(input)?;
    words.iter().map(|word| word.parse().map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn an_unlisted_class_is_unknown() {
        assert_eq!((ErrorClass::parse_or_unknown("PORTAL_ON_FIRE"), ErrorClass::parse("portal_down")), (ErrorClass::Unknown, None));
        assert_eq!(from_value::<ErrorClass>(json!("PORTAL_ON_FIRE")).unwrap(), ErrorClass::Unknown);
    }

    #[test]
    fn the_class_is_read_from_the_result() {
        assert_eq!(ErrorClass::of_result(&json!({"error": "x", "error_class": "PORTAL_DOWN"})), Some(ErrorClass::PortalDown));
        for silent in [json!({"error": "x"}), json!({"error_class": "MINE"}), json!({"error_class": 5}), json!([]), json!("PORTAL_DOWN")] {
            assert_eq!(ErrorClass::of_result(&silent), None, "{silent}");
        }
    }
}
