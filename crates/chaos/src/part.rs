use std::{
    fs::File,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
    time::sleep,
};

use crate::{absence::uptime, faults::Excuse, journal::Journal};

/// A process that exits by itself before this age could not start, perhaps because its database was unavailable; it is restarted.
const YOUNG: Duration = Duration::from_secs(40);
/// A process younger than this may not yet handle TERM.
const DEAF: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const BEFORE_RESTART: Duration = Duration::from_millis(500);
/// Maximum time of an orderly stop.
const PATIENCE: Duration = Duration::from_secs(45);

/// Memory limit of a process and of every program that it starts: far more than any needs.
const MOST_BYTES: u64 = 4 << 30;

/// How to start a part.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// Its name as an agent: robots may kill it.
    pub(crate) worker: Option<String>,
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// The current folder, and where the log goes.
    pub(crate) folder: PathBuf,
}

/// A process that is kept running, as systemd or Kubernetes would, except while it is held down.
pub(crate) struct Part {
    program: Program,
    state: Mutex<State>,
    journal: Arc<Journal>,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    started: Option<Instant>,
    should_run: bool,
}

impl Part {
    /// Starts the process and keeps it running.
    pub(crate) async fn start(program: Program, journal: Arc<Journal>) -> Result<Arc<Self>> {
        std::fs::create_dir_all(&program.folder).with_context(|| program.folder.display().to_string())?;
        let part = Arc::new(Self { program, state: Mutex::default(), journal });
        part.up().await?;
        tokio::spawn(keep_running(Arc::downgrade(&part)));
        Ok(part)
    }

    pub(crate) fn name(&self) -> &str {
        &self.program.name
    }

    /// Starts it after [`Part::kill`].
    pub(crate) async fn up(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        state.should_run = true;
        self.spawn(&mut state)
    }

    /// kill -9; it stays down until [`Part::up`].
    pub(crate) async fn kill(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        state.should_run = false;
        if let Some(mut child) = state.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Sends STOP or CONT to the process, not to what it has started.
    pub(crate) async fn signal(&self, signal: Signal) -> Result<()> {
        let state = self.state.lock().await;
        if let Some(pid) = state.child.as_ref().and_then(Child::id) {
            kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
        }
        Ok(())
    }

    /// Sends TERM and waits for the process; it must exit by itself, in time and with success. It stays down until [`Part::up`].
    pub(crate) async fn stop(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        state.should_run = false;
        let Some(mut child) = state.child.take() else { return Ok(()) };
        let young = state.started.is_some_and(|at| at.elapsed() < DEAF);
        if let Some(pid) = child.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        let (asked, name) = (Instant::now(), &self.program.name);
        match tokio::time::timeout(PATIENCE, child.wait()).await {
            Err(_) => {
                self.journal.breach(format!("{name} did not end within {PATIENCE:?} after TERM"));
                child.kill().await?;
            }
            Ok(status) => {
                let status = status?;
                let text = format!("{name} ended {:.1} s after TERM: {status}", asked.elapsed().as_secs_f64());
                // Too young to handle TERM: it handles signals once it has started.
                let unheard = status.signal() == Some(Signal::SIGTERM as i32) && young;
                if status.success() || unheard { self.journal.say(&text) } else { self.journal.breach(text) }
            }
        }
        Ok(())
    }

    fn spawn(&self, state: &mut State) -> Result<()> {
        let Program { name, path, arguments, environment, folder, worker: _ } = &self.program;
        let log = |kind| File::options().create(true).append(true).open(folder.join(format!("{name}.{kind}"))).map(Stdio::from);
        // One that grows without bounds must not exhaust the machine.
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--data={MOST_BYTES}"))
            .arg(path)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(folder);
        let child = command.stdin(Stdio::null()).stdout(log("log")?).stderr(log("log")?).kill_on_drop(true).spawn();
        state.child = Some(child.with_context(|| format!("cannot start {}", path.display()))?);
        state.started = Some(Instant::now());
        Ok(())
    }

    /// Restarts the process after it has exited by itself.
    async fn look_after(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        let Some(status) = state.child.as_mut().map(Child::try_wait).transpose()?.flatten() else { return Ok(()) };
        let age = state.started.map_or(Duration::ZERO, |at| at.elapsed());
        let text = format!("{} ended by itself after {:.1} s: {status}", self.program.name, age.as_secs_f64());
        let killed = self.program.worker.as_ref().filter(|_| status.signal() == Some(Signal::SIGKILL as i32));
        let gave_way = || tail(&self.program.folder.join(format!("{}.log", self.program.name)), 500).contains("belongs to another worker");
        if killed.is_some() || status.code() == Some(1) && (age < YOUNG || gave_way()) {
            self.journal.say(&text);
        } else {
            self.journal.breach(text);
        }
        let since = uptime() - LOOK_EVERY.as_secs_f64();
        state.child = None;
        drop(state);
        sleep(BEFORE_RESTART).await;
        let mut state = self.state.lock().await;
        if state.should_run && state.child.is_none() {
            self.spawn(&mut state)?;
        }
        if let Some(worker) = killed {
            self.journal.excuse(worker, since, Excuse::Away);
        }
        Ok(())
    }

    /// The process, while it runs.
    pub(crate) async fn pid(&self) -> Option<i32> {
        let state = self.state.lock().await;
        state.child.as_ref().and_then(Child::id).and_then(|pid| i32::try_from(pid).ok())
    }
}

async fn keep_running(part: std::sync::Weak<Part>) {
    while let Some(part) = part.upgrade() {
        if let Err(error) = part.look_after().await {
            part.journal.breach(format!("{} cannot be kept running: {error:#}", part.program.name));
        }
        drop(part);
        sleep(LOOK_EVERY).await;
    }
}

/// The last lines of a log, for people.
pub(crate) fn tail(log: &Path, bytes: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(bytes)..]).into_owned()
}
