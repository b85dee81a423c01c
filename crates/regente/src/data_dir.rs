//! The folder for what is not in the database.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use worker_agent::FolderLock;

/// The folder, held by this process alone until dropped.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: FolderLock,
}

impl DataDir {
    /// Makes the folder when missing, and takes it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("cannot make the data folder {shown}"))?;
        match FolderLock::take(&path.join("lock")) {
            Ok(lock) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!("the data folder {shown} is in use by another regente"),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot write to the data folder {shown}")),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The secret in this file, made when missing. Only the owner can read it.
    pub(crate) fn secret(&self, name: &str, make: impl FnOnce() -> String) -> anyhow::Result<String> {
        let path = self.path.join(name);
        match File::open(&path) {
            Ok(mut file) => {
                let mut text = String::new();
                file.read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
                let secret = text.trim();
                if secret.is_empty() {
                    bail!("{} is empty: delete it to have a new key made", path.display());
                }
                Ok(secret.to_owned())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secret = make();
                let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
                let written = file.and_then(|mut file| writeln!(file, "{secret}"));
                written.with_context(|| format!("cannot write {}", path.display()))?;
                Ok(secret)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_stays() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path()).unwrap();
        let first = data.secret("key", || "abc".into()).unwrap();
        assert_eq!(data.secret("key", || "def".into()).unwrap(), first);
    }
}
