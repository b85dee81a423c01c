//! Finds and kills all processes of a job: its group, the descendants that have left the group, and whatever carries its mark.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::process::Child;
use uuid::Uuid;

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

impl Tree {
    /// The tree below a program that leads its own process group; `None` when it has ended and was waited for.
    pub(crate) fn of(child: &Child, job: Uuid) -> Option<Self> {
        let root = i32::try_from(child.id()?).ok()?;
        Some(Self { root, job, settled: AtomicBool::new(false) })
    }

    pub(crate) const fn root(&self) -> i32 {
        self.root
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

    /// Asks every process to end and gives those it has asked.
    pub(crate) fn terminate(&self) -> Vec<Process> {
        let members = self.members();
        let _none_left = killpg(Pid::from_raw(self.root), Signal::SIGTERM);
        for process in members.iter().filter(|process| process.group != self.root) {
            process.signal(Signal::SIGTERM);
        }
        members
    }

    /// Kills every process, and those of `known` that still live. Looks again after it, for processes that were being made meanwhile.
    pub(crate) fn kill(&self, known: &[Process]) {
        self.settle();
        let _none_left = killpg(Pid::from_raw(self.root), Signal::SIGKILL);
        for process in known.iter().filter(|process| process.is_alive()) {
            process.signal(Signal::SIGKILL);
        }
        for _ in 0..5 {
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
            process.pid == self.root || process.parent == self.root || process.group == self.root || is_marked(process.pid, self.job)
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

/// Kills every process with the mark of `job`, and what these have started, and gives their number.
pub(crate) fn kill_marked(job: Uuid) -> usize {
    let mut killed = 0;
    for _ in 0..5 {
        let marked = family(|process| is_marked(process.pid, job));
        if marked.is_empty() {
            break;
        }
        killed = killed.max(marked.len());
        marked.iter().for_each(|process| process.signal(Signal::SIGKILL));
    }
    killed
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

/// The environment of a job's program, and of what it starts, names the job.
fn is_marked(pid: i32, job: Uuid) -> bool {
    let mark = format!("REGENTE_JOB_ID={job}");
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else { return false };
    environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
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
}
