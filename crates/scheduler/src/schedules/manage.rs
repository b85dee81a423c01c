//! Creates, changes, lists and deletes schedules.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use api_types::{ScheduleFilter, ScheduleUpdate};
use auth::Permitted;
use chrono::{DateTime, Utc};
use domain::{
    Fault, Scope,
    calendar::Calendar,
    ids::{AutomationId, CalendarId, ScheduleId},
    job::environment_fault,
    json,
    permission::Permission,
    schedule::{ScheduleState, input, placeholder},
};
use runtime::{Editor, Failure, events::Event, page_size, reach};
use serde_json::Value;
use store::schedules::{
    self, Draft, Filter, Schedule, Update, automation_list_standing_unscoped, fire_list_last, fire_list_newest, schedule_delete,
    schedule_get, schedule_insert, schedule_list, schedule_list_pauses, schedule_update,
};
use uuid::Uuid;

use super::{
    Schedules, compile,
    convert::{FIRES, Shown},
    draft,
};

/// How many names are tried for a schedule that has none.
const MAX_NAMES: usize = 10_000;

impl Schedules {
    pub(crate) async fn create(&self, by: &Editor, mut request: ScheduleUpdate) -> Result<api_types::Schedule, Failure> {
        let missing = || Failure::field("automation_id", "must be given");
        let automation_id = request.automation_id.ok_or_else(missing)?;
        self.check_automation(by, automation_id).await?;
        let (id, now) = (ScheduleId::new(Uuid::now_v7()), (self.clock)());
        let name = match request.name.take() {
            Some(name) => name.trim().to_owned(),
            None => self.free_name(automation_id).await?,
        };
        let (draft, faults) = draft::created(draft::empty(automation_id, name, self.zone.name().to_owned()), request, now);
        self.check(id, (&draft, None), faults, now).await?;
        let created = schedule_insert(&self.database, by.change(), id, &draft, now).await;
        let schedule = created.map_err(|error| not_written(error, &draft))?;
        self.announce("schedule.created", &schedule);
        self.shown(by, &schedule).await
    }

    pub(crate) async fn update(&self, by: &Editor, id: ScheduleId, request: ScheduleUpdate) -> Result<api_types::Schedule, Failure> {
        let current = self.get(by, id).await?;
        let revision = request.revision;
        check_unchanged(&request, &current)?;
        let now = (self.clock)();
        let (draft, faults) = draft::changed(current.draft.clone(), request, now);
        self.check(id, (&draft, Some(&current.draft)), faults, now).await?;
        // What was read must still be there: a change is made of it.
        let expected = Some(revision.unwrap_or(current.revision));
        let updated = schedule_update(&self.database, (by.scope(), by.change()), (id, expected), &draft, now).await;
        let schedule = match updated.map_err(|error| not_written(error, &draft))? {
            Update::Done(schedule) => *schedule,
            Update::Missing => return Err(not_found(id)),
            Update::Stale(_) => return Err(changed_meanwhile(id)),
        };
        self.announce("schedule.updated", &schedule);
        self.shown(by, &schedule).await
    }

    pub(crate) async fn delete(&self, by: &Editor, id: ScheduleId) -> Result<(), Failure> {
        let schedule = self.get(by, id).await?;
        if !schedule_delete(&self.database, (by.scope(), by.change()), id, (self.clock)()).await? {
            return Err(not_found(id));
        }
        self.announce("schedule.deleted", &schedule);
        Ok(())
    }

    /// The schedule, where the caller may do what the request does.
    pub(crate) async fn get(&self, by: &Permitted, id: ScheduleId) -> Result<Schedule, Failure> {
        let find = async |scope: &Scope| schedule_get(&self.database, scope, id).await;
        reach(by, Permission::RobotRead, format_args!("schedule {id}"), find).await
    }

    /// One schedule for the API.
    pub(crate) async fn shown(&self, by: &Permitted, schedule: &Schedule) -> Result<api_types::Schedule, Failure> {
        let fires = fire_list_last(&self.database, by.scope(), schedule.id, FIRES as u64).await?;
        self.all_shown(std::slice::from_ref(schedule), fires).await?.pop().ok_or_else(|| not_found(schedule.id))
    }

    /// A page of schedules, and the last of them if there may be more.
    pub(crate) async fn list(
        &self,
        by: &Permitted,
        query: ScheduleFilter,
    ) -> Result<(Vec<api_types::Schedule>, Option<ScheduleId>), Failure> {
        let limit = page_size(query.limit, 100, 1000)?;
        let ScheduleFilter { limit: _, after, automation_id, domain, calendar_id, name, search, state, disabled } = query;
        let states: Vec<ScheduleState> = state.map(|state| wanted_state(&state)).transpose()?.into_iter().collect();
        // Seed clients list those that are switched on; who asks for a state has it whatever it is.
        let enabled = (!disabled && states.is_empty()).then_some(true);
        let filter =
            Filter { automation_id, domain, calendar_id, enabled, states, name, search, limit: limit.into(), after, ..Filter::default() };
        let found = schedule_list(&self.database, by.scope(), &filter).await?;
        let ids: Vec<ScheduleId> = found.iter().map(|schedule| schedule.id).collect();
        let fires = fire_list_newest(&self.database, by.scope(), &ids).await?;
        let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id);
        Ok((self.all_shown(&found, fires).await?, next))
    }

    /// Schedules for the API, with their fires among `fires`.
    async fn all_shown(&self, found: &[Schedule], fires: Vec<schedules::Fire>) -> Result<Vec<api_types::Schedule>, Failure> {
        let ids: Vec<ScheduleId> = found.iter().map(|schedule| schedule.id).collect();
        let automations: Vec<AutomationId> = found.iter().map(|schedule| schedule.draft.automation_id).collect();
        let now = (self.clock)();
        let names = store::automations::automation_list_names_unscoped(&self.database, &automations).await?;
        let standings = automation_list_standing_unscoped(&self.database, &automations, now).await?;
        let calendars = self.calendars.get(&calendar_ids(found.iter().map(|schedule| &schedule.draft))).await?;
        // The schedules themselves were found in scope.
        let pauses = schedule_list_pauses(&self.database, &Scope::All, &ids).await?;
        let (found, zones) = (found.to_vec(), self.zones.clone());
        let show = move || -> Vec<api_types::Schedule> {
            let one = |schedule: &Schedule| {
                let compiled = compile(schedule.id, &schedule.draft, &zones, &calendars).ok()?;
                let automation = schedule.draft.automation_id;
                let state = standings.get(&automation).map(|standing| standing.state).unwrap_or_default();
                let own_pauses: Vec<_> = pauses.iter().filter(|paused| paused.schedule_id == schedule.id).cloned().collect();
                let own_fires: Vec<_> = fires.iter().filter(|fire| fire.schedule_id == schedule.id).cloned().collect();
                let name = names.get(&automation).map_or("", String::as_str);
                let shown = Shown { schedule, compiled: &compiled, automation: (name, state), pauses: &own_pauses, last_fires: &own_fires };
                Some(shown.at(now))
            };
            found.iter().filter_map(one).collect()
        };
        beside(show).await
    }

    /// Every fault of a draft. While its times stay, those that the stored one has already are not the request's: what ended is still renamed.
    pub(super) async fn check(
        &self,
        id: ScheduleId,
        (draft, before): (&Draft, Option<&Draft>),
        mut faults: Vec<Fault>,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let calendars = self.calendars.get(&calendar_ids([Some(draft), before].into_iter().flatten())).await?;
        if faults.is_empty() {
            let (draft, before, zones) = (draft.clone(), before.cloned(), self.zones.clone());
            faults = beside(move || {
                // Switching it off or on does not say when it is due.
                let same = before.filter(|before| !Draft { enabled: before.enabled, ..draft.clone() }.differs_in_times(before));
                let known = same.map(|before| draft_faults(id, &before, (&zones, &calendars), now)).unwrap_or_default();
                let found = draft_faults(id, &draft, (&zones, &calendars), now);
                found.into_iter().filter(|fault| !known.contains(fault)).collect()
            })
            .await?;
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
    }

    /// The automation takes schedules of the caller.
    async fn check_automation(&self, by: &Permitted, id: AutomationId) -> Result<(), Failure> {
        let find = async |scope: &Scope| store::automations::automation_get(&self.database, scope, id).await;
        let automation = reach(by, Permission::RobotRead, format_args!("automation {id}"), find).await?;
        if automation.archived_at.is_some() {
            return Err(Failure::conflict("automation_archived", format!("automation {id} is archived")));
        }
        Ok(())
    }

    /// `Schedule 1`, or the first number that no schedule of the automation has.
    async fn free_name(&self, automation_id: AutomationId) -> Result<String, Failure> {
        let filter = Filter { automation_id: Some(automation_id), ..Filter::default() };
        let taken: BTreeSet<String> =
            schedule_list(&self.database, &Scope::All, &filter).await?.into_iter().map(|schedule| schedule.draft.name).collect();
        let names = (1..=MAX_NAMES).map(|number| format!("Schedule {number}"));
        let free = names.into_iter().find(|name| !taken.contains(name));
        free.ok_or_else(|| Failure::field("name", "must be given: the automation has very many schedules"))
    }

    /// Tells others of a change, and has the loop look at once.
    pub(super) fn announce(&self, kind: &'static str, schedule: &Schedule) {
        let automation = schedule.draft.automation_id.get();
        tracing::info!(schedule.id = %schedule.id, automation.id = automation, kind, "schedule changed");
        self.nudge.notify_one();
        if self.events.has_receivers() {
            let (id, name) = (schedule.id.to_string(), schedule.draft.name.as_str());
            let data = [("schedule_id", Value::from(id)), ("automation_id", automation.into()), ("name", name.into())];
            let data = data.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
            self.events.publish(Event::new(kind, format!("schedules/{}", schedule.id), (self.clock)(), data));
        }
    }
}

/// Runs what may take long away from the threads that serve requests.
pub(super) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::Internal(error.to_string()))
}

pub(super) fn calendar_ids<'a>(drafts: impl IntoIterator<Item = &'a Draft>) -> BTreeSet<CalendarId> {
    drafts.into_iter().filter_map(|draft| draft.calendar.map(|calendar| calendar.id)).collect()
}

/// Every fault of a draft that is to be saved.
pub(super) fn draft_faults(
    id: ScheduleId,
    draft: &Draft,
    (zones, calendars): (&domain::schedule::Zones, &HashMap<CalendarId, Arc<Calendar>>),
    now: DateTime<Utc>,
) -> Vec<Fault> {
    let mut faults: Vec<_> = input::name_fault(&draft.name).into_iter().collect();
    faults.extend(match compile(id, draft, zones, calendars) {
        Ok(schedule) => schedule.faults(now),
        Err(faults) => faults,
    });
    faults.extend(json::unkept(&draft.parameters).into_iter().map(|fault| fault.under("parameters")));
    faults.extend(placeholder::faults(&Value::Object(draft.parameters.clone())));
    faults.extend(environment_fault(draft.environment.as_deref()));
    faults
}

fn wanted_state(state: &str) -> Result<ScheduleState, Failure> {
    let bad = |error: domain::wire::UnknownName| Failure::BadQuery(vec![Fault::new("state", error.to_string())]);
    state.parse().map_err(bad)
}

/// Checks that fields which this request cannot change have their current values.
fn check_unchanged(request: &ScheduleUpdate, current: &Schedule) -> Result<(), Failure> {
    if request.revision.is_some_and(|revision| revision != current.revision) {
        return Err(changed_meanwhile(current.id));
    }
    let automation = current.draft.automation_id;
    if request.automation_id.is_some_and(|id| id != automation) {
        let message = format!("is {automation} and not changed by this request: create a schedule of the other automation");
        return Err(Failure::field("automation_id", message));
    }
    let id = Value::from(current.id.to_string());
    if request.id.as_ref().is_some_and(|given| *given != id) {
        return Err(Failure::field("id", format!("is {id} and not changed by this request")));
    }
    Ok(())
}

/// Why a schedule was not written.
pub(super) fn not_written(error: store::Error, Draft { name, automation_id, .. }: &Draft) -> Failure {
    match error {
        store::Error::Duplicate(_) => {
            Failure::conflict("name_taken", format!("automation {automation_id} has a schedule named \"{name}\""))
        }
        store::Error::Dangling(field) => Failure::field(field, "does not exist"),
        other => other.into(),
    }
}

pub(super) fn changed_meanwhile(id: ScheduleId) -> Failure {
    Failure::conflict("changed_meanwhile", format!("schedule {id} was changed since it was read; read it again"))
}

pub(super) fn not_found(id: ScheduleId) -> Failure {
    Failure::NotFound(format!("schedule {id}"))
}
