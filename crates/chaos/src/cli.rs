use std::path::PathBuf;

use clap::Parser;

/// Time for a full disk, and one with a kill.
const SQLITE_LEAST: u64 = 12;

/// Breaks a busy Regente at random and checks that nothing was lost or done twice.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// Decides what is broken in which order; by default another one each time.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How long things are broken.
    #[arg(long, default_value_t = 600)]
    pub(crate) seconds: u64,
    /// Jobs, spread over that time; by default eight a second.
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
    /// How long everything may take to come to rest afterwards, in seconds.
    #[arg(long, default_value_t = 150)]
    pub(crate) rest_limit: u64,
    /// The program; by default the one beside this one.
    #[arg(long)]
    pub(crate) regente: Option<PathBuf>,
    /// Folder for logs and evidence, emptied at the start; by default target/chaos/seed-SEED. It goes when all is well.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Only faults with this in their name; may be given again.
    #[arg(long)]
    pub(crate) fault: Vec<String>,
    /// Only the part with a hub on SQLite; otherwise it follows, a tenth as long.
    #[arg(long)]
    pub(crate) sqlite: bool,
    /// Keep the folder also when all is well.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Cli {
    /// How long the hub on SQLite is broken.
    pub(crate) fn sqlite_seconds(&self) -> u64 {
        if self.sqlite { self.seconds } else { (self.seconds / 10).max(SQLITE_LEAST) }
    }

    pub(crate) fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| usize::try_from(self.seconds).unwrap_or(usize::MAX).saturating_mul(8))
    }
}
