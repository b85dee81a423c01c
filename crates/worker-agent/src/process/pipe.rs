//! Reads what a program prints, in the order in which it was printed as far as that can be determined.
//!
//! The reader must keep up with any program: a full pipe would block it. So nothing here waits for the hub, memory is bounded, and a
//! program that prints without a pause yields to the other tasks. A process that outlives the program with its output open cannot hold the
//! job up for more than 5 s.

use std::{io, os::fd::OwnedFd, time::Duration};

use domain::log::Level;
use rustix::io::retry_on_intr;
use tokio::{
    net::unix::pipe::Receiver,
    process::{ChildStderr, ChildStdout},
    sync::watch,
    time::{Instant, timeout_at},
};

use super::log::{Lines, RobotLog};
use crate::line::{RawLine, Reading, Source, Splitter};

/// Capacity of a pipe: one read empties it.
const BUFFER: usize = 64 * 1024;
/// Maximum bytes of a moving progress bar that are shown.
const MAX_BAR: usize = 4 * 1024;
/// After the program's end, output that another process keeps open is read until nothing has come for this long.
const SILENCE: Duration = Duration::from_millis(250);
/// Maximum time to read output after the program's end.
const AFTER_END: Duration = Duration::from_secs(5);

/// Reads both outputs of a program to their end into the log, and the newest state of a progress bar into `bar`. Returns the last error
/// that the program printed.
pub(super) async fn read(
    outputs: (Option<ChildStdout>, Option<ChildStderr>),
    log: &RobotLog,
    bar: &watch::Sender<String>,
    mut ended: watch::Receiver<bool>,
) -> Option<String> {
    let mut outputs = match Outputs::new(outputs) {
        Ok(outputs) => outputs,
        Err(error) => {
            log.note(Level::Error, &format!("the program's output cannot be read: {error}"));
            return None;
        }
    };
    let mut last = None;
    while outputs.are_open() {
        match last {
            None => tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended) => {
                    last = Some(Instant::now() + AFTER_END);
                    continue;
                }
                () = outputs.ready() => {}
            },
            Some(last) => match timeout_at(last.min(Instant::now() + SILENCE), outputs.ready()).await {
                Ok(()) if Instant::now() < last => {}
                _ => break,
            },
        }
        outputs.read(log, bar);
    }
    let left_open = outputs.are_open();
    outputs.finish(log, bar);
    if left_open {
        log.note(
            Level::Warning,
            "a process that the program left behind keeps its output open; what it writes from now on is not in the log",
        );
    }
    outputs.reading.error()
}

/// Both outputs of a program, which are two pipes. Which of two bytes in different pipes is older cannot be determined. But a program that
/// prints before it fails writes standard output before standard error. So what is read from standard error goes into the log after
/// everything that is in standard output a moment later.
struct Outputs {
    stdout: Output,
    stderr: Output,
    reading: Reading,
}

struct Output {
    source: Source,
    /// `None` after its end.
    pipe: Option<Receiver>,
    splitter: Splitter,
    buffer: Vec<u8>,
}

impl Outputs {
    fn new((stdout, stderr): (Option<ChildStdout>, Option<ChildStderr>)) -> io::Result<Self> {
        let stdout = Output::new(Source::Stdout, stdout.map(ChildStdout::into_owned_fd).transpose()?)?;
        let stderr = Output::new(Source::Stderr, stderr.map(ChildStderr::into_owned_fd).transpose()?)?;
        Ok(Self { stdout, stderr, reading: Reading::default() })
    }

    const fn are_open(&self) -> bool {
        self.stdout.pipe.is_some() || self.stderr.pipe.is_some()
    }

    /// Yields, then waits until there is something to read. Cancel safe.
    async fn ready(&self) {
        // A program that prints without a pause must not starve the other jobs and the heartbeats: each read is much work, so the runtime's
        // own budget of a hundred reads would be seconds.
        tokio::task::yield_now().await;
        tokio::select! {
            () = self.stdout.ready() => {}
            () = self.stderr.ready() => {}
        }
    }

    /// Reads what is there: standard error first, which goes into the log last.
    fn read(&mut self, log: &RobotLog, bar: &watch::Sender<String>) {
        let errors = self.stderr.read();
        let words = self.stdout.read();
        let mut lines = Lines::default();
        self.stdout.feed(words, &mut self.reading, &mut lines, bar);
        self.stderr.feed(errors, &mut self.reading, &mut lines, bar);
        log.add(lines);
    }

    fn finish(&mut self, log: &RobotLog, bar: &watch::Sender<String>) {
        let mut lines = Lines::default();
        for output in [&mut self.stdout, &mut self.stderr] {
            let (source, reading) = (output.source, &mut self.reading);
            output.splitter.finish(|line| take(source, &line, reading, &mut lines, bar));
        }
        log.add(lines);
    }
}

impl Output {
    fn new(source: Source, pipe: Option<OwnedFd>) -> io::Result<Self> {
        let pipe = pipe.map(Receiver::from_owned_fd).transpose()?;
        Ok(Self { source, pipe, splitter: Splitter::default(), buffer: vec![0; BUFFER] })
    }

    async fn ready(&self) {
        match &self.pipe {
            // A fault shows when the pipe is read.
            Some(pipe) => drop(pipe.readable().await),
            None => std::future::pending().await,
        }
    }

    /// Reads what is there into the buffer, and returns its length.
    fn read(&mut self) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        let mut length = 0;
        let end = loop {
            match pipe.try_read(&mut self.buffer[length..]) {
                Ok(0) => break length < self.buffer.len(),
                Ok(more) => length += more,
                Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
            }
        };
        if end {
            self.pipe = None;
        } else if length == 0 {
            // A missing event says nothing about this moment: only a read of the pipe does. The end of the pipe is an event too.
            length = retry_on_intr(|| rustix::io::read(pipe, &mut self.buffer[..])).unwrap_or(0);
        }
        length
    }

    fn feed(&mut self, length: usize, reading: &mut Reading, lines: &mut Lines, bar: &watch::Sender<String>) {
        if length == 0 {
            return;
        }
        let source = self.source;
        self.splitter.feed(&self.buffer[..length], |line| take(source, &line, reading, lines, bar));
        if let Some(state) = self.splitter.live() {
            show(state, bar);
        }
    }
}

fn take(source: Source, line: &RawLine<'_>, reading: &mut Reading, lines: &mut Lines, bar: &watch::Sender<String>) {
    if line.rewritten {
        show(line.bytes, bar);
    }
    reading.read(source, line, |entry| lines.push(entry));
}

fn show(state: &[u8], bar: &watch::Sender<String>) {
    bar.send_replace(String::from_utf8_lossy(&state[..state.len().min(MAX_BAR)]).into_owned());
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::{JobFolder, Outbox, outbox::LogLimits};

    /// Fails when a read of a program that never pauses does not yield: then the runtime's own budget of 128 reads passes between two turns.
    #[tokio::test]
    async fn others_have_a_turn_between_two_reads_of_a_program_that_prints_without_a_pause() {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(dir.path().join("job"));
        folder.create().unwrap();
        let limits = LogLimits { spool: 0, lines: 1000, bytes: 1 << 20 };
        let log = RobotLog::open(&folder, Outbox::new(folder.clone(), limits, 0), 1 << 30).unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        // As if it had printed all of it before the first read: no other process has to be fast enough.
        let size = rustix::pipe::fcntl_setpipe_size(&writer, 16 * BUFFER).unwrap();
        writer.write_all(&b"a line of 16 b.\n".repeat(size / 16)).unwrap();
        drop(writer);
        let left = reader.try_clone().unwrap();
        let stdout = ChildStdout::from_std(std::process::ChildStdout::from(OwnedFd::from(reader))).unwrap();
        let (bar, _) = watch::channel(String::new());
        let (_running, ended) = watch::channel(false);
        let reading = tokio::spawn(async move { read((Some(stdout), None), &log, &bar, ended).await });
        let mut turns = vec![size];
        while !reading.is_finished() {
            tokio::task::yield_now().await;
            turns.push(usize::try_from(rustix::io::ioctl_fionread(&left).unwrap()).unwrap());
        }
        let most = turns.windows(2).map(|turn| turn[0] - turn[1]).max();
        assert_eq!(most, Some(BUFFER), "bytes that were read between two turns: {turns:?}");
        reading.await.unwrap();
    }
}
