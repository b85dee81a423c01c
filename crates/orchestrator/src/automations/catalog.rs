mod pauses;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{Scope, automation::QueueProfile, ids::AutomationId, policy::Pause};
use runtime::{Failure, Pool};
use serde_json::{Map, Value};
use store::{Database, automations::Automation};

use super::schema::Schema;

/// How long another replica's change may stay unseen.
const FRESH_FOR: Duration = Duration::from_secs(1);
/// Threads for schemas, and what may wait for them.
const SCHEMA_THREADS: (usize, usize) = (2, 64);

/// An automation with its schema.
pub(crate) struct Entry {
    pub(crate) automation: Automation,
    /// Made ready by the first check. Why it cannot be used, of one that was stored when more was allowed.
    schema: Arc<OnceLock<Result<Schema, String>>>,
    read_at: Instant,
}

/// Automations as read lately, so that a job does not cost a query to learn what it runs.
pub(crate) struct Catalog {
    database: Database,
    entries: RwLock<Entries>,
    queue_pauses: RwLock<HashMap<String, Pause>>,
    /// The last change that was read, and when that reading began: no entry is older.
    read: Mutex<Option<(i64, Instant)>>,
    /// How often this replica wrote. What was read before its last write may be older than that, and is not taken in.
    writes: AtomicU64,
    schemas: Pool,
}

/// Automations by id, and which of them have a pause, which may have ended.
#[derive(Default)]
struct Entries {
    by_id: HashMap<AutomationId, Arc<Entry>>,
    paused: BTreeSet<AutomationId>,
}

impl Entries {
    fn insert(&mut self, entry: Arc<Entry>) {
        let id = entry.automation.id;
        match entry.automation.pause {
            Some(_) => self.paused.insert(id),
            None => self.paused.remove(&id),
        };
        self.by_id.insert(id, entry);
    }
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
        Self {
            database,
            entries: RwLock::default(),
            queue_pauses: RwLock::default(),
            read: Mutex::default(),
            writes: AtomicU64::new(0),
            schemas,
        }
    }

    /// The automation, at most [`FRESH_FOR`] old.
    pub(crate) async fn get(&self, id: AutomationId) -> Result<Option<Arc<Entry>>, store::Error> {
        let all_read_at = self.last_read().map(|(_, at)| at);
        let is_fresh = |entry: &Arc<Entry>| all_read_at.map_or(entry.read_at, |at| at.max(entry.read_at)).elapsed() < FRESH_FOR;
        if let Some(entry) = self.cached(id).filter(is_fresh) {
            return Ok(Some(entry));
        }
        let writes = self.writes();
        let Some(automation) = store::automations::automation_get(&self.database, &Scope::All, id).await? else { return Ok(None) };
        Ok(Some(self.take_in(automation, Some(writes))))
    }

    /// The automation, however old what is known of it; read when nothing is.
    pub(crate) async fn get_stale(&self, id: AutomationId) -> Result<Option<Arc<Entry>>, store::Error> {
        match self.cached(id) {
            Some(entry) => Ok(Some(entry)),
            None => self.get(id).await,
        }
    }

    /// Takes in what was just written.
    pub(crate) fn put(&self, automation: Automation) -> Arc<Entry> {
        self.wrote();
        self.take_in(automation, None)
    }

    /// Takes in an automation; one that was read, when this replica had written so often, only if it has not written since.
    fn take_in(&self, automation: Automation, writes: Option<u64>) -> Arc<Entry> {
        let id = automation.id;
        let unchanged = self.cached(id).filter(|entry| entry.automation == automation);
        let schema = unchanged.map(|entry| entry.schema.clone()).unwrap_or_default();
        let entry = Arc::new(Entry { automation, schema, read_at: Instant::now() });
        if let Ok(mut entries) = self.entries.write()
            && writes.is_none_or(|writes| writes == self.writes())
        {
            entries.insert(entry.clone());
        }
        entry
    }

    fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::SeqCst);
    }

    fn cached(&self, id: AutomationId) -> Option<Arc<Entry>> {
        self.entries.read().ok()?.by_id.get(&id).cloned()
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
        if let Ok(mut known) = self.queue_pauses.write() {
            *known = reading.pauses;
        }
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some((reading.change, reading.begun));
    }

    /// The automation as far as it is known.
    pub(crate) fn peek(&self, id: AutomationId) -> Option<Arc<Entry>> {
        self.cached(id)
    }

    /// The profile that is named for `queue`: of several automations that name one, the one that was changed last decides.
    pub(crate) fn queue_profile(&self, queue: &str) -> Option<QueueProfile> {
        let entries = self.entries.read().ok()?;
        let automations = entries.by_id.values().map(|entry| &entry.automation);
        let naming = automations.filter(|automation| automation.draft.queue_name == queue && automation.draft.queue_profile.is_some());
        naming.max_by_key(|automation| (automation.archived_at.is_none(), automation.updated_at, automation.id))?.draft.queue_profile
    }

    /// Queues for which an automation names a profile.
    pub(crate) fn named_queues(&self) -> BTreeSet<String> {
        let Ok(entries) = self.entries.read() else { return BTreeSet::new() };
        let automations = entries.by_id.values().map(|entry| &entry.automation).filter(|automation| automation.archived_at.is_none());
        let naming = automations.filter(|automation| automation.draft.queue_profile.is_some());
        naming.map(|automation| automation.draft.queue_name.clone()).collect()
    }

    /// Whether the automation limits how many of its jobs run at once or start in a time, as far as is known.
    pub(crate) fn is_limited(&self, id: AutomationId) -> bool {
        self.cached(id).is_some_and(|entry| {
            let draft = &entry.automation.draft;
            draft.max_concurrency.is_some() || draft.policy.rate_limit.is_some()
        })
    }
}

impl Catalog {
    /// Checks the parameters of a job, and gives them back.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with the path of each fault, [`Failure::Conflict`] when the schema cannot be used, [`Failure::Overloaded`] when too
    /// many large checks wait.
    pub(crate) async fn check(&self, entry: &Arc<Entry>, parameters: Map<String, Value>) -> Result<Map<String, Value>, Failure> {
        if entry.automation.draft.parameter_schema.is_none() {
            return Ok(parameters);
        }
        match entry.schema.get() {
            Some(Ok(schema)) if schema.is_quick(&parameters) => return schema.check(&parameters).map(|()| parameters),
            Some(Err(reason)) => return Err(unusable(&entry.automation, reason)),
            _ => {}
        }
        let entry = entry.clone();
        let check = move || match entry.schema() {
            Ok(schema) => schema.check(&parameters).map(|()| parameters),
            Err(reason) => Err(unusable(&entry.automation, reason)),
        };
        self.schemas.run(check).await?
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

impl Entry {
    /// The schema, made ready when it is not.
    fn schema(&self) -> Result<&Schema, &String> {
        let source = self.automation.draft.parameter_schema.as_ref().unwrap_or(&Value::Bool(true));
        let compile = || Schema::compile(source).map_err(|faults| Failure::Invalid(faults).to_string());
        self.schema.get_or_init(compile).as_ref()
    }
}

fn unusable(automation: &Automation, reason: &str) -> Failure {
    let id = automation.id;
    Failure::conflict("schema_unusable", format!("the parameter_schema of automation {id} cannot be used; change it: {reason}"))
}
