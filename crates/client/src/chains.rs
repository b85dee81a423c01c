use api_types::{Chain, ChainCreate, ChainFilter, ChainRun, ChainRunFilter, ChainUpdate};
use domain::ids::ChainId;

use crate::{Call, Client, List};

impl Client {
    /// Chains in order of creation.
    pub fn chains(&self, filter: &ChainFilter) -> List<Chain> {
        self.list(&["chains"], filter)
    }

    /// One chain.
    pub fn chain(&self, id: ChainId) -> Call<Chain> {
        self.get(&["chains", &id.to_string()])
    }

    /// Creates a chain.
    pub fn chain_create(&self, request: &ChainCreate) -> Call<Chain> {
        self.post(&["chains"]).json(request)
    }

    /// Changes the present fields.
    pub fn chain_update(&self, id: ChainId, request: &ChainUpdate) -> Call<Chain> {
        self.put(&["chains", &id.to_string()]).json(request)
    }

    /// Deletes a chain with its runs; its jobs stay.
    pub fn chain_delete(&self, id: ChainId) -> Call<()> {
        self.delete(&["chains", &id.to_string()])
    }

    /// Switches a chain on: ends from now on count.
    pub fn chain_enable(&self, id: ChainId) -> Call<Chain> {
        self.post(&["chains", &id.to_string(), "enable"]).repeatable()
    }

    /// Switches a chain off: no end counts.
    pub fn chain_disable(&self, id: ChainId) -> Call<Chain> {
        self.post(&["chains", &id.to_string(), "disable"]).repeatable()
    }

    /// Runs of a chain, newest first.
    pub fn chain_runs(&self, id: ChainId, filter: &ChainRunFilter) -> List<ChainRun> {
        self.list(&["chains", &id.to_string(), "runs"], filter)
    }
}
