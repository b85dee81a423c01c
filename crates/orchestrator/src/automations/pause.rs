use api_types::PauseRequest;
use auth::Permitted;
use chrono::{DateTime, Utc};
use domain::{
    ids::AutomationId,
    policy::{Pause, pause_faults},
};
use runtime::{Editor, Failure};
use store::automations::Automation;

use super::Automations;
use crate::notices::Notice;

impl Automations {
    /// Pauses it: its pending jobs do not start. An existing pause is changed and keeps its beginning.
    pub(crate) async fn pause(&self, by: &Editor, id: AutomationId, request: PauseRequest) -> Result<Automation, Failure> {
        let current = self.get(by, id).await?;
        let now = (self.clock)();
        let pause = pause(request, current.pause, by, now)?;
        if !store::automations::automation_pause(&self.database, by.change(), id, &pause, now).await? {
            return Err(Failure::conflict("automation_archived", format!("automation {id} is archived")));
        }
        tracing::info!(automation.id = id.get(), user.name = pause.by, "automation paused");
        let automation = self.put(by, id).await?;
        self.announcer.automation("automation.paused", &automation);
        Ok(automation)
    }

    /// Resumes it.
    pub(crate) async fn resume(&self, by: &Editor, id: AutomationId) -> Result<Automation, Failure> {
        self.get(by, id).await?;
        if !store::automations::automation_resume(&self.database, by.change(), id, (self.clock)()).await? {
            return Err(Failure::conflict("wrong_state", format!("automation {id} is active, not paused")));
        }
        tracing::info!(automation.id = id.get(), user.name = %by.actor, "automation resumed");
        let automation = self.put(by, id).await?;
        self.announcer.automation("automation.resumed", &automation);
        self.notices.send(Notice::Candidates(vec![automation.draft.queue_name.clone()]));
        Ok(automation)
    }

    async fn put(&self, by: &Permitted, id: AutomationId) -> Result<Automation, Failure> {
        let automation = self.get(by, id).await?;
        self.catalog.put(automation.clone());
        Ok(automation)
    }
}

/// The requested pause; `before` is the existing one.
pub(crate) fn pause(request: PauseRequest, before: Option<Pause>, by: &Permitted, now: DateTime<Utc>) -> Result<Pause, Failure> {
    let reason = request.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let faults = pause_faults(request.until, reason.as_deref(), now);
    if !faults.is_empty() {
        return Err(Failure::Invalid(faults));
    }
    let at = before.filter(|before| before.holds(now)).map_or(now, |before| before.at);
    Ok(Pause { at, until: request.until, reason, by: by.name() })
}
