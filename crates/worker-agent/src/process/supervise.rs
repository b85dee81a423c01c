use std::{io, process::ExitStatus, time::Duration};

use domain::log::Level;
use serde::Serialize;
use tokio::{process::Child, time::Instant};

use super::{clock::Clock, log::RobotLog, status::StatusFile, tree::Tree};
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
    pub(super) tree: &'a Tree,
    pub(super) log: &'a RobotLog,
    /// Between TERM and KILL, unless the job says otherwise.
    pub(super) grace: Duration,
}

/// How often the end of killed processes is looked for.
const POLL: Duration = Duration::from_millis(25);

impl Supervisor<'_> {
    /// Waits for the end of the program, pauses and resumes it, and brings the end about when it has to. Afterwards none of its process
    /// group is left, and after a kill none of its descendants.
    pub(super) async fn run(&self, child: &mut Child) -> Ended {
        let (mut stop, mut pause) = (self.context.stop.clone(), self.context.pause.clone());
        let mut clock = Clock::new(self.job.timeout_s, Instant::now());
        let ended = loop {
            tokio::select! {
                biased;
                ended = exit(child) => {
                    self.tree.kill_group();
                    return ended;
                }
                reason = stop.stopped() => break Ended::Stopped(reason),
                () = pause.becomes(!clock.is_paused()) => self.turn(&mut clock),
                () = clock.over() => break Ended::TimedOut,
            }
        };
        if matches!(ended, Ended::Stopped(Stop::Cancel)) {
            self.tell(&Control { cancel: true, paused: false });
        }
        self.terminate(child, self.grace_for(&ended)).await;
        ended
    }

    /// Pauses what runs, resumes what stands still.
    fn turn(&self, clock: &mut Clock) {
        let status = StatusFile::new(self.job, &self.context.folder);
        if clock.is_paused() {
            self.tell(&Control { cancel: false, paused: false });
            status.running(self.tree.root());
            self.log.note(Level::Info, "the job goes on");
            clock.resume(Instant::now());
            self.tree.resume();
        } else {
            self.tell(&Control { cancel: false, paused: true });
            self.tree.pause();
            clock.pause(Instant::now());
            status.paused(self.tree.root());
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

    /// TERM for the whole tree, and KILL for what is left of it after `grace`.
    async fn terminate(&self, child: &mut Child, grace: Duration) {
        let deadline = Instant::now() + grace;
        let known = self.tree.terminate();
        let mut exited = false;
        while Instant::now() < deadline && !(exited && known.iter().all(|process| !process.is_alive())) {
            if exited {
                tokio::time::sleep(POLL).await;
            } else {
                exited = tokio::time::timeout(POLL, child.wait()).await.is_ok();
            }
        }
        self.tree.kill(&known);
        // A program in an uninterruptible system call is waited for: its slot is not free before.
        let _status = child.wait().await;
        self.tree.kill(&known);
    }
}

async fn exit(child: &mut Child) -> Ended {
    child.wait().await.map_or_else(Ended::Unknown, Ended::Exit)
}
