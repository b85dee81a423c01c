//! How late the monitor is, and a dead man's switch: an address outside that is asked every minute while the monitor is on time. Who watches it tells people when that stops, also
//! when the hub, its database or its network is gone.
//!
//! What must hold: nobody is asked while something is late; the address is shown nowhere, because whoever knows it can keep the switch quiet.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use reqwest::{Method, Url, header::HeaderMap};
use runtime::{
    Context, Counts, Reconciler, StartError, TaskError,
    outbound::{Outbound, OutboundRequest},
};
use secrecy::{ExposeSecret as _, SecretString};
use store::{Database, notifications::outbox_lateness_unscoped, slas::sla_lateness_unscoped};

use crate::evaluate::CLAIM;

/// Later than this is not on time.
const ON_TIME: TimeDelta = TimeDelta::seconds(60);
/// How often the address is asked.
const EVERY: Duration = Duration::from_secs(60);

/// The reconciler; one replica at a time asks.
pub(crate) struct Heartbeat {
    database: Database,
    outbound: Outbound,
    /// `None`: the setting names no address, and lateness is measured alone.
    url: Option<Url>,
}

impl Heartbeat {
    pub(crate) fn new(context: &Context, url: &SecretString, outbound: Outbound) -> Result<Self, StartError> {
        let url = Some(url.expose_secret()).filter(|url| !url.is_empty());
        let url = url.map(|url| outbound.check_url(url)).transpose().map_err(|fault| format!("sla.heartbeat_url {fault}"))?;
        Ok(Self { database: context.database.clone(), outbound, url })
    }

    /// How late the monitor is: what it should have judged, routed or sent by now.
    async fn lateness(&self, now: DateTime<Utc>) -> Result<TimeDelta, store::Error> {
        let rules = sla_lateness_unscoped(&self.database, now, CLAIM);
        let (rules, outbox) = tokio::try_join!(rules, outbox_lateness_unscoped(&self.database, now))?;
        Ok(rules.max(outbox))
    }

    async fn ask(&self, url: &Url) -> Result<(), TaskError> {
        let request = OutboundRequest { method: Method::GET, url: url.clone(), headers: HeaderMap::new(), body: Vec::new() };
        let answer = self.outbound.send(request).await?;
        if (200..300).contains(&answer.status) { Ok(()) } else { Err(format!("the dead man's switch answered {}", answer.status).into()) }
    }
}

impl Reconciler for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }

    fn interval(&self) -> Duration {
        EVERY
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let late = self.lateness(now).await?;
            let late_ms = u64::try_from(late.num_milliseconds()).unwrap_or_default();
            let mut asked = 0;
            if late > ON_TIME {
                tracing::error!(late_ms, "the SLA monitor is late; a dead man's switch is not asked");
            } else if let Some(url) = &self.url {
                self.ask(url).await?;
                asked = 1;
            }
            Ok(Counts::from([("asked", asked), ("late_ms", late_ms)]))
        })
    }
}
