//! Runs jobs as programs of this host.

mod command;
mod log;
mod outcome;
mod params;
mod pipe;
mod progress;
mod status;
mod supervise;
pub(crate) mod tree;

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use async_trait::async_trait;
use domain::log::Level;
use tokio::{process::Child, sync::watch};

pub(crate) use self::status::was_running;
use self::{log::RobotLog, status::StatusFile, supervise::Ended, tree::Tree};
use crate::{Job, JobFolder, Outcome, RunContext, Runner, Settings};

/// Starts a job's program in its own process group and folder, turns its output into log lines and its end into an [`Outcome`].
pub struct ProcessRunner {
    base_dir: PathBuf,
    python: String,
    kill_grace: Duration,
    log_limit: u64,
}

/// What is followed while a program runs.
struct Files {
    log: RobotLog,
    /// `progress.json` as it was before the program.
    progress: progress::Stamp,
}

impl ProcessRunner {
    /// Takes the paths, the Python, the grace before KILL and the limit of `logs/rpa.log` from `settings`.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            base_dir: settings.base_dir.clone(),
            python: settings.python.clone(),
            kill_grace: settings.kill_grace,
            log_limit: settings.spool_limit,
        }
    }

    async fn launch_and_wait(&self, job: &Job, context: RunContext) -> Outcome {
        let folder = &context.folder;
        let files = match self.prepare(job, &context) {
            Ok(files) => files,
            Err(error) => return Outcome::launch_failed(format!("the job's folder {} cannot be made: {error}", folder.path().display())),
        };
        let mut child = match command::spawn(self, job, folder, &files.log) {
            Ok(child) => child,
            Err(reason) => return Outcome::launch_failed(reason),
        };
        let Some(tree) = Tree::of(&child, job.id) else {
            return Outcome::launch_failed("the program has no process id");
        };
        StatusFile::new(job, folder).running(tree.root());
        let ended = self.wait(job, &context, (&mut child, &tree), &files).await;
        tree.settle();
        let outcome = match ended {
            Ended::Exit(status) => self.outcome(status, folder, &files.log),
            Ended::TimedOut => outcome::timed_out(job.timeout_s),
            Ended::Stopped(stop) => Outcome::stopped(stop),
            Ended::Unknown(error) => Outcome::failed(domain::job::ErrorClass::Unknown, format!("the program's end is unknown: {error}")),
        };
        files.log.flush();
        outcome
    }

    /// Waits for the end of the program, of its output and of its progress.
    async fn wait(&self, job: &Job, context: &RunContext, (child, tree): (&mut Child, &Tree), files: &Files) -> Ended {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (end, ended) = watch::channel(false);
        let supervise = async {
            let how = supervise::supervise((child, tree), job, context, self.kill_grace).await;
            end.send_replace(true);
            how
        };
        let (how, (), (), ()) = tokio::join!(
            supervise,
            pipe::read(stdout, Level::Info, &files.log, ended.clone()),
            pipe::read(stderr, Level::Error, &files.log, ended.clone()),
            progress::watch(&context.folder, &context.outbox, files.progress, ended.clone()),
        );
        how
    }

    fn prepare(&self, job: &Job, context: &RunContext) -> io::Result<Files> {
        let folder = &context.folder;
        folder.create_anew()?;
        folder.write_json("config.json", &job.parameters)?;
        let progress = progress::start(folder)?;
        StatusFile::new(job, folder).starting();
        let log = RobotLog::open(folder, context.outbox.clone(), self.log_limit)?;
        Ok(Files { log, progress })
    }

    fn outcome(&self, status: ExitStatus, folder: &JobFolder, log: &RobotLog) -> Outcome {
        let result = outcome::read_result(folder).unwrap_or_else(|reason| {
            log.note(Level::Error, &reason);
            None
        });
        outcome::of_exit(status, result, log.last_error())
    }
}

#[async_trait]
impl Runner for ProcessRunner {
    async fn run(&self, job: &Job, context: RunContext) -> Outcome {
        let folder = context.folder.clone();
        let outbox = context.outbox.clone();
        let outcome = self.launch_and_wait(job, context).await;
        if outcome.error_class == Some(domain::job::ErrorClass::LaunchFailed) {
            outbox.log(Level::Error, outcome.error_message.as_deref().unwrap_or_default());
        }
        StatusFile::new(job, &folder).ended(&outcome);
        outcome
    }
}
