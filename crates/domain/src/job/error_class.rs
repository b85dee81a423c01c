use serde::{Deserialize, Serialize};

/// Why a job failed, for retry policies and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorClass {
    /// The robot's program ended with an error of its own.
    RobotError,
    /// The program ran longer than its limit.
    JobTimeout,
    /// The job waited longer than it may.
    QueueTimeout,
    /// The worker's lease ran out without a word from it.
    WorkerLost,
    /// The job's message ended in the dead-letter queue.
    DeadLettered,
    /// The program could not be started.
    LaunchFailed,
    /// The program was ended by a signal that nobody here sent.
    Killed,
    /// A user name, password or certificate that the portal does not take. This and the classes below are told by robots.
    CredentialInvalid,
    /// The portal shuts this address out.
    IpBlocked,
    /// A captcha could not be solved.
    CaptchaFailed,
    /// What the robot delivers to is not there.
    InfraDestinoIndisponivel,
    /// Parameters that the robot cannot work with.
    InvalidParameters,
    /// The portal wants fewer requests.
    RateLimited,
    /// The portal does not answer, or with errors.
    PortalDown,
    /// Some of many things were done, too few to call it success.
    PartialFailure,
    /// Nothing known.
    #[serde(other)]
    Unknown,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: [Self; 16] = [
        Self::RobotError,
        Self::JobTimeout,
        Self::QueueTimeout,
        Self::WorkerLost,
        Self::DeadLettered,
        Self::LaunchFailed,
        Self::Killed,
        Self::CredentialInvalid,
        Self::IpBlocked,
        Self::CaptchaFailed,
        Self::InfraDestinoIndisponivel,
        Self::InvalidParameters,
        Self::RateLimited,
        Self::PortalDown,
        Self::PartialFailure,
        Self::Unknown,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RobotError => "ROBOT_ERROR",
            Self::JobTimeout => "JOB_TIMEOUT",
            Self::QueueTimeout => "QUEUE_TIMEOUT",
            Self::WorkerLost => "WORKER_LOST",
            Self::DeadLettered => "DEAD_LETTERED",
            Self::LaunchFailed => "LAUNCH_FAILED",
            Self::Killed => "KILLED",
            Self::CredentialInvalid => "CREDENTIAL_INVALID",
            Self::IpBlocked => "IP_BLOCKED",
            Self::CaptchaFailed => "CAPTCHA_FAILED",
            Self::InfraDestinoIndisponivel => "INFRA_DESTINO_INDISPONIVEL",
            Self::InvalidParameters => "INVALID_PARAMETERS",
            Self::RateLimited => "RATE_LIMITED",
            Self::PortalDown => "PORTAL_DOWN",
            Self::PartialFailure => "PARTIAL_FAILURE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads the name on the wire; `None` for any other word.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Reads the name on the wire; any other word is [`ErrorClass::Unknown`].
    #[must_use]
    pub fn parse(name: &str) -> Self {
        Self::known(name).unwrap_or(Self::Unknown)
    }

    /// What a robot says about its failure in the result: `error_class`, one of the names on the wire.
    #[must_use]
    pub fn of_result(result: &serde_json::Value) -> Option<Self> {
        Self::known(result.get("error_class")?.as_str()?)
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

    /// Every name, for people who gave another.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

/// Reads a list of classes, each of them known: a word that is misspelt must not become another class.
///
/// # Errors
/// The deserializer's, naming the word that is no class.
pub fn known_classes<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<ErrorClass>, D::Error> {
    let words = Vec::<String>::deserialize(input)?;
    let known = |word: &String| {
        ErrorClass::known(word).ok_or_else(|| serde::de::Error::custom(format!("\"{word}\" is none of {}", ErrorClass::names())))
    };
    words.iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn every_class_has_one_name() {
        for class in ErrorClass::ALL {
            assert_eq!(ErrorClass::parse(class.as_str()), class);
            assert_eq!((json!(class), from_value(json!(class.as_str())).ok()), (json!(class.as_str()), Some(class)));
        }
        assert_eq!((ErrorClass::parse("PORTAL_ON_FIRE"), ErrorClass::known("portal_down")), (ErrorClass::Unknown, None));
    }

    #[test]
    fn a_result_tells_its_class() {
        assert_eq!(ErrorClass::of_result(&json!({"error": "x", "error_class": "PORTAL_DOWN"})), Some(ErrorClass::PortalDown));
        for silent in [json!({"error": "x"}), json!({"error_class": "MINE"}), json!({"error_class": 5}), json!([]), json!("PORTAL_DOWN")] {
            assert_eq!(ErrorClass::of_result(&silent), None, "{silent}");
        }
    }
}
