//! Names the schema that a test program was built with, so that programs built with the same one share its template on a server.

use std::{
    error::Error,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new("../../migrations/src");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = std::fs::read_dir(folder)?.map(|file| Ok(file?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file)?.hash(&mut hasher);
    }
    println!("cargo::rustc-env=SCHEMA_DIGEST={:016x}", hasher.finish());
    Ok(())
}
