//! A job's folder: `config.json`, `progress.json`, `status.json`, `result.json`, `control.json`, `lease.json`, `finish.json` and `logs/`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use uuid::Uuid;

/// Where a job's files are. Folders have mode 0700 and files 0600: parameters may be confidential.
#[derive(Clone, Debug)]
pub struct JobFolder(PathBuf);

impl JobFolder {
    pub(crate) fn of(jobs_dir: &Path, job: Uuid) -> Self {
        Self(jobs_dir.join(job.to_string()))
    }

    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether the folder is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.0.is_dir()
    }

    /// Makes the folder and `logs` in it, if they are not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(self.file("logs"))
    }

    pub(crate) fn create_private(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// Makes the folder anew. What an interrupted run of the same job has left stays beside it.
    pub(crate) fn create_anew(&self) -> io::Result<()> {
        if self.exists() {
            let mut name = self.0.clone().into_os_string();
            name.push(".interrupted");
            let old = Self(name.into());
            old.remove()?;
            fs::rename(&self.0, &old.0)?;
        }
        self.create()
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a JSON file so that a reader sees the old text or the new one, never a half.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let temporary = self.file(&format!(".{name}.new"));
        let mut text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
        text.push(b'\n');
        let mut file = private(&temporary, OpenOptions::new().write(true).create(true).truncate(true))?;
        file.write_all(&text)?;
        fs::rename(&temporary, self.file(name))
    }

    /// Removes a file; that it is not there is fine.
    pub(crate) fn remove_file(&self, name: &str) {
        if let Err(error) = fs::remove_file(self.file(name))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.0.display(), file = name, %error, "a job's file cannot be removed");
        }
    }

    /// Removes the folder with what is in it; that it is not there is fine.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Opens a file that only its owner may read.
pub(crate) fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.mode(0o600).open(path)
}
