//! Small file systems that can be filled.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    fcntl::{FallocateFlags, fallocate},
    sys::statvfs::statvfs,
};
use tokio::time::{Instant, sleep};

/// How often space that others free meanwhile is taken.
const TAKE_EVERY: Duration = Duration::from_millis(50);

/// A separate file system.
pub(crate) struct Disk {
    pub(crate) folder: PathBuf,
}

impl Disk {
    /// The disks of `scripts/chaos`; none where it could not create them.
    pub(crate) fn all() -> Option<PathBuf> {
        std::env::var_os("CHAOS_DISKS").filter(|path| !path.is_empty()).map(Into::into)
    }

    /// The disk of this name.
    ///
    /// # Errors
    /// When the folder is on its parent's file system: filling it would fill that.
    pub(crate) fn open(disks: &Path, name: &str) -> Result<Self> {
        let folder = disks.join(name);
        let device = |path: &Path| fs::metadata(path).map(|data| data.dev()).with_context(|| path.display().to_string());
        ensure!(device(&folder)? != device(disks)?, "{} is not a separate file system", folder.display());
        Ok(Self { folder })
    }

    /// Keeps the disk full for this long.
    pub(crate) async fn hold_full(&self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        let ballast = self.folder.join("ballast");
        let outcome = async {
            let file = File::create(&ballast)?;
            while Instant::now() < until {
                take_all(&file, &self.folder)?;
                sleep(TAKE_EVERY).await;
            }
            io::Result::Ok(())
        };
        let outcome = outcome.await;
        fs::remove_file(&ballast)?;
        outcome.with_context(|| ballast.display().to_string())
    }
}

/// Fills the disk to the last block.
fn take_all(file: &File, folder: &Path) -> io::Result<()> {
    let room = statvfs(folder)?;
    let free = i64::try_from(room.blocks_available().saturating_mul(room.fragment_size())).unwrap_or(i64::MAX);
    let mut take = free;
    // Other processes write at the same time.
    while take > 0 {
        let end = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
        match fallocate(file.as_fd(), FallocateFlags::empty(), end, take) {
            Ok(()) => return Ok(()),
            Err(nix::errno::Errno::ENOSPC) => take = take / 2 / 4096 * 4096,
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_no_file_system_is_not_filled() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("postgres")).unwrap();
        assert!(Disk::open(folder.path(), "postgres").is_err());
        assert!(Disk::open(folder.path(), "missing").is_err());
    }
}
