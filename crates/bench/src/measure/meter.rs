use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::procfs;

/// Measures the CPU time of processes between two moments.
pub(crate) struct Meter {
    parts: Vec<(&'static str, u32)>,
    begun: Vec<f64>,
    generator: f64,
    machine: f64,
}

/// CPU seconds between two moments.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Usage {
    /// Of each part of what is measured.
    pub(crate) parts: BTreeMap<&'static str, f64>,
    /// Of the load generator, which is no part of what is measured.
    pub(crate) generator: f64,
    /// Of everything else on the machine, which disturbs.
    pub(crate) others: f64,
}

impl Usage {
    pub(crate) fn total(&self) -> f64 {
        self.parts.values().sum()
    }
}

impl Meter {
    /// Starts with these processes, each with its descendants.
    pub(crate) fn start(parts: &[(&'static str, u32)]) -> Result<Self> {
        let parts = parts.to_vec();
        let begun = procfs::cpu_of_trees(&roots(&parts))?;
        Ok(Self { begun, generator: procfs::cpu_of_self()?, machine: procfs::cpu_of_machine()?, parts })
    }

    pub(crate) fn stop(self) -> Result<Usage> {
        let machine = procfs::cpu_of_machine()? - self.machine;
        let ended = procfs::cpu_of_trees(&roots(&self.parts))?;
        let spent = ended.iter().zip(&self.begun).map(|(ended, begun)| ended - begun);
        let parts: BTreeMap<_, _> = self.parts.iter().map(|(name, _)| *name).zip(spent).collect();
        let generator = procfs::cpu_of_self()? - self.generator;
        let others = (machine - generator - parts.values().sum::<f64>()).max(0.0);
        Ok(Usage { parts, generator, others })
    }
}

fn roots(parts: &[(&'static str, u32)]) -> Vec<u32> {
    parts.iter().map(|(_, pid)| *pid).collect()
}
