//! What people call that which alerts and expectations are about.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    alert::Subject,
    ids::{AutomationId, ScheduleId, WorkerId},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::{
    Database, Error,
    automations::automation_list_names_unscoped,
    entity::{schedule, worker},
};

/// Ids of one statement: databases bound its parameters.
const MOST: usize = 5_000;

/// The names of these automations, workers and schedules. Other subjects are not in the answer, as their names are what they are, nor is what was
/// deleted.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn subject_names_unscoped(database: &Database, subjects: &BTreeSet<Subject>) -> Result<BTreeMap<Subject, String>, Error> {
    let (mut automations, mut workers, mut schedules): (Vec<AutomationId>, Vec<Uuid>, Vec<Uuid>) = Default::default();
    for subject in subjects {
        match subject {
            Subject::Automation(id) => automations.push(*id),
            Subject::Worker(id) => workers.push(id.get()),
            Subject::Schedule(id) => schedules.push(id.get()),
            Subject::Queue(_) | Subject::Hub(_) | Subject::External(_) => {}
        }
    }
    let connection = database.connection();
    let of_automations = automation_list_names_unscoped(database, &automations).await?;
    let mut names: BTreeMap<_, _> = of_automations.into_iter().map(|(id, name)| (Subject::Automation(id), name)).collect();
    for ids in workers.chunks(MOST) {
        use worker::Column as C;
        let query = worker::Entity::find().select_only().columns([C::Id, C::Name]).filter(C::Id.is_in(ids.iter().copied()));
        let rows: Vec<(Uuid, String)> = query.into_tuple().all(connection).await?;
        names.extend(rows.into_iter().map(|(id, name)| (Subject::Worker(WorkerId::new(id)), name)));
    }
    for ids in schedules.chunks(MOST) {
        use schedule::Column as C;
        let query = schedule::Entity::find().select_only().columns([C::Id, C::Name]).filter(C::Id.is_in(ids.iter().copied()));
        let rows: Vec<(Uuid, String)> = query.into_tuple().all(connection).await?;
        names.extend(rows.into_iter().map(|(id, name)| (Subject::Schedule(ScheduleId::new(id)), name)));
    }
    Ok(names)
}
