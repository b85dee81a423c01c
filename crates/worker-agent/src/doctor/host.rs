//! Checks of the host itself.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::PermissionsExt as _,
    process::{Output, Stdio},
    time::Duration,
};

use nix::sys::statvfs::statvfs;
use tokio::process::Command;
use uuid::Uuid;

use super::Finding;
use crate::{JobFolder, Scopes, Settings, children::Children, process::check_display, process::limits};

const GIB: u64 = 1 << 30;
const ENOUGH: u64 = GIB;
const TOO_LITTLE: u64 = 100 << 20;
const PATIENCE: Duration = Duration::from_secs(10);
/// Oldest Python that still gets security fixes.
const OLDEST_PYTHON: (u32, u32) = (3, 10);

pub(super) fn settings(settings: &Settings) -> Finding {
    match settings.validate() {
        Ok(()) => {
            let name = settings.name.as_ref().map_or_else(|| "named after its host".to_owned(), |name| format!("{name:?}"));
            Finding::ok("settings", format!("worker {name}, {} slots", settings.slots))
        }
        Err(error) => Finding::fail("settings", error, "correct the options of `regente worker`"),
    }
}

pub(super) fn work_folder(settings: &Settings) -> Finding {
    const CHECK: &str = "work_folder";
    let path = settings.work_dir.display();
    let probe = JobFolder::at(settings.work_dir.join(format!(".doctor-{}", Uuid::now_v7())));
    let written = probe.create().and_then(|()| probe.write_json("probe", &())).and_then(|()| probe.remove());
    if let Err(error) = written {
        let remedy = format!("{path} must be writable: give it to the worker's user (chown), or name another folder with --work-dir");
        return Finding::fail(CHECK, format!("{path}: {error}"), remedy);
    }
    let lock = File::open(settings.work_dir.join("agent.lock"));
    match lock.map(|file| file.try_lock()) {
        Ok(Err(TryLockError::WouldBlock)) => Finding::ok(CHECK, format!("{path} is writable, and a worker uses it now")),
        _ => Finding::ok(CHECK, format!("{path} is writable")),
    }
}

pub(super) fn space(settings: &Settings) -> Finding {
    const CHECK: &str = "space";
    let remedy = "free space, or keep less with --keep-folders, --keep-days and --keep-gib";
    let free = match statvfs(&settings.work_dir) {
        Ok(data) => data.blocks_available().saturating_mul(data.fragment_size()),
        Err(error) => return Finding::warn(CHECK, format!("the free space cannot be read: {error}"), "create the work folder first"),
    };
    let message = format!("{:.1} GiB free for job folders", free as f64 / GIB as f64);
    if free < TOO_LITTLE {
        return Finding::fail(CHECK, message, remedy);
    }
    if free < ENOUGH { Finding::warn(CHECK, message, remedy) } else { Finding::ok(CHECK, message) }
}

pub(super) fn base_folder(settings: &Settings) -> Finding {
    const CHECK: &str = "base_folder";
    let path = settings.base_dir.display();
    match fs::read_dir(&settings.base_dir) {
        Ok(_) => Finding::ok(CHECK, format!("relative script paths start at {path}")),
        Err(error) => Finding::fail(CHECK, format!("{path}: {error}"), "make the robots' folder readable, or name another with --base-dir"),
    }
}

/// Checks which folders' scripts may run, and who can write there.
pub(super) fn scripts(settings: &Settings) -> Finding {
    const CHECK: &str = "scripts";
    let folders = settings.script_folders();
    if folders.is_empty() {
        let remedy = "name the robots' folders with --scripts, or start the worker in one of them";
        return Finding::fail(CHECK, "no script may be run: / is no script folder unless --scripts names it", remedy);
    }
    for folder in &folders {
        let path = folder.display();
        let data = match fs::metadata(folder) {
            Ok(data) if data.is_dir() => data,
            Ok(_) => return Finding::fail(CHECK, format!("{path} is no folder"), "name folders with --scripts"),
            Err(error) => return Finding::fail(CHECK, format!("{path}: {error}"), "create the folder, or name another with --scripts"),
        };
        if data.permissions().mode() & 0o002 != 0 {
            let remedy = format!("remove the write permission of others (chmod o-w {path}), or name another folder with --scripts");
            return Finding::warn(CHECK, format!("everybody on this host can write scripts into {path}"), remedy);
        }
    }
    let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Finding::ok(CHECK, format!("scripts in {} may be run", folders.join(", ")))
}

pub(super) async fn shell() -> Finding {
    match output("sh", &["-c", "exit 0"]).await {
        Ok(output) if output.status.success() => Finding::ok("shell", "sh works"),
        Ok(output) => Finding::fail("shell", format!("sh ends with {}", output.status), "repair the host's sh"),
        Err(reason) => Finding::fail("shell", format!("sh: {reason}"), "install a POSIX shell as sh"),
    }
}

pub(super) async fn python(settings: &Settings) -> Finding {
    const CHECK: &str = "python";
    let python = &settings.python;
    let remedy = "install Python 3 (Debian: apt install python3), or name one with --python or REGENTE_PYTHON";
    let output = match output(python, &["-c", "import sys; print(*sys.version_info[:3])"]).await {
        Ok(output) => output,
        Err(reason) => return Finding::fail(CHECK, format!("{python}: {reason}"), remedy),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u32> = text.split_whitespace().map_while(|word| word.parse().ok()).collect();
    match numbers[..] {
        [major, minor, patch] if output.status.success() && (major, minor) >= OLDEST_PYTHON => {
            Finding::ok(CHECK, format!("{python} is Python {major}.{minor}.{patch}"))
        }
        [major, minor, patch] if output.status.success() => {
            let remedy = format!("install Python {}.{} or newer", OLDEST_PYTHON.0, OLDEST_PYTHON.1);
            Finding::warn(CHECK, format!("{python} is Python {major}.{minor}.{patch}, which is out of support"), remedy)
        }
        _ => Finding::fail(CHECK, format!("{python} is not a working Python: {}", output.status), remedy),
    }
}

/// Starts a virtual display and stops it.
pub(super) async fn display(settings: &Settings) -> Finding {
    let folder = JobFolder::at(settings.work_dir.join(format!(".doctor-{}", Uuid::now_v7())));
    if let Err(error) = folder.create() {
        return Finding::warn("xvfb", format!("not tried: {error}"), "make the work folder writable");
    }
    let tried = check_display(&settings.xvfb, &folder).await;
    if let Err(error) = folder.remove() {
        tracing::warn!(folder = %folder.path().display(), %error, "a folder of the check cannot be removed");
    }
    match tried {
        Ok(()) => Finding::ok("xvfb", format!("{} starts", settings.xvfb)),
        Err(reason) => Finding::warn("xvfb", reason, "install it when jobs need a display (Debian: apt install xvfb)"),
    }
}

pub(super) async fn scopes(settings: &Settings) -> Finding {
    const CHECK: &str = "scopes";
    if settings.scopes == Scopes::Off {
        return Finding::ok(CHECK, "switched off: processor limits, and memory limits of whole jobs, are not enforced");
    }
    match limits::probe(&Children::default()).await {
        Ok(manager) => Finding::ok(CHECK, format!("systemd creates scopes ({manager:?})")),
        Err(reason) => {
            let remedy = "only needed for jobs with limits of processors or memory: a host with systemd, run as root or with `loginctl \
                          enable-linger` for the worker's user; --scopes off stops trying";
            Finding::warn(CHECK, reason, remedy)
        }
    }
}

async fn output(program: &str, arguments: &[&str]) -> Result<Output, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err("not found".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no end after {} s", PATIENCE.as_secs())),
    }
}
