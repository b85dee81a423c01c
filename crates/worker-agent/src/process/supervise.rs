use std::{io, process::ExitStatus, time::Duration};

use domain::log::Level;
use serde::Serialize;
use tokio::time::Instant;

use super::{clock::Clock, log::RobotLog, program::Program, status::StatusFile, tree::Tree};
use crate::{Job, RunContext, signal::Stop};

/// How a program ended.
pub(super) enum Ended {
    /// By itself, or by somebody else's signal.
    Exit(ExitStatus),
    /// Killed here: it ran too long.
    TimedOut,
    /// Killed here: it had to stop.
    Stopped(Stop),
    /// The system does not say.
    Unknown(io::Error),
}

/// What the program may read in `control.json`.
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
    /// Between TERM and KILL, unless the job says otherwise.
    pub(super) grace: Duration,
}

/// Between two looks for processes that should have ended; grows to a second.
pub(super) const POLL: Duration = Duration::from_millis(25);

impl Supervisor<'_> {
    /// Waits for the end of the program, pauses and resumes it, and brings the end about when it has to. Afterwards nothing is left that
    /// descends from it.
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
            self.tell(&Control { cancel: true, paused: false });
        }
        terminate(program, self.grace_for(&ended)).await;
        ended
    }

    /// Pauses what runs, resumes what stands still.
    fn turn(&self, tree: &Tree, clock: &mut Clock) {
        let status = StatusFile::new(self.job, &self.context.folder);
        if clock.is_paused() {
            self.tell(&Control { cancel: false, paused: false });
            status.running(tree.root());
            self.log.note(Level::Info, "the job goes on");
            clock.resume(Instant::now());
            tree.resume();
        } else {
            self.tell(&Control { cancel: false, paused: true });
            tree.pause();
            clock.pause(Instant::now());
            status.paused(tree.root());
            self.log.note(Level::Info, "the job is paused: its processes and its time-out stand still");
        }
    }

    fn tell(&self, control: &Control) {
        if let Err(error) = self.context.folder.write_json("control.json", control) {
            tracing::warn!(job.id = %self.job.id, %error, "control.json cannot be written");
        }
    }

    /// The job's own grace is for its sake. When the worker stops or somebody else has the job, it may only be shorter.
    fn grace_for(&self, ended: &Ended) -> Duration {
        let own = self.job.cancel_grace_s.map(|seconds| Duration::from_secs(seconds.into()));
        match ended {
            Ended::Stopped(Stop::Shutdown | Stop::Stale) => own.map_or(self.grace, |own| own.min(self.grace)),
            Ended::Stopped(Stop::Cancel) | Ended::TimedOut | Ended::Exit(_) | Ended::Unknown(_) => own.unwrap_or(self.grace),
        }
    }
}

/// TERM for all that is left of the job, and KILL for what is left of that after `grace`. A process in an uninterruptible system call is waited
/// for: the slot is not free before.
async fn terminate(program: &mut Program, grace: Duration) {
    // Most programs leave nothing: then nothing has to be looked for.
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
