//! Creates, changes, lists, deletes and sends report plans.

use api_types::{ReportPlan, ReportPlanCreate, ReportPlanSent, ReportPlanUpdate};
use auth::Permitted;
use domain::{
    Fault, Scope,
    ids::ReportPlanId,
    notification::{ChannelKind, channel::Weekday},
    report::{MAX_CHANNELS, Period, Plan},
    schedule::input,
};
use runtime::{Editor, Failure};
use store::{
    channels::channel_get,
    domains::domain_get,
    report_plans::{
        Filter, Stored, report_plan_delete_in_txn, report_plan_get, report_plan_insert_in_txn, report_plan_list, report_plan_lock_in_txn,
        report_plan_send_now, report_plan_update_in_txn,
    },
};
use uuid::Uuid;

use super::{Plans, missing, shown};

impl Plans {
    pub(crate) async fn create(&self, by: &Editor, request: ReportPlanCreate) -> Result<ReportPlan, Failure> {
        by.require_everywhere()?;
        let ReportPlanCreate { name, period, weekday, at, timezone, domain_id, channels, enabled } = request;
        let at = input::time_of_day("at", &at).map_err(|fault| Failure::Invalid(vec![fault]))?;
        let weekday = weekday.or((period == Period::Weekly).then_some(Weekday::Monday));
        let timezone = timezone.unwrap_or_else(|| self.reports.zone.name().to_owned());
        let plan = Plan { name, period, weekday, at, timezone, domain_id, channels, enabled };
        self.check(&plan).await?;
        let now = (self.reports.clock)();
        let stored = Stored {
            id: Uuid::now_v7().into(),
            due_at: self.due_at(&plan)?,
            plan,
            last_sent_at: None,
            revision: 1,
            created_at: now,
            created_by: by.name(),
            updated_at: now,
            updated_by: by.name(),
        };
        let txn = self.reports.database.begin().await?;
        report_plan_insert_in_txn(&txn, by.change(), &stored).await.map_err(|error| refused(error, &stored.plan))?;
        txn.commit().await?;
        Ok(shown(stored))
    }

    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<ReportPlan>, Failure> {
        by.require_everywhere()?;
        Ok(report_plan_list(&self.reports.database, filter).await?.into_iter().map(shown).collect())
    }

    pub(crate) async fn get(&self, by: &Permitted, id: ReportPlanId) -> Result<ReportPlan, Failure> {
        Ok(shown(self.find(by, id).await?))
    }

    async fn find(&self, by: &Permitted, id: ReportPlanId) -> Result<Stored, Failure> {
        by.require_everywhere()?;
        report_plan_get(&self.reports.database, id).await?.ok_or_else(|| missing(id))
    }

    pub(crate) async fn update(&self, by: &Editor, id: ReportPlanId, request: ReportPlanUpdate) -> Result<ReportPlan, Failure> {
        let found = self.find(by, id).await?;
        let revision = request.revision;
        let plan = changed(found.plan.clone(), request)?;
        self.check(&plan).await?;
        let txn = self.reports.database.begin().await?;
        let before = report_plan_lock_in_txn(&txn, id).await?.ok_or_else(|| missing(id))?;
        if before.revision != found.revision || revision.is_some_and(|revision| revision != found.revision) {
            return Err(Failure::conflict("changed_meanwhile", format!("report plan {id} was changed since it was read; read it again")));
        }
        if plan == before.plan {
            return Ok(shown(before));
        }
        let after = Stored {
            due_at: self.due_at(&plan)?,
            plan,
            updated_at: (self.reports.clock)(),
            updated_by: by.name(),
            revision: before.revision + 1,
            ..before.clone()
        };
        report_plan_update_in_txn(&txn, by.change(), (&before, &after)).await.map_err(|error| refused(error, &after.plan))?;
        txn.commit().await?;
        Ok(shown(after))
    }

    pub(crate) async fn delete(&self, by: &Editor, id: ReportPlanId) -> Result<(), Failure> {
        by.require_everywhere()?;
        let txn = self.reports.database.begin().await?;
        let stored = report_plan_lock_in_txn(&txn, id).await?.ok_or_else(|| missing(id))?;
        report_plan_delete_in_txn(&txn, by.change(), &stored, (self.reports.clock)()).await?;
        txn.commit().await?;
        Ok(())
    }

    /// Sends the report of the last period now, besides its times.
    pub(crate) async fn send(&self, by: &Editor, id: ReportPlanId) -> Result<ReportPlanSent, Failure> {
        let stored = self.find(by, id).await?;
        let now = (self.reports.clock)();
        let messages = self.messages(&stored.plan, now).await?;
        if messages.is_empty() {
            return Err(Failure::conflict("wrong_state", "every channel of the plan is switched off".to_owned()));
        }
        report_plan_send_now(&self.reports.database, by.change(), (&stored, &messages), now).await?;
        self.planned.notify_one();
        Ok(ReportPlanSent { notifications: messages.into_iter().map(|(_, message)| message.id).collect() })
    }

    fn due_at(&self, plan: &Plan) -> Result<Option<chrono::DateTime<chrono::Utc>>, Failure> {
        let zone = input::zone(&plan.timezone, &self.reports.zones).map_err(|fault| Failure::Invalid(vec![fault]))?;
        Ok(plan.due_after((self.reports.clock)(), &zone).filter(|_| plan.enabled))
    }

    async fn check(&self, plan: &Plan) -> Result<(), Failure> {
        let mut found = plan.faults(&self.reports.zones);
        for (nth, id) in plan.channels.iter().take(MAX_CHANNELS).enumerate() {
            let fault = match channel_get(&self.reports.database, *id).await? {
                None => Some(format!("there is no channel {id}")),
                Some(channel) if channel.kind() != ChannelKind::Email => {
                    Some(format!("is a channel of {}; reports are sent by e-mail", channel.kind()))
                }
                Some(_) => None,
            };
            found.extend(fault.map(|fault| Fault::new(format!("channels/{nth}"), fault)));
        }
        if let Some(id) = plan.domain_id
            && domain_get(&self.reports.database, &Scope::All, id).await?.is_none()
        {
            found.push(no_domain(plan));
        }
        if found.is_empty() { Ok(()) } else { Err(Failure::Invalid(found)) }
    }
}

/// Applies a request to a plan.
fn changed(mut plan: Plan, request: ReportPlanUpdate) -> Result<Plan, Failure> {
    let ReportPlanUpdate { name, period, weekday, at, timezone, domain_id, channels, enabled, revision: _ } = request;
    let has_weekday = weekday.is_some();
    plan.name = name.unwrap_or(plan.name);
    plan.weekday = weekday.unwrap_or(plan.weekday);
    plan.timezone = timezone.unwrap_or(plan.timezone);
    plan.domain_id = domain_id.unwrap_or(plan.domain_id);
    plan.channels = channels.unwrap_or(plan.channels);
    plan.enabled = enabled.unwrap_or(plan.enabled);
    if let Some(at) = at {
        plan.at = input::time_of_day("at", &at).map_err(|fault| Failure::Invalid(vec![fault]))?;
    }
    if let Some(period) = period {
        plan.period = period;
        // The day belongs to the period that was.
        plan.weekday = plan.weekday.filter(|_| period == Period::Weekly || has_weekday);
    }
    if plan.period == Period::Weekly {
        plan.weekday = plan.weekday.or(Some(Weekday::Monday));
    }
    Ok(plan)
}

fn no_domain(plan: &Plan) -> Fault {
    Fault::new("domain_id", format!("there is no domain {}", plan.domain_id.unwrap_or_default()))
}

fn refused(error: store::Error, plan: &Plan) -> Failure {
    match error {
        store::Error::Duplicate(_) => Failure::conflict("name_taken", format!("a report plan named \"{}\" exists", plan.name)),
        store::Error::Dangling(_) => Failure::Invalid(vec![no_domain(plan)]),
        other => other.into(),
    }
}
