//! Adds, changes, lists and deletes calendars.

use api_types::{CalendarCreate, CalendarUpdate};
use auth::Permitted;
use domain::{Fault, calendar::Calendar, ids::CalendarId};
use runtime::{Editor, Failure, events::Event};
use serde_json::{Value, json};
use store::calendars::{
    Deletion, Filter, Stored, Summary, Update, calendar_delete, calendar_get_unscoped, calendar_insert, calendar_list_unscoped,
    calendar_update,
};
use uuid::Uuid;

use super::{Calendars, convert};

impl Calendars {
    pub(crate) async fn create(&self, by: &Editor, request: CalendarCreate) -> Result<Stored, Failure> {
        by.require_everywhere()?;
        let (id, now) = (CalendarId::new(Uuid::now_v7()), (self.clock)());
        let calendar = convert::created(request)?;
        let inserted = calendar_insert(&self.database, by.change(), id, &calendar, now).await;
        let stored = inserted.map_err(|error| name_taken(error, &calendar.name))?;
        self.announce(id, &calendar.name);
        Ok(stored)
    }

    pub(crate) async fn update(&self, by: &Editor, id: CalendarId, request: CalendarUpdate) -> Result<Stored, Failure> {
        by.require_everywhere()?;
        let current = self.get(by, id).await?;
        check_unchanged(&request, &current)?;
        let calendar = convert::changed(current.calendar.clone(), request)?;
        self.write(by, "calendar.update", current, calendar).await
    }

    /// Writes a calendar that was made of the `current` one.
    pub(super) async fn write(&self, by: &Editor, action: &'static str, current: Stored, calendar: Calendar) -> Result<Stored, Failure> {
        if calendar == current.calendar {
            return Ok(current);
        }
        let of = (current.id, current.revision);
        let updated = calendar_update(&self.database, (by.change(), action), of, &calendar, (self.clock)()).await;
        match updated.map_err(|error| name_taken(error, &calendar.name))? {
            Update::Done(stored) => {
                self.nudge.notify_one();
                self.announce(stored.id, &stored.calendar.name);
                Ok(*stored)
            }
            Update::Missing => Err(not_found(current.id)),
            Update::Outdated => Err(changed_meanwhile(current.id)),
        }
    }

    pub(crate) async fn delete(&self, by: &Editor, id: CalendarId) -> Result<(), Failure> {
        by.require_everywhere()?;
        match calendar_delete(&self.database, by.change(), id, (self.clock)()).await? {
            Deletion::Done(name) => {
                self.announce(id, &name);
                Ok(())
            }
            Deletion::Missing => Err(not_found(id)),
            Deletion::Used { count, schedules } => {
                let more = if count > schedules.len() as u64 { ", …" } else { "" };
                let names = schedules.iter().map(|(name, automation)| format!("\"{name}\" of automation {automation}"));
                let names = names.collect::<Vec<_>>().join(", ");
                let detail = format!("schedules use it ({count}): {names}{more}; give them another calendar first");
                Err(Failure::conflict("calendar_in_use", detail))
            }
            Deletion::UsedBySlas { count, names } => {
                let more = if count > names.len() as u64 { ", …" } else { "" };
                let names = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
                let detail = format!("SLA rules use it ({count}): {names}{more}; give them another calendar first");
                Err(Failure::conflict("calendar_in_use", detail))
            }
        }
    }

    pub(crate) async fn get(&self, _by: &Permitted, id: CalendarId) -> Result<Stored, Failure> {
        calendar_get_unscoped(&self.database, id).await?.ok_or_else(|| not_found(id))
    }

    pub(crate) async fn list(&self, _by: &Permitted, filter: &Filter) -> Result<Vec<Summary>, Failure> {
        Ok(calendar_list_unscoped(&self.database, filter).await?)
    }

    fn announce(&self, id: CalendarId, name: &str) {
        if self.events.has_receivers() {
            let data = [("calendar_id".to_owned(), id.to_string().into()), ("name".to_owned(), name.into())];
            let event = Event::new("calendar.changed", format!("calendars/{id}"), (self.clock)(), data.into_iter().collect());
            self.events.publish(event);
        }
    }
}

/// Checks that fields which this request cannot change have their current values.
fn check_unchanged(request: &CalendarUpdate, current: &Stored) -> Result<(), Failure> {
    if request.updated_at.is_some_and(|read| read != current.updated_at) {
        return Err(changed_meanwhile(current.id));
    }
    let given = [("id", &request.id), ("created_at", &request.created_at), ("updated_by", &request.updated_by)];
    let shown = json!({"id": current.id, "created_at": current.created_at, "updated_by": current.updated_by});
    let differs = |(name, given): &(&str, &Option<Value>)| given.as_ref().is_some_and(|given| *given != shown[*name]);
    let fault = |(name, _): (&str, _)| Fault::new(name, format!("is {} and not changed by this request", shown[name]));
    let faults: Vec<_> = given.into_iter().filter(differs).map(fault).collect();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}

fn name_taken(error: store::Error, name: &str) -> Failure {
    match error {
        store::Error::Duplicate(_) => Failure::conflict("name_taken", format!("a calendar named \"{name}\" exists")),
        other => other.into(),
    }
}

fn changed_meanwhile(id: CalendarId) -> Failure {
    Failure::conflict("changed_meanwhile", format!("calendar {id} was changed since it was read; read it again"))
}

fn not_found(id: CalendarId) -> Failure {
    Failure::NotFound(format!("calendar {id}"))
}
