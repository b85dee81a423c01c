use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use api_types::{FinishRequest, JobAssignment, LogEntry};
use domain::ids::JobId;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;
use worker_agent::{Agent, Error, Runner, Settings};

use crate::hub::{Hub, assignment};

type Running = (JoinHandle<Result<(), Error>>, oneshot::Sender<()>);

/// A hub, a folder for scripts and jobs, and an agent.
pub(crate) struct Bed {
    pub(crate) hub: Hub,
    pub(crate) dir: TempDir,
    agent: Option<Running>,
}

impl Bed {
    /// Without an agent yet.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { hub: Hub::start().await, dir, agent: None }
    }

    /// With an agent that runs programs.
    pub(crate) async fn with_agent() -> Self {
        let mut bed = Self::new().await;
        bed.start(bed.settings(), None);
        bed
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.hub.url, vec!["q".into()]);
        settings.supervisor = env!("CARGO_BIN_EXE_job-supervisor").into();
        settings.slots = 4;
        settings.work_dir = self.dir.path().join("work");
        settings.base_dir = self.dir.path().to_owned();
        settings.kill_grace = Duration::from_millis(500);
        settings
    }

    pub(crate) fn start(&mut self, settings: Settings, runner: Option<Arc<dyn Runner>>) {
        let (stop, stopped) = oneshot::channel();
        let agent = Agent::new(settings, runner).unwrap();
        let task = tokio::spawn(agent.run(async {
            let _ = stopped.await;
        }));
        self.agent = Some((task, stop));
    }

    /// Stops the agent in order, as a signal does.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        let (task, stop) = self.agent.take().unwrap();
        let _ = stop.send(());
        limited(task).await.unwrap()
    }

    /// Waits for the end of the agent by itself.
    pub(crate) async fn agent_end(&mut self) -> Result<(), Error> {
        let (task, _stop) = self.agent.take().unwrap();
        limited(task).await.unwrap()
    }

    /// Aborts the agent without a clean-up.
    pub(crate) async fn crash(&mut self) {
        let (task, _stop) = self.agent.take().unwrap();
        task.abort();
        let _ = task.await;
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Adds a shell job with this text.
    pub(crate) fn shell(&self, text: &str) -> JobId {
        self.shell_with(text, 0, serde_json::json!({}))
    }

    pub(crate) fn shell_with(&self, text: &str, timeout_s: u32, parameters: Value) -> JobId {
        let name = format!("{}.sh", Uuid::now_v7());
        self.script(&name, text);
        self.hub.job("SHELL", &name, timeout_s, parameters)
    }

    /// Adds a shell job with this text, modified by `change`.
    pub(crate) fn shell_as(&self, text: &str, change: impl FnOnce(&mut JobAssignment)) -> JobId {
        let name = format!("{}.sh", Uuid::now_v7());
        self.script(&name, text);
        let mut job = assignment("SHELL", &name, 0, serde_json::Map::new());
        change(&mut job);
        self.hub.add(job)
    }

    pub(crate) async fn end_of(&self, job: JobId) -> FinishRequest {
        until(|| self.hub.state().ends.get(&job).cloned()).await
    }

    pub(crate) fn log_of(&self, job: JobId) -> Vec<LogEntry> {
        self.hub.state().logs.get(&job).cloned().unwrap_or_default()
    }

    pub(crate) fn folder(&self, job: JobId) -> PathBuf {
        self.dir.path().join("work/jobs").join(job.to_string())
    }

    /// Waits for a process id that a robot writes into its folder.
    pub(crate) async fn pid_in(&self, job: JobId, file: &str) -> i32 {
        let path = self.folder(job).join(file);
        until(|| fs::read_to_string(&path).ok()?.trim().parse().ok()).await
    }
}

/// Waits until `look` finds something, at most 60 s.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited too long");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn limited<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap()
}

/// Whether the process runs; a zombie does not.
pub(crate) fn runs(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether the process is suspended. A shell that was just starting a program waits in state `D` for that program, which is suspended
/// itself.
pub(crate) fn is_suspended(pid: i32) -> bool {
    matches!(state(pid), Some('T' | 'D'))
}

fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim().chars().next()
}

/// Direct children of this process that have ended and were not waited for.
pub(crate) fn zombies() -> usize {
    let own = std::process::id().to_string();
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_ours = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        let mut fields = fields.split_ascii_whitespace();
        fields.next() == Some("Z") && fields.next() == Some(own.as_str())
    };
    pids.filter(is_ours).count()
}
