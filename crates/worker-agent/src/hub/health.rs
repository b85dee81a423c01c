use api_types::Health;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use uuid::Uuid;

use super::{HubClient, parse};
use crate::HubError;

/// The hub's health, and the clock difference to this host.
#[derive(Debug)]
pub(crate) struct HubHealth {
    pub(crate) health: Health,
    /// Seconds by which this host's clock is at least ahead of the hub's; negative: behind.
    pub(crate) clock_ahead_s: f64,
}

impl HubClient {
    /// Requests the hub's health. Needs no key.
    ///
    /// # Errors
    /// See [`HubError`].
    pub(crate) async fn health(&self) -> Result<HubHealth, HubError> {
        let asked = Utc::now();
        let response = self.link.http.request(Method::GET, self.link.url("health")).timeout(self.link.timeout).send().await;
        let response = response.map_err(|error| HubError::unreachable(&error))?;
        let answered = Utc::now();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| HubError::unreachable(&error))?;
        let health: Health = match parse(&body) {
            Ok(health) => health,
            Err(_) if !status.is_success() => return Err(HubError::from_answer(status, &headers, &body)),
            Err(error) => return Err(error),
        };
        let clock_ahead_s = ahead(asked, health.now, answered);
        Ok(HubHealth { health, clock_ahead_s })
    }

    /// Whether the hub accepts this worker's key or token.
    ///
    /// # Errors
    /// See [`HubError::is_unauthorized`].
    pub(crate) async fn check_key(&self) -> Result<(), HubError> {
        match self.status(Uuid::nil().into()).await {
            // An accepted key gets the 404 of a job that does not exist.
            Err(HubError::Refused { status: 404, .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Seconds from `hub` to the nearer end of the request: zero while the request was under way.
fn ahead(asked: DateTime<Utc>, hub: DateTime<Utc>, answered: DateTime<Utc>) -> f64 {
    (asked - hub).max(TimeDelta::zero()).as_seconds_f64() - (hub - answered).max(TimeDelta::zero()).as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_right_at_some_moment_of_the_request_is_right() {
        let at = |seconds: i64| DateTime::from_timestamp(1_000 + seconds, 0).unwrap();
        assert_eq!([0, 3, 5].map(|hub| ahead(at(0), at(hub), at(5))), [0.0; 3], "however slow the answer");
        assert_eq!(ahead(at(60), at(0), at(61)), 60.0, "this host is ahead");
        assert_eq!(ahead(at(0), at(60), at(1)), -59.0, "this host is behind");
    }
}
