//! `regente worker install`.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Args;
use nix::unistd::{Uid, User};
use secrecy::ExposeSecret;

use super::{
    args::WorkerOptions,
    unit::{Account, Unit, variable},
};
use crate::terminal;

/// Time after drain and grace for the agent to report the ends of jobs.
const AFTER_DRAIN: Duration = Duration::from_secs(15);

const DEFAULT_UNIT: &str = "regente-worker";

/// Options of the installation.
#[derive(Args)]
pub(super) struct InstallArgs {
    /// Queues to take jobs from.
    #[arg(long = "queue", env = "REGENTE_QUEUES", required = true, num_args = 1.., value_delimiter = ',', value_name = "NAME")]
    queues: Vec<String>,
    /// User that the worker runs as; by default a dynamic user of systemd (DynamicUser).
    #[arg(long, value_name = "NAME", conflicts_with = "run_as")]
    user: Option<String>,
    /// Name of the unit. Each unit is a separate worker with its own state folder and, without --name, its own name.
    #[arg(long, default_value = DEFAULT_UNIT, value_name = "NAME")]
    unit: String,
    /// Folder for the unit file.
    #[arg(long, default_value = "/etc/systemd/system", value_name = "DIR")]
    dir: PathBuf,
    /// Folder for the file with the key, readable only by root.
    #[arg(long, default_value = "/etc/regente", value_name = "DIR")]
    secrets_dir: PathBuf,
    /// Maximum memory of the worker and all its jobs, in systemd's notation: 4G, 80%.
    #[arg(long, value_parser = size, value_name = "SIZE")]
    memory_max: Option<String>,
    /// Maximum number of processes and threads of the worker and all its jobs.
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..), value_name = "N")]
    tasks_max: Option<u32>,
    /// Print the files without secrets instead of writing them.
    #[arg(long, visible_alias = "dry-run")]
    print: bool,
    /// Overwrite existing files.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    options: WorkerOptions,
}

fn size(text: &str) -> Result<String, String> {
    let number = text.trim_end_matches(['K', 'M', 'G', 'T', '%']);
    let fits = text.len() - number.len() <= 1 && number.parse::<f64>().is_ok_and(|number| number.is_finite() && number > 0.0);
    if fits || text == "infinity" { Ok(text.to_owned()) } else { Err("must be a size such as 512M, 4G or 80%".to_owned()) }
}

/// Writes the unit and the file with its secrets, and prints the next steps.
pub(super) fn run(args: &InstallArgs) -> anyhow::Result<()> {
    args.check()?;
    let (unit_file, secrets_file) = (args.dir.join(format!("{}.service", args.unit)), args.secrets_dir.join(format!("{}.env", args.unit)));
    let unit = args.unit(&secrets_file)?.text();
    if args.print {
        let names = secrets(args)?.into_iter().map(|(name, _)| variable(name, "***")).collect::<String>();
        return Ok(terminal::line(&format!("# {}\n{unit}\n# {}\n{names}", unit_file.display(), secrets_file.display()))?);
    }
    if args.dir == Path::new("/etc/systemd/system") && !Uid::effective().is_root() {
        bail!("only root may write to {}: run it with sudo, or show the unit with --print", args.dir.display());
    }
    let text: String = secrets(args)?.into_iter().map(|(name, value)| variable(name, &value)).collect();
    if !args.force {
        refuse_to_overwrite(&[&unit_file, &secrets_file])?;
    }
    // An existing key is kept if no new one is given.
    if !text.is_empty() || !secrets_file.exists() {
        write(&secrets_file, 0o600, &text)?;
    }
    write(&unit_file, 0o644, &unit)?;
    terminal::line(&next_steps(args, &unit_file, &secrets_file, text.is_empty()))?;
    Ok(())
}

impl InstallArgs {
    fn check(&self) -> anyhow::Result<()> {
        let mut settings = self.options.settings(self.queues.clone())?;
        // The unit runs as root, whoever prints it.
        settings.run_as = None;
        settings.validate()?;
        telemetry::check_filter(&self.options.log)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.unit.is_empty() || self.unit.len() > 200 || self.unit.starts_with(['.', '-']) || !self.unit.chars().all(plain) {
            bail!("--unit {:?} must have letters, digits, '-', '_' and '.', and begin with a letter or digit", self.unit);
        }
        Ok(())
    }

    fn account(&self) -> anyhow::Result<Account> {
        if self.options.run_as.is_some() {
            return Ok(Account::Root);
        }
        let Some(name) = &self.user else { return Ok(Account::Dynamic) };
        let user = User::from_name(name).with_context(|| format!("cannot look up the user {name}"))?;
        let Some(user) = user else {
            bail!(
                "there is no user {name}: make it with `useradd --system --create-home --shell /usr/sbin/nologin {name}`, or omit --user"
            );
        };
        if user.uid.is_root() {
            bail!("robots must not run as root: set another --user, or omit it");
        }
        Ok(Account::User { name: name.clone(), id: user.uid.as_raw() })
    }

    fn unit(&self, secrets_file: &Path) -> anyhow::Result<Unit> {
        let options = &self.options;
        let absolute = |path: &PathBuf| std::path::absolute(path).with_context(|| format!("cannot use {}", path.display()));
        let work_dir = options.work_dir.as_ref().map(absolute).transpose()?;
        let account = self.account()?;
        if matches!(account, Account::Dynamic) && work_dir.is_some() {
            bail!("--work-dir needs --user: a dynamic user has only its state folder, /var/lib/{}", self.unit);
        }
        Ok(Unit {
            command: self.command(work_dir.as_deref())?,
            worker_name: self.worker_name(),
            environment_file: absolute(&secrets_file.to_owned())?,
            account,
            work_dir,
            name: self.unit.clone(),
            memory_max: self.memory_max.clone(),
            tasks_max: self.tasks_max.map(|most| most.to_string()),
            stop_limit: options.drain + options.kill_grace + AFTER_DRAIN,
        })
    }

    /// The default name of the worker: the host's, which systemd fills in, followed by the unit's if that is not the default one.
    fn worker_name(&self) -> Option<String> {
        match &self.options.name {
            Some(_) => None,
            None if self.unit == DEFAULT_UNIT => Some("%H".to_owned()),
            None => Some(format!("%H-{}", self.unit)),
        }
    }

    /// The worker's command line, without secrets.
    fn command(&self, work_dir: Option<&Path>) -> anyhow::Result<Vec<String>> {
        let options = &self.options;
        let program = std::env::current_exe().and_then(|program| program.canonicalize()).context("cannot find this program's file")?;
        let state = Path::new("/var/lib").join(&self.unit);
        let mut words = vec![program.display().to_string(), "worker".to_owned()];
        let mut add = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
        add("--server", &options.server);
        self.queues.iter().for_each(|queue| add("--queue", queue));
        options.labels.iter().for_each(|label| add("--label", label));
        add("--slots", &options.slots.to_string());
        add("--work-dir", &work_dir.unwrap_or(&state).display().to_string());
        add("--drain", &options.drain.as_secs().to_string());
        add("--kill-grace", &options.kill_grace.as_secs().to_string());
        add("--scopes", options.scopes.as_str());
        add("--keep-folders", &options.keep_folders.to_string());
        add("--keep-days", &options.keep_days.to_string());
        add("--keep-gib", &options.keep_gib.to_string());
        add("--log-lines", &options.log_lines.to_string());
        add("--log-mib", &options.log_mib.to_string());
        add("--log", &options.log);
        if let Some(name) = &options.name {
            add("--name", name);
        }
        if let Some(base_dir) = &options.base_dir {
            add("--base-dir", &std::path::absolute(base_dir)?.display().to_string());
        }
        for folder in &options.scripts {
            add("--scripts", &std::path::absolute(folder)?.display().to_string());
        }
        if let Some(user) = &options.run_as {
            add("--run-as", user);
        }
        if let Some(python) = &options.python {
            // A bare name is resolved through PATH.
            let python = if python.contains('/') { std::path::absolute(python)?.display().to_string() } else { python.clone() };
            add("--python", &python);
        }
        Ok(words)
    }
}

/// The worker's secrets.
fn secrets(args: &InstallArgs) -> anyhow::Result<Vec<(&'static str, String)>> {
    let key = args.options.key()?.map(|key| ("REGENTE_WORKER_KEY", key.expose_secret().to_owned()));
    let amqp = args.options.amqp.clone().map(|url| ("REGENTE_AMQP_URL", url));
    let secrets: Vec<_> = key.into_iter().chain(amqp).collect();
    for (name, value) in &secrets {
        if value.contains(['\n', '\r', '\0']) {
            bail!("{name} must be one line");
        }
    }
    Ok(secrets)
}

fn refuse_to_overwrite(files: &[&Path]) -> anyhow::Result<()> {
    let there: Vec<_> = files.iter().filter(|file| file.exists()).map(|file| file.display().to_string()).collect();
    if !there.is_empty() {
        bail!("{} exists: overwrite it with --force, or choose another --unit", there.join(" and "));
    }
    Ok(())
}

/// Writes a temporary file and renames it, so that no partial unit or readable key is ever visible.
fn write(path: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let shown = path.display();
    let explained = |error: std::io::Error| match error.kind() {
        ErrorKind::PermissionDenied => anyhow::anyhow!("no permission to write {shown}: run it as root, or show the unit with --print"),
        _ => anyhow::Error::new(error).context(format!("cannot write {shown}")),
    };
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(explained)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let written = || {
        let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    written().map_err(explained)
}

fn program_in_a_home() -> Option<String> {
    let program = std::env::current_exe().and_then(|program| program.canonicalize()).ok()?;
    ["/root", "/home"].iter().any(|home| program.starts_with(home)).then(|| program.display().to_string())
}

fn next_steps(args: &InstallArgs, unit_file: &Path, secrets_file: &Path, keyless: bool) -> String {
    let (unit, secrets) = (unit_file.display(), secrets_file.display());
    let mut lines = vec![format!("wrote {unit}"), format!("wrote {secrets}, which only its owner can read")];
    lines.extend(program_in_a_home().map(|program| {
        format!("note: {program} is in a home folder, which the worker's user may not read: install it from /usr/local/bin")
    }));
    if args.options.base_dir.is_none() && args.options.scripts.is_empty() {
        let state = Path::new("/var/lib").join(&args.unit);
        let folder = args.options.work_dir.as_ref().unwrap_or(&state).display();
        lines.push(format!("note: only scripts in {folder} may be run: add the robots' folders with --scripts"));
    }
    lines.push("Next:".to_owned());
    if keyless {
        lines.push(format!("  put REGENTE_WORKER_KEY=… (and REGENTE_AMQP_URL=…, if it uses RabbitMQ) into {secrets}"));
    }
    if let Some(work_dir) = &args.options.work_dir
        && let Some(user) = &args.user
    {
        lines.push(format!("  install -d -m 700 -o {user} {}", work_dir.display()));
    }
    if let Some(user) = &args.user {
        lines.push(format!("  loginctl enable-linger {user}    # for jobs with CPU or memory limits"));
    }
    lines.push("  systemctl daemon-reload".to_owned());
    lines.push(format!("  systemctl enable --now {}.service", args.unit));
    lines.push(format!("  journalctl -u {} -f", args.unit));
    lines.join("\n")
}
