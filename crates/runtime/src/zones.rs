//! Time zones from a folder, which replace those of the program: the way to have new rules without a release.
//!
//! The folder is read once and whole, so that it cannot change under a running service, and a file that is damaged stops the start instead of a
//! job. Replicas that share a database need the same folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use domain::schedule::{UnreadableZone, Zones};

/// How deep names of zones are nested: `America/Argentina/Salta`.
const MAX_DEPTH: usize = 3;
const MAX_FILES: usize = 5_000;
/// The largest file of the database has 4 KiB.
const MAX_BYTES: u64 = 256 << 10;
/// What every file of a zone begins with.
const MAGIC: &[u8] = b"TZif";
/// The same zones with other rules of leap seconds, of which one set is right.
const OTHER_SETS: [&str; 2] = ["posix", "right"];

/// Why a folder has no usable time zones.
#[derive(Debug, thiserror::Error)]
pub enum ZonesError {
    /// A file or folder cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A zone cannot be read.
    #[error(transparent)]
    Zone(#[from] UnreadableZone),
    /// It has no zones, or far too many files.
    #[error("{0} is no folder of time zones, such as /usr/share/zoneinfo")]
    NotZones(PathBuf),
}

/// The time zones of a folder such as `/usr/share/zoneinfo`. Their version is that of its file `tzdata.zi` or `+VERSION`, or `unknown`.
pub(crate) fn zones_from_dir(folder: &Path) -> Result<Zones, ZonesError> {
    let mut files = Vec::new();
    collect(folder, "", MAX_DEPTH, &mut files)?;
    if files.is_empty() || files.len() > MAX_FILES {
        return Err(ZonesError::NotZones(folder.to_owned()));
    }
    Ok(Zones::from_tzif(version(folder), files)?)
}

fn collect(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), ZonesError> {
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        // Links are followed: old names are links to new ones.
        let found = fs::metadata(&path).map_err(|error| unreadable(&path, error))?;
        if found.is_dir() {
            if depth > 1 && !OTHER_SETS.contains(&full.as_str()) {
                collect(&path, &full, depth - 1, files)?;
            }
        } else if found.len() <= MAX_BYTES && files.len() <= MAX_FILES {
            let data = fs::read(&path).map_err(|error| unreadable(&path, error))?;
            if data.starts_with(MAGIC) {
                files.push((full, data));
            }
        }
    }
    Ok(())
}

fn version(folder: &Path) -> String {
    let first_line = |name: &str| fs::read_to_string(folder.join(name)).ok()?.lines().next().map(str::to_owned);
    let named = first_line("tzdata.zi").and_then(|line| line.strip_prefix("# version ").map(str::to_owned));
    named.or_else(|| first_line("+VERSION")).unwrap_or_else(|| "unknown".to_owned()).trim().to_owned()
}

fn unreadable(path: &Path, error: io::Error) -> ZonesError {
    ZonesError::Unreadable { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of version 2 with one fixed offset.
    fn tzif(offset_h: i32, footer: &str) -> Vec<u8> {
        let header = |body: &mut Vec<u8>| {
            body.extend(b"TZif2");
            body.extend([0; 15]);
            // Counts: of UT and standard indicators, leap seconds, transitions, types, characters.
            for count in [0_u32, 0, 0, 0, 1, 4] {
                body.extend(count.to_be_bytes());
            }
            body.extend((offset_h * 3600).to_be_bytes());
            body.extend([0, 0]);
            body.extend(b"XXX\0");
        };
        let mut file = Vec::new();
        header(&mut file);
        header(&mut file);
        file.extend(format!("\n{footer}\n").bytes());
        file
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, data) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, data).unwrap();
        }
        folder
    }

    #[test]
    fn zones_and_their_version_come_from_the_folder() {
        let (salta, posix) = (tzif(-2, "<-02>2"), tzif(9, "<+09>-9"));
        let files: [(&str, &[u8]); 5] = [
            ("America/Argentina/Salta", &salta),
            ("posix/UTC", &posix),
            ("zone.tab", b"a table"),
            ("tzdata.zi", b"# version 2099a\nZ ..."),
            ("+VERSION", b"2000a\n"),
        ];
        let folder = folder(&files);
        let zones = zones_from_dir(folder.path()).unwrap();
        assert_eq!((zones.version(), zones.names()), ("2099a", vec!["America/Argentina/Salta".to_owned()]));
        let noon = "2026-11-27T12:00:00Z".parse().unwrap();
        let local = zones.get("america/argentina/salta").unwrap().local(noon);
        assert_eq!(local.to_string(), "2026-11-27 10:00:00");
        fs::remove_file(folder.path().join("tzdata.zi")).unwrap();
        assert_eq!(zones_from_dir(folder.path()).unwrap().version(), "2000a");
    }

    #[test]
    fn a_folder_without_zones_and_a_damaged_file_are_refused() {
        let empty = zones_from_dir(folder(&[("zone.tab", b"a table")]).path()).unwrap_err();
        assert!(empty.to_string().contains("is no folder of time zones"), "{empty}");
        let damaged = zones_from_dir(folder(&[("UTC", b"TZif2 cut")]).path()).unwrap_err();
        assert!(damaged.to_string().starts_with("UTC cannot be read as a time zone"), "{damaged}");
        let missing = zones_from_dir(Path::new("/no/such/folder")).unwrap_err();
        assert!(missing.to_string().contains("/no/such/folder"), "{missing}");
    }
}
