use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use uuid::Uuid;

use crate::{Error, outbox::LogLimits, supervisor::Ids};

/// Credential of the worker.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// None.
    #[default]
    None,
    /// The shared key, in `X-Worker-API-Key`.
    WorkerKey(SecretString),
    /// A token, in `Authorization: Bearer`.
    Bearer(SecretString),
}

/// Which jobs run in a systemd scope of their own, where the host supports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scopes {
    /// Jobs with a limit of processors or memory.
    #[default]
    Auto,
    /// All.
    Always,
    /// None.
    Off,
}

/// A user of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAs {
    /// Name.
    pub name: String,
    /// User id.
    pub user: u32,
    /// Id of the primary group, the only group that programs get.
    pub group: u32,
    /// Home folder.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

impl RunAs {
    /// The user of this name.
    ///
    /// # Errors
    /// There is no such user, or it is root.
    pub fn named(name: &str) -> Result<Self, Error> {
        let found =
            nix::unistd::User::from_name(name).map_err(|error| Error::Settings(format!("cannot look up the user {name}: {error}")))?;
        let Some(user) = found else {
            return Err(Error::Settings(format!(
                "there is no user {name}: create it with `useradd --system --create-home --shell /usr/sbin/nologin {name}`"
            )));
        };
        if user.uid.is_root() {
            return Err(Error::Settings("robots do not run as root: name another user".to_owned()));
        }
        Ok(Self { name: user.name, user: user.uid.as_raw(), group: user.gid.as_raw(), home: user.dir, shell: user.shell })
    }

    pub(crate) const fn ids(&self) -> Ids {
        Ids { user: self.user, group: self.group }
    }
}

/// Settings of an agent. The command line sets them; [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base address of the hub: `http://host:8080`.
    pub server: String,
    /// Credential for the hub.
    pub auth: Auth,
    /// Unique name of the worker. Absent: the host's name; with a non-default work folder, a part of the folder's instance id is appended,
    /// so that two workers of one host have two names.
    pub name: Option<String>,
    /// Queues it takes jobs from; at least one, or `*` alone: every queue, including those created later. Not with RabbitMQ.
    pub queues: Vec<String>,
    /// Capabilities such as `windows` or `sap`: jobs that require labels are dispatched only to workers that have them all.
    pub labels: Vec<String>,
    /// Concurrent jobs, 1 to 10000; default 1.
    pub slots: u32,
    /// Address of RabbitMQ. Set: jobs come as messages. Absent: they are claimed over HTTP.
    pub amqp: Option<String>,
    /// Each job's folder is `jobs/<job id>` in here. Not shared between workers. Default `regente-worker` in `XDG_STATE_HOME`, else in
    /// `~/.local/state`, else in the folder for temporary files.
    pub work_dir: PathBuf,
    /// Relative script paths start here, and scripts in it may run unless it is `/`; default the current folder.
    pub base_dir: PathBuf,
    /// Other folders whose scripts may run; default none.
    pub scripts: Vec<PathBuf>,
    /// User that programs run as; only root may name one. Default the worker's own.
    pub run_as: Option<RunAs>,
    /// Python for `PYTHON` jobs; default `REGENTE_PYTHON` of the environment, or `python3`.
    pub python: String,
    /// Executable that supervises jobs' programs; its `main` calls [`crate::supervise_if_asked`]. Default this executable.
    pub supervisor: PathBuf,
    /// This process is only a worker: it adopts what is left of jobs whose supervisor was killed, and reaps every orphan that the system
    /// gives it. Default false.
    pub reaps_orphans: bool,
    /// X server for jobs that need a display; default `Xvfb`.
    pub xvfb: String,
    /// Which jobs run in systemd scopes; default [`Scopes::Auto`].
    pub scopes: Scopes,
    /// How long a stop waits for running jobs before it kills them; default 30 s.
    pub drain: Duration,
    /// Time between TERM and KILL; default 5 s.
    pub kill_grace: Duration,
    /// Maximum number of kept job folders; default 200.
    pub keep_folders: usize,
    /// Job folders older than this are removed; default 7 days.
    pub keep_for: Duration,
    /// Maximum bytes of kept job folders on disk; default 10 GiB.
    pub keep_bytes: u64,
    /// With fewer bytes free on the disk of the work folder, unneeded folders are removed, and no job is started. Default 32 MiB.
    pub least_free: u64,
    /// Maximum bytes of one job's unsent log lines on disk; lines beyond it are dropped, with a note in the log. Default 1 GiB.
    pub spool_limit: u64,
    /// Maximum lines kept of one job's log, the first and the last; default 1,000,000.
    pub log_lines: u64,
    /// Maximum bytes of those lines, and of `logs/rpa.log`; default 256 MiB.
    pub log_bytes: u64,
    /// Limit of one request to the hub; default 30 s.
    pub request_timeout: Duration,
}

impl Settings {
    /// The defaults, for this hub and these queues.
    #[must_use]
    pub fn new(server: impl Into<String>, queues: Vec<String>) -> Self {
        Self {
            server: server.into(),
            auth: Auth::None,
            name: None,
            queues,
            labels: Vec::new(),
            slots: 1,
            amqp: None,
            work_dir: default_work_dir(),
            base_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            scripts: Vec::new(),
            run_as: None,
            python: std::env::var("REGENTE_PYTHON").ok().filter(|python| !python.is_empty()).unwrap_or_else(|| "python3".into()),
            supervisor: this_program(),
            reaps_orphans: false,
            xvfb: "Xvfb".into(),
            scopes: Scopes::Auto,
            drain: Duration::from_secs(30),
            kill_grace: Duration::from_secs(5),
            keep_folders: 200,
            keep_for: Duration::from_secs(7 * 24 * 3600),
            keep_bytes: 10 << 30,
            least_free: 32 << 20,
            spool_limit: 1 << 30,
            log_lines: 1_000_000,
            log_bytes: 256 << 20,
            request_timeout: Duration::from_secs(30),
        }
    }

    /// # Errors
    /// Lists every unusable setting.
    pub fn validate(&self) -> Result<(), Error> {
        let mut faults = Vec::new();
        if !self.server.starts_with("http://") && !self.server.starts_with("https://") {
            faults.push(format!("server {:?} must start with http:// or https://", self.server));
        }
        let queues = domain::automation::queue_faults(&self.queues);
        faults.extend(queues.into_iter().map(|fault| format!("{}: {}", fault.field, fault.message)));
        if self.amqp.is_some() && domain::automation::is_every_queue(&self.queues) {
            faults.push("queue \"*\" is for workers that claim over HTTP: with RabbitMQ, name the queues".to_owned());
        }
        if !(1..=10_000).contains(&self.slots) {
            faults.push("slots must be 1 to 10000".to_owned());
        }
        let unusable =
            |label: &&String| label.is_empty() || label.len() > 100 || label.chars().any(|c| c.is_whitespace() || c.is_control());
        if let Some(label) = self.labels.iter().find(unusable) {
            faults.push(format!("label {label:?} must have 1 to 100 bytes and no spaces"));
        }
        if let Some(user) = &self.run_as
            && !nix::unistd::Uid::effective().is_root()
        {
            faults.push(format!("only root may run programs as another user ({})", user.name));
        }
        if self.name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            faults.push("name must not be empty".to_owned());
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Settings(faults.join("; "))) }
    }

    /// With absolute paths, because each program has its own current folder.
    pub(crate) fn into_absolute(mut self) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        for path in [&mut self.work_dir, &mut self.base_dir].into_iter().chain(&mut self.scripts) {
            *path = absolute(path);
        }
        let python = PathBuf::from(&self.python);
        // A bare name is searched in PATH.
        if python.components().count() > 1 {
            self.python = absolute(&python).display().to_string();
        }
        self
    }

    /// Where scripts may be.
    pub(crate) fn script_folders(&self) -> Vec<PathBuf> {
        let base = Some(&self.base_dir).filter(|base| base.parent().is_some());
        base.into_iter().chain(&self.scripts).cloned().collect()
    }

    /// The worker's name, given the instance id that its work folder keeps.
    pub(crate) fn worker_name(&self, instance: Uuid) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None if self.work_dir == default_work_dir() => hostname(),
            None => format!("{}-{}", hostname(), &instance.simple().to_string()[24..]),
        }
    }

    pub(crate) const fn log_limits(&self) -> LogLimits {
        LogLimits { spool: self.spool_limit, lines: self.log_lines, bytes: self.log_bytes }
    }

    pub(crate) fn jobs_dir(&self) -> PathBuf {
        self.work_dir.join("jobs")
    }
}

/// Works also when its file was replaced by a newer version meanwhile.
fn this_program() -> PathBuf {
    let own = PathBuf::from("/proc/self/exe");
    if own.exists() { own } else { std::env::current_exe().unwrap_or(own) }
}

fn default_work_dir() -> PathBuf {
    state_dir().join("regente-worker")
}

fn state_dir() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state"))).unwrap_or_else(std::env::temp_dir)
}

/// The host's name; `worker` when it has none.
#[must_use]
pub fn hostname() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "worker".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_with_their_own_folders_have_their_own_names() {
        let mut settings = Settings::new("http://x", vec!["q".into()]);
        let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
        assert_eq!(settings.worker_name(one), hostname(), "the usual folder, which one worker has at a time");
        settings.work_dir = "/srv/robots".into();
        let name = settings.worker_name(one);
        assert!(name.starts_with(&format!("{}-", hostname())) && name != settings.worker_name(two), "{name}");
        settings.name = Some("sap-1".into());
        assert_eq!(settings.worker_name(one), "sap-1");
    }

    #[test]
    fn every_fault_is_named() {
        let fine = Settings::new("http://x", vec!["q".into()]);
        assert!(fine.validate().is_ok());
        assert_eq!(fine.kill_grace, Duration::from_secs(5), "between TERM and KILL");
        let mut settings = Settings::new("ftp://x", vec![]);
        settings.slots = 0;
        let text = settings.validate().unwrap_err().to_string();
        for word in ["server", "queue", "slots"] {
            assert!(text.contains(word), "{text}");
        }
        let mut every = Settings::new("http://x", vec!["*".into()]);
        assert!(every.validate().is_ok());
        every.amqp = Some("amqp://x".into());
        assert!(every.validate().unwrap_err().to_string().contains("RabbitMQ"));
    }
}
