//! The graph whose nodes are automations and whose edges are chains.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::AutomationId;

/// The shortest way in which the end of `target` would start `target` again, over a chain from `inputs` to it and the other chains: the automations
/// from `target` to `target`. `others`: input and target of each other chain.
#[must_use]
pub fn cycle(
    (inputs, target): (&[AutomationId], AutomationId),
    others: impl IntoIterator<Item = (AutomationId, AutomationId)>,
) -> Option<Vec<AutomationId>> {
    let mut next: BTreeMap<AutomationId, BTreeSet<AutomationId>> = BTreeMap::new();
    for (input, started) in others {
        next.entry(input).or_default().insert(started);
    }
    let inputs: BTreeSet<AutomationId> = inputs.iter().copied().collect();
    // From the target on, breadth first, until an input of the chain is met.
    let mut ways = vec![vec![target]];
    let mut seen = BTreeSet::from([target]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last().copied()?;
            if inputs.contains(&last) {
                return Some(way.into_iter().chain([target]).collect());
            }
            for started in next.get(&last).into_iter().flatten().filter(|started| seen.insert(**started)) {
                longer.push(way.iter().copied().chain([*started]).collect());
            }
        }
        ways = longer;
    }
    None
}
