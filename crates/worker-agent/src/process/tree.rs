//! Finds, stops, resumes and kills all processes of a job: its group, the descendants that have left the group, and whatever carries its mark.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};
use tokio::process::Child;
use uuid::Uuid;

/// Looks at processes that may be forking meanwhile end after so many, whatever was found.
const ROUNDS: usize = 10;

/// Variable in the environment of a job's program, and of what it starts, that names the job.
pub(super) const JOB_MARK: &str = "REGENTE_JOB_ID";
/// Variable in the environment of a job's virtual display, which is no part of the tree: it ends after the program.
pub(super) const DISPLAY_MARK: &str = "REGENTE_DISPLAY_OF";

/// A job's processes. Dropped before [`Tree::settle`], it kills them.
pub(crate) struct Tree {
    root: i32,
    job: Uuid,
    settled: AtomicBool,
}

/// One process, known by its id and start time: ids are used again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    state: char,
    started: u64,
}

/// The program itself, known across a restart of the agent, and of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Root {
    pid: i32,
    /// Ticks since the boot.
    started: u64,
    boot_id: String,
}

/// What was found of the processes of an earlier agent's job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The program itself still ran.
    pub(crate) root_ran: bool,
    /// Processes that were killed, the program among them.
    pub(crate) killed: usize,
}

impl Tree {
    /// The tree below a program that leads its own process group; `None` when it has ended and was waited for.
    pub(crate) fn of(child: &Child, job: Uuid) -> Option<Self> {
        let root = i32::try_from(child.id()?).ok()?;
        Some(Self { root, job, settled: AtomicBool::new(false) })
    }

    pub(crate) const fn root(&self) -> i32 {
        self.root
    }

    /// What a later agent needs to find the program again; `None` when it has ended, or on a system without `/proc`.
    pub(crate) fn identity(&self) -> Option<Root> {
        Some(Root { pid: self.root, started: read(self.root)?.started, boot_id: boot_id()? })
    }

    /// Lets every process stand still. Looks again until no new one has appeared: one that was not stopped yet may have forked.
    pub(crate) fn pause(&self) {
        let mut known: Vec<(i32, u64)> = Vec::new();
        for _ in 0..ROUNDS {
            let _none_left = killpg(Pid::from_raw(self.root), Signal::SIGSTOP);
            let members = self.members();
            let fresh: Vec<_> = members.iter().filter(|process| !known.contains(&(process.pid, process.started))).collect();
            if fresh.is_empty() {
                return;
            }
            fresh.iter().for_each(|process| process.signal(Signal::SIGSTOP));
            known.extend(fresh.iter().map(|process| (process.pid, process.started)));
        }
    }

    /// Lets every process go on.
    pub(crate) fn resume(&self) {
        let members = self.members();
        let _none_left = killpg(Pid::from_raw(self.root), Signal::SIGCONT);
        members.iter().filter(|process| process.group != self.root).for_each(|process| process.signal(Signal::SIGCONT));
    }

    /// The program has ended and been waited for: nothing has to be killed any more.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Kills what is left of the process group.
    pub(crate) fn kill_group(&self) {
        self.settle();
        // It fails when nothing is left.
        let _none_left = killpg(Pid::from_raw(self.root), Signal::SIGKILL);
    }

    /// Asks every process to end and gives those it has asked. One that stands still is woken with the request already waiting for it.
    pub(crate) fn terminate(&self) -> Vec<Process> {
        let members = self.members();
        let _none_left = killpg(Pid::from_raw(self.root), Signal::SIGTERM);
        for process in members.iter().filter(|process| process.group != self.root) {
            process.signal(Signal::SIGTERM);
        }
        self.resume();
        members
    }

    /// Kills every process, and those of `known` that still live. Looks again after it, for processes that were being made meanwhile.
    pub(crate) fn kill(&self, known: &[Process]) {
        self.settle();
        let _none_left = killpg(Pid::from_raw(self.root), Signal::SIGKILL);
        for process in known.iter().filter(|process| process.is_alive()) {
            process.signal(Signal::SIGKILL);
        }
        for _ in 0..ROUNDS {
            let members = self.members();
            if members.is_empty() {
                return;
            }
            members.iter().for_each(|process| process.signal(Signal::SIGKILL));
        }
    }

    /// The living processes of the job.
    fn members(&self) -> Vec<Process> {
        family(|process| {
            process.pid == self.root
                || process.parent == self.root
                || process.group == self.root
                || is_marked(process.pid, &[JOB_MARK], self.job)
        })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.settled.load(Ordering::Relaxed) {
            self.kill(&[]);
        }
    }
}

impl Process {
    pub(crate) fn is_alive(&self) -> bool {
        read(self.pid).is_some_and(|now| now.started == self.started && now.state != 'Z')
    }

    fn signal(&self, signal: Signal) {
        // It fails when the process has ended, which is as good.
        let _ended = kill(Pid::from_raw(self.pid), signal);
    }
}

/// Kills every process with the mark of `job`, the program `root` with its group, and what these have started. A process that merely has the
/// number of the program is left alone.
pub(crate) fn kill_left(job: Uuid, root: Option<&Root>) -> Left {
    let mut left = Left { root_ran: false, killed: 0 };
    for _ in 0..ROUNDS {
        let alive = root.filter(|root| root.is_alive());
        let found =
            family(|process| is_marked(process.pid, &[JOB_MARK, DISPLAY_MARK], job) || alive.is_some_and(|root| process.group == root.pid));
        if found.is_empty() {
            break;
        }
        left.root_ran |= alive.is_some();
        left.killed = left.killed.max(found.len());
        found.iter().for_each(|process| process.signal(Signal::SIGKILL));
    }
    left
}

impl Root {
    fn is_alive(&self) -> bool {
        let same = |process: &Process| process.started == self.started && process.state != 'Z';
        boot_id().as_ref() == Some(&self.boot_id) && read(self.pid).as_ref().is_some_and(same)
    }
}

/// Which start of the host this is.
fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

/// The living processes that `seed` picks, and their descendants: one that is just being started may not show its mark yet.
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
fn is_marked(pid: i32, marks: &[&str], job: Uuid) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    let wanted: Vec<_> = marks.iter().map(|mark| format!("{mark}={job}")).collect();
    environment.split(|byte| *byte == 0).any(|variable| wanted.iter().any(|mark| mark.as_bytes() == variable))
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
            assert_eq!(kill_left(Uuid::now_v7(), Some(&wrong)), Left { root_ran: false, killed: 0 });
            assert!(now.is_alive());
        }
        innocent.kill().unwrap();
        innocent.wait().unwrap();
    }
}
