//! Follows a running program: pauses and resumes it, enforces its time-out, and ends it.
//!
//! On return no process that descends from the program is left, whatever ended it. A process that cannot be killed yet keeps the job's
//! slot: freeing it would overload the host. The reason that came first decides how the job ends, except that a lost lease overrides all
//! others.

use std::{io, process::ExitStatus, time::Duration};

use domain::log::Level;
use serde::Serialize;
use tokio::time::Instant;

use super::{clock::Clock, log::RobotLog, program::Program, status::StatusFile, tree::Tree};
use crate::{Job, RunContext, signal::Stop};

/// How a program ended.
pub(super) enum Ended {
    /// By itself, or by a signal from outside.
    Exit(ExitStatus),
    /// Killed here: its time-out expired.
    TimedOut,
    /// Killed here: it had to stop.
    Stopped(Stop),
    /// Its end cannot be determined.
    Unknown(io::Error),
}

/// Content of `control.json`, for the program.
#[derive(Serialize)]
struct Control {
    cancel: bool,
    paused: bool,
}

/// Follows one program.
pub(super) struct Supervisor<'a> {
    pub(super) job: &'a Job,
    pub(super) context: &'a RunContext,
    pub(super) log: &'a RobotLog,
    /// Time between TERM and KILL, unless the job has its own.
    pub(super) grace: Duration,
}

/// Between two checks for processes that should have ended; grows to 1 s.
pub(super) const POLL: Duration = Duration::from_millis(25);

impl Supervisor<'_> {
    /// Waits for the end of the program, pauses and resumes it, and ends it when it must stop. Afterwards none of its descendants is left.
    pub(super) async fn run(&self, program: &mut Program) -> Ended {
        let (mut stop, mut pause) = (self.context.stop.clone(), self.context.pause.clone());
        let mut clock = Clock::new(self.job.timeout_s, Instant::now());
        let ended = loop {
            tokio::select! {
                biased;
                ended = program.ended() => break ended,
                reason = stop.stopped() => break Ended::Stopped(reason),
                () = pause.becomes(!clock.is_paused()) => self.turn(program.tree(), &mut clock),
                () = clock.over() => break Ended::TimedOut,
            }
        };
        if matches!(ended, Ended::Stopped(Stop::Cancel)) {
            self.write_control(&Control { cancel: true, paused: false });
        }
        terminate(program, self.grace_for(&ended)).await;
        ended
    }

    /// Pauses a running program, resumes a paused one.
    fn turn(&self, tree: &Tree, clock: &mut Clock) {
        let status = StatusFile::new(self.job, &self.context.folder);
        if clock.is_paused() {
            self.write_control(&Control { cancel: false, paused: false });
            status.running(tree.root());
            self.log.note(Level::Info, "the job is resumed");
            clock.resume(Instant::now());
            tree.resume();
        } else {
            self.write_control(&Control { cancel: false, paused: true });
            tree.pause();
            clock.pause(Instant::now());
            status.paused(tree.root());
            self.log.note(Level::Info, "the job is paused: its processes are suspended and its time-out clock is stopped");
        }
    }

    fn write_control(&self, control: &Control) {
        if let Err(error) = self.context.folder.write_json("control.json", control) {
            tracing::warn!(job.id = %self.job.id, %error, "control.json cannot be written");
        }
    }

    /// The job's own grace serves the job. When the worker stops or has lost the lease, it can only shorten the worker's grace.
    fn grace_for(&self, ended: &Ended) -> Duration {
        let own = self.job.cancel_grace_s.map(|seconds| Duration::from_secs(seconds.into()));
        match ended {
            Ended::Stopped(Stop::Shutdown | Stop::Stale) => own.map_or(self.grace, |own| own.min(self.grace)),
            Ended::Stopped(Stop::Cancel) | Ended::TimedOut | Ended::Exit(_) | Ended::Unknown(_) => own.unwrap_or(self.grace),
        }
    }
}

/// Sends TERM to everything that is left of the job, and KILL to what is left after `grace`. Waits for a process in an uninterruptible
/// system call: the slot is not free before.
async fn terminate(program: &mut Program, grace: Duration) {
    // Most programs leave nothing: then no search is needed.
    if program.has_ended() && tokio::time::timeout(POLL, program.gone()).await.is_ok() {
        return;
    }
    if program.tree().terminate() && tokio::time::timeout(grace, program.gone()).await.is_ok() {
        return;
    }
    let mut pause = POLL;
    loop {
        program.tree().kill();
        if tokio::time::timeout(pause, program.gone()).await.is_ok() {
            return;
        }
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}
