//! Alerts of Prometheus.

use std::collections::{BTreeSet, HashMap};

use api_types::{AlertmanagerAlert, AlertmanagerResponse, AlertmanagerWebhook};
use domain::{
    Fault, Scope,
    alert::{Observation, heard::Heard},
    ids::AutomationId,
};
use runtime::{Editor, Failure};
use store::{
    alerts::{AlertChange, alert_observe_in_txn, alert_record_heard_in_txn},
    automations::{automation_find_named, automation_list_names_unscoped},
};

use super::Alerts;

/// Alerts of a message.
const MAX_ALERTS: usize = 5000;

impl Alerts {
    /// Takes a message of Alertmanager, whole or not at all.
    pub(super) async fn hear(&self, by: &Editor, message: AlertmanagerWebhook) -> Result<AlertmanagerResponse, Failure> {
        by.require_everywhere()?;
        if message.alerts.len() > MAX_ALERTS {
            return Err(Failure::field("alerts", format!("must have at most {MAX_ALERTS} items: set max_alerts of the receiver")));
        }
        if message.truncated_alerts > 0 {
            tracing::warn!(alerts = message.truncated_alerts, "Alertmanager left alerts out: raise max_alerts of its receiver");
        }
        let heard: Vec<Heard> = message.alerts.into_iter().map(heard).collect();
        let bad = heard.iter().position(|one| !one.has_fingerprint());
        if let Some(nth) = bad {
            let field = format!("alerts/{nth}/fingerprint");
            return Err(Failure::Invalid(vec![Fault::new(field, "must be 1 to 128 letters, digits, _ and -")]));
        }
        let (automations, now) = (self.automations(&heard).await?, (self.clock)());
        let to_observation = |one: &Heard| one.observation(one.automation().and_then(|name| automations.get(name).copied()), now);
        let observations: Vec<Observation> = heard.iter().map(to_observation).collect();
        let work = self.database.in_transaction(async |txn| {
            let changes = alert_observe_in_txn(txn, &observations, now).await?;
            // A repetition, which may come each minute, is no change.
            if !changes.is_empty() {
                alert_record_heard_in_txn(txn, by.change(), &changes, now).await?;
            }
            Ok(changes)
        });
        let changes = work.await?;
        self.told.tell(&changes);
        let count = |is: fn(&AlertChange) -> bool| changes.iter().filter(|change| is(change)).count() as u64;
        let (opened, resolved) = (count(AlertChange::is_opened), count(AlertChange::is_resolved));
        Ok(AlertmanagerResponse { opened, resolved, unchanged: (heard.len() as u64).saturating_sub(opened + resolved) })
    }

    /// The automations that alerts name: by name, else by id. Those that are archived are not among them.
    async fn automations(&self, heard: &[Heard]) -> Result<HashMap<String, AutomationId>, Failure> {
        let named: BTreeSet<String> =
            heard.iter().filter_map(Heard::automation).filter(|name| !name.contains('\0')).map(str::to_owned).collect();
        let mut found: HashMap<String, AutomationId> =
            automation_find_named(&self.database, &Scope::All, &named).await?.into_iter().collect();
        let ids: Vec<AutomationId> = named.iter().filter(|name| !found.contains_key(*name)).filter_map(|name| name.parse().ok()).collect();
        let names = automation_list_names_unscoped(&self.database, &ids).await?;
        let current = automation_find_named(&self.database, &Scope::All, &names.values().cloned().collect()).await?;
        let is_current = |(id, name): &(AutomationId, String)| current.get(name) == Some(id);
        found.extend(names.into_iter().filter(is_current).map(|(id, _)| (id.to_string(), id)));
        Ok(found)
    }
}

fn heard(alert: AlertmanagerAlert) -> Heard {
    let AlertmanagerAlert { status, labels, annotations, starts_at, ends_at, generator_url, fingerprint } = alert;
    Heard { status, fingerprint, labels, annotations, starts_at, ends_at, url: generator_url }
}
