//! A cache of automations and queue pauses: everything that decides whether a request is accepted and whether a job may be dispatched, so
//! that no job step queries it. It is below the subjects, so that readers of automations do not import the code that changes them.

mod cached;
mod schema;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    ids::AutomationId,
    job::{Accepted, Complete, ParameterSchema, Rejection, Request},
    policy::Pause,
};
use runtime::{Failure, Pool};
use serde_json::{Map, Value};
use store::{Database, automations::Automation};

pub(crate) use self::cached::CachedAutomations;
use self::{cached::Entry, schema::Schema};

/// Maximum time until a change of another replica is seen.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Threads for schema checks, and the length of their queue.
const SCHEMA_THREADS: (usize, usize) = (2, 64);

/// Cached automations, so that a job costs no query for its automation.
pub(crate) struct Catalog {
    database: Database,
    cached: CachedAutomations,
    /// The last change that was read, and when that read began: no entry is older.
    read: Mutex<Option<(i64, Instant)>>,
    /// Number of writes of this replica. A read that began before the last write may be outdated and is not cached.
    writes: AtomicU64,
    schemas: Pool,
}

/// A read of the database, with the number of writes before it.
struct Reading {
    automations: Vec<Automation>,
    pauses: HashMap<String, Pause>,
    writes: u64,
    /// The last change among them.
    change: i64,
    begun: Instant,
}

impl Catalog {
    pub(crate) fn new(database: Database) -> Self {
        let (threads, waiting) = SCHEMA_THREADS;
        let schemas = Pool::new(threads, waiting);
        Self { database, cached: CachedAutomations::default(), read: Mutex::default(), writes: AtomicU64::new(0), schemas }
    }

    /// The automation, at most [`FRESH_FOR`] old.
    pub(crate) async fn get(&self, id: AutomationId) -> Result<Option<Arc<Entry>>, store::Error> {
        let all_read_at = self.last_read().map(|(_, at)| at);
        let is_fresh = |entry: &Arc<Entry>| all_read_at.map_or(entry.read_at, |at| at.max(entry.read_at)).elapsed() < FRESH_FOR;
        if let Some(entry) = self.cached.get(id).filter(is_fresh) {
            return Ok(Some(entry));
        }
        let writes = self.writes();
        let Some(automation) = store::automations::automation_get(&self.database, &Scope::All, id).await? else { return Ok(None) };
        Ok(Some(self.cache(automation, Some(writes))))
    }

    /// [`Catalog::get`] of an automation that must exist.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when there is none.
    pub(crate) async fn require(&self, id: AutomationId) -> Result<Arc<Entry>, Failure> {
        self.get(id).await?.ok_or_else(|| not_found(id))
    }

    /// Ensures that the automation is cached, at any age; `false` when there is none.
    pub(crate) async fn ensure_cached(&self, id: AutomationId) -> Result<bool, store::Error> {
        // A read that overlaps a write of this replica is not cached, and is repeated.
        while self.cached.get(id).is_none() {
            if self.get(id).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Caches an automation that this replica has just written.
    pub(crate) fn put(&self, automation: Automation) -> Arc<Entry> {
        self.wrote();
        self.cache(automation, None)
    }

    /// Caches an automation. With `writes`, the number of writes before it was read, only if this replica has not written since.
    fn cache(&self, automation: Automation, writes: Option<u64>) -> Arc<Entry> {
        let id = automation.id;
        let unchanged = self.cached.get(id).filter(|entry| entry.automation == automation);
        let schema = unchanged.map(|entry| entry.schema.clone()).unwrap_or_default();
        let entry = Arc::new(Entry { automation, schema, read_at: Instant::now() });
        self.cached.insert(entry.clone(), || writes.is_none_or(|writes| writes == self.writes()));
        entry
    }

    fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::SeqCst);
    }

    /// The cached automations, without the database.
    pub(crate) const fn cached(&self) -> &CachedAutomations {
        &self.cached
    }

    /// Caches a queue's pause that this replica has just written.
    pub(crate) fn put_queue_pause(&self, queue: &str, pause: Option<Pause>) {
        self.wrote();
        self.cached.set_queue_pause(queue, pause);
    }

    /// Reads the automations that changed since the last refresh (the first time all) and the queue pauses. Includes archived automations,
    /// whose pending jobs keep their limits. Returns the queues whose profile another replica has changed.
    pub(crate) async fn refresh(&self) -> Result<Vec<String>, store::Error> {
        let is_first = self.last_read().is_none();
        let reading = self.read().await?;
        let is_changed = |automation: &&Automation| {
            let (draft, known) = (&automation.draft, self.cached.get(automation.id));
            let before = known.as_ref().map(|entry| (entry.automation.draft.queue_profile, &entry.automation.draft.queue_name));
            draft.queue_profile.is_some() && before != Some((draft.queue_profile, &draft.queue_name))
        };
        let changed = reading.automations.iter().filter(|_| !is_first).filter(is_changed);
        let queues = changed.map(|automation| automation.draft.queue_name.clone()).collect();
        self.cache_all(reading);
        Ok(queues)
    }

    async fn read(&self) -> Result<Reading, store::Error> {
        let (writes, begun) = (self.writes(), Instant::now());
        // Counters start at 0, which automations from before the counter have, too.
        let after = self.last_read().map_or(-1, |(change, _)| change);
        let (automations, change) = store::automations::automation_list_changed_unscoped(&self.database, after).await?;
        let pauses = store::queues::queue_list_pauses_unscoped(&self.database).await?.into_iter().collect();
        Ok(Reading { automations, pauses, writes, change, begun })
    }

    fn last_read(&self) -> Option<(i64, Instant)> {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache_all(&self, reading: Reading) {
        for automation in reading.automations {
            self.cache(automation, Some(reading.writes));
        }
        if self.writes() != reading.writes {
            // Part of it was not cached; the next refresh reads it again.
            return;
        }
        self.cached.set_queue_pauses(reading.pauses);
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((reading.change, reading.begun));
    }
}

impl Catalog {
    /// Accepts a request for a job of this automation; an expensive validation runs on the schema threads. What the cached automation refuses is
    /// judged again by the stored one, which another replica may have changed a moment ago.
    ///
    /// # Errors
    /// The rejection as a [`Failure`], and [`Failure::Overloaded`] when too many validations wait.
    pub(crate) async fn accept(&self, entry: &Arc<Entry>, request: Request, now: DateTime<Utc>) -> Result<Accepted, Failure> {
        let again = entry.may_refuse().then(|| request.clone());
        match (self.judge(entry, request, now).await, again) {
            (Err(refused @ (Failure::Invalid(_) | Failure::Conflict { .. })), Some(request)) => match self.newer(entry).await? {
                Some(newer) => self.judge(&newer, request, now).await,
                None => Err(refused),
            },
            (judged, _) => judged,
        }
    }

    async fn judge(&self, entry: &Arc<Entry>, request: Request, now: DateTime<Utc>) -> Result<Accepted, Failure> {
        let id = entry.automation.id;
        let complete = Complete::new(entry.automation.rules(), request);
        let outcome = if entry.is_checked_at_once(complete.parameters()) {
            complete.accept(entry.automation.rules(), entry.as_ref(), now)
        } else {
            let entry = entry.clone();
            self.schemas.run(move || complete.accept(entry.automation.rules(), entry.as_ref(), now)).await?
        };
        outcome.map_err(|rejection| rejected(id, rejection))
    }

    /// The automation as it is stored, if it is not what is cached.
    async fn newer(&self, entry: &Entry) -> Result<Option<Arc<Entry>>, store::Error> {
        let writes = self.writes();
        let stored = store::automations::automation_get(&self.database, &Scope::All, entry.automation.id).await?;
        Ok(stored.filter(|stored| *stored != entry.automation).map(|stored| self.cache(stored, Some(writes))))
    }

    /// Validates a schema in its stored form and returns it.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when it is not a schema or too expensive, [`Failure::Overloaded`] when too many validations wait.
    pub(crate) async fn check_schema(&self, schema: Value) -> Result<Value, Failure> {
        let check = move || Schema::compile(&schema).map(|_| schema).map_err(Failure::Invalid);
        self.schemas.run(check).await?
    }
}

impl ParameterSchema for Entry {
    fn check(&self, parameters: &Map<String, Value>) -> Result<(), Rejection> {
        if self.automation.draft.parameter_schema.is_none() {
            return Ok(());
        }
        let schema = self.schema().map_err(|reason| Rejection::SchemaUnusable(reason.clone()))?;
        schema.check(parameters).map_err(Rejection::Invalid)
    }
}

impl Entry {
    /// Whether a request for a job may be refused because of what the automation is.
    fn may_refuse(&self) -> bool {
        let draft = &self.automation.draft;
        self.automation.archived_at.is_some() || draft.parameter_schema.is_some() || draft.policy.concurrency_key.is_some()
    }

    /// Whether validating these parameters is cheap enough for the caller's thread.
    fn is_checked_at_once(&self, parameters: &Map<String, Value>) -> bool {
        let is_quick = |schema: &Result<Schema, String>| schema.as_ref().map_or(true, |schema| schema.is_quick(parameters));
        self.automation.draft.parameter_schema.is_none() || self.schema.get().is_some_and(is_quick)
    }

    /// The schema, compiled on first use.
    fn schema(&self) -> Result<&Schema, &String> {
        let source = self.automation.draft.parameter_schema.as_ref().unwrap_or(&Value::Bool(true));
        let compile = || Schema::compile(source).map_err(|faults| Failure::Invalid(faults).to_string());
        self.schema.get_or_init(compile).as_ref()
    }
}

pub(crate) fn not_found(id: AutomationId) -> Failure {
    Failure::NotFound(format!("automation {id}"))
}

/// A rejection as a failure.
pub(crate) fn rejected(id: AutomationId, rejection: Rejection) -> Failure {
    match rejection {
        Rejection::Archived => Failure::conflict("automation_archived", format!("automation {id} is archived")),
        Rejection::Invalid(faults) => Failure::Invalid(faults),
        Rejection::SchemaUnusable(reason) => {
            Failure::conflict("schema_unusable", format!("the parameter_schema of automation {id} cannot be used; change it: {reason}"))
        }
        Rejection::NotDeadLettered(_) => Failure::conflict("wrong_state", rejection.to_string()),
    }
}
