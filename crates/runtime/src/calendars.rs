use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{calendar::Calendar, ids::CalendarId};
use store::{
    Database, Error,
    calendars::{calendar_get_unscoped, calendar_list_revisions_unscoped},
};

/// How many own days all cached calendars have together, at most: some 40 MB.
const MAX_DAYS: usize = 200_000;

/// Parsed calendars by id and revision, so that a look costs one small query for all of them. Clones share it.
#[derive(Clone)]
pub struct CalendarCache {
    database: Database,
    known: Arc<Mutex<HashMap<CalendarId, Known>>>,
}

#[derive(Clone)]
struct Known {
    revision: i64,
    calendar: Arc<Calendar>,
}

impl CalendarCache {
    /// An empty one.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, known: Arc::default() }
    }

    /// These calendars as they are now; those that do not exist are missing.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn get(&self, ids: &BTreeSet<CalendarId>) -> Result<HashMap<CalendarId, Arc<Calendar>>, Error> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<_> = ids.iter().copied().collect();
        let mut found = HashMap::new();
        for (id, revision) in calendar_list_revisions_unscoped(&self.database, &ids).await? {
            let known = self.known().get(&id).filter(|known| known.revision == revision).map(|known| known.calendar.clone());
            let calendar = match known {
                Some(calendar) => calendar,
                None => match calendar_get_unscoped(&self.database, id).await? {
                    Some(stored) => self.keep(id, stored.revision, stored.calendar),
                    None => continue,
                },
            };
            found.insert(id, calendar);
        }
        Ok(found)
    }

    fn keep(&self, id: CalendarId, revision: i64, calendar: Calendar) -> Arc<Calendar> {
        let calendar = Arc::new(calendar);
        let mut known = self.known();
        known.insert(id, Known { revision, calendar: calendar.clone() });
        let days = |known: &HashMap<CalendarId, Known>| known.values().map(|known| known.calendar.days.len() + 1).sum::<usize>();
        if days(&known) > MAX_DAYS {
            known.retain(|other, _| *other == id);
        }
        calendar
    }

    fn known(&self) -> MutexGuard<'_, HashMap<CalendarId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
