//! Builds the command that starts a job's program.
//!
//! The agent's own environment has secrets, so a program inherits only the listed variables. What cannot start is detected before a wrapper
//! (`systemd-run`) takes over, because the wrapper would hide the reason behind an exit code.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
};

use domain::automation::EntrypointType;
use tokio::process::Command;

use super::{
    ProcessRunner,
    display::Display,
    limits::{self, Plan},
    program::Program,
    script,
    tree::JOB_MARK,
};
use crate::{
    Job, JobFolder, RunAs,
    supervisor::{SUPERVISE, rights_word},
};

/// Variables that a program inherits from the agent, in addition to `LC_*`.
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

/// What a program is started with, in addition to its job.
pub(super) struct Surroundings<'a> {
    pub(super) folder: &'a JobFolder,
    /// The parameters as environment variables.
    pub(super) environment: Vec<(String, String)>,
    pub(super) display: Option<&'a Display>,
    pub(super) plan: &'a Plan,
}

/// Starts the program below a supervisor. The error text says why it cannot be started.
pub(super) async fn start(runner: &ProcessRunner, job: &Job, around: Surroundings<'_>) -> Result<Program, String> {
    let kind = match job.entrypoint_type.as_str() {
        "" => EntrypointType::Python,
        name => EntrypointType::parse_in_any_case(name)
            .ok_or_else(|| format!("unknown entry point type {name:?}: must be PYTHON, SHELL or EXE"))?,
    };
    let script = script::resolve(&runner.base_dir, &runner.scripts, &job.script_path)?;
    let interpreter = match kind {
        EntrypointType::Python => vec![OsString::from(&runner.python)],
        EntrypointType::Shell => script::interpreter(&script).unwrap_or_else(|| vec!["sh".into()]),
        EntrypointType::Exe => Vec::new(),
    };
    let words: Vec<&OsStr> = interpreter.iter().map(OsString::as_os_str).chain([script.as_os_str()]).collect();
    let cannot = |error| why_not(kind, interpreter.first(), &script, &error);
    // Only root can request a scope from the host's systemd, which then drops the rights itself.
    let (in_scope, outside) = match &runner.run_as {
        Some(user) if !around.plan.wrapper.is_empty() => (Some(user), None),
        user => (None, user.as_ref().map(RunAs::ids)),
    };
    let wrapper = limits::as_user(&around.plan.wrapper, in_scope);
    let words = wrapped(&words, &wrapper).map_err(cannot)?;
    let mut command = Command::new(&runner.supervisor);
    command.arg0("regente").arg(SUPERVISE).arg(rights_word(outside)).args(words).arg("--config").arg(around.folder.file("config.json"));
    command.current_dir(around.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    environment(&mut command, job, runner.run_as.as_ref(), around);
    Program::start(command, job.id, &runner.children).await.map_err(cannot)
}

/// Prefixes the words with the wrapper's, which then becomes the program. The wrapper reports a failed start only by its exit code: hence
/// the check before.
fn wrapped<'a>(words: &[&'a OsStr], wrapper: &'a [OsString]) -> io::Result<Vec<&'a OsStr>> {
    if let (false, Some(program)) = (wrapper.is_empty(), words.first()) {
        find(Path::new(program))?;
    }
    Ok(wrapper.iter().map(OsString::as_os_str).chain(words.iter().copied()).collect())
}

/// Searches for a program as the system does.
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

fn environment(command: &mut Command, job: &Job, run_as: Option<&RunAs>, around: Surroundings<'_>) {
    command.env_clear();
    for (name, value) in std::env::vars_os() {
        let known = name.to_str().is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"));
        if known {
            command.env(name, value);
        }
    }
    if let Some(RunAs { name, home, shell, .. }) = run_as {
        command.env("USER", name).env("LOGNAME", name).env("HOME", home).env("SHELL", shell);
        // The worker's own user.
        command.env_remove("XDG_RUNTIME_DIR").env_remove("XAUTHORITY");
    }
    command.envs(around.environment);
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

fn why_not(kind: EntrypointType, interpreter: Option<&OsString>, script: &Path, error: &io::Error) -> String {
    let script = script.display();
    let interpreter = interpreter.map(|word| word.to_string_lossy()).unwrap_or_default();
    match (kind, error.kind()) {
        (EntrypointType::Python, io::ErrorKind::NotFound) => format!("no Python: {interpreter:?} is not found on this worker"),
        (EntrypointType::Python, _) => format!("Python {interpreter:?} cannot be started: {error}"),
        (EntrypointType::Shell, io::ErrorKind::NotFound) => {
            format!("{script} cannot be started: its interpreter {interpreter:?} is not found on this worker")
        }
        (EntrypointType::Shell, _) => format!("{script} cannot be started with {interpreter:?}: {error}"),
        (EntrypointType::Exe, io::ErrorKind::PermissionDenied) => format!("not executable: {script}"),
        (EntrypointType::Exe, io::ErrorKind::NotFound) => {
            format!("{script} cannot be started: the interpreter that its first line names is missing")
        }
        (EntrypointType::Exe, _) => format!("{script} cannot be started: {error}"),
    }
}
