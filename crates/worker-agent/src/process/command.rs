//! How a job's program is started.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use domain::automation::EntrypointType;
use domain::log::Level;
use tokio::process::Command;

use super::{ProcessRunner, display::Display, limits::Plan, log::RobotLog, params, program::Program, tree::JOB_MARK};
use crate::{
    Job, JobFolder,
    supervisor::{SUPERVISE, rights_word},
};

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

/// What a program is started with beside its job.
pub(super) struct Surroundings<'a> {
    pub(super) folder: &'a JobFolder,
    pub(super) log: &'a RobotLog,
    pub(super) display: Option<&'a Display>,
    pub(super) plan: &'a Plan,
}

/// Starts the program below a supervisor. The text of the error says why it cannot be started.
pub(super) async fn start(runner: &ProcessRunner, job: &Job, around: &Surroundings<'_>) -> Result<Program, String> {
    let kind = match job.entrypoint_type.as_str() {
        "" => EntrypointType::Python,
        name => EntrypointType::parse(name).ok_or_else(|| format!("unknown entry point type {name:?}: must be PYTHON, SHELL or EXE"))?,
    };
    let script = resolve(&runner.base_dir, &job.script_path)?;
    let program = match kind {
        EntrypointType::Python => Some(runner.python.as_str()),
        EntrypointType::Shell => Some("sh"),
        EntrypointType::Exe => None,
    };
    let words: Vec<&OsStr> = program.map(OsStr::new).into_iter().chain([script.as_os_str()]).collect();
    let cannot = |error| why_not(kind, &runner.python, &script, &error);
    let words = wrapped(&words, &around.plan.wrapper).map_err(cannot)?;
    let mut command = Command::new(&runner.supervisor);
    command.arg(SUPERVISE).arg(rights_word(None)).args(words).arg("--config").arg(around.folder.file("config.json"));
    environment(&mut command, job, around);
    command.current_dir(around.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    Program::start(command, job.id, &runner.children).await.map_err(cannot)
}

/// The words behind those of the wrapper, which then becomes the program. It would tell by an exit code what it cannot start: hence the look
/// before.
fn wrapped<'a>(words: &[&'a OsStr], wrapper: &'a [OsString]) -> io::Result<Vec<&'a OsStr>> {
    if let (false, Some(program)) = (wrapper.is_empty(), words.first()) {
        find(Path::new(program))?;
    }
    Ok(wrapper.iter().map(OsString::as_os_str).chain(words.iter().copied()).collect())
}

/// Looks for a program as the system does.
fn find(program: &Path) -> io::Result<()> {
    let executable = |path: &Path| match std::fs::metadata(path) {
        Ok(data) if data.is_file() && data.permissions().mode() & 0o111 != 0 => Ok(()),
        Ok(_) => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
        Err(error) => Err(error),
    };
    if program.components().count() > 1 {
        return executable(program);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).any(|folder| executable(&folder.join(program)).is_ok());
    if found { Ok(()) } else { Err(io::Error::from(io::ErrorKind::NotFound)) }
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

fn environment(command: &mut Command, job: &Job, around: &Surroundings<'_>) {
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
        around.log.note(Level::Warning, &reason);
    }
    let fixed: [(&str, OsString); 6] = [
        (JOB_MARK, job.id.to_string().into()),
        ("REGENTE_AUTOMATION", job.automation_name.replace('\0', "").into()),
        ("REGENTE_ATTEMPT", job.attempt.to_string().into()),
        ("REGENTE_JOB_DIR", around.folder.path().into()),
        ("PYTHONUNBUFFERED", "1".into()),
        ("PYTHONIOENCODING", "utf-8".into()),
    ];
    command.envs(fixed);
    if let Some(display) = around.display {
        command.envs(display.environment());
    }
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
