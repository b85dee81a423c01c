//! Robots without an agent: they consume messages and speak the plain contract, some of them badly.

use std::{
    collections::HashSet,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use broker::{Broker, Delivery};
use domain::ids::JobId;
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::sleep;
use uuid::Uuid;

use crate::{
    api::is_to_be_repeated,
    load::Ledger,
    world::{WORKER_KEY, World},
};

/// Their queue.
pub(crate) const QUEUE: &str = "chaos.foreign";
/// How many there are.
const ROBOTS: usize = 2;
const BEFORE_REPEAT: Duration = Duration::from_millis(200);
const WRONG_KEY: &str = "no-key-of-anybody-0123456789abcdef";

/// How a robot treats a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// `start`, work, `finish`.
    Well,
    /// Its `start` gets lost: the hub receives only `finish`.
    Unheard,
    /// A request with a wrong key first reports that the job failed.
    Intruded,
}

impl Manner {
    fn of(job: JobId) -> Self {
        [Self::Well, Self::Unheard, Self::Intruded][usize::from(job.get().as_bytes()[15] % 3)]
    }
}

/// Both robots, and what they have done.
pub(crate) struct Robots {
    world: Arc<World>,
    ledger: Arc<Ledger>,
    done: Mutex<HashSet<JobId>>,
    next_hub: AtomicUsize,
}

impl Robots {
    pub(crate) fn new(world: Arc<World>, ledger: Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self { world, ledger, done: Mutex::default(), next_hub: AtomicUsize::default() })
    }

    /// Works until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) -> Result<()> {
        let broker = Broker::connect(&self.world.servers.amqp_url, "chaos-foreign")?;
        let work = (0..ROBOTS).map(|_| async {
            let mut messages = broker.consume(QUEUE, 1);
            while let Some(message) = messages.next().await {
                self.take(message).await?;
            }
            Ok(())
        });
        futures_util::future::try_join_all(work).await.map(drop)
    }

    async fn take(&self, message: Delivery) -> Result<()> {
        let body: serde_json::Value = serde_json::from_slice(&message.body)?;
        let job: JobId = body["job_id"].as_str().context("a message without job_id")?.parse()?;
        // One that is redelivered because its acknowledgement was lost is done.
        let known = self.done.lock().unwrap_or_else(PoisonError::into_inner).contains(&job);
        if !known {
            self.work(job, body["parameters"]["quarters"].as_u64().unwrap_or(0)).await?;
            self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(job);
        }
        // If the connection is gone, it is redelivered.
        let _ = message.ack().await;
        Ok(())
    }

    async fn work(&self, job: JobId, quarters: u64) -> Result<()> {
        let manner = Manner::of(job);
        if manner == Manner::Intruded {
            self.intrude(job).await;
        }
        if manner != Manner::Unheard && !self.ask(job, "start", &json!({})).await.is_success() {
            // Canceled meanwhile.
            return Ok(());
        }
        let book = book(&self.world.books(), job)?;
        sleep(Duration::from_millis(250 * quarters)).await;
        note(&book, "effect")?;
        // Before it is reported: the report may be received and its answer lost.
        self.ledger.note_report(job, "completed");
        let answer = self.ask(job, "finish", &json!({"status": "completed"})).await;
        if !answer.is_success() && !self.ledger.cancels().contains(&job) {
            self.world.journal.breach(format!("a robot without an agent ({manner:?}) reported that {job} completed: {answer}"));
        }
        Ok(())
    }

    /// Tries one hub after the other until one decides.
    async fn ask(&self, job: JobId, what: &str, body: &serde_json::Value) -> StatusCode {
        loop {
            match self.once(job, what, body, WORKER_KEY).await {
                Some(status) if !is_to_be_repeated(status) => return status,
                _ => sleep(BEFORE_REPEAT).await,
            }
        }
    }

    async fn intrude(&self, job: JobId) {
        for (what, body) in [("start", json!({})), ("finish", json!({"status": "failed"}))] {
            let refusals = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
            let answer = self.once(job, what, &body, WRONG_KEY).await;
            if let Some(status) = answer.filter(|status| !is_to_be_repeated(*status) && !refusals.contains(status)) {
                self.world.journal.breach(format!("{what} of {job} with a wrong key: {status}"));
            }
        }
    }

    async fn once(&self, job: JobId, what: &str, body: &serde_json::Value, key: &str) -> Option<StatusCode> {
        let hub = self.next_hub.fetch_add(1, Ordering::Relaxed) % self.world.api.hubs();
        self.world.api.work(hub, &format!("{job}/{what}"), body, key).await.ok()
    }
}

fn book(books: &Path, job: JobId) -> Result<PathBuf> {
    let book = books.join(format!("{job}.foreign.{}", Uuid::new_v4()));
    note(&book, "begin")?;
    Ok(book)
}

fn note(book: &Path, word: &str) -> Result<()> {
    let uptime = std::fs::read_to_string("/proc/uptime")?;
    let now = uptime.split(' ').next().unwrap_or_default();
    let mut file = OpenOptions::new().create(true).append(true).open(book).with_context(|| book.display().to_string())?;
    Ok(writeln!(file, "{word} {now} 1")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_they_write_is_read_as_a_run() {
        let books = tempfile::tempdir().unwrap();
        let job = JobId::new(Uuid::new_v4());
        note(&book(books.path(), job).unwrap(), "effect").unwrap();
        let runs = crate::robots::read_books(books.path()).unwrap();
        assert_eq!((runs[&job].len(), runs[&job][0].effects), (1, 1));
    }

    #[test]
    fn jobs_are_treated_in_every_manner() {
        let manners: Vec<_> = (0..3).map(|number| Manner::of(Uuid::from_u128(number).into())).collect();
        assert_eq!(manners, [Manner::Well, Manner::Unheard, Manner::Intruded]);
    }
}
