//! Stored tokens of hubs, in a file that only the user can read.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use api_types::LoginResponse;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Fault;

/// The file's content.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Credentials {
    /// The default hub of commands: that of the last sign-in.
    pub(super) current: Option<String>,
    /// Tokens by the hub's address.
    pub(super) hubs: BTreeMap<String, SignIn>,
}

/// A sign-in at a hub.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SignIn {
    pub(super) username: String,
    pub(super) token: String,
    /// When the access token expires.
    pub(super) expires_at: DateTime<Utc>,
    /// For the next access token. None of a hub of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<String>,
    /// When the session expires, unless it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refresh_expires_at: Option<DateTime<Utc>>,
}

impl SignIn {
    pub(super) fn new(username: String, given: LoginResponse, now: DateTime<Utc>) -> Self {
        let after = |seconds: u64| {
            let lifetime = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX);
            now.checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC)
        };
        let LoginResponse { access_token, expires_in, refresh_token, refresh_expires_in, .. } = given;
        let (expires_at, refresh_expires_at) = (after(expires_in), refresh_expires_in.map(after));
        Self { username, token: access_token, expires_at, refresh_token, refresh_expires_at }
    }

    /// When nobody is signed in any more, unless the session is used before.
    pub(super) fn ends_at(&self) -> DateTime<Utc> {
        self.refresh_expires_at.map_or(self.expires_at, |at| at.max(self.expires_at))
    }
}

impl Credentials {
    /// Empty without a file.
    pub(super) fn load() -> Result<Self, Fault> {
        let Ok(path) = path() else { return Ok(Self::default()) };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Fault::here(format!("cannot read {}: {error}", path.display()))),
        };
        serde_json::from_slice(&text)
            .map_err(|error| Fault::here(format!("{} is damaged ({error}): delete it and sign in again", path.display())))
    }

    /// Replaces the file atomically.
    pub(super) fn save(&self) -> Result<(), Fault> {
        let path = path()?;
        write(&path, self).map_err(|error| Fault::here(format!("cannot write {}: {error}", path.display())))
    }
}

/// Keeps other processes of this user from changing the file until it is dropped.
#[must_use]
pub(super) struct Lock(#[expect(dead_code, reason = "it locks while it lives")] fs::File);

impl Lock {
    /// Waits until no other process changes the file. The lock is on its folder: the file itself is replaced by each change.
    pub(super) async fn take() -> Result<Self, Fault> {
        let path = path()?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        let locked = tokio::task::spawn_blocking(move || {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let folder = fs::File::open(&folder)?;
            folder.lock()?;
            Ok::<_, io::Error>(folder)
        });
        let locked = locked.await.map_err(|error| Fault::here(error.to_string()))?;
        locked.map(Self).map_err(|error| Fault::here(format!("cannot lock the folder of {}: {error}", path.display())))
    }
}

fn write(path: &Path, credentials: &Credentials) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    // Named after this process: two concurrent sign-ins each write a complete file.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    // A file that a crash left may have another mode.
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
    let written = serde_json::to_vec_pretty(credentials).map_err(io::Error::other).and_then(|text| file.write_all(&text));
    let outcome = written.and_then(|()| file.sync_all()).and_then(|()| fs::rename(&new, path));
    if outcome.is_err() {
        let _ = fs::remove_file(&new);
    }
    outcome
}

fn path() -> Result<PathBuf, Fault> {
    let absolute = |path: PathBuf| Some(path).filter(|path| path.is_absolute());
    let folder = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).and_then(absolute);
    let folder = folder.or_else(|| Some(env::home_dir().and_then(absolute)?.join(".config")));
    let folder =
        folder.ok_or_else(|| Fault::here("there is no folder for the sign-in: set HOME or XDG_CONFIG_HOME, or use REGENTE_TOKEN"))?;
    Ok(folder.join("regente/credentials.json"))
}
