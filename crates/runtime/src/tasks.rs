//! The named background tasks of a process.
//!
//! Every long-lived loop is one of these, so that a stop can wait for all of them, a failed one is restarted and visible, and none outlives
//! the database that it writes to. Invariants: a task that ends before the shutdown is restarted after a delay, or, if it cannot be (it
//! owned its state), counts as broken; after [`Tasks::join`] no task runs.

use std::{
    borrow::Cow,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
pub use domain::health::TaskState;
use futures_util::FutureExt as _;
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{Clock, Shutdown};

/// Why a task failed.
pub type TaskError = Box<dyn std::error::Error + Send + Sync>;

/// Delay before the first restart; doubled for each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Maximum delay before a restart.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A task that ran this long starts with the first delay again.
const STEADY_AFTER: Duration = Duration::from_secs(60);

/// A task and its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskStatus {
    /// Its name, such as `orchestrator.writer`.
    pub name: Cow<'static, str>,
    /// Its state.
    pub state: TaskState,
    /// When it entered that state.
    pub since: DateTime<Utc>,
    /// Number of restarts.
    pub restarts: u64,
    /// Why it last failed.
    pub last_error: Option<String>,
}

/// The tasks of a process. Clones share them.
#[derive(Clone)]
pub struct Tasks(Arc<Inner>);

struct Inner {
    clock: Clock,
    shutdown: Shutdown,
    drain: Shutdown,
    /// The runtime on which these were created, and on which all tasks run: a server thread has a runtime of its own, which ends with the
    /// server.
    runtime: Option<Handle>,
    statuses: Mutex<Vec<TaskStatus>>,
    handles: Mutex<[Handles; 2]>,
}

/// Task handles with the index of their status.
type Handles = Vec<(usize, JoinHandle<()>)>;

/// Order in which a stop waits for tasks.
#[derive(Clone, Copy)]
enum Stage {
    /// Ends after the shutdown signal.
    Work,
    /// Ends after all other tasks, which send to it until then.
    Outlet,
}

impl Tasks {
    /// Tasks on the current tokio runtime, which must end after `shutdown`.
    #[must_use]
    pub fn new(clock: Clock, shutdown: Shutdown) -> Self {
        let (drain, runtime) = (Shutdown::default(), Handle::try_current().ok());
        Self(Arc::new(Inner { clock, shutdown, drain, runtime, statuses: Mutex::default(), handles: Mutex::default() }))
    }

    /// Runs the future of `start` until the shutdown, which it must watch itself. If it fails, panics or returns before that, it is started
    /// again after a delay of 0.1 s to 30 s.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, start: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        let task = self.enter(name.into());
        self.keep(Stage::Work, task, self.clone().supervise(task, start));
    }

    /// Runs `work` until the shutdown. It owns its state and cannot be restarted: if it ends before the shutdown, the process is no longer
    /// live.
    pub fn spawn_once(&self, name: impl Into<Cow<'static, str>>, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.enter(name.into());
        self.keep(Stage::Work, task, self.clone().watch(task, work));
    }

    /// Runs a task that forwards what other tasks send to it. Its signal triggers after those have ended; it must then forward what is left
    /// and end. Like [`Tasks::spawn_once`] it is not restarted.
    pub fn spawn_outlet<F>(&self, name: impl Into<Cow<'static, str>>, work: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let task = self.enter(name.into());
        self.keep(Stage::Outlet, task, self.clone().watch(task, work(self.0.drain.clone())));
    }

    /// Every task with its state, in order of start.
    #[must_use]
    pub fn statuses(&self) -> Vec<TaskStatus> {
        self.entries().clone()
    }

    /// The first broken task.
    #[must_use]
    pub fn broken(&self) -> Option<Cow<'static, str>> {
        self.entries().iter().find(|status| status.state == TaskState::Broken).map(|status| status.name.clone())
    }

    /// Waits until every task has ended; call it after the shutdown. Tasks that still run after `limit` are aborted and logged.
    pub async fn join(&self, limit: Duration) {
        let until = tokio::time::Instant::now() + limit;
        self.join_stage(Stage::Work, until).await;
        self.0.drain.trigger();
        self.join_stage(Stage::Outlet, until).await;
    }

    async fn join_stage(&self, stage: Stage, until: tokio::time::Instant) {
        let handles = std::mem::take(&mut self.handles()[stage as usize]);
        for (task, mut handle) in handles {
            if tokio::time::timeout_at(until, &mut handle).await.is_err() {
                let name = self.entries().get(task).map(|status| status.name.clone());
                tracing::warn!(task.name = name.as_deref(), "a task did not end in time and is aborted");
                handle.abort();
                // Waits for the abort, so that the task cannot write to the database, which is closed next.
                let _aborted = handle.await;
            }
        }
    }

    fn keep(&self, stage: Stage, task: usize, work: impl Future<Output = ()> + Send + 'static) {
        let handle = match &self.0.runtime {
            Some(runtime) => runtime.spawn(work),
            None => tokio::spawn(work),
        };
        self.handles()[stage as usize].push((task, handle));
    }

    async fn supervise<F>(self, task: usize, mut start: impl FnMut() -> F)
    where
        F: Future<Output = Result<(), TaskError>>,
    {
        let _ends = Ends { tasks: &self, task };
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let outcome = AssertUnwindSafe(async { start().await }).catch_unwind().await;
            if self.0.shutdown.is_triggered() {
                return;
            }
            let error = match outcome {
                Ok(Ok(())) => "it returned before the shutdown".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it panicked: {}", panic_text(panic.as_ref())),
            };
            if begun.elapsed() >= STEADY_AFTER {
                pause = FIRST_PAUSE;
            }
            self.failed(task, TaskState::Restarting, &error);
            tokio::select! {
                () = self.0.shutdown.wait() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            self.change(task, |status| (status.state, status.restarts) = (TaskState::Running, status.restarts + 1));
        }
    }

    async fn watch(self, task: usize, work: impl Future<Output = ()>) {
        let _ends = Ends { tasks: &self, task };
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        let error = match outcome {
            Ok(()) if self.0.shutdown.is_triggered() => return,
            Ok(()) => "it returned before the shutdown".to_owned(),
            Err(panic) => format!("it panicked: {}", panic_text(panic.as_ref())),
        };
        self.failed(task, TaskState::Broken, &error);
    }

    fn enter(&self, name: Cow<'static, str>) -> usize {
        let status = TaskStatus { name, state: TaskState::Running, since: (self.0.clock)(), restarts: 0, last_error: None };
        let mut statuses = self.entries();
        statuses.push(status);
        statuses.len() - 1
    }

    fn failed(&self, task: usize, state: TaskState, error: &str) {
        self.change(task, |status| {
            tracing::error!(task.name = %status.name, error, ?state, "a task failed");
            (status.state, status.last_error) = (state, Some(error.to_owned()));
        });
    }

    fn change(&self, task: usize, change: impl FnOnce(&mut TaskStatus)) {
        let now = (self.0.clock)();
        if let Some(status) = self.entries().get_mut(task) {
            change(status);
            status.since = now;
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<TaskStatus>> {
        self.0.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handles(&self) -> MutexGuard<'_, [Handles; 2]> {
        self.0.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records the end of a task after the shutdown, even if it is aborted.
struct Ends<'a> {
    tasks: &'a Tasks,
    task: usize,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.tasks.change(self.task, |status| {
            if status.state != TaskState::Broken {
                status.state = TaskState::Ended;
            }
        });
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::mpsc;

    use super::*;

    fn tasks() -> (Tasks, Shutdown) {
        let shutdown = Shutdown::default();
        (Tasks::new(Arc::new(Utc::now), shutdown.clone()), shutdown)
    }

    #[tokio::test]
    async fn a_task_that_fails_panics_or_returns_is_restarted_and_its_failure_is_visible() {
        let (tasks, shutdown) = tasks();
        let (begun, mut begins) = mpsc::unbounded_channel();
        let (runs, stop) = (AtomicU32::new(0), shutdown.clone());
        tasks.spawn("toy", move || {
            let (run, begun, stop) = (runs.fetch_add(1, Ordering::Relaxed), begun.clone(), stop.clone());
            async move {
                begun.send(run).unwrap();
                match run {
                    0 => Err("no luck".into()),
                    1 => panic!("oh"),
                    2 => Ok(()),
                    _ => {
                        stop.wait().await;
                        Ok(())
                    }
                }
            }
        });
        let errors = ["no luck", "it panicked: oh", "it returned before the shutdown"];
        for (run, error) in (0..).zip(errors) {
            assert_eq!(begins.recv().await, Some(run));
            tokio::task::yield_now().await;
            let status = tasks.statuses().remove(0);
            assert_eq!((status.state, status.last_error.as_deref()), (TaskState::Restarting, Some(error)));
        }
        assert_eq!(begins.recv().await, Some(3));
        assert_eq!((tasks.statuses()[0].state, tasks.statuses()[0].restarts), (TaskState::Running, 3));
        shutdown.trigger();
        tasks.join(Duration::from_secs(1)).await;
        assert_eq!((tasks.statuses()[0].state, tasks.broken()), (TaskState::Ended, None));
    }

    #[tokio::test]
    async fn a_task_that_cannot_be_restarted_counts_as_broken() {
        let (tasks, _shutdown) = tasks();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn_once("writer", async { drop(gone.await) });
        assert_eq!(tasks.broken(), None);
        drop(go);
        while tasks.broken().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(tasks.broken().as_deref(), Some("writer"));
    }

    #[tokio::test]
    async fn an_outlet_forwards_what_others_send_until_they_end() {
        let (tasks, shutdown) = tasks();
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let (passed, mut passes) = mpsc::unbounded_channel();
        tasks.spawn_outlet("outlet", |drain| async move {
            drain.wait().await;
            while let Ok(item) = inbox.try_recv() {
                passed.send(item).unwrap();
            }
        });
        let stop = shutdown.clone();
        tasks.spawn_once("work", async move {
            stop.wait().await;
            sender.send("last words").unwrap();
        });
        shutdown.trigger();
        tasks.join(Duration::from_secs(30)).await;
        assert_eq!(passes.recv().await, Some("last words"));
        assert!(tasks.statuses().iter().all(|status| status.state == TaskState::Ended));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_task_outlives_the_runtime_of_the_thread_that_spawned_it() {
        let (tasks, shutdown) = tasks();
        let (spawner, stop) = (tasks.clone(), shutdown.clone());
        let thread = std::thread::spawn(move || {
            let own = tokio::runtime::Builder::new_current_thread().build().unwrap();
            own.block_on(async { spawner.spawn_once("late", async move { stop.wait().await }) });
        });
        thread.join().unwrap();
        assert_eq!(tasks.statuses()[0].state, TaskState::Running);
        shutdown.trigger();
        tasks.join(Duration::from_secs(30)).await;
        assert_eq!(tasks.statuses()[0].state, TaskState::Ended);
    }

    #[tokio::test]
    async fn a_stop_waits_no_longer_than_its_limit() {
        let (tasks, shutdown) = tasks();
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn_once("deaf", async move {
            std::future::pending::<()>().await;
            drop(alive);
        });
        shutdown.trigger();
        tasks.join(Duration::from_millis(20)).await;
        assert!(gone.await.is_err(), "its future was dropped");
        assert_eq!(tasks.statuses()[0].state, TaskState::Ended);
    }
}
