use std::time::{Duration, SystemTime};

use api_types::Health;
use chrono::{DateTime, Utc};
use reqwest::{Method, header::DATE};
use uuid::Uuid;

use super::{HubClient, parse};
use crate::HubError;

/// What the hub says of itself.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) health: Health,
    /// This host's clock minus the hub's in seconds, as exact as the hub's whole seconds and the way to it allow.
    pub(crate) clock_ahead_s: Option<f64>,
}

impl HubClient {
    /// Asks for the hub's health, which needs no key.
    ///
    /// # Errors
    /// See [`HubError`].
    pub(crate) async fn look(&self) -> Result<Look, HubError> {
        let url = format!("{}/health", self.link.base.trim_end_matches("/worker"));
        let asked = SystemTime::now();
        let response = self.link.http.request(Method::GET, url).timeout(self.link.timeout).send().await;
        let response = response.map_err(|error| HubError::unreachable(&error))?;
        let took = asked.elapsed().unwrap_or_default();
        let (status, headers) = (response.status(), response.headers().clone());
        let date = headers.get(DATE).and_then(|date| DateTime::parse_from_rfc2822(date.to_str().ok()?).ok());
        let body = response.bytes().await.map_err(|error| HubError::unreachable(&error))?;
        let health = match parse(&body) {
            Ok(health) => health,
            Err(_) if !status.is_success() => return Err(HubError::from_answer(status, &headers, &body)),
            Err(error) => return Err(error),
        };
        Ok(Look { health, clock_ahead_s: date.map(|date| ahead(asked.into(), took, date.to_utc())) })
    }

    /// Whether the hub accepts this worker's key or token.
    ///
    /// # Errors
    /// See [`HubError::is_unauthorized`].
    pub(crate) async fn knock(&self) -> Result<(), HubError> {
        match self.status(Uuid::nil()).await {
            // Whoever is let in learns that there is no such job.
            Err(HubError::Refused { status: 404, .. }) | Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// `date` was true at some moment while the request was under way, and lost its part of a second.
fn ahead(asked: DateTime<Utc>, took: Duration, date: DateTime<Utc>) -> f64 {
    let here = asked + took / 2;
    let there = date + Duration::from_millis(500);
    (here - there).as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_date_is_taken_as_the_middle_of_its_second() {
        let date = DateTime::parse_from_rfc3339("2026-01-01T12:00:00Z").unwrap().to_utc();
        assert_eq!(ahead(date, Duration::from_secs(1), date), 0.0);
        assert_eq!(ahead(date + Duration::from_secs(60), Duration::from_secs(1), date), 60.0);
    }
}
