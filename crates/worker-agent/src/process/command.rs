//! How a job's program is started.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use domain::automation::EntrypointType;
use domain::log::Level;
use tokio::process::{Child, Command};

use super::{ProcessRunner, log::RobotLog, params};
use crate::{Job, JobFolder};

/// What a program inherits from the agent, which has secrets in its own environment. `LC_*` beside it.
const INHERITED: [&str; 25] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "DISPLAY",
    "XAUTHORITY",
    "WAYLAND_DISPLAY",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LD_LIBRARY_PATH",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SystemRoot",
];

/// Starts the program. The text of the error says why it cannot be started.
pub(super) fn spawn(runner: &ProcessRunner, job: &Job, folder: &JobFolder, log: &RobotLog) -> Result<Child, String> {
    let kind = match job.entrypoint_type.as_str() {
        "" => EntrypointType::Python,
        name => EntrypointType::parse(name).ok_or_else(|| format!("unknown entry point type {name:?}: must be PYTHON, SHELL or EXE"))?,
    };
    let script = resolve(&runner.base_dir, &job.script_path)?;
    let mut command = match kind {
        EntrypointType::Python => interpreter(&runner.python, &script),
        EntrypointType::Shell => interpreter("sh", &script),
        EntrypointType::Exe => Command::new(&script),
    };
    command.arg("--config").arg(folder.file("config.json"));
    environment(&mut command, job, folder, log);
    command
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command.spawn().map_err(|error| why_not(kind, &runner.python, &script, &error))
}

fn interpreter(program: &str, script: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(script);
    command
}

fn resolve(base_dir: &Path, script_path: &str) -> Result<PathBuf, String> {
    if script_path.is_empty() {
        return Err("the automation has no script_path".into());
    }
    let path = std::path::absolute(base_dir.join(script_path)).map_err(|error| format!("{script_path}: {error}"))?;
    match std::fs::metadata(&path) {
        Ok(data) if data.is_dir() => Err(format!("{} is a folder, not a program", path.display())),
        Ok(_) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!("file not found: {}", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn environment(command: &mut Command, job: &Job, folder: &JobFolder, log: &RobotLog) {
    command.env_clear();
    for (name, value) in std::env::vars_os() {
        let known = name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"));
        if known {
            command.env(name, value);
        }
    }
    let (parameters, left_out) = params::environment(&job.parameters);
    command.envs(parameters);
    for reason in left_out {
        log.note(Level::Warning, &reason);
    }
    let fixed: [(&str, OsString); 6] = [
        ("REGENTE_JOB_ID", job.id.to_string().into()),
        ("REGENTE_AUTOMATION", job.automation_name.replace('\0', "").into()),
        ("REGENTE_ATTEMPT", job.attempt.to_string().into()),
        ("REGENTE_JOB_DIR", folder.path().into()),
        ("PYTHONUNBUFFERED", "1".into()),
        ("PYTHONIOENCODING", "utf-8".into()),
    ];
    command.envs(fixed);
    if let Some(traceparent) = &job.traceparent {
        command.env("TRACEPARENT", traceparent.replace('\0', ""));
    }
}

fn why_not(kind: EntrypointType, python: &str, script: &Path, error: &io::Error) -> String {
    let script = script.display();
    match (kind, error.kind()) {
        (EntrypointType::Python, io::ErrorKind::NotFound) => format!("no Python: {python:?} is not found on this worker"),
        (EntrypointType::Python, _) => format!("Python {python:?} cannot be started: {error}"),
        (EntrypointType::Shell, _) => format!("sh cannot be started: {error}"),
        (EntrypointType::Exe, io::ErrorKind::PermissionDenied) => format!("not executable: {script}"),
        (EntrypointType::Exe, io::ErrorKind::NotFound) => format!("{script} cannot be started: the interpreter that it names is missing"),
        (EntrypointType::Exe, _) => format!("{script} cannot be started: {error}"),
    }
}
