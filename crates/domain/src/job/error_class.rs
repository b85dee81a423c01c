use serde::Deserialize;

use crate::wire::wire_names;

wire_names! {
    /// Why a job failed, for retry policies and reports.
    pub enum ErrorClass as "ErrorClass" {
        /// The robot's program ended with an error of its own.
        RobotError = "ROBOT_ERROR",
        /// The program ran longer than its limit.
        JobTimeout = "JOB_TIMEOUT",
        /// The job waited longer than it may.
        QueueTimeout = "QUEUE_TIMEOUT",
        /// The worker's lease expired.
        WorkerLost = "WORKER_LOST",
        /// The job's message ended in the dead-letter queue.
        DeadLettered = "DEAD_LETTERED",
        /// The program could not be started.
        LaunchFailed = "LAUNCH_FAILED",
        /// A signal that Regente did not send ended the program.
        Killed = "KILLED",
        /// The portal refuses the user name, password or certificate. Robots report this class and those below.
        CredentialInvalid = "CREDENTIAL_INVALID",
        /// The portal blocks this address.
        IpBlocked = "IP_BLOCKED",
        /// A captcha could not be solved.
        CaptchaFailed = "CAPTCHA_FAILED",
        /// The system that the robot delivers to is not available.
        InfraDestinoIndisponivel = "INFRA_DESTINO_INDISPONIVEL",
        /// The robot cannot work with its parameters.
        InvalidParameters = "INVALID_PARAMETERS",
        /// The portal limits the rate of requests.
        RateLimited = "RATE_LIMITED",
        /// The portal does not answer, or answers with errors.
        PortalDown = "PORTAL_DOWN",
        /// Only a part of the work was done.
        PartialFailure = "PARTIAL_FAILURE",
        /// A class that this hub does not know.
        Unknown = "UNKNOWN",
    }
    other Unknown;
}

impl ErrorClass {
    /// Reads the name on the wire; any other word is [`ErrorClass::Unknown`].
    #[must_use]
    pub fn parse_or_unknown(name: &str) -> Self {
        Self::parse(name).unwrap_or(Self::Unknown)
    }

    /// What a robot says about its failure in the result: `error_class`, one of the names on the wire.
    #[must_use]
    pub fn of_result(result: &serde_json::Value) -> Option<Self> {
        Self::parse(result.get("error_class")?.as_str()?)
    }

    /// Whether another attempt can end otherwise, as far as the class tells: wrong passwords and parameters stay wrong (and a portal locks the
    /// account of whoever tries them again and again), and whoever gave up waiting does not want to wait again.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        !matches!(self, Self::QueueTimeout | Self::CredentialInvalid | Self::InvalidParameters)
    }

    /// The job was ended from outside, somewhere in its work: by the loss of its worker, or by a signal. A worker that is back before anybody
    /// missed it reports the second for the first.
    #[must_use]
    pub const fn is_interruption(self) -> bool {
        matches!(self, Self::WorkerLost | Self::Killed)
    }
}

/// Reads a list of classes, each of them known: a word that is misspelt must not become another class.
///
/// # Errors
/// The deserializer's, naming the word that is no class.
pub fn known_classes<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<ErrorClass>, D::Error> {
    let words = Vec::<String>::deserialize(input)?;
    words.iter().map(|word| word.parse().map_err(serde::de::Error::custom)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_class_that_is_not_known_is_unknown() {
        assert_eq!((ErrorClass::parse_or_unknown("PORTAL_ON_FIRE"), ErrorClass::parse("portal_down")), (ErrorClass::Unknown, None));
        assert_eq!(from_value::<ErrorClass>(json!("PORTAL_ON_FIRE")).unwrap(), ErrorClass::Unknown);
    }

    #[test]
    fn a_result_tells_its_class() {
        assert_eq!(ErrorClass::of_result(&json!({"error": "x", "error_class": "PORTAL_DOWN"})), Some(ErrorClass::PortalDown));
        for silent in [json!({"error": "x"}), json!({"error_class": "MINE"}), json!({"error_class": 5}), json!([]), json!("PORTAL_DOWN")] {
            assert_eq!(ErrorClass::of_result(&silent), None, "{silent}");
        }
    }
}
