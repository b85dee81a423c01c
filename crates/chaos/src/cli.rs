use std::path::PathBuf;

use clap::Parser;

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
    /// Keep the folder also when all is well.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Cli {
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| usize::try_from(self.seconds).unwrap_or(usize::MAX).saturating_mul(8))
    }
}
