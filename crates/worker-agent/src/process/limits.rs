//! Enforces a job's limits of processors and memory: in a systemd scope where the host has one, per process otherwise. What cannot be
//! enforced is never silently dropped: the job's log gets a line.

use std::{ffi::OsString, path::Path, process::Stdio, time::Duration};

use nix::unistd::Uid;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::{io::AsyncReadExt as _, process::Command, sync::OnceCell};

use crate::{Job, RunAs, Scopes, children::Children};

const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Detects once whether this host can create scopes.
pub(super) struct Limits {
    scopes: Scopes,
    manager: OnceCell<Result<Manager, String>>,
}

/// The systemd that creates scopes for this user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manager {
    /// The host's, for root.
    System,
    /// The user's own.
    User,
}

/// How one job's limits are enforced.
#[derive(Debug, PartialEq)]
pub(super) struct Plan {
    /// Words that precede the program and its arguments.
    pub(super) wrapper: Vec<OsString>,
    /// Maximum data bytes of each process.
    pub(super) data_limit: Option<u64>,
    /// What is not enforced, for the job's log.
    pub(super) shortfall: Option<String>,
}

impl Limits {
    pub(super) fn new(scopes: Scopes) -> Self {
        Self { scopes, manager: OnceCell::new() }
    }

    pub(super) async fn plan(&self, job: &Job, children: &Children) -> Plan {
        let limited = job.cpu_limit.is_some() || job.memory_limit_bytes.is_some();
        if !limited && self.scopes != Scopes::Always {
            return Plan { wrapper: Vec::new(), data_limit: None, shortfall: None };
        }
        let manager = match self.scopes {
            Scopes::Off => Err("scopes are switched off on this worker".to_owned()),
            Scopes::Auto | Scopes::Always => self.manager.get_or_init(|| probe(children)).await.clone(),
        };
        match manager {
            Ok(manager) => in_scope(manager, job, chrono::Utc::now().timestamp_millis()),
            Err(reason) => without_scope(job, &reason),
        }
    }
}

/// Creates a scope for a program that does nothing.
pub(crate) async fn probe(children: &Children) -> Result<Manager, String> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Err("this host does not run systemd".to_owned());
    }
    let manager = if Uid::effective().is_root() { Manager::System } else { Manager::User };
    let mut words = scope(manager);
    words.extend(["--", "true"].map(OsString::from));
    let mut command = Command::new("systemd-run");
    command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = children.spawn(&mut command).map_err(|error| format!("systemd-run cannot be started: {error}"))?;
    let mut text = Vec::new();
    let stderr = child.stderr.take();
    let output = async {
        if let Some(mut stderr) = stderr {
            stderr.read_to_end(&mut text).await?;
        }
        child.wait().await
    };
    match tokio::time::timeout(PROBE_LIMIT, output).await {
        Err(_) => Err("systemd-run does not answer".to_owned()),
        Ok(Err(error)) => Err(format!("the end of systemd-run cannot be read: {error}")),
        Ok(Ok(status)) if status.success() => Ok(manager),
        Ok(Ok(_)) => {
            let text = String::from_utf8_lossy(&text);
            Err(format!("systemd-run: {}", text.lines().next().unwrap_or("failed").trim()))
        }
    }
}

fn scope(manager: Manager) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["systemd-run", "--scope", "--quiet", "--collect"].map(OsString::from).into();
    if manager == Manager::User {
        words.push("--user".into());
    }
    words
}

/// The wrapper of a plan for a program that is to run as this user.
pub(super) fn as_user(wrapper: &[OsString], user: Option<&RunAs>) -> Vec<OsString> {
    let mut words = wrapper.to_vec();
    if let (Some(user), true) = (user, words.pop_if(|word| word == "--").is_some()) {
        words.extend([format!("--uid={}", user.user), format!("--gid={}", user.group), "--".to_owned()].map(OsString::from));
    }
    words
}

/// `made_at` distinguishes the scopes of two runs of one job.
fn in_scope(manager: Manager, job: &Job, made_at: i64) -> Plan {
    let mut wrapper = scope(manager);
    wrapper.push(format!("--unit=regente-job-{}-{made_at}", job.id).into());
    let mut property = |text: String| wrapper.extend([OsString::from("-p"), text.into()]);
    if let Some(processors) = job.cpu_limit {
        property(format!("CPUQuota={}%", (processors * 100.0).round().max(1.0)));
    }
    if let Some(bytes) = job.memory_limit_bytes {
        property(format!("MemoryMax={bytes}"));
        property("MemorySwapMax=0".to_owned());
    }
    wrapper.push("--".into());
    Plan { wrapper, data_limit: None, shortfall: None }
}

fn without_scope(job: &Job, reason: &str) -> Plan {
    let processors = job.cpu_limit.map(|processors| format!("the limit of {processors} processors is not enforced"));
    let memory = job
        .memory_limit_bytes
        .map(|bytes| format!("the memory limit of {bytes} bytes applies to each of the job's processes, not to all together"));
    let said: Vec<_> = [processors, memory].into_iter().flatten().collect();
    let shortfall = (!said.is_empty()).then(|| format!("{} (no systemd scope: {reason})", said.join("; ")));
    Plan { wrapper: Vec::new(), data_limit: job.memory_limit_bytes, shortfall }
}

/// Limits the data size of a program that has just started, and of everything that it will start.
pub(super) fn limit_data(pid: i32, bytes: u64) -> std::io::Result<()> {
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    prlimit(Pid::from_raw(pid), Resource::Data, limit)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(cpu_limit: Option<f64>, memory_limit_bytes: Option<u64>) -> Job {
        let body = r#"{"job_id":"0190a1de-0000-7000-8000-000000000000","automation_id":1,"script_path":"a.py"}"#;
        Job { cpu_limit, memory_limit_bytes, ..Job::from_message(body.as_bytes()).unwrap() }
    }

    #[test]
    fn a_scope_has_the_limits_as_properties() {
        let plan = in_scope(Manager::System, &job(Some(1.5), Some(1 << 30)), 7);
        let expected = "systemd-run --scope --quiet --collect --unit=regente-job-0190a1de-0000-7000-8000-000000000000-7 \
                        -p CPUQuota=150% -p MemoryMax=1073741824 -p MemorySwapMax=0 --";
        assert_eq!(plan.wrapper.join(&OsString::from(" ")), expected);
        assert_eq!((plan.data_limit, plan.shortfall), (None, None));
        let plan = in_scope(Manager::User, &job(Some(0.001), None), 7);
        let words = plan.wrapper.join(&OsString::from(" ")).into_string().unwrap();
        assert!(words.contains("--collect --user --unit=") && words.ends_with("-p CPUQuota=1% --"), "{words}");
    }

    #[tokio::test]
    async fn without_a_scope_the_log_says_what_is_not_enforced() {
        let limits = Limits::new(Scopes::Off);
        let plan = limits.plan(&job(Some(2.0), Some(4096)), &Children::default()).await;
        assert_eq!((plan.wrapper.len(), plan.data_limit), (0, Some(4096)));
        let words = plan.shortfall.unwrap();
        for word in ["2 processors is not enforced", "4096 bytes applies to each", "switched off"] {
            assert!(words.contains(word), "{words}");
        }
        let free = limits.plan(&job(None, None), &Children::default()).await;
        assert_eq!(free, Plan { wrapper: vec![], data_limit: None, shortfall: None });
    }

    #[test]
    fn the_limit_reaches_the_process() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        limit_data(child.id().cast_signed(), 64 << 20).unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
        assert!(line.contains("67108864"), "{line}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
