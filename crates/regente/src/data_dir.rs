//! The data folder: files that are not in the database, and the SQLite database itself. It holds keys, so only its owner may read it.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions, Permissions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use worker_agent::FolderLock;

/// The folder. If it contains the SQLite file, this process locks it until dropped.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: Option<FolderLock>,
}

impl DataDir {
    /// Creates a missing folder; `alone` locks it for this process.
    pub(crate) fn open(path: &Path, alone: bool) -> anyhow::Result<Self> {
        let shown = path.display();
        make(path)?;
        if !alone {
            return Ok(Self { path: path.to_owned(), _lock: None });
        }
        match FolderLock::take(&path.join("lock")) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => bail!("the data folder {shown} is in use by another regente"),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot write to the data folder {shown}")),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The secret in this file, if there is one.
    pub(crate) fn secret(&self, name: &str) -> anyhow::Result<Option<SecretString>> {
        read_secret(&self.path.join(name))
    }

    /// Writes a secret to this file, replacing another. Only the owner can read it.
    pub(crate) fn keep_secret(&self, name: &str, secret: &SecretString) -> anyhow::Result<()> {
        let path = self.path.join(name);
        match self.secret(name)? {
            Some(kept) if kept.expose_secret() == secret.expose_secret() => return Ok(()),
            Some(_) => {
                tracing::warn!(path = %path.display(), "this file had another key than the database; it is overwritten with the database's")
            }
            None => {}
        }
        // Atomically: a reader may come at any time.
        let new = self.path.join(format!("{name}.{}.new", std::process::id()));
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new);
        let written = file.and_then(|mut file| writeln!(file, "{}", secret.expose_secret()).and_then(|()| file.sync_all()));
        // Must be durable before anything is sealed with it.
        let persist = || fs::File::open(&self.path).and_then(|folder| folder.sync_all());
        written.and_then(|()| fs::rename(&new, &path)).and_then(|()| persist()).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The secret in this file, if there is one.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<Option<SecretString>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let secret = text.trim();
    if secret.is_empty() {
        bail!("{} is empty: delete it so that it is written again", path.display());
    }
    Ok(Some(secret.into()))
}

/// Creates a missing folder. Restricts it and its files, which hold keys and the database, to their owner, even if others could read them
/// before.
pub(crate) fn make(path: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot make the data folder {}", path.display());
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(failed)?;
    keep_private(path, 0o700);
    for entry in fs::read_dir(path).with_context(failed)?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            keep_private(&entry.path(), 0o600);
        }
    }
    Ok(())
}

/// Creates a missing SQLite file, and restricts it and its companions (`-wal`, `-shm`, to which SQLite gives the same mode) to their owner:
/// whoever reads them can sign tokens.
pub(crate) fn keep_database_private(url: &str) -> anyhow::Result<()> {
    let Some(path) = database_file(url) else { return Ok(()) };
    let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
    if let Err(error) = made
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error).with_context(|| format!("cannot open the database: cannot make {}", path.display()));
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = OsString::from(&path);
        name.push(suffix);
        keep_private(Path::new(&name), 0o600);
    }
    Ok(())
}

/// The file of a SQLite database; `None` of any other, and where the URL itself says how to open it.
pub(crate) fn database_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://").or(url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or_default();
    let is_file = !(path.is_empty() || path.starts_with(':') || path.starts_with("file:") || url.contains("mode="));
    is_file.then(|| path.into())
}

/// Removes permissions of a file or folder that `mode` does not have.
fn keep_private(path: &Path, mode: u32) {
    let Ok(found) = fs::metadata(path) else { return };
    let now = found.permissions().mode() & 0o7777;
    if now & !mode == 0 {
        return;
    }
    let changed = fs::set_permissions(path, Permissions::from_mode(now & mode));
    let path = path.display();
    match changed {
        Ok(()) => tracing::debug!(%path, "others could read this file; its permissions were restricted"),
        Err(error) => {
            tracing::warn!(%path, %error, "others can read this file with keys and jobs, and its permissions cannot be restricted")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn permissions_of_others_are_removed() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("data");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        for name in ["regente.db", "regente.db-wal", "regente.db-shm", "worker-key"] {
            fs::write(folder.join(name), "").unwrap();
            fs::set_permissions(folder.join(name), Permissions::from_mode(0o644)).unwrap();
        }
        drop(DataDir::open(&folder, true).unwrap());
        assert_eq!(mode(&folder), 0o700);
        for name in ["regente.db", "regente.db-wal", "regente.db-shm", "worker-key", "lock"] {
            assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
        }
    }

    #[test]
    fn a_database_elsewhere_is_restricted_to_its_owner_too() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
        fs::write(&old, "").unwrap();
        fs::set_permissions(&old, Permissions::from_mode(0o664)).unwrap();
        for path in [&old, &new] {
            keep_database_private(&format!("sqlite://{}", path.display())).unwrap();
            assert_eq!(mode(path), 0o600);
        }
        for other in ["postgres://localhost/x", "sqlite::memory:", "sqlite://"] {
            keep_database_private(other).unwrap();
        }
        assert!(keep_database_private(&format!("sqlite://{}/none/x.db", folder.path().display())).is_err());
    }

    #[test]
    fn a_secret_is_kept_until_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path(), true).unwrap();
        assert!(data.secret("key").unwrap().is_none());
        for secret in ["abc", "abc", "def"] {
            data.keep_secret("key", &secret.into()).unwrap();
            assert_eq!(data.secret("key").unwrap().unwrap().expose_secret(), secret);
            assert_eq!(mode(&folder.path().join("key")), 0o600);
        }
    }
}
