use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Duration, timeout},
};

/// Maximum time of an orderly stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// Maximum time without output: more than its longest measurement takes on a slow machine.
const SILENCE: Duration = Duration::from_secs(600);

/// A process of the measurement, with a line protocol. Killed when dropped.
pub(crate) struct Process {
    pub(crate) pid: u32,
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Option<Lines<BufReader<ChildStdout>>>,
}

impl Process {
    pub(crate) fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        Self::spawn_without_output(name, command.stdout(Stdio::piped()))
    }

    /// A process whose standard output is not read here.
    pub(crate) fn spawn_without_output(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}: {}", command.as_std().get_program().display()))?;
        let pid = child.id().with_context(|| format!("{name} ended at once"))?;
        let output = child.stdout.take().map(|output| BufReader::new(output).lines());
        Ok(Self { pid, name: name.to_owned(), input: child.stdin.take(), child, output })
    }

    /// The next line of the process. A long silence means that it waits for something that will not come.
    pub(crate) async fn line(&mut self) -> Result<String> {
        let output = self.output.as_mut().context("no standard output")?;
        let line = timeout(SILENCE, output.next_line()).await.with_context(|| format!("{} wrote nothing for {SILENCE:?}", self.name))?;
        line?.with_context(|| format!("{} ended", self.name))
    }

    /// The process's answer to a line of JSON.
    pub(crate) async fn ask<T: DeserializeOwned>(&mut self, question: Option<&impl Serialize>) -> Result<T> {
        if let Some(question) = question {
            let mut line = serde_json::to_vec(question)?;
            line.push(b'\n');
            self.input.as_mut().context("closed")?.write_all(&line).await?;
        }
        Ok(serde_json::from_str(&self.line().await?)?)
    }

    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended: {status}", self.name),
        }
    }

    /// Stops the process by closing its input and by TERM, and waits for it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?;
        }
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}
