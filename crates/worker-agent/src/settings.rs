use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use uuid::Uuid;

use crate::{Error, outbox::LogLimits, supervisor::Ids};

/// How the worker shows the hub who it is.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// The workers' key, in `X-Worker-API-Key`.
    WorkerKey(SecretString),
    /// A token, in `Authorization: Bearer`.
    Bearer(SecretString),
}

/// Which jobs run in a systemd scope of their own, where scopes can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scopes {
    /// Those with a limit of processors or memory.
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
    /// Number.
    pub user: u32,
    /// Number of the primary group, the only one that programs have.
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
    /// There is none, or it is root.
    pub fn named(name: &str) -> Result<Self, Error> {
        let found =
            nix::unistd::User::from_name(name).map_err(|error| Error::Settings(format!("cannot look up the user {name}: {error}")))?;
        let Some(user) = found else {
            return Err(Error::Settings(format!(
                "there is no user {name}: make it with `useradd --system --create-home --shell /usr/sbin/nologin {name}`"
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

/// What an agent needs to know. Made by the command line; [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Base address of the hub: `http://host:8080`.
    pub server: String,
    /// Who it is for the hub.
    pub auth: Auth,
    /// Unique name of the worker. Absent: the host's name, and with a work folder of one's own something of the folder's instance id behind
    /// it, so that two workers of one host have two names.
    pub name: Option<String>,
    /// Queues it takes jobs from; at least one, or `*` alone: every queue, also those made later. Not with RabbitMQ.
    pub queues: Vec<String>,
    /// What it can do, as words such as `windows` or `sap`: jobs that require some are only given to workers that have them.
    pub labels: Vec<String>,
    /// Jobs at once, 1 to 10000; default 1.
    pub slots: u32,
    /// Address of RabbitMQ. Set: jobs come as messages. Absent: they are claimed over HTTP.
    pub amqp: Option<String>,
    /// Each job's folder is `jobs/<job id>` in here. Not shared between workers. Default `regente-worker` in `XDG_STATE_HOME`, else in
    /// `~/.local/state`, else in the folder for temporary files.
    pub work_dir: PathBuf,
    /// Relative script paths start here, and the scripts in it may be run unless it is `/`; default the current folder.
    pub base_dir: PathBuf,
    /// Folders beside it whose scripts may be run; default none.
    pub scripts: Vec<PathBuf>,
    /// User that programs run as; only root may name one. Default the worker's own.
    pub run_as: Option<RunAs>,
    /// Python for `PYTHON` jobs; default `REGENTE_PYTHON` of the environment, or `python3`.
    pub python: String,
    /// Program that starts jobs' programs and reaps what they leave: one whose `main` calls [`crate::supervise_if_asked`]; default this one.
    pub supervisor: PathBuf,
    /// This process is a worker and nothing else: it takes what is left of jobs whose supervisor was killed, and reaps every orphan that the
    /// system gives it. Default false.
    pub reaps_orphans: bool,
    /// X server for jobs that need a display; default `Xvfb`.
    pub xvfb: String,
    /// Jobs in systemd scopes; default [`Scopes::Auto`].
    pub scopes: Scopes,
    /// How long a stop waits for running jobs before it kills them; default 30 s.
    pub drain: Duration,
    /// Between TERM and KILL; default 5 s.
    pub kill_grace: Duration,
    /// Job folders that are kept, the newest; default 200.
    pub keep_folders: usize,
    /// Job folders older than this are removed; default 7 days.
    pub keep_for: Duration,
    /// Bytes on disk of the job folders that are kept, the newest; default 10 GiB.
    pub keep_bytes: u64,
    /// With fewer bytes free on the disk of the work folder no job is started; folders that nobody needs are removed for it. Default 32 MiB.
    pub least_free: u64,
    /// Unsent log lines of one job on disk, in bytes; what is over is dropped, and the log says so.
    /// Default 1 GiB.
    pub spool_limit: u64,
    /// Lines of one job's log that are kept, the first and the last; default 1,000,000.
    pub log_lines: u64,
    /// Bytes of the same, and of `logs/rpa.log`; default 256 MiB.
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
    /// Names every unusable setting at once.
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

    /// As they are seen from every folder: a program has its own.
    pub(crate) fn into_absolute(mut self) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        for path in [&mut self.work_dir, &mut self.base_dir].into_iter().chain(&mut self.scripts) {
            *path = absolute(path);
        }
        let python = PathBuf::from(&self.python);
        // A bare name is looked for in PATH.
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

/// Also when its file was replaced by a newer one meanwhile.
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
