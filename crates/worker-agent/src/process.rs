//! Runs jobs as programs of this host.
//!
//! A job's slot is free only when none of its processes is left: the program runs below a supervisor, and its end is followed by the end of
//! everything that it started. Whatever the program writes is bounded on entry (output, files, progress), and nothing that it leaves in its
//! folder is followed or trusted. Every failure, also one before the start, becomes an [`Outcome`]; dropping the run kills the program.

mod clock;
mod command;
mod display;
pub(crate) mod limits;
mod log;
mod outcome;
mod params;
mod pipe;
mod program;
mod progress;
mod script;
mod status;
mod supervise;
pub(crate) mod tree;

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use async_trait::async_trait;
use chrono::Utc;
use domain::log::Level;
use tokio::sync::watch;

use self::{
    command::Surroundings,
    display::Display,
    limits::{Limits, Plan},
    log::RobotLog,
    program::Program,
    status::StatusFile,
    supervise::{Ended, Supervisor},
    tree::Tree,
};
pub(crate) use self::{
    log::read as read_log,
    outcome::{read_result, succeeded},
    status::{read_end, write_end},
};
use crate::{Job, JobFolder, Outcome, RunAs, RunContext, Runner, Settings, children::Children, lease_file::LeaseFile};

/// Starts a job's program in its own process group and folder, turns its output into log lines and its end into an [`Outcome`].
pub struct ProcessRunner {
    base_dir: PathBuf,
    scripts: Vec<PathBuf>,
    run_as: Option<RunAs>,
    python: String,
    supervisor: PathBuf,
    children: Children,
    kill_grace: Duration,
    log_limit: u64,
    xvfb: String,
    limits: Limits,
}

/// State of the job's files while its program runs.
struct Files {
    log: RobotLog,
    lease: LeaseFile,
    /// Stamp of `progress.json` before the program started.
    progress: progress::Stamp,
    /// The parameters as environment variables.
    environment: Vec<(String, String)>,
}

impl ProcessRunner {
    /// Takes the paths, the Python, the grace before KILL and the limit of `logs/rpa.log` from `settings`.
    pub(crate) fn new(settings: &Settings, children: Children) -> Self {
        Self {
            base_dir: settings.base_dir.clone(),
            scripts: settings.script_folders(),
            run_as: settings.run_as.clone(),
            python: settings.python.clone(),
            supervisor: settings.supervisor.clone(),
            children,
            kill_grace: settings.kill_grace,
            log_limit: settings.log_bytes,
            xvfb: settings.xvfb.clone(),
            limits: Limits::new(settings.scopes),
        }
    }

    async fn launch_and_wait(&self, job: &Job, context: RunContext) -> Outcome {
        let folder = &context.folder;
        let mut files = match self.prepare(job, &context).await {
            Ok(files) => files,
            Err(error) => {
                return Outcome::launch_failed(format!("the job's folder {} cannot be created: {error}", folder.path().display()));
            }
        };
        let display = match self.display(job, &context).await {
            Ok(display) => display,
            Err(outcome) => return outcome,
        };
        let outcome = self.follow(job, &context, display.as_ref(), &mut files).await;
        if let Some(display) = display {
            display.stop().await;
        }
        files.log.flush();
        outcome
    }

    /// The job's own display, if it needs one.
    async fn display(&self, job: &Job, context: &RunContext) -> Result<Option<Display>, Outcome> {
        if !job.display {
            return Ok(None);
        }
        let mut stop = context.stop.clone();
        tokio::select! {
            biased;
            reason = stop.stopped() => Err(Outcome::stopped(reason)),
            display = Display::start(&self.xvfb, job.id, &context.folder, (&self.children, self.run_as.as_ref())) => display.map(Some).map_err(Outcome::launch_failed),
        }
    }

    /// Starts the program and follows it to its end.
    async fn follow(&self, job: &Job, context: &RunContext, display: Option<&Display>, files: &mut Files) -> Outcome {
        let folder = &context.folder;
        let plan = self.limits.plan(job, &self.children).await;
        let environment = std::mem::take(&mut files.environment);
        let around = Surroundings { folder, environment, display, plan: &plan };
        let mut stop = context.stop.clone();
        let started = tokio::select! {
            biased;
            reason = stop.stopped() => return Outcome::stopped(reason),
            started = command::start(self, job, around) => started,
        };
        let mut program = match started {
            Ok(program) => program,
            Err(reason) => return Outcome::launch_failed(reason),
        };
        limit(&plan, program.tree(), &files.log);
        files.lease.program = program.tree().identity();
        files.lease.supervisor = program.tree().supervisor_identity();
        if let Err(error) = files.lease.write(folder) {
            tracing::warn!(job.id = %job.id, %error, "cannot save the program's id; a restarted worker will find the program only by its environment");
        }
        StatusFile::new(job, folder).running(program.tree().root());
        let (ended, last_error) = self.wait(job, context, &mut program, files).await;
        program.tree().settle();
        match ended {
            Ended::Exit(status) => outcome(status, folder, &files.log, last_error).await,
            Ended::TimedOut => outcome::timed_out(job.timeout_s),
            Ended::Stopped(stop) => Outcome::stopped(stop),
            Ended::Unknown(error) => Outcome::failed(domain::job::ErrorClass::Unknown, format!("the program's end is unknown: {error}")),
        }
    }

    /// Waits for the end of the program, of its output and of its progress. Returns the last error that the program printed.
    async fn wait(&self, job: &Job, context: &RunContext, program: &mut Program, files: &Files) -> (Ended, Option<String>) {
        let outputs = (program.supervisor().stdout.take(), program.supervisor().stderr.take());
        let (end, ended) = watch::channel(false);
        let (bars, bar) = watch::channel(String::new());
        let (read_out, all_read) = watch::channel(false);
        let supervise = async {
            let supervisor = Supervisor { job, context, log: &files.log, grace: self.kill_grace };
            let how = supervisor.run(program).await;
            end.send_replace(true);
            how
        };
        let read = async {
            let last_error = pipe::read(outputs, &files.log, &bars, ended).await;
            read_out.send_replace(true);
            last_error
        };
        let progress = progress::watch(&context.folder, &context.outbox, files.progress, bar, all_read);
        let (how, last_error, ()) = tokio::join!(supervise, read, progress);
        (how, last_error)
    }

    async fn prepare(&self, job: &Job, context: &RunContext) -> io::Result<Files> {
        let folder = &context.folder;
        let lease = LeaseFile::new(job.id, context.lease_token, Utc::now());
        // On a blocking thread: the parameters may be large.
        let (place, first, parameters) = (folder.clone(), lease.clone(), job.parameters.clone());
        let ids = self.run_as.as_ref().map(RunAs::ids);
        let prepared = tokio::task::spawn_blocking(move || {
            place.create_anew()?;
            if let Some(ids) = ids {
                place.give_to(ids)?;
            }
            first.write(&place)?;
            place.write_json("config.json", &*parameters)?;
            Ok::<_, io::Error>(params::environment(&parameters))
        });
        let environment = prepared.await.map_err(io::Error::other)??;
        let progress = progress::start(folder)?;
        StatusFile::new(job, folder).starting();
        let log = RobotLog::open(folder, context.outbox.clone(), self.log_limit)?;
        if let Some(left_out) = &environment.left_out {
            log.note(Level::Warning, left_out);
        }
        Ok(Files { log, lease, progress, environment: environment.variables })
    }
}

/// Reads the result on a blocking thread: it may be large.
async fn outcome(status: ExitStatus, folder: &JobFolder, log: &RobotLog, last_error: Option<String>) -> Outcome {
    let place = folder.clone();
    let read = tokio::task::spawn_blocking(move || outcome::read_result(&place)).await;
    let read = read.unwrap_or_else(|error| Err(format!("result.json is not reported: {error}"))).unwrap_or_else(|reason| {
        log.note(Level::Error, &reason);
        None
    });
    let result = read.map(|(result, note)| {
        note.iter().for_each(|note| log.note(Level::Warning, note));
        result
    });
    outcome::of_exit(status, result, last_error)
}

/// Checks that a virtual display can be started; the error text says why not. Its files are created in `folder`.
pub(crate) async fn check_display(xvfb: &str, folder: &JobFolder) -> Result<(), String> {
    Display::start(xvfb, uuid::Uuid::nil().into(), folder, (&Children::default(), None)).await?.stop().await;
    Ok(())
}

/// Applies the limits that need a running program.
fn limit(plan: &Plan, tree: &Tree, log: &RobotLog) {
    if let Some(bytes) = plan.data_limit
        && let Err(error) = limits::limit_data(tree.root(), bytes)
    {
        log.note(Level::Warning, &format!("the memory limit of {bytes} bytes is not enforced: {error}"));
    }
    if let Some(shortfall) = &plan.shortfall {
        log.note(Level::Warning, shortfall);
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
