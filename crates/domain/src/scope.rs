//! Which automations a caller may access.

use std::collections::BTreeSet;

use crate::ids::AutomationId;

/// The automations that a caller may access, with everything that belongs to them: jobs, queues, workers, dead letters and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every automation, including future ones.
    All,
    /// Only these.
    Automations(BTreeSet<AutomationId>),
}

impl Scope {
    /// Whether it includes this automation.
    #[must_use]
    pub fn has(&self, id: AutomationId) -> bool {
        match self {
            Self::All => true,
            Self::Automations(ids) => ids.contains(&id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_of_automations_includes_only_these() {
        let some = Scope::Automations([1, 3].map(AutomationId::new).into());
        let has = |scope: &Scope| [1, 2, 3].map(|id| scope.has(AutomationId::new(id)));
        assert_eq!((has(&some), has(&Scope::All), has(&Scope::Automations(BTreeSet::new()))), ([true, false, true], [true; 3], [false; 3]));
    }
}
