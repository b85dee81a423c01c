//! Text of a worker's systemd unit.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

/// Contents of the unit.
pub(super) struct Unit {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// The worker's name with systemd's specifiers, unless the command has one.
    pub(super) worker_name: Option<String>,
    pub(super) environment_file: PathBuf,
    pub(super) account: Account,
    /// `None`: the state folder that systemd creates.
    pub(super) work_dir: Option<PathBuf>,
    /// Name of the unit and of its state folder below `/var/lib`.
    pub(super) name: String,
    /// In systemd's notation; `None`: no limit.
    pub(super) memory_max: Option<String>,
    pub(super) tasks_max: Option<String>,
    /// Time after which systemd kills the remaining processes.
    pub(super) stop_limit: Duration,
}

/// Account that the worker runs as.
pub(super) enum Account {
    /// A dynamic user of systemd.
    Dynamic,
    /// Root; its robots run as another user.
    Root,
    /// A user of the host.
    User { name: String, id: u32 },
}

impl Unit {
    /// The unit file.
    pub(super) fn text(&self) -> String {
        let mut command: Vec<_> = self.command.iter().map(|word| quoted(word)).collect();
        command.extend(self.worker_name.iter().map(|name| format!("--name {name}")));
        let limits = [("MemoryMax", &self.memory_max), ("TasksMax", &self.tasks_max)];
        let limits: String = limits.iter().filter_map(|(name, value)| Some(format!("{name}={}\n", value.as_ref()?))).collect();
        format!(
            "# Written by `regente worker install`.
[Unit]
Description=Regente worker
Wants=network-online.target
After=network-online.target
# It is started again for ever, however often it fails.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={command}
# The key and the broker's address, mode 0600.
EnvironmentFile={environment}
{account}{folders}
Restart=always
RestartSec=2
# TERM is for the agent alone, which lets its jobs end or stops them in order; what is left after the limit is killed.
KillMode=mixed
TimeoutStopSec={stop}
# A job that takes too much memory is killed, the worker goes on.
OOMPolicy=continue
{limits}LimitNOFILE=65536
# Scopes and containers of jobs get groups of their own.
Delegate=yes

NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
UMask=0077
# Not set, because browsers need them: MemoryDenyWriteExecute (their JavaScript), RestrictNamespaces (their sandbox).

[Install]
WantedBy=multi-user.target
",
            command = command.join(" "),
            environment = path(&self.environment_file),
            account = self.account(),
            folders = self.folders(),
            capabilities = self.capabilities(),
            stop = self.stop_limit.as_secs(),
        )
    }

    fn account(&self) -> String {
        match &self.account {
            Account::Dynamic => "DynamicUser=yes\n".to_owned(),
            // Robots run as another user (--run-as).
            Account::Root => "User=root\n".to_owned(),
            // Lets the user's systemd create scopes, if it runs (loginctl enable-linger).
            Account::User { name, id } => format!("User={name}\nEnvironment=XDG_RUNTIME_DIR=/run/user/{id}\n"),
        }
    }

    /// Capabilities to start programs as another user, to write into their folders and to kill them; otherwise none.
    const fn capabilities(&self) -> &'static str {
        match self.account {
            Account::Root => "CAP_SETUID CAP_SETGID CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL",
            Account::Dynamic | Account::User { .. } => "",
        }
    }

    fn folders(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = match &self.work_dir {
            None => {
                let name = &self.name;
                let mode = if matches!(self.account, Account::Root) { "0711" } else { "0700" };
                write!(
                    text,
                    "StateDirectory={name}\nStateDirectoryMode={mode}\nWorkingDirectory=/var/lib/{name}\nEnvironment=HOME=/var/lib/{name}"
                )
            }
            Some(folder) => {
                let folder = path(folder);
                write!(text, "ReadWritePaths={folder}\nWorkingDirectory={folder}")
            }
        };
        text
    }
}

/// A word of a command line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+".contains(c);
    let escaped = word.replace('%', "%%").replace('$', "$$");
    if !word.is_empty() && word.chars().all(plain) {
        return escaped;
    }
    format!("\"{}\"", escaped.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t"))
}

/// A path where one is expected: spaces need no quotes there.
fn path(path: &std::path::Path) -> String {
    path.display().to_string().replace('%', "%%")
}

/// A line of an environment file.
pub(super) fn variable(name: &str, value: &str) -> String {
    let mut escaped = String::new();
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    format!("{name}=\"{escaped}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_program_as_they_are() {
        let table = [
            ("--queue", "--queue"),
            ("http://hub:8080", "http://hub:8080"),
            ("two words", "\"two words\""),
            ("100%", "\"100%%\""),
            ("a$b", "\"a$$b\""),
            ("say \"hi\\\"", "\"say \\\"hi\\\\\\\"\""),
            ("", "\"\""),
            ("a;b", "\"a;b\""),
        ];
        for (word, expected) in table {
            assert_eq!(quoted(word), expected, "{word}");
        }
        assert_eq!(variable("KEY", "a\"b$c"), "KEY=\"a\\\"b\\$c\"\n");
    }
}
