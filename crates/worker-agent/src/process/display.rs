//! A virtual display of one job.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use domain::ids::JobId;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::tree::DISPLAY_MARK;
use crate::{
    JobFolder, RunAs,
    children::{Children, OwnChild},
};

const START_LIMIT: Duration = Duration::from_secs(10);
/// Time for the server to remove its lock file and socket.
const STOP_LIMIT: Duration = Duration::from_secs(2);
const SCREEN: &str = "1920x1080x24";
/// Bytes read from the end of the server's log.
const MOST_LOG: u64 = 1 << 20;
const AUTHORITY: &str = "Xauthority";
const LOG: &str = "logs/xvfb.log";

/// An X server without a screen. Dropped, it is killed.
pub(super) struct Display {
    server: OwnChild,
    name: String,
    authority: PathBuf,
}

impl Display {
    /// Starts `xvfb` and waits until it accepts clients. Only clients that can read the job's folder may connect. The error text says what
    /// to do.
    pub(super) async fn start(
        xvfb: &str,
        job: JobId,
        folder: &JobFolder,
        (children, run_as): (&Children, Option<&RunAs>),
    ) -> Result<Self, String> {
        let authority = folder.file(AUTHORITY);
        let prepared = write_authority(folder).and_then(|()| folder.create_file(LOG));
        let log = prepared.map_err(|error| format!("no virtual display: its files cannot be written: {error}"))?;
        let mut command = Command::new(xvfb);
        command
            .args(["-displayfd", "1", "-screen", "0", SCREEN, "-nolisten", "tcp", "-noreset", "-auth"])
            .arg(&authority)
            .env(DISPLAY_MARK, job.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        if let Some(user) = run_as {
            command.uid(user.user).gid(user.group);
        }
        let mut server = children.spawn(&mut command).map_err(|error| why_not(xvfb, &error))?;
        let number = tokio::time::timeout(START_LIMIT, number_of(&mut server)).await.unwrap_or(None);
        match number {
            Some(number) => Ok(Self { server, name: format!(":{number}"), authority }),
            None => Err(format!("no virtual display: {xvfb} does not start ({})", last_words(folder))),
        }
    }

    /// Environment by which the job's program finds the display.
    pub(super) fn environment(&self) -> [(&'static str, OsString); 2] {
        [("DISPLAY", self.name.clone().into()), ("XAUTHORITY", self.authority.clone().into())]
    }

    /// Stops the server.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.server.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It fails when the server has already ended.
            let _ended = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(STOP_LIMIT, self.server.wait()).await.is_err()
            && let Err(error) = self.server.kill().await
        {
            tracing::warn!(%error, "a virtual display cannot be stopped");
        }
    }
}

/// The number of the display, which the server writes when it is ready.
async fn number_of(server: &mut Child) -> Option<u32> {
    let mut line = String::new();
    BufReader::new(server.stdout.take()?).read_line(&mut line).await.ok()?;
    line.trim().parse().ok()
}

/// An `Xauthority` file with one new cookie that fits every address and display.
fn write_authority(folder: &JobFolder) -> io::Result<()> {
    const NAME: &[u8] = b"MIT-MAGIC-COOKIE-1";
    const WILD: u16 = 0xffff;
    let cookie: [u8; 16] = rand::random();
    let mut entry = WILD.to_be_bytes().to_vec();
    for field in [&[][..], &[], NAME, &cookie] {
        let length = u16::try_from(field.len()).map_err(io::Error::other)?;
        entry.extend_from_slice(&length.to_be_bytes());
        entry.extend_from_slice(field);
    }
    folder.create_shared_file(AUTHORITY)?.write_all(&entry)
}

fn why_not(xvfb: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "no virtual display: {xvfb:?} is not found on this worker; install it (Debian: apt install xvfb) or remove `display` from the automation"
        ),
        _ => format!("no virtual display: {xvfb:?} cannot be started: {error}"),
    }
}

fn last_words(folder: &JobFolder) -> String {
    let text = folder.read(LOG, MOST_LOG).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.map_or_else(|| "no output".to_owned(), |line| line.chars().take(300).collect())
}
