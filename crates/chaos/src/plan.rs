use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    faults::{Fault, Kind},
    world::{AGENTS, HUBS},
};

/// An endless row of faults that a seed decides. Every kind comes once before any comes again.
pub(crate) struct Plan {
    random: StdRng,
    kinds: &'static [Kind],
    targets: usize,
    pause_ms: (u64, u64),
    bag: Vec<Kind>,
}

impl Plan {
    /// Faults of hubs, broker and database.
    pub(crate) fn of_services(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), kinds: &Kind::OF_SERVICES, targets: HUBS, pause_ms: (1_000, 4_000), bag: Vec::new() }
    }

    /// Faults of agents.
    pub(crate) fn of_agents(seed: u64) -> Self {
        let random = StdRng::seed_from_u64(seed ^ 0x5eed);
        Self { random, kinds: &Kind::OF_AGENTS, targets: AGENTS, pause_ms: (500, 3_000), bag: Vec::new() }
    }

    pub(crate) fn next(&mut self) -> Fault {
        if self.bag.is_empty() {
            self.bag = self.kinds.to_vec();
            self.bag.shuffle(&mut self.random);
        }
        let kind = self.bag.pop().unwrap_or(self.kinds[0]);
        let (least, most) = kind.duration_ms();
        // Only agents that take messages have a way to the broker.
        let targets = if kind == Kind::CutAgentBroker { AGENTS / 2 } else { self.targets };
        Fault {
            kind,
            target: self.random.random_range(0..targets),
            hold_ms: self.random.random_range(least..=most),
            pause_ms: self.random.random_range(self.pause_ms.0..=self.pause_ms.1),
            failover: self.random.random(),
            alone: self.random.random_ratio(1, 3),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn take(mut plan: Plan, count: usize) -> Vec<Fault> {
        (0..count).map(|_| plan.next()).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(take(Plan::of_services(7), 50), take(Plan::of_services(7), 50));
        assert_ne!(take(Plan::of_services(7), 50), take(Plan::of_services(8), 50));
        assert_ne!(take(Plan::of_agents(7), 50), take(Plan::of_agents(8), 50));
    }

    #[test]
    fn every_kind_comes_before_any_comes_again() {
        let kinds = |plan: Plan, count| take(plan, count).iter().map(|fault| fault.kind).collect::<BTreeSet<_>>();
        assert_eq!(kinds(Plan::of_services(3), Kind::OF_SERVICES.len()), Kind::OF_SERVICES.into());
        assert_eq!(kinds(Plan::of_agents(3), Kind::OF_AGENTS.len()), Kind::OF_AGENTS.into());
    }

    #[test]
    fn targets_exist_and_times_are_within_bounds() {
        for fault in take(Plan::of_services(1), 200).into_iter().chain(take(Plan::of_agents(1), 200)) {
            let (least, most) = fault.kind.duration_ms();
            assert!((least..=most).contains(&fault.hold_ms), "{fault:?}");
            assert!(fault.target < if Kind::OF_AGENTS.contains(&fault.kind) { AGENTS } else { HUBS }, "{fault:?}");
        }
    }
}
