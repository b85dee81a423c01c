use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    faults::{Fault, Kind, Need},
    form::Form,
    world::{AGENTS, HUBS},
};

/// An endless sequence of faults, determined by a seed. Every kind comes once before any comes again.
pub(crate) struct Plan {
    random: StdRng,
    kinds: Vec<Kind>,
    targets: usize,
    pause_ms: (u64, u64),
    bag: Vec<Kind>,
}

impl Plan {
    /// Faults of hubs, gateways, broker and database, as far as the host supports them.
    pub(crate) fn of_services(form: Form, seed: u64, has: &[Need]) -> Self {
        let random = StdRng::seed_from_u64(seed);
        let further: &[Kind] = match form {
            Form::Together => &[],
            Form::Apart => &Kind::OF_GATEWAYS,
        };
        Self {
            random,
            kinds: possible(&[&Kind::OF_SERVICES, further].concat(), has),
            targets: HUBS,
            pause_ms: (1_000, 4_000),
            bag: Vec::new(),
        }
    }

    /// Faults of schedulers that are processes of their own, and of the clock that everything follows.
    pub(crate) fn of_schedulers(form: Form, seed: u64, has: &[Need]) -> Self {
        let schedulers: &[Kind] = match form {
            Form::Together => &[],
            Form::Apart => &Kind::OF_SCHEDULERS,
        };
        let kinds = possible(&[&Kind::OF_CLOCKS, schedulers].concat(), has);
        Self { random: StdRng::seed_from_u64(seed ^ 0x27e2), kinds, targets: HUBS, pause_ms: (1_000, 4_000), bag: Vec::new() }
    }

    /// Faults of agents.
    pub(crate) fn of_agents(seed: u64, has: &[Need]) -> Self {
        let random = StdRng::seed_from_u64(seed ^ 0x5eed);
        Self { random, kinds: possible(&Kind::OF_AGENTS, has), targets: AGENTS, pause_ms: (500, 3_000), bag: Vec::new() }
    }

    /// Only faults with one of these in their names; all when there are none.
    pub(crate) fn only(mut self, names: &[String]) -> Self {
        self.kinds.retain(|kind| names.is_empty() || names.iter().any(|name| kind.name().contains(name.as_str())));
        self
    }

    /// The next one; none when there is no kind.
    pub(crate) fn next(&mut self) -> Option<Fault> {
        if self.bag.is_empty() {
            self.bag.clone_from(&self.kinds);
            self.bag.shuffle(&mut self.random);
        }
        let kind = self.bag.pop()?;
        let (least, most) = kind.duration_ms();
        // Only agents that consume messages have a connection to the broker.
        let targets = if kind == Kind::CutAgentBroker { AGENTS / 2 } else { self.targets };
        Some(Fault {
            kind,
            target: self.random.random_range(0..targets),
            hold_ms: self.random.random_range(least..=most),
            pause_ms: self.random.random_range(self.pause_ms.0..=self.pause_ms.1),
            failover: self.random.random(),
            alone: self.random.random_ratio(1, 3),
        })
    }
}

fn possible(kinds: &[Kind], has: &[Need]) -> Vec<Kind> {
    kinds.iter().copied().filter(|kind| kind.needs().is_none_or(|need| has.contains(&need))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [Need; 2] = [Need::Disks, Need::Clocks];

    fn take(mut plan: Plan, count: usize) -> Vec<Fault> {
        (0..count).map(|_| plan.next().unwrap()).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(take(Plan::of_services(Form::Together, 7, &ALL), 50), take(Plan::of_services(Form::Together, 7, &ALL), 50));
        assert_ne!(take(Plan::of_services(Form::Together, 7, &ALL), 50), take(Plan::of_services(Form::Together, 8, &ALL), 50));
        assert_ne!(take(Plan::of_agents(7, &ALL), 50), take(Plan::of_agents(8, &ALL), 50));
    }

    #[test]
    fn every_kind_comes_before_any_comes_again() {
        let kinds = |plan: Plan, count| take(plan, count).iter().map(|fault| fault.kind).collect::<BTreeSet<_>>();
        assert_eq!(kinds(Plan::of_services(Form::Together, 3, &ALL), Kind::OF_SERVICES.len()), Kind::OF_SERVICES.into());
        let apart = [Kind::OF_SERVICES.as_slice(), &Kind::OF_GATEWAYS].concat();
        assert_eq!(kinds(Plan::of_services(Form::Apart, 3, &ALL), apart.len()), apart.into_iter().collect());
        assert_eq!(kinds(Plan::of_agents(3, &ALL), Kind::OF_AGENTS.len()), Kind::OF_AGENTS.into());
        let apart = [Kind::OF_CLOCKS.as_slice(), &Kind::OF_SCHEDULERS].concat();
        assert_eq!(kinds(Plan::of_schedulers(Form::Apart, 3, &ALL), apart.len()), apart.into_iter().collect());
        assert_eq!(kinds(Plan::of_schedulers(Form::Together, 3, &ALL), Kind::OF_CLOCKS.len()), Kind::OF_CLOCKS.into());
    }

    #[test]
    fn what_the_system_does_not_have_is_left_out() {
        let schedulers = take(Plan::of_schedulers(Form::Apart, 5, &[]), 40);
        for fault in take(Plan::of_services(Form::Together, 5, &[]), 40).into_iter().chain(take(Plan::of_agents(5, &[Need::Disks]), 40)) {
            assert!(matches!(fault.kind.needs(), None | Some(Need::Disks)) && fault.kind != Kind::FillDatabase, "{fault:?}");
        }
        assert!(schedulers.iter().all(|fault| !fault.kind.steps_database()));
        assert_eq!(Plan::of_schedulers(Form::Together, 5, &[]).next(), None);
    }

    #[test]
    fn only_what_is_named_comes() {
        let only = |name: &str| Plan::of_agents(1, &ALL).only(&[name.to_owned()]);
        assert!(take(only("disk"), 5).iter().all(|fault| fault.kind == Kind::FillAgent));
        assert_eq!(only("nothing").next(), None);
    }

    #[test]
    fn targets_exist_and_times_are_within_bounds() {
        let plans = [Plan::of_services(Form::Together, 1, &ALL), Plan::of_schedulers(Form::Apart, 1, &ALL), Plan::of_agents(1, &ALL)];
        for fault in plans.into_iter().flat_map(|plan| take(plan, 200)) {
            let (least, most) = fault.kind.duration_ms();
            assert!((least..=most).contains(&fault.hold_ms), "{fault:?}");
            assert!(fault.target < if Kind::OF_AGENTS.contains(&fault.kind) { AGENTS } else { HUBS }, "{fault:?}");
        }
    }

    /// The run in `scripts/test` is so short that its seed must bring the important faults first.
    #[test]
    fn the_short_form_has_the_kinds_that_matter() {
        let script = include_str!("../../../scripts/test");
        let seed = script.split("--seed ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().parse().unwrap();
        let first = |plan: Plan, count| take(plan, count).iter().map(|fault| fault.kind).collect::<BTreeSet<_>>();
        let services = |form| first(Plan::of_services(form, seed, &ALL), 4);
        let (together, apart, agents) = (services(Form::Together), services(Form::Apart), first(Plan::of_agents(seed, &ALL), 5));
        for matters in [Kind::KillHub, Kind::KillDatabase, Kind::StopBothHubs, Kind::ClockBehind, Kind::FillDatabase] {
            assert!(together.contains(&matters) || apart.contains(&matters), "{matters}: {together:?}, {apart:?}");
        }
        for matters in [Kind::KillGateway, Kind::RestartInTurn] {
            assert!(apart.contains(&matters), "{matters}: {apart:?}");
        }
        let schedulers = first(Plan::of_schedulers(Form::Apart, seed, &ALL), 3);
        for matters in [Kind::KillBothSchedulers, Kind::SchedulerAhead, Kind::StopScheduler] {
            assert!(schedulers.contains(&matters), "{matters}: {schedulers:?}");
        }
        assert!([Kind::LoseAgent, Kind::FillAgent, Kind::TakeOverAgent].iter().all(|kind| agents.contains(kind)), "{agents:?}");
    }
}
