//! Finds, suspends, resumes and kills all processes of a job: the descendants of its supervisor and, after a crash, whatever carries the
//! job's mark.
//!
//! Process ids are reused. So a process is identified by id and start time, and across a restart also by the boot; a number alone never
//! decides about a kill. Before a kill the processes are suspended until no new one appears, so that none escapes by forking.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use domain::ids::JobId;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use tokio::process::Child;

/// Maximum rounds of a search through processes that may be forking meanwhile.
const ROUNDS: usize = 10;

/// Variable in the environment of a job's program, and of what it starts, that names the job.
pub(super) const JOB_MARK: &str = "REGENTE_JOB_ID";
/// Variable in the environment of a job's virtual display, which is not part of the tree: it ends after the program.
pub(super) const DISPLAY_MARK: &str = "REGENTE_DISPLAY_OF";

/// A job's processes: the descendants of its supervisor, without the supervisor. Dropped before [`Tree::settle`], it kills them.
pub(crate) struct Tree {
    supervisor: Process,
    /// The program itself; 0 before its start.
    root: i32,
    job: JobId,
    settled: AtomicBool,
}

/// One process, identified by id and start time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    state: char,
    started: u64,
}

/// The program itself, identified across restarts of the agent and of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pid: i32,
    /// Ticks since the boot.
    started: u64,
    boot_id: String,
}

/// What was left of the processes of an earlier agent's job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The program itself was still running.
    pub(crate) root_ran: bool,
    /// Processes that were killed, the program among them.
    pub(crate) killed: usize,
}

impl Tree {
    /// The tree below a supervisor, which has not started the program yet; `None` when it has ended and was waited for, or on a system without
    /// `/proc`.
    pub(crate) fn below(supervisor: &Child, job: JobId) -> Option<Self> {
        let supervisor = read(i32::try_from(supervisor.id()?).ok()?)?;
        Some(Self { supervisor, root: 0, job, settled: AtomicBool::new(false) })
    }

    /// The program has started.
    pub(crate) const fn set_root(&mut self, pid: i32) {
        self.root = pid;
    }

    pub(crate) const fn root(&self) -> i32 {
        self.root
    }

    /// Identity by which a later agent finds the program again; `None` when it has ended.
    pub(crate) fn identity(&self) -> Option<Root> {
        Root::of(&read(self.root)?)
    }

    /// Identity of the supervisor.
    pub(crate) fn supervisor_identity(&self) -> Option<Root> {
        Root::of(&self.supervisor)
    }

    /// Whether a process is left.
    pub(crate) fn is_populated(&self) -> bool {
        !self.members().is_empty()
    }

    /// Suspends every process.
    pub(crate) fn pause(&self) {
        freeze(|| self.members());
    }

    /// Resumes every process.
    pub(crate) fn resume(&self) {
        self.members().iter().for_each(|process| process.signal(Signal::SIGCONT));
    }

    /// Every process has ended and was reaped: there is nothing left to kill.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Sends TERM to every process. A suspended one is resumed with the signal already pending. Returns whether there was any.
    pub(crate) fn terminate(&self) -> bool {
        let members = self.members();
        for signal in [Signal::SIGTERM, Signal::SIGCONT] {
            members.iter().for_each(|process| process.signal(signal));
        }
        !members.is_empty()
    }

    /// Kills every process.
    pub(crate) fn kill(&self) {
        freeze(|| self.members()).iter().for_each(|process| process.signal(Signal::SIGKILL));
    }

    /// The living processes of the job.
    fn members(&self) -> Vec<Process> {
        if self.supervisor.is_alive() {
            return family(|process| process.parent == self.supervisor.pid);
        }
        // The supervisor was killed: processes without a mark have been reparented.
        let is_of_group = |process: &Process| self.root != 0 && process.group == self.root;
        let mut left = family(|process| is_of_group(process) || is_marked(process.pid, &[JOB_MARK], self.job));
        left.retain(|process| process.pid != self.supervisor.pid);
        left
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if self.settled.load(Ordering::Relaxed) {
            return;
        }
        // The supervisor may be starting the program just now. Afterwards it reaps what was killed, and exits.
        self.supervisor.signal(Signal::SIGSTOP);
        self.kill();
        self.supervisor.signal(if self.root == 0 { Signal::SIGKILL } else { Signal::SIGCONT });
    }
}

impl Process {
    pub(crate) fn is_alive(&self) -> bool {
        read(self.pid).is_some_and(|now| now.started == self.started && now.state != 'Z')
    }

    pub(crate) const fn pid(&self) -> i32 {
        self.pid
    }

    pub(crate) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        // It fails when the process has already ended.
        let _ended = kill(Pid::from_raw(self.pid), signal);
    }
}

/// Suspends the processes that `look` finds. Repeats until no new one appears: one that was not yet suspended may have forked.
fn freeze(look: impl Fn() -> Vec<Process>) -> Vec<Process> {
    let mut seen: Vec<Process> = Vec::new();
    for _ in 0..ROUNDS {
        let is_seen = |process: &Process| seen.iter().any(|other| (other.pid, other.started) == (process.pid, process.started));
        let fresh: Vec<_> = look().into_iter().filter(|process| !is_seen(process)).collect();
        if fresh.is_empty() {
            break;
        }
        fresh.iter().for_each(|process| process.signal(Signal::SIGSTOP));
        seen.extend(fresh);
    }
    seen
}

/// The children of a process, also those that have ended and were not reaped.
pub(crate) fn children_of(parent: i32) -> Vec<Process> {
    snapshot().into_iter().filter(|process| process.parent == parent).collect()
}

/// Kills every process with the mark of `job`, its supervisor, the program `root` with its group, and what these have started. A process
/// that merely reuses the id of one of them is left alone.
pub(crate) fn kill_left(job: JobId, root: Option<&Root>, supervisor: Option<&Root>) -> Left {
    let root = root.filter(|root| root.is_alive());
    let root_ran = root.is_some();
    let found = freeze(|| {
        let supervisor = supervisor.filter(|supervisor| supervisor.is_alive());
        let root = root.filter(|root| root.is_alive());
        family(|process| {
            is_marked(process.pid, &[JOB_MARK, DISPLAY_MARK], job)
                || root.is_some_and(|root| process.group == root.pid)
                || supervisor.is_some_and(|supervisor| process.pid == supervisor.pid)
        })
    });
    found.iter().for_each(|process| process.signal(Signal::SIGKILL));
    let killed = found.iter().filter(|process| supervisor.is_none_or(|supervisor| supervisor.pid != process.pid)).count();
    Left { root_ran, killed }
}

impl Root {
    fn of(process: &Process) -> Option<Self> {
        Some(Self { pid: process.pid, started: process.started, boot_id: boot_id()? })
    }

    fn is_alive(&self) -> bool {
        let same = |process: &Process| process.started == self.started && process.state != 'Z';
        boot_id().as_ref() == Some(&self.boot_id) && read(self.pid).as_ref().is_some_and(same)
    }
}

/// Id of the host's current boot.
fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

/// The living processes that `seed` picks, and their descendants: a process that is just starting may not show its mark yet.
fn family(seed: impl Fn(&Process) -> bool) -> Vec<Process> {
    let (mut family, mut others): (Vec<_>, Vec<_>) = snapshot().into_iter().partition(seed);
    loop {
        let (children, rest): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|process| family.iter().any(|parent| parent.pid == process.parent));
        if children.is_empty() {
            break;
        }
        family.extend(children);
        others = rest;
    }
    family.retain(|process| process.state != 'Z');
    family
}

/// Whether the environment names the job in one of the variables `marks`.
fn is_marked(pid: i32, marks: &[&str], job: JobId) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    let expected: Vec<_> = marks.iter().map(|mark| format!("{mark}={job}")).collect();
    environment.split(|byte| *byte == 0).any(|variable| expected.iter().any(|mark| mark.as_bytes() == variable))
}

/// Every other process of the host; empty on systems without `/proc`.
fn snapshot() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id().cast_signed();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != own && *pid > 1).filter_map(read).collect()
}

fn read(pid: i32) -> Option<Process> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&text))
}

/// The program's name, in brackets, may hold spaces and brackets: the fields are counted after it.
fn parse(pid: i32, stat: &str) -> Option<Process> {
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn stat_with_a_strange_name() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4242 1 2";
        assert_eq!(parse(7, stat), Some(Process { pid: 7, parent: 3, group: 7, state: 'S', started: 4242 }));
        assert_eq!(parse(7, "7 (x"), None);
    }

    #[test]
    fn a_process_that_got_the_number_of_an_ended_one_is_left_alone() {
        let mut innocent = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = innocent.id().cast_signed();
        let now = read(pid).unwrap();
        let right = Root { pid, started: now.started, boot_id: boot_id().unwrap() };
        assert!(right.is_alive());
        for wrong in [Root { started: now.started + 1, ..right.clone() }, Root { boot_id: "another".into(), ..right }] {
            assert_eq!(kill_left(Uuid::now_v7().into(), Some(&wrong), Some(&wrong)), Left { root_ran: false, killed: 0 });
            assert!(now.is_alive());
        }
        innocent.kill().unwrap();
        innocent.wait().unwrap();
    }
}
