mod pauses;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    Fault,
    policy::Pause,
    schema::{DATE_FORMAT, is_date},
};
use jsonschema::error::ValidationErrorKind;
use runtime::Failure;
use serde_json::{Map, Value};
use store::{Database, automations::Automation};

/// How long another replica's change may stay unseen.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// An automation with its schema ready for use.
pub(crate) struct Entry {
    pub(crate) automation: Automation,
    schema: Option<jsonschema::Validator>,
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
}

/// Automations by id, and which of them have a pause, which may have ended.
#[derive(Default)]
struct Entries {
    by_id: HashMap<i32, Arc<Entry>>,
    paused: BTreeSet<i32>,
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
        Self { database, entries: RwLock::default(), queue_pauses: RwLock::default(), read: Mutex::default(), writes: AtomicU64::new(0) }
    }

    /// The automation, at most [`FRESH_FOR`] old.
    pub(crate) async fn get(&self, id: i32) -> Result<Option<Arc<Entry>>, store::Error> {
        let all_read_at = self.last_read().map(|(_, at)| at);
        let is_fresh = |entry: &Arc<Entry>| all_read_at.map_or(entry.read_at, |at| at.max(entry.read_at)).elapsed() < FRESH_FOR;
        if let Some(entry) = self.cached(id).filter(is_fresh) {
            return Ok(Some(entry));
        }
        let writes = self.writes();
        let Some(automation) = store::automations::automation_get(&self.database, id).await? else { return Ok(None) };
        Ok(Some(self.take_in(automation, Some(writes))))
    }

    /// The automation, however old what is known of it; read when nothing is.
    pub(crate) async fn get_stale(&self, id: i32) -> Result<Option<Arc<Entry>>, store::Error> {
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
        let schema = match unchanged {
            Some(entry) => entry.schema.clone(),
            None => automation.draft.parameter_schema.as_ref().and_then(|schema| compile(schema).ok()),
        };
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

    fn cached(&self, id: i32) -> Option<Arc<Entry>> {
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
        let (automations, change) = store::automations::automation_list_changed(&self.database, after).await?;
        let pauses = store::queues::queue_list_pauses(&self.database).await?.into_iter().collect();
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
    pub(crate) fn peek(&self, id: i32) -> Option<Arc<Entry>> {
        self.cached(id)
    }

    /// Whether the automation limits how many of its jobs run at once or start in a time, as far as is known.
    pub(crate) fn is_limited(&self, id: i32) -> bool {
        self.cached(id).is_some_and(|entry| {
            let draft = &entry.automation.draft;
            draft.max_concurrency.is_some() || draft.policy.rate_limit.is_some()
        })
    }
}

impl Entry {
    /// What is wrong with `parameters`, each fault with its path.
    pub(crate) fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let value = Value::Object(parameters.clone());
        // The value itself stays out of it: it may be a password.
        let fault = |error: jsonschema::ValidationError<'_>| Fault::new(path_of(&error), error.masked_with("it").to_string());
        let faults: Vec<_> = schema.iter_errors(&value).map(fault).take(100).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
    }
}

/// Where a fault is; of a missing property, where it should be.
fn path_of(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let missing = match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str().map(|name| format!("/{name}")),
        _ => None,
    };
    format!("{place}{}", missing.unwrap_or_default()).trim_start_matches('/').to_owned()
}

/// Makes a JSON Schema ready for use. References to other documents are not followed.
pub(crate) fn compile(schema: &Value) -> Result<jsonschema::Validator, Vec<Fault>> {
    let options = jsonschema::options().should_validate_formats(true).with_format(DATE_FORMAT, is_date);
    options.build(schema).map_err(|error| {
        let path = error.instance_path().to_string();
        vec![Fault::new(format!("parameter_schema{path}"), format!("is not a JSON Schema: {error}"))]
    })
}
