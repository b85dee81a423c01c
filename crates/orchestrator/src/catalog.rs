//! A cache of the automations and of the pauses of queues, with what of an automation decides about its jobs: whether a request is accepted, and
//! whether a job may be dispatched. It stands below the subjects, so that whoever reads automations does not import those who change them.

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

/// How long another replica's change may stay unseen.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Threads for schemas, and what may wait for them.
const SCHEMA_THREADS: (usize, usize) = (2, 64);

/// Automations as read lately, so that a job does not cost a query to learn what it runs.
pub(crate) struct Catalog {
    database: Database,
    cached: CachedAutomations,
    /// The last change that was read, and when that reading began: no entry is older.
    read: Mutex<Option<(i64, Instant)>>,
    /// How often this replica wrote. What was read before its last write may be older than that, and is not taken in.
    writes: AtomicU64,
    schemas: Pool,
}

/// What was read of the database, and how often this replica had written before.
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
        Ok(Some(self.take_in(automation, Some(writes))))
    }

    /// [`Catalog::get`] of an automation that must be there.
    ///
    /// # Errors
    /// [`Failure::NotFound`] when there is none.
    pub(crate) async fn require(&self, id: AutomationId) -> Result<Arc<Entry>, Failure> {
        self.get(id).await?.ok_or_else(|| not_found(id))
    }

    /// Makes sure that the automation is cached, however old; `false` when there is none.
    pub(crate) async fn ensure_cached(&self, id: AutomationId) -> Result<bool, store::Error> {
        // A read that met a write of this replica is not cached and is done again.
        while self.cached.get(id).is_none() {
            if self.get(id).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes in what was just written.
    pub(crate) fn put(&self, automation: Automation) -> Arc<Entry> {
        self.wrote();
        self.take_in(automation, None)
    }

    /// Takes in an automation; one that was read, when this replica had written so often, only if it has not written since.
    fn take_in(&self, automation: Automation, writes: Option<u64>) -> Arc<Entry> {
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

    /// What is cached, without the database.
    pub(crate) const fn cached(&self) -> &CachedAutomations {
        &self.cached
    }

    /// Takes in a pause of a queue that was just written.
    pub(crate) fn put_queue_pause(&self, queue: &str, pause: Option<Pause>) {
        self.wrote();
        self.cached.set_queue_pause(queue, pause);
    }

    /// Reads the automations that changed since the last time, at first all, and the pauses of queues. Those that are archived too: their jobs
    /// that wait keep their limits.
    pub(crate) async fn refresh(&self) -> Result<(), store::Error> {
        self.take_in_all(self.read().await?);
        Ok(())
    }

    async fn read(&self) -> Result<Reading, store::Error> {
        let (writes, begun) = (self.writes(), Instant::now());
        // Counters begin with 0, which is also that of the automations that were there before them.
        let after = self.last_read().map_or(-1, |(change, _)| change);
        let (automations, change) = store::automations::automation_list_changed_unscoped(&self.database, after).await?;
        let pauses = store::queues::queue_list_pauses_unscoped(&self.database).await?.into_iter().collect();
        Ok(Reading { automations, pauses, writes, change, begun })
    }

    fn last_read(&self) -> Option<(i64, Instant)> {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in_all(&self, reading: Reading) {
        for automation in reading.automations {
            self.take_in(automation, Some(reading.writes));
        }
        if self.writes() != reading.writes {
            // Some of it was not taken in, and is read again.
            return;
        }
        self.cached.set_queue_pauses(reading.pauses);
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((reading.change, reading.begun));
    }
}

impl Catalog {
    /// Accepts a request for a job of this automation, beside the threads that serve when its check is large.
    ///
    /// # Errors
    /// The rejection as a [`Failure`], and [`Failure::Overloaded`] when too many large checks wait.
    pub(crate) async fn accept(&self, entry: &Arc<Entry>, request: Request, now: DateTime<Utc>) -> Result<Accepted, Failure> {
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

    /// Checks a schema in its stored form, and gives it back.
    ///
    /// # Errors
    /// [`Failure::Invalid`] when it is no schema or costs too much, [`Failure::Overloaded`] when too many large checks wait.
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
    /// Whether a check of these parameters is over at once.
    fn is_checked_at_once(&self, parameters: &Map<String, Value>) -> bool {
        let is_quick = |schema: &Result<Schema, String>| schema.as_ref().map_or(true, |schema| schema.is_quick(parameters));
        self.automation.draft.parameter_schema.is_none() || self.schema.get().is_some_and(is_quick)
    }

    /// The schema, made ready when it is not.
    fn schema(&self) -> Result<&Schema, &String> {
        let source = self.automation.draft.parameter_schema.as_ref().unwrap_or(&Value::Bool(true));
        let compile = || Schema::compile(source).map_err(|faults| Failure::Invalid(faults).to_string());
        self.schema.get_or_init(compile).as_ref()
    }
}

pub(crate) fn not_found(id: AutomationId) -> Failure {
    Failure::NotFound(format!("automation {id}"))
}

/// Why a request is no job, as a failure.
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
