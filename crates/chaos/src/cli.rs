use std::path::PathBuf;

use clap::Parser;

use crate::form::Form;

/// Time for one full disk, and one with a kill.
const SQLITE_LEAST: u64 = 12;

/// Injects random faults into a busy Regente and checks that nothing was lost or done twice.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    /// Determines the faults and their order; by default a new one each time.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Duration of the faults, in seconds; each shape has its share.
    #[arg(long, default_value_t = 600)]
    pub(crate) seconds: u64,
    /// Only this shape; by default one after the other.
    #[arg(long)]
    pub(crate) shape: Option<Form>,
    /// Number of jobs of each shape, spread over its time; by default eight per second.
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
    /// Maximum time until the system is idle afterwards, in seconds.
    #[arg(long, default_value_t = 150)]
    pub(crate) rest_limit: u64,
    /// The regente executable; by default the one beside this one.
    #[arg(long)]
    pub(crate) regente: Option<PathBuf>,
    /// Folder for logs and evidence, emptied at the start; by default target/chaos/seed-SEED. It is removed after a run without violations.
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
    /// Only faults with this in their name; may be repeated.
    #[arg(long)]
    pub(crate) fault: Vec<String>,
    /// Only the part with a hub on SQLite; otherwise that part follows, a tenth as long.
    #[arg(long)]
    pub(crate) sqlite: bool,
    /// Keep the folder also after a run without violations.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Cli {
    /// Duration of the faults of the hub on SQLite.
    pub(crate) fn sqlite_seconds(&self) -> u64 {
        if self.sqlite { self.seconds } else { (self.seconds / 10).max(SQLITE_LEAST) }
    }

    /// The shapes to play; none when only the hub on SQLite is wanted.
    pub(crate) fn shapes(&self) -> &[Form] {
        match &self.shape {
            _ if self.sqlite => &[],
            Some(shape) => std::slice::from_ref(shape),
            None => &Form::ALL,
        }
    }

    /// Duration of the faults of a shape.
    pub(crate) fn shape_seconds(&self) -> u64 {
        self.seconds / self.shapes().len().max(1) as u64
    }

    /// Jobs of a shape.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(|| usize::try_from(self.shape_seconds()).unwrap_or(usize::MAX).saturating_mul(8))
    }
}
