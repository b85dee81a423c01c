//! What changes elsewhere and matters to rules: automations and pauses of queues.

use std::collections::{BTreeSet, HashMap};

use domain::policy::Pause;
use store::{
    Error,
    automations::automation_list_changed_unscoped,
    changes::{Subject, change_count},
    queues::queue_list_pauses_unscoped,
    slas::{sla_monitor_state, sla_monitor_state_put, sla_wake_of_automations},
};

use super::{Catalog, Evaluate};

/// Under this name the monitors keep the last change of an automation whose rules were woken.
const AUTOMATIONS: &str = "automations";

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Watch {
    /// The last change of an automation that is in the catalogue.
    automations: Option<i64>,
    /// Whether pauses of queues were read.
    has_pauses: bool,
}

impl Watch {
    /// Brings the catalogue up to date, and wakes the rules that a change matters to.
    pub(crate) async fn look(&mut self, evaluate: &Evaluate, catalog: &mut Catalog) -> Result<(), Error> {
        self.follow_automations(evaluate, catalog).await?;
        self.follow_pauses(evaluate, catalog).await
    }

    async fn follow_automations(&mut self, evaluate: &Evaluate, catalog: &mut Catalog) -> Result<(), Error> {
        let database = &evaluate.database;
        let count = change_count(database, Subject::Automations).await?;
        if self.automations == Some(count) {
            return Ok(());
        }
        let known = self.automations.filter(|known| *known <= count).unwrap_or_default();
        let (changed, _) = automation_list_changed_unscoped(database, known).await?;
        // What changed while no monitor ran counts too; another replica may have woken the rules already.
        let woken = sla_monitor_state(database, AUTOMATIONS).await?.and_then(|seen| seen.parse().ok()).unwrap_or(0_i64);
        let ids: Vec<_> = changed.iter().map(|automation| automation.id).collect();
        for automation in changed {
            catalog.put(automation);
        }
        if woken != count {
            let ids = if self.automations.is_some() {
                ids
            } else {
                automation_list_changed_unscoped(database, woken.min(count)).await?.0.into_iter().map(|automation| automation.id).collect()
            };
            if !ids.is_empty() {
                sla_wake_of_automations(database, &ids).await?;
            }
            sla_monitor_state_put(database, AUTOMATIONS, &count.to_string()).await?;
        }
        self.automations = Some(count);
        Ok(())
    }

    async fn follow_pauses(&mut self, evaluate: &Evaluate, catalog: &mut Catalog) -> Result<(), Error> {
        let pauses: HashMap<String, Pause> = queue_list_pauses_unscoped(&evaluate.database).await?.into_iter().collect();
        if pauses == catalog.queue_pauses {
            self.has_pauses = true;
            return Ok(());
        }
        let names = pauses.keys().chain(catalog.queue_pauses.keys());
        let changed: BTreeSet<String> = names.filter(|name| pauses.get(*name) != catalog.queue_pauses.get(*name)).cloned().collect();
        catalog.queue_pauses = pauses;
        if std::mem::replace(&mut self.has_pauses, true) {
            let ids = catalog.in_queues(&changed);
            if !ids.is_empty() {
                sla_wake_of_automations(&evaluate.database, &ids).await?;
            }
        }
        Ok(())
    }
}
