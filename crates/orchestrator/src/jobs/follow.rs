//! Live logs. All clients that follow a job share its reads (its row on each change, and each page of its log while it is sent), so that
//! many viewers of one job cost the database as much as one.

use domain::{Scope, ids::JobId};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use runtime::{Shutdown, TaskError, Tasks};
use serde::Serialize;
use serde_json::Value;
use store::{
    Database, Error,
    job_logs::{line_list, line_page},
    jobs::JobRow,
};
use tokio::{sync::watch, task::AbortHandle};

use super::convert;
use crate::watchers::Watchers;

/// Interval of checks for changes of followed jobs by other replicas.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Maximum number of lines in a page.
const PAGE_LINES: usize = 1000;
/// Maximum size of a page in bytes, unless a single row has more.
const PAGE_BYTES: usize = 128 * 1024;
/// Approximate size of a part that is passed to a connection, in bytes.
const PART_BYTES: usize = 16 * 1024;
/// Number of pages that are kept for clients slightly behind.
const KEPT_PAGES: usize = 2;

/// The followed jobs. Clones share them.
#[derive(Clone)]
pub(crate) struct Followed {
    database: Database,
    watchers: Watchers<JobId>,
    jobs: Arc<Mutex<HashMap<JobId, Weak<FollowedJob>>>>,
}

/// A followed job.
pub(crate) struct FollowedJob {
    id: JobId,
    database: Database,
    now: watch::Receiver<Option<Now>>,
    pages: tokio::sync::Mutex<Pages>,
    reading: AbortHandle,
}

/// State of a followed job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Now {
    /// Log lines it has.
    pub(crate) log_lines: i64,
    pub(crate) progress: Option<Value>,
    /// Set when it has ended or was deleted: the last event, if there is one.
    pub(crate) end: Option<Option<Bytes>>,
}

/// Log lines as server-sent events.
pub(crate) struct Page {
    /// Complete events in parts: what a slow client has not read stays shared with the others.
    pub(crate) parts: Vec<Bytes>,
    /// Number of the last line.
    pub(crate) last: i64,
}

/// Pages by the line before their first.
#[derive(Default)]
struct Pages {
    /// Pages that are being sent.
    sent: HashMap<i64, Weak<Page>>,
    kept: VecDeque<Arc<Page>>,
}

impl Followed {
    pub(crate) fn start(database: Database, watchers: Watchers<JobId>, tasks: &Tasks, shutdown: &Shutdown) -> Self {
        let followed = Self { database, watchers, jobs: Arc::default() };
        let (asking, stop) = (followed.clone(), shutdown.clone());
        tasks.spawn("orchestrator.followed_jobs", move || asking.clone().ask(stop.clone()));
        followed
    }

    /// The shared state of a followed job.
    pub(crate) fn job(&self, id: JobId) -> Arc<FollowedJob> {
        let mut jobs = self.jobs();
        if let Some(job) = jobs.get(&id).and_then(Weak::upgrade) {
            return job;
        }
        let (sender, now) = watch::channel(None);
        let reading = tokio::spawn(read(self.database.clone(), self.watchers.clone(), id, sender)).abort_handle();
        let job = Arc::new(FollowedJob { id, database: self.database.clone(), now, pages: tokio::sync::Mutex::default(), reading });
        jobs.insert(id, Arc::downgrade(&job));
        job
    }

    /// The followed jobs; drops the others.
    fn watched(&self) -> Vec<JobId> {
        let mut jobs = self.jobs();
        jobs.retain(|_, job| job.strong_count() > 0);
        jobs.keys().copied().collect()
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, Weak<FollowedJob>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks all followed jobs in the database, and wakes the followers of changed ones.
    async fn ask(self, shutdown: Shutdown) -> Result<(), TaskError> {
        let mut known = HashMap::new();
        loop {
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
            let ids = self.watched();
            if ids.is_empty() {
                continue;
            }
            match store::jobs::job_list_versions_unscoped(&self.database, &ids).await {
                Ok(versions) => {
                    let versions: HashMap<JobId, i64> = versions.into_iter().collect();
                    // A deleted job has changed, too.
                    ids.into_iter().filter(|id| known.get(id) != versions.get(id)).for_each(|id| self.watchers.wake(id));
                    known = versions;
                }
                Err(error) => tracing::debug!(%error, jobs = ids.len(), "followed jobs could not be checked"),
            }
        }
    }
}

impl FollowedJob {
    /// The job's state and its changes; `None` before the first read.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Now>> {
        let mut now = self.now.clone();
        now.mark_changed();
        now
    }

    /// The lines after this one; `None`: none.
    pub(crate) async fn page(&self, after: i64) -> Result<Option<Arc<Page>>, Error> {
        let mut pages = self.pages.lock().await;
        if let Some(page) = pages.sent.get(&after).and_then(Weak::upgrade) {
            return Ok(Some(page));
        }
        let found = line_page(&self.database, self.id, after, PAGE_LINES, PAGE_BYTES).await?;
        let Some(last) = found.last else { return Ok(None) };
        let (mut parts, mut text) = (Vec::new(), Vec::new());
        for line in line_list(&self.database, self.id, &found.parts).await?.into_iter().map(convert::log_line) {
            event(&mut text, "log", Some(line.log_id), &line);
            if text.len() >= PART_BYTES {
                parts.push(std::mem::take(&mut text).into());
            }
        }
        if !text.is_empty() {
            parts.push(text.into());
        }
        let page = Arc::new(Page { parts, last });
        pages.sent.retain(|_, page| page.strong_count() > 0);
        pages.sent.insert(after, Arc::downgrade(&page));
        pages.kept.push_back(page.clone());
        if pages.kept.len() > KEPT_PAGES {
            pages.kept.pop_front();
        }
        Ok(Some(page))
    }
}

impl Drop for FollowedJob {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Reads a job whenever it may have changed, until it has ended.
async fn read(database: Database, watchers: Watchers<JobId>, id: JobId, now: watch::Sender<Option<Now>>) {
    let mut watch = watchers.watch(id);
    loop {
        match look(&database, id).await {
            Ok(seen) => {
                let ended = seen.end.is_some();
                now.send_if_modified(|now| now.as_ref() != Some(&seen) && now.replace(seen).is_none_or(|_| true));
                if ended {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, job.id = %id, "a followed job could not be read; retrying");
                tokio::time::sleep(ASK_EVERY).await;
                continue;
            }
        }
        watch.changed().await;
    }
}

async fn look(database: &Database, id: JobId) -> Result<Now, Error> {
    let Some(JobRow { job, log_lines, progress, .. }) = store::jobs::job_get_row(database, &Scope::All, id).await? else {
        return Ok(Now { end: Some(None), ..Now::default() });
    };
    let end = if job.status.is_terminal() { Some(last_event(database, id).await?) } else { None };
    Ok(Now { log_lines, progress, end })
}

async fn last_event(database: &Database, id: JobId) -> Result<Option<Bytes>, Error> {
    let Some(job) = store::jobs::job_get(database, &Scope::All, id).await? else { return Ok(None) };
    let mut text = Vec::new();
    event(&mut text, "end", None, &convert::job(job));
    Ok(Some(text.into()))
}

/// Writes a server-sent event.
pub(crate) fn event(text: &mut Vec<u8>, name: &str, id: Option<i64>, data: &impl Serialize) {
    text.extend_from_slice(format!("event: {name}\n").as_bytes());
    if let Some(id) = id {
        text.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    text.extend_from_slice(b"data: ");
    let begin = text.len();
    // These types always have a JSON form; `null` is a fallback.
    if serde_json::to_writer(&mut *text, data).is_err() {
        text.truncate(begin);
        text.extend_from_slice(b"null");
    }
    text.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::log::Level;
    use store::{
        Settings,
        job_logs::{Chunk, Line, chunk_insert_many_in_txn},
        jobs::job_insert_many_in_txn,
    };

    use uuid::Uuid;

    use super::*;

    async fn job(database: &Database) -> JobId {
        let new = test_support::new_job(Uuid::now_v7().into(), "q");
        let line = Line { timestamp: DateTime::UNIX_EPOCH, level: Level::Info, message: "x".repeat(1_000), actionable: false };
        let lines = vec![line; 400];
        let txn = database.begin().await.unwrap();
        job_insert_many_in_txn(&txn, &[&new]).await.unwrap();
        for first_line in [1, 101, 201, 301] {
            let lines = &lines[..100];
            chunk_insert_many_in_txn(&txn, &[Chunk { job_id: new.id, first_line, lines }], DateTime::UNIX_EPOCH).await.unwrap();
        }
        txn.commit().await.unwrap();
        new.id
    }

    #[tokio::test]
    async fn followers_of_a_job_share_its_reads() {
        let database = Database::connect(&Settings { max_connections: 1, ..Settings::new("sqlite::memory:") }).await.unwrap();
        database.migrate().await.unwrap();
        let id = job(&database).await;
        let shutdown = Shutdown::default();
        let tasks = Tasks::new(Arc::new(chrono::Utc::now), shutdown.clone());
        let followed = Followed::start(database, Watchers::default(), &tasks, &shutdown);
        let (mine, other) = (followed.job(id), followed.job(id));
        assert!(Arc::ptr_eq(&mine, &other));
        let (first, same) = (mine.page(0).await.unwrap().unwrap(), other.page(0).await.unwrap().unwrap());
        assert!(Arc::ptr_eq(&first, &same));
        assert_eq!(first.last, 100, "pages end by bytes");
        assert!(first.parts.iter().all(|part| part.ends_with(b"\n\n") && part.len() < PART_BYTES * 2), "parts are whole events");
        assert_eq!(mine.page(first.last).await.unwrap().unwrap().last, 200);
        assert!(mine.page(400).await.unwrap().is_none());
        drop((mine, other));
        assert!(followed.watched().is_empty(), "nothing is kept without followers");
    }
}
